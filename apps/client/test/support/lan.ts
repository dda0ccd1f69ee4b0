// A local network of three machines with no way out: network namespaces behind one bridge, on Linux, for root.
import { spawnSync } from 'node:child_process'

export type Machine = {
  address: string
  /** What to put before a command so that it runs there. */
  through: readonly string[]
}

export type Lan = {
  machines: [Machine, Machine, Machine]
  remove(): void
}

function ip(...args: string[]): void {
  const { status, stderr, error } = spawnSync('ip', args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`ip ${args.join(' ')}: ${stderr || String(error)}`)
}

/** @returns why it cannot be made here, where it cannot */
export function createLan(): Lan | { missing: string } {
  // Device names have 15 characters at most.
  const id = `pyc${process.pid.toString(36)}`
  const made: string[] = []
  const remove = () => {
    for (const name of made) spawnSync('ip', ['netns', 'del', name])
  }
  const namespace = (name: string) => {
    ip('netns', 'add', name)
    made.push(name)
    ip('-n', name, 'link', 'set', 'lo', 'up')
  }
  try {
    const wire = `${id}w`
    namespace(wire)
    ip('-n', wire, 'link', 'add', 'br0', 'type', 'bridge')
    ip('-n', wire, 'link', 'set', 'br0', 'up')
    const machines = [1, 2, 3].map((n): Machine => {
      const name = `${id}m${n}`
      const address = `10.77.0.${n}`
      namespace(name)
      ip('link', 'add', `p${n}`, 'netns', wire, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
      ip('-n', wire, 'link', 'set', `p${n}`, 'master', 'br0', 'up')
      ip('-n', name, 'addr', 'add', `${address}/24`, 'dev', 'eth0')
      ip('-n', name, 'link', 'set', 'eth0', 'up')
      return { address, through: ['ip', 'netns', 'exec', name] }
    })
    return { machines: machines as Lan['machines'], remove }
  } catch (error) {
    remove()
    return {
      missing: `no network namespaces here (root on Linux makes them): ${error instanceof Error ? error.message.trim() : ''}`,
    }
  }
}
