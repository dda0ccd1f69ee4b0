// npm run kube-test: the chart on a real cluster, in a namespace of its own that enforces the restricted profile. Installs three
// relays, lets two clients on two pods chat, and rolls, kills and scales the relays under a load that judges what
// everybody was shown (npm run chaos -- --at). Needs kubectl with rights to make a namespace, helm, the image on the nodes, and a
// machine that reaches addresses of Services and pods: one of the nodes does. deploy/test/README.md says how to run it.
import { execFile, spawn, spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as pause } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { tool } from './tools.js'

const root = fileURLToPath(new URL('../..', import.meta.url))
const usage = `npm run kube-test -- [options]

  --image NAME:TAG      image of the relays, as the nodes have it (pychat:local unless given)
  --redis NAME:TAG      image of the built-in Redis (the chart's unless given)
  --namespace NAME      pychat-kube-test unless given; it must not exist
  --rate N              messages per second, over 8 rooms of 4 (40 unless given)
  --keep                leaves namespace and release behind
`
const release = 'pychat'

/** What is said of a step when it did not come out as it has to. */
class Failed extends Error {}

const { values: options } = parseArgs({
  options: {
    image: { type: 'string', default: 'pychat:local' },
    redis: { type: 'string' },
    namespace: { type: 'string', default: 'pychat-kube-test' },
    rate: { type: 'string', default: '40' },
    keep: { type: 'boolean', default: false },
    help: { type: 'boolean', default: false },
  },
})
if (options.help) {
  process.stdout.write(usage)
  process.exit(0)
}
const { namespace } = options
const helm = tool('helm')
const say = (text) => process.stdout.write(`${text}\n`)

/** Runs a program and gives its stdout. */
function run(program, args, { env = process.env, withinMs = 300_000 } = {}) {
  return new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      { env, cwd: root, timeout: withinMs, maxBuffer: 2 ** 26 },
      (error, stdout, stderr) => {
        if (error === null) return resolve(stdout.trim())
        reject(
          new Failed(`${program} ${args.slice(0, 3).join(' ')} failed: ${stderr.trim() || stdout.trim()}`),
        )
      },
    )
  })
}
const kubectl = (...args) => run('kubectl', ['--namespace', namespace, ...args])
const json = async (...args) => JSON.parse(await kubectl(...args, '--output=json'))

const [, repository, tag] = /^(.+):([^:/]+)$/.exec(options.image) ?? []
const values = [
  ...['--set', `image.repository=${repository},image.tag=${tag}`],
  ...['--set', 'redis.builtin.enabled=true,networkPolicy.enabled=true'],
  ...(options.redis === undefined ? [] : ['--set', `redis.builtin.image=${options.redis}`]),
]
const upgrade = (...more) =>
  run(
    helm,
    [
      ...['upgrade', release, 'deploy/helm', '--namespace', namespace, ...values, ...more],
      ...['--wait', '--timeout', '8m'],
    ],
    { withinMs: 500_000 },
  )

async function relays() {
  const { items } = await json('get', 'pods', '--selector=app.kubernetes.io/component=relay')
  return items.map(({ metadata, status, spec }) => ({
    name: metadata.name,
    address: status.podIP,
    leaving: metadata.deletionTimestamp !== undefined,
    ready: status.conditions?.some(({ type, status: is }) => type === 'Ready' && is === 'True') ?? false,
    restarts: status.containerStatuses?.reduce((sum, { restartCount }) => sum + restartCount, 0) ?? 0,
    graceSeconds: spec.terminationGracePeriodSeconds,
  }))
}

/** Until just so many relays are there, all ready, and none that leaves. */
async function settled(count) {
  const deadline = Date.now() + 240_000
  for (;;) {
    const pods = await relays()
    if (pods.length === count && pods.every(({ ready, leaving }) => ready && !leaving)) return pods
    if (Date.now() > deadline) throw new Failed(`there are no ${count} ready relays: ${JSON.stringify(pods)}`)
    await pause(1000)
  }
}

/** Does something under load, and gives what the members' judge says of it. */
async function underLoad(act) {
  const { spec } = await json('get', 'service', release)
  const at = `ws://${spec.clusterIP.includes(':') ? `[${spec.clusterIP}]` : spec.clusterIP}:${spec.ports[0].port}`
  const child = spawn(
    process.execPath,
    [join(root, 'loadtest/chaos/dist/main.js'), '--at', at, '--rate', options.rate],
    { stdio: ['ignore', 'pipe', 'pipe'] },
  )
  let page = ''
  let progress = ''
  child.stdout.on('data', (text) => {
    page += text
  })
  const ended = new Promise((resolve) => child.once('close', resolve))
  const everybodyIn = new Promise((resolve) => {
    createInterface({ input: child.stderr }).on('line', (line) => {
      progress = line
      if (line.endsWith('everybody is in')) resolve(true)
    })
  })
  if ((await Promise.race([everybodyIn, ended])) !== true)
    throw new Failed(`the load did not start: ${progress}`)
  let seen
  try {
    await pause(3000)
    seen = await act()
    await pause(5000)
  } finally {
    child.kill('SIGINT')
  }
  const code = await ended
  if (code !== 0) throw new Failed(`the load was not served well.\n${page || progress}`)
  const figure = (name) => new RegExp(`^\\| ${name} \\|.*$`, 'm').exec(page)?.[0] ?? ''
  return [
    seen,
    figure('resume'),
    figure('delivery'),
    figure('longest pause of a member'),
    /^Sent .*$/m.exec(page)?.[0],
  ]
    .filter(Boolean)
    .join('\n      ')
}

