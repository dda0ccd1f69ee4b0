// What members ask of Redis, together where many ask at once, and twice where that may help: a name whose holder's node is long dead and nobody has taken
// its members out yet, and whatever is decided by a charter, until node and store decide by the same one.
import { type Epoch, encodeHex, type MemberId, type NameTag, type SessionId } from '@pychat/protocol'
import type { Lease } from '../redis/lease.ts'
import { nodeOf, type Owner } from '../redis/owner.ts'
import {
  type JoinAnswer,
  type Joiner,
  joinsPerCallMax,
  type OtherCharter,
  type Scripts,
} from '../redis/scripts.ts'
import { admission, spared } from './charter.ts'
import type { Chartered, Charters } from './charters.redis.ts'
import { type ActResult, type JoinRefusal, type JoinRequest, StoreError } from './rooms.ts'

export type RequestsOptions = {
  scripts: Scripts
  lease: Lease
  charters: Pick<Charters<Chartered>, 'agree'>
  roomMembersMax: number
  now(): number
  random(bytes: number): Uint8Array
  keepMs: number
  logAgeMs: number
}

/** A join that goes to the store with the others of its room and loop turn. */
type AskingJoin = Omit<Joiner, 'admission'> & {
  answered(answer: JoinAnswer): void
  failed(error: unknown): void
}

type Let = Extract<JoinAnswer, { answer: 'ok' }>

/** Each @throws StoreError */
export type Requests = {
  join(room: Chartered, request: JoinRequest, owner: Owner): Promise<Let | { answer: JoinRefusal }>
  profile(
    room: Chartered,
    session: SessionId,
    owner: Owner,
    tag: NameTag,
    profile: string,
  ): Promise<ActResult<'name-taken'>>
  kick(room: Chartered, actor: MemberId | null, session: SessionId): Promise<ActResult<'not-allowed'>>
}

/** A charter may change between two questions: so often one is asked anew. */
const judgementsMax = 5

export function createRequests(options: RequestsOptions): Requests {
  const { scripts, lease, charters, now, keepMs } = options

  const asking = new Map<Chartered, AskingJoin[]>()

  async function askForName<Answer extends { answer: string; owner?: Owner }>(
    room: Chartered,
    ask: () => Promise<Answer>,
  ): Promise<Answer> {
    const answer = await ask()
    if (answer.answer !== 'taken' || answer.owner === undefined) return answer
    const holder = nodeOf(answer.owner)
    if (holder === lease.node || !(await lease.buried(holder))) return answer
    await scripts.roomReap(room.keys, room.id, holder, now(), keepMs)
    return ask()
  }

  async function askByCharter<Answer extends { answer: string }>(
    room: Chartered,
    ask: (judged: string) => Promise<Answer | OtherCharter>,
  ): Promise<Answer> {
    for (let i = 0; i < judgementsMax; i += 1) {
      const answer = await ask(room.charter?.stamp ?? '')
      if (!isOther(answer)) return answer
      await charters.agree(room, answer.stored)
    }
    throw new StoreError('unreachable', 'The charter of a room changes too fast.')
  }

  /** One call of the store for all who ask for the room in this moment. */
  function askTogether(room: Chartered, request: JoinRequest, owner: Owner): Promise<JoinAnswer> {
    return new Promise((answered, failed) => {
      const waiting = asking.get(room) ?? []
      waiting.push({ request, owner, answered, failed })
      if (waiting.length > 1) return
      asking.set(room, waiting)
      queueMicrotask(() => {
        asking.delete(room)
        for (let i = 0; i < waiting.length; i += joinsPerCallMax) {
          askForAll(room, waiting.slice(i, i + joinsPerCallMax))
        }
      })
    })
  }

  function askForAll(room: Chartered, joins: readonly AskingJoin[]): void {
    const ask = (judged: string) => {
      const time = now()
      const joiners = joins.map(({ request, owner }) => ({
        request,
        owner,
        admission: admission(room.charter, request.member, time, options.roomMembersMax),
      }))
      const epoch = encodeHex(options.random(8)) as Epoch
      const state = { now: time, epoch, oldestAt: time - options.logAgeMs, judged }
      return scripts.roomJoin(room.keys, room.id, joiners, state)
    }
    askByCharter(room, ask).then(
      ({ answers }) => {
        for (const [i, answer] of answers.entries()) joins[i]?.answered(answer)
      },
      (error: unknown) => {
        for (const { failed } of joins) failed(error)
      },
    )
  }

  return {
    async join(room, request, owner) {
      const answer = await askForName(room, () => askTogether(room, request, owner))
      switch (answer.answer) {
        case 'ok':
          return answer
        case 'taken':
          return { answer: 'name-taken' }
        case 'session':
          return { answer: 'session-taken' }
        case 'full':
          return { answer: 'room-full' }
        default:
          return answer
      }
    },
    async profile(room, session, owner, tag, profile) {
      const { answer } = await askForName(room, () =>
        scripts.roomProfile(room.keys, room.id, session, owner, tag, profile),
      )
      if (answer === 'ok') return { ok: true }
      return { ok: false, code: answer === 'taken' ? 'name-taken' : 'not-member' }
    },
    async kick(room, actor, session) {
      const { answer } = await askByCharter(room, async (judged) => {
        const list = spared(room.charter, actor)
        if (list === null) return { answer: 'spared' as const }
        return scripts.roomKick(room.keys, room.id, session, judged, list, now(), keepMs)
      })
      if (answer === 'ok') return { ok: true }
      return { ok: false, code: answer === 'none' ? 'not-member' : 'not-allowed' }
    },
  }
}

function isOther(answer: { answer: string }): answer is OtherCharter {
  return answer.answer === 'charter'
}
