// A node's place in the cluster: its id, the lease behind it, and the reaping of nodes whose lease ran out.
// A node that dies without a word loses its lease and gets a grave; once its members have had their grace time to come
// back elsewhere, every other node's janitor may take out who is left. A node that stops digs its grave by itself.
// Whether a lease or a grave came first is settled in the way of Dekker: each side writes its own, then reads the other's.
import { encodeHex, type NodeId, type RoomId } from '@pychat/protocol'
import type { Connections } from './connections.ts'
import { gravesKey, leaseKey, nodeRoomsKey, nodesKey, reaperKey, roomKeys } from './keys.ts'
import type { Scripts } from './scripts.ts'

export type LeaseOptions = {
  scripts: Scripts
  keyPrefix: string
  now(): number
  random(bytes: number): Uint8Array
  /** How long a node may be silent before its members are taken out. */
  leaseMs: number
  /** Every so often it renews the lease. */
  beatMs: number
  /** Every so often it looks for dead nodes. */
  janitorMs: number
  /** How long the counters of those taken out are kept. */
  keepMs: number
  /** How long a member without a connection keeps its place. */
  graceMs: number
}

export type LeaseEvents = {
  /** The node's members may be gone. `node` is another one from now on, not yet held. */
  lost(): void
  /** The lease is held: for the first time, or under a new id. */
  taken(): void
}

/** A dead node's rooms are looked through for so long after that: a join of its last moment may still arrive. */
const graveMs = 60_000
const reaperMs = 10_000
/** A dead node's rooms are gone through in that time, with such pauses, at least so many at once. */
const reapWithinMs = 4000
const reapPauseMs = 50
const reapStepMin = 16

export class Lease {
  readonly listeners: LeaseEvents[] = []
  readonly #connections: Connections
  readonly #options: LeaseOptions
  #node: NodeId
  #held = false
  #beating = false
  #losing: Promise<void> | null = null
  #cleaning = false
  #timers: NodeJS.Timeout[] = []

  constructor(connections: Connections, options: LeaseOptions) {
    this.#connections = connections
    this.#options = options
    this.#node = this.#newNode()
  }

  get node(): NodeId {
    return this.#node
  }

  get held(): boolean {
    return this.#held
  }

