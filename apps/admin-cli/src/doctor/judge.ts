// What is bad of what the nodes found, and what to do about it: one function for each subject, thresholds at the top.
// It knows the diagnosis of docs/protocol.md, section 14, and asks nobody.
import type { DiagnosisReply, NodeDiagnosis, RedisDiagnosis, RedisServerDiagnosis } from '@pychat/protocol'
import { renderBytes } from '../table.ts'
import { bad, type Finding, ok } from './finding.ts'

const memoryWarnShare = 0.8
const memoryFailShare = 0.98
const pingWarnMs = 50
const pingFailMs = 500
const clockWarnMs = 1000
/** From a third of the grace time on, members are taken out too early or too late. */
const clockFailShare = 1 / 3
/** Files of a relay that are no client connections. */
const filesBeside = 64
/** With fewer a node carries no crowd, whatever it is allowed to hold. */
const filesFailBelow = 4096
const filesWarnShare = 0.8
const lagWarnMs = 250

export function judge(reply: DiagnosisReply): Finding[] {
  const { list, silent, lapsed, nodes } = reply
  const findings: Finding[] = []
  const deaf = list.some(({ redis }) => redis !== null && !redis.pubsub)
  for (const node of silent) {
    findings.push(
      bad(
        'fail',
        'nodes.answer',
        `Node ${node} holds its place in the cluster and does not answer.`,
        deaf
          ? 'Mend pub/sub first, which carries the questions to other nodes.'
          : 'Look at its process: ended, it is forgotten within 10 s; hanging, kill it and start it again (its clients reconnect by themselves).',
      ),
    )
  }
  if (silent.length === 0) findings.push(ok('nodes.answer', `All ${nodes.asked} nodes answered.`))
  if (lapsed.length > 0) {
    findings.push(
      bad(
        'warn',
        'nodes.lapsed',
        `${lapsed.length === 1 ? 'One node' : `${lapsed.length} nodes`} ended without a word in the last minutes.`,
        'Nothing has to be done for its members; its log and "docker inspect" or "kubectl describe pod" say why it ended.',
        lapsed,
      ),
    )
  }
  const versions = [...new Set(list.map(({ version }) => version))]
  if (versions.length > 1) {
    findings.push(
      bad(
        'warn',
        'nodes.version',
        `Nodes run different versions: ${versions.join(', ')}.`,
        'Finish the update.',
      ),
    )
  }
  for (const node of list) findings.push(...judgeNode(node), ...judgeRedis(node))
  findings.push(...judgeClocks(list), ...judgeProbes(list))
  return findings
}

function judgeNode(node: NodeDiagnosis): Finding[] {
  const { node: id, state, openFiles, openFilesMax, connectionsMax, loopLagMs } = node
  const findings: Finding[] = []
  if (state === 'draining') {
    findings.push(bad('warn', 'node.state', 'The node is draining.', 'Wait until it has ended.', [id]))
  } else if (state === 'degraded') {
    const todo = 'Mend what is found of Redis; the node takes clients again by itself when Redis answers.'
    findings.push(
      bad('fail', 'node.state', 'The node cannot reach its store and takes no messages.', todo, [id]),
    )
  } else findings.push(ok('node.state', 'The node takes clients.', [id]))

  if (openFilesMax !== null) {
    if (openFilesMax < connectionsMax + filesBeside) {
      findings.push(
        bad(
          openFilesMax < filesFailBelow ? 'fail' : 'warn',
          'node.files',
          `The node may hold ${connectionsMax} connections and open only ${openFilesMax} files, one for each.`,
          `Raise the limit (ulimit -n, LimitNOFILE, PYCHAT_NOFILE in compose) above ${connectionsMax + filesBeside}, or set PYCHAT_CONNECTIONS_MAX below ${Math.max(1, openFilesMax - filesBeside)}.`,
          [id],
        ),
      )
    } else if (openFiles !== null && openFiles > openFilesMax * filesWarnShare) {
      findings.push(
        bad(
          'warn',
          'node.files',
          `${openFiles} of ${openFilesMax} files are open.`,
          'Start another relay, or raise the limit of open files.',
          [id],
        ),
      )
    } else
      findings.push(ok('node.files', `${openFilesMax} files may be open, enough for all connections.`, [id]))
  }
  if (loopLagMs > lagWarnMs) {
    findings.push(
      bad(
        'warn',
        'node.lag',
        `The node's event loop is up to ${loopLagMs} ms late.`,
        'Give it a whole core, or start more relays.',
        [id],
      ),
    )
  }
  findings.push(judgeTls(node))
  return findings
}

