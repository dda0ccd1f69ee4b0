// Wires one relay node together: transport, sessions, rooms, cluster and ops; starts it and drains it in order.
// It decides who may connect at all; everything finer belongs to the parts.
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { type AdminNode, closeTable, limits, type NodeLoad, type RedisDiagnosis } from '@pychat/protocol'
import { countByKind } from './bans/ban-list.ts'
import { createMatcher } from './bans/ban-matcher.ts'
import { bansFileName, createFileBanStore } from './bans/bans.file.ts'
import { type BanStore, type Bans, createBans } from './bans/bans.ts'
import { createMemoryCluster } from './cluster/cluster.memory.ts'
import type { Cluster } from './cluster/cluster.ts'
import type { RelayConfig } from './config.ts'
import {
  createEmergency,
  createMemoryEmergencyStore,
  type EmergencyStore,
  emergencyRetryMs,
} from './emergency/emergency.ts'
import type { AdminContext } from './ops/admin-context.ts'
import { type AdminToken, readAdminTokenFile, settleAdminToken } from './ops/admin-token.ts'
import { createDiagnosis } from './ops/diagnosis.ts'
import { createDrain, type DrainTimes, drainOver, drainWithin } from './ops/drain.ts'
import { createHealth } from './ops/health.ts'
import { describeError, type Log } from './ops/log.ts'
import { createMetrics, loopLookMs } from './ops/metrics.ts'
import { createOpsServer } from './ops/server.ts'
import { noTracing, type Tracing } from './ops/tracing.ts'
import { openRedisStore } from './redis/store.ts'
import { createMemoryRooms } from './rooms/rooms.memory.ts'
import type { Rooms, RoomsEvents } from './rooms/rooms.ts'
import { createAddressLimits, truncateAddress } from './session/address-limits.ts'
import { createRates } from './session/budget.ts'
import { bump, createFigures } from './session/figures.ts'
import { createJoinQueue } from './session/join-queue.ts'
import { createLatency } from './session/latency.ts'
import { createRegistry } from './session/registry.ts'
import { createRoomShares, shareRates } from './session/shares.ts'
import { selectTransport } from './transport/select.ts'
import type { UpgradeDecision, UpgradeRequest } from './transport/transport.ts'

export type RelayOptions = {
  config: RelayConfig
  version: string
  log: Log
  /** An operator asked this node to stop: call `stop` with these times. */
  onStop(times: DrainTimes): void
  /** Its rooms end with it: clients are not sent to another node, but told so at the end. */
  lastNode?: boolean
  /** noTracing when left out. */
  tracing?: Tracing
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
  /**
   * Drains and stops, over PYCHAT_DRAIN_MS when left out; ends in time whatever hangs. Asked again it ends sooner where
   * the times say so, never later.
   */
  stop(times?: DrainTimes): Promise<void>
  admin: AdminContext
}

const tickMs = 1000
const sweepTicks = 10
/** What the parts of a node that could not start may take to end. */
const releaseMs = 3000
/** The answer to an operator goes out before the node does what it says. */
const answerMs = 50
/** A node that was asked for all of them waits for the others' answers, so that it can pass them on. */
const othersMs = 3000

const greeting = `This is a PyChat relay. Chat through it with the PyChat client: npx pychat --relay THIS-HOST\n`