  /** Takes the lease and keeps it. @throws when the store does not answer */
  async start(): Promise<void> {
    await this.#take()
    this.#timers = [
      setInterval(() => void this.beat(), this.#options.beatMs),
      setInterval(() => void this.clean(), this.#options.janitorMs),
    ]
  }

  /**
   * Ends the lease.
   * @param empty whether all members have left; otherwise those who do not come back within the grace time are taken
   * out by other nodes, or by the next one to start
   */
  async stop(empty: boolean): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    if (!this.#held) return
    this.#held = false
    const { commands } = this.#connections
    const { keyPrefix, now, graceMs } = this.#options
    if (!empty) await commands.hset(gravesKey(keyPrefix), this.#node, now() + graceMs)
    await commands.del(leaseKey(keyPrefix, this.#node))
    if (!empty) return
    await commands.del(nodeRoomsKey(keyPrefix, this.#node))
    await commands.srem(nodesKey(keyPrefix), this.#node)
  }

  /** Stops without a word, as a killed process does. */
  abandon(): void {
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    this.#held = false
  }

  /** Renews the lease, or finds it lost and takes a new one. Never throws: the next beat tries again. */
  async beat(): Promise<void> {
    if (this.#beating || this.#timers.length === 0) return
    this.#beating = true
    try {
      if (!this.#held) await this.#take()
      else if (!(await this.#renew())) await this.lose()
    } catch {
      // The store is away; what that means is for `Connections` to say.
    } finally {
      this.#beating = false
    }
  }

  /** Gives up this node's id, as if its lease had been found gone. @returns once it has another one */
  lose(): Promise<void> {
    this.#losing ??= this.#lose().finally(() => {
      this.#losing = null
    })
    return this.#losing
  }

  async #lose(): Promise<void> {
    if (!this.#held) return
    const { keyPrefix } = this.#options
    const old = this.#node
    this.#held = false
    this.#node = this.#newNode()
    for (const each of this.listeners) each.lost()
    // What is still there of the old id is taken out at once rather than after another lease's time.
    await this.#connections.commands.del(leaseKey(keyPrefix, old))
    await this.#take()
    await this.#bury(old)
  }

  async holds(node: NodeId): Promise<boolean> {
    return (await this.#connections.commands.exists(leaseKey(this.#options.keyPrefix, node))) === 1
  }

  /** Whether a node is gone for so long that its members' time to come back is over. */
  async buried(node: NodeId): Promise<boolean> {
    if (await this.holds(node)) return false
    const { commands } = this.#connections
    const { keyPrefix, now } = this.#options
    const due = await commands.hget(gravesKey(keyPrefix), node)
    if (due !== null) return now() >= Number(due)
    return (await commands.sismember(nodesKey(keyPrefix), node)) === 0
  }

  /** Ids of all nodes that hold a lease. */
  async nodes(): Promise<NodeId[]> {
    return (await this.census()).living
  }

  /** Ids of all registered nodes, by whether they hold a lease. */
  async census(): Promise<{ living: NodeId[]; lapsed: NodeId[] }> {
    const ids = (await this.#connections.commands.smembers(nodesKey(this.#options.keyPrefix))) as NodeId[]
    const held = await Promise.all(ids.map((id) => this.holds(id)))
    return { living: ids.filter((_, i) => held[i]), lapsed: ids.filter((_, i) => !held[i]) }
  }

  /** Takes out the members of nodes that are dead. Never throws: the next round goes on. */
  async clean(): Promise<void> {
    if (this.#cleaning || !this.#held) return
    // After the store was away every lease may have run out: first its node may take it up again.
    if (this.#connections.availableMs < this.#options.leaseMs / 2) return
    this.#cleaning = true
    try {
      const { commands } = this.#connections
      for (const id of (await commands.smembers(nodesKey(this.#options.keyPrefix))) as NodeId[]) {
        if (id !== this.#node && !(await this.holds(id))) await this.#bury(id)
      }
    } catch {
      // As in `beat`.
    } finally {
      this.#cleaning = false
    }
  }

  #newNode(): NodeId {
    return encodeHex(this.#options.random(8)) as NodeId
  }

  async #take(): Promise<void> {
    const { commands } = this.#connections
    const { keyPrefix, leaseMs } = this.#options
    // The lease first: a registered node without one counts as dead.
    await commands.set(leaseKey(keyPrefix, this.#node), '1', 'PX', leaseMs)
    await commands.sadd(nodesKey(keyPrefix), this.#node)
    this.#held = true
    for (const each of this.listeners) each.taken()
  }

  /** After the store was frozen the lease may have run out with nobody there to notice: then it is taken up again. */
  async #renew(): Promise<boolean> {
    const { commands } = this.#connections
    const { scripts, keyPrefix, leaseMs } = this.#options
    const key = leaseKey(keyPrefix, this.#node)
    if (await scripts.nodeBeat(key, leaseMs)) return true
    await commands.set(key, '1', 'PX', leaseMs)
    const buried = await commands.hexists(gravesKey(keyPrefix), this.#node)
    const registered = await commands.sismember(nodesKey(keyPrefix), this.#node)
    return buried === 0 && registered === 1
  }

  async #bury(id: NodeId): Promise<void> {
    const { commands } = this.#connections
    const { scripts, keyPrefix, now, keepMs, leaseMs, graceMs } = this.#options
    const reaper = reaperKey(keyPrefix, id)
    if ((await commands.set(reaper, this.#node, 'PX', reaperMs, 'NX')) !== 'OK') return
    const graves = gravesKey(keyPrefix)
    // Its lease ran out a lease's time after its last beat: so long its members have been away already.
    await commands.hsetnx(graves, id, now() + Math.max(0, graceMs - leaseMs))
    const due = Number(await commands.hget(graves, id))
    if (await this.holds(id)) {
      await commands.hdel(graves, id)
    } else if (now() >= due) {
      const roomsKey = nodeRoomsKey(keyPrefix, id)
      const rooms = (await commands.smembers(roomsKey)) as RoomId[]
      // In small steps: when a node dies the store has its hands full with those who come back.
      const step = Math.max(reapStepMin, Math.ceil((rooms.length * reapPauseMs) / reapWithinMs))
      for (let i = 0; i < rooms.length; i += step) {
        const some = rooms.slice(i, i + step)
        if (i > 0) {
          await new Promise((resolve) => setTimeout(resolve, reapPauseMs))
          await commands.pexpire(reaper, reaperMs)
        }
        await Promise.all(
          some.map((room) => scripts.roomReap(roomKeys(keyPrefix, room), room, id, now(), keepMs)),
        )
        await commands.srem(roomsKey, ...some)
      }
      if (rooms.length === 0 && now() - due > graveMs) {
        await commands.srem(nodesKey(keyPrefix), id)
        await commands.hdel(graves, id)
      }
    }
    await commands.del(reaper)
  }
}
