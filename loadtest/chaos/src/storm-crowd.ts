// The crowd of the storm, in a process of its own that gets only the processor time that nobody else wants: in reality
// it sits on ten thousand other machines, and what it costs here would be measured as if the relay had done it.
// The file is both ends: `openCrowd` for the run, and the process itself.
import { spawn } from 'node:child_process'
import { constants, setPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { pause, runModule } from './processes.ts'
import { RawMember } from './raw-member.ts'

const ownFile = fileURLToPath(import.meta.url)

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

type Order =
  | { order: 'begin'; options: CrowdOptions }
  | { order: 'send'; count: number }
  | { order: 'killed' }

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
  const { running, ...child } = runModule('crowd', ownFile)
  yieldToOthers(running.pid)
  const report: CrowdReport = { opened: 0, inRoom: 0, missed: 0, backMs: [] }
  child.hear((news) => {
    const { backMs, ...counts } = news as CrowdReport
    Object.assign(report, counts)
    report.backMs.push(...backMs)
  })
  const say = (order: Order) => child.say(order)
  say({ order: 'begin', options })
  return {
    report: () => report,
    send: (count) => say({ order: 'send', count }),
    killed: () => say({ order: 'killed' }),
    async stop() {
      running.signal('SIGKILL')
      await running.exited
    },
  }
}

/** On Linux nobody even waits for its time slice to end; elsewhere it has the least priority. */
function yieldToOthers(pid: number): void {
  setPriority(pid, constants.priority.PRIORITY_LOW)
  spawn('chrt', ['--idle', '--all-tasks', '--pid', '0', String(pid)], { stdio: 'ignore' }).on(
    'error',
    () => {},
  )
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
  process.on('message', (message: Order) => {
    if (message.order === 'killed') killedAt = performance.now()
    else if (message.order === 'send') {
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
      // Those since the last report: ten thousand figures four times a second would hold up who measures.
      backMs: backMs.splice(0),
    }
    process.send?.(report)
  }, reportMs)
  while (opened < members.length) {
    for (const member of members.slice(opened, opened + connectPerTick)) member.connect()
    opened = Math.min(members.length, opened + connectPerTick)
    await pause(connectTickMs)
  }
}

if (process.argv[1] === ownFile) {
  // Without its parent there is nothing to be a crowd for.
  process.on('disconnect', () => process.exit())
  process.once('message', (message: Order) => {
    if (message.order === 'begin') void beCrowd(message.options)
  })
}
