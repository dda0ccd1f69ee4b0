// Wires one relay node together: transport, sessions, rooms, cluster and ops; starts it and drains it in order.
// It decides who may connect at all; everything finer belongs to the parts.
import { randomBytes } from 'node:crypto'
import type { AdminNode } from '@pychat/protocol'
import { limits } from '@pychat/protocol'
import { createMemoryCluster } from './cluster/cluster.memory.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { RelayConfig } from './config.ts'
import type { AdminContext } from './ops/admin-commands.ts'
import { type AdminToken, readAdminTokenFile, settleAdminToken } from './ops/admin-token.ts'
import { createHealth } from './ops/health.ts'
import { describeError, type Log } from './ops/log.ts'
import { createMetrics } from './ops/metrics.ts'
import { createOpsServer } from './ops/server.ts'
import { openRedisStore } from './redis/store.ts'
import { createMemoryRooms } from './rooms/rooms.memory.ts'
import type { Rooms, RoomsEvents } from './rooms/rooms.ts'
import { createAddressLimits, truncateAddress } from './session/address-limits.ts'
import { bump, createFigures } from './session/figures.ts'
import { createRegistry } from './session/registry.ts'
import { selectTransport } from './transport/select.ts'
import type { UpgradeDecision, UpgradeRequest } from './transport/transport.ts'

export type RelayOptions = {
  config: RelayConfig
  version: string
  log: Log
  /** An operator asked this node to stop: call `stop`. */
  onShutdown(): void
}

export type RunningRelay = {
  /** "host:port" as configured, with the real ports. */
  listen: string
  opsListen: string
  port: number
  opsPort: number
  transport: 'uws' | 'ws'
  store: 'embedded' | 'redis'
}

export type Relay = {
  /** @throws Error with one sentence for a person: a port, the store, a file */
  start(): Promise<RunningRelay>
  /** Drains and stops; ends within 10 s whatever hangs. Safe to repeat. */
  stop(): Promise<void>
  admin: AdminContext
}

const tickMs = 1000
const sweepTicks = 10
/** What a drain waits after the last client should have gone, for publishes, for close frames, and for each part. */
const drainGraceMs = 300
const publishesWaitMs = 1500
/** What it waits for other nodes to take over the memberships of clients that moved. */
const takeoversWaitMs = 2000
const closeFramesMs = 100
const stopPartMs = 1000

const greeting = `This is a PyChat relay. Chat through it with the PyChat client: npx pychat --relay THIS-HOST\n`

