// Lines of a pipe, whatever the chunks.
import { PassThrough } from 'node:stream'
import { expect, it } from 'vitest'
import { createLineReader, lineCharactersMax } from '../../../src/ui/input/line-reader.ts'

async function linesOf(...chunks: (string | Buffer)[]): Promise<string[]> {
  const input = new PassThrough()
  const lines: string[] = []
  const done = new Promise<void>((resolve) =>
    createLineReader(input).start((line) => lines.push(line), resolve),
  )
  for (const chunk of chunks) input.write(chunk)
  input.end()
  await done
  return lines
}

it('end with a line feed and nothing else, and lose a carriage return before it', async () => {
  expect(await linesOf('one\ntwo\r\nth\u2028ree\u0085\rmore\n\nlast')).toEqual([
    'one',
    'two',
    'th\u2028ree\u0085\rmore',
    '',
    'last',
  ])
  expect(await linesOf('only\n')).toEqual(['only'])
  expect(await linesOf('')).toEqual([])
})

it('are the same when characters are cut', async () => {
  const bytes = Buffer.from('Grüße 👩‍👧\n日本\n')
  expect(await linesOf(...Array.from(bytes, (byte) => Buffer.of(byte)))).toEqual(['Grüße 👩‍👧', '日本'])
})

it('are bounded', async () => {
  const [line] = await linesOf(...Array.from({ length: 100 }, () => 'x'.repeat(100_000)))
  expect(line).toHaveLength(lineCharactersMax)
})

it('wait while nobody wants them, and none comes after the end', async () => {
  const input = new PassThrough()
  const told: string[] = []
  const reader = createLineReader(input)
  reader.start(
    (line) => {
      told.push(line)
      if (line === 'two') reader.pause()
    },
    () => told.push('ended'),
  )
  input.end('one\ntwo\nthree\nfour')
  await new Promise((resolve) => setTimeout(resolve, 20))
  expect(told).toEqual(['one', 'two'])
  reader.resume()
  await expect.poll(() => told).toEqual(['one', 'two', 'three', 'four', 'ended'])
})
