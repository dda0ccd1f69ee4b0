// What is read from a pipe: its first line, the rest left for others; or all of it.
import { Readable } from 'node:stream'
import { UsageError } from '../settings.ts'

const lineBytesMax = 16_384

/**
 * Reads one line, without its line break.
 * @returns also a stream of all that follows: it may be the same one
 * @throws UsageError when the line is too long for what it is, and at a terminal
 */
export async function readFirstLine(
  input: NodeJS.ReadableStream & { isTTY?: boolean },
): Promise<{ line: string; rest: Readable }> {
  // It would be shown while it is typed.
  if (input.isTTY) throw new UsageError('Stdin is a terminal: leave out the "-" and paste it when asked.')
  const stream = input as Readable
  let read = Buffer.alloc(0)
  for (;;) {
    const chunk = await nextChunk(stream)
    if (chunk !== null) read = Buffer.concat([read, chunk])
    const end = read.indexOf('\n')
    if (end >= 0) {
      const line = read.subarray(0, end).toString('utf8').replace(/\r$/, '')
      const after = read.subarray(end + 1)
      if (after.length > 0) stream.unshift(after)
      return { line, rest: stream }
    }
    if (chunk === null) return { line: read.toString('utf8'), rest: Readable.from([]) }
    if (read.length > lineBytesMax)
      throw new UsageError('The first line of stdin is too long to be an invite.')
  }
}

/** @returns null at the end */
function nextChunk(stream: Readable): Promise<Buffer | null> {
  return new Promise((resolve, reject) => {
    const look = () => {
      const chunk = stream.read() as Buffer | string | null
      if (chunk === null && !stream.readableEnded) return
      finish()
      resolve(chunk === null ? null : Buffer.from(chunk))
    }
    const ended = () => {
      finish()
      resolve(null)
    }
    const failed = (error: Error) => {
      finish()
      reject(error)
    }
    const finish = () => {
      stream.removeListener('readable', look)
      stream.removeListener('end', ended)
      stream.removeListener('error', failed)
    }
    stream.on('readable', look)
    stream.once('end', ended)
    stream.once('error', failed)
    look()
  })
}

/** All of it, as text. @throws UsageError above `bytesMax` */
export async function readAll(input: NodeJS.ReadableStream, bytesMax: number): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of input) {
    const piece = Buffer.from(chunk)
    bytes += piece.length
    if (bytes > bytesMax)
      throw new UsageError(`Stdin is longer than ${bytesMax} bytes: send less, or use --lines.`)
    chunks.push(piece)
  }
  return Buffer.concat(chunks).toString('utf8')
}
