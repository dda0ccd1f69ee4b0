// The screen of a terminal: what happens is printed above the prompt, and the half-typed line below stays as it is.
// A sent line is wiped from the prompt and appears among the others when the relay has taken it.
import { clearScreenDown, createInterface, cursorTo, type Interface, moveCursor } from 'node:readline'
import type { Screen } from '../chat-events.ts'
import { sanitiseName } from '../sanitise.ts'
import { createEventLines, type Paint } from './lines.ts'

type Key = { name?: string; ctrl?: boolean; meta?: boolean } | undefined

const quitHint = 'Press Ctrl-C again to leave.'

/** @param channel shown before the cursor, e.g. the server's name */
export function createInteractiveScreen(
  input: NodeJS.ReadStream,
  output: NodeJS.WriteStream,
  channel: string,
  paint: Paint,
): Screen {
  // Before readline's own listener: it still sees the line that Return is about to take away.
  let rowsOfLine = 0
  const beforeKey = (_text: string | undefined, key: Key) => {
    if (key?.name === 'return' || key?.name === 'enter') rowsOfLine = lineRows(reader)
    if (!(key?.ctrl && key.name === 'c')) interruptedOnce = false
  }
  let interruptedOnce = false
  /** Readline is gone: no prompt any more. */
  let closed = false
  const linesOf = createEventLines(paint)

  const reader = createInterface({ input, output, terminal: true, historySize: 200 })
  input.prependListener('keypress', beforeKey)
  reader.setPrompt(`${sanitiseName(channel)}> `)

  /** Removes prompt and draft from the screen, prints, and puts them back below. */
  function above(print: () => void) {
    wipePrompt()
    print()
    // The prompt starts on a fresh row now: readline must not climb up to where it was.
    Object.assign(reader, { prevRows: 0 })
    reader.prompt(true)
  }
  function wipePrompt() {
    const { rows } = reader.getCursorPos()
    if (rows > 0) moveCursor(output, 0, -rows)
    cursorTo(output, 0)
    clearScreenDown(output)
  }

  return {
    show(event) {
      const lines = linesOf(event)
      if (lines === null) return
      if (closed) output.write(`${lines}\n`)
      else above(() => output.write(`${lines}\n`))
    },
    listen({ line, ended, interrupted }) {
      reader.on('line', (text) => {
        // Readline has moved below the typed line: wipe it, its text comes back when it is acknowledged.
        moveCursor(output, 0, -(rowsOfLine + 1))
        cursorTo(output, 0)
        clearScreenDown(output)
        if (!closed) reader.prompt()
        line(text)
      })
      reader.on('SIGINT', () => {
        if (interruptedOnce) {
          interrupted()
          return
        }
        interruptedOnce = true
        reader.write(null, { ctrl: true, name: 'e' })
        reader.write(null, { ctrl: true, name: 'u' })
        interruptedOnce = true
        above(() => output.write(`${paint('quiet', `* ${quitHint}`)}\n`))
      })
      reader.on('close', () => {
        if (closed) return
        closed = true
        wipePrompt()
        ended()
      })
      reader.on('SIGCONT', () => reader.prompt(true))
      reader.prompt()
    },
    pause: () => {},
    resume: () => {},
    close() {
      input.removeListener('keypress', beforeKey)
      if (closed) return
      closed = true
      wipePrompt()
      reader.close()
    },
  }
}

/** Rows below the first that prompt and draft take, wherever the cursor is. */
function lineRows(reader: Interface): number {
  const cursor = reader.cursor
  const settable = reader as { cursor: number }
  settable.cursor = reader.line.length
  const { rows } = reader.getCursorPos()
  settable.cursor = cursor
  return rows
}
