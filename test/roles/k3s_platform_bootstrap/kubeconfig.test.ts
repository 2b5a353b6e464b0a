// The kubeconfig on the workstation: made from that of the node, and nobody else's is overwritten.

import { describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { kubeconfig, localKubeconfig } from '../../../roles/k3s_platform_bootstrap/kubeconfig.ts'
import type { Observed } from '../../../src/engine/resource.ts'
import { tls } from '../../supply/charts.ts'
import { facts } from './given.ts'

const base64 = (pem: string) => Buffer.from(pem).toString('base64')
const [CA, CERT, KEY] = [base64(tls.ca), base64(tls.cert), base64(tls.key)]

const OF_K3S = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: ${CA}
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
    client-certificate-data: ${CERT}
    client-key-data: ${KEY}
`
const as = { server: 'https://203.0.113.7:6443', name: 'edge-1', source: '/etc/rancher/k3s/k3s.yaml' }

test('names and server are those of the host, the rest is that of the node', () => {
  expect(parse(localKubeconfig(OF_K3S, as))).toEqual({
    apiVersion: 'v1',
    kind: 'Config',
    preferences: {},
    'current-context': 'edge-1',
    clusters: [{ name: 'edge-1', cluster: { 'certificate-authority-data': CA, server: 'https://203.0.113.7:6443' } }],
    contexts: [{ name: 'edge-1', context: { cluster: 'edge-1', user: 'edge-1' } }],
    users: [{ name: 'edge-1', user: { 'client-certificate-data': CERT, 'client-key-data': KEY } }],
  })
})

test('it is the same each time, so that an unchanged one is left alone', () => {
  expect(localKubeconfig(OF_K3S, as)).toBe(localKubeconfig(OF_K3S, as))
})

describe('on the workstation', () => {
  const read = (text: string, here: { content: string; mode: string } | null): Observed => {
    const resource = kubeconfig({
      ...as,
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
      { content: ours.replace(/are reverted\. \w+/, 'are reverted.'), mode: '600' },
      { actual: { content: 'another', mode: '600' } },
    ],
    [
      'it was edited below its heading',
      OF_K3S,
      { content: ours.replace(KEY, 'TkVX'), mode: '600' },
      { actual: { content: 'another', mode: '600' } },
    ],
    [
      'the node has another one by now',
      OF_K3S.replace(CA, CERT),
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

  test('a home that cannot be used is no matter of the node: it is told when the file is to be written', async () => {
    const denied = () => {
      throw new Error("EACCES: permission denied, open '/root/.kube'")
    }
    const resource = kubeconfig({
      ...as,
      source: '/etc/rancher/k3s/k3s.yaml',
      path: '~/.kube/k3s-platform/edge-1.yaml',
      workstation: { read: denied, write: async () => denied() },
    })
    expect(resource.read({ text: OF_K3S, bytes: Buffer.from(OF_K3S), err: '', code: 0 })).toEqual({ actual: null })
    const [step] = resource.steps({ actual: null, desired: resource.desired(facts), facts })
    if (step === undefined || !('save' in step)) throw new Error('no step that saves')
    await expect(step.save(Buffer.from(OF_K3S))).rejects.toMatchObject({
      problems: [
        {
          where: 'edge-1 ~/.kube/k3s-platform/edge-1.yaml',
          what: expect.stringContaining('could not be written'),
          why: expect.stringContaining('EACCES'),
          hint: expect.stringContaining('k3s_platform_kubeconfig_fetch: false'),
        },
      ],
    })
  })
})
