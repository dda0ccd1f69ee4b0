// docker-compose.yml without Docker: what it hands to relays, who may speak to whom, and the script that makes the token.
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { loadConfig } from '../../apps/relay/src/config.ts'
import { type KubeObject, readYaml } from './chart.ts'

const compose = readYaml('docker-compose.yml')
const services: Record<string, KubeObject> = compose.services
const root = fileURLToPath(new URL('../..', import.meta.url))

/** Takes the default of each ${NAME:-default}. */
function byDefault(text: string): string {
  return text.replaceAll(/\$\{[A-Z_]+:-([^}]*)\}/g, '$1')
}

const folder = mkdtempSync(join(tmpdir(), 'pychat-compose-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('docker-compose.yml', () => {
  it('sets nothing that the relay would refuse, and waits for its drain', () => {
    const env = Object.fromEntries(
      Object.entries<string>(services['relay'].environment).map(([name, value]) => [name, byDefault(value)]),
    )
    const config = loadConfig(env, 'linux', '/run/pychat')
    expect(config.opsListen).toEqual({ host: '0.0.0.0', port: 9765 })
    const graceMs = 1000 * Number(/^(\d+)s$/.exec(services['relay'].stop_grace_period)?.[1])
    expect(graceMs).toBeGreaterThanOrEqual(config.drainMs + 6000)
    expect(config.connectionsMax).toBeLessThan(Number(byDefault(services['relay'].ulimits.nofile.soft)))
  })

  it('makes the token of the admin API once, for its own user alone, and never prints it', () => {
    const [, , script] = services['secrets'].command as [string, string, string]
    const file = join(folder, 'admin-token')
    const inPlace = script.replaceAll('/run/pychat', folder)
    const run = () => spawnSync(process.execPath, ['--eval', inPlace], { encoding: 'utf8' })
    const first = run()
    expect([first.status, first.stdout, first.stderr]).toEqual([0, '', ''])
    const token = readFileSync(file, 'utf8')
    expect(token).toMatch(/^[0-9a-f]{64}$/)
    expect(statSync(file).mode & 0o777).toBe(0o400)
    expect(run().status).toBe(0)
    expect(readFileSync(file, 'utf8')).toBe(token)
    expect(existsSync(`${file}.new`)).toBe(false)
    // Where it is made is where relays look for it.
    const [, mountedAt] = services['relay'].volumes[0].split(':')
    expect(services['relay'].environment['PYCHAT_ADMIN_TOKEN_FILE']).toBe(`${mountedAt}/admin-token`)
    expect(services['secrets'].volumes[0].split(':')[0]).toBe(services['relay'].volumes[0].split(':')[0])
  })

  it('gives no service more than it needs', () => {
    for (const [name, service] of Object.entries(services)) {
      expect(service.read_only, name).toBe(true)
      expect(service.cap_drop, name).toEqual(['ALL'])
      expect(service.security_opt, name).toEqual(['no-new-privileges:true'])
      expect(service, name).not.toHaveProperty('privileged')
      expect(JSON.stringify(service), name).not.toContain('docker.sock')
    }
  })

  it('keeps Redis and metrics on networks without a way out, and relays without a port of the host', () => {
    expect(compose.networks.store.internal).toBe(true)
    expect(compose.networks.ops.internal).toBe(true)
    expect(services['redis'].networks).toEqual(['store'])
    for (const name of ['redis', 'relay', 'secrets']) expect(services[name], name).not.toHaveProperty('ports')
    for (const name of ['front', 'grafana']) {
      expect(services[name].networks, name).not.toContain('store')
      expect(services[name].networks, name).not.toContain('ops')
    }
  })

  it('builds the image of the relays once: a second build would count as a change and restart them all', () => {
    const built = Object.keys(services).filter((name) => services[name].build !== undefined)
    expect(built).toEqual(['relay'])
    expect(services['secrets']).toMatchObject({ image: services['relay'].image, pull_policy: 'never' })
  })

  it('updates without a difference that the next "up" would take for a change', () => {
    // Compose counts these among what makes a container another one: more replicas, and dependencies that are left out.
    expect(services['relay']).not.toHaveProperty('deploy')
    expect(readFileSync(join(root, 'deploy/update.sh'), 'utf8')).not.toContain('--no-deps')
  })

  it('takes what may be chosen from .env, whose example names all of it with its default', () => {
    const text = (name: string) => readFileSync(join(root, name), 'utf8')
    const both = text('docker-compose.yml') + text('deploy/compose.tls.yml')
    const defaults = new Map(
      [...both.matchAll(/\$\{([A-Z_]+):-([^}]*)\}/g)].map(([, name, value]) => [name, value]),
    )
    const example = new Map(
      [...text('.env.example').matchAll(/^#([A-Z_]+)=(.*)$/gm)].map(([, name, value]) => [name, value]),
    )
    for (const [name, value] of defaults) expect(example.get(name), name).toBe(value)
    // Compose's own, and the one without a default.
    const others = [...example.keys()].filter((name) => !defaults.has(name))
    expect(others.sort()).toEqual(['COMPOSE_FILE', 'COMPOSE_PROFILES', 'PYCHAT_DOMAIN'])
    for (const file of example.get('COMPOSE_FILE')?.split(':') ?? [])
      expect(existsSync(join(root, file)), file).toBe(true)
  })

  it('gives the front door a way to its certificate that its configuration knows', () => {
    const caddyfile = readFileSync(join(root, 'deploy/caddy/Caddyfile'), 'utf8')
    const ways = [...caddyfile.matchAll(/^\(tls-(\w+)\) \{$/gm)].map(([, way]) => way)
    expect(ways).toEqual(['automatic', 'internal'])
    const tls = readFileSync(join(root, 'deploy/compose.tls.yml'), 'utf8')
    expect(ways).toContain(byDefault(/FRONT_TLS: (.+)/.exec(tls)?.[1] ?? ''))
    expect(ways).toContain(services['front'].environment.FRONT_TLS)
  })

  describe('--profile monitoring', () => {
    it('is what Prometheus and Grafana need, and nothing without it', () => {
      const monitoring = Object.keys(services).filter((name) => services[name].profiles !== undefined)
      expect(monitoring).toEqual(['prometheus', 'grafana'])
      for (const name of monitoring) expect(services[name].profiles).toEqual(['monitoring'])
    })

    it('opens its pages on this machine alone', () => {
      for (const name of ['prometheus', 'grafana']) {
        for (const port of services[name].ports) expect(port).toMatch(/^127\.0\.0\.1:/)
      }
    })

    it('mounts files that are there, read-only: the chart’s rules and dashboard among them', () => {
      const mounts = ['prometheus', 'grafana'].flatMap((name) =>
        (services[name].volumes as string[]).filter((volume) => volume.startsWith('./')),
      )
      for (const mount of mounts) {
        const [source = '', , mode] = mount.split(':')
        expect(existsSync(join(root, source)), source).toBe(true)
        expect(mode, source).toBe('ro')
      }
      expect(mounts).toContain('./deploy/helm/files/alerts.yml:/etc/prometheus/alerts.yml:ro')
      expect(mounts).toContain('./deploy/helm/files/dashboard.json:/etc/pychat/dashboards/pychat.json:ro')
    })

    it('finds the relays however many there are', () => {
      const [job] = readYaml('deploy/monitoring/prometheus.yml').scrape_configs
      expect(job.job_name).toBe('pychat')
      const [lookup] = job.dns_sd_configs
      expect(lookup).toMatchObject({ names: ['relay'], type: 'A', port: 9765 })
      expect(
        services['prometheus'].networks.filter((name: string) => services['relay'].networks.includes(name)),
      ).toEqual(['ops'])
    })

    it('points Grafana to Prometheus and to the dashboard', () => {
      const [source] = readYaml('deploy/monitoring/grafana/datasources/prometheus.yml').datasources
      expect(source).toMatchObject({ type: 'prometheus', url: 'http://prometheus:9090', isDefault: true })
      const [provider] = readYaml('deploy/monitoring/grafana/dashboards/pychat.yml').providers
      expect(services['grafana'].environment['GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH']).toBe(
        `${provider.options.path}/pychat.json`,
      )
    })
  })
})
