// Control messages: JSON objects in WebSocket text messages, one strict schema each (docs/protocol.md, "Control").
// "t" names the message. Unknown fields and unknown messages are refused in both directions.
import { z } from 'zod'
import { announcementTextSchema } from './admin-bans.ts'
import { charterPairSchema } from './charter.ts'
import { errorCodes } from './error-codes.ts'
import { ProtocolError } from './errors.ts'
import { epochSchema, nameTagSchema, publicKeySchema, roomIdSchema, sessionIdSchema } from './ids.ts'
import { limits } from './limits.ts'

const count = z.int().min(0).max(Number.MAX_SAFE_INTEGER)
const requestId = z
  .int()
  .min(1)
  .max(2 ** 31 - 1)
const secret = z.string().regex(/^[0-9a-f]{32}$/)
const software = z.string().regex(/^[\x21-\x7e]{1,64}$/)
const profile = z
  .string()
  .min(Math.ceil((limits.profileBytesMin * 4) / 3))
  .max(Math.ceil((limits.profileBytesMax * 4) / 3))
  .regex(/^[A-Za-z0-9_-]+$/)
const cursor = z.string().regex(/^[0-9]{1,20}$/)
const proof = z.string().regex(/^[0-9a-f]{128}$/)

const positionSchema = z.strictObject({ epoch: epochSchema, seq: count })

/** One member as a relay shows it: everything personal is inside the sealed profile. */
export const memberSchema = z.strictObject({
  session: sessionIdSchema,
  tag: nameTagSchema,
  profile,
  /** Counter of the last frame the relay took from this session; 0 before the first. */
  counter: count,
  /** Relay's clock when the session joined, milliseconds since 1970. */
  since: count,
})

export const clientControlSchema = z.discriminatedUnion('t', [
  z.strictObject({ t: z.literal('hello'), version: count, software }),
  z.strictObject({
    t: z.literal('join'),
    id: requestId,
    room: roomIdSchema,
    session: sessionIdSchema,
    /** 16 random bytes known to this client alone: proves on a later connection that the session is the same. */
    secret,
    tag: nameTagSchema,
    profile,
    /**
     * Frames up to this counter cannot be sent any more; 0 when left out. A relay that knows less of the session
     * goes on from here, so that the sender can repair what the relay lost without a new session.
     */
    counter: count.max(limits.framesPerSessionMax).optional(),
    /** Whose key signs for this session, and that key's signature over `joinProofBytes`. A room with a charter wants it. */
    key: z.strictObject({ public: publicKeySchema, proof }).optional(),
    /**
     * Where a returning member stands: unless `joined` names that very place, `log` with this request's id comes
     * behind it, as if it had been asked for.
     */
    after: positionSchema.optional(),
  }),
  z.strictObject({ t: z.literal('leave'), id: requestId, room: roomIdSchema }),
  z.strictObject({ t: z.literal('members'), id: requestId, room: roomIdSchema, after: cursor }),
  /** Asks for one session: a member, or one that left lately and whose frames the log still has. */
  z.strictObject({ t: z.literal('member'), id: requestId, room: roomIdSchema, session: sessionIdSchema }),
  /** Asks for what stands in the room's log after a position: a page of deliveries. */
  z.strictObject({ t: z.literal('log'), id: requestId, room: roomIdSchema, epoch: epochSchema, seq: count }),
  /** Shows another profile for this connection's session in that room: a new name, or a new text inside. */
  z.strictObject({ t: z.literal('profile'), id: requestId, room: roomIdSchema, tag: nameTagSchema, profile }),
  /** Puts a newer charter and newer rules into force in a room that this connection is in. */
  z.strictObject({ t: z.literal('charter'), id: requestId, room: roomIdSchema, ...charterPairSchema.shape }),
  /** Puts out a member of lower rank. */
  z.strictObject({ t: z.literal('kick'), id: requestId, room: roomIdSchema, session: sessionIdSchema }),
  z.strictObject({ t: z.literal('ping'), id: requestId }),
])

