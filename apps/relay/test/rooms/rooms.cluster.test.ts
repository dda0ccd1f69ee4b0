import { getRedisCluster } from '../support/redis.ts'
import { chartersContract } from './charter.contract.ts'
import { roomsContract } from './contract.ts'
import { redisFactory } from './redis.nodes.ts'

roomsContract('Redis Cluster', async () => redisFactory(getRedisCluster()))
chartersContract('Redis Cluster', async () => redisFactory(getRedisCluster()))
