// Starts driver processes on their core and asks them things.
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { cores, pin, processFigures } from '../servers/processes.js'

const main = fileURLToPath(new URL('main.js', import.meta.url))

/**
 * @param program what runs there; it answers {id, deed, request} with {id, result} or {id, error}
 * @returns a driver: `ask(deed, request)`, `cpuMicroseconds()`, `stop()`
 */
export async function startDriver(program = main) {
  const child = fork(program, { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] })
  pin(child.pid, cores.driver)
  const waiting = new Map()
  let lastId = 0
  let ended = false
  const fail = () => {
    ended = true
    for (const { reject } of waiting.values()) reject(new Error('a driver process ended by itself'))
    waiting.clear()
  }
  child.once('exit', fail)
  const ready = new Promise((resolve, reject) => waiting.set(0, { resolve, reject }))
  child.on('message', ({ id, result, error }) => {
    const asked = waiting.get(id)
    waiting.delete(id)
    if (error === undefined) asked?.resolve(result)
    else asked?.reject(new Error(error))
  })
  await ready
  return {
    ...processFigures(child.pid),
    ask(deed, request = {}) {
      if (ended) return Promise.reject(new Error('a driver process ended by itself'))
      lastId += 1
      const id = lastId
      return new Promise((resolve, reject) => {
        waiting.set(id, { resolve, reject })
        child.send({ id, deed, request })
      })
    },
    async stop() {
      if (ended) return
      const over = new Promise((resolve) => child.once('exit', resolve))
      child.off('exit', fail)
      child.kill('SIGKILL')
      await over
    },
  }
}
