// Secrets: made, rotated and made anew, without a byte of them in a plan, a state or a problem.

import { inspect } from 'node:util'
import { describe, expect, test } from 'vitest'
import { secret } from '../../src/cluster/kinds/secret.ts'
import { Secret } from '../../src/engine/secret.ts'
import { apiError, FakeCluster } from './fake.ts'
import { changeOf, look, made, planned } from './kit.ts'

const REF = { apiVersion: 'v1', kind: 'Secret', namespace: 'platform', name: 'token' }
const VALUES = ['hunter2-one', 'hunter2-two']
const [ONE = '', TWO = ''] = VALUES
const token = (data: Readonly<Record<string, string>>, type?: string) =>
  secret({
    namespace: 'platform',
    name: 'token',
    ...(type && { type }),
    data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, new Secret(value)])),
  })

/** None of the values in any form in which it travels. */
function expectNothingSecret(found: unknown): void {
  const text = `${inspect(found, { depth: 9 })}${JSON.stringify(found)}`
  for (const value of VALUES) {
    expect(text).not.toContain(value)
    expect(text).not.toContain(Buffer.from(value).toString('base64').replace(/=+$/, ''))
  }
}

describe('a Secret', () => {
  test('is written with its values, and then there is nothing to do', async () => {
    const cluster = new FakeCluster('platform')
    expect(await planned(token({ 'api-token': ONE }), cluster)).toBe('create\npresent: null -> true')
    await made(token({ 'api-token': ONE }), cluster)
    expect(cluster.peek(REF)).toMatchObject({
      type: 'Opaque',
      data: { 'api-token': Buffer.from(ONE).toString('base64') },
    })
    expect(await planned(token({ 'api-token': ONE }), cluster)).toBe('none')
  })

  test('that is rotated tells only which key, as ***', async () => {
    const cluster = new FakeCluster('platform')
    await made(token({ '.dockerconfigjson': ONE, same: ONE, old: ONE }), cluster)
    const next = token({ '.dockerconfigjson': TWO, same: ONE, added: TWO })
    expect((await planned(next, cluster)).split('\n').toSorted()).toEqual([
      'data.added: null -> "***"',
      'data.old: "***" -> null',
      'data[.dockerconfigjson]: "***" -> "***"',
      'update',
    ])
    expectNothingSecret([await look(next, cluster), (await changeOf(next, cluster)).deltas, next])
    await made(next, cluster)
    expect(await planned(next, cluster)).toBe('none')
  })

  test('has digests that no other look repeats', async () => {
    const cluster = new FakeCluster('platform')
    await made(token({ a: ONE }), cluster)
    const [first, second] = [await look(token({ a: TWO }), cluster), await look(token({ a: TWO }), cluster)]
    expect(first.desired?.['data.a']).toMatch(/^[0-9a-f]{64}$/)
    expect(first.desired?.['data.a']).not.toBe(second.desired?.['data.a'])
  })

  test('keeps what others added to it', async () => {
    const cluster = new FakeCluster('platform')
    await made(token({ a: ONE }), cluster)
    await cluster.patch(REF, { data: { theirs: 'eA==' } })
    expect(await planned(token({ a: ONE }), cluster)).toBe('none')
    await made(token({ a: TWO }), cluster)
    expect(cluster.peek(REF)).toMatchObject({ data: { theirs: 'eA==' } })
  })

  test('of another type is deleted and made anew, and the plan says so', async () => {
    const cluster = new FakeCluster('platform')
    cluster.put({ ...REF, metadata: { namespace: 'platform', name: 'token' }, type: 'Opaque', data: { a: 'eA==' } })
    const uid = cluster.peek(REF)?.metadata.uid
    const docker = token({ '.dockerconfigjson': ONE }, 'kubernetes.io/dockerconfigjson')
    expect(await planned(docker, cluster)).toBe(
      'action: recreate Secret platform/token: its type is immutable (Opaque -> kubernetes.io/dockerconfigjson)',
    )
    expect(await made(docker, cluster)).toEqual({ waits: [], problem: '' })
    expect(cluster.peek(REF)?.metadata.uid).not.toBe(uid)
    expect(await planned(docker, cluster)).toBe('none')
  })

  test('that another object makes waits until that is gone', async () => {
    const cluster = new FakeCluster('platform')
    const kind = 'ExternalSecret'
    const ownerReferences = [{ apiVersion: 'external-secrets.io/v1', kind, name: 'mine', uid: 'u1', controller: true }]
    cluster.put({ ...REF, metadata: { ...REF, ownerReferences }, data: {} })
    const wait = 'action: apply Secret platform/token once its owner ExternalSecret mine is deleted'
    expect(await planned(token({ 'api-token': ONE }), cluster)).toBe(wait)
    expect((await made(token({ 'api-token': ONE }), cluster)).problem).toBe(
      `edge-1 Secret platform/token: it is created by ExternalSecret mine, which would recreate it
hint: remove it from the inventory, or: kubectl -n platform delete externalsecret mine`,
    )
    cluster.remove(REF)
    expect(await planned(token({ 'api-token': ONE }), cluster)).toBe('create\npresent: null -> true')
  })

  test('of an ExternalSecret that Flux owns is left alone', async () => {
    const cluster = new FakeCluster('platform')
    const labels = { 'kustomize.toolkit.fluxcd.io/name': 'apps' }
    cluster.put({ ...REF, metadata: { namespace: 'platform', name: 'token', labels }, data: { 'api-token': 'eA==' } })
    expect(await planned(token({ 'api-token': ONE }), cluster)).toBe(
      'owned: Flux (apps)\ndata.api-token: "***" -> "***"\ntype: null -> "Opaque"',
    )
  })

  test.each([
    apiError(400, 'BadRequest', `admission webhook "v" denied the request: ${ONE} is weak`),
    apiError(422, 'Invalid', `data[a]: Invalid value: "${ONE}"`, [
      { reason: 'FieldValueInvalid', message: `Invalid value: "${ONE}"`, field: 'data[a]' },
    ]),
    apiError(500, '', `something with ${Buffer.from(ONE).toString('base64')}`),
  ])('that is refused is not quoted: $code', async (error) => {
    const cluster = new FakeCluster('platform')
    cluster.fault = ({ verb }) => (verb === 'apply' ? error : undefined)
    const words = await planned(token({ a: ONE }), cluster)
    expect(words).toContain('edge-1 Secret platform/token: ')
    expectNothingSecret(words)
  })
})
