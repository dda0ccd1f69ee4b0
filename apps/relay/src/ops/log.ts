// The relay's log: pino JSON on stderr for machines, short lines when a person watches. Only the fields below get out,
// so no name, text, PIN, token, room hash or whole address can slip in with an object.
import { pino } from 'pino'
import type { LogLevel } from '../config.ts'

/** Everything a log line may carry beside its sentence. */
export type LogFields = {
  node?: string
  /** Eight-character form of a room. */
  room?: string
  /** A network, never an address: see `truncateAddress`. */
  network?: string
  code?: string | number
  count?: number
  ms?: number
  /** Emergency level, 5 (calm) to 1. */
  defcon?: number
  /** What went wrong, of our own making or the system's; never a peer's bytes. */
  error?: string
}

export type Log = {
  debug(sentence: string, fields?: LogFields): void
  info(sentence: string, fields?: LogFields): void
  warn(sentence: string, fields?: LogFields): void
  error(sentence: string, fields?: LogFields): void
}

const allowed = [
  'node',
  'room',
  'network',
  'code',
  'count',
  'ms',
  'defcon',
  'error',
] as const satisfies (keyof LogFields)[]

function pick(fields: LogFields | undefined): LogFields {
  const picked: Record<string, unknown> = {}
  if (fields !== undefined)
    for (const name of allowed) if (fields[name] !== undefined) picked[name] = fields[name]
  return picked
}

/**
 * @param write takes one whole line with its newline
 * @param human short lines for a terminal instead of JSON
 */
export function createLog(level: LogLevel, human: boolean, write: (line: string) => void): Log {
  const logger = pino(
    { level, base: { pid: process.pid }, timestamp: pino.stdTimeFunctions.isoTime },
    {
      write: human ? (line: string) => write(humanLine(line)) : write,
    },
  )
  return {
    debug: (sentence, fields) => logger.debug(pick(fields), sentence),
    info: (sentence, fields) => logger.info(pick(fields), sentence),
    warn: (sentence, fields) => logger.warn(pick(fields), sentence),
    error: (sentence, fields) => logger.error(pick(fields), sentence),
  }
}

/** "12:34:56 warn  sentence  code=4001" */
function humanLine(line: string): string {
  const record = JSON.parse(line) as Record<string, unknown> & { time: string; level: number; msg: string }
  const fields = allowed.flatMap((name) => (record[name] === undefined ? [] : [`${name}=${record[name]}`]))
  const level = (pino.levels.labels[record.level] ?? 'info').padEnd(5)
  return `${[record.time.slice(11, 19), level, record.msg, ...fields].join(' ')}\n`
}

/** What of an unknown error may be logged: its class, code and our own places in the code, not its message's data. */
export function describeError(error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const code = 'code' in error && typeof error.code === 'string' ? ` ${error.code}` : ''
  const place = /\n\s+at (?:.*[/\\])?([^/\\]+:\d+):\d+/.exec(error.stack ?? '')?.[1]
  return `${error.name}${code}${place === undefined ? '' : ` at ${place}`}`
}