export const relayControlSchema = z.discriminatedUnion('t', [
  z.strictObject({
    t: z.literal('welcome'),
    version: count,
    software,
    pingIntervalMs: count,
    frameBytesMax: count,
    /** Copies of the log, beside the first, that hold a frame before "ack" says so. 0: its own delivery is the ack. */
    ackReplicas: count,
  }),
  z.strictObject({
    t: z.literal('joined'),
    id: requestId,
    room: roomIdSchema,
    epoch: epochSchema,
    /** Last seq of the room's log; 0 while nothing was ever said. */
    seq: count,
    /** Last counter that the relay took from this session; frames up to it need no repeating. */
    counter: count,
    /** Members now, the joiner included. */
    count,
    members: z.array(memberSchema).max(limits.rosterPageMembersMax),
    /** Present when there are more members: ask for them with "members". */
    next: cursor.optional(),
    /** What governs the room, where something does. */
    charter: charterPairSchema.optional(),
    /** Whether the room is quiet: "arrived" and "departed" are not told, "count" is. */
    quiet: z.boolean().optional(),
  }),
  z.strictObject({
    t: z.literal('members'),
    id: requestId,
    room: roomIdSchema,
    members: z.array(memberSchema).max(limits.rosterPageMembersMax),
    next: cursor.optional(),
  }),
  z.strictObject({ t: z.literal('member'), id: requestId, room: roomIdSchema, member: memberSchema }),
  z.strictObject({ t: z.literal('left'), id: requestId, room: roomIdSchema }),
  /**
   * Answer to "log", or to the `after` of "join": exactly `count` deliveries of this room follow, from `seq` + 1 on in
   * `epoch`, before anything else.
   */
  z.strictObject({
    t: z.literal('log'),
    id: requestId,
    room: roomIdSchema,
    epoch: epochSchema,
    seq: count,
    count,
    /** Messages between the position asked about and this one that are gone for good; left out when nobody knows. */
    missed: count.optional(),
    /** Ask again from the position that is reached then. */
    more: z.boolean(),
  }),
  z.strictObject({ t: z.literal('profiled'), id: requestId, room: roomIdSchema }),
  z.strictObject({ t: z.literal('chartered'), id: requestId, room: roomIdSchema }),
  z.strictObject({ t: z.literal('kicked'), id: requestId, room: roomIdSchema }),
  z.strictObject({ t: z.literal('pong'), id: requestId }),
  /** Refuses the request with this id, or, without an id, a message that could not be read. */
  z.strictObject({
    t: z.literal('refused'),
    id: requestId.optional(),
    code: z.enum(errorCodes),
    message: z.string().max(256),
    retryMs: count.optional(),
  }),
  /** Somebody came into the room, or came back on another connection with a new profile. */
  z.strictObject({ t: z.literal('arrived'), room: roomIdSchema, member: memberSchema }),
  /** Somebody left: by wish ("left"), because the connection or its node is gone ("lost"), or put out. */
  z.strictObject({
    t: z.literal('departed'),
    room: roomIdSchema,
    session: sessionIdSchema,
    why: z.enum(['left', 'lost', 'kicked', 'banned']),
  }),
  /**
   * This connection's session in that room was put out; the connection stays. The last three are done by the relay's
   * operator: out for now, the room is banned, the member's key is.
   */
  z.strictObject({
    t: z.literal('expelled'),
    room: roomIdSchema,
    why: z.enum(['kicked', 'banned', 'removed', 'room-banned', 'key-banned']),
  }),
  /** The relay's operator says something, to everybody or to those in a room. Nobody signs it: show who it is from. */
  z.strictObject({
    t: z.literal('announcement'),
    room: roomIdSchema.optional(),
    text: announcementTextSchema,
  }),
  /** What governs the room from now on. */
  z.strictObject({ t: z.literal('charter'), room: roomIdSchema, ...charterPairSchema.shape }),
  /** How many members a quiet room has, now and then, and once when it begins or ends to be quiet. */
  z.strictObject({ t: z.literal('count'), room: roomIdSchema, count, quiet: z.boolean() }),
  /**
   * A frame that was published twice and stands in the log at `seq` since the first time (0: place forgotten); with
   * `ackReplicas` above 0, also each frame once it is replicated. Frames with lower counters stand there too.
   */
  z.strictObject({
    t: z.literal('ack'),
    room: roomIdSchema,
    session: sessionIdSchema,
    counter: count,
    seq: count,
  }),
  /** A frame that was not taken. */
  z.strictObject({
    t: z.literal('nack'),
    room: roomIdSchema,
    session: sessionIdSchema,
    counter: count,
    code: z.enum(errorCodes),
    /** With code "gap": the last counter that was taken. */
    last: count.optional(),
    retryMs: count.optional(),
  }),
  /**
   * The store lost its newest state: the room's log goes on under another epoch after `seq`. `was` is the place
   * behind which frames of the old epoch may be lost; their senders send them again.
   */
  z.strictObject({
    t: z.literal('reset'),
    room: roomIdSchema,
    epoch: epochSchema,
    seq: count,
    was: positionSchema,
  }),
  /** Where the room's log ends, told now and then: a member that stands elsewhere missed something. */
  z.strictObject({ t: z.literal('position'), room: roomIdSchema, epoch: epochSchema, seq: count }),
  /** Whether the relay can take messages now. */
  z.strictObject({ t: z.literal('relay'), state: z.enum(['ready', 'degraded']) }),
  /** This node is about to close the connection: reconnect after so many milliseconds. */
  z.strictObject({ t: z.literal('goaway'), afterMs: count }),
])

