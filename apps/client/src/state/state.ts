// What a person's client keeps from one run to the next: identity, known people, and of each community the trusted
// charter and where it moved. It reads before a chat begins and writes behind it; nothing of it leaves this machine.
// Messages, PINs and what was typed are never kept.
import type { CommunityMemory, KnownPerson, RoomRecord } from '@pychat/client-engine'
import { createIdentity, memberEntropy } from '@pychat/crypto'
import { decodeHex, encodeHex, type RoomId } from '@pychat/protocol'
import { type StateFile, stateFile } from './file.ts'
import { openStateFolder, StateError, type StateFolder } from './folder.ts'
import { loadIdentity } from './identity.ts'
import {
  emptyPeople,
  emptyRoom,
  mergePeople,
  mergeRoom,
  type PeopleFile,
  peopleFileSchema,
  peopleMax,
  peopleOf,
  type RoomFile,
  roomFileSchema,
} from './records.ts'

/** People come in crowds: their file is written once for all of them. */
const peopleDelayMs = 1000

export type StatePorts = {
  /** Exactly so many fresh bytes. */
  random(bytes: number): Uint8Array
  /** One sentence for the person; anything may be wrong with a disk, at any time. */
  say(sentence: string): void
}

export type KeptCommunity = {
  /** 16 bytes: this person's key in this community. */
  entropy: Uint8Array
  memory: CommunityMemory
}

export type State = {
  /** Reads what is kept of one community. */
  community(root: RoomId): Promise<KeptCommunity>
  /**
   * Keeps the key that recovery words gave back.
   * @returns false when another one was restored before, and `replace` is not set  @throws StateError
   */
  restore(root: RoomId, entropy: Uint8Array, replace: boolean): Promise<boolean>
  /** All that was to be written is written, or could not be. */
  flush(): Promise<void>
}

/** State that ends with the program: a new key at each start, and everybody is new. */
export function forgetfulState({ random }: Pick<StatePorts, 'random'>): State {
  const identity = createIdentity(random)
  return {
    async community(root) {
      let record: RoomRecord | null = null
      const people = new Map<string, KnownPerson>()
      return {
        entropy: memberEntropy(identity, root),
        memory: {
          load: () => record,
          save: (changed) => {
            record = changed
          },
          person: (_root, name) => people.get(name) ?? null,
          remember: (_root, name, person) => {
            if (people.has(name) || people.size < peopleMax) people.set(name, person)
          },
        },
      }
    },
    restore: async () => {
      throw new StateError('With --no-state nothing is kept, so there is nothing to recover: leave it out.')
    },
    flush: async () => {},
  }
}

/** @throws StateError when the folder cannot be used at all */
export async function openState(path: string, ports: StatePorts): Promise<State> {
  const folder = openStateFolder(path)
  const identity = await loadIdentity(folder, ports.random, ports.say)
  const writers: Writer[] = []
  return {
    async community(root) {
      const kept = await openCommunity(folder, root, ports)
      writers.push(...kept.writers)
      const entropy = kept.entropy === null ? memberEntropy(identity, root) : decodeHex(kept.entropy)
      return { entropy, memory: kept.memory }
    },
    async restore(root, entropy, replace) {
      const restored = encodeHex(entropy)
      let done = false
      await roomFile(folder, root, ports).update((before) => {
        const kept = before ?? emptyRoom(root)
        done = kept.entropy === null || kept.entropy === restored || replace
        return done ? { ...kept, entropy: restored } : null
      })
      return done
    },
    async flush() {
      await Promise.all(writers.map((writer) => writer.flush()))
    },
  }
}

function roomFile(folder: StateFolder, root: RoomId, { say }: StatePorts): StateFile<RoomFile> {
  return stateFile(folder, `rooms/${root}.json`, roomFileSchema, (aside) =>
    say(damagedSentence(folder, `rooms/${root}.json`, aside, 'who owns this room, and where it moved')),
  )
}

function peopleFile(folder: StateFolder, root: RoomId, { say }: StatePorts): StateFile<PeopleFile> {
  return stateFile(folder, `people/${root}.json`, peopleFileSchema, (aside) =>
    say(damagedSentence(folder, `people/${root}.json`, aside, 'whose keys you know')),
  )
}

function damagedSentence(folder: StateFolder, name: string, aside: string | null, what: string): string {
  const where = aside === null ? '' : ` and is now ${aside}`
  return `The file ${name} in ${folder.path} was damaged${where}: this client has forgotten ${what}.`
}

async function openCommunity(
  folder: StateFolder,
  root: RoomId,
  ports: StatePorts,
): Promise<{ entropy: string | null; memory: CommunityMemory; writers: Writer[] }> {
  const rooms = roomFile(folder, root, ports)
  const known = peopleFile(folder, root, ports)
  const file = await rooms.read()
  let record: RoomRecord | null = file === null ? null : recordOf(file)
  /** What the file had of it when this program last looked. */
  let base: RoomRecord = record ?? recordOf(emptyRoom(root))
  const people = peopleOf((await known.read()) ?? emptyPeople(root))
  const changed = new Map<string, KnownPerson>()

  const roomWriter = createWriter(ports, 0, async () => {
    const now = record
    if (now === null) return
    const from = base
    await rooms.update((kept) => mergeRoom(kept ?? emptyRoom(root), from, now))
    base = now
  })
  const peopleWriter = createWriter(ports, peopleDelayMs, async () => {
    const batch = new Map(changed)
    await known.update((kept) => mergePeople(kept ?? emptyPeople(root), batch))
    for (const [name, person] of batch) if (changed.get(name) === person) changed.delete(name)
  })

  return {
    entropy: file?.entropy ?? null,
    writers: [roomWriter, peopleWriter],
    memory: {
      load: () => record,
      save(next) {
        record = structuredClone(next)
        roomWriter.wake()
      },
      person: (_root, name) => people.get(name) ?? null,
      remember(_root, name, person) {
        if (!people.has(name) && people.size >= peopleMax) return
        people.set(name, person)
        changed.set(name, person)
        peopleWriter.wake()
      },
    },
  }
}

function recordOf({ root, secrets, moving, charters, channels }: RoomFile): RoomRecord {
  return { root, secrets, moving, charters, channels }
}

type Writer = {
  /** Something changed: it is written soon. */
  wake(): void
  flush(): Promise<void>
}

/** Writes behind: one write at a time, and one for all changes that came meanwhile. A failure is said once. */
function createWriter({ say }: StatePorts, delayMs: number, write: () => Promise<void>): Writer {
  let dirty = false
  let running: Promise<void> | null = null
  let timer: NodeJS.Timeout | null = null
  let failed = false

  async function run(): Promise<void> {
    while (dirty) {
      dirty = false
      try {
        await write()
      } catch (error) {
        if (!failed) say(error instanceof StateError ? error.message : 'What this client knows was not kept.')
        failed = true
      }
    }
    running = null
  }
  function begin(): void {
    if (timer) clearTimeout(timer)
    timer = null
    running ??= run()
  }
  return {
    wake() {
      dirty = true
      if (running === null) timer ??= setTimeout(begin, delayMs)
    },
    async flush() {
      if (dirty) begin()
      await running
    },
  }
}