export function createRelay({ config, version, log, onShutdown }: RelayOptions): Relay {
  const now = (): number => performance.now()
  const startedAt = new Date().toISOString()
  const figures = createFigures()
  const health = createHealth(now)
  const addressLimits = createAddressLimits(config)
  const origins = new Set(config.origins)
  const selected = selectTransport(config.transport)
  let listen = ''
  let adminToken: AdminToken | null = null
  let timer: NodeJS.Timeout | null = null
  let stopping: Promise<void> | null = null

  const fault = (error: unknown): void => {
    figures.faults += 1
    log.error('A fault of the relay closed a connection.', { error: describeError(error) })
  }

  const roomsEvents: RoomsEvents = {
    deliver(room, message, isBinary) {
      const receivers = transport.publish(room, message, isBinary)
      figures.bytesOut += receivers * message.length
      if (isBinary) figures.messagesOut += receivers
      registry.hold(room, message, isBinary)
    },
    replaced: (membership) => registry.replaced(membership),
    availability(available) {
      if (available === health.storeAvailable()) return
      health.storeChanged(available)
      registry.availability(available)
      if (available) log.info('The store answers again.')
      else log.warn('The store does not answer: messages are refused until it does.')
    },
    leaseLost() {
      log.warn('This node lost its lease: every client reconnects.', { count: registry.size() })
      registry.leaseLost()
    },
  }

  const { rooms, cluster } = openStore(config, roomsEvents)

  const registry = createRegistry({
    rooms,
    settings: {
      framesPerSecond: config.framesPerSecond,
      bytesPerSecond: config.bytesPerSecond,
      software: `pychat-relay/${version}`,
    },
    addressLimits,
    figures,
    now,
    fault,
    ended(session) {
      figures.connections -= 1
      addressLimits.closed(session.socket.address)
    },
  })

  const transport = selected.create(
    {
      ...config.listen,
      tls: config.tls,
      messageBytesMax: Math.max(limits.controlBytesMax, limits.frameBytesMax),
      backpressureBytesMax: config.backpressureBytesMax,
      pingIntervalMs: limits.pingIntervalMs,
      greeting,
    },
    {
      upgrade(request) {
        const decision = decide(request)
        if (!decision.accept) {
          bump(figures.upgradesRefused, decision.status)
          log.debug('A handshake was refused.', {
            code: decision.status,
            network: truncateAddress(request.peer),
          })
        }
        return decision
      },
      open(socket) {
        figures.connections += 1
        figures.connectionsTotal += 1
        addressLimits.opened(socket.address)
        return registry.open(socket)
      },
      fault,
    },
  )

  function decide(request: UpgradeRequest): UpgradeDecision {
    if (request.path.split('?')[0] !== '/') return refuse(404, 'Chat connects to the path /.')
    if (health.state() === 'draining') return refuse(503, 'This node is stopping.', 1)
    if (request.origin !== '' && !origins.has(request.origin)) {
      return refuse(403, 'Web pages of this origin may not connect here (PYCHAT_ORIGINS).')
    }
    if (figures.connections >= config.connectionsMax) return refuse(503, 'This node is full.', 5)
    const address = addressLimits.resolve(request.peer, request.forwardedFor)
    const waitSeconds = addressLimits.handshake(address, now())
    if (waitSeconds !== null) return refuse(429, 'Too many connections from this address.', waitSeconds)
    return { accept: true, address }
  }

  function localCounts(): { rooms: number; members: number } {
    const local = rooms.local()
    let members = 0
    for (const users of local.values()) members += users
    return { rooms: local.size, members }
  }

  const admin: AdminContext = { cluster, rooms }
  const ops = createOpsServer({
    listen: config.opsListen,
    health,
    metrics: createMetrics({
      figures,
      version,
      transport: selected.kind,
      store: rooms.kind,
      rooms: () => localCounts().rooms,
      members: () => localCounts().members,
      ready: () => health.unready() === null,
      storeAvailable: health.storeAvailable,
      draining: () => health.state() === 'draining',
    }),
    admin,
    token: () => adminToken?.token ?? null,
    fault: (error) => log.error('A fault of the relay on the ops port.', { error: describeError(error) }),
  })

  function describeNode(): AdminNode {
    const { connections, messagesIn, messagesOut, bytesIn, bytesOut } = figures
    return {
      node: rooms.node,
      state: health.state(),
      version,
      transport: selected.kind,
      listen,
      startedAt,
      connections,
      ...localCounts(),
      messagesIn,
      messagesOut,
      bytesIn,
      bytesOut,
    }
  }

  async function start(): Promise<RunningRelay> {
    if (selected.warning !== null) log.warn(selected.warning)
    const givenToken =
      config.adminTokenFile === null ? config.adminToken : readAdminTokenFile(config.adminTokenFile)
    try {
      await rooms.start()
      await cluster.start({
        node: describeNode,
        rooms: () => [...rooms.local()].map(([room, users]) => ({ room, users })),
        shutdown() {
          // The answer goes out first.
          setTimeout(onShutdown, 50)
          return 'stopping'
        },
      })
      const opsPort = await ops.listen()
      adminToken = settleAdminToken(givenToken, config.opsListen.host, opsPort, config.stateDir, () =>
        randomBytes(32).toString('hex'),
      )
      if (adminToken.warning !== null) log.warn(adminToken.warning)
      const port = await transport.listen()
      listen = place(config.listen.host, port)
      let ticks = 0
      timer = setInterval(() => {
        registry.tick()
        ticks += 1
        if (ticks % sweepTicks === 0) addressLimits.sweep(now())
      }, tickMs)
      health.started()
      return {
        listen,
        opsListen: place(config.opsListen.host, opsPort),
        port,
        opsPort,
        transport: selected.kind,
        store: rooms.kind,
      }
    } catch (error) {
      await release()
      throw error
    }
  }

  /** Ends every part, none of which may hold up the others. */
  async function release(): Promise<void> {
    if (timer !== null) clearInterval(timer)
    adminToken?.remove()
    await within(stopPartMs, cluster.stop())
    await within(stopPartMs, rooms.stop())
    await within(stopPartMs, Promise.all([transport.close(), ops.close()]))
  }

  async function drain(): Promise<void> {
    health.drain()
    const count = registry.size()
    log.info('Stopping: clients are told to reconnect elsewhere.', { count })
    transport.stopListening()
    if (count > 0) {
      registry.goaway(config.drainMs)
      await until(() => registry.size() === 0, config.drainMs + drainGraceMs)
      await until(() => registry.publishesInFlight() === 0, publishesWaitMs)
      registry.closeAll()
      await pause(closeFramesMs)
      if (rooms.kind === 'redis') await until(() => rooms.local().size === 0, takeoversWaitMs)
    }
    await release()
    log.info('Stopped.')
  }

  return {
    start,
    stop() {
      stopping ??= drain()
      return stopping
    },
    admin,
  }
}

function openStore(config: RelayConfig, events: RoomsEvents): { rooms: Rooms; cluster: Cluster } {
  const shared = {
    roomMembersMax: config.roomMembersMax,
    now: Date.now,
    random: (bytes: number): Uint8Array => randomBytes(bytes),
  }
  if (config.redisUrl !== null) {
    return openRedisStore({ ...shared, url: config.redisUrl, keyPrefix: config.redisPrefix }, events)
  }
  const rooms = createMemoryRooms(shared, events)
  return { rooms, cluster: createMemoryCluster(rooms.node) }
}

function refuse(status: 403 | 404 | 429 | 503, message: string, retryAfterSeconds?: number): UpgradeDecision {
  return { accept: false, status, message, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
}

function place(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

async function until(done: () => boolean, ms: number): Promise<void> {
  const deadline = performance.now() + ms
  while (!done() && performance.now() < deadline) await pause(20)
}

/** Waits for work no longer than so many milliseconds; how it ended does not matter here. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}
