// What has to hold when thousands are in one room, by the figures of a run. Pure.
import { limits } from '@pychat/protocol'
import { atMost, type PromiseRow } from '../outcome.ts'
import type { JoinCost, Listed, Told } from './figures.ts'

/** A crowd that costs nothing more than a few: the last joins by the first. */
const growthMax = 1.5
/** Below so many joins in a part their times say more of the machine than of the relay. */
const timedJoinsMin = 300
/**
 * Whoever waited longer for a processor, of each second, measured that and not the relay. Processor time too: what has
 * piled up meanwhile is done together, for less.
 */
const starvedMsMax = 250
const controlsPerSecondMax = 5
const bytesPerSecondMax = 1024
const wordWhileTheyComeMsMax = 2000
const countsRightMsMax = 5000

export type CrowdFigures = {
  members: number
  /** In the room once everybody had time to come. */
  cameIn: number
  left: number
  /** Whether Redis worked for this run alone: else its figures say nothing. */
  ownRedis: boolean
  /** The first, those behind them, and the last. */
  joins: { first: JoinCost; second: JoinCost; last: JoinCost }
  /** What each watching member was told while the room was quiet and the rest came in. */
  told: Told[]
  /** Join and leave lines of the watching screen that had most: in all, and since the room was quiet. */
  lines: { all: number; whileQuiet: number }
  /** Said by one watcher while the rest came in: until the other one's screen had it. */
  wordWhileTheyComeMs: { said: number; p50: number; max: number }
  /** Of each watching client. */
  listed: Listed[]
  /** Members of the crowd without every message exactly once, and the same of the screens. */
  words: { said: number; heardBy: number; amiss: number; onScreensAmiss: number; ms: number }
  /** How long it took until everybody knew how many there are; null when somebody never did. */
  countsRightMs: { allIn: number | null; someLeft: number | null }
  /** `pages`: names on each, none without an answer. `comings`: join and leave lines. */
  terminal: { pages: number[]; overlap: number; count: number; comings: number }
  /** Milliseconds of a second, while they came in: see starving.ts. */
  starvedMs: number
  /** How often a watcher was told that its node cannot reach Redis. */
  storeAway: number
  trouble: string[]
}

export function promisesOf(figures: CrowdFigures): PromiseRow[] {
  const { joins, told, lines, listed, words, terminal } = figures
  const most = (key: keyof Told) => Math.max(...told.map((each) => each[key]))
  const hasTime = joins.last.joins >= timedJoinsMin && figures.starvedMs <= starvedMsMax
  const growth = (what: string, value: (cost: JoinCost) => number, unit: string, isJudged: boolean) => {
    const first = Math.min(value(joins.first), value(joins.second))
    const last = value(joins.last)
    return {
      promise: `a join's ${what}, the last by the first: at most ${growthMax} x`,
      figure: isJudged
        ? `${ratio(last, first)} x (${first} to ${last}${unit && ` ${unit}`})`
        : `not judged (${first} to ${last}${unit && ` ${unit}`})`,
      kept: !isJudged || last <= growthMax * first,
    }
  }
  const timed = (row: PromiseRow): PromiseRow =>
    hasTime ? row : { ...row, figure: `not judged (${row.figure})`, kept: true }
  const counted = (what: string, ms: number | null): PromiseRow => ({
    promise: `${what}: at most ${countsRightMsMax} ms`,
    figure: ms === null ? 'somebody has another count' : `${Math.round(ms)} ms`,
    kept: ms !== null && ms <= countsRightMsMax,
  })
  const { ownRedis } = figures
  return [
    {
      promise: 'all members come in',
      figure: `${figures.cameIn} of ${figures.members}`,
      kept: figures.cameIn === figures.members,
    },
    growth('commands from nodes to Redis', ({ calls }) => calls, '', ownRedis),
    growth('commands inside Redis', ({ commands }) => commands, '', ownRedis),
    growth('CPU of Redis', ({ redisCpuUs }) => redisCpuUs, 'us', ownRedis && hasTime),
    growth('CPU of the nodes', ({ nodesCpuUs }) => nodesCpuUs, 'us', hasTime),
    growth('answer', ({ joinedBytesMax }) => joinedBytesMax, 'bytes', true),
    growth('median wait', ({ ms }) => ms.p50, 'ms', hasTime),
    atMost('arrivals and departures told to a watching member while the room is quiet', most('comings'), 0),
    {
      promise: 'counts told to a watching member: at most one a second',
      figure: told.map(({ counts, seconds }) => `${counts} in ${Math.round(seconds)} s`).join(', '),
      // One may come at each end of the time.
      kept: told.every(({ counts, seconds }) => counts >= 1 && counts <= seconds + 2),
    },
    atMost(
      'control messages to a watching member in its busiest second',
      most('controlsBusiest'),
      controlsPerSecondMax,
    ),
    atMost(
      'bytes of control messages to a watching member in its busiest second',
      most('bytesBusiest'),
      bytesPerSecondMax,
    ),
    atMost('join and leave lines on a watching screen', lines.all, limits.wholeRosterMembersMax),
    atMost('join and leave lines on it while the room is quiet', lines.whileQuiet, 0),
    timed(
      atMost(
        'a message shown while the rest come in, slowest',
        figures.wordWhileTheyComeMs.max,
        wordWhileTheyComeMsMax,
        'ms',
      ),
    ),
    timed(atMost('times that a node could not reach Redis', figures.storeAway, 0)),
    {
      promise: 'a client that goes through all pages sees each member exactly once',
      figure: listed
        .map((each) => `${each.names} names on ${each.pages} pages, ${faultsOf(each)} amiss`)
        .join('; '),
      kept: listed.every((each) => faultsOf(each) === 0 && each.names === figures.members),
    },
    {
      promise: 'each message reaches every member exactly once',
      figure: `${words.said} messages, ${words.heardBy} members, ${words.amiss} of them amiss, ${words.onScreensAmiss} amiss on screens`,
      kept: words.said > 0 && words.amiss === 0 && words.onScreensAmiss === 0,
    },
    counted('everybody knows how many are there once all came', figures.countsRightMs.allIn),
    counted(`and once ${figures.left} left`, figures.countsRightMs.someLeft),
    {
      promise: 'pychat --json answers /users and /users 2 with a page each',
      figure: `${terminal.pages.join(' and ')} names, ${terminal.overlap} on both, ${terminal.count} members`,
      kept:
        terminal.pages.length === 2 &&
        terminal.pages.every((names) => names > 0) &&
        terminal.overlap === 0 &&
        terminal.count === figures.members &&
        terminal.comings === 0,
    },
    {
      promise: 'no connection breaks, no client is in trouble, no node ends by itself',
      figure: figures.trouble.length === 0 ? '0' : figures.trouble.slice(0, 3).join('; '),
      kept: figures.trouble.length === 0,
    },
  ]
}

const faultsOf = ({ missing, doubled, strangers }: Listed) => missing + doubled + strangers
const ratio = (last: number, first: number) =>
  first === 0 ? '?' : String(Math.round((100 * last) / first) / 100)
