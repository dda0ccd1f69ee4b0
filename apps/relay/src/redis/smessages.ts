// Cuts the messages of sharded channels out of what a subscriber's connection reads, and leaves everything else to
// ioredis as it came. ioredis' own decoder cost a node four times as much as this for each message that it hears.
// Formats: RESP 3, and RESP 2 where messages are arrays and not pushes.
import type { Socket } from 'node:net'

/** What every message starts with, behind its type: three parts, the first one, and the second one's type. */
const prefix = Buffer.from('3\r\n$8\r\nsmessage\r\n$')

const code = (character: string) => character.charCodeAt(0)
const [push, array, minus, newline, zero] = [code('>'), code('*'), code('-'), code('\n'), code('0')]
/** By their first byte: bytes with a length before them, parts with their number before them, and pairs of parts. */
const bulks = Buffer.from('$=!')
const aggregates = Buffer.from('*>~')
const maps = Buffer.from('%|')
const lines = Buffer.from('+-:_#,(')

/** Not all of it has come yet. */
const incomplete = -1
/** Nothing that this file knows: ioredis has to say what it thinks of it. */
const unknown = -2

/** Where a number's line ends and what it says, of the last call of `readNumber`; one at a time, to make no objects. */
let lineEnd = 0
let value = 0

/** @returns whether the whole line is there */
function readNumber(data: Buffer, from: number): boolean {
  let at = from
  const negative = data[at] === minus
  if (negative) at += 1
  value = 0
  for (; at < data.length; at += 1) {
    const byte = data[at] as number
    if (byte === newline) {
      lineEnd = at + 1
      if (negative) value = -value
      return true
    }
    // The carriage return before it counts for nothing.
    if (byte >= zero) value = value * 10 + byte - zero
  }
  return false
}

/** @returns where the reply that starts at `from` ends */
function endOfReply(data: Buffer, from: number): number {
  if (from >= data.length) return incomplete
  const type = data[from] as number
  if (lines.includes(type)) {
    const end = data.indexOf(newline, from)
    return end < 0 ? incomplete : end + 1
  }
  const isBulk = bulks.includes(type)
  const isMap = maps.includes(type)
  if (!isBulk && !isMap && !aggregates.includes(type)) return unknown
  if (!readNumber(data, from + 1)) return incomplete
  let end = lineEnd
  if (value < 0) return end
  if (isBulk) {
    end += value + 2
    return end > data.length ? incomplete : end
  }
  for (let left = isMap ? 2 * value : value; left > 0; left -= 1) {
    end = endOfReply(data, end)
    if (end < 0) return end
  }
  return end
}

function isMessage(data: Buffer, from: number): boolean {
  if (data.length - from <= prefix.length || (data[from] !== push && data[from] !== array)) return false
  for (let i = 0; i < prefix.length; i += 1) if (data[from + 1 + i] !== prefix[i]) return false
  return true
}

/**
 * @param pass gets whole replies that are no messages, in their order with those
 * @param heard gets a message and its channel; the message is a view, valid during the call
 * @returns takes what was read, cut anywhere
 */
export function createMessageCutter(
  pass: (replies: Buffer) => void,
  heard: (channel: string, message: Buffer) => void,
): (chunk: Buffer) => void {
  let rest: Buffer | null = null
  return (chunk) => {
    const data = rest === null ? chunk : Buffer.concat([rest, chunk])
    rest = null
    let at = 0
    let passed = 0
    while (at < data.length) {
      if (!isMessage(data, at)) {
        const end = endOfReply(data, at)
        if (end === incomplete) break
        at = end === unknown ? data.length : end
        continue
      }
      if (!readNumber(data, at + 1 + prefix.length)) break
      const channelAt = lineEnd
      const channelEnd = channelAt + value
      if (!readNumber(data, channelEnd + 3)) break
      const messageAt = lineEnd
      const messageEnd = messageAt + value
      if (messageEnd + 2 > data.length) break
      if (passed < at) pass(data.subarray(passed, at))
      at = messageEnd + 2
      passed = at
      heard(data.toString('latin1', channelAt, channelEnd), data.subarray(messageAt, messageEnd))
    }
    if (passed < at) pass(data.subarray(passed, at))
    if (at < data.length) rest = data.subarray(at)
  }
}

/** Puts a cutter between a connection that ioredis has just made and ioredis. @param heard as createMessageCutter says */
export function cutMessages(stream: Socket, heard: (channel: string, message: Buffer) => void): void {
  const readers = stream.listeners('data') as ((data: Buffer) => void)[]
  stream.removeAllListeners('data')
  const pass = (replies: Buffer) => {
    for (const reader of readers) reader(replies)
  }
  stream.on('data', createMessageCutter(pass, heard))
}
