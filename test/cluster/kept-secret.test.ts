// Values that are made once in the cluster: they stay as they are, and are told of when they are made.

import { expect, test } from 'vitest'
import { type Kept, keptSecret } from '../../src/cluster/kinds/kept-secret.ts'
import { lines } from '../../src/cluster/kinds/lines.ts'
import { Secret } from '../../src/engine/secret.ts'
import { FakeCluster } from './fake.ts'
import { changeOf, made, planned } from './kit.ts'

const ref = { apiVersion: 'v1', kind: 'Secret', namespace: 'flux-system', name: 'platform-config' }
const base64 = (text: string) => Buffer.from(text).toString('base64')

let count = 0
const identity: Kept = {
  keys: ['identity', 'identity.pub'],
  make: async () => {
    count++
    return { identity: `private-${count}`, 'identity.pub': `public-${count}` }
  },
  told: (made) => ({ what: `let in: ${made['identity.pub']}`, hint: 'at the server' }),
}
const hosts = (host: string): Kept => ({
  keys: ['known_hosts'],
  good: ({ known_hosts = '' }) => known_hosts.startsWith(host),
  make: async () => ({ known_hosts: `${host} key` }),
})
const wanted = (host = 'git', more: Record<string, string> = {}) =>
  keptSecret(
    {
      ...{ namespace: 'flux-system', name: 'platform-config' },
      data: Object.fromEntries(Object.entries(more).map(([key, value]) => [key, new Secret(value)])),
    },
    [identity, hosts(host)],
  )
const dataOf = (cluster: FakeCluster) => {
  const data: Record<string, string> = Object(cluster.peek(ref)?.data)
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value, 'base64').toString()]))
}

test('they are made and told of once, and stay when the rest changes', async () => {
  count = 0
  const cluster = new FakeCluster('flux-system')
  const warnings: string[] = []
  const warn = (what: string, hint: string) => warnings.push(`${what} (${hint})`)
  expect(await planned(wanted(), cluster)).toBe('create\npresent: null -> true')
  expect(await made(wanted(), cluster, { warn })).toEqual({ waits: [], problem: '' })
  const first = { identity: 'private-1', 'identity.pub': 'public-1', known_hosts: 'git key' }
  expect(dataOf(cluster)).toEqual(first)
  expect(await planned(wanted(), cluster)).toBe('none')

  expect(await planned(wanted('git', { password: 'x' }), cluster)).toBe('update\ndata.password: null -> "***"')
  expect(await made(wanted('git', { password: 'x' }), cluster, { warn })).toEqual({ waits: [], problem: '' })
  expect(dataOf(cluster)).toEqual({ ...first, password: 'x' })
  expect([count, warnings]).toEqual([1, ['let in: public-1 (at the server)']])
})

test('what cannot go on is made anew, and nothing else', async () => {
  count = 0
  const cluster = new FakeCluster('flux-system')
  await made(wanted(), cluster)
  expect(await planned(wanted('other'), cluster)).toBe('update\ndata.known_hosts: "***" -> "***"')
  await made(wanted('other'), cluster)
  expect(dataOf(cluster)).toEqual({ identity: 'private-1', 'identity.pub': 'public-1', known_hosts: 'other key' })
  expect(await planned(wanted('other'), cluster)).toBe('none')
})

test('a plan knows none of it', async () => {
  const cluster = new FakeCluster('flux-system')
  await made(wanted(), cluster)
  cluster.put({ ...ref, apiVersion: 'v1', metadata: { namespace: 'flux-system', name: 'platform-config' }, data: {} })
  await cluster.patch(ref, { data: { identity: base64('private-of-another') } })
  const { actual, desired } = await changeOf(wanted('other'), cluster)
  expect(JSON.stringify([actual, desired])).not.toMatch(/private|cHJpdmF0Z/)
})

const map = { apiVersion: 'v1', kind: 'ConfigMap', namespace: 'argocd', name: 'argocd-ssh-known-hosts-cm' }
const blocks = (text: string) => text.split('\n').filter((one) => one !== '')
const known = (text: string) =>
  lines({ ref: map, key: 'ssh_known_hosts', text, blocks, hint: 'add it to configs.ssh.extraHosts' })
const put = (cluster: FakeCluster, labels: Record<string, string> = {}, annotations: Record<string, string> = {}) =>
  cluster.put({
    ...{ apiVersion: 'v1', kind: 'ConfigMap', metadata: { namespace: 'argocd', name: map.name, labels, annotations } },
    data: { ssh_known_hosts: 'github.com key\n' },
  })

test('lines are added to what others have there, once', async () => {
  const cluster = new FakeCluster('argocd')
  put(cluster)
  expect(await planned(known('github.com key\ngit key\n'), cluster)).toMatch(
    /^action: add the missing lines to ssh_known_hosts in .*\(1\)$/,
  )
  await made(known('github.com key\ngit key\n'), cluster)
  expect(cluster.peek(map)?.data).toEqual({ ssh_known_hosts: 'github.com key\ngit key\n' })
  expect(await planned(known('git key\n'), cluster)).toBe('none')
})

test('lines make the ConfigMap that is not there', async () => {
  const cluster = new FakeCluster('argocd')
  await made(known('git key\n'), cluster)
  expect(cluster.peek(map)).toMatchObject({
    metadata: { labels: { 'app.kubernetes.io/part-of': 'argocd' } },
    data: { ssh_known_hosts: 'git key\n' },
  })
})

test("lines in another tool's ConfigMap are asked for and not written", async () => {
  const cluster = new FakeCluster('argocd')
  put(cluster, { 'app.kubernetes.io/managed-by': 'Helm' }, { 'meta.helm.sh/release-name': 'argocd' })
  expect(await planned(known('github.com key\n'), cluster)).toBe('none')
  expect(await planned(known('git key\n'), cluster)).toMatch(/is owned by Helm \(release argocd\)\nhint: add it to/)
})
