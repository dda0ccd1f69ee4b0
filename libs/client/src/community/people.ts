// Who is known by which key: every name that is met is compared with what this client remembers of it, once per run
// and key. A changed key stays marked for the whole run; one that had been verified is kept until somebody verifies
// the new one, so that the warning comes back at each start.
import { fingerprint, normalizeName } from '@pychat/crypto'
import { decodeHex, type MemberId, type PublicKey, type RoomId } from '@pychat/protocol'
import type { CommunityMemory, KeyStanding } from './types.ts'

/** Names and keys of one run that are told apart; who comes after that is compared again. */
const metMax = 8192

export type Acquaintance = { name: string; publicKey: PublicKey; memberId: MemberId }

export type People = {
  /** Compares, remembers, and says so when a known name has another key: once. */
  meet(someone: Acquaintance): KeyStanding
  /** Whether that name is remembered with this very key; to be asked before `meet`. */
  isKnown(someone: Acquaintance): boolean
  isVerified(name: string, publicKey: PublicKey): boolean
  setVerified(someone: Acquaintance, verified: boolean): void
  /** Last name and key of somebody who was met in this run. */
  recall(id: MemberId): Acquaintance | null
  /** Somebody who was met in this run and may be gone, the newest by that name. */
  recallName(name: string): Acquaintance | null
}

export type KeyChange = { name: string; old: string; new: string; wasVerified: boolean }

export function createPeople(
  root: RoomId,
  memory: Pick<CommunityMemory, 'person' | 'remember'>,
  now: () => number,
  changed: (change: KeyChange) => void,
): People {
  const standings = new Map<string, KeyStanding>()
  const byId = new Map<MemberId, Acquaintance>()
  const byName = new Map<string, Acquaintance>()

  function compare(name: string, { name: shown, publicKey }: Acquaintance): KeyStanding {
    const known = memory.person(root, name)
    if (known === null) {
      memory.remember(root, name, { publicKey, verified: false, firstSeen: now() })
      return 'new'
    }
    if (known.publicKey === publicKey) return known.verified ? 'verified' : 'known'
    if (!known.verified) memory.remember(root, name, { publicKey, verified: false, firstSeen: now() })
    const [old, fresh] = [known.publicKey, publicKey].map((key) => fingerprint(decodeHex(key)))
    changed({ name: shown, old: old as string, new: fresh as string, wasVerified: known.verified })
    return 'changed'
  }

  return {
    meet(someone) {
      const name = normalizeName(someone.name)
      keep(byId, someone.memberId, someone)
      keep(byName, name, someone)
      const key = `${someone.publicKey} ${name}`
      const before = standings.get(key)
      if (before !== undefined) return before
      const standing = compare(name, someone)
      keep(standings, key, standing)
      return standing
    },
    isKnown: ({ name, publicKey }) => memory.person(root, normalizeName(name))?.publicKey === publicKey,
    isVerified: (name, publicKey) => {
      const known = memory.person(root, normalizeName(name))
      return known?.verified === true && known.publicKey === publicKey
    },
    setVerified(someone, verified) {
      const name = normalizeName(someone.name)
      const known = memory.person(root, name)
      const firstSeen = known?.publicKey === someone.publicKey ? known.firstSeen : now()
      memory.remember(root, name, { publicKey: someone.publicKey, verified, firstSeen })
      keep(standings, `${someone.publicKey} ${name}`, verified ? 'verified' : 'known')
    },
    recall: (id) => byId.get(id) ?? null,
    recallName: (name) => byName.get(normalizeName(name)) ?? null,
  }
}

/** Sets it as the newest; the oldest goes when there are too many. */
function keep<K, V>(map: Map<K, V>, key: K, value: V): void {
  map.delete(key)
  map.set(key, value)
  const oldest = map.size > metMax ? map.keys().next().value : undefined
  if (oldest !== undefined) map.delete(oldest)
}
