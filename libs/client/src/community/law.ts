// What is in force in the community, and what follows for this client: ranks, who is not to be seen or heard, and the
// events when something changes. It outlives a move and a relay that has lost everything: what was trusted stays.
import { fingerprint, memberId } from '@pychat/crypto'
import { type Charter, decodeHex, type MemberId, type PublicKey, type Rank, rank } from '@pychat/protocol'
import type { ClientPorts } from '../ports.ts'
import type { Origin } from '../room-events.ts'
import { actsBetween, changesBetween } from './changes.ts'
import type { Emit } from './conversation.ts'
import { type Draft, rankOfId } from './draft.ts'
import type { CharterView } from './types.ts'

/** What was on its way when a rule came into force is still shown. */
const onItsWayMs = 5000
const warnedMax = 256

export type Law = {
  /** null: nobody owns this community, as far as is known. */
  current(): { charter: Charter; draft: Draft; rank: Rank } | null
  /** The first one only says how it stands. @param by who signed what is new */
  update(charter: Charter, draft: Draft, by: PublicKey): void
  rankOf(publicKey: PublicKey): Rank
  rankOfMember(id: MemberId): Rank
  isMuted(id: MemberId): boolean
  /** Banned: neither seen nor heard. */
  isHidden(id: MemberId): boolean
  /** Whether a message is shown. @param isTold the relay knows the rule there, and should have stopped what is not */
  mayShow(origin: Origin, isTold: boolean): boolean
  view(): CharterView | null
}

export type LawPorts = Pick<ClientPorts, 'now'> & {
  emit: Emit
  self(): MemberId
  /** What somebody is called, from who is or was here; null when that is not known. */
  nameOf(id: MemberId): string | null
  /** After the events: who is banned now and was not, and everything else that hangs on the rules. */
  changed(banned: MemberId[]): void
  becameOwner(): void
}

export function createLaw(ports: LawPorts): Law {
  let now: { charter: Charter; draft: Draft } | null = null
  /** When a ban or mute came into force here. */
  const since = new Map<MemberId, number>()
  const warned = new Set<MemberId>()

  const nameOf = (id: MemberId): string =>
    ports.nameOf(id) ?? now?.draft.text.people[id]?.name ?? `somebody (${id.slice(0, 8)})`
  const nameOfKey = (publicKey: PublicKey): string => {
    const id = memberId(publicKey)
    return ports.nameOf(id) ?? now?.draft.text.people[id]?.name ?? fingerprint(decodeHex(publicKey))
  }
  const ownRank = (draft: Draft) => rankOfId(draft, ports.self())
  function isBanned(draft: Draft, id: MemberId): boolean {
    const until = draft.bans.get(id)
    return until !== undefined && (until === 0 || ports.now() < until)
  }

  function noteSince(draft: Draft) {
    const concerned = new Set([...draft.bans.keys(), ...draft.muted])
    for (const id of [...since.keys()]) if (!concerned.has(id)) since.delete(id)
    for (const id of concerned) if (!since.has(id)) since.set(id, ports.now())
  }

  return {
    current: () => now && { ...now, rank: ownRank(now.draft) },
    update(charter, draft, by) {
      const before = now
      const name = nameOfKey(by)
      now = { charter, draft }
      noteSince(draft)
      const changed = before === null ? [] : changesBetween(before.draft, draft, ports.self())
      const { motd } = draft.text
      const { lock, limit, history } = draft
      if (before === null || changed.length > 0) {
        ports.emit('charter', {
          ...{ motd, lock, limit, history },
          rank: ownRank(draft),
          changed,
          by: before === null ? null : name,
        })
      }
      if (before !== null) {
        const isNext = charter.rules.version <= before.charter.rules.version + 1
        for (const act of actsBetween(before.draft, draft, nameOf, name, ports.now())) {
          // Steps that were missed may be others' than the last signer's.
          ports.emit('act', isNext ? { ...act, by: name } : act)
        }
        if (before.draft.owner !== draft.owner && ownRank(draft) === 'owner') ports.becameOwner()
      }
      const wereBanned = before?.draft.bans
      ports.changed([...draft.bans.keys()].filter((id) => !wereBanned?.has(id) && isBanned(draft, id)))
    },
    rankOf: (publicKey) => (now === null ? 'member' : rank(now.charter, publicKey)),
    rankOfMember: (id) => (now === null ? 'member' : rankOfId(now.draft, id)),
    isMuted: (id) => now?.draft.muted.has(id) ?? false,
    isHidden: (id) => now !== null && isBanned(now.draft, id),
    mayShow({ memberId: id, from, live, at }, isTold) {
      if (now === null || !(isBanned(now.draft, id) || now.draft.muted.has(id))) return true
      const limit = (since.get(id) ?? 0) + onItsWayMs
      if (live ? ports.now() <= limit : at <= limit) return true
      if (isTold && !warned.has(id) && warned.size < warnedMax) {
        warned.add(id)
        const what = isBanned(now.draft, id) ? 'is banned' : 'is muted'
        ports.emit('warning', {
          code: 'not-enforced',
          sentence: `${from} ${what}, but the relay passes on what they write; it is not shown here.`,
        })
      }
      return false
    },
    view() {
      if (now === null) return null
      const { draft } = now
      const { lock, limit, history, text } = draft
      const bans = [...draft.bans].filter(([id]) => isBanned(draft, id))
      return {
        ...{ motd: text.motd, lock, limit, history },
        owner: nameOfKey(draft.owner),
        bans: bans.map(([id, until]) => {
          const note = text.people[id]
          const end = until === 0 ? null : until
          return {
            id,
            name: note?.name ?? nameOf(id),
            until: end,
            reason: note?.reason ?? '',
            by: note?.by ?? '',
          }
        }),
        muted: [...draft.muted].map((id) => ({ id, name: text.people[id]?.name ?? nameOf(id) })),
      }
    },
  }
}
