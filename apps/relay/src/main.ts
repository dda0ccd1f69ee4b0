// The program pychat-relay: arguments, environment, signals, exit codes. Everything else is in relay.ts.
// stdout carries one ready line; the log is on stderr.
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { ConfigError, configDocs, configHelp, loadConfig, type RelayConfig } from './config.ts'
import { openConsole, type RelayConsole } from './console.ts'
import { type DrainTimes, drainOver } from './ops/drain.ts'
import { createLog, describeError, type Log } from './ops/log.ts'
import { openTracing } from './ops/tracing.ts'
import { createRelay, type Relay, type RunningRelay } from './relay.ts'

const exitFailed = 1
const exitUsage = 2
const exitConfig = 78

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

function fail(code: number, text: string): never {
  process.stderr.write(`${text}\n`)
  process.exit(code)
}

function readyLine(relay: RunningRelay, tls: boolean): string {
  const scheme = tls ? 'wss' : 'ws'
  const engine = relay.transport === 'uws' ? 'uWS' : 'ws'
  const store = relay.store === 'redis' ? 'Redis' : 'embedded'
  const target = tls || relay.port !== 8765 ? `${scheme}://localhost:${relay.port}` : 'localhost'
  return `PyChat relay ready: ${scheme}://${relay.listen} (${engine}, ${store}), ops http://${relay.opsListen}. Chat with: npx pychat --relay ${target}\n`
}

function settings(): RelayConfig {
  try {
    return loadConfig(process.env, process.platform, homedir())
  } catch (error) {
    if (error instanceof ConfigError) fail(exitConfig, error.message)
    throw error
  }
}

const options: Record<string, () => string> = {
  '--help': configHelp,
  '-h': configHelp,
  '--version': () => `pychat-relay ${version}\n`,
  '--print-docs': configDocs,
  '--check-config': () => {
    settings()
    return 'The settings are fine.\n'
  },
}

async function run(): Promise<void> {
  const config = settings()
  const log = createLog(config.logLevel, process.stderr.isTTY === true, (line) => process.stderr.write(line))
  let relay: Relay | null = null
  let terminal: RelayConsole | null = null
  let stopping = false
  let signalled = false

  /** Safe to repeat: the soonest times count. */
  const drain = (times: DrainTimes): void => {
    stopping = true
    // A drain that hangs ends here.
    setTimeout(() => process.exit(exitFailed), times.withinMs).unref()
    terminal?.close()
    const stopped = relay === null ? Promise.resolve() : relay.stop(times)
    stopped.then(
      () => process.exit(0),
      () => process.exit(exitFailed),
    )
  }
  const stop = (): void => {
    // A second wish is an order to go at once. The first one only hurries a drain that an operator began.
    if (signalled) process.exit(exitFailed)
    signalled = true
    drain(drainOver(config.drainMs))
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  // Its terminal was closed.
  process.on('SIGHUP', stop)
  endOnFault(log)

  try {
    const tracing = await openTracing(process.env, version)
    relay = createRelay({ config, version, log, onStop: drain, tracing })
    const running = await relay.start()
    process.stdout.write(readyLine(running, config.tls !== null))
  } catch (error) {
    // The parts say in one sentence what a person can do; anything else is our fault and gets its place in the code.
    const isOurs = error instanceof TypeError || error instanceof RangeError || !(error instanceof Error)
    fail(exitFailed, `PyChat relay: ${isOurs ? `cannot start (${describeError(error)}).` : error.message}`)
  }
  if (process.stdin.isTTY === true && !stopping) {
    process.stdout.write('Type /help for commands.\n')
    terminal = openConsole(process.stdin, process.stdout, relay.admin, stop)
  }
}

/** What nobody caught leaves the process in an unknown state: it ends once, loudly. */
function endOnFault(log: Log): void {
  const end = (error: unknown): void => {
    log.error('A fault of the relay ended it.', { error: describeError(error) })
    process.exit(exitFailed)
  }
  process.on('uncaughtException', end)
  process.on('unhandledRejection', end)
}

const [option, ...others] = process.argv.slice(2)
if (option === undefined) await run()
else {
  const print = options[option]
  if (print === undefined || others.length > 0) {
    fail(exitUsage, 'pychat-relay takes its settings from the environment; "pychat-relay --help" lists them.')
  }
  process.stdout.write(print())
}
