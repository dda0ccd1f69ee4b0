// Peers that are Node programs: how they are started.
import { fileURLToPath } from 'node:url'

export const here = (path) => fileURLToPath(new URL(path, import.meta.url))

/** What startProcess takes for a Node program that prints "ready". */
export function node(script, args) {
  const profile = process.env['BENCH_PROFILE_FOLDER']
  return {
    command: process.execPath,
    args: [
      ...['--expose-gc', '--import', here('../servers/gc-on-signal.js')],
      ...(profile ? ['--cpu-prof', '--cpu-prof-dir', profile] : []),
      script,
      ...args,
    ],
    saysReady: true,
    collects: true,
  }
}
