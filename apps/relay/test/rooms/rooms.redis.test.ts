import { getRedis } from '../support/redis.ts'
import { roomsContract } from './contract.ts'
import { redisFactory } from './redis.nodes.ts'

roomsContract('Redis', async () => redisFactory(getRedis()))
