// From events to lines that are written, crowds gathered: all that the plain and the interactive screen share.
import type { ScreenEvent } from '../../chat/screen.ts'
import { sanitiseName } from '../../sanitise.ts'
import { createCrowd, crowdText } from './crowd.ts'
import { createEventLines } from './event-lines.ts'
import type { Paint } from './paint.ts'
import { clock } from './sentences.ts'

export type TextLines = {
  show(event: ScreenEvent): void
  /** Writes what is still gathered. */
  close(): void
}

const channelsShownMax = 20

/** @param write gets whole lines without the last newline, harmless but for our own colours */
export function createTextLines(options: {
  paint: Paint
  mixed: boolean
  write(text: string): void
}): TextLines {
  const { paint, mixed, write } = options
  const linesOf = createEventLines(paint, mixed, () => new Date())
  const quiet = (text: string) => write(paint.style('quiet', `${clock(new Date())} * ${text}`))
  const crowd = createCrowd({
    now: () => Date.now(),
    setTimer(ms, run) {
      const timer = setTimeout(run, ms)
      return () => clearTimeout(timer)
    },
    show(event) {
      const lines = linesOf(event)
      if (lines !== null) write(lines)
    },
    showCrowd(view, came, left) {
      const label = mixed && view !== 'room' ? `[${sanitiseName(view)}] ` : ''
      quiet(`${label}${crowdText(came, left)}`)
    },
    showChannels(channels) {
      const shown = channels.slice(0, channelsShownMax).map(sanitiseName)
      const more = channels.length > shown.length ? ' and more, see /channels' : ''
      const [first = ''] = shown
      quiet(
        `${channels.length === 1 ? 'There is a channel' : 'Channels:'} ${shown.join(', ')}${more}: /join ${first}`,
      )
    },
  })
  return { show: crowd.push, close: crowd.close }
}
