// k6 itself: where it is, or how it comes; the bundle it runs; the run, which can be asked how it is going.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { type Running, run } from '#chaos/processes'
import { freePort } from '../../free-port.js'
import { buildTool, builtTool } from '../../go-tools.js'

const k6 = { name: 'k6', module: 'go.k6.io/k6@v1.8.1', flags: '-s -w' }
/** The first in which all is that the script needs. */
const [majorMin, minorMin] = [1, 8]

const source = fileURLToPath(new URL('../script/main.ts', import.meta.url))

/** The program that is here: on PATH if it is new enough, or built earlier. null when there is none. */
export function installedK6(): string | null {
  const found = spawnSync('k6', ['version'], { encoding: 'utf8' })
  const [, major = 0, minor = 0] = (/ v(\d+)\.(\d+)\./.exec(found.stdout ?? '') ?? []).map(Number)
  return major > majorMin || (major === majorMin && minor >= minorMin) ? 'k6' : builtTool(k6)
}

/** The same, built first where there is none. @throws Error with a sentence that says how to get it */
export function findK6(say: (line: string) => void): string {
  const installed = installedK6()
  if (installed !== null) return installed
  const how = `install k6 ${majorMin}.${minorMin} or newer (https://grafana.com/docs/k6/latest/set-up/install-k6/)`
  if (spawnSync('go', ['version']).status !== 0) {
    throw new Error(`k6 is not here, and neither is Go, which could build it: ${how}, or install Go.`)
  }
  say(`k6 is not here: building ${k6.module} with Go, once, which takes a minute or more`)
  try {
    return buildTool(k6)
  } catch {
    throw new Error(`Go could not build ${k6.module}; what it said is above. Or ${how}.`)
  }
}

/** One file for any k6, from the script and our own protocol library. */
export async function bundle(into: string): Promise<void> {
  await build({
    entryPoints: [source],
    outfile: into,
    bundle: true,
    format: 'esm',
    platform: 'neutral',
    mainFields: ['module', 'main'],
    conditions: ['@pychat/source', 'import'],
    external: ['k6', 'k6/*'],
    // k6 runs every file through its own compiler first; what it knows need not be lowered.
    target: 'es2022',
    logLevel: 'silent',
  })
}

export type K6Run = {
  running: Running
  /** The sum of a counter, as it was last told; 0 while there is none. */
  count(metric: string): Promise<number>
}

/** @param folder with script.js and plan.json; its reports go there */
export async function startK6(program: string, folder: string, trafficMs: number): Promise<K6Run> {
  const api = `127.0.0.1:${await freePort()}`
  const env: NodeJS.ProcessEnv = {}
  for (const [name, value] of Object.entries(process.env)) if (!name.startsWith('PYCHAT_')) env[name] = value
  const args = ['run', '--quiet', '--no-usage-report', '--address', api, join(folder, 'script.js')]
  const running = run(
    'k6',
    program,
    args,
    {
      ...env,
      K6_AUTO_EXTENSION_RESOLUTION: 'false',
      K6_WEB_DASHBOARD: 'true',
      // No page to look at while it runs, only the one that stays.
      K6_WEB_DASHBOARD_PORT: '-1',
      K6_WEB_DASHBOARD_PERIOD: `${Math.max(1, Math.round(trafficMs / 300_000))}s`,
      K6_WEB_DASHBOARD_EXPORT: join(folder, 'report.html'),
    },
    folder,
  )
  const known = new Map<string, number>()
  return {
    running,
    async count(metric) {
      try {
        const answer = await fetch(`http://${api}/v1/metrics/${metric}`, {
          signal: AbortSignal.timeout(2000),
        })
        const value = (await answer.json()) as { data?: { attributes?: { sample?: { count?: number } } } }
        known.set(metric, value.data?.attributes?.sample?.count ?? 0)
      } catch {
        // It is busy, or not up yet: what it said last is true enough.
      }
      return known.get(metric) ?? 0
    },
  }
}

/** The last lines of its log that are worth reading. */
export function lastWords(folder: string): string {
  try {
    return readFileSync(join(folder, 'k6.log'), 'utf8').trimEnd().split('\n').slice(-8).join('\n')
  } catch {
    return ''
  }
}