function judgeTls({ node, reach, tls, trustedProxies, listen }: NodeDiagnosis): Finding {
  const check = 'node.tls'
  if (tls) return ok(check, 'The node speaks TLS itself.', [node])
  if (reach === 'loopback') return ok(check, 'The node listens on loopback alone.', [node])
  if (trustedProxies) return ok(check, 'The node stands behind a front door that it trusts.', [node])
  return bad(
    reach === 'public' ? 'fail' : 'warn',
    check,
    reach === 'public'
      ? `The node listens without TLS on ${listen}, which the internet can reach.`
      : `The node listens without TLS on ${listen}, for the whole local network.`,
    'Put a front door with TLS before it and name it in PYCHAT_TRUSTED_PROXIES, or set PYCHAT_TLS_CERT and PYCHAT_TLS_KEY, or listen on 127.0.0.1.',
    [node],
  )
}

function judgeRedis({ node, redis }: NodeDiagnosis): Finding[] {
  if (redis === null)
    return [ok('redis', 'The node stands alone and needs no Redis; its rooms end with it.', [node])]
  const findings = redis.servers.flatMap((server) => judgeServer(server, redis))
  if (redis.servers.length === 0 || (!redis.available && redis.pubsub)) {
    findings.push(
      bad(
        'fail',
        'redis.answer',
        'Redis does not answer this node in time.',
        'See that Redis runs and that the network between them is open; PYCHAT_REDIS_URL says where it is looked for.',
      ),
    )
  }
  if (redis.servers.length > 0) {
    findings.push(
      redis.pubsub
        ? ok('redis.pubsub', 'Messages come back by pub/sub.')
        : bad(
            'fail',
            'redis.pubsub',
            'No message comes back by pub/sub: nodes do not hear each other.',
            "Let the relay's user use its channels: ACL SETUSER ... &pychat:* +spublish +ssubscribe +sunsubscribe, with your PYCHAT_REDIS_PREFIX (docs/operations.md has the whole file).",
          ),
    )
  }
  return findings.map((finding) => ({ ...finding, nodes: [node] }))
}

function judgeServer(server: RedisServerDiagnosis, redis: RedisDiagnosis): Finding[] {
  const { place, product, version } = server
  const name = product === 'valkey' ? 'Valkey' : 'Redis'
  const [major = 0, minor = 0] = version.split('.').map(Number)
  const isOld = product === 'valkey' ? major < 7 || (major === 7 && minor < 2) : major < 7
  const findings = [
    isOld
      ? bad(
          'fail',
          'redis.version',
          `${name} at ${place} is version ${version}, which lacks commands that relays need.`,
          'Update to Redis 7.0 or Valkey 7.2, or later.',
        )
      : ok('redis.version', `${name} ${version} at ${place}.`),
    judgeMemory(server),
    judgeEviction(server),
    judgeLatency(server),
    judgeNetwork(server, redis),
  ]
  findings.push(
    server.missingRight === null
      ? ok('redis.rights', "The relay's user has every right that it needs.")
      : bad(
          'fail',
          'redis.rights',
          server.missingRight,
          'Load the ACL file as docs/operations.md says (ACL LOAD), with your PYCHAT_REDIS_PREFIX in it; relays notice within seconds.',
        ),
  )
  if (redis.ackReplicas > server.replicas) {
    findings.push(
      bad(
        'fail',
        'redis.replicas',
        `PYCHAT_ACK_REPLICAS wants ${redis.ackReplicas} replicas to hold each message, and ${place} has ${server.replicas} in step: no message is confirmed.`,
        'Bring the replicas back, or lower PYCHAT_ACK_REPLICAS on all nodes.',
      ),
    )
  } else if (redis.ackReplicas > 0)
    findings.push(ok('redis.replicas', `${place} has ${server.replicas} replicas in step.`))
  return findings
}

function judgeMemory({ place, memoryBytes, memoryBytesMax }: RedisServerDiagnosis): Finding {
  const check = 'redis.memory'
  if (memoryBytesMax === 0) return ok(check, `Redis at ${place} has no limit of memory.`)
  const share = memoryBytes / memoryBytesMax
  const words = `${renderBytes(memoryBytes)} of ${renderBytes(memoryBytesMax)}`
  const todo =
    'Give it more (CONFIG SET maxmemory, and its file), or keep less: PYCHAT_LOG_BYTES_MAX, PYCHAT_LOG_SECONDS.'
  if (share >= memoryFailShare) {
    return bad(
      'fail',
      check,
      `The memory of Redis at ${place} is full (${words}): it refuses what is written.`,
      todo,
    )
  }
  if (share >= memoryWarnShare)
    return bad('warn', check, `The memory of Redis at ${place} is nearly full (${words}).`, todo)
  return ok(check, `Redis at ${place} has memory left (${words}).`)
}

