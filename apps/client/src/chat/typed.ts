// Typed lines in their order. While too much is on its way they wait in the system, and behind a command that decides
// where text goes they wait here.

export type TypedLines = {
  push(line: string): void
  /** Goes on when there is room again. */
  pump(): void
  /** Lines not looked at yet. */
  waiting(): number
  /** Nothing waits and nothing is being done. */
  idle(): boolean
  forget(): void
}

export type TypedPorts = {
  /** @returns what later lines have to wait for, if anything */
  take(line: string): Promise<void> | null
  /** Whether one more message may be on its way. */
  hasRoom(): boolean
  /** So many lines wait that no more shall be read. */
  full(full: boolean): void
  /** Something was done that others may wait for. */
  settled(): void
}

const linesMax = 128

export function createTypedLines({ take, hasRoom, full, settled }: TypedPorts): TypedLines {
  const lines: string[] = []
  let busy = false
  let isFull = false

  function pump() {
    while (!busy && hasRoom()) {
      const line = lines.shift()
      if (line === undefined) break
      const doing = take(line)
      if (doing === null) continue
      busy = true
      void doing.finally(() => {
        busy = false
        pump()
        settled()
      })
    }
    const nowFull = lines.length >= linesMax
    if (nowFull !== isFull) {
      isFull = nowFull
      full(isFull)
    }
  }

  return {
    push(line) {
      lines.push(line)
      pump()
    },
    pump,
    waiting: () => lines.length,
    idle: () => lines.length === 0 && !busy,
    forget() {
      lines.length = 0
    },
  }
}
