// The screen of a terminal: what is finished is printed and belongs to the terminal (its scrollback, its selection,
// its search); only the footer is drawn again. At most 30 pictures a second.
import { render } from 'ink'
import { createElement } from 'react'
import type { Person, Screen, ScreenEvent, Sources, Status } from '../../chat/screen.ts'
import * as typing from '../input/input.ts'
import { createKeyDecoder, type Key } from '../input/keys.ts'
import type { Rows } from '../input/layout.ts'
import type { Paint } from '../text/paint.ts'
import { createTextLines } from '../text/text-lines.ts'
import { Footer, type Print } from './app.ts'
import { footer } from './footer.ts'
import { reflowOf, wipeAfterNarrowing } from './reflow.ts'
import { createTerminalModes } from './terminal.ts'

const frameMs = 34
const escapeMs = 50
const pasteEndMs = 2000
/** Without a key for so long, nobody is taken to look at the screen. */
const idleMs = 300_000
const tickMs = 1000
const nothing: Sources = { names: [], channels: [] }

export type InkOptions = {
  input: NodeJS.ReadStream
  output: NodeJS.WriteStream
  env: Record<string, string | undefined>
  paint: Paint
  /** Before the first status comes. */
  prompt: string
}

export function createInkScreen({ input, output, env, paint, prompt }: InkOptions): Screen {
  const modes = createTerminalModes(input, output, Date.now)
  const decoder = createKeyDecoder()
  let state = typing.createInput()
  let status: Status = {
    key: '',
    prompt,
    views: [],
    pending: [],
    people: null,
    connection: 'connecting',
    retryAt: null,
    rank: 'member',
    away: false,
  }
  let person: Person | null = null
  let closed = false
  let here = true
  let lastKeyAt = Date.now()

  // Drawing.

  let print: Print | null = null
  const onPrint = (given: Print) => {
    print = given
  }
  const layout = (): Rows =>
    footer(status, state, { columns: output.columns || 80, rows: output.rows || 24 }, Date.now(), paint)
  let shown = layout()
  const picture = (rows: Rows) => createElement(Footer, { ...rows, onPrint })
  modes.on()
  const instance = render(picture(shown), {
    stdin: input,
    stdout: output,
    exitOnCtrlC: false,
    patchConsole: false,
    // Frames are counted here: Ink's own delay would come between a picture and its cursor.
    maxFps: 1000,
    isScreenReaderEnabled: false,
  })
  let waiting: string[] = []
  let frameTimer: NodeJS.Timeout | null = null
  let lastFrameAt = 0

  function frame() {
    frameTimer = null
    if (closed) return
    lastFrameAt = Date.now()
    // In this order: what is printed takes Ink's knowledge of the cursor, and the new picture brings it back.
    flush()
    shown = layout()
    instance.rerender(picture(shown))
    modes.title(status.views.reduce((sum, view) => sum + view.calls, 0))
  }
  function flush() {
    if (waiting.length === 0 || print === null) return
    print(`${waiting.join('\n')}\n`)
    waiting = []
  }
  /** Soon, and together with whatever else comes until then. */
  function draw() {
    frameTimer ??= setTimeout(frame, Math.max(0, lastFrameAt + frameMs - Date.now()))
  }
  const lines = createTextLines({
    paint,
    mixed: false,
    write(text) {
      if (closed) return void output.write(`${text}\n`)
      waiting.push(text)
      draw()
    },
  })
  function resized() {
    if (closed) return
    output.write(wipeAfterNarrowing(shown, output.columns || 80, reflowOf(env)))
    shown = layout()
    instance.rerender(picture(shown))
    // Once more when Ink has done its part, which loses the cursor.
    draw()
  }
  // Before Ink's own listener: it erases what it believes to be there.
  output.prependListener('resize', resized)
  const ticker = setInterval(() => {
    if (status.retryAt !== null) draw()
    if (here && Date.now() - lastKeyAt > idleMs) look(false)
  }, tickMs)

  // Keys.

  let keyTimer: NodeJS.Timeout | null = null
  function take(keys: readonly Key[]) {
    for (const key of keys) {
      const step = typing.press(state, key, isTab(key) ? (person?.sources() ?? nothing) : nothing)
      state = step.state
      for (const effect of step.effects) carryOut(effect)
      if (!(key.kind === 'key' && (key.name === 'focus' || key.name === 'blur'))) {
        lastKeyAt = Date.now()
        look(true)
      }
    }
    if (keys.length > 0) draw()
  }
  function look(isHere: boolean) {
    if (here === isHere) return
    here = isHere
    person?.here(isHere)
  }
  function carryOut(effect: typing.Effect) {
    switch (effect.do) {
      case 'send':
        return person?.line(effect.text)
      case 'end':
        return person?.ended()
      case 'interrupt':
        return person?.interrupted()
      case 'go':
        return person?.go(effect.to)
      case 'focus':
        return look(effect.here)
      case 'bell':
        return modes.bell()
      case 'redraw':
        print?.('\x1b[2J\x1b[H')
        return draw()
      case 'suspend':
        return suspend()
    }
  }
  function suspend() {
    if (process.platform === 'win32') return modes.bell()
    instance.clear()
    modes.suspend(() => {
      // Ink believes the footer to be there still, and would wipe as many rows of the shell.
      output.write('\n'.repeat(shown.rows.length))
      print?.('')
      draw()
    })
  }
  function onData(chunk: string) {
    if (keyTimer) clearTimeout(keyTimer)
    keyTimer = null
    take(decoder.push(chunk))
    const open = decoder.waiting()
    if (open === null || closed) return
    keyTimer = setTimeout(() => take(decoder.flush()), open === 'paste' ? pasteEndMs : escapeMs)
  }
  function onEnd() {
    person?.ended()
  }

  function show(event: ScreenEvent) {
    // What waits stands in the footer.
    if (event.type === 'notice' && event.code === 'not-sent-yet') return
    lines.show(event)
  }

  return {
    mixed: false,
    personal: true,
    show,
    status(next) {
      if (next.key !== status.key) state = typing.switchDraft(state, next.key)
      status = next
      draw()
    },
    heard(_message, calls) {
      if (calls) modes.bell()
    },
    listen(listener) {
      person = listener
      input.setEncoding('utf8')
      input.on('data', onData)
      input.on('end', onEnd)
      input.resume()
    },
    // A person does not type faster than a relay takes it.
    pause: () => {},
    resume: () => {},
    renamed(from, to) {
      state = typing.renameDraft(state, from, to)
    },
    close() {
      if (closed) return
      lines.close()
      flush()
      closed = true
      clearInterval(ticker)
      if (frameTimer) clearTimeout(frameTimer)
      if (keyTimer) clearTimeout(keyTimer)
      input.removeListener('data', onData)
      input.removeListener('end', onEnd)
      output.removeListener('resize', resized)
      instance.clear()
      instance.unmount()
      modes.off()
      input.pause()
    },
  }
}

function isTab(key: Key): boolean {
  return key.kind === 'key' && (key.name === 'tab' || key.name === 'shift-tab')
}
