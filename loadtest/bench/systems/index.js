// All systems that can be measured, by the names that results bear.
import { bare } from './bare.js'
import { centrifugo } from './centrifugo.js'
import { nchan } from './nchan.js'
import { pychat } from './pychat.js'
import { socketIo } from './socket-io.js'

/**
 * { [name]: { dialect: how the driver speaks to it, absent(): why it cannot be had, or null, node({port, otherPort,
 * folder, redisUrl or null}): what servers/processes.js starts } }
 */
export const systems = { ...bare, ...pychat, ...socketIo, ...nchan, ...centrifugo }

/** @returns those of the names that can be had, and { [name]: reason } for the others */
export function available(names) {
  const here = []
  const skipped = {}
  for (const name of names) {
    const reason = systems[name].absent()
    if (reason === null) here.push(name)
    else skipped[name] = reason
  }
  return { here, skipped }
}
