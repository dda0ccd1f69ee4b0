// The call of the publish script, written by hand: it leaves with every message, and what ioredis does to put a command
// together (a list of arguments, one buffer each) cost more than all else that a node's code does for a message.
// A frame costs one string and one copy. Sending, answers and timeouts remain ioredis' own.
import { createHash } from 'node:crypto'
import type { SessionId } from '@pychat/protocol'
import { Command, type Redis } from 'ioredis'
import type { RoomKeys } from './keys.ts'
import type { Owner } from './owner.ts'

/** A frame on its way into its room's log. */
export type Publish = {
  keys: RoomKeys
  session: SessionId
  owner: Owner
  counter: number
  /** Milliseconds since 1970. */
  now: number
  /** Kept as it is until it is written. */
  frame: Buffer
}

class WrittenCommand extends Command {
  readonly #bytes: Buffer

  constructor(name: 'eval' | 'evalsha', bytes: Buffer) {
    super(name)
    this.#bytes = bytes
  }

  override toWritable(): Buffer {
    return this.#bytes
  }
}

/** A bulk string of RESP. @param text ASCII */
const bulk = (text: string) => `$${text.length}\r\n${text}\r\n`

/**
 * @param script name and first argument, as bulk strings  @param fixed arguments that all frames share, before theirs
 * @returns the whole command; all texts have to be ASCII
 */
function encode(script: string, publishes: readonly Publish[], fixed: readonly string[]): Buffer {
  let keys = ''
  for (const { keys: of } of publishes) keys += bulk(of.room) + bulk(of.log) + bulk(of.channel)
  let text = `*${3 + fixed.length + 7 * publishes.length}\r\n${script}${bulk(String(3 * publishes.length))}${keys}`
  for (const each of fixed) text += bulk(each)
  /** What stands before each frame. */
  const texts: string[] = []
  let length = 2
  for (const { session, owner, counter, frame } of publishes) {
    text += `${bulk(session)}${bulk(`${counter - 1} ${owner}`)}${bulk(`${counter} ${owner}`)}$${frame.length}\r\n`
    texts.push(text)
    length += text.length + frame.length
    text = '\r\n'
  }
  const bytes = Buffer.allocUnsafe(length)
  let at = 0
  for (let i = 0; i < publishes.length; i += 1) {
    const { frame } = publishes[i] as Publish
    at += bytes.write(texts[i] as string, at, 'latin1')
    bytes.set(frame, at)
    at += frame.length
  }
  bytes.write(text, at, 'latin1')
  return bytes
}

/** @param fixed arguments of the script before those of frames  @throws rejects with what Redis answers, or ioredis' errors */
export type PublishCall = (
  redis: Redis,
  publishes: readonly Publish[],
  fixed: readonly string[],
) => Promise<unknown>

/** @param lua the script, in ASCII */
export function createPublishCall(lua: string): PublishCall {
  const whole = bulk('EVAL') + bulk(lua)
  const digest = bulk('EVALSHA') + bulk(createHash('sha1').update(lua).digest('hex'))
  /** Connections to servers that know the script. */
  const taught = new WeakSet<object>()

  return async (redis, publishes, fixed) => {
    const { stream } = redis
    if (taught.has(stream)) {
      try {
        return await redis.sendCommand(new WrittenCommand('evalsha', encode(digest, publishes, fixed)))
      } catch (error) {
        if (!(error instanceof Error && error.message.startsWith('NOSCRIPT'))) throw error
      }
    }
    taught.add(stream)
    return redis.sendCommand(new WrittenCommand('eval', encode(whole, publishes, fixed)))
  }
}
