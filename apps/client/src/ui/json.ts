// --json: each line of stdin is what a person would type, each line of stdout is one event (docs/json-events.md).
import type { Screen } from '../chat-events.ts'
import { jsonLine } from '../sanitise.ts'
import { createLineScreen } from './line-screen.ts'

export function createJsonScreen(input: NodeJS.ReadableStream, output: NodeJS.WritableStream): Screen {
  return createLineScreen(input, output, jsonLine)
}
