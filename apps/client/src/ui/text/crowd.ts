// Who comes and goes, one line each while that is few; many become one line. Channels that become known in a row, too.
// For screens that people read; scripts get every event.
import type { ScreenEvent } from '../../chat/screen.ts'

/** So many lines of one kind and conversation within the window are shown one by one. */
const singlesMax = 3
const windowMs = 10_000
/** How long a crowd is gathered before its line. */
export const gatherMs = 2000

export type CrowdPorts = {
  now(): number
  setTimer(ms: number, run: () => void): () => void
  show(event: ScreenEvent): void
  /** "12 came, 3 left" in this conversation. */
  showCrowd(view: string, came: number, left: number): void
  showChannels(channels: readonly string[]): void
}

type Gathering = { shownAt: number[]; came: number; left: number; stop: (() => void) | null }

export type Crowd = {
  push(event: ScreenEvent): void
  /** Shows what is still gathered. */
  close(): void
}

export function createCrowd({ now, setTimer, show, showCrowd, showChannels }: CrowdPorts): Crowd {
  const gatherings = new Map<string, Gathering>()
  let channels: string[] = []
  let stopChannels: (() => void) | null = null

  function tell(view: string, one: Gathering) {
    one.stop?.()
    one.stop = null
    const { came, left } = one
    one.came = 0
    one.left = 0
    if (came + left > 0) showCrowd(view, came, left)
  }
  function tellChannels() {
    stopChannels?.()
    stopChannels = null
    const told = channels
    channels = []
    if (told.length > 0) showChannels(told)
  }
  function comeOrGo(event: ScreenEvent & { type: 'joined' | 'left' }) {
    const one = gatherings.get(event.view) ?? { shownAt: [], came: 0, left: 0, stop: null }
    gatherings.set(event.view, one)
    const time = now()
    one.shownAt = one.shownAt.filter((at) => at > time - windowMs)
    if (one.stop === null && one.shownAt.length < singlesMax) {
      one.shownAt.push(time)
      return show(event)
    }
    if (event.type === 'joined') one.came += 1
    else one.left += 1
    one.stop ??= setTimer(gatherMs, () => tell(event.view, one))
  }
  function channel(event: ScreenEvent & { type: 'channel' }) {
    channels.push(event.channel)
    stopChannels ??= setTimer(gatherMs / 4, tellChannels)
  }

  return {
    push(event) {
      if (event.type === 'channel') channel(event)
      else if (event.type === 'joined') comeOrGo(event)
      // Who was put out is named.
      else if (event.type === 'left' && (event.why === 'left' || event.why === 'lost')) comeOrGo(event)
      else show(event)
    },
    close() {
      for (const [view, one] of gatherings) tell(view, one)
      tellChannels()
    },
  }
}

export function crowdText(came: number, left: number): string {
  const parts = [came > 0 ? `${came} came` : '', left > 0 ? `${left} left` : '']
  return `${parts.filter((part) => part !== '').join(', ')}.`
}
