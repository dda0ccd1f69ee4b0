// Dangerous commands ask for a code that only the first call shows: nothing happens by a slip or a pasted line.

const validMs = 60_000

export type Confirm = {
  /** @param what command and target in one word  @returns four digits to be typed within a minute */
  ask(what: string): string
  /** Whether this code was asked for this; a code is good once. */
  check(what: string, code: string): boolean
}

export function createConfirm(now: () => number, random: (bytes: number) => Uint8Array): Confirm {
  let open: { what: string; code: string; until: number } | null = null
  return {
    ask(what) {
      const [a = 0, b = 0, c = 0, d = 0] = random(4)
      const code = [a, b, c, d].map((byte) => byte % 10).join('')
      open = { what, code, until: now() + validMs }
      return code
    },
    check(what, code) {
      const good = open !== null && open.what === what && open.code === code && now() <= open.until
      open = null
      return good
    },
  }
}
