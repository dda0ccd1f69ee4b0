// Keeps the emergency level in Redis: a hash, and a channel that tells when it changes. Every node reads it at its start,
// when it hears of a change, when the channel was not heard for a moment, and every few seconds in any case.
import { defconLevelSchema } from '@pychat/protocol'
import { type Connections, storeAway } from '../redis/connections.ts'
import { emergencyKeys } from '../redis/keys.ts'
import { type Emergency, type EmergencyStore, neverSet } from './emergency.ts'

const lookMs = 2000

export function createRedisEmergencyStore(connections: Connections, keyPrefix: string): EmergencyStore {
  const { commands, subscriptions } = connections
  const keys = emergencyKeys(keyPrefix)
  let tell: (stored: Emergency) => void = () => {}
  let timer: NodeJS.Timeout | null = null

  async function look(): Promise<void> {
    const [level, setAt, until] = await commands.hmget(keys.level, 'level', 'setAt', 'until')
    tell(read(level ?? '', setAt ?? '', until ?? ''))
  }
  const lookAgain = (): void => void look().catch(() => {})

  return {
    async start(told) {
      tell = told
      try {
        await subscriptions.subscribe(keys.channel, { message: lookAgain, resumed: lookAgain })
        await look()
      } catch (error) {
        throw storeAway(error)
      }
      timer = setInterval(lookAgain, lookMs)
    },
    async write({ level, setAt, until }) {
      try {
        await commands.hset(keys.level, 'level', level, 'setAt', setAt, 'until', until ?? '')
        await commands.spublish(keys.channel, '')
      } catch (error) {
        throw storeAway(error)
      }
    },
    stop() {
      if (timer !== null) clearInterval(timer)
      subscriptions.unsubscribe(keys.channel)
    },
  }
}

/** What no relay has written counts as never set. */
function read(level: string, setAt: string, until: string): Emergency {
  const known = defconLevelSchema.safeParse(Number(level))
  const isTime = (text: string): boolean => /^[0-9]{1,15}$/.test(text)
  if (level === '' || !known.success || !isTime(setAt) || (until !== '' && !isTime(until))) return neverSet
  return { level: known.data, setAt: Number(setAt), until: until === '' ? null : Number(until) }
}
