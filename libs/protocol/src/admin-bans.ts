// What an operator does to people and rooms, as the admin API carries it (docs/protocol.md, "Admin API"): bans, kicks
// and announcements. Requests are strict; what a value means for its kind is judged by the relay.
import { z } from 'zod'
import { roomIdSchema, sessionIdSchema } from './ids.ts'
import { limits } from './limits.ts'

/** What a ban names: a room id, an address or CIDR, or the member id of a key. */
export const banKinds = ['room', 'address', 'key'] as const
export type BanKind = (typeof banKinds)[number]

/** Characters of a ban's reason. */
export const banReasonCharactersMax = 200
/** How long a ban may last, in milliseconds: from a second to ten years. Without a time it lasts until it is lifted. */
export const banForMsMin = 1000
export const banForMsMax = 315_360_000_000

const count = z.int().min(0)
const nodesAsked = z.strictObject({ asked: count, answered: count })
const isoTime = z.iso.datetime()
/** Neither control nor format characters, nor line ends: nothing that moves a cursor or turns a line around. */
const plain = /^[^\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]*$/u

export const banKindSchema = z.enum(banKinds)
export const banReasonSchema = z.string().max(banReasonCharactersMax).regex(plain)
/** Room id, member id, or address with or without "/bits", as the relay spells it. */
export const banValueSchema = z.string().regex(/^[0-9a-f.:/]{3,64}$/)
export const announcementTextSchema = z.string().min(1).max(limits.announcementCharactersMax).regex(plain)

/** "90s", "10m", "1h", "7d", "2w" in milliseconds; null for anything else, and out of range. */
export function banForMsOf(text: string): number | null {
  const [, digits, unit] = /^([0-9]{1,9})([smhdw])$/.exec(text) ?? []
  const unitMs = { s: 1000, m: 60_000, h: 3_600_000, d: 86_400_000, w: 604_800_000 }[unit ?? '']
  const ms = Number(digits) * (unitMs ?? Number.NaN)
  return ms >= banForMsMin && ms <= banForMsMax ? ms : null
}

/** Text as an announcement or a reason may have it: one line, white space folded, nothing invisible. */
export function plainLine(text: string): string {
  return text
    .replace(/\s+/g, ' ')
    .replace(/[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}]/gu, '')
    .trim()
}

export const banSchema = z.strictObject({
  kind: banKindSchema,
  value: banValueSchema,
  reason: banReasonSchema,
  createdAt: isoTime,
  /** Null: until it is lifted. */
  until: isoTime.nullable(),
})

export const bansReplySchema = z.strictObject({
  schema: z.literal(1),
  bans: z.array(banSchema),
  nodes: nodesAsked,
})
export const banReplySchema = z.strictObject({
  schema: z.literal(1),
  ban: banSchema,
  /** There was a ban of the same before. */
  replaced: z.boolean(),
  /** Connections of the address, or members, that it meets. */
  met: count,
  dryRun: z.literal('ban').optional(),
  /** `answered`: the nodes that enforce it now. */
  nodes: nodesAsked,
})
export const unbanReplySchema = z.strictObject({
  schema: z.literal(1),
  ban: banSchema,
  dryRun: z.literal('unban').optional(),
  nodes: nodesAsked,
})
export const kickReplySchema = z.strictObject({
  schema: z.literal(1),
  room: roomIdSchema,
  /** Null: everybody. */
  session: sessionIdSchema.nullable(),
  kicked: count,
  dryRun: z.literal('kick').optional(),
  nodes: nodesAsked,
})
export const announceReplySchema = z.strictObject({
  schema: z.literal(1),
  /** Null: everybody. */
  room: roomIdSchema.nullable(),
  text: announcementTextSchema,
  /** Connections that it was sent to. */
  told: count,
  dryRun: z.literal('announce').optional(),
  nodes: nodesAsked,
})

const dryRun = z.boolean().default(false)
const given = z.string().min(1).max(128)

/** `value`: a room id or its short code, an address or CIDR, a public key (hex or base64url) or a member id. */
export const banRequestSchema = z.strictObject({
  kind: banKindSchema,
  value: given,
  forMs: z.int().min(banForMsMin).max(banForMsMax).optional(),
  reason: z.string().max(1024).default(''),
  dryRun,
})
export const unbanRequestSchema = z.strictObject({ kind: banKindSchema, value: given, dryRun })
/** `session`: its id, or the first eight digits or more. */
export const kickRequestSchema = z.strictObject({
  room: given,
  session: z
    .string()
    .regex(/^[0-9a-f]{8,32}$/)
    .optional(),
  dryRun,
})
export const announceRequestSchema = z.strictObject({
  text: z.string().min(1).max(2000),
  room: given.optional(),
  dryRun,
})

export type AdminBan = z.infer<typeof banSchema>
export type BansReply = z.infer<typeof bansReplySchema>
export type BanReply = z.infer<typeof banReplySchema>
export type UnbanReply = z.infer<typeof unbanReplySchema>
export type KickReply = z.infer<typeof kickReplySchema>
export type AnnounceReply = z.infer<typeof announceReplySchema>
export type BanRequest = z.infer<typeof banRequestSchema>
export type UnbanRequest = z.infer<typeof unbanRequestSchema>
export type KickRequest = z.infer<typeof kickRequestSchema>
export type AnnounceRequest = z.infer<typeof announceRequestSchema>
