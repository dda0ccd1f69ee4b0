// The programs that the tests of the chart drive, and the schemas of Kubernetes objects, kept outside the repository:
//   node deploy/test/tools.js
// fetches what is missing, which takes Go and some minutes the first time. Tests that find a tool missing say so and are
// skipped. Versions are fixed here, once.
import { execFileSync, spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { parse } from 'yaml'
import { buildTool, builtTool, toolsFolder as folder } from '../../loadtest/go-tools.js'

/** What Helm, built by `go install`, would otherwise take for Kubernetes 1.20. */
const kubernetesMinor = 33
const chartutil = 'helm.sh/helm/v3/pkg/chartutil'

const programs = {
  helm: {
    name: 'helm',
    module: 'helm.sh/helm/v3/cmd/helm@v3.22.0',
    flags: `-s -w -X ${chartutil}.k8sVersionMajor=1 -X ${chartutil}.k8sVersionMinor=${kubernetesMinor}`,
  },
  kubeconform: {
    name: 'kubeconform',
    module: 'github.com/yannh/kubeconform/cmd/kubeconform@v0.8.0',
    flags: '-s -w',
  },
}

/**
 * Modules that carry schemas: Kubernetes' own objects (about as in 1.27, the oldest that the chart allows), and those of
 * the chart's that it does not know by itself.
 */
const schemaModules = {
  kubernetes: {
    module: 'k8s.io/cli-runtime@v0.37.0',
    file: 'artifacts/openapi/swagger-with-shared-parameters.json',
  },
  gateway: {
    module: 'sigs.k8s.io/gateway-api@v1.6.1',
    files: ['config/crd/standard/gateway.networking.k8s.io_httproutes.yaml'],
  },
  prometheus: {
    module: 'github.com/prometheus-operator/prometheus-operator@v0.85.0',
    files: ['servicemonitors', 'prometheusrules'].map(
      (kind) => `example/prometheus-operator-crd/monitoring.coreos.com_${kind}.yaml`,
    ),
  },
}

/** A folder of schemas in the layout of `schemaLocation`, or null when they were not fetched. */
const schemas = join(
  folder,
  `schemas-${Object.values(schemaModules)
    .map(({ module }) => module.split('/').at(-1))
    .join('-')}`,
)
export const schemaLocation = existsSync(schemas)
  ? join(schemas, '{{.Group}}', '{{.ResourceKind}}_{{.ResourceAPIVersion}}.json')
  : null

/** The program's path, or null when it is neither fetched nor installed. @param name "helm" or "kubeconform" */
export function tool(name) {
  const built = builtTool(programs[name])
  if (built !== null) return built
  return spawnSync(name, [name === 'helm' ? 'version' : '-v']).status === 0 ? name : null
}

function moduleFolder(module) {
  const out = execFileSync('go', ['mod', 'download', '-json', module], { cwd: folder, encoding: 'utf8' })
  return JSON.parse(out).Dir
}

/** Kubernetes ignores unknown fields in its schemas; here they are faults. Descriptions are left out. */
function strict(schema) {
  if (Array.isArray(schema)) return schema.map(strict)
  if (schema === null || typeof schema !== 'object') return schema
  if (schema['x-kubernetes-int-or-string'] || schema.format === 'int-or-string')
    return { type: ['string', 'integer'] }
  const out = {}
  for (const [key, value] of Object.entries(schema)) {
    if (key === 'description' && typeof value === 'string') continue
    out[key] = key === 'properties' ? mapValues(value, strict) : strict(value)
  }
  if (out.properties !== undefined && !schema['x-kubernetes-preserve-unknown-fields']) {
    out.additionalProperties ??= false
  }
  return out
}

function mapValues(object, change) {
  return Object.fromEntries(Object.entries(object).map(([key, value]) => [key, change(value)]))
}

function makeSchemas() {
  const place = mkdtempSync(join(folder, 'schemas-new-'))
  const write = (group, kind, version, schema) => {
    mkdirSync(join(place, group), { recursive: true })
    writeFileSync(join(place, group, `${kind.toLowerCase()}_${version}.json`), JSON.stringify(schema))
  }
  const { kubernetes, ...custom } = schemaModules
  const swagger = JSON.parse(readFileSync(join(moduleFolder(kubernetes.module), kubernetes.file), 'utf8'))
  const definitions = mapValues(swagger.definitions, strict)
  // A quantity may be written as a number too.
  definitions['io.k8s.apimachinery.pkg.api.resource.Quantity'] = { type: ['string', 'number'] }
  for (const [name, definition] of Object.entries(definitions)) {
    for (const { group, kind, version } of definition['x-kubernetes-group-version-kind'] ?? []) {
      write(group || version, kind, version, {
        $ref: `#/definitions/${name}`,
        definitions: reached(name, definitions),
      })
    }
  }
  for (const { module, files } of Object.values(custom)) {
    const source = moduleFolder(module)
    for (const file of files) {
      const { spec } = parse(readFileSync(join(source, file), 'utf8'))
      for (const { name, schema } of spec.versions) {
        write(spec.group, spec.names.kind, name, strict(schema.openAPIV3Schema))
      }
    }
  }
  renameSync(place, schemas)
}

/** The definitions that one of them leads to, itself included. */
function reached(name, definitions) {
  const found = {}
  const look = (at) => {
    if (found[at] !== undefined) return
    found[at] = definitions[at]
    for (const [, next] of JSON.stringify(definitions[at]).matchAll(/"#\/definitions\/([^"]+)"/g)) look(next)
  }
  look(name)
  return found
}

if (process.argv[1] !== undefined && import.meta.url === pathToFileURL(process.argv[1]).href) {
  mkdirSync(folder, { recursive: true })
  for (const program of Object.values(programs)) if (builtTool(program) === null) buildTool(program)
  if (!existsSync(schemas)) makeSchemas()
}
