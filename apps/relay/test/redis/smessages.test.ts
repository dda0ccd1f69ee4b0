import { describe, expect, it } from 'vitest'
import { createMessageCutter } from '../../src/redis/smessages.ts'

/** What comes out, in order: replies that were passed on one after the other are one entry. */
function cut(chunks: Iterable<Buffer>): string[] {
  const seen: string[] = []
  let passed = ''
  const endPassed = () => {
    if (passed !== '') seen.push(`passed ${passed}`)
    passed = ''
  }
  const read = createMessageCutter(
    (replies) => {
      passed += replies.toString('latin1')
    },
    (channel, message) => {
      endPassed()
      seen.push(`${channel} ${message.toString('latin1')}`)
    },
  )
  for (const chunk of chunks) read(chunk)
  endPassed()
  return seen
}

function* piecesOf(text: string, bytes: number): Generator<Buffer> {
  const whole = Buffer.from(text, 'latin1')
  for (let at = 0; at < whole.length; at += bytes) yield whole.subarray(at, at + bytes)
}

const message = (channel: string, body: string, type = '>') =>
  `${type}3\r\n$8\r\nsmessage\r\n$${channel.length}\r\n${channel}\r\n$${body.length}\r\n${body}\r\n`
const confirmation = '>3\r\n$10\r\nssubscribe\r\n$1\r\nx\r\n:1\r\n'
const everyType =
  '+PONG\r\n-ERR no\r\n:-7\r\n$5\r\na\r\nbc\r\n$-1\r\n$0\r\n\r\n*2\r\n*0\r\n*-1\r\n_\r\n#t\r\n,1.5\r\n(99\r\n' +
  '=7\r\ntxt:a\r\n\r\n!5\r\nERR x\r\n%1\r\n+key\r\n~2\r\n:1\r\n:2\r\n|1\r\n+a\r\n:1\r\n'

describe('what a subscriber reads', () => {
  it('is the same messages and replies, in the same order, wherever it was cut', () => {
    const text =
      confirmation +
      message('a', 'one') +
      message('{b}:x', '') +
      everyType +
      // Bytes that look like a message within one, and within a reply.
      message('a', message('b', 'x')) +
      `$40\r\n${message('b', '').padEnd(40, '.')}\r\n` +
      message('a', 'two', '*') +
      confirmation
    const whole = cut([Buffer.from(text, 'latin1')])
    expect(whole).toEqual([
      `passed ${confirmation}`,
      'a one',
      '{b}:x ',
      `passed ${everyType}`,
      `a ${message('b', 'x')}`,
      `passed $40\r\n${message('b', '').padEnd(40, '.')}\r\n`,
      'a two',
      `passed ${confirmation}`,
    ])
    for (let bytes = 1; bytes < text.length; bytes += 1) {
      expect(cut(piecesOf(text, bytes)), `pieces of ${bytes}`).toEqual(whole)
    }
  })

  it('passes on what it does not know, for ioredis to complain about', () => {
    expect(cut([Buffer.from('?what is this')])).toEqual(['passed ?what is this'])
  })
})
