// What a person asks for in a community, from a typed name to documents that are in force: it finds who is meant, and
// leaves what may be done to `acts.ts`, and how documents come into force to the room's desk.
import { CryptoInputError, frameKinds, type MemberKey, normalizeName, signHandover } from '@pychat/crypto'
import { encodeNotice, type Handover, limits, type MemberId, type RoomId } from '@pychat/protocol'
import { ChatRefusal } from '../chat-refusal.ts'
import type { ClientPorts } from '../ports.ts'
import type { Room } from '../room.ts'
import type { User } from '../room-events.ts'
import * as acts from './acts.ts'
import type { Emit } from './conversation.ts'
import type { Step } from './desk.ts'
import { type Draft, rankOfId } from './draft.ts'
import type { Founding } from './founding.ts'
import type { Home } from './moving.ts'
import type { People } from './people.ts'
import { acceptOffer, isOpenOffer, offerOf } from './transfer.ts'
import type { Community } from './types.ts'

const pagesMax = 2048
/** Digits of a member id that are enough to name it. */
const idDigitsMin = 6

export type Acting = Pick<
  Community,
  | 'motd'
  | 'op'
  | 'deop'
  | 'kick'
  | 'ban'
  | 'unban'
  | 'mute'
  | 'unmute'
  | 'lock'
  | 'limit'
  | 'history'
  | 'transfer'
  | 'acceptTransfer'
> & {
  /** Somebody offered the room to somebody. */
  offered(handover: Handover, from: string): void
  /** Somebody in the room, also one whom only the relay's list shows. @throws rejects with ChatRefusal */
  lookUp(name: string): Promise<User>
}

export type ActingPorts = Pick<ClientPorts, 'now'> & {
  emit: Emit
  root: RoomId
  member: MemberKey
  home(): Home
  self(): acts.Actor
  people: People
  founding: Founding
}