function judgeEviction({ place, eviction, memoryBytesMax }: RedisServerDiagnosis): Finding {
  const check = 'redis.eviction'
  if (eviction === '' || eviction === 'noeviction') return ok(check, `Redis at ${place} evicts nothing.`)
  const when = memoryBytesMax === 0 ? 'once it gets a limit of memory' : 'when its memory is full'
  return bad(
    memoryBytesMax === 0 ? 'warn' : 'fail',
    check,
    `Redis at ${place} throws away rooms and members ${when} (maxmemory-policy ${eviction}).`,
    'CONFIG SET maxmemory-policy noeviction, and write it into its file; keep caches in another Redis.',
  )
}

function judgeLatency({ place, pings, pingP50Ms, pingP99Ms }: RedisServerDiagnosis): Finding {
  const words = `${pingP50Ms} ms (p50) and ${pingP99Ms} ms (p99) of ${pings} pings`
  if (pingP99Ms < pingWarnMs) return ok('redis.latency', `Redis at ${place} answers in time.`)
  return bad(
    pingP50Ms >= pingFailMs ? 'fail' : 'warn',
    'redis.latency',
    `Redis at ${place} answers slowly: ${words}.`,
    'Bring relays and Redis into one network, and see what keeps either busy (SLOWLOG GET, CPU, swap, fsync).',
  )
}

function judgeNetwork({ place, reach }: RedisServerDiagnosis, { tls, password }: RedisDiagnosis): Finding {
  const check = 'redis.network'
  const todo =
    'Use rediss:// with a user and a password in PYCHAT_REDIS_URL, or a network that nobody else is in.'
  if (reach === 'public' && !(tls && password)) {
    const lacks = [tls ? '' : 'TLS', password ? '' : 'a password'].filter((word) => word !== '').join(' and ')
    return bad('fail', check, `Redis at ${place} is reached over the internet without ${lacks}.`, todo)
  }
  if (reach === 'private' && !password)
    return bad('warn', check, `Redis at ${place} lets everybody in its network in.`, todo)
  return ok(check, `The way to Redis at ${place} is closed to strangers.`)
}

/** Against the clock of Redis, which all nodes share: so two nodes that differ are seen too. */
function judgeClocks(list: readonly NodeDiagnosis[]): Finding[] {
  const findings: Finding[] = []
  const offsets: number[] = []
  for (const { node, redis, graceMs } of list) {
    const known = redis?.servers.flatMap(({ clockOffsetMs }) => clockOffsetMs ?? []) ?? []
    if (redis !== null && redis.servers.length > 0 && known.length === 0) {
      findings.push(
        bad(
          'warn',
          'clock',
          'Redis does not say what time it is (server_time_usec of INFO).',
          'Compare the clocks of its machine and of the relays yourself: timedatectl.',
          [node],
        ),
      )
    }
    const worst = Math.max(0, ...known.map(Math.abs))
    offsets.push(...known)
    if (worst < clockWarnMs) continue
    findings.push(
      bad(
        worst >= graceMs * clockFailShare ? 'fail' : 'warn',
        'clock',
        `The clocks of the node and of Redis are ${(worst / 1000).toFixed(1)} s apart: members are taken out too early or too late.`,
        'Let chrony or systemd-timesyncd set the clock on both machines (timedatectl shows whether it does).',
        [node],
      ),
    )
  }
  if (offsets.length > 0 && findings.length === 0) {
    const spread = Math.max(...offsets) - Math.min(...offsets)
    findings.push(
      ok('clock', `Clocks of nodes and Redis agree within ${Math.max(1, Math.round(spread))} ms.`),
    )
  }
  return findings
}

function judgeProbes(list: readonly NodeDiagnosis[]): Finding[] {
  const findings: Finding[] = []
  const through = list.filter(({ probe }) => probe.failed === null)
  for (const { node, probe } of list) {
    if (probe.failed !== null) {
      findings.push(
        bad(
          'fail',
          'message',
          `No message went through the node: ${probe.failed}`,
          'Mend what else is found here first; then look at the log of this node.',
          [node],
        ),
      )
      continue
    }
    const missing = through.filter((other) => !probe.heard.includes(other.node))
    for (const other of missing) {
      findings.push(
        bad(
          'fail',
          'message',
          `A message sent through node ${other.node} did not reach node ${node}.`,
          'See that both have the same PYCHAT_REDIS_URL and PYCHAT_REDIS_PREFIX, and see what is found of pub/sub.',
          [node, other.node],
        ),
      )
    }
  }
  if (findings.length === 0) {
    const slowest = Math.max(...through.map(({ probe }) => probe.ownMs ?? 0))
    findings.push(
      ok(
        'message',
        list.length === 1
          ? `A real message went through the node in ${slowest} ms.`
          : `A real message went through each node and reached every other one, in at most ${slowest} ms to its sender.`,
      ),
    )
  }
  return findings
}
