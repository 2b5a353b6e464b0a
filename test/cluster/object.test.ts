// Objects: what a plan says of them, what is left alone, what is waited for, and what is told when it does not come.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import { z } from 'zod'
import { mergedObject, object } from '../../src/cluster/kinds/object.ts'
import { present } from '../../src/cluster/kinds/present.ts'
import { type Live, live, type Manifest, refOf } from '../../src/cluster/object.ts'
import { apiError, FakeCluster } from './fake.ts'
import { look, made, planned } from './kit.ts'

const CERTIFICATE: Manifest = {
  apiVersion: 'cert-manager.io/v1',
  kind: 'Certificate',
  metadata: { namespace: 'database', name: 'tls', annotations: { 'a.b/c': '1' } },
  spec: { dnsNames: ['a.example'], privateKey: { rotationPolicy: 'Always' }, issuerRef: { name: 'one' } },
}
const REF = refOf(CERTIFICATE)

beforeEach(() => {
  vi.useFakeTimers({ now: 0 })
})
afterEach(() => {
  vi.useRealTimers()
})

/** The promise, with the clock running as long as it takes. */
async function inTime<T>(promise: Promise<T>): Promise<T> {
  let open = true
  const settled = promise.finally(() => {
    open = false
  })
  settled.catch(() => undefined)
  while (open) await vi.advanceTimersByTimeAsync(500)
  return settled
}

