// The servers of a run: relay nodes as real processes, the doors before them and before Redis, and a front that sends
// each new connection to a node that says it is ready, as a load balancer with health checks does.
import { readFileSync } from 'node:fs'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { freePort } from '../../free-port.js'
import { type Door, openDoor } from './door.ts'
import { pause, type Running, run, runFolder, until } from './processes.ts'
import type { Store } from './stores.ts'

const relayBin = fileURLToPath(new URL('../../../apps/relay/bin/pychat-relay.js', import.meta.url))
const healthEveryMs = 500
const healthWithinMs = 1000
const startWithinMs = 20_000

export class RelayNode {
  readonly name: string
  readonly port: number
  readonly opsPort: number
  /** Doors before the node and before its Redis, where the run has them. */
  clientDoor: Door | null = null
  redisDoor: Door | null = null
  /** Says that it takes clients, at the last look. */
  ready = false
  /** Open connections of this run's clients. */
  connections = 0
  /** Ended although nobody asked it to. */
  crashes = 0
  readonly #settings: Record<string, string>
  #process: Running | null = null
  #expected = false

  constructor(name: string, port: number, opsPort: number, settings: Record<string, string>) {
    this.name = name
    this.port = port
    this.opsPort = opsPort
    this.#settings = settings
  }

  get url(): string {
    return `ws://127.0.0.1:${this.clientDoor?.port ?? this.port}`
  }
  get alive(): boolean {
    return this.#process?.alive ?? false
  }
  /** 0 while it does not run. */
  get pid(): number {
    return this.#process?.pid ?? 0
  }

  async start(): Promise<void> {
    const stateDir = join(runFolder(), `state-${this.name}`)
    await mkdir(stateDir, { recursive: true })
    const env: NodeJS.ProcessEnv = {}
    for (const [name, value] of Object.entries(process.env))
      if (!name.startsWith('PYCHAT_')) env[name] = value
    this.#expected = false
    const child = run(this.name, process.execPath, [relayBin], {
      ...env,
      PYCHAT_LISTEN: `127.0.0.1:${this.port}`,
      PYCHAT_OPS_LISTEN: `127.0.0.1:${this.opsPort}`,
      PYCHAT_STATE_DIR: stateDir,
      ...this.#settings,
    })
    this.#process = child
    void child.exited.then(() => {
      if (this.#process !== child) return
      this.ready = false
      if (!this.#expected) this.crashes += 1
    })
    if (!(await until(() => this.check(), startWithinMs)) && !child.alive) {
      throw new Error(`A relay node ended at its start:\n${this.log()}`)
    }
  }

  async check(): Promise<boolean> {
    this.ready = await fetch(`http://127.0.0.1:${this.opsPort}/readyz`, {
      signal: AbortSignal.timeout(healthWithinMs),
    }).then(
      (answer) => answer.ok,
      () => false,
    )
    return this.ready
  }

  async kill(): Promise<void> {
    this.#expected = true
    this.ready = false
    this.#process?.signal('SIGKILL')
    await this.#process?.exited
  }
  /** SIGTERM, and the wait for its end. @returns whether it ended by itself in time */
  async drain(withinMs: number): Promise<boolean> {
    this.#expected = true
    const ended = this.#process?.exited.then(() => true) ?? Promise.resolve(true)
    this.#process?.signal('SIGTERM')
    const inTime = await Promise.race([ended, pause(withinMs).then(() => false)])
    if (!inTime) await this.kill()
    return inTime
  }
  signal(name: NodeJS.Signals): void {
    this.#process?.signal(name)
  }
  log(): string {
    return readFileSync(join(runFolder(), `${this.name}.log`), 'utf8').slice(-2000)
  }
}

export type Topology = {
  store: Store
  nodes: readonly RelayNode[]
  /** Where the next connection goes; null when no node lives. */
  pick(): RelayNode | null
  /** By load, the busiest first. */
  byLoad(): RelayNode[]
  stop(): Promise<void>
}

export type TopologyOptions = { nodes: number; doors: boolean; settings: Record<string, string> }

export async function startTopology(store: Store, options: TopologyOptions): Promise<Topology> {
  const nodes: RelayNode[] = []
  const prefix = `chaos-${process.pid}`
  for (let i = 0; i < options.nodes; i += 1) {
    const redisDoor = options.doors && store.port !== null ? await openDoor(store.port) : null
    const node = new RelayNode(`node-${i + 1}`, await freePort(), await freePort(), {
      PYCHAT_REDIS_URL: redisDoor ? `redis://127.0.0.1:${redisDoor.port}` : store.url,
      PYCHAT_REDIS_PREFIX: prefix,
      ...options.settings,
    })
    node.redisDoor = redisDoor
    if (options.doors) node.clientDoor = await openDoor(node.port)
    nodes.push(node)
  }
  await Promise.all(nodes.map((node) => node.start()))
  const timer = setInterval(() => {
    for (const node of nodes) if (node.alive) void node.check()
  }, healthEveryMs)
  const byLoad = () => [...nodes].sort((a, b) => b.connections - a.connections)
  return {
    store,
    nodes,
    byLoad,
    pick() {
      const quiet = byLoad().reverse()
      // When no node is ready a balancer still tries those that live.
      return quiet.find((node) => node.ready) ?? quiet.find((node) => node.alive) ?? null
    },
    async stop() {
      clearInterval(timer)
      await Promise.all(nodes.map((node) => node.kill()))
      await Promise.all(
        nodes.flatMap(({ clientDoor, redisDoor }) => [clientDoor?.close(), redisDoor?.close()]),
      )
      for (const server of store.servers) server.disconnect()
    },
  }
}
