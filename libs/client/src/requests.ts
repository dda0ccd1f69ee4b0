// What a room asks its relay on a person's behalf, each with one answer or one refusal: profile, charter, kick, a page
// of members (docs/protocol.md, section 4.1). It asks again while the relay says "later", and gives up after 10 s.
import { type ClientControl, errorTable, type RelayControl, type RelayControlOf } from '@pychat/protocol'
import { ChatRefusal } from './chat-refusal.ts'
import type { ClientPorts } from './ports.ts'
import { answerTimeoutMs, laterMs } from './retry.ts'

/** Questions without an answer at once. */
const openMax = 32

type Answers = { profile: 'profiled'; charter: 'chartered'; kick: 'kicked'; members: 'members' }
type Asking = keyof Answers
type Question<T extends Asking> = Omit<Extract<ClientControl, { t: T }>, 't' | 'id'>

export type Requests = {
  /**
   * @param settled runs before anything is read that the relay said after its answer  @param outcome null: answered
   * @throws rejects with ChatRefusal
   */
  ask<T extends Asking>(
    t: T,
    question: Question<T>,
    settled?: (outcome: ChatRefusal | null) => void,
  ): Promise<RelayControlOf<Answers[T]>>
  /** @returns whether it is the answer to something asked here */
  answered(message: RelayControl): boolean
  /** @returns whether it refuses something asked here */
  refused(message: RelayControlOf<'refused'>): boolean
  /** Nothing will be answered any more. */
  cancel(refusal: ChatRefusal): void
}

type Open = {
  answer: RelayControl['t']
  untilMs: number
  send(): number
  done(answer: RelayControl): void
  failed(refusal: ChatRefusal): void
  cancelTimer: () => void
}

export function createRequests(
  ports: Pick<ClientPorts, 'now' | 'setTimer' | 'jitter'> & {
    nextRequest(): number
    send(message: ClientControl): void
  },
): Requests {
  const open = new Map<number, Open>()
  /** Waiting to be asked again. */
  const resting = new Set<Open>()

  const unanswered = () => new ChatRefusal('no-answer', 'The relay did not answer in time; try again.')
  function put(each: Open) {
    const id = each.send()
    open.set(id, each)
    each.cancelTimer = ports.setTimer(Math.max(0, each.untilMs - ports.now()), () => {
      open.delete(id)
      each.failed(unanswered())
    })
  }
  function take(id: number | undefined): Open | undefined {
    if (id === undefined) return undefined
    const each = open.get(id)
    each?.cancelTimer()
    open.delete(id)
    return each
  }

  return {
    ask<T extends Asking>(
      t: T,
      question: Question<T>,
      settled: (outcome: ChatRefusal | null) => void = () => {},
    ) {
      return new Promise<RelayControlOf<Answers[T]>>((resolve, reject) => {
        if (open.size + resting.size >= openMax) {
          const refusal = new ChatRefusal('too-fast', errorTable['too-fast'].sentence)
          settled(refusal)
          reject(refusal)
          return
        }
        put({
          answer: answerOf[t],
          untilMs: ports.now() + answerTimeoutMs,
          send() {
            const id = ports.nextRequest()
            // `t` first: only a text that begins as `charter` may be long.
            ports.send({ t, id, ...question } as unknown as ClientControl)
            return id
          },
          done(message) {
            settled(null)
            resolve(message as RelayControlOf<Answers[T]>)
          },
          failed(refusal) {
            settled(refusal)
            reject(refusal)
          },
          cancelTimer() {},
        })
      })
    },
    answered(message) {
      if (!('id' in message) || message.id === undefined) return false
      if (open.get(message.id)?.answer !== message.t) return false
      take(message.id)?.done(message)
      return true
    },
    refused(message) {
      const each = take(message.id)
      if (!each) return false
      const { retry, sentence } = errorTable[message.code]
      const waitMs = laterMs(message, ports.jitter())
      if (retry === 'never' || ports.now() + waitMs >= each.untilMs) {
        each.failed(new ChatRefusal(message.code, sentence))
        return true
      }
      resting.add(each)
      each.cancelTimer = ports.setTimer(waitMs, () => {
        resting.delete(each)
        put(each)
      })
      return true
    },
    cancel(refusal) {
      const all = [...open.values(), ...resting]
      open.clear()
      resting.clear()
      for (const each of all) each.cancelTimer()
      for (const each of all) each.failed(refusal)
    },
  }
}

const answerOf: { [T in Asking]: Answers[T] } = {
  profile: 'profiled',
  charter: 'chartered',
  kick: 'kicked',
  members: 'members',
}