export function createActing(ports: ActingPorts): Acting {
  const { people } = ports
  let offer: Handover | null = null

  const byName = (room: Room, name: string) =>
    room.users().filter((user) => normalizeName(user.name) === name)

  async function lookUp(typed: string): Promise<User> {
    const { room } = ports.home()
    const name = normalizeName(typed)
    const [known] = byName(room, name)
    if (known !== undefined) return known
    let after: string | null = room.quiet ? null : 'end'
    for (let pages = 0; after !== 'end' && pages < pagesMax; pages += 1) {
      const page = await room.page(after)
      const found = page.users.find((user) => normalizeName(user.name) === name)
      if (found !== undefined) return found
      after = page.next ?? 'end'
    }
    throw new ChatRefusal('nobody', `Nobody called ${typed} is here; /users shows who is.`)
  }

  /** Whoever is here, was here in this run, or is named in the rules. */
  async function target(typed: string): Promise<acts.Target> {
    try {
      const { name, memberId: id, publicKey } = await lookUp(typed)
      return { name, id, publicKey }
    } catch (error) {
      if (!(error instanceof ChatRefusal) || error.code !== 'nobody') throw error
      const gone = people.recallName(typed)
      if (gone !== null) return { name: gone.name, id: gone.memberId, publicKey: gone.publicKey }
      const named = namedInRules(typed, ports.home().desk.draft())
      if (named === null) throw error
      return named
    }
  }
  /** Of those whom the rules name, first: others may have the name now. */
  async function listed(typed: string, among: (draft: Draft) => Iterable<MemberId>): Promise<acts.Target> {
    const draft = ports.home().desk.draft()
    return (draft && namedInRules(typed, draft, new Set(among(draft)))) ?? (await target(typed))
  }

  async function change(step: Step): Promise<void> {
    const { room, desk } = ports.home()
    if (room.charter() === null) await ports.founding.claim(room.inside && room.count <= 1)
    await desk.change(step)
  }
  const self = ports.self

  return {
    lookUp: (name) => typedAs(() => lookUp(name)),
    motd: (text) => change((draft) => acts.setMotd(draft, self(), tidyLines(text))),
    op: (name) =>
      typedAs(async () => {
        const whom = await target(name)
        await change((draft) => acts.makeOp(draft, self(), whom))
      }),
    deop: (name) =>
      typedAs(async () => {
        const whom = await listed(
          name,
          (draft) =>
            Object.keys(draft.text.people).filter(
              (id) => rankOfId(draft, id as MemberId) === 'op',
            ) as MemberId[],
        )
        await change((draft) => acts.endOp(draft, self(), whom))
      }),
    kick: (name, reason) =>
      typedAs(async () => {
        const { room, desk, saying } = ports.home()
        const user = await lookUp(name)
        const draft = desk.draft()
        if (draft === null)
          throw new ChatRefusal('no-charter', 'Nobody owns this room, so nobody can do that here.')
        acts.needAbove(
          draft,
          self(),
          { name: user.name, id: user.memberId, publicKey: user.publicKey },
          'kick',
        )
        const text = tidyReason(reason)
        acts.checkReason(text)
        const body = encodeNotice({
          t: 'act',
          what: 'kick',
          id: user.memberId,
          name: user.name,
          reason: text,
          until: 0,
        })
        await saying.say(frameKinds.notice, body)
        await room.kick(user.session)
      }),
    ban: (name, { forMs, reason }) =>
      typedAs(async () => {
        if (forMs !== null && !(forMs > 0))
          throw new ChatRefusal('bad-input', 'A ban lasts some time, or for ever; try --for 1h.')
        const whom = await target(name)
        const until = forMs === null ? 0 : Math.min(ports.now() + Math.ceil(forMs), Number.MAX_SAFE_INTEGER)
        await change((draft) => acts.ban(draft, self(), whom, until, tidyReason(reason)))
      }),
    unban: (nameOrId) =>
      typedAs(async () => {
        const whom = await listed(nameOrId, ({ bans }) => bans.keys())
        await change((draft) => acts.unban(draft, self(), whom))
      }),
    mute: (name) =>
      typedAs(async () => {
        const whom = await target(name)
        await change((draft) => acts.mute(draft, self(), whom))
      }),
    unmute: (nameOrId) =>
      typedAs(async () => {
        const whom = await listed(nameOrId, ({ muted }) => muted)
        await change((draft) => acts.unmute(draft, self(), whom))
      }),
    lock: (locked) => {
      const present = ports
        .home()
        .room.users()
        .map(({ memberId }) => memberId)
      return change((draft) => acts.setLock(draft, self(), locked, present))
    },
    limit: (members) => change((draft) => acts.setLimit(draft, self(), members)),
    history: (forNewcomers) => change((draft) => acts.setHistory(draft, self(), forNewcomers)),
    transfer: (name) =>
      typedAs(async () => {
        const { room, desk, saying } = ports.home()
        const [draft, charter] = [desk.draft(), room.charter()]
        if (draft === null || charter === null)
          throw new ChatRefusal('no-charter', 'Nobody owns this room, so nobody can give it away.')
        const whom = await lookUp(name)
        const given = offerOf(draft, charter.version, self(), {
          name: whom.name,
          id: whom.memberId,
          publicKey: whom.publicKey,
        })
        const handover = signHandover(ports.root, given.version, ports.member, given.to)
        await saying.say(frameKinds.notice, encodeNotice({ t: 'offer', handover }))
      }),
    acceptTransfer: () => change((draft, charter) => acceptOffer(draft, charter.version, self(), offer)),
    offered(handover, from) {
      const { room, desk } = ports.home()
      const [draft, charter] = [desk.draft(), room.charter()]
      if (draft === null || charter === null || !isOpenOffer(draft, charter.version, self(), handover)) return
      offer = handover
      ports.emit('offered', { from })
    },
  }
}

/** Somebody whom the rules name, by name, or by the first digits of the member id. */
function namedInRules(typed: string, draft: Draft | null, among?: ReadonlySet<MemberId>): acts.Target | null {
  if (draft === null) return null
  const name = normalizeName(typed)
  const ids = [...(among ?? new Set([...draft.bans.keys(), ...draft.muted]))]
  const noted = ids.find((id) => {
    const note = draft.text.people[id]
    return note !== undefined && normalizeName(note.name) === name
  })
  const byId = name.length >= idDigitsMin ? ids.filter((id) => id.startsWith(name)) : []
  const id = noted ?? (byId.length === 1 ? byId[0] : undefined)
  return id === undefined
    ? null
    : { id, publicKey: null, name: draft.text.people[id]?.name ?? id.slice(0, 8) }
}

/** Turns what was typed and is no name into a refusal. */
export async function typedAs<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run()
  } catch (error) {
    if (error instanceof CryptoInputError) throw new ChatRefusal('bad-input', error.message)
    throw error
  }
}

/** What a sealed text may hold: whole characters, no controls but line ends. */
function tidyLines(text: string): string {
  const whole = new TextDecoder().decode(new TextEncoder().encode(text))
  return whole
    .replace(/\r\n?|\p{Zl}|\p{Zp}/gu, '\n')
    .replace(/\t/g, '  ')
    .replace(/(?!\n)\p{Cc}/gu, '')
    .trim()
}

/** The same in one line, cut nowhere: too long is refused. */
function tidyReason(text: string): string {
  return tidyLines(text)
    .replace(/\s+/gu, ' ')
    .slice(0, 4 * limits.reasonBytesMax)
}
