// Lines of a stream that is no terminal we draw on: \n ends one, \r before it goes. Not readline, which from Node 22 on
// also ends lines at characters that a message may hold (U+2028).
import { StringDecoder } from 'node:string_decoder'

/** More of one line is dropped: far above any message, so that what is left is refused as too long. */
export const lineCharactersMax = 65_536

export type LineReader = {
  /** @param ended all lines were given, the last one also without its line break */
  start(line: (text: string) => void, ended: () => void): void
  /** No line is given until `resume`. */
  pause(): void
  resume(): void
  close(): void
}

export function createLineReader(input: NodeJS.ReadableStream): LineReader {
  const decoder = new StringDecoder('utf8')
  const lines: string[] = []
  let rest = ''
  let paused = false
  let over = false
  let closed = false
  let give: (text: string) => void = () => {}
  let end: () => void = () => {}

  function take(text: string) {
    const parts = text.split('\n')
    const last = parts.pop() ?? ''
    for (const part of parts) {
      lines.push((rest + part).slice(0, lineCharactersMax).replace(/\r$/, ''))
      rest = ''
    }
    rest = (rest + last).slice(0, lineCharactersMax)
  }
  function pump() {
    while (!paused && !closed) {
      const line = lines.shift()
      if (line === undefined) break
      give(line)
    }
    if (over && !paused && !closed && lines.length === 0) {
      closed = true
      end()
    }
  }
  const onData = (chunk: Buffer | string) => {
    take(typeof chunk === 'string' ? chunk : decoder.write(chunk))
    pump()
  }
  const onEnd = () => {
    if (over) return
    take(decoder.end())
    if (rest !== '') lines.push(rest)
    over = true
    pump()
  }

  return {
    start(line, ended) {
      give = line
      end = ended
      input.on('data', onData)
      input.once('end', onEnd)
      input.once('close', onEnd)
      input.resume()
    },
    pause() {
      paused = true
      input.pause()
    },
    resume() {
      paused = false
      pump()
      input.resume()
    },
    close() {
      closed = true
      input.removeListener('data', onData)
      input.removeListener('end', onEnd)
      input.removeListener('close', onEnd)
      input.pause()
    },
  }
}
