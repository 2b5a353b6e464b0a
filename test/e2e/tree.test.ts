// The trees of test/gitops/trees.yaml by those who read them: kustomize, and the schemas of Flux, Argo CD and the operators.

import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { execa } from 'execa'
import { beforeAll, describe, expect, test } from 'vitest'
import { parse, parseAllDocuments } from 'yaml'
import { z } from 'zod'
import { folder, inventory, render } from '../gitops/kit.ts'

/** Where CRDs are in Go modules: the newest releases of Flux's that can be had. */
const CRDS = {
  'github.com/fluxcd/kustomize-controller@v1.7.3': 'config/crd/bases',
  'github.com/fluxcd/source-controller@v1.8.5': 'config/crd/bases',
  'github.com/fluxcd/helm-controller@v1.4.3': 'config/crd/bases',
  'github.com/argoproj/argo-cd/v3@v3.1.0': 'manifests/crds',
  'github.com/cert-manager/cert-manager@v1.21.2': 'deploy/crds',
  'github.com/external-secrets/external-secrets@v0.20.4': 'config/crds/bases',
}

const Crd = z.object({
  kind: z.literal('CustomResourceDefinition'),
  spec: z.object({
    group: z.string(),
    names: z.object({ kind: z.string() }),
    versions: z.array(z.object({ name: z.string(), schema: z.object({ openAPIV3Schema: z.unknown() }) })),
  }),
})
const Manifest = z.looseObject({
  apiVersion: z.string(),
  kind: z.string(),
  metadata: z.looseObject({
    name: z.string(),
    namespace: z.string().optional(),
    annotations: z.record(z.string(), z.string()).optional(),
  }),
})
type Manifest = z.output<typeof Manifest>

/** Kinds of Kubernetes, and those of the Prometheus operator, whose module has no CRDs: their fields are not checked here. */
const BUILT_IN = [
  ...['monitoring.coreos.com/v1 ServiceMonitor', 'monitoring.coreos.com/v1 PrometheusRule'],
  ...[
    'v1 ConfigMap',
    'v1 Namespace',
    'v1 Service',
    'v1 ServiceAccount',
    'networking.k8s.io/v1 Ingress',
    'batch/v1 CronJob',
  ],
  ...['Role', 'RoleBinding', 'ClusterRole', 'ClusterRoleBinding'].map((kind) => `rbac.authorization.k8s.io/v1 ${kind}`),
]
const schemas = new Map<string, unknown>()
let k3s = ''

beforeAll(async () => {
  const build = fileURLToPath(new URL('../testbed/k3s-standin/build', import.meta.url))
  k3s = (await execa(build, [], { stdin: 'ignore' })).stdout.split('\n')[0] ?? ''
  for (const [module, folder] of Object.entries(CRDS)) {
    const { stdout } = await execa('go', ['mod', 'download', '-json', module], { stdin: 'ignore', cwd: '/' })
    const directory = join(z.object({ Dir: z.string() }).parse(JSON.parse(stdout)).Dir, folder)
    for (const file of (await readdir(directory)).filter((one) => one.endsWith('.yaml'))) {
      const crd = Crd.safeParse(parse(await readFile(join(directory, file), 'utf8')))
      if (!crd.success) continue
      const { group, names, versions } = crd.data.spec
      for (const { name, schema } of versions)
        schemas.set(`${group}/${name} ${names.kind}`, strict(schema.openAPIV3Schema))
    }
  }
})

/** As the API server reads it with strict field validation: what a schema does not name is unknown. */
function strict(schema: unknown): unknown {
  if (Array.isArray(schema)) return schema.map(strict)
  if (typeof schema !== 'object' || schema === null) return schema
  const { 'x-kubernetes-preserve-unknown-fields': open, ...rest } = z.record(z.string(), z.unknown()).parse(schema)
  const closed = typeof rest.properties === 'object' && open !== true && rest.additionalProperties === undefined
  const inner = Object.entries(rest).map(([key, value]) => [key, strict(value)] as const)
  return { ...Object.fromEntries(inner), ...(closed && rest.type === 'object' && { additionalProperties: false }) }
}

function faultsOf(manifest: Manifest): string[] {
  const schema = schemas.get(`${manifest.apiVersion} ${manifest.kind}`)
  if (schema === undefined) return BUILT_IN.includes(`${manifest.apiVersion} ${manifest.kind}`) ? [] : ['unknown kind']
  const ajv = new Ajv({ strict: false, validateFormats: false, allErrors: true })
  const check = ajv.compile(z.record(z.string(), z.unknown()).parse(schema))
  return check(manifest)
    ? []
    : (check.errors ?? []).map((one) => `${one.instancePath} ${one.message} ${JSON.stringify(one.params)}`)
}

async function built(path: string): Promise<Manifest[]> {
  const { stdout } = await execa(k3s, ['kubectl', 'kustomize', path], { stdin: 'ignore' })
  return [...parseAllDocuments(stdout)].map((one) => Manifest.parse(one.toJS()))
}

const cases = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .parse(parse(await readFile(new URL('../gitops/trees.yaml', import.meta.url), 'utf8')))
const withObjects = Object.entries(cases).filter(([name]) => name !== 'Nobody, and nothing at all')

describe.each(withObjects)('%s', (_, vars) => {
  test('kustomize builds what Flux, Argo CD or kubectl begins with, and all that leads from there fits its schema', async () => {
    const tree = folder()
    expect(await render(['-i', inventory(vars), '--tree', tree])).toMatchObject({ code: 0 })
    const root = typeof vars.flux_root_path === 'string' ? vars.flux_root_path : 'clusters/edge-1'
    const first = await built(join(tree, root))
    const paths = first.flatMap(({ kind, spec }) =>
      kind === 'Kustomization' ? [z.object({ path: z.string() }).parse(spec).path] : [],
    )
    if (vars.handoff === 'argocd') paths.push('argocd/edge-1')
    const all = [...first, ...(await Promise.all(paths.map((path) => built(join(tree, path))))).flat()]
    expect(all.length).toBeGreaterThan(5)
    const faults = all.map((one) => [`${one.kind} ${one.metadata.name}`, faultsOf(one)] as const)
    expect(faults.filter(([, list]) => list.length > 0)).toEqual([])
    expect([...new Set(all.map(({ kind }) => kind))].toSorted()).toMatchSnapshot()
  })
})

test('the waves of Argo CD follow the order of the parts', async () => {
  const tree = folder()
  expect(await render(['-i', inventory(cases['Argo CD'] ?? {}), '--tree', tree])).toMatchObject({ code: 0 })
  const waves = (await built(join(tree, 'clusters/edge-1'))).map(({ kind, metadata }) => [
    metadata.annotations?.['argocd.argoproj.io/sync-wave'],
    kind,
  ])
  expect([...new Set(waves.map((one) => one.join(' ')))].toSorted()).toEqual([
    '0 Namespace',
    '1 ClusterIssuer',
    '2 Certificate',
    '2 Ingress',
    '2 Service',
  ])
})

test('a field that a schema does not have, or has in another shape, is a fault', () => {
  const metadata = { name: 'x' }
  const kind = { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization', metadata }
  const spec = { interval: '1m', prune: true, sourceRef: { kind: 'GitRepository', name: 'x' } }
  expect(faultsOf({ ...kind, spec })).toEqual([])
  expect(faultsOf({ ...kind, spec: { ...spec, dependOn: [] } })).toEqual([expect.stringContaining('dependOn')])
  expect(faultsOf({ ...kind, spec: { ...spec, prune: 'yes' } })).toEqual([expect.stringContaining('/spec/prune')])
})
