// What each command of the table does. Every answer is an event; a refusal is one sentence that says what to do.
import { ChatRefusal, type Community, type Person, type Rank, type View } from '@pychat/client-engine'
import { helpText } from '../commands/help.ts'
import type { Arguments } from '../commands/parse.ts'
import { type CommandName, findCommand } from '../commands/table.ts'
import { sanitiseName } from '../sanitise.ts'
import type { Confirm } from './confirm.ts'
import type { ChatEvent } from './events.ts'
import type { Outgoing } from './outgoing.ts'
import type { Stage } from './stage.ts'
import { keyOf, memberOf, untilTime, viewLabel } from './translate.ts'

const usersOnPage = 50

/** `qr`: rows of block characters, for screens that people look at. */
export type Invitation = { line: string; qr: string }

export type ActionPorts = {
  community: Community
  outgoing: Outgoing
  stage: Stage
  confirm: Confirm
  say(view: View, text: string): void
  invitation(): Invitation | null
  quit(): void
}

export type Actions = (name: CommandName, given: Arguments) => void | Promise<void>

/** Where text goes depends on their outcome: what is typed after them waits for it. */
export const orderedCommands: ReadonlySet<CommandName> = new Set(['msg', 'join', 'part', 'go'])

const ladder: Record<Rank, number> = { member: 0, op: 1, owner: 2 }

/** Refusals explain themselves; whatever else comes is our own mistake, said and not hidden. */
function sentenceOf(problem: unknown): string {
  if (problem instanceof ChatRefusal) return problem.sentence
  return `This did not work because of a mistake in PyChat: ${problem instanceof Error ? problem.message : 'unknown'}`
}

