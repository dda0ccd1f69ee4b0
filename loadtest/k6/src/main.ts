// npm run load: starts a cluster or takes the given one, runs the k6 script against it, does in the middle what the scenario
// says, and says by page, files and exit code whether everything held.
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { endAll, pause, run, runFolder } from '#chaos/processes'
import type { K6Summary } from '#k6/plan'
import { type Cluster, startCluster } from './cluster.ts'
import { between, type Costs, costsOf, type Spent } from './costs.ts'
import { bundle, findK6, type K6Run, lastWords, startK6 } from './k6.ts'
import { type Options, readOptions, UsageError, usage } from './options.ts'
import { pageOf, resultOf } from './report.ts'
import { planOf, scenarios } from './scenarios.ts'

const pollMs = 1000
const progressEveryPolls = 3
const thresholdsBroken = 99
const stoppedByHand = 130

const say = (line: string) => process.stderr.write(`load: ${line}\n`)
/** When only this program was told to stop, k6 is told so long afterwards. */
const tellAfterMs = 3000
let interrupted = false
let current: K6Run | null = null

type Watched = { spent: Spent | null; events: string[]; problems: string[] }

/** Follows a run until its end. @param halfway what is to happen then */
async function watch(
  k6: K6Run,
  cluster: Cluster | null,
  options: Options,
  halfway: (() => Promise<{ sentence: string; inTime: boolean }>) | null,
): Promise<Watched> {
  const { rooms, members, trafficMs } = options.sizes
  const events: string[] = []
  const problems: string[] = []
  let due = halfway
  let talkingSince = 0
  let before: Costs | null = null
  let spent: Spent | null = null
  let happening: Promise<void> | null = null
  let last = { delivered: 0, at: performance.now() }
  for (let polls = 0; k6.running.alive; polls += 1) {
    await Promise.race([pause(pollMs), k6.running.exited])
    if (!k6.running.alive) break
    const [joined, sent, delivered] = await Promise.all([
      k6.count('pychat_joined'),
      k6.count('pychat_sent'),
      k6.count('pychat_delivered'),
    ])
    const at = performance.now()
    if (sent > 0 && talkingSince === 0) talkingSince = at
    const talkedMs = talkingSince === 0 ? 0 : at - talkingSince
    if (cluster !== null && sent > 0 && talkedMs < trafficMs) {
      const costs = costsOf({ ...cluster.pids(), k6: k6.running.pid }, delivered)
      if (before === null) before = costs
      else if (costs !== null) spent = between(before, costs) ?? spent
    }
    if (due !== null && talkedMs >= trafficMs / 2) {
      happening = due().then(
        ({ sentence, inTime }) => {
          ;(inTime ? events : problems).push(sentence)
          say(sentence)
        },
        (error: Error) => void problems.push(error.message),
      )
      due = null
    }
    if (polls % progressEveryPolls === 0) {
      const rate = Math.round((1000 * (delivered - last.delivered)) / (at - last.at))
      last = { delivered, at }
      const talking = `, ${Math.round(talkedMs / 1000)} of ${trafficMs / 1000} s, ${delivered} delivered, ${rate} a second`
      say(`${joined} of ${rooms * members} members came in${talkingSince === 0 ? '' : talking}`)
    }
  }
  await happening
  if (due !== null) problems.push('The run ended before what was to happen in its middle.')
  const crashed = cluster?.crashed() ?? []
  if (crashed.length > 0) problems.push(`Ended by themselves: ${crashed.join(', ')}; logs with --keep.`)
  return { spent, events, problems }
}

function halfwayOf(options: Options, cluster: Cluster | null) {
  const { halfway: command } = options
  if (command !== null) {
    return async () => {
      const code = await run('halfway', '/bin/sh', ['-c', command]).exited
      return { sentence: `the command of --halfway ended with exit code ${code}`, inTime: code === 0 }
    }
  }
  const own = options.scenario === 'fetch' ? null : scenarios[options.scenario].halfway
  if (own === null || cluster === null) return null
  if (own === 'drain') return () => cluster.drain(options.withinMs)
  return async () => ({ sentence: await cluster.kill(), inTime: true })
}

