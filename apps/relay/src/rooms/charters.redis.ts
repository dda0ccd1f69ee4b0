// Keeps the charters of a node's rooms in step with Redis and with the other nodes. A new one is judged here and written
// by compare-and-set (lua/room_charter.lua); all nodes hear it on the room's channel. What a node hears or reads it takes
// over if that stands against its own; if not, Redis lost something, and the node brings its own back.
import { type CharterPair, encodeControl, ProtocolError, type RoomId, readCharter } from '@pychat/protocol'
import type { RoomKeys } from '../redis/keys.ts'
import type { Scripts } from '../redis/scripts.ts'
import { verifier } from '../verifier.ts'
import {
  broughtBack,
  type HeldCharter,
  judge,
  readStored,
  type StoredCharter,
  stands,
  storedAs,
} from './charter.ts'
import { type ActResult, StoreError } from './rooms.ts'

/** What a room keeps of it. */
export type Chartered = {
  readonly id: RoomId
  readonly keys: RoomKeys
  charter: HeldCharter | null
  /** Stamp of the one that members here were told last. */
  toldStamp: string
}

export type ChartersOptions<Room> = {
  scripts: Scripts
  now(): number
  keepMs: number
  /** Another charter is in force in the room. @param control what members here have to be told; null when they know */
  changed(room: Room, control: Buffer | null): void
}

export type Charters<Room> = {
  /** @param message "<stamp> <control message>", from the room's channel; valid during the call */
  heard(room: Room, message: Buffer): void
  /** Makes the node and Redis agree again. @param stored what Redis has, as far as is known  @throws StoreError */
  agree(room: Room, stored: StoredCharter): Promise<void>
  /** The same where only the stamp of what Redis has was read. @throws StoreError */
  check(room: Room, stamp: string): Promise<void>
  /** @throws StoreError */
  publish(room: Room, pair: CharterPair): Promise<ActResult<'charter-invalid' | 'charter-old'>>
}

/** Others change it at the same time: so often it is tried before the store counts as away. */
const triesMax = 5

export function createCharters<Room extends Chartered>({
  scripts,
  now,
  keepMs,
  changed,
}: ChartersOptions<Room>): Charters<Room> {
  function take(room: Room, held: HeldCharter | null, control: Buffer | null): void {
    if (room.charter?.stamp === held?.stamp && room.toldStamp === (held?.stamp ?? '')) return
    room.charter = held
    const told = held === null || room.toldStamp === held.stamp
    room.toldStamp = held?.stamp ?? ''
    changed(room, told ? null : (control ?? controlOf(room.id, held)))
  }

  function heard(room: Room, message: Buffer): void {
    const space = message.indexOf(' ')
    const control = message.subarray(space + 1)
    const stored = { stamp: message.toString('latin1', 0, space), text: control.toString('latin1') }
    try {
      const held = stored.stamp === room.charter?.stamp ? room.charter : readStored(stored, room.id)
      if (stands(room.charter, held) === 'other') take(room, held, control)
      else agree(room, stored).catch(() => {})
    } catch (error) {
      // Whoever wants to come in asks again, and is refused.
      if (!(error instanceof StoreError)) throw error
    }
  }

  async function agree(room: Room, stored: StoredCharter): Promise<void> {
    // Many ask at once what one of them learns first.
    if (stored.stamp === room.charter?.stamp) return
    let there = stored
    for (let i = 0; i < triesMax; i += 1) {
      const other = readStored(there, room.id)
      const mine = room.charter
      if (mine === null || stands(mine, other) === 'other') return take(room, other, null)
      const next = broughtBack(mine, other, now())
      const answer = await scripts.roomCharter(room.keys, room.id, there.stamp, storedAs(next), keepMs)
      if (answer.answer === 'ok') {
        // Unless a newer one was heard meanwhile.
        if (room.charter === mine) room.charter = next
        return
      }
      there = answer.stored
    }
    throw new StoreError('unreachable', 'The charter of a room changes too fast.')
  }

  async function publish(
    room: Room,
    pair: CharterPair,
  ): Promise<ActResult<'charter-invalid' | 'charter-old'>> {
    let charter: ReturnType<typeof readCharter>
    try {
      charter = readCharter(pair, verifier, room.id)
    } catch (error) {
      if (error instanceof ProtocolError) return { ok: false, code: 'charter-invalid' }
      throw error
    }
    for (let i = 0; i < triesMax; i += 1) {
      const judgement = judge(room.charter, charter, now())
      if (!judgement.ok) return judgement
      if (judgement.next === null) return { ok: true }
      const judged = room.charter?.stamp ?? ''
      const answer = await scripts.roomCharter(room.keys, room.id, judged, storedAs(judgement.next), keepMs)
      // The node itself hears of it like all others.
      if (answer.answer === 'ok') return { ok: true }
      await agree(room, answer.stored)
    }
    throw new StoreError('unreachable', 'The charter of a room changes too fast.')
  }

  return {
    heard,
    agree,
    async check(room, stamp) {
      if (stamp !== (room.charter?.stamp ?? '')) await agree(room, await scripts.charterOf(room.keys))
    },
    publish,
  }
}

function controlOf(room: RoomId, held: HeldCharter): Buffer {
  return Buffer.from(encodeControl({ t: 'charter', room, ...held.charter.pair }))
}
