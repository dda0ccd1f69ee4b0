// What a relay's Redis user has to be allowed: the table behind deploy/helm/files/pychat.acl (a test holds them together),
// and the question that a relay asks at its start, so that a lacking right is named before anybody misses it.
// Redis answers it by redis.acl_check_cmd (7.0), which carries nothing out.
import { StoreError } from '../rooms/rooms.ts'
import type { RedisAddress } from './address.ts'

/** Where the file lies that grants all of it. */
export const aclFile = 'deploy/helm/files/pychat.acl'

type Right = {
  /** As ACL rules write it: "xadd", or "cluster|slots". */
  command: string
  /** Arguments of a call that names keys and channels as the relay does; K is a key of ours, C a channel of ours. */
  args: readonly string[]
  /** Left out: every kind of Redis needs it. */
  only?: RedisAddress['kind']
}

const right = (command: string, ...args: string[]): Right => ({ command, args })

/** Every command that the relay, its scripts and ioredis under it call. AUTH and HELLO are everybody's. */
export const rights: readonly Right[] = [
  right('client|setname', 'pychat'),
  right('select', '0'),
  right('info'),
  right('ping'),
  right('wait', '1', '1'),
  right('eval', 'return 1', '1', 'K'),
  right('evalsha', '0'.repeat(40), '1', 'K'),
  right('ssubscribe', 'C'),
  right('sunsubscribe'),
  right('spublish', 'C', ''),
  right('set', 'K', ''),
  right('del', 'K'),
  right('exists', 'K'),
  right('persist', 'K'),
  right('pexpire', 'K', '1'),
  right('sadd', 'K', ''),
  right('srem', 'K', ''),
  right('sismember', 'K', ''),
  right('smembers', 'K'),
  right('hset', 'K', '', ''),
  right('hsetnx', 'K', '', ''),
  right('hget', 'K', ''),
  right('hmget', 'K', ''),
  right('hgetall', 'K'),
  right('hexists', 'K', ''),
  right('hlen', 'K'),
  right('hdel', 'K', ''),
  right('zadd', 'K', '1', ''),
  right('zrange', 'K', '0', '0'),
  right('zrem', 'K', ''),
  right('xadd', 'K', '*', '', ''),
  right('xrange', 'K', '-', '+'),
  right('xrevrange', 'K', '+', '-'),
  right('xtrim', 'K', 'MAXLEN', '1'),
  { ...right('cluster|slots'), only: 'cluster' },
  { ...right('cluster|info'), only: 'cluster' },
  { ...right('readonly'), only: 'cluster' },
  { ...right('asking'), only: 'cluster' },
]

/** KEYS[1]: one of ours. ARGV: per call the number of its words, then these. Returns the numbers of those that are refused. */
const askScript = `
local refused, at, call = {}, 1, 0
while ARGV[at] do
  local count = tonumber(ARGV[at])
  -- It throws where there is no such command, as when it was renamed.
  local known, allowed = pcall(redis.acl_check_cmd, unpack(ARGV, at + 1, at + count))
  if not known or not allowed then
    refused[#refused + 1] = call
  end
  at, call = at + count + 1, call + 1
end
return refused`

type Asked = { eval(script: string, keys: number, ...args: string[]): Promise<unknown> }

/**
 * Asks what the user may not.
 * @param redis called once: EVAL itself may be what is missing
 * @returns null when nothing is missing, else one sentence
 * @throws what `redis` throws when it is something else
 */
export async function findMissingRights(
  redis: Asked,
  kind: RedisAddress['kind'],
  prefix: string,
): Promise<string | null> {
  const key = `${prefix}:{rights}`
  const channel = `${key}:x`
  const needed = rights.filter(({ only }) => only === undefined || only === kind)
  const calls = needed.map(({ command, args }) => [
    ...command.split('|'),
    ...args.map((arg) => (arg === 'K' ? key : arg === 'C' ? channel : arg)),
  ])
  let refused: number[]
  try {
    const words = calls.flatMap((call) => [String(call.length), ...call])
    refused = (await redis.eval(askScript, 1, key, ...words)) as number[]
  } catch (error) {
    const sentence = missingRight(error, prefix)
    if (sentence === null) throw error
    return sentence
  }
  if (refused.length === 0) return null
  const wanting = refused.flatMap((at) => needed[at] ?? [])
  const of = (letter: string) => needed.filter(({ args }) => args.includes(letter))
  /** Who may use no channel or key at all of ours lacks that, and not every command that names one. */
  const lacksAll = (letter: string) => of(letter).every((each) => wanting.includes(each))
  const lacks: string[] = []
  if (lacksAll('K')) lacks.push(`the keys ~${prefix}:*`)
  if (lacksAll('C')) lacks.push(`the channels &${prefix}:*`)
  for (const each of wanting) {
    const covered = ['K', 'C'].some((letter) => each.args.includes(letter) && lacksAll(letter))
    if (!covered) lacks.push(`+${each.command}`)
  }
  return sentenceOf(lacks)
}

/** What an error of Redis says that the user lacks, as one sentence; null for other errors. */
export function missingRight(error: unknown, prefix: string): string | null {
  const text = error instanceof Error ? error.message : ''
  if (!/NOPERM|ACL failure|user executing the script can't/.test(text)) return null
  const command = /to run the '([a-z|]{1,32})' command/.exec(text)?.[1]
  if (command !== undefined) return sentenceOf([`+${command}`])
  if (/access (?:a|one of the|at least one of the) keys?\b/.test(text))
    return sentenceOf([`the keys ~${prefix}:*`])
  if (/access (?:a|one of the|at least one of the) channels?\b/.test(text)) {
    return sentenceOf([`the channels &${prefix}:*`])
  }
  return sentenceOf(['a command'])
}

function sentenceOf(lacks: readonly string[]): string {
  return `The relay's Redis user may not use ${lacks.join(', ')}; grant what ${aclFile} lists.`
}

/** @throws StoreError refused, when something is missing */
export async function checkRights(...asked: Parameters<typeof findMissingRights>): Promise<void> {
  const sentence = await findMissingRights(...asked)
  if (sentence !== null) throw new StoreError('refused', sentence)
}
