// A screen of its own over what the terminal showed, given back as it was: at q, Ctrl-C, a signal, a fault.
import type { ReadStream, WriteStream } from 'node:tty'

export type Screen = {
  columns(): number
  rows(): number
  /** Replaces what is shown. @param lines plain text that fits */
  draw(lines: readonly string[]): void
  /** Aborted by q, Ctrl-C or a signal. */
  ended: AbortSignal
  /** Gives the terminal back. Safe to repeat. */
  close(): void
}

const enter = '\u001b[?1049h\u001b[?25l'
const leave = '\u001b[?25h\u001b[?1049l'
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export function openScreen(input: ReadStream, output: WriteStream): Screen {
  const controller = new AbortController()
  const end = (): void => controller.abort()
  const typed = (data: Buffer): void => {
    if (/[qQ\u0003\u0004]/.test(data.toString('latin1'))) end()
  }
  let open = true
  const close = (): void => {
    if (!open) return
    open = false
    input.off('data', typed)
    input.setRawMode(false)
    input.pause()
    for (const signal of signals) process.off(signal, end)
    process.off('exit', close)
    output.write(leave)
  }
  output.write(enter)
  input.setRawMode(true)
  input.on('data', typed)
  input.resume()
  for (const signal of signals) process.once(signal, end)
  process.once('exit', close)
  return {
    columns: () => output.columns ?? 80,
    rows: () => output.rows ?? 24,
    // Each line clears what is behind it, the last one what is below: nothing flickers.
    draw: (lines) => output.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`),
    ended: controller.signal,
    close,
  }
}
