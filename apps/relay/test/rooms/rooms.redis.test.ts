import { getRedis } from '../support/redis.ts'
import { chartersContract } from './charter.contract.ts'
import { roomsContract } from './contract.ts'
import { redisFactory } from './redis.nodes.ts'

roomsContract('Redis', async () => redisFactory(getRedis()))
chartersContract('Redis', async () => redisFactory(getRedis()))
