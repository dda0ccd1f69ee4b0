// What members are told without anybody's doing: where the log of a silent room ends, so that a frame that was lost without
// a trace shows, and how many are in a room where nobody is told who comes and goes.
import type { RelayControl } from '@pychat/protocol'
import type { Connections } from '../redis/connections.ts'
import type { Scripts } from '../redis/scripts.ts'
import type { LocalRoom, LocalRooms } from './local-rooms.redis.ts'

export type BeaconsOptions = {
  connections: Connections
  scripts: Scripts
  rooms: LocalRooms
  now(): number
  /** 0..1 */
  jitter(): number
  beaconMs: number
  tell(room: LocalRoom, message: RelayControl): void
  /** Told once a room's place was read: the stamp of the charter that the store has for it. */
  read(room: LocalRoom, stamp: string): Promise<void>
}

/** A room that stays silent is looked at ever more seldom, down to this. */
const beaconStepMaxMs = 64_000
/** What was said before the position was read may still be on its way here by the other connection. */
const positionDelayMs = 250

export class Beacons {
  readonly #options: BeaconsOptions
  #stopped = false

  constructor(options: BeaconsOptions) {
    this.#options = options
  }

  /** While a room speaks, a lost frame shows by the next one: what matters is the silence afterwards. */
  spoke(room: LocalRoom): void {
    room.beaconStepMs = this.#options.beaconMs
    room.beaconAt = this.#options.now() + this.#options.beaconMs
  }

  /** Also settles the room's epoch after a failover. @returns the stamp of the room's charter  @throws StoreError */
  async tellPosition(room: LocalRoom): Promise<string> {
    const { scripts, rooms, tell } = this.#options
    const { position, stamp } = await scripts.roomPosition(room.keys)
    if (position === null) return stamp
    const { epoch, seq, quiet } = position
    if (room.quiet !== quiet && room.members.size > 0) {
      rooms.setQuiet(room, quiet)
      this.#tellCount(room)
    }
    const place = `${epoch} ${seq}`
    if (place === room.toldPosition) return stamp
    room.toldPosition = place
    setTimeout(() => {
      if (room.members.size > 0 && !this.#stopped) tell(room, { t: 'position', room: room.id, epoch, seq })
    }, positionDelayMs)
    return stamp
  }

  /** To be called about every second. */
  tick(): void {
    const { connections, rooms, now, jitter, read } = this.#options
    if (!connections.available || this.#stopped) return
    const time = now()
    connections.cork()
    for (const room of rooms.all()) {
      if (room.members.size === 0 || room.beaconAt > time) continue
      room.beaconStepMs = Math.min(2 * room.beaconStepMs, beaconStepMaxMs)
      room.beaconAt = time + room.beaconStepMs * (0.9 + jitter() / 10)
      this.tellPosition(room)
        .then((stamp) => read(room, stamp))
        .catch(() => {})
    }
    for (const room of rooms.quiet()) this.#tellCount(room)
  }

  stop(): void {
    this.#stopped = true
  }

  #tellCount(room: LocalRoom): void {
    const { connections, tell } = this.#options
    const told = (count: number) => {
      if (count === room.toldCount || this.#stopped) return
      room.toldCount = count
      tell(room, { t: 'count', room: room.id, count, quiet: room.quiet })
    }
    connections.commands.hlen(room.keys.members).then(told, () => {})
  }
}
