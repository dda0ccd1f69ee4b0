// THE table of what a person may type besides messages. Help, arity, rights, completion and suggestions come from it;
// what a command does is in chat/actions.ts.
import type { Rank } from '@pychat/client-engine'

/** `name`: somebody in the room. `text`: all the rest, spaces kept. `for`: --for with a duration. */
export type ArgumentKind =
  | 'command'
  | 'name'
  | 'channel'
  | 'view'
  | 'number'
  | 'switch'
  | 'answer'
  | 'code'
  | 'for'
  | 'text'

export type Argument = { kind: ArgumentKind; optional?: true }

export type Command = {
  name: string
  aliases?: readonly string[]
  usage: string
  /** One sentence. */
  summary: string
  /** More sentences, for /help COMMAND. */
  details?: string
  example: string
  /** In this order. */
  takes: readonly Argument[]
  /** Who may: this rank or a higher one. */
  rank: Rank
  group: 'Talking' | 'People' | 'Channels' | 'Your name' | 'Running the room' | 'Program'
}

const name = { kind: 'name' } as const
const text = { kind: 'text' } as const
const optionalText = { kind: 'text', optional: true } as const

export const commandTable = [
  {
    name: 'help',
    usage: '/help [COMMAND]',
    summary: 'Shows all commands, or one with an example.',
    example: '/help ban',
    takes: [{ kind: 'command', optional: true }],
    rank: 'member',
    group: 'Program',
  },
  {
    name: 'msg',
    aliases: ['query'],
    usage: '/msg NAME [TEXT]',
    summary: 'Writes to one person alone; without a text it opens the private conversation.',
    details: 'Put a name with spaces in quotes. Nobody else can read it, the relay neither.',
    example: '/msg Bob are you there?',
    takes: [name, optionalText],
    rank: 'member',
    group: 'Talking',
  },
  {
    name: 'reply',
    aliases: ['r'],
    usage: '/reply TEXT',
    summary: 'Answers the last private message.',
    example: '/reply yes, in a minute',
    takes: [text],
    rank: 'member',
    group: 'Talking',
  },
  {
    name: 'retry',
    usage: '/retry [N]',
    summary: 'Sends a message that failed once more; N is the number shown beside it.',
    example: '/retry 12',
    takes: [{ kind: 'number', optional: true }],
    rank: 'member',
    group: 'Talking',
  },
  {
    name: 'drop',
    usage: '/drop [N]',
    summary: 'Gives up a message that failed.',
    example: '/drop 12',
    takes: [{ kind: 'number', optional: true }],
    rank: 'member',
    group: 'Talking',
  },
  {
    name: 'users',
    aliases: ['who', 'names'],
    usage: '/users [PAGE]',
    summary: 'Shows who is here: name, role, fingerprint of the key, since when, and whether away.',
    example: '/users',
    takes: [{ kind: 'number', optional: true }],
    rank: 'member',
    group: 'People',
  },
  {
    name: 'verify',
    usage: '/verify NAME [ok|no]',
    summary: 'Shows six words to compare by voice, and remembers the outcome.',
    details:
      'Read the words to each other by phone. If they are the same: /verify NAME ok. If not: /verify NAME no.',
    example: '/verify Bob ok',
    takes: [name, { kind: 'answer', optional: true }],
    rank: 'member',
    group: 'People',
  },
  {
    name: 'nick',
    usage: '/nick NAME',
    summary: 'Takes another name.',
    example: '/nick Bob',
    takes: [text],
    rank: 'member',
    group: 'Your name',
  },
  {
    name: 'away',
    usage: '/away [TEXT]',
    summary: 'Tells the others that you are away.',
    example: '/away lunch',
    takes: [optionalText],
    rank: 'member',
    group: 'Your name',
  },
  {
    name: 'back',
    usage: '/back',
    summary: 'Tells the others that you are here again.',
    example: '/back',
    takes: [],
    rank: 'member',
    group: 'Your name',
  },
  {
    name: 'join',
    aliases: ['j'],
    usage: '/join #CHANNEL',
    summary: 'Opens a channel, which begins to exist by this, and goes there.',
    example: '/join #dev',
    takes: [{ kind: 'channel' }],
    rank: 'member',
    group: 'Channels',
  },
  {
    name: 'part',
    aliases: ['close'],
    usage: '/part [#CHANNEL|@NAME]',
    summary: 'Leaves a channel or closes a private conversation, the present one when none is named.',
    example: '/part #dev',
    takes: [{ kind: 'view', optional: true }],
    rank: 'member',
    group: 'Channels',
  },
  {
    name: 'channels',
    aliases: ['list'],
    usage: '/channels',
    summary: 'Shows the channels that are known, and what is unread.',
    example: '/channels',
    takes: [],
    rank: 'member',
    group: 'Channels',
  },
  {
    name: 'go',
    usage: '/go [N|#CHANNEL|@NAME|room]',
    summary: 'Goes to another conversation (as Alt-1 to Alt-9); alone, to the next with news (as Alt-a).',
    example: '/go #dev',
    takes: [{ kind: 'view', optional: true }],
    rank: 'member',
    group: 'Channels',
  },
  {
    name: 'invite',
    usage: '/invite',
    summary: 'Shows one line and a QR code with all that a friend needs to join.',
    details: 'Whoever sees it can join: send it in private.',
    example: '/invite',
    takes: [],
    rank: 'member',
    group: 'People',
  },
  {
    name: 'motd',
    usage: '/motd [TEXT]',
    summary: 'Shows what the room says to those who come, or sets it (owner and ops).',
    example: '/motd Release on Friday',
    takes: [optionalText],
    rank: 'member',
    group: 'Running the room',
  },
  {
    name: 'kick',
    usage: '/kick NAME [REASON]',
    summary: 'Puts somebody out; they may come back.',
    example: '/kick Mallory please calm down',
    takes: [name, optionalText],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'ban',
    usage: '/ban NAME [--for 1h] [REASON]',
    summary: 'Puts somebody out and keeps that key out: for a time (30m, 1h, 7d) or until /unban.',
    details: 'Who knows server name and PIN can come back with a new key: /rekey keeps them out for good.',
    example: '/ban Mallory --for 7d spam',
    takes: [name, { kind: 'for', optional: true }, optionalText],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'unban',
    usage: '/unban NAME',
    summary: 'Lets somebody in again; a name, or the first characters of an id from /bans.',
    example: '/unban Mallory',
    takes: [name],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'bans',
    usage: '/bans',
    summary: 'Shows who is banned or muted, by whom, until when and why.',
    example: '/bans',
    takes: [],
    rank: 'member',
    group: 'Running the room',
  },
  {
    name: 'mute',
    usage: '/mute NAME',
    summary: 'Lets somebody read but not write.',
    example: '/mute Mallory',
    takes: [name],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'unmute',
    usage: '/unmute NAME',
    summary: 'Lets somebody write again.',
    example: '/unmute Mallory',
    takes: [name],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'op',
    usage: '/op NAME',
    summary: 'Makes somebody an op: they may kick, ban, mute, lock and set the message of the day.',
    example: '/op Bob',
    takes: [name],
    rank: 'owner',
    group: 'Running the room',
  },
  {
    name: 'deop',
    usage: '/deop NAME',
    summary: 'Makes an op a member again.',
    example: '/deop Bob',
    takes: [name],
    rank: 'owner',
    group: 'Running the room',
  },
  {
    name: 'lock',
    usage: '/lock',
    summary: 'Lets nobody new in; who is here may come back.',
    example: '/lock',
    takes: [],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'unlock',
    usage: '/unlock',
    summary: 'Lets people in again.',
    example: '/unlock',
    takes: [],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'limit',
    usage: '/limit N',
    summary: 'Lets in no more than N people; 0 takes the limit away.',
    example: '/limit 20',
    takes: [{ kind: 'number' }],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'history',
    usage: '/history on|off',
    summary: 'Whether newcomers get the messages of the last minutes.',
    example: '/history on',
    takes: [{ kind: 'switch' }],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'rekey',
    usage: '/rekey [CODE]',
    summary: 'Moves the room to new keys: who is banned, or not here, stays outside. Asks for a code first.',
    details:
      'Everybody here comes along by themselves. Who is away has to be let in by an op (/admit) on return.',
    example: '/rekey',
    takes: [{ kind: 'code', optional: true }],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'admit',
    usage: '/admit NAME',
    summary: 'Lets somebody in who was away while the room moved.',
    example: '/admit Carol',
    takes: [name],
    rank: 'op',
    group: 'Running the room',
  },
  {
    name: 'transfer',
    usage: '/transfer NAME [CODE] | /transfer accept',
    summary: 'Offers the room to somebody, who has to accept. Asks for a code first.',
    details: 'You stay as an op. Only the new owner can give it back.',
    example: '/transfer Bob',
    takes: [name, { kind: 'code', optional: true }],
    rank: 'member',
    group: 'Running the room',
  },
  {
    name: 'recovery',
    usage: '/recovery',
    summary: 'Shows the twelve words that bring you (and what you own) back on another machine.',
    details: 'Whoever has them can be you in this room: write them on paper, and let nobody see the screen.',
    example: '/recovery',
    takes: [],
    rank: 'member',
    group: 'Running the room',
  },
  {
    name: 'quit',
    aliases: ['exit', 'q'],
    usage: '/quit',
    summary: 'Sends what still waits, leaves the room and ends the program.',
    example: '/quit',
    takes: [],
    rank: 'member',
    group: 'Program',
  },
] as const satisfies readonly Command[]

export type CommandName = (typeof commandTable)[number]['name']

/** By name or alias, with or without the slash, in any case. */
export function findCommand(word: string): (Command & { name: CommandName }) | null {
  const wanted = word.replace(/^\//, '').toLowerCase()
  const table: readonly (Command & { name: CommandName })[] = commandTable
  return table.find(({ name, aliases }) => name === wanted || aliases?.includes(wanted)) ?? null
}