const steps = {
  async 'a namespace that enforces the restricted profile'() {
    await run('kubectl', ['create', 'namespace', namespace])
    await run('kubectl', [
      ...['label', 'namespace', namespace],
      ...['enforce', 'audit', 'warn'].map((mode) => `pod-security.kubernetes.io/${mode}=restricted`),
    ])
  },
  async 'helm install, three relays'() {
    await run(
      helm,
      [
        ...[
          'install',
          release,
          'deploy/helm',
          '--namespace',
          namespace,
          ...values,
          '--set',
          'replicaCount=3',
        ],
        ...['--wait', '--timeout', '5m'],
      ],
      { withinMs: 320_000 },
    )
    const pods = await settled(3)
    return pods.map(({ name, address }) => `${name} ${address}`).join(', ')
  },
  async 'helm test'() {
    const said = await run(helm, ['test', release, '--namespace', namespace, '--timeout', '3m'])
    return said
      .split('\n')
      .filter((line) => line.startsWith('Phase'))
      .join(' ')
  },
  async 'two pychat clients on two pods chat'() {
    const [one, two] = await settled(3)
    const bin = join(root, 'node_modules/.bin')
    const env = { ...process.env, PATH: `${bin}:${process.env.PATH}`, NODES: `${one.address},${two.address}` }
    return (await run(process.execPath, ['deploy/helm/files/two-pods.js'], { env })).split('\n').join(' ')
  },
  'helm upgrade under load': () =>
    underLoad(async () => {
      const before = await settled(3)
      await upgrade('--set', 'replicaCount=3,podAnnotations.rolled=once')
      const after = await settled(3)
      const stayed = after.filter(({ name }) => before.some((pod) => pod.name === name))
      if (stayed.length > 0) throw new Failed(`${stayed.length} relays were not replaced`)
      return 'all three were replaced'
    }),
  'a pod deleted without grace, three times': () =>
    underLoad(async () => {
      for (let turn = 0; turn < 3; turn += 1) {
        const [victim] = await settled(3)
        await kubectl('delete', 'pod', victim.name, '--grace-period=0', '--force')
        await pause(2000)
        await settled(3)
        await pause(3000)
      }
    }),
  'scaling 3 to 5 to 2 under load': () =>
    underLoad(async () => {
      await upgrade('--set', 'replicaCount=5,podAnnotations.rolled=once')
      await settled(5)
      await pause(5000)
      await upgrade('--set', 'replicaCount=2,podAnnotations.rolled=once')
      const pods = await settled(2)
      const restarts = pods.reduce((sum, pod) => sum + pod.restarts, 0)
      if (restarts > 0) throw new Failed(`relays restarted ${restarts} times`)
    }),
  async 'helm uninstall leaves nothing behind'() {
    await run(helm, ['uninstall', release, '--namespace', namespace, '--wait', '--timeout', '3m'])
    const kinds = (await run('kubectl', ['api-resources', '--namespaced', '--verbs=list', '--output=name']))
      .split('\n')
      .filter((kind) => !kind.startsWith('events'))
    const deadline = Date.now() + 120_000
    for (;;) {
      const names = (await kubectl('get', kinds.join(','), '--output=name')).split('\n')
      const left = names.filter(
        (name) => !['', 'configmap/kube-root-ca.crt', 'serviceaccount/default'].includes(name),
      )
      if (left.length === 0) return `of ${kinds.length} kinds, none but what every namespace has`
      if (Date.now() > deadline) throw new Failed(`left behind: ${left.join(', ')}`)
      await pause(1000)
    }
  },
}

if (helm === null || spawnSync('kubectl', ['version', '--client']).status !== 0 || tag === undefined) {
  process.stderr.write(
    tag === undefined
      ? 'kube-test: --image has to be like pychat:local.\n'
      : 'kube-test: kubectl and helm are needed; node deploy/test/tools.js fetches helm.\n',
  )
  process.exit(2)
}
let code = 0
for (const [name, step] of Object.entries(steps)) {
  const startedAt = Date.now()
  try {
    const seen = await step()
    say(`ok    ${name} (${Math.round((Date.now() - startedAt) / 1000)} s)${seen ? `\n      ${seen}` : ''}`)
  } catch (error) {
    if (!(error instanceof Failed)) throw error
    say(`FAILED ${name}: ${error.message}`)
    code = 1
    break
  }
}
if (!options.keep)
  await run('kubectl', ['delete', 'namespace', namespace, '--ignore-not-found', '--wait']).catch(() => {})
process.exit(code)
