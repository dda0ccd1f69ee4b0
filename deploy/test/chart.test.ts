// What the chart makes of its values, as Helm renders it. Shapes are kubeconform's affair; here is what they have to say.
import { spawnSync } from 'node:child_process'
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../apps/relay/src/config.ts'
import {
  chartFolder,
  helm,
  type KubeObject,
  plainEnv,
  render,
  runHelm,
  template,
  valueSets,
  valuesFile,
  withoutHelm,
} from './chart.ts'
import { schemaLocation, tool } from './tools.js'

const folders: string[] = []
afterAll(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true })
})

const kubeconform = tool('kubeconform')
const relayOf = (rendered: { one(kind: string, name?: string): KubeObject }): KubeObject =>
  rendered.one('Deployment', 'chat-pychat').spec.template.spec

describe.skipIf(helm === null)(`the chart (${withoutHelm})`, () => {
  for (const set of valueSets) {
    it(`passes helm lint --strict with the values "${set}"`, () => {
      const { code, stdout, stderr } = runHelm('lint', '--strict', chartFolder, '--values', valuesFile(set))
      expect(code, stdout + stderr).toBe(0)
    })

    it.skipIf(kubeconform === null || schemaLocation === null)(
      `makes objects that kubeconform finds valid with the values "${set}"`,
      () => {
        const { stdout } = template(set)
        const args = ['-strict', '-output', 'json', '-summary', '-schema-location', schemaLocation as string]
        const verdict = spawnSync(kubeconform as string, args, { input: stdout, encoding: 'utf8' })
        const { resources, summary } = JSON.parse(verdict.stdout)
        expect(resources).toEqual([])
        expect(summary).toMatchObject({ invalid: 0, errors: 0, skipped: 0 })
        expect(summary.valid).toBe(render(set).all.length)
      },
    )

    it(`sets nothing that the relay would refuse with the values "${set}"`, () => {
      const [container] = relayOf(render(set)).containers
      const env = plainEnv(container)
      // The kubelet puts the password in before the relay reads the address.
      const url = env['PYCHAT_REDIS_URL']?.replace('$(REDIS_PASSWORD)', 'secret')
      const config = loadConfig({ ...env, PYCHAT_REDIS_URL: url }, 'linux', '/run/pychat')
      expect(config.opsListen.port).toBe(9765)
      expect(config.adminTokenFile).toBe('/etc/pychat/admin/token')
    })

    it(`keeps to the restricted Pod Security Standard with the values "${set}"`, () => {
      const pods = render(set).all.flatMap((object) =>
        object.kind === 'Pod'
          ? [object.spec]
          : object.kind === 'Deployment'
            ? [object.spec.template.spec]
            : [],
      )
      expect(pods.length).toBeGreaterThanOrEqual(2)
      for (const pod of pods) {
        expect(pod.securityContext).toMatchObject({
          runAsNonRoot: true,
          seccompProfile: { type: 'RuntimeDefault' },
        })
        expect(pod.securityContext.runAsUser).toBeGreaterThan(0)
        expect(pod.automountServiceAccountToken).toBe(false)
        for (const container of [...(pod.initContainers ?? []), ...pod.containers]) {
          expect(container.securityContext).toEqual({
            allowPrivilegeEscalation: false,
            readOnlyRootFilesystem: true,
            capabilities: { drop: ['ALL'] },
          })
          expect(container.resources.limits.memory).toBeDefined()
        }
        for (const volume of pod.volumes) expect(Object.keys(volume)).not.toContain('hostPath')
      }
    })
  }

  it('gives a pod time for its pause, its drain and its end', () => {
    for (const drainMs of [0, 3000, 45_500, 60_000]) {
      const pod = relayOf(render('trial', `settings.PYCHAT_DRAIN_MS=${drainMs}`, 'preStopSeconds=8'))
      const [container] = pod.containers
      expect(container.lifecycle.preStop.exec.command).toEqual(['sleep', '8'])
      expect(plainEnv(container)['PYCHAT_DRAIN_MS']).toBe(String(drainMs))
      // A relay ends at most 6 s after its drain.
      expect(pod.terminationGracePeriodSeconds).toBeGreaterThanOrEqual(8 + drainMs / 1000 + 6)
    }
  })

  it('adds a pod before it takes one away', () => {
    const { spec } = render('trial').one('Deployment', 'chat-pychat')
    expect(spec.strategy.rollingUpdate).toEqual({ maxSurge: 1, maxUnavailable: 0 })
  })

  it('asks the ops port how a relay is, and never restarts one for its Redis', () => {
    const [container] = relayOf(render('trial')).containers
    expect(container.readinessProbe.httpGet).toEqual({ path: '/readyz', port: 'ops' })
    for (const probe of [container.livenessProbe, container.startupProbe]) {
      expect(probe.httpGet).toEqual({ path: '/livez', port: 'ops' })
    }
  })

  it('keeps the variables of Service links away from relays, which refuse unknown ones', () => {
    for (const object of render('trial').all) {
      const pod = object.kind === 'Pod' ? object.spec : object.spec?.template?.spec
      if (pod !== undefined) expect(pod.enableServiceLinks).toBe(false)
    }
  })

  it('writes big numbers as the relay reads them', () => {
    const [container] = relayOf(render('trial', 'settings.PYCHAT_LOG_BYTES_MAX=1073741824')).containers
    expect(plainEnv(container)['PYCHAT_LOG_BYTES_MAX']).toBe('1073741824')
  })

  it('tells gateways that the port speaks WebSocket', () => {
    const port = (set: 'trial' | 'loadbalancer') => render(set).one('Service', 'chat-pychat').spec.ports[0]
    expect(port('trial').appProtocol).toBe('kubernetes.io/ws')
    expect(port('loadbalancer').appProtocol).toBe('kubernetes.io/wss')
  })

  it('selects relays alone with every selector', () => {
    const rendered = render('trial')
    const labels = (name: string) => rendered.one('Deployment', name).spec.template.metadata.labels
    const selectors = [
      rendered.one('Service', 'chat-pychat').spec.selector,
      rendered.one('Service', 'chat-pychat-nodes').spec.selector,
      rendered.one('PodDisruptionBudget').spec.selector.matchLabels,
      rendered.one('Deployment', 'chat-pychat').spec.selector.matchLabels,
      rendered.one('NetworkPolicy', 'chat-pychat').spec.podSelector.matchLabels,
    ]
    for (const selector of selectors) {
      expect(labels('chat-pychat')).toMatchObject(selector)
      expect(labels('chat-pychat-redis')).not.toMatchObject(selector)
      expect(rendered.one('Pod').metadata.labels).not.toMatchObject(selector)
    }
  })

  it('puts no version into what an upgrade must not restart', () => {
    const redis = render('trial').one('Deployment', 'chat-pychat-redis').spec.template
    expect(JSON.stringify(redis.metadata)).not.toMatch(/version|checksum|helm\.sh/)
  })

  describe('of Redis', () => {
    it('keeps a plain address in a Secret, and restarts relays when it changes', () => {
      const before = render(null, 'redis.url=redis://a:6379')
      const after = render(null, 'redis.url=redis://b:6379')
      const [container] = relayOf(before).containers
      expect(container.env).toContainEqual({
        name: 'PYCHAT_REDIS_URL',
        valueFrom: { secretKeyRef: { name: 'chat-pychat-redis', key: 'url' } },
      })
      const secret = before.one('Secret', 'chat-pychat-redis')
      expect(Buffer.from(secret.data.url, 'base64').toString()).toBe('redis://a:6379')
      const sum = ({ one }: typeof before) =>
        one('Deployment').spec.template.metadata.annotations['checksum/redis-url']
      expect(sum(before)).not.toBe(sum(after))
    })

    it('takes the whole address from a Secret of one’s own', () => {
      const rendered = render('gateway')
      expect(relayOf(rendered).containers[0].env).toContainEqual({
        name: 'PYCHAT_REDIS_URL',
        valueFrom: { secretKeyRef: { name: 'redis-cluster', key: 'address' } },
      })
      expect(rendered.all.filter(({ kind }) => kind === 'Secret')).toHaveLength(1)
    })

    it('takes the password alone from a Secret of one’s own, before the address that names it', () => {
      const env: KubeObject[] = relayOf(render('ingress')).containers[0].env
      const names = env.map(({ name }) => name)
      expect(env).toContainEqual({
        name: 'REDIS_PASSWORD',
        valueFrom: { secretKeyRef: { name: 'redis-users', key: 'pychat' } },
      })
      expect(names.indexOf('REDIS_PASSWORD')).toBeLessThan(names.indexOf('PYCHAT_REDIS_URL'))
      expect(env).toContainEqual({ name: 'NODE_EXTRA_CA_CERTS', value: '/etc/pychat/redis-ca/ca.crt' })
    })

    it('brings its own for trials, with a password that is in no command line', () => {
      const rendered = render('trial')
      const { stringData } = rendered.one('Secret', 'chat-pychat-redis')
      expect(stringData.password).toMatch(/^[A-Za-z0-9]{40}$/)
      expect(stringData['redis.conf']).toContain(`requirepass ${stringData.password}\n`)
      for (const { kind, spec } of rendered.all) {
        if (kind === 'Deployment') expect(JSON.stringify(spec)).not.toContain(stringData.password)
      }
      expect(rendered.one('Deployment', 'chat-pychat-redis').spec.strategy).toEqual({ type: 'Recreate' })
    })

    it.each([
      [[], /Say where rooms live/],
      [['redis.url=redis://a', 'redis.existingSecret=b'], /exclude each other/],
      [['redis.url=redis://a', 'redis.passwordSecret=b'], /needs a redis\.url with \$\(REDIS_PASSWORD\)/],
      [['redis.url=redis://:$(REDIS_PASSWORD)@a'], /passwordSecret has to name/],
    ])('refuses %j', (sets, message) => {
      const { code, stderr } = template(null, ...sets)
      expect(code).not.toBe(0)
      expect(stderr).toMatch(message)
    })
  })

  describe('of the way in', () => {
    it('has neither Ingress nor HTTPRoute unless asked', () => {
      const rendered = render('trial')
      expect(rendered.has('Ingress')).toBe(false)
      expect(rendered.has('HTTPRoute')).toBe(false)
    })

    it('leads an Ingress and an HTTPRoute to the chat port', () => {
      const [rule] = render('ingress').one('Ingress').spec.rules
      expect(rule.http.paths[0].backend.service).toEqual({ name: 'chat-pychat', port: { name: 'chat' } })
      const route = render('gateway').one('HTTPRoute').spec
      expect(route.rules[0].backendRefs).toEqual([{ name: 'chat-pychat', port: 8765 }])
      expect(route.hostnames).toEqual(['chat.example.org'])
    })

    it.each([
      ['ingress.enabled=true,ingress.hosts={chat.example.org}', /PYCHAT_TRUSTED_PROXIES/],
      ['httpRoute.enabled=true,httpRoute.parentRefs[0].name=public', /PYCHAT_TRUSTED_PROXIES/],
      ['ingress.enabled=true,settings.PYCHAT_TRUSTED_PROXIES=10.0.0.0/8', /ingress\.hosts/],
      ['httpRoute.enabled=true,settings.PYCHAT_TRUSTED_PROXIES=10.0.0.0/8', /httpRoute\.parentRefs/],
    ])('refuses %s', (set, message) => {
      const { code, stderr } = template('trial', set)
      expect(code).not.toBe(0)
      expect(stderr).toMatch(message)
    })
  })

  describe('of size', () => {
    it('leaves the number of pods to the autoscaler', () => {
      expect(render('trial', 'replicaCount=5').one('Deployment', 'chat-pychat').spec.replicas).toBe(5)
      expect(render('gateway').one('Deployment').spec).not.toHaveProperty('replicas')
    })

    it('goes by connections per pod, or by CPU, and shrinks by one pod a minute', () => {
      const { spec } = render('gateway').one('HorizontalPodAutoscaler')
      expect(spec.metrics).toEqual([
        {
          type: 'Pods',
          pods: {
            metric: { name: 'pychat_relay_connections' },
            target: { type: 'AverageValue', averageValue: '8000' },
          },
        },
      ])
      expect(spec.behavior.scaleDown).toEqual({
        stabilizationWindowSeconds: 900,
        policies: [{ type: 'Pods', value: 1, periodSeconds: 60 }],
      })
      const [cpu] = render('loadbalancer').one('HorizontalPodAutoscaler').spec.metrics
      expect(cpu.resource).toEqual({ name: 'cpu', target: { type: 'Utilization', averageUtilization: 60 } })
    })

    it('refuses an autoscaler that cannot grow', () => {
      expect(template('gateway', 'autoscaling.maxReplicas=2').stderr).toMatch(/maxReplicas is less than/)
    })

    it('spreads relays over zones, then nodes', () => {
      const keys = relayOf(render('trial')).topologySpreadConstraints.map(
        ({ topologyKey }: KubeObject) => topologyKey,
      )
      expect(keys).toEqual(['topology.kubernetes.io/zone', 'kubernetes.io/hostname'])
      expect(relayOf(render('loadbalancer'))).not.toHaveProperty('topologySpreadConstraints')
    })
  })

  describe('of the network policy', () => {
    it('lets nobody but those named to metrics and the admin API', () => {
      const ports = (set: 'trial' | 'ingress') =>
        render(set)
          .one('NetworkPolicy', 'chat-pychat')
          .spec.ingress.map(({ ports, from }: KubeObject) => [ports[0].port, from?.length ?? 'anybody'])
      expect(ports('trial')).toEqual([['chat', 'anybody']])
      // The named one, and the chart's own test.
      expect(ports('ingress')).toEqual([
        ['chat', 2],
        ['ops', 1],
      ])
    })

    it('lets relays out to names and Redis alone', () => {
      const egress = render('ingress').one('NetworkPolicy').spec.egress
      expect(egress.map(({ ports }: KubeObject) => ports.map(({ port }: KubeObject) => port))).toEqual([
        [53, 53],
        [6379, 26_379],
      ])
      expect(egress[1].to).toEqual([{ ipBlock: { cidr: '10.20.0.0/24' } }])
    })
  })

  describe('of monitoring', () => {
    it('makes none of its objects unless asked', () => {
      const rendered = render('trial')
      for (const kind of ['ServiceMonitor', 'PrometheusRule', 'ConfigMap'])
        expect(rendered.has(kind)).toBe(false)
    })

    it('scrapes the ops port of every relay, ready or not, as job "pychat"', () => {
      const rendered = render('ingress')
      const { spec } = rendered.one('ServiceMonitor')
      const nodes = rendered.one('Service', 'chat-pychat-nodes')
      expect(nodes.metadata.labels).toMatchObject(spec.selector.matchLabels)
      expect(rendered.one('Service', 'chat-pychat').metadata.labels).not.toMatchObject(
        spec.selector.matchLabels,
      )
      expect(nodes.metadata.labels[spec.jobLabel]).toBe('pychat')
      expect(nodes.spec).toMatchObject({ clusterIP: 'None', publishNotReadyAddresses: true })
      expect(nodes.spec.ports.map(({ name }: KubeObject) => name)).toContain(spec.endpoints[0].port)
    })

    it('watches this release alone, with all rules but those left out', () => {
      const [group] = render('ingress').one('PrometheusRule').spec.groups
      const names = group.rules.map(({ alert }: KubeObject) => alert)
      expect(names).toContain('PyChatNodeMissing')
      expect(names).not.toContain('PyChatOverloaded')
      for (const rule of group.rules) {
        expect(rule.expr).toContain('namespace="people",service="chat-pychat-nodes"')
        expect(rule.expr.match(/job="pychat"/g)).toHaveLength(rule.expr.match(/namespace="people"/g).length)
        expect(rule.annotations['runbook_url']).toMatch(
          /^https:\/\/git\.example\.org\/pychat\/blob\/main\/docs\/operations\.md#/,
        )
      }
    })

    it('does not mind missing nodes where an autoscaler takes them away', () => {
      const [group] = render('gateway').one('PrometheusRule').spec.groups
      expect(group.rules.map(({ alert }: KubeObject) => alert)).not.toContain('PyChatNodeMissing')
    })

    it('hands the dashboard to Grafana’s sidecar as it is', () => {
      const { data, metadata } = render('ingress').one('ConfigMap')
      expect(metadata.labels['grafana_dashboard']).toBe('1')
      expect(data['pychat.json'].trim()).toBe(
        readFileSync(`${chartFolder}/files/dashboard.json`, 'utf8').trim(),
      )
    })
  })

  it('tests itself with the image’s own client, and leaves nothing behind when that passed', () => {
    const pod = render('trial', 'replicaCount=1').one('Pod')
    expect(pod.metadata.annotations).toEqual({
      'helm.sh/hook': 'test',
      'helm.sh/hook-delete-policy': 'before-hook-creation,hook-succeeded',
    })
    const [container] = pod.spec.containers
    expect(container.image).toBe('pychat:0.1.0')
    expect(plainEnv(container)).toEqual({ NODES: 'chat-pychat-nodes', NODES_WANTED: '1' })
    expect(plainEnv(render('gateway').one('Pod').spec.containers[0])['NODES_WANTED']).toBe('2')
    expect(container.args[0].trim()).toBe(readFileSync(`${chartFolder}/files/two-pods.js`, 'utf8').trim())
    // Kubernetes would put a variable in its place.
    expect(container.args[0]).not.toContain('$(')
  })

  it('ends an install with the next commands', () => {
    // Helm renders notes only when it installs: here they are rendered as an object.
    const folder = mkdtempSync(join(tmpdir(), 'pychat-chart-'))
    folders.push(folder)
    cpSync(chartFolder, folder, { recursive: true })
    const notes = readFileSync(join(folder, 'templates/NOTES.txt'), 'utf8')
    writeFileSync(
      join(folder, 'templates/notes.yaml'),
      `{{- define "notes" -}}\n${notes}{{- end -}}\nkind: Notes\ntext: |\n{{ include "notes" . | indent 2 }}\n`,
    )
    const shown = (...sets: string[]) => {
      const { code, stdout, stderr } = runHelm(
        ...['template', 'chat', folder, '--namespace', 'people', '--show-only', 'templates/notes.yaml'],
        ...sets.flatMap((each) => ['--set', each]),
      )
      expect(code, stderr).toBe(0)
      return stdout
    }
    const trial = shown('redis.builtin.enabled=true')
    expect(trial).toContain('helm test chat --namespace people')
    expect(trial).toContain('kubectl --namespace people exec deployment/chat-pychat -- pychat-admin servers')
    expect(trial).toContain('kubectl --namespace people port-forward service/chat-pychat 8765:8765')
    expect(trial).toContain('That is for trials')
    const open = shown('redis.url=redis://a', 'service.type=LoadBalancer')
    expect(open).toContain('without TLS')
    expect(open).not.toContain('trials')
  })
})
