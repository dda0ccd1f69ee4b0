// What a run was measured on.
import { spawnSync } from 'node:child_process'
import { cpus, release, totalmem } from 'node:os'

/** @returns why nothing can be measured here, or null */
export function whyNotHere() {
  const can = process.platform === 'linux' && cpus().length >= 2 && spawnSync('taskset', ['-V']).status === 0
  return can ? null : 'The benchmark needs Linux, the taskset command (package util-linux) and two cores.'
}

const version = (command, args) => {
  const { stdout, stderr } = spawnSync(command, args, { encoding: 'utf8' })
  return /\d+\.\d+\.\d+/.exec(`${stdout ?? ''}${stderr ?? ''}`)?.[0] ?? null
}

export function machine() {
  return {
    cpu: cpus()[0]?.model,
    cores: cpus().length,
    memoryBytes: totalmem(),
    kernel: release(),
    node: process.version,
    redis: version('redis-server', ['--version']),
    nginx: version('/usr/sbin/nginx', ['-v']),
  }
}
