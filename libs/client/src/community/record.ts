// What is kept of a community from one run to the next, within its bounds; the host writes it down.
import type { CharterPair, RoomId } from '@pychat/protocol'
import type { CommunityMemory, RoomRecord } from './types.ts'

const secretsMax = 8
const chartersMax = 24
const channelsMax = 20

export type Records = {
  secrets(): readonly string[]
  moving(): string | null
  channels(): readonly string[]
  /** The newest documents that this person has taken for a room; null for none. */
  charterOf(room: RoomId): CharterPair | null
  saveMoves(secrets: readonly string[], moving: string | null): void
  saveChannels(names: readonly string[]): void
  saveCharter(room: RoomId, pair: CharterPair): void
}

/** @param keep rooms whose documents are never given up for others' */
export function createRecords(
  root: RoomId,
  memory: Pick<CommunityMemory, 'load' | 'save'>,
  keep: () => readonly RoomId[],
): Records {
  let record: RoomRecord = memory.load(root) ?? {
    root,
    secrets: [],
    moving: null,
    charters: [],
    channels: [],
  }
  const save = (changed: Partial<RoomRecord>) => {
    record = { ...record, ...changed }
    memory.save(record)
  }
  return {
    secrets: () => record.secrets,
    moving: () => record.moving,
    channels: () => record.channels,
    charterOf: (room) => record.charters.find((each) => each.room === room)?.pair ?? null,
    saveMoves: (secrets, moving) => save({ secrets: secrets.slice(-secretsMax), moving }),
    saveChannels: (names) => save({ channels: names.slice(-channelsMax) }),
    saveCharter(room, pair) {
      const charters = [...record.charters.filter((each) => each.room !== room), { room, pair }]
      const kept = keep()
      const oldest = charters.findIndex((each) => each.room !== room && !kept.includes(each.room))
      if (charters.length > chartersMax) charters.splice(Math.max(oldest, 0), 1)
      save({ charters })
    },
  }
}
