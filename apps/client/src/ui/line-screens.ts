// The screens that only write lines and only read lines, nothing redrawn: --plain for screen readers, dumb terminals,
// pipes and logs; --json for scripts (docs/json-events.md).
import { isChatEvent, type Screen, type ScreenEvent } from '../chat/screen.ts'
import { jsonLine } from '../sanitise.ts'
import { createLineReader } from './input/line-reader.ts'
import { noPaint } from './text/paint.ts'
import { createTextLines } from './text/text-lines.ts'

type Input = NodeJS.ReadableStream & { isTTY?: boolean }
type Output = NodeJS.WritableStream & { isTTY?: boolean }

export function createPlainScreen(input: Input, output: Output): Screen {
  const lines = createTextLines({ paint: noPaint, mixed: true, write: (text) => output.write(`${text}\n`) })
  const personal = input.isTTY === true && output.isTTY === true
  return createLineScreen(input, personal, lines.show, lines.close)
}

export function createJsonScreen(input: Input, output: Output): Screen {
  const show = (event: ScreenEvent) => {
    if (isChatEvent(event)) output.write(`${jsonLine(event)}\n`)
  }
  return createLineScreen(input, false, show, () => {})
}

function createLineScreen(
  input: Input,
  personal: boolean,
  show: (event: ScreenEvent) => void,
  closed: () => void,
): Screen {
  const reader = createLineReader(input)
  let open = true
  return {
    mixed: true,
    personal,
    show,
    status: () => {},
    heard: () => {},
    listen: ({ line, ended }) => reader.start(line, ended),
    pause: reader.pause,
    resume: reader.resume,
    renamed: () => {},
    close() {
      if (!open) return
      open = false
      closed()
      reader.close()
    },
  }
}
