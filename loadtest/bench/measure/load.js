// Whether the machine was quiet enough while a window was measured: time that the host stole, the driver's core, and
// what others did on the servers' core.
import { readFileSync } from 'node:fs'
import { cores } from '../servers/processes.js'

export const bounds = {
  /** Share of a core's time that the host took away. */
  steal: 0.02,
  /** Above this the driver would measure itself. */
  driverCore: 0.75,
  /** Others on the servers' core: caches are theirs then too. */
  foreign: 0.15,
}

/** @returns { total, busy, steal } of a core, in hundredths of a second */
function coreTimes(core) {
  const line = new RegExp(`^cpu${core} (.*)$`, 'm').exec(readFileSync('/proc/stat', 'latin1'))
  const [user, nice, system, idle, iowait, irq, softirq, steal] = line[1].split(' ').map(Number)
  const busy = user + nice + system + irq + softirq
  return { total: busy + idle + iowait + steal, busy, steal }
}

/** @param servers what `cpuMicroseconds` is read of  @returns a function that ends the watch and says what it saw */
export function watchLoad(servers, driver) {
  const before = { servers: coreTimes(cores.servers), driver: coreTimes(cores.driver) }
  const cpuBefore = servers.cpuMicroseconds()
  const driverBefore = driver.cpuMicroseconds()
  const startedAt = performance.now()
  return () => {
    const wallUs = (performance.now() - startedAt) * 1000
    const own = (servers.cpuMicroseconds() - cpuBefore) / wallUs
    const since = (name) => {
      const now = coreTimes(cores[name])
      const total = Math.max(1, now.total - before[name].total)
      return {
        busy: (now.busy - before[name].busy) / total,
        steal: (now.steal - before[name].steal) / total,
      }
    }
    const [serverCore, driverCore] = [since('servers'), since('driver')]
    return {
      steal: Math.max(serverCore.steal, driverCore.steal),
      driverCore: driverCore.busy,
      driver: (driver.cpuMicroseconds() - driverBefore) / wallUs,
      servers: own,
      foreign: Math.max(0, serverCore.busy - own),
    }
  }
}

/** @returns why a window does not count, or null */
export function tooBusy(load) {
  const over = Object.keys(bounds).filter((name) => load[name] > bounds[name])
  return over.length === 0 ? null : over.map((name) => `${name} ${Math.round(load[name] * 100)} %`).join(', ')
}