describe('an object', () => {
  test('is created, and then there is nothing to do', async () => {
    const cluster = new FakeCluster('database')
    expect(await planned(object(CERTIFICATE), cluster)).toBe('create\npresent: null -> true')
    expect(cluster.peek(REF)).toBeNull()
    expect(await made(object(CERTIFICATE), cluster)).toEqual({ waits: [], problem: '' })
    expect(await planned(object(CERTIFICATE), cluster)).toBe('none')
  })

  test('tells a remark when it is new', async () => {
    const cluster = new FakeCluster('database')
    expect(await planned(object(CERTIFICATE, { remark: 'self-signed' }), cluster)).toBe(
      'create\nversion: null -> "self-signed"',
    )
  })

  test('is looked at with one read and one dry run, and changes nothing', async () => {
    const cluster = new FakeCluster('database')
    await look(object(CERTIFICATE), cluster)
    expect(cluster.calls.map(({ verb, dryRun }) => `${verb}${dryRun ? ' dry' : ''}`)).toEqual(['get', 'apply dry'])
  })

  test('shows exactly the fields that apply would change', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    const next: Manifest = {
      ...CERTIFICATE,
      metadata: { ...CERTIFICATE.metadata, annotations: { 'a.b/d': '2' } },
      spec: {
        dnsNames: ['a.example', 'b.example'],
        privateKey: { rotationPolicy: 'Always' },
        issuerRef: { name: 'two' },
      },
    }
    expect(await planned(object(next), cluster)).toMatchInlineSnapshot(`
      "update
      metadata.annotations[a.b/c]: "1" -> null
      spec.dnsNames: ["a.example"] -> ["a.example","b.example"]
      spec.issuerRef.name: "one" -> "two"
      metadata.annotations[a.b/d]: null -> "2""
    `)
    await made(object(next), cluster)
    expect(await planned(object(next), cluster)).toBe('none')
  })

  test('shows what admission makes of it, too', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    cluster.admit = (admitted) =>
      live.parse({ ...admitted, extra: [{ name: 'a', n: 1 }, { n: 2 }], named: [{ name: 'x/y', n: 1 }] })
    expect((await planned(object(CERTIFICATE), cluster)).split('\n')).toEqual([
      'update',
      'extra[0].name: null -> "a"',
      'extra[0].n: null -> 1',
      'extra[1].n: null -> 2',
      'named[x/y].name: null -> "x/y"',
      'named[x/y].n: null -> 1',
    ])
  })

  test('does not see stamps, status and what kubectl keeps of it', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    cluster.admit = (admitted): Live => ({
      ...admitted,
      metadata: {
        ...admitted.metadata,
        generation: 7,
        annotations: { ...admitted.metadata.annotations, 'kubectl.kubernetes.io/last-applied-configuration': '{}' },
      },
      status: { ready: true },
    })
    expect(await planned(object(CERTIFICATE), cluster)).toBe('none')
  })

  test('that a controller writes to between the read and the dry run is read again', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    let writes = 0
    cluster.fault = ({ dryRun }) => {
      if (dryRun && ++writes < 3) cluster.put({ ...CERTIFICATE, n: writes }, 'controller')
      return undefined
    }
    expect([await planned(object(CERTIFICATE), cluster), writes]).toEqual(['none', 3])
  })

  test('with a field of somebody else is a problem that names both, and is not forced', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    cluster.put(
      {
        ...CERTIFICATE,
        spec: { dnsNames: ['a.example'], privateKey: { rotationPolicy: 'Always' }, issuerRef: { name: 'mine' } },
      },
      'kubectl-edit',
    )
    expect(await planned(object(CERTIFICATE), cluster)).toMatchInlineSnapshot(`
      "edge-1 Certificate database/tls: a field belongs to another field manager, and conflicts are never forced
      why: spec.issuerRef.name: kubectl edit
      hint: add its value to the inventory; or take ownership: kubectl -n database patch certificate.cert-manager.io tls --type=merge -p '{"spec":{"issuerRef":{"name":"one"}}}'"
    `)
  })

  test('of Flux is shown with its owner, and never written', async () => {
    const cluster = new FakeCluster('database')
    const labels = {
      'kustomize.toolkit.fluxcd.io/name': 'platform-root',
      'kustomize.toolkit.fluxcd.io/namespace': 'flux-system',
    }
    const { spec } = CERTIFICATE
    cluster.put({ ...CERTIFICATE, metadata: { ...CERTIFICATE.metadata, labels }, spec }, 'kustomize-controller')
    expect(await planned(object(CERTIFICATE), cluster)).toBe('owned: Flux (platform-root)')
    const other: Manifest = { ...CERTIFICATE, spec: { dnsNames: ['b.example'], issuerRef: { name: 'one' } } }
    expect(await planned(object(other), cluster)).toBe(
      'owned: Flux (platform-root)\nspec.dnsNames: ["a.example"] -> ["b.example"]',
    )
    expect(cluster.calls.filter(({ verb, dryRun }) => verb === 'apply' && !dryRun)).toEqual([])
  })

  test('whose kind or namespace is not there is created, and its API waited for', async () => {
    const cluster = new FakeCluster()
    cluster.unserved.add('Certificate')
    expect(await planned(object(CERTIFICATE), cluster)).toBe('create\npresent: null -> true')
    setTimeout(() => cluster.unserved.clear(), 3000)
    setTimeout(() => cluster.put({ apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'database' } }), 5000)
    expect(await inTime(made(object(CERTIFICATE), cluster))).toEqual({
      waits: [
        'the API does not know Certificate of cert-manager.io/v1 (60 s)',
        'there is no namespace database (60 s)',
      ],
      problem: '',
    })
    expect(await planned(object(CERTIFICATE), cluster)).toBe('none')
  })

  const SILENT = apiError(
    500,
    'InternalError',
    'Internal error occurred: failed calling webhook "w.example": failed to call webhook: Post "https://w.x.svc:443/v?timeout=10s": no endpoints available for service "w"',
  )

  test('behind a webhook that does not answer is not known, and waited for when it is made', async () => {
    const cluster = new FakeCluster('database')
    await made(object(CERTIFICATE), cluster)
    cluster.fault = ({ verb }) => (verb === 'apply' ? SILENT : undefined)
    const plan = 'action: apply Certificate database/tls once the webhook "w.example" answers'
    expect(await planned(object(CERTIFICATE), cluster)).toBe(plan)
    setTimeout(() => {
      cluster.fault = () => undefined
    }, 4000)
    const { waits, problem } = await inTime(made(object(CERTIFICATE), cluster))
    expect([problem, ...waits]).toEqual([
      '',
      'the webhook "w.example" does not answer: no endpoints available for service "w" (60 s)',
    ])
    expect(await planned(object(CERTIFICATE), cluster)).toBe('none')
  })

  test('behind a webhook that never answers fails within the bound, with the reason', async () => {
    const cluster = new FakeCluster('database')
    cluster.fault = ({ verb }) => (verb === 'apply' ? SILENT : undefined)
    expect(await planned(object(CERTIFICATE), cluster)).toBe('create\npresent: null -> true')
    const { problem } = await inTime(made(object(CERTIFICATE), cluster, { boundSeconds: 10 }))
    expect(problem).toMatchInlineSnapshot(`
      "edge-1 Certificate database/tls: the API did not accept it within 10 s
      why: the webhook "w.example" does not answer: no endpoints available for service "w"
      hint: find what w lacks: kubectl -n x get pods,endpointslices"
    `)
    expect(Date.now()).toBeLessThan(11_000)
  })

  test('is tried again when the API said it would answer', async () => {
    const cluster = new FakeCluster('database')
    const times: number[] = []
    cluster.fault = ({ verb, dryRun }) => {
      if (verb !== 'apply' || dryRun) return undefined
      times.push(Date.now())
      return times.length < 3 ? apiError(429, 'TooManyRequests', 'later', [], 7) : undefined
    }
    expect((await inTime(made(object(CERTIFICATE), cluster))).problem).toBe('')
    expect(times).toEqual([0, 7000, 14_000])
  })

  test('that is being deleted is waited for, and then made anew', async () => {
    const cluster = new FakeCluster('database')
    cluster.put(
      { ...CERTIFICATE, metadata: { ...CERTIFICATE.metadata, finalizers: ['x.example/hold'] } },
      'kubectl-create',
    )
    await cluster.delete(REF)
    expect(await planned(object(CERTIFICATE), cluster)).toBe(
      'action: apply Certificate database/tls once the old one is deleted (held by the finalizer x.example/hold)',
    )
    const late = await inTime(made(object(CERTIFICATE), cluster, { boundSeconds: 8 }))
    expect(late).toMatchInlineSnapshot(`
      {
        "problem": "edge-1 Certificate database/tls: its deletion did not finish within 8 s
      why: Certificate database/tls is being deleted: held by the finalizer x.example/hold
      hint: find the controller that must remove the finalizer: kubectl -n database describe certificate.cert-manager.io tls",
        "waits": [
          "Certificate database/tls is being deleted: held by the finalizer x.example/hold (8 s)",
        ],
      }
    `)
    setTimeout(() => cluster.remove(REF), 2000)
    expect((await inTime(made(object(CERTIFICATE), cluster))).problem).toBe('')
    expect(cluster.peek(REF)?.metadata.deletionTimestamp).toBeUndefined()
    expect(await planned(object(CERTIFICATE), cluster)).toBe('none')
  })

  test('ends a wait when the run is stopped', async () => {
    const cluster = new FakeCluster()
    const stop = new AbortController()
    setTimeout(() => stop.abort(), 1500)
    expect((await inTime(made(object(CERTIFICATE), cluster, { stop: stop.signal }))).problem).toBe('')
    expect(Date.now()).toBeLessThan(3000)
  })

  test('passes on a link that broke', async () => {
    const cluster = new FakeCluster('database')
    cluster.fault = () => new Error('the link broke')
    await expect(look(object(CERTIFICATE), cluster)).rejects.toThrow('the link broke')
  })
})

