// The kubeconfig on the workstation: made from that of the node, and nobody else's is overwritten.

import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { kubeconfig, localKubeconfig } from '../../../roles/k3s_platform_bootstrap/kubeconfig.ts'
import type { Observed } from '../../../src/engine/resource.ts'

const OF_K3S = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tQ0E=
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: LS0tQ0VSVA==
    client-key-data: LS0tS0VZ
`
const as = { server: 'https://203.0.113.7:6443', name: 'edge-1' }

test('names and server are those of the host, the rest is that of the node', () => {
  expect(parse(localKubeconfig(OF_K3S, as))).toEqual({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    'current-context': 'edge-1',
    clusters: [
      { name: 'edge-1', cluster: { 'certificate-authority-data': 'LS0tQ0E=', server: 'https://203.0.113.7:6443' } },
    ],
    contexts: [{ name: 'edge-1', context: { cluster: 'edge-1', user: 'edge-1' } }],
    users: [{ name: 'edge-1', user: { 'client-certificate-data': 'LS0tQ0VSVA==', 'client-key-data': 'LS0tS0VZ' } }],
  })
})

test('it is the same each time, so that an unchanged one is left alone', () => {
  expect(localKubeconfig(OF_K3S, as)).toBe(localKubeconfig(OF_K3S, as))
})

describe('on the workstation', () => {
  const read = (text: string, here: { content: string; mode: string } | null): Observed => {
    const resource = kubeconfig({
      ...as,
      source: '/etc/rancher/k3s/k3s.yaml',
      path: '~/.kube/k3s-platform/edge-1.yaml',
      workstation: { read: () => here, write: async () => undefined },
    })
    return resource.read({ text, bytes: Buffer.from(text), err: '', code: 0 })
  }
  const ours = localKubeconfig(OF_K3S, as)

  test.each([
    [
      'before k3s was started it cannot be known',
      '',
      null,
      { actual: null, deferred: expect.stringContaining('first start') },
    ],
    ['it is missing', OF_K3S, null, { actual: null }],
    [
      'it is that of the node',
      OF_K3S,
      { content: ours, mode: '600' },
      { actual: { content: 'that of the node', mode: '600' } },
    ],
    [
      'others may read it',
      OF_K3S,
      { content: ours, mode: '644' },
      { actual: { content: 'that of the node', mode: '644' } },
    ],
    [
      'its heading says nothing, but the rest is that of the node',
      OF_K3S,
      { content: ours.replace(/put back\. \w+/, 'put back.'), mode: '600' },
      { actual: { content: 'another', mode: '600' } },
    ],
    [
      'it was edited below its heading',
      OF_K3S,
      { content: ours.replace('LS0tS0VZ', 'TkVX'), mode: '600' },
      { actual: { content: 'another', mode: '600' } },
    ],
    [
      'the node has another one by now',
      OF_K3S.replace('LS0tS0VZ', 'TkVX'),
      { content: ours, mode: '600' },
      { actual: { content: 'another', mode: '600' } },
    ],
  ])('%s', (_, text, here, found) => {
    expect(read(text, here)).toEqual(found)
  })

  test('one that is not ours is not overwritten, and the problem says how to go on', () => {
    expect(() => read(OF_K3S, { content: OF_K3S, mode: '600' })).toThrow(/was not written by k3s-platform/)
  })

  test('keys and certificates are in no observation', () => {
    expect(JSON.stringify(read(OF_K3S, { content: ours, mode: '600' }))).not.toMatch(/LS0t/)
  })
})
