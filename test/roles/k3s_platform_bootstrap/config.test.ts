// config.yaml: the keys of the original role in its order, what is added to them, and when two files mean the same.

import { expect, test } from 'vitest'
import { canonical, configOf, configText, meaningOfConfig } from '../../../roles/k3s_platform_bootstrap/config.ts'
import { context, varsOf } from './given.ts'

const text = (some: Readonly<Record<string, unknown>>) => configText(configOf(varsOf(some), context))

test('the default file has the keys of the original role, in its order', () => {
  expect(text({})).toMatchInlineSnapshot(`
    "# Managed by k3s-platform (k3s_platform_bootstrap); manual changes are reverted.
    write-kubeconfig-mode: "0600"
    cluster-cidr: 10.42.0.0/16
    service-cidr: 10.43.0.0/16
    data-dir: /opt/rancher/k3s
    cluster-init: true
    disable:
      - traefik
      - servicelb
    kube-apiserver-arg:
      - service-node-port-range=0-50000
    tls-san:
      - 203.0.113.7
    "
  `)
})

const CONFIGS: readonly (readonly [string, Readonly<Record<string, unknown>>, Readonly<Record<string, unknown>>])[] = [
  ['a key of one own comes in', { k3s_config: { 'flannel-backend': 'host-gw' } }, { 'flannel-backend': 'host-gw' }],
  [
    'a short name of k3s is the long one',
    { k3s_config: { d: '/srv/k3s', 'i+': '203.0.113.9' } },
    { 'data-dir': '/srv/k3s', 'node-ip': ['203.0.113.9'] },
  ],
  ['a key that the role makes is replaced', { k3s_config: { disable: ['traefik'] } }, { disable: ['traefik'] }],
  [
    'a key with + adds to the list that the role makes',
    { k3s_config: { 'disable+': ['metrics-server'] } },
    {
      disable: ['traefik', 'servicelb', 'metrics-server'],
    },
  ],
  [
    'a key with + takes one value, too',
    { k3s_config: { 'tls-san+': 'x.example' } },
    {
      'tls-san': ['203.0.113.7', 'x.example'],
    },
  ],
  [
    'a key with + makes the list where there is none',
    { k3s_config: { 'node-label+': ['a=b'] } },
    {
      'node-label': ['a=b'],
    },
  ],
  ['a map stays a map', { k3s_config: { deep: { a: [1, { b: null }] } } }, { deep: { a: [1, { b: null }] } }],
  [
    'the address that is used is in the certificate',
    { tls_sans: ['k3s.example'] },
    {
      'tls-san': ['k3s.example', '203.0.113.7'],
    },
  ],
  [
    'the address is there once',
    { tls_sans: ['203.0.113.7', 'k3s.example'] },
    {
      'tls-san': ['203.0.113.7', 'k3s.example'],
    },
  ],
  [
    'another place of the kubeconfig is told to k3s',
    { kubeconfig_path: '/root/k.yaml' },
    {
      'write-kubeconfig': '/root/k.yaml',
    },
  ],
  ['an empty list of disabled components is an empty list', { disable_components: [] }, { disable: [] }],
  ['the data directory is the original variable', { install_dir: '/srv/k3s' }, { 'data-dir': '/srv/k3s' }],
  [
    'two networks make a dual stack',
    { cluster_cidr: '10.42.0.0/16,fd00::/56' },
    {
      'cluster-cidr': '10.42.0.0/16,fd00::/56',
    },
  ],
]

test.each(CONFIGS)('%s', (_, given, expected) => {
  const config = configOf(varsOf(given), context)
  expect(config).toMatchObject(expected)
  // What is known without reading the text is what reading it says.
  expect(canonical(config)).toBe(meaningOfConfig(configText(config)))
})

const MEANINGS: readonly (readonly [string, string, string, boolean])[] = [
  ['comments', '# a\nx: 1 # b\n', 'x: 1\n', true],
  ['the order of keys', 'x: 1\ny: {b: 2, a: 1}\n', 'y: {a: 1, b: 2}\nx: 1\n', true],
  ['the style of quotes and lists', 'x: "1"\ny: [a, b]\n', "x: '1'\ny:\n  - a\n  - b\n", true],
  ['a value', 'x: 1\n', 'x: 2\n', false],
  ['text and a number', 'x: "1"\n', 'x: 1\n', false],
  ['the order of a list', 'x: [a, b]\n', 'x: [b, a]\n', false],
  ['a key that is there with nothing', 'x:\n', '{}\n', false],
  ['an empty file and none of it', '', '{}\n', false],
  ['text that is no YAML', 'x: [\n', 'x: []\n', false],
  ['the same text that is no YAML', 'x: [\n', 'x: [\n', true],
]

test.each(MEANINGS)('%s', (_, one, other, same) => {
  expect(meaningOfConfig(one) === meaningOfConfig(other)).toBe(same)
})

test('what is written means what was meant, whatever the values are', () => {
  const odd = { k3s_config: { a: 'yes', b: '0777', c: "it's: #odd", d: '', e: 'x\ny\n', f: '*', g: '1e3', h: 'größe' } }
  const config = configOf(varsOf(odd), context)
  expect(meaningOfConfig(configText(config))).toBe(meaningOfConfig(JSON.stringify(config)))
})
