// --json: each line of stdin is what a person would type, each line of stdout is one event (docs/json-events.md).
import { createInterface } from 'node:readline'
import type { Screen } from '../chat-events.ts'
import { jsonLine } from '../sanitise.ts'

export function createJsonScreen(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Screen {
  const reader = createInterface({ input, terminal: false, crlfDelay: Number.POSITIVE_INFINITY })
  reader.pause()
  return {
    show: (event) => void output.write(`${jsonLine(event)}\n`),
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
