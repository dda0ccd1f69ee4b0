// What members tell each other as JSON inside sealed bytes or by another way than the relay: notices, the sealed part
// of rules, invites (docs/protocol.md, sections 16 and 17). One strict schema each; sealing is the part of libs/crypto.
import { z } from 'zod'
import { handoverSchema } from './charter.ts'
import { ProtocolError } from './errors.ts'
import { epochSchema, type MemberId, memberIdSchema, roomIdSchema } from './ids.ts'
import { limits } from './limits.ts'

const forbidden = /[\p{Cc}\p{Cs}]/u
const forbiddenInLines = /(?!\n)[\p{Cc}\p{Cs}]/u

function utf8Bytes(text: string): number {
  return new TextEncoder().encode(text).length
}

const text = (bytesMax: number, not = forbidden) =>
  z.string().refine((value) => utf8Bytes(value) <= bytesMax && !not.test(value))
const name = text(limits.nameBytesMax).min(1)
const channelName = text(limits.channelNameBytesMax).min(1)
const reason = text(limits.reasonBytesMax)

/** What somebody did that the others shall read. Whoever reads one checks that its signer had the right to it. */
export const noticeSchema = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('act'),
    what: z.enum(['kick', 'ban', 'unban', 'mute', 'unmute', 'op', 'deop', 'admit']),
    /** To whom: member id, and the name at that time. */
    id: memberIdSchema,
    name,
    /** '' for none. */
    reason,
    /** Milliseconds since 1970; 0 for no end, and where an end makes no sense. */
    until: z.int().min(0),
  }),
  /** A channel was opened. */
  z.strictObject({ t: z.literal('channel'), name: channelName }),
  /** Ownership is offered to the key `handover.to`, which takes it by signing a charter with this handover. */
  z.strictObject({ t: z.literal('offer'), handover: handoverSchema }),
  /** First in a room that was moved to: everything of this member in the room before stands at or before that place. */
  z.strictObject({ t: z.literal('after'), epoch: epochSchema, seq: z.int().min(0) }),
])

/** What only members can read of a room's rules. */
export const rulesTextSchema = z.strictObject({
  motd: text(limits.motdBytesMax, forbiddenInLines),
  /** Who the member ids of `bans`, `muted` and `admitted` are, as far as it fits. `by`: name of who did it. */
  people: z.record(
    memberIdSchema as unknown as z.ZodType<MemberId, string>,
    z.strictObject({ name, reason: reason.optional(), by: name }),
  ),
  channels: z.array(channelName).max(limits.channelsMax),
})

const relays = z
  .array(
    z
      .string()
      .max(limits.inviteRelayBytesMax)
      .regex(/^wss?:\/\/[\x21-\x7e]+$/),
  )
  .max(limits.inviteRelaysMax)
const invite = { v: z.literal(1), relays, name }

/** The way into a room: by its PIN (asked for when it is left out), or, after a move, by its secret. */
export const inviteSchema = z.union([
  z.strictObject({ ...invite, pin: text(limits.pinBytesMax).min(1).optional() }),
  z.strictObject({
    ...invite,
    /** 32 bytes. */
    secret: z.string().regex(/^[0-9a-f]{64}$/),
    root: roomIdSchema,
  }),
])

export type Notice = z.infer<typeof noticeSchema>
export type RulesText = z.infer<typeof rulesTextSchema>
export type Invite = z.infer<typeof inviteSchema>

/** @returns UTF-8 @throws ProtocolError bad-message on a notice that its readers would refuse, too-long */
export function encodeNotice(notice: Notice): Uint8Array {
  const body = new TextEncoder().encode(JSON.stringify(readJson(noticeSchema, notice)))
  if (body.length > limits.noticeBytesMax) throw new ProtocolError('too-long')
  return body
}

/** @returns null for what is no notice, or one of a kind that this version does not know */
export function decodeNotice(body: Uint8Array): Notice | null {
  return body.length > limits.noticeBytesMax ? null : decodeJson(noticeSchema, body)
}

/** @returns null for what is not UTF-8, no JSON or refused by the schema */
export function decodeJson<T>(schema: z.ZodType<T>, bytes: Uint8Array): T | null {
  try {
    const result = schema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
    return result.success ? result.data : null
  } catch {
    return null
  }
}

/** @throws ProtocolError bad-message */
export function readJson<T>(schema: z.ZodType<T>, value: unknown): T {
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new ProtocolError('bad-message', `${issue?.path.join('.') || 'text'}: ${issue?.code ?? 'invalid'}`)
}