export function createActions(ports: ActionPorts): Actions {
  const { community, outgoing, confirm, stage } = ports
  const { error, notice } = stage
  const tell = (event: ChatEvent) => stage.tell(null, event)
  const done = (text: string) => notice('done', text)

  async function users(page: number): Promise<void> {
    const view = stage.here()
    const { people, count, more } = await pageOf(community, view, page, stage.quiet(view))
    const members = people.map(memberOf)
    const users = members.map(({ name }) => name)
    tell({ type: 'users', view: viewLabel(view), users, members, count, page, more })
  }
  function verify(name: string, ok: boolean | undefined): void {
    const words = community.verifyWords(name)
    const who = sanitiseName(name)
    if (words === null) error('not-done', `Nobody here is called ${who}: /users shows who is.`)
    else if (ok === undefined) {
      const verified = community.find(name)?.verified ?? false
      tell({ type: 'verify', user: name, words, verified })
    } else {
      community.setVerified(name, ok)
      if (ok) done(`${who} is verified: you will be warned loudly when that key changes.`)
      else error('not-done', notVerifiedText(who))
    }
  }
  function charter(): void {
    const rules = community.charter()
    if (rules === null) done('This room has no owner and no rules yet.')
    else {
      const { motd, lock, limit, history } = rules
      tell({ type: 'charter', motd, rank: stage.self.rank, lock, limit, history, changed: [], by: null })
    }
  }
  function bans(): void {
    const rules = community.charter()
    const list = (rules?.bans ?? []).map((ban) => ({ ...ban, until: untilTime(ban.until) }))
    tell({ type: 'bans', bans: list, muted: rules?.muted ?? [] })
  }
  async function ban(name: string, forMs: number | null, reason: string): Promise<void> {
    await community.ban(name, { forMs, reason })
    const who = sanitiseName(name)
    notice(
      'rekey-offer',
      `${who} still knows the way in and could come back with a new key: /rekey moves the room away from ${who} for good.`,
    )
  }
  function asked(what: string, code: string | undefined, sentence: string, again: string): boolean {
    if (code !== undefined && confirm.check(what, code)) return true
    const shown = confirm.ask(what)
    const wrong = code === undefined ? '' : 'That was not the code, or it was too late. '
    notice('confirm', `${wrong}${sentence} To do it, type within a minute: ${again} ${shown}`)
    return false
  }
  async function rekey(code: string | undefined): Promise<void> {
    const sentence =
      'This gives everybody who is here new keys and moves the room. Who is away has to be let in later, and the old PIN opens nothing any more.'
    if (asked('rekey', code, sentence, '/rekey')) await community.rekey()
  }
  async function transfer(name: string, code: string | undefined): Promise<void> {
    if (name.toLowerCase() === 'accept' && code === undefined) return community.acceptTransfer()
    if (!allowed('owner', '/transfer NAME')) return
    const who = sanitiseName(name)
    const sentence = `This offers the room to ${who}, who owns it after accepting; you cannot take it back.`
    if (!asked(`transfer ${name}`, code, sentence, `/transfer ${who}`)) return
    await community.transfer(name)
    done(`The room is offered to ${who}, who has to type: /transfer accept`)
  }
  async function msg(name: string, text: string | undefined): Promise<void> {
    const view = await community.open({ kind: 'private', user: name })
    if (text === undefined) stage.goTo(view)
    else ports.say(view, text)
  }
  async function part(typed: string | undefined): Promise<void> {
    const view = typed === undefined ? stage.here() : stage.findView(typed)
    if (view === null) return error('not-done', noView(typed ?? ''))
    if (view.kind === 'room') return error('not-done', 'This is the room itself: /quit leaves it.')
    await community.close(view)
  }
  function go(typed: string | undefined): void {
    const view = typed === undefined ? stage.nextWithNews() : stage.findView(typed)
    if (view) stage.goTo(view)
    else if (typed === undefined) done('Nothing is unread.')
    else error('not-done', noView(typed))
  }
  function recovery(): void {
    const words = community.recoveryWords()
    if (words === null) done('Nothing is kept here (--no-state), so there is nothing to recover.')
    else tell({ type: 'recovery', words })
  }
  function invite(): void {
    const invitation = ports.invitation()
    if (invitation === null) error('not-done', 'No invite can be made here.')
    else {
      if (invitation.qr !== '') stage.show({ type: 'qr', text: invitation.qr })
      tell({ type: 'invite', line: invitation.line })
    }
  }
  function retry(id: number | undefined): void {
    const entry = outgoing.failedOne(id)
    if (entry) community.retry(entry.view, entry.id)
    else error('not-done', id === undefined ? 'No message failed.' : `No message ${id} failed.`)
  }
  function drop(id: number | undefined): void {
    const entry = outgoing.drop(id)
    if (entry) done(`Message ${entry.id} will not be sent.`)
    else error('not-done', id === undefined ? 'No message failed.' : `No message ${id} failed.`)
  }

  const table: Record<CommandName, (given: Arguments) => void | Promise<void>> = {
    help: ({ command = '' }) => notice('help', helpText(command)),
    msg: ({ name = '', text }) => msg(name, text),
    reply({ text = '' }) {
      const to = stage.lastPrivate()
      return to === null
        ? error('not-done', 'Nobody has written to you privately yet: /msg NAME TEXT begins.')
        : msg(to, text)
    },
    retry: ({ number }) => retry(number),
    drop: ({ number }) => drop(number),
    users: ({ number = 1 }) => users(Math.max(1, number)),
    verify: ({ name = '', ok }) => verify(name, ok),
    async nick({ text = '' }) {
      await community.rename(text)
    },
    async away({ text = '' }) {
      await community.away(text)
      done('You are shown as away: /back ends it.')
    },
    async back() {
      await community.away(null)
      done('You are shown as here again.')
    },
    async join({ channel = '' }) {
      stage.goTo(await community.open({ kind: 'channel', name: channel }))
    },
    part: ({ view }) => part(view),
    channels() {
      const open = new Set(community.views().map(keyOf))
      const channels = community.channels().map((name) => {
        const view: View = { kind: 'channel', name }
        return { channel: `#${name}`, open: open.has(keyOf(view)), unread: stage.unread(view) }
      })
      tell({ type: 'channels', channels })
    },
    go: ({ view }) => go(view),
    invite,
    async motd({ text }) {
      if (text === undefined) return charter()
      if (allowed('op', '/motd TEXT')) await community.motd(text)
    },
    kick: ({ name = '', text = '' }) => community.kick(name, text),
    ban: ({ name = '', forMs, text = '' }) => ban(name, forMs ?? null, text),
    unban: ({ name = '' }) => community.unban(name),
    bans,
    mute: ({ name = '' }) => community.mute(name),
    unmute: ({ name = '' }) => community.unmute(name),
    op: ({ name = '' }) => community.op(name),
    deop: ({ name = '' }) => community.deop(name),
    lock: () => community.lock(true),
    unlock: () => community.lock(false),
    limit: ({ number = 0 }) => community.limit(number),
    history: ({ on = false }) => community.history(on),
    rekey: ({ code }) => rekey(code),
    admit: ({ name = '' }) => community.admit(name),
    transfer: ({ name = '', code }) => transfer(name, code),
    recovery,
    quit: () => ports.quit(),
  }

  function allowed(needed: Rank, usage: string): boolean {
    // A room without rules is nobody's yet: who may make them is not for us to say.
    if (community.charter() === null || ladder[stage.self.rank] >= ladder[needed]) return true
    const who = needed === 'owner' ? 'the owner' : 'the owner and ops'
    error('not-done', `${usage} is for ${who}.`)
    return false
  }

  return async (name, given) => {
    const command = findCommand(name)
    if (command && !allowed(command.rank, command.usage)) return
    try {
      await table[name](given)
    } catch (problem) {
      error('not-done', sentenceOf(problem))
    }
  }
}

function notVerifiedText(who: string): string {
  return `${who} is not verified. Different words mean that somebody may sit between you, or be somebody else: do not trust what is said here under that name.`
}

function noView(typed: string): string {
  return `There is no conversation ${sanitiseName(typed)} here: /join #channel and /msg NAME open one.`
}

type Page = { people: readonly Person[]; count: number; more: boolean }

/** Small rooms are known whole; the relay's list of a big one is gone through from its begin. */
async function pageOf(community: Community, view: View, page: number, quiet: boolean): Promise<Page> {
  if (!quiet) {
    const known = community.people(view)
    const people = known.slice((page - 1) * usersOnPage, page * usersOnPage)
    return { people, count: known.length, more: known.length > page * usersOnPage }
  }
  let found = await community.page(view, null)
  for (let at = 1; at < page && found.next !== null; at += 1) found = await community.page(view, found.next)
  return { people: found.people, count: found.count, more: found.next !== null }
}
