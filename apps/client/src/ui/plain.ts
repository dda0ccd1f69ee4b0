// --plain: one line after another, nothing redrawn, no colour. For screen readers, dumb terminals, pipes and logs.
import { createInterface } from 'node:readline'
import type { Screen } from '../chat-events.ts'
import { createEventLines, noPaint } from './lines.ts'

export function createPlainScreen(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Screen {
  const reader = createInterface({ input, terminal: false, crlfDelay: Number.POSITIVE_INFINITY })
  reader.pause()
  const linesOf = createEventLines(noPaint)
  return {
    show(event) {
      const lines = linesOf(event)
      if (lines !== null) output.write(`${lines}\n`)
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
