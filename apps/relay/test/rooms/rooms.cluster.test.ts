import { getRedisCluster } from '../support/redis.ts'
import { roomsContract } from './contract.ts'
import { redisFactory } from './redis.nodes.ts'

roomsContract('Redis Cluster', async () => redisFactory(getRedisCluster()))
