// Renders the chart as `helm template` does and gives its objects, for the tests of the chart.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { parse, parseAllDocuments } from 'yaml'
import { tool } from './tools.js'

export const chartFolder = fileURLToPath(new URL('../helm', import.meta.url))

/** Null where Helm is neither installed nor fetched; tests are then skipped. */
export const helm: string | null = tool('helm')
export const withoutHelm = 'skipped where Helm is missing; "node deploy/test/tools.js" fetches it'

/** The value sets of the chart's ci folder. */
export const valueSets = ['trial', 'ingress', 'gateway', 'loadbalancer'] as const
export type ValueSet = (typeof valueSets)[number]
export const valuesFile = (set: ValueSet): string => `${chartFolder}/ci/${set}-values.yaml`

/** An object of Kubernetes, as deep as a test looks. */
// biome-ignore lint/suspicious/noExplicitAny: tests look into objects of many kinds, whose shapes kubeconform checks.
export type KubeObject = any

type Run = { code: number | null; stdout: string; stderr: string }

/** Runs Helm. Its cache and configuration stay out of the user's. */
export function runHelm(...args: string[]): Run {
  if (helm === null) throw new Error(withoutHelm)
  const env = { PATH: process.env['PATH'], HOME: '/nonexistent' }
  const { status, stdout, stderr } = spawnSync(helm, args, { encoding: 'utf8', env })
  return { code: status, stdout, stderr }
}

/** @param sets as for `--set`  @returns the outcome of `helm template` of release "chat" in namespace "people" */
export function template(set: ValueSet | null, ...sets: string[]): Run {
  const values = set === null ? [] : ['--values', valuesFile(set)]
  return runHelm(
    ...['template', 'chat', chartFolder, '--namespace', 'people', ...values],
    ...sets.flatMap((each) => ['--set', each]),
  )
}

export type Rendered = {
  all: KubeObject[]
  /** The only object of that kind, or of that kind and name. @throws where there is none, or are several */
  one(kind: string, name?: string): KubeObject
  has(kind: string): boolean
}

/** @throws when Helm refuses */
export function render(set: ValueSet | null, ...sets: string[]): Rendered {
  const { code, stdout, stderr } = template(set, ...sets)
  if (code !== 0) throw new Error(stderr)
  const all: KubeObject[] = parseAllDocuments(stdout)
    .map((document) => document.toJS())
    .filter((object) => object !== null)
  const found = (kind: string, name?: string) =>
    all.filter((object) => object.kind === kind && (name === undefined || object.metadata.name === name))
  return {
    all,
    one(kind, name) {
      const [object, ...others] = found(kind, name)
      if (object === undefined || others.length > 0) {
        throw new Error(`${found(kind, name).length} objects are a ${kind} ${name ?? ''}`)
      }
      return object
    },
    has: (kind) => found(kind).length > 0,
  }
}

/** A YAML file of the repository. @param path from its root */
export function readYaml(path: string): KubeObject {
  return parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'), { merge: true })
}

/** Environment of a container, without what comes from Secrets. */
export function plainEnv(container: KubeObject): Record<string, string> {
  const pairs = (container.env as KubeObject[]).flatMap(({ name, value }) =>
    value === undefined ? [] : [[name, value] as const],
  )
  return Object.fromEntries(pairs)
}