/** What somebody else would type: where results go is nobody's business. */
function repeatable(args: readonly string[]): string[] {
  return args.filter((arg, i) => !arg.startsWith('--out') && args[i - 1] !== '--out')
}

async function main(): Promise<number> {
  const options = readOptions(process.argv.slice(2))
  if (options === null) {
    process.stdout.write(usage)
    return 0
  }
  const program = findK6(say)
  if (options.scenario === 'fetch') {
    say(`k6 is ready: ${program}`)
    return 0
  }
  const { scenario, sizes } = options
  const stamp = new Date().toISOString().replace(/[-:]|\.\d+/g, '')
  const out = resolve(options.out ?? join('load-results', `${stamp}-${scenario}`))
  mkdirSync(out, { recursive: true })
  for (const name of ['k6.log', 'k6.json', 'report.html']) rmSync(join(out, name), { force: true })
  await bundle(join(out, 'script.js'))
  say(`${scenario}: ${scenarios[scenario].sentence}`)
  const cluster = options.urls.length > 0 ? null : await startCluster(options)
  const plan = planOf(scenario, sizes, cluster?.urls ?? options.urls, options)
  writeFileSync(join(out, 'plan.json'), `${JSON.stringify(plan, null, 2)}\n`)
  const k6 = await startK6(program, out, sizes.trafficMs)
  current = k6
  const { spent, events, problems } = await watch(k6, cluster, options, halfwayOf(options, cluster))
  const code = await k6.running.exited
  await cluster?.stop()
  if (interrupted) return stoppedByHand
  if (code !== 0 && code !== thresholdsBroken) {
    throw new Error(`k6 ended with exit code ${code ?? 'none'}. Its last lines:\n${lastWords(out)}`)
  }
  const summary = JSON.parse(readFileSync(join(out, 'k6.json'), 'utf8')) as K6Summary
  const command = `npm run load -- ${repeatable(process.argv.slice(2)).join(' ')}`
  const result = resultOf({ plan, command, k6: summary, spent, events, problems })
  writeFileSync(join(out, 'summary.json'), `${JSON.stringify(result, null, 2)}\n`)
  const page = pageOf(result)
  writeFileSync(join(out, 'summary.txt'), page)
  process.stdout.write(page)
  if (cluster === null && result.figures.connectFailures > 0) {
    say(
      'connections were not opened: relays bound those of one address; see "Limits per address" in loadtest/k6/README.md',
    )
  }
  say(`report.html and the rest are in ${out}`)
  if (options.keep) say(`logs are in ${runFolder()}`)
  return code === 0 && problems.length > 0 ? 1 : (code ?? 1)
}

process.on('SIGINT', () => {
  // k6 gets the first one too, when it comes from the keyboard, and ends in order; the second one ends.
  if (!interrupted) {
    interrupted = true
    say('stopping; once more to stop at once')
    setTimeout(() => current?.running.signal('SIGINT'), tellAfterMs)
    return
  }
  void endAll(false).finally(() => process.exit(stoppedByHand))
})
process.on('SIGTERM', () => void endAll(false).finally(() => process.exit(143)))

let code: number
try {
  code = await main()
} catch (error) {
  const usageFault =
    error instanceof UsageError || (error as { code?: string }).code?.startsWith('ERR_PARSE_ARGS') === true
  const failedLater = error instanceof Error && error.message.startsWith('k6 ended')
  code = failedLater ? 1 : 2
  say(error instanceof Error ? error.message : String(error))
  if (usageFault) process.stderr.write('npm run load -- --help shows all there is.\n')
}
await endAll(process.argv.includes('--keep'))
process.exit(code)