describe('an object of others', () => {
  const ref = { apiVersion: 'v1', kind: 'Secret', namespace: 'platform', name: 'token' }
  const token = present({ ref, keys: ['api-token'], hint: 'make it' })
  const filled = (data: object) => ({
    apiVersion: 'v1',
    kind: 'Secret',
    metadata: { namespace: 'platform', name: 'token' },
    data,
  })

  test.each([
    ['absent', undefined, 'action: wait for Secret platform/token'],
    ['without its key', {}, 'action: wait for api-token in Secret platform/token'],
    ['with an empty key', { 'api-token': '' }, 'action: wait for api-token in Secret platform/token'],
    ['there', { 'api-token': 'eA==', other: 'eA==' }, 'none'],
  ])('%s is planned as such', async (_, data, expected) => {
    const cluster = new FakeCluster('platform')
    if (data) cluster.put(filled(data))
    expect(await planned(token, cluster)).toBe(expected)
    expect(cluster.calls.every(({ verb }) => verb === 'get')).toBe(true)
  })

  test('is waited for until it is there, by a watch', async () => {
    const cluster = new FakeCluster('platform')
    setTimeout(() => cluster.put(filled({})), 1200)
    setTimeout(() => cluster.put(filled({ 'api-token': 'eA==' })), 2200)
    const begun = Date.now()
    expect(await inTime(made(token, cluster))).toEqual({
      waits: ['Secret platform/token does not exist (60 s)', 'Secret platform/token has no key api-token (60 s)'],
      problem: '',
    })
    expect(Date.now() - begun).toBeLessThan(3000)
  })

  test('fails with its hint when it does not come', async () => {
    const { problem } = await inTime(made(token, new FakeCluster('platform'), { boundSeconds: 7 }))
    expect(problem).toBe(
      'edge-1 Secret platform/token: it did not exist within 7 s\nwhy: Secret platform/token does not exist\nhint: make it',
    )
  })
})

