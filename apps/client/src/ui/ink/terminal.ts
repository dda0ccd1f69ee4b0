// The terminal's modes: raw keys, bracketed paste, focus reports, title and bell. Whatever happens to the program, it
// gives the terminal back as it was.

const enter = '\x1b[?2004h\x1b[?1004h'
const leave = '\x1b[?2004l\x1b[?1004l\x1b[?25h'
/** The title goes on the terminal's stack, and comes from there again; where there is none it is emptied. */
const pushTitle = '\x1b[22;2t'
const popTitle = '\x1b]2;\x07\x1b[23;2t'
const bellEveryMs = 2000

export type Input = NodeJS.ReadableStream & { setRawMode?(raw: boolean): unknown }
export type Output = NodeJS.WritableStream & { columns?: number; rows?: number; isTTY?: boolean }

export type TerminalModes = {
  on(): void
  /** Safe to repeat. */
  off(): void
  /** @param calls how often the person was called since they looked */
  title(calls: number): void
  bell(): void
  /** Stops the process as the shell's Ctrl-Z does; `resumed` runs when it goes on. */
  suspend(resumed: () => void): void
}

export function createTerminalModes(input: Input, output: Output, now: () => number): TerminalModes {
  let isOn = false
  let titled = false
  let shownCalls = -1
  let lastBellAt = Number.NEGATIVE_INFINITY

  function on() {
    input.setRawMode?.(true)
    output.write(enter)
    isOn = true
  }
  function off() {
    if (!isOn) return
    isOn = false
    output.write(leave)
    if (titled) output.write(popTitle)
    titled = false
    shownCalls = -1
    try {
      input.setRawMode?.(false)
    } catch {
      // The terminal is gone: there is nothing to give back.
    }
  }
  process.once('exit', off)

  return {
    on,
    off() {
      process.removeListener('exit', off)
      off()
    },
    title(calls) {
      if (!isOn || calls === shownCalls) return
      if (!titled) output.write(pushTitle)
      titled = true
      shownCalls = calls
      output.write(`\x1b]2;${calls > 0 ? `(${calls}) ` : ''}PyChat\x07`)
    },
    bell() {
      if (now() - lastBellAt < bellEveryMs) return
      lastBellAt = now()
      output.write('\x07')
    },
    suspend(resumed) {
      off()
      let gone = true
      const back = () => {
        if (!gone) return
        gone = false
        process.removeListener('SIGCONT', back)
        on()
        resumed()
      }
      process.once('SIGCONT', back)
      // The whole group, as the terminal would: who started us through another program stops with us.
      process.kill(0, 'SIGTSTP')
      // Where nobody could wake us we are not stopped; timers stand still while we are.
      setTimeout(back, 100)
    },
  }
}