export function createRelay({
  config,
  version,
  log,
  onStop,
  lastNode = false,
  tracing = noTracing,
}: RelayOptions): Relay {
  const now = (): number => performance.now()
  const startedAt = new Date().toISOString()
  const figures = createFigures()
  const health = createHealth(now)
  const addressLimits = createAddressLimits(
    config,
    (limit) => bump(figures.limited, limit),
    () => emergency.measures().addressShare,
  )
  const latency = createLatency()
  const origins = new Set(config.origins)
  const selected = selectTransport(config.transport)
  let listen = ''
  let port = 0
  let adminToken: AdminToken | null = null
  let timer: NodeJS.Timeout | null = null
  let stopped: Promise<void> | null = null
  /** Ends the span of an outage. */
  let storeBack = (): void => {}

  const fault = (error: unknown): void => {
    figures.faults += 1
    log.error('A fault of the relay closed a connection.', { error: describeError(error) })
  }

  const roomsEvents: RoomsEvents = {
    deliver(room, message, isBinary) {
      const receivers = transport.publish(room, message, isBinary)
      figures.bytesOut += receivers * message.length
      if (isBinary) {
        figures.messagesOut += receivers
        latency.goes(message, now)
      }
      registry.hold(room, message, isBinary)
    },
    replaced: (membership) => registry.replaced(membership),
    expelled(membership, why) {
      bump(figures.expelled, why)
      registry.expelled(membership, why)
    },
    availability(available) {
      if (available === health.storeAvailable()) return
      health.storeChanged(available)
      storeBack()
      storeBack = available ? () => {} : tracing.begin('store away')
      registry.availability(available)
      if (available) log.info('The store answers again.')
      else log.warn('The store does not answer: messages are refused until it does.')
    },
    leaseLost() {
      log.warn('This node lost its lease: every client reconnects.', { count: registry.size() })
      registry.leaseLost()
    },
  }

  const {
    rooms,
    cluster,
    banStore,
    emergencyStore,
    diagnose: diagnoseStore,
  } = openStore(config, roomsEvents, !lastNode)
  const bans: Bans = createBans(banStore, Date.now, () => {
    const met = registry.meet(bans, true)
    if (met > 0) log.info('Bans ended connections or memberships.', { count: met })
  })
  const emergency = createEmergency(
    emergencyStore,
    () => rooms,
    Date.now,
    (level) => log.warn('Another emergency level is in force.', { defcon: level }),
  )

  const registry = createRegistry({
    rooms,
    settings: {
      rates: createRates(config.framesPerSecond, config.bytesPerSecond),
      ackReplicas: rooms.kind === 'redis' ? config.ackReplicas : 0,
      software: `pychat-relay/${version}`,
    },
    joinTurn: createJoinQueue(config.joinsPerSecond, now).turn,
    addressLimits,
    emergency,
    tracing,
    roomShares: createRoomShares(shareRates(config.roomFramesPerSecond, config.roomBytesPerSecond)),
    bans,
    figures,
    latency,
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
      messageBytesMax: Math.max(limits.charterControlBytesMax, limits.frameBytesMax),
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
    if (health.state() === 'draining') return refuse(503, 'This node is draining.', 1)
    if (request.origin !== '' && !origins.has(request.origin)) {
      return refuse(403, 'Web pages of this origin may not connect here (PYCHAT_ORIGINS).')
    }
    if (!emergency.measures().newConnections) {
      bump(figures.limited, 'emergency')
      return refuse(503, 'This relay takes no new connections right now.', emergencyRetryMs / 1000)
    }
    if (figures.connections >= config.connectionsMax) {
      bump(figures.limited, 'node-connections')
      return refuse(503, 'This node is full.', 5)
    }
    const address = addressLimits.resolve(request.peer, request.forwardedFor)
    if (bans.address(address)) {
      bump(figures.banRefusals, 'address')
      const { code, sentence } = closeTable.addressBanned
      return { ...refuse(403, sentence), closeCode: code }
    }
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

  const loopDelay = monitorEventLoopDelay({ resolution: loopLookMs })
  /** 99th percentile of how late the loop was, beside the time between two looks. */
  const loopLagMs = (): number =>
    Math.max(0, Math.round((loopDelay.count === 0 ? 0 : loopDelay.percentile(99)) / 1e6) - loopLookMs)
  const diagnose = createDiagnosis({
    config,
    describeNode: () => describeNode(),
    port: () => port,
    loopLagMs,
    redis: diagnoseStore,
  })
  const admin: AdminContext = { cluster, rooms, bans, emergency, diagnose, now: Date.now }
  const ops = createOpsServer({
    listen: config.opsListen,
    health,
    metrics: createMetrics({
      figures,
      latency,
      connectionsMax: config.connectionsMax,
      defcon: emergency.level,
      version,
      transport: selected.kind,
      store: rooms.kind,
      rooms: () => localCounts().rooms,
      members: () => localCounts().members,
      ready: () => health.unready() === null,
      storeAvailable: health.storeAvailable,
      draining: () => health.state() === 'draining',
      bans: () => countByKind(bans.list()),
    }),
    admin,
    token: () => adminToken?.token ?? null,
    tracing,
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
      defcon: emergency.level(),
    }
  }

  function describeLoad(): NodeLoad {
    const { node, state, connections, messagesIn, messagesOut, bytesIn, bytesOut } = describeNode()
    const { user, system } = process.cpuUsage()
    const load = {
      ...{ node, state, upMs: Math.round(now()), connections, ...localCounts() },
      ...{ messagesIn, messagesOut, bytesIn, bytesOut, cpuMs: Math.round((user + system) / 1000) },
      ...{ memoryBytes: process.memoryUsage.rss(), loopLagMs: loopLagMs() },
    }
    loopDelay.reset()
    return load
  }

  async function start(): Promise<RunningRelay> {
    if (selected.warning !== null) log.warn(selected.warning)
    const givenToken =
      config.adminTokenFile === null ? config.adminToken : readAdminTokenFile(config.adminTokenFile)
    try {
      await rooms.start()
      // Before anybody is let in.
      await bans.start()
      await emergency.start()
      await cluster.start({
        node: describeNode,
        rooms: () => [...rooms.local()].map(([room, users]) => ({ room, users })),
        load: describeLoad,
        diagnosis: diagnose,
        shutdown() {
          void pause(answerMs)
            .then(() => within(othersMs, ops.answered()))
            .then(() => onStop(drainOver(config.drainMs)))
          return 'stopping'
        },
        drain({ withinMs }) {
          setTimeout(onStop, answerMs, drainWithin(withinMs - answerMs))
          return 'draining'
        },
        bans: () => bans.version(),
        met: (ban) => registry.meet(createMatcher([ban]), false),
        kick: ({ room, session, dryRun }) => registry.remove(room, session, !dryRun),
        announce: ({ room, text, dryRun }) => registry.announce(room, text, !dryRun),
      })
      const opsPort = await ops.listen()
      adminToken = settleAdminToken(givenToken, config.opsListen.host, opsPort, config.stateDir, () =>
        randomBytes(32).toString('hex'),
      )
      if (adminToken.warning !== null) log.warn(adminToken.warning)
      port = await transport.listen()
      loopDelay.enable()
      listen = place(config.listen.host, port)
      let ticks = 0
      timer = setInterval(() => {
        registry.tick()
        rooms.tick()
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
      await release(releaseMs)
      throw error
    }
  }

  /** Ends every part, none of which may hold up the others: the store gets three quarters of the time. */
  async function release(ms: number): Promise<void> {
    if (timer !== null) clearInterval(timer)
    loopDelay.disable()
    adminToken?.remove()
    bans.stop()
    emergency.stop()
    const store = cluster.stop().then(() => rooms.stop())
    await within((ms * 3) / 4, store)
    await within(ms / 4, Promise.all([transport.close(), ops.close()]))
  }

  const drain = createDrain({
    refuseNew() {
      health.drain()
      transport.stopListening()
    },
    connections: registry.size,
    goaway(spreadMs) {
      if (lastNode) return () => {}
      log.info('Draining: clients are told to reconnect elsewhere.', { count: registry.size(), ms: spreadMs })
      return registry.goaway(spreadMs)
    },
    publishesInFlight: registry.publishesInFlight,
    closeAll: () => registry.closeAll(lastNode ? 'hostEnded' : 'draining'),
    // An embedded node takes its rooms with it.
    membershipsLeft: () => (rooms.kind === 'redis' ? rooms.local().size : 0),
    release,
    now,
    pause,
  })

  return {
    start,
    stop(times = drainOver(config.drainMs)) {
      const ended = drain.begin(times)
      stopped ??= tracing
        .run('drain', { connections: registry.size() }, () => ended)
        .then(() => tracing.stop())
        .then(() => log.info('Stopped.'))
      return stopped
    },
    admin,
  }
}

type Store = {
  rooms: Rooms
  cluster: Cluster
  banStore: BanStore
  emergencyStore: EmergencyStore
  diagnose: (() => Promise<RedisDiagnosis>) | null
}

/** @param keeps whether anything of an embedded node outlives it */
function openStore(config: RelayConfig, events: RoomsEvents, keeps: boolean): Store {
  const shared = {
    roomMembersMax: config.roomMembersMax,
    graceMs: config.graceMs,
    log: {
      messagesMax: config.logMessagesMax,
      bytesMax: config.logBytesMax,
      ageMs: config.logSeconds * 1000,
    },
    now: Date.now,
    random: (bytes: number): Uint8Array => randomBytes(bytes),
  }
  if (config.redisUrl !== null) {
    const { redisUrl: url, redisPrefix: keyPrefix, ackReplicas } = config
    const { bans, emergency, ...store } = openRedisStore({ ...shared, url, keyPrefix, ackReplicas }, events)
    return { ...store, banStore: bans, emergencyStore: emergency }
  }
  const rooms = createMemoryRooms(shared, events)
  const bansFile = keeps ? join(config.stateDir, bansFileName(config.listen.port)) : null
  const banStore = createFileBanStore(bansFile)
  const emergencyStore = createMemoryEmergencyStore()
  return { rooms, cluster: createMemoryCluster(rooms.node), banStore, emergencyStore, diagnose: null }
}

function refuse(
  status: 403 | 404 | 429 | 503,
  message: string,
  retryAfterSeconds?: number,
): Extract<UpgradeDecision, { accept: false }> {
  return { accept: false, status, message, ...(retryAfterSeconds === undefined ? {} : { retryAfterSeconds }) }
}

function place(host: string, port: number): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

/** Waits for work no longer than so many milliseconds; how it ended does not matter here. */
async function within(ms: number, work: Promise<unknown>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<void>((resolve) => {
    timer = setTimeout(resolve, ms)
  })
  await Promise.race([work.catch(() => {}), late])
  clearTimeout(timer)
}
