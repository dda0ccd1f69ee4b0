// Sends texts to one view and watches until the relay has taken each: what "pychat send" promises by its exit code. It
// knows a community, and no stream, terminal or process.
import { ChatRefusal, type Community, type View } from '@pychat/client-engine'
import { exitCodes } from '../exit-codes.ts'

/** So many are on their way at once; more wait. */
const underWayMax = 32

export type Delivery = {
  community: Community
  view: View
  texts: AsyncIterable<string> | Iterable<string>
  /** Without any progress for so long it is given up. */
  timeoutMs: number
  setTimer(ms: number, run: () => void): () => void
  /** One sentence for the person. */
  say(sentence: string): void
}

/**
 * Starts the community, sends, and stops it again.
 * @returns the exit code, and a function that gives up at once
 */
export function deliver({ community, view, texts, timeoutMs, setTimer, say }: Delivery): {
  done: Promise<number>
  giveUp(): void
} {
  const underWay = new Set<number>()
  let lastDetail = 'The relay did not answer in time.'
  let unsent = 0
  let cancelTimer = () => {}
  let over = false
  let wake = () => {}
  let finish: (code: number) => void = () => {}

  const done = new Promise<number>((resolve) => {
    finish = (code) => {
      if (over) return
      over = true
      cancelTimer()
      wake()
      void community.stop().then(() => resolve(code))
    }
  })
  function unreached(): void {
    const count = underWay.size + unsent
    say(`${lastDetail} ${count <= 1 ? 'The message was' : `${count} messages were`} not sent.`)
    finish(exitCodes.unreachable)
  }
  function progress(): void {
    cancelTimer()
    if (!over) cancelTimer = setTimer(timeoutMs, unreached)
  }
  async function run(): Promise<void> {
    try {
      const target = view.kind === 'room' ? view : await community.open(view)
      for await (const text of texts) {
        unsent = 1
        while (underWay.size >= underWayMax && !over) {
          await new Promise<void>((resolve) => {
            wake = resolve
          })
        }
        if (over) return
        unsent = 0
        underWay.add(community.send(target, text))
        progress()
      }
      if (underWay.size === 0) finish(exitCodes.quit)
      allGiven = true
    } catch (error) {
      if (!(error instanceof ChatRefusal)) throw error
      say(error.sentence)
      finish(error.code === 'nobody' ? exitCodes.notThere : exitCodes.refused)
    }
  }
  let allGiven = false
  let began = false

  community.on('state', ({ state, detail }) => {
    if (state === 'offline') lastDetail = detail
  })
  community.on('ready', ({ view: where }) => {
    if (where.kind !== 'room' || began) return
    began = true
    progress()
    void run()
  })
  community.on('pending', ({ waiting }) => {
    if (waiting !== null) lastDetail = waiting
  })
  community.on('message', ({ own, id }) => {
    if (!own || id === undefined || !underWay.delete(id)) return
    progress()
    wake()
    if (allGiven && underWay.size === 0) finish(exitCodes.quit)
  })
  // Maybe before `send` has told the id.
  community.on('failed', ({ id, reason }) => {
    underWay.delete(id)
    say(`Not sent: ${reason}`)
    finish(exitCodes.refused)
  })
  community.on('stopped', ({ reason, sentence }) => {
    if (reason === 'quit') return
    say(sentence)
    finish(reason === 'name-taken' ? exitCodes.nameTaken : exitCodes.refused)
  })
  progress()
  community.start()
  return { done, giveUp: unreached }
}
