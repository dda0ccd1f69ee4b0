// How this node finds itself: its files, its listen address, its Redis, and one real message through its own door. It
// measures; what is bad of it is said by pychat-admin doctor. One look at a time, however often it is asked for.
import { readdir, readFile } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import {
  type AdminNode,
  type DiagnosisAsk,
  type NodeDiagnosis,
  type Reach,
  type RedisDiagnosis,
  reachOf,
} from '@pychat/protocol'
import type { RelayConfig } from '../config.ts'
import { probe } from './probe.ts'

export type DiagnosisOptions = {
  config: RelayConfig
  describeNode(): AdminNode
  /** The client port in use. */
  port(): number
  loopLagMs(): number
  /** Null for an embedded node. */
  redis: (() => Promise<RedisDiagnosis>) | null
}

export type Diagnose = (ask: DiagnosisAsk) => Promise<NodeDiagnosis>

export function createDiagnosis(options: DiagnosisOptions): Diagnose {
  const { config } = options
  let under: { room: string; way: Promise<NodeDiagnosis> } | null = null

  async function look({ room, nodes }: DiagnosisAsk): Promise<NodeDiagnosis> {
    const { node, version, state, listen, connections } = options.describeNode()
    const url = `${config.tls === null ? 'ws' : 'wss'}://${ownHost(config.listen.host)}:${options.port()}`
    const [redis, probed, files, filesMax] = await Promise.all([
      options.redis === null ? null : options.redis(),
      probe({ url, node, room, nodes }),
      readdir('/proc/self/fd').then(
        ({ length }) => length,
        () => null,
      ),
      openFilesMax(),
    ])
    return {
      node,
      version,
      state,
      listen,
      reach: reachOfListener(config.listen.host),
      tls: config.tls !== null,
      trustedProxies: config.trustedProxies.rules.length > 0,
      connections,
      connectionsMax: config.connectionsMax,
      openFiles: files,
      openFilesMax: filesMax,
      graceMs: config.graceMs,
      loopLagMs: options.loopLagMs(),
      redis,
      probe: probed,
    }
  }

  return (ask) => {
    // The node that an operator asks hears the question twice: from itself, and with the others.
    if (under?.room === ask.room) return under.way
    const way = look(ask)
    under = { room: ask.room, way }
    return way
  }
}

/** Where a listener of this host answers its own machine. */
function ownHost(host: string): string {
  if (host === '0.0.0.0') return '127.0.0.1'
  if (/^[0:]*$/.test(host)) return '[::1]'
  return host.includes(':') ? `[${host}]` : host
}

function reachOfListener(host: string): Reach {
  if (host !== '0.0.0.0' && !/^[0:]*$/.test(host)) return reachOf(host)
  const addresses = Object.values(networkInterfaces()).flatMap((each) => each ?? [])
  const isPublic = addresses.some(({ address, internal }) => !internal && reachOf(address) === 'public')
  return isPublic ? 'public' : 'private'
}

/** The soft limit, which Node raises to the hard one when it starts. @returns null where the system does not say */
async function openFilesMax(): Promise<number | null> {
  try {
    const limits = await readFile('/proc/self/limits', 'utf8')
    const soft = /^Max open files\s+(\d+)\s/m.exec(limits)?.[1]
    return soft === undefined ? null : Number(soft)
  } catch {
    return null
  }
}
