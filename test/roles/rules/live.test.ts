// What a cluster that runs cannot be told any more, by tables: the config that it has, the variables, what is said.

import { expect, test } from 'vitest'
import { stringify } from 'yaml'
import { configOf } from '../../../roles/k3s_platform_bootstrap/config.ts'
import { liveProblems } from '../../../roles/k3s_platform_bootstrap/live.ts'
import { vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import type { Observation } from '../../../src/engine/resource.ts'
import type { State } from '../../../src/engine/state.ts'

const context = { host: 'edge-1', address: '192.0.2.7' }
const RUNNING = { active: true, inputs: 'disturbed' }
const base = configOf(vars.parse({}), context)

function problems(live: Record<string, unknown>, wanted: Record<string, unknown>, service: State | null, foreign = {}) {
  const seen = (actual: State | null): Observation => ({ actual, desired: null })
  const observations = new Map([
    ['file:/etc/rancher/k3s/config.yaml', seen({ content: stringify({ ...base, ...live }) })],
    ['service:k3s.service', seen(service)],
    ['strays:/etc/rancher/k3s/config.yaml.d', seen({ stale: [], foreign })],
  ])
  const named = Object.fromEntries(Object.entries(wanted).map(([name, value]) => [`k3s_platform_${name}`, value]))
  return liveProblems(vars.parse(named), { observations }, context, 'k3s.service')
}

test.each<[string, Record<string, unknown>, Record<string, unknown>, string[]]>([
  ['nothing', {}, {}, []],
  ['a SAN', {}, { tls_sans: ['edge.example'] }, []],
  ['a list for a text with commas', { 'cluster-cidr': ['10.42.0.0/16'] }, {}, []],
  [
    'the data directory',
    {},
    { data_dir: '/srv/k3s' },
    ['failed data-dir cannot change from /opt/rancher/k3s to /srv/k3s: the cluster is already running'],
  ],
  ['a slash at the end of it', {}, { data_dir: '/opt/rancher/k3s/' }, []],
  [
    'the default data directory of k3s',
    { 'data-dir': undefined },
    {},
    ['failed data-dir cannot change from /var/lib/rancher/k3s to /opt/rancher/k3s: the cluster is already running'],
  ],
  [
    'both networks',
    {},
    { cluster_cidr: '10.50.0.0/16', service_cidr: '10.51.0.0/16' },
    [
      'failed cluster-cidr cannot change from 10.42.0.0/16 to 10.50.0.0/16: the cluster is already running',
      'failed service-cidr cannot change from 10.43.0.0/16 to 10.51.0.0/16: the cluster is already running',
    ],
  ],
  [
    'a cluster on sqlite',
    { 'cluster-init': undefined },
    {},
    ['failed cluster-init cannot change from false to true: the cluster is already running'],
  ],
  ['a cluster on sqlite that stays so', { 'cluster-init': undefined }, { k3s_config: { 'cluster-init': false } }, []],
  [
    'another datastore',
    {},
    { datastore_endpoint: 'postgres://k3s:secret@db/k3s' },
    ['failed cluster-init cannot change from true to false: the cluster is already running'],
  ],
  ['encryption switched on', {}, { secrets_encryption: true }, []],
  [
    'encryption switched off',
    { 'secrets-encryption': true },
    {},
    ['failed secrets-encryption cannot change from true to false: the cluster is already running'],
  ],
  [
    'labels and taints',
    { 'node-label': ['a=b'] },
    { node_labels: { a: 'c' }, node_taints: { db: 'NoExecute' } },
    [
      'warning node-label changes from a=b to a=c, but the node has already joined',
      'warning node-taint changes from nothing to db:NoExecute, but the node has already joined',
    ],
  ],
  [
    'the name of the node',
    {},
    { node_name: 'other' },
    ['warning node-name changes from nothing to other, but the node has already joined'],
  ],
])('of a cluster that runs changes: %s', (_, live, wanted, said) => {
  const found = problems(live, wanted, RUNNING)
  expect(found.map(({ kind, what }) => `${kind} ${what}`)).toEqual(said)
  for (const { why, hint } of found) expect([why, hint]).not.toContain(undefined)
})

test.each([
  ['was never there', null],
  ['never came up', { active: 'activating (auto-restart)', inputs: 'disturbed' }],
])('a cluster that %s may change in everything', (_, service) => {
  expect(problems({}, { data_dir: '/srv/k3s', secrets_encryption: true }, service)).toEqual([])
})

test('a stopped cluster that ran once may not', () => {
  expect(problems({}, { data_dir: '/srv/k3s' }, { active: 'inactive (dead)', inputs: '0'.repeat(64) })).toHaveLength(1)
})

test("somebody else's file beside ours is told when it overrides something of ours", () => {
  const foreign = { '/etc/rancher/k3s/config.yaml.d/99.yaml': ['tls-san', 'debug'], '/other.yaml': ['debug'] }
  expect(problems({}, {}, null, foreign)).toEqual([
    {
      kind: 'warning',
      where: 'edge-1 /etc/rancher/k3s/config.yaml.d/99.yaml',
      what: 'this file overrides tls-san of the inventory',
      why: 'k3s-platform did not write this file',
      hint: 'move it into k3s_platform_k3s_config_dropins, or remove it',
    },
  ])
})
