// The crowd of the storm, in a thread of its own: so what the others notice is the relay's doing, not this process's.
// The file is both ends: `openCrowd` for the run, and the thread itself.
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { pause } from './processes.ts'
import { RawMember } from './raw-member.ts'

const connectPerTick = 20
const connectTickMs = 20
const reportMs = 250

export type CrowdOptions = {
  /** Where everybody is at first, and where they come back to. */
  first: string
  others: readonly string[]
  clients: number
  membersPerRoom: number
  /** Name of the n-th room is this many plus n, in 32 hex digits. */
  firstRoom: number
}

/** How the crowd is. `backMs`: for each who came back, how long after the kill. */
export type CrowdReport = { opened: number; inRoom: number; missed: number; backMs: number[] }

type Order = { order: 'send'; count: number } | { order: 'killed' } | { order: 'stop' }

export type Crowd = {
  /** As of a moment ago. */
  report(): CrowdReport
  /** So many of them, one after the other, say something. */
  send(count: number): void
  /** From now on they come back to the other nodes. */
  killed(): void
  stop(): Promise<void>
}

export function openCrowd(options: CrowdOptions): Crowd {
  const worker = new Worker(new URL(import.meta.url), { workerData: options })
  let report: CrowdReport = { opened: 0, inRoom: 0, missed: 0, backMs: [] }
  worker.on('message', (next: CrowdReport) => {
    report = next
  })
  const say = (order: Order) => worker.postMessage(order)
  return {
    report: () => report,
    send: (count) => say({ order: 'send', count }),
    killed: () => say({ order: 'killed' }),
    async stop() {
      say({ order: 'stop' })
      await worker.terminate()
    },
  }
}

async function beCrowd({ first, others, clients, membersPerRoom, firstRoom }: CrowdOptions): Promise<void> {
  const doomed = { url: first, connections: 0 }
  const living = others.map((url) => ({ url, connections: 0 }))
  const backMs: number[] = []
  let killedAt = Number.POSITIVE_INFINITY
  let opened = 0
  let speaker = 0
  const members: RawMember[] = []
  const pick = () => {
    if (killedAt === Number.POSITIVE_INFINITY) return doomed
    return living.reduce((least, node) => (node.connections < least.connections ? node : least))
  }
  for (let i = 0; i < clients; i += 1) {
    const room = (firstRoom + Math.floor(i / membersPerRoom)).toString(16).padStart(32, '0')
    const member = new RawMember(room, pick, {
      joined() {
        if (performance.now() > killedAt && member.joins === 2) backMs.push(performance.now() - killedAt)
      },
    })
    members.push(member)
  }
  parentPort?.on('message', (message: Order) => {
    if (message.order === 'killed') killedAt = performance.now()
    else if (message.order === 'stop') for (const member of members) member.stop()
    else {
      for (let i = 0; i < message.count; i += 1) {
        // A step that visits all of them in a mixed order.
        speaker = (speaker + 7919) % members.length
        members[speaker]?.send()
      }
    }
  })
  setInterval(() => {
    const report: CrowdReport = {
      opened,
      inRoom: members.filter(({ inRoom }) => inRoom).length,
      missed: members.reduce((sum, { missed }) => sum + missed, 0),
      backMs,
    }
    parentPort?.postMessage(report)
  }, reportMs)
  while (opened < members.length) {
    for (const member of members.slice(opened, opened + connectPerTick)) member.connect()
    opened = Math.min(members.length, opened + connectPerTick)
    await pause(connectTickMs)
  }
}

if (!isMainThread) await beCrowd(workerData as CrowdOptions)