describe('an object that several runs add to', () => {
  const withNames = (names: readonly string[], wanted: string): Manifest => ({
    ...CERTIFICATE,
    metadata: { namespace: 'database', name: 'tls' },
    spec: { dnsNames: [...new Set([...names, wanted])] },
  })
  const namesOf = (found: Live | null) =>
    z.looseObject({ spec: z.looseObject({ dnsNames: z.array(z.string()) }) }).safeParse(found).data?.spec.dnsNames ?? []
  const adding = (wanted: string, seen?: (found: Live | null) => void) =>
    mergedObject(REF, (found) => withNames(namesOf(found), wanted), seen && { seen })

  test('is made of what is there, and then there is nothing to do', async () => {
    const cluster = new FakeCluster('database')
    const seen: (Live | null)[] = []
    expect(await planned(adding('a.example'), cluster)).toBe('create\npresent: null -> true')
    await made(adding('a.example'), cluster)
    expect(
      await planned(
        adding('b.example', (found) => seen.push(found)),
        cluster,
      ),
    ).toBe('update\nspec.dnsNames: ["a.example"] -> ["a.example","b.example"]')
    expect(seen.map(namesOf)).toEqual([['a.example']])
    await made(adding('b.example'), cluster)
    expect(await planned(adding('a.example'), cluster)).toBe('none')
    expect(cluster.peek(REF)?.metadata.managedFields).toMatchObject([{ manager: 'kubectl-k3s-platform' }])
  })

  test('loses nothing when twenty add to it at the same time', async () => {
    const cluster = new FakeCluster('database')
    await made(adding('a.example'), cluster)
    const wanted = Array.from({ length: 20 }, (_, i) => `n${i}.example`)
    const outcomes = await inTime(Promise.all(wanted.map((name) => made(adding(name), cluster))))
    expect(outcomes.map(({ problem }) => problem).filter(Boolean)).toEqual([])
    expect(namesOf(cluster.peek(REF)).toSorted()).toEqual(['a.example', ...wanted].toSorted())
  })

  test('is not written twice by twenty that want the same', async () => {
    const cluster = new FakeCluster('database')
    await inTime(Promise.all(Array.from({ length: 20 }, () => made(adding('a.example'), cluster))))
    const version = cluster.peek(REF)?.metadata.resourceVersion
    await made(adding('a.example'), cluster)
    expect(cluster.peek(REF)?.metadata.resourceVersion).toBe(version)
    expect(namesOf(cluster.peek(REF))).toEqual(['a.example'])
  })
})
