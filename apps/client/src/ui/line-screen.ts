// A screen that only writes lines and only reads lines: nothing is redrawn. What a line says is its caller's affair.
import { createInterface } from 'node:readline'
import type { ChatEvent, Screen } from '../chat-events.ts'

/** @param lineOf text for an event, without the last line break, or null when it is not shown */
export function createLineScreen(
  input: NodeJS.ReadableStream,
  output: NodeJS.WritableStream,
  lineOf: (event: ChatEvent) => string | null,
): Screen {
  const reader = createInterface({ input, terminal: false, crlfDelay: Number.POSITIVE_INFINITY })
  reader.pause()
  return {
    show(event) {
      const line = lineOf(event)
      if (line !== null) output.write(`${line}\n`)
    },
    listen({ line, ended }) {
      reader.on('line', line)
      reader.on('close', ended)
      reader.resume()
    },
    pause: () => void reader.pause(),
    resume: () => void reader.resume(),
    close: () => {
      reader.removeAllListeners()
      reader.close()
    },
  }
}
