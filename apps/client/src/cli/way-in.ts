// The way into a room, from flags, environment, invite and answers: where its relays are, its keys, and who is coming.
// A PIN is read into one variable, becomes keys, and stays only as what an invite for others is made of.
import { randomBytes } from 'node:crypto'
import type { CommunityOptions } from '@pychat/client-engine'
import {
  decodeInvite,
  deriveRoom,
  generateCode,
  isGeneratedCode,
  type PinStrength,
  pinStrength,
} from '@pychat/crypto'
import type { RoomId } from '@pychat/protocol'
import type { NoticeCode } from '../chat/events.ts'
import { askMissing, type Field, type Terminal } from '../prompts.ts'
import { type Given, relayUrl, relayUrls } from '../settings.ts'

/** Below this many guesses (log10) a PIN is called weak before joining: some days for one graphics card. */
const weakLog10 = 9

export type WayIn = {
  urls: CommunityOptions['urls']
  /** The server's name, as its people write it. */
  name: string
  door: CommunityOptions['door']
  /** The room with which the community began. */
  root: RoomId
  username: string
  notices: { code: NoticeCode; text: string }[]
  /** How long a chosen PIN withstands guessing; null for a generated code, and where it was said already. */
  pinSentence: string | null
  /** From recovery words, where they were asked for. */
  words: string | null
}

/**
 * @param fields what this command has to know, in the order of asking
 * @throws UsageError, Cancelled
 */
export async function findWayIn(
  fields: readonly Field[],
  given: Given,
  insecure: boolean,
  terminal: Terminal,
): Promise<WayIn> {
  const answers = await askMissing(fields, given, insecure, terminal)
  const invite = answers.invite === undefined ? null : decodeInvite(answers.invite)
  const name = invite?.name ?? answers.server ?? ''
  const { urls, warning } = relaysOf(answers, invite?.relays ?? [], insecure)
  const notices: WayIn['notices'] = warning === undefined ? [] : [{ code: 'insecure', text: warning }]
  const username = answers.user ?? ''
  const words = answers.words ?? null

  if (invite !== null && 'secret' in invite) {
    const { secret, root } = invite
    return { urls, name, door: { secret, root }, root, username, notices, pinSentence: null, words }
  }
  let pin = invite?.pin ?? answers.pin ?? ''
  const isNew = pin === ''
  if (isNew) {
    pin = generateCode((bytes) => randomBytes(bytes))
    terminal.output.write(
      `Your new code: ${pin}\nIt is the PIN of this room: tell it your friends in private, with the server name.\n`,
    )
  }
  const strength = isNew || isGeneratedCode(pin) ? null : await pinStrength(pin)
  const keys = await deriveRoom(name, pin)
  const weak = strength !== null && strength.guessesLog10 < weakLog10
  if (weak) notices.push({ code: 'weak-pin', text: weakSentence(strength) })
  const pinSentence = weak || strength === null ? null : strength.sentence
  return { urls, name, door: { keys, pin }, root: keys.id, username, notices, pinSentence, words }
}

/** A relay that was named outright wins over those of an invite. */
function relaysOf(answers: Given, invited: readonly string[], insecure: boolean) {
  if (answers.relay === undefined && answers.invite !== undefined) return relayUrls(invited, insecure)
  const { url, warning } = relayUrl(answers.relay ?? 'localhost', insecure)
  return { urls: [url] as [string], ...(warning === undefined ? {} : { warning }) }
}

function weakSentence({ sentence }: PinStrength): string {
  return `This PIN is weak: guessing it takes ${sentence}. For real privacy leave the PIN empty once and share the code you get.`
}
