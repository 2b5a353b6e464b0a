// Random valid variables on a small host: what apply makes is what plan wants, and the way there leaves no trace.

import { mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { bootstrap } from '../../../roles/k3s_platform_bootstrap/role.ts'
import { findings } from '../../../roles/k3s_platform_bootstrap/rules.ts'
import { type BootstrapVars, vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import { changesOf, pending, plan } from '../../../src/engine/plan.ts'
import type { Session } from '../../../src/engine/runner.ts'
import { hostBackend } from '../../../src/host/backend.ts'
import type { Facts } from '../../../src/host/facts.ts'
import type { HostResource } from '../../../src/host/resource.ts'
import { rootShell } from '../../../src/host/root-shell.ts'
import { noSandbox, type Sandbox, SHELLS, sandbox } from '../../host/shells.ts'
import { random } from '../../random.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

vi.mock('../../../src/host/facts.ts', async (original) => {
  const { sh } = await import('../../../src/host/sh.ts')
  return { ...(await original()), factsProbe: sh`echo uid=0` }
})

const SEED = 20_261
const PAIRS = 4
const never = new AbortController().signal
const PEM = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'

/** For each variable some valid values; one that is not set is always another. */
const values: Readonly<Record<string, readonly unknown[]>> = {
  cluster_cidr: ['10.50.0.0/16', '10.42.0.0/16,fd42::/56'],
  disable_components: [[], ['traefik'], ['servicelb', 'metrics-server']],
  tls_sans: [['edge.example', '*.edge.example'], ['2001:db8::7']],
  kube_apiserver_args: [[], ['audit-log-maxage=7', 'feature-gates=A=true']],
  data_dir: ['/srv/k3s', '/var/lib/rancher/k3s'],
  node_name: ['edge-1', 'a.b.c'],
  node_labels: [{ disk: 'ssd', 'example.com/rack': 7 }, ['zone=a']],
  node_taints: [{ dedicated: 'db:NoSchedule' }, ['x:NoExecute']],
  flannel_iface: ['eth1'],
  secrets_encryption: [true],
  http_proxy: ['http://user:pa$$@proxy.example:3128'],
  no_proxy: ['.example.com,10.0.0.0/8', ['localhost']],
  datastore_endpoint: ['postgres://k3s:"q`$uote@db.example/k3s'],
  k3s_env: [{ A: "it's", B: 'back\\slash "quoted" $x' }],
  k3s_config: [{ debug: true }, { 'tls-san+': ['more.example'], 'etcd-snapshot-retention': 9 }],
  k3s_config_dropins: [{ '10-log': { v: 2 } }, { '10-log': { v: 3 }, '20-pause.yaml': { 'pause-image': 'a/b:1' } }],
  kubelet_config: [{ maxPods: 50 }, { maxPods: 60, containerLogMaxSize: '5Mi' }],
  registries: [
    { mirrors: { 'docker.io': { endpoint: ['https://mirror.example'] }, '*': null } },
    { configs: { 'r.example:5000': { auth: { username: 'me', password: "p'w" }, tls: { ca: PEM } } } },
    { configs: { 'other.example': { tls: { ca: PEM } } } },
  ],
}

function someVars(next: () => number): Record<string, unknown> {
  const picked = Object.entries(values).flatMap(([name, some]) => {
    const one = some[Math.floor(next() * (some.length + 1))]
    return one === undefined ? [] : [[`k3s_platform_${name}`, one] as const]
  })
  const all = Object.fromEntries(picked)
  // Two families of pods need two of services.
  if (String(all.k3s_platform_cluster_cidr).includes('fd42')) all.k3s_platform_service_cidr = '10.43.0.0/16,fd43::/112'
  return all
}

function resourcesOf(v: BootstrapVars): HostResource[] {
  return bootstrap
    .stages(v, context)
    .flatMap((stage) => stage.resources)
    .flatMap((one) => ('probe' in one ? one : []))
    .filter(({ id }) => /^(file|directory|strays):\/(etc\/rancher|etc\/systemd|etc\/modules|etc\/sysctl)/.test(id))
}

const why = noSandbox()
describe.skipIf(why !== undefined).each(SHELLS)('under %s', (shell) => {
  let at: Sandbox
  let backend: Session<HostResource, Facts>
  beforeAll(async () => {
    at = await sandbox(shell)
    backend = hostBackend({
      host: 'edge-1',
      shell: rootShell(at.transport, 'edge-1', { user: 'root' }, () => undefined),
      holder: () => 'a test',
      fetch: () => Promise.reject(new Error('nothing is fetched')),
      now: Date.now,
      lookMs: 10_000,
      waitSeconds: 10,
      waiting: () => undefined,
    })
    await backend.lock(never)
  })
  afterAll(() => at?.close())

  const fresh = () => {
    at.reset()
    for (const path of ['etc/systemd/system', 'etc/modules-load.d', 'etc/sysctl.d']) {
      mkdirSync(join(at.root, path), { recursive: true })
    }
  }
  const look = async (v: BootstrapVars) => {
    const resources = resourcesOf(v)
    expect(resources.map(({ id }) => id.split(':')[0])).toContain('strays')
    const { observations } = await backend.observe(resources, never)
    return changesOf(plan([{ role: 'r', name: 's', resources }], observations)).filter(pending)
  }
  const apply = async (v: BootstrapVars) => {
    await backend.apply(await look(v), { stop: never, signal: never, step: () => undefined })
    expect((await look(v)).map(({ resource, deltas }) => ({ id: resource.id, deltas }))).toEqual([])
  }
  /** Path to mode and content; an empty directory of ours may stay. */
  const tree = (directory = 'etc'): string[] =>
    readdirSync(join(at.root, directory), { withFileTypes: true }).flatMap((entry) => {
      const path = `${directory}/${entry.name}`
      if (entry.isDirectory()) return tree(path)
      return `${path} ${(statSync(join(at.root, path)).mode & 0o7777).toString(8)}\n${readFileSync(join(at.root, path), 'utf8')}`
    })

  const next = random(SEED + SHELLS.indexOf(shell))
  const pairs = Array.from({ length: PAIRS }, (_, i) => [i, someVars(next), someVars(next)] as const)
  test.each(pairs)('from one set of variables to another (%i)', { timeout: 60_000 }, async (_, a, b) => {
    const [from, to] = [vars.parse(a), vars.parse(b)]
    for (const [given, v] of [[a, from] as const, [b, to] as const]) {
      const written = { given: (name: string) => Object.hasOwn(given, name), broken: () => false }
      expect(findings(v, context, written).filter(({ warning }) => !warning)).toEqual([])
    }
    fresh()
    await apply(from)
    await apply(to)
    const moved = tree()
    fresh()
    await apply(to)
    const made = tree()
    expect(moved).toEqual(made)
    expect(made.length).toBeGreaterThan(3)
  })
})
