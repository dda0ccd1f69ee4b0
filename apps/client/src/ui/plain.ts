// --plain: one line after another, nothing redrawn, no colour. For screen readers, dumb terminals, pipes and logs.
import type { Screen } from '../chat-events.ts'
import { createLineScreen } from './line-screen.ts'
import { createEventLines, noPaint } from './lines.ts'

export function createPlainScreen(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Screen {
  return createLineScreen(input, output, createEventLines(noPaint))
}