export type Member = z.infer<typeof memberSchema>
export type ClientControl = z.infer<typeof clientControlSchema>
export type RelayControl = z.infer<typeof relayControlSchema>
export type ClientControlOf<T extends ClientControl['t']> = Extract<ClientControl, { t: T }>
export type RelayControlOf<T extends RelayControl['t']> = Extract<RelayControl, { t: T }>

export function encodeControl(message: ClientControl | RelayControl): string {
  const text = JSON.stringify(message)
  // The one message whose text people write: on the wire it is ASCII like all others.
  if (message.t !== 'announcement') return text
  return text.replace(/[\u0080-\uffff]/g, (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

const charterStart = '{"t":"charter",'

/**
 * Only a text that begins as `charter` may be as long as `charterControlBytesMax`, so that no other one is parsed.
 * @throws ProtocolError too-long or bad-message
 */
export function decodeClientControl(text: string): ClientControl {
  const isCharter = text.startsWith(charterStart)
  const bytesMax = isCharter ? limits.charterControlBytesMax : limits.controlBytesMax
  const message = decode(text, bytesMax, clientControlSchema)
  // A second "t" further on wins, and with it that message's own bound.
  if (message.t !== 'charter' && text.length > limits.controlBytesMax) throw new ProtocolError('too-long')
  return message
}

/** @throws ProtocolError too-long or bad-message */
export function decodeRelayControl(text: string): RelayControl {
  return decode(text, limits.relayControlBytesMax, relayControlSchema)
}

function decode<T>(text: string, bytesMax: number, schema: z.ZodType<T>): T {
  // All valid control text is ASCII, so its length in characters is its length in bytes.
  if (text.length > bytesMax) throw new ProtocolError('too-long')
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    throw new ProtocolError('bad-message', 'not JSON')
  }
  const result = schema.safeParse(value)
  if (result.success) return result.data
  const issue = result.error.issues[0]
  throw new ProtocolError('bad-message', `${issue?.path.join('.') || 'message'}: ${issue?.code ?? 'invalid'}`)
}
