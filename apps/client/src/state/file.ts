// One JSON file of the state folder, read by a strict schema. A damaged one is set aside and said once, never
// overwritten; the next reader finds none and begins anew.
import type { z } from 'zod'
import type { StateFolder } from './folder.ts'

export type StateFile<T> = {
  /** @returns null when there is none, or a damaged one that is out of the way now  @throws StateError */
  read(): Promise<T | null>
  /** @param change gives the new value from the newest one, or null to leave it; may run again  @throws StateError */
  update(change: (before: T | null) => T | null): Promise<void>
}

/** @param damaged is told the name that a damaged file has now, or null when it could not be moved */
export function stateFile<T>(
  folder: StateFolder,
  name: string,
  schema: z.ZodType<T>,
  damaged: (aside: string | null) => void,
): StateFile<T> {
  function parse(text: string | null): { value: T | null; broken: boolean } {
    if (text === null) return { value: null, broken: false }
    try {
      return { value: schema.parse(JSON.parse(text)), broken: false }
    } catch {
      return { value: null, broken: true }
    }
  }
  async function update(change: (before: T | null) => T | null): Promise<void> {
    await folder.update(name, (text, setAside) => {
      const { value, broken } = parse(text)
      if (broken) {
        const aside = setAside()
        damaged(aside)
        // What cannot be saved for a closer look must not be overwritten.
        if (aside === null) return null
      }
      const after = change(value)
      return after === null ? null : `${JSON.stringify(after)}\n`
    })
  }
  return {
    update,
    async read() {
      const { value, broken } = parse(folder.read(name))
      // Somebody else may be mending it: look again, alone.
      if (broken) await update(() => null)
      return broken ? parse(folder.read(name)).value : value
    },
  }
}
