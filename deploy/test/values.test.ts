// The chart's values: each explained, each in the schema, and nothing else let in.
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { configDocs } from '../../apps/relay/src/config.ts'
import { chartFolder, helm, type KubeObject, readYaml, template, withoutHelm } from './chart.ts'

const schema: KubeObject = JSON.parse(readFileSync(`${chartFolder}/values.schema.json`, 'utf8'))
const { version } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/** What the chart sets by itself, from other values. */
const chartsOwn = new Set([
  'PYCHAT_LISTEN',
  'PYCHAT_OPS_LISTEN',
  'PYCHAT_REDIS_URL',
  'PYCHAT_ADMIN_TOKEN',
  'PYCHAT_ADMIN_TOKEN_FILE',
  'PYCHAT_TLS_CERT',
  'PYCHAT_TLS_KEY',
  'PYCHAT_STATE_DIR',
])

/** Settings of the relay with their forms, from the table that prints docs/configuration.md. */
function relaySettings(): Map<string, string> {
  const rows = configDocs().matchAll(/^\| `(PYCHAT_[A-Z_]+)` \| .*? \| (.*?) \|/gm)
  return new Map([...rows].map(([, name = '', form = '']) => [name, form]))
}

describe('values.schema.json', () => {
  it('knows every setting of the relay, with its range, but those that the chart sets itself', () => {
    const known = schema.properties.settings.properties
    const settings = [...relaySettings()].filter(([name]) => !chartsOwn.has(name))
    expect(settings.length).toBeGreaterThan(10)
    expect(Object.keys(known).sort()).toEqual(settings.map(([name]) => name).sort())
    for (const [name, form] of settings) {
      const range = /^(\d+)\.\.(\d+)$/.exec(form)
      if (range !== null) {
        expect(known[name], name).toEqual({
          type: 'integer',
          minimum: Number(range[1]),
          maximum: Number(range[2]),
        })
      } else if (/^[a-z]+(, [a-z]+)+$/.test(form)) {
        expect(known[name], name).toEqual({ enum: form.split(', ') })
      } else {
        expect(known[name].type, name).toBe('string')
      }
    }
  })

  it('lets nothing in that it does not name, at every depth of its own', () => {
    const open: string[] = []
    const look = (at: KubeObject, path: string) => {
      if (at?.properties === undefined) return
      if (at.additionalProperties !== false) open.push(path)
      for (const [key, value] of Object.entries(at.properties)) look(value, `${path}.${key}`)
    }
    look(schema, 'values')
    expect(open.filter((path) => !path.startsWith('values.global'))).toEqual([])
  })

  it('names what values.yaml has, and nothing more', () => {
    const compare = (values: KubeObject, properties: KubeObject, path: string) => {
      const named = Object.keys(properties).filter((key) => key !== 'global')
      // Settings without a value of the chart's own keep the relay's default.
      const wanted = path === 'values.settings' ? named.filter((key) => key in values) : named
      expect(Object.keys(values).sort(), path).toEqual(wanted.sort())
      for (const key of wanted) {
        const { properties: deeper } = properties[key]
        if (deeper !== undefined && key !== 'timeouts') compare(values[key], deeper, `${path}.${key}`)
      }
    }
    compare(readYaml('deploy/helm/values.yaml'), schema.properties, 'values')
  })
})

describe('values.yaml', () => {
  it('explains every value with a comment for helm-docs', () => {
    const lines = readFileSync(`${chartFolder}/values.yaml`, 'utf8').split('\n')
    const bare: string[] = []
    let explained = -1
    for (const [i, line] of lines.entries()) {
      const key = /^( *)([A-Za-z_]+):(.*)$/.exec(line)
      if (key === null) continue
      const indent = key[1]?.length ?? 0
      // Below a value that is explained as a whole, like resources.
      if (explained >= 0 && indent > explained) continue
      explained = -1
      let above = i - 1
      while (/^ *# (?!--)/.test(lines[above] ?? '')) above -= 1
      if (/^ *# -- [A-Z"]/.test(lines[above] ?? '')) explained = indent
      // A mere group of values explains itself by its parts.
      else if (key[3] !== '') bare.push(`${i + 1}: ${line}`)
    }
    expect(bare).toEqual([])
  })

  it('is about this version of PyChat', () => {
    expect(readYaml('deploy/helm/Chart.yaml')).toMatchObject({ appVersion: version })
  })

  it('and compose bring the same Redis', () => {
    const compose = readYaml('docker-compose.yml').services.redis.image
    expect(readYaml('deploy/helm/values.yaml').redis.builtin.image).toBe(compose)
  })
})

describe.skipIf(helm === null)(`Helm refuses values that cannot be meant (${withoutHelm})`, () => {
  it.each([
    ['replicas=3', /replicas/],
    ['replicaCount=0', /replicaCount/],
    ['replicaCount=three', /replicaCount/],
    ['image.repo=pychat', /image/],
    ['image.digest=sha256:1', /image\/digest/],
    ['image.pullPolicy=Sometimes', /pullPolicy/],
    ['fullnameOverride=Chat', /fullnameOverride/],
    ['settings.PYCHAT_DRAIN=5', /PYCHAT_DRAIN/],
    ['settings.PYCHAT_DRAIN_MS=60001', /PYCHAT_DRAIN_MS/],
    ['settings.PYCHAT_LOG_LEVEL=loud', /PYCHAT_LOG_LEVEL/],
    ['settings.PYCHAT_LISTEN=0.0.0.0:1', /PYCHAT_LISTEN/],
    ['settings.PYCHAT_ADMIN_TOKEN=0123456789abcdef', /PYCHAT_ADMIN_TOKEN/],
    ['extraEnv.PYCHAT_GRACE_MS=1', /PYCHAT_GRACE_MS/],
    ['redis.host=redis', /redis/],
    ['redis.url=http://redis', /redis\/url/],
    ['redis.builtin.persistence=true', /builtin/],
    ['admin.token=0123456789abcdef', /admin/],
    ['listenHost=10.0.0.1', /listenHost/],
    ['preStopSeconds=0', /preStopSeconds/],
    ['service.type=ExternalName', /service\/type/],
    ['service.port=70000', /service\/port/],
    ['ingress.hosts=chat.example.org', /ingress\/hosts/],
    ['ingress.hosts={https://chat.example.org}', /ingress\/hosts/],
    ['httpRoute.timeouts.idle=1s', /timeouts/],
    ['autoscaling.metric=memory', /autoscaling\/metric/],
    ['podDisruptionBudget.minAvailable=1', /podDisruptionBudget/],
    ['topologySpread.whenUnsatisfiable=Maybe', /whenUnsatisfiable/],
    ['networkPolicy.redisPorts={}', /redisPorts/],
    ['serviceMonitor.interval=often', /interval/],
    ['prometheusRule.runbookBase=docs', /runbookBase/],
    ['resources.request.cpu=1', /resources/],
    ['tolerations=all', /tolerations/],
  ])('%s', (set, message) => {
    const { code, stderr } = template('trial', set)
    expect(code).not.toBe(0)
    expect(stderr).toMatch(/schema/)
    expect(stderr).toMatch(message)
  })
})
