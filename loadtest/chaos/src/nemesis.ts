// Commits one fault on the servers and heals it. Each wait is bounded; what it finds of interest comes back as words.
import type { Members } from './members.ts'
import { pause, until } from './processes.ts'
import type { Fault } from './schedule.ts'
import type { Server, Store } from './stores.ts'
import type { RelayNode, Topology } from './topology.ts'
import type { Traffic } from './traffic.ts'

const drainWithinMs = 20_000
/** What nobody hears has to be noticed by then. */
const foundWithinMs = 20_000
const stallMs = 1000
const absentEvery = 4
const absentMs = 4000
const shoutBytes = 14_000
const redisDelayMs = 1500
const clientsDelayMs = 300

export type Nemesis = {
  /** @returns what was done to whom, once it is over */
  commit(fault: Fault, hooks: { killing(node: RelayNode): void }): Promise<string>
}

export function createNemesis(topology: Topology, members: Members, traffic: Traffic): Nemesis {
  const { store } = topology
  const victim = (rank: number): RelayNode => {
    const nodes = topology.byLoad().filter(({ alive }) => alive)
    const node = nodes[Math.min(rank, nodes.length - 1)]
    if (!node) throw new Error('No relay node is alive.')
    return node
  }
  const primary = async (rank: number): Promise<Server> => {
    const primaries = await store.primaries()
    const server = primaries[rank % primaries.length]
    if (!server) throw new Error('No Redis primary answers.')
    return server
  }

  return {
    async commit({ name, rank, lastsMs }, hooks) {
      switch (name) {
        case 'node-kill': {
          const node = victim(rank)
          hooks.killing(node)
          await node.kill()
          await pause(lastsMs)
          await node.start()
          return node.name
        }
        case 'node-freeze': {
          const node = victim(rank)
          node.signal('SIGSTOP')
          await pause(lastsMs)
          node.signal('SIGCONT')
          return `${node.name} for ${lastsMs} ms`
        }
        case 'rolling': {
          let late = 0
          for (const node of topology.nodes) {
            if (!(await node.drain(drainWithinMs))) late += 1
            await node.start()
          }
          return late === 0 ? 'all nodes' : `${late} nodes did not end within ${drainWithinMs / 1000} s`
        }
        case 'redis-restart': {
          const server = await primary(rank)
          await server.kill()
          await pause(lastsMs)
          await server.start()
          return `down for ${lastsMs} ms`
        }
        case 'redis-freeze': {
          const server = await primary(rank)
          server.signal('SIGSTOP')
          await pause(lastsMs)
          server.signal('SIGCONT')
          return `port ${server.port} for ${lastsMs} ms`
        }
        case 'failover':
          return failover(store, await primary(rank), lastsMs)
        case 'failover-behind': {
          const old = await primary(rank)
          const leading = await store.primaries()
          const replicas = store.servers.filter((server) => !leading.includes(server))
          // Who is away meanwhile can have what was lost from its senders alone.
          for (const member of members.all) {
            if (member.seat % absentEvery === rank % absentEvery) member.away(stallMs + absentMs)
          }
          for (const replica of replicas) replica.signal('SIGSTOP')
          // What is on its way to a stopped replica would still reach it: only what has no connection is lost.
          await old.command('CLIENT', 'KILL', 'TYPE', 'replica')
          await pause(stallMs)
          await old.kill()
          for (const replica of replicas) replica.signal('SIGCONT')
          return failover(store, old, lastsMs)
        }
        case 'subscriber-kill':
          return `${await killSubscribers(store)} connections`
        case 'subscriber-overflow':
          return overflowSubscribers(store, traffic, lastsMs)
        case 'subscriber-drop': {
          const node = victim(rank)
          const door = node.redisDoor
          if (!door) throw new Error(`${name} needs doors, and this run has none.`)
          const deafened = door.deafenSubscribers()
          const at = performance.now()
          const found = await until(() => door.deaf === 0, foundWithinMs)
          const words = found ? `given up after ${Math.round(performance.now() - at)} ms` : 'never given up'
          return `${node.name}: ${deafened} connections, ${words}`
        }
        case 'redis-cut':
        case 'redis-silence':
        case 'redis-delay':
        case 'clients-cut':
        case 'clients-silence':
        case 'clients-delay': {
          const node = victim(rank)
          const door = name.startsWith('redis') ? node.redisDoor : node.clientDoor
          if (!door) throw new Error(`${name} needs doors, and this run has none.`)
          if (name.endsWith('cut')) await door.cut()
          else if (name.endsWith('silence')) door.silence()
          else door.delay(name === 'redis-delay' ? redisDelayMs : clientsDelayMs)
          await pause(lastsMs)
          await door.heal()
          return `${node.name} for ${lastsMs} ms`
        }
      }
    },
  }
}

async function failover(store: Store, old: Server, lastsMs: number): Promise<string> {
  await old.kill()
  const killedAt = performance.now()
  const succeeded = await store.succeeded(old)
  const tookMs = Math.round(performance.now() - killedAt)
  await pause(lastsMs)
  await old.start()
  return succeeded ? `a replica led after ${tookMs} ms` : 'no replica took over within 30 s'
}

async function killSubscribers(store: Store): Promise<number> {
  let killed = 0
  for (const server of await store.primaries()) {
    killed += Number(await server.command('CLIENT', 'KILL', 'TYPE', 'pubsub', 'SKIPME', 'yes'))
  }
  return killed
}

async function overflowSubscribers(store: Store, traffic: Traffic, lastsMs: number): Promise<string> {
  const limit = (value: string) =>
    store
      .primaries()
      .then((servers) =>
        Promise.all(
          servers.map((server) => server.command('CONFIG', 'SET', 'client-output-buffer-limit', value)),
        ),
      )
  const subscribers = async () => {
    const lists = await Promise.all(
      (await store.primaries()).map((server) => server.command('CLIENT', 'LIST', 'TYPE', 'pubsub')),
    )
    return new Set(
      lists.flatMap((list) => [...String(list).matchAll(/\bid=(\d+)/g)].map((match) => match[1])),
    )
  }
  const had = await subscribers()
  // Long messages by many at once do not fit into the first 16 KiB that Redis does not count.
  await limit('pubsub 1024 0 0')
  for (let i = 0; i < 3; i += 1) {
    traffic.shout(shoutBytes)
    await pause(lastsMs / 3)
  }
  const kept = await subscribers()
  await limit('pubsub 33554432 8388608 60')
  return `${[...had].filter((id) => !kept.has(id)).length} of ${had.size} connections overflowed`
}
