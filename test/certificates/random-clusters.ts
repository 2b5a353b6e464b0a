// Random clusters with certificates of Let's Encrypt, their past, and the server that issued them.

import { acmeServer, type ServerOrder } from './acme-server.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
export const NOW = Date.parse('2026-12-01T12:00:00Z')

/** Names with their registered domains: one below a suffix of two labels, and one of the private part of the list. */
const DOMAINS: readonly (readonly [name: string, domain: string])[] = [
  ['shop.example.co.uk', 'example.co.uk'],
  ['alice.github.io', 'alice.github.io'],
  ['svc.plus', 'svc.plus'],
]

const time = (at: number) => new Date(at).toISOString().replace(/\.\d+Z$/, 'Z')

export interface RandomClusters {
  /** By host: everything that its API has. */
  readonly hosts: ReadonlyMap<string, readonly unknown[]>
  readonly server: ReturnType<typeof acmeServer>
  orderOf(host: string, namespace: string, name: string): ServerOrder
}

interface Planned {
  readonly host: string
  readonly namespace: string
  readonly name: string
  readonly order: ServerOrder
  readonly spec: object
  /** When something was ordered, the oldest first. */
  readonly past: { readonly at: number; readonly fails: boolean }[]
}

export function randomClusters(random: () => number): RandomClusters {
  const pick = <T>(of: readonly [T, ...T[]]): T => of[Math.floor(random() * of.length)] ?? of[0]
  // Few sets of names that many share, or many names of one domain.
  const [most, labels] = pick([
    [8, 1],
    [20, 3],
    [70, 200],
  ])
  const planned = Array.from({ length: 1 + Math.floor(random() * most) }, (_, i): Planned => {
    const host = pick(['edge-1', 'edge-2'])
    const [base, domain] = pick([['svc.plus', 'svc.plus'], ...DOMAINS])
    const label = () => `n${Math.floor(random() * labels)}.${base}`
    const names = [label(), ...(random() < 0.2 ? [label()] : [])]
    const renew = pick([
      {},
      {},
      { renewBefore: `${600 + Math.floor(random() * 1_560)}h0m0s` },
      // Hours less than the 64 days of certificates that are issued from 2027-02-10 on.
      { renewBefore: `${64 * 24 - 1 - Math.floor(random() * 30)}h0m0s` },
      { renewBeforePercentage: 5 + Math.floor(random() * 93) },
    ])
    return {
      ...{ host, namespace: pick(['a', 'b']), name: `c${i}` },
      order: { account: `ClusterIssuer production on ${host}`, names, domains: names.map(() => domain) },
      spec: {
        secretName: `c${i}`,
        dnsNames: names,
        issuerRef: { kind: 'ClusterIssuer', name: 'production' },
        ...renew,
      },
      past: Array.from({ length: Math.floor(random() ** 2 * 8) }, () => ({
        at: NOW - Math.floor((random() < 0.5 ? 2 * DAY : 60 * DAY) * random() + HOUR),
        fails: random() < 0.1,
      })).toSorted((a, b) => a.at - b.at),
    }
  })
  const server = acmeServer()
  const issued = planned.map((): number[] => [])
  const failed = planned.map((): number[] => [])
  const events = planned.flatMap(({ past }, i) => past.map((one) => ({ ...one, i }))).toSorted((a, b) => a.at - b.at)
  for (const { at, fails, i } of events) {
    const order = planned[i]?.order
    if (order === undefined) continue
    if (fails) {
      server.fail(order, at)
      failed[i]?.push(at)
    } else if (server.order(order, at)) issued[i]?.push(at)
  }
  const hosts = new Map<string, unknown[]>([
    ['edge-1', [issuer()]],
    ['edge-2', [issuer()]],
  ])
  for (const [i, one] of planned.entries()) hosts.get(one.host)?.push(...objects(one, issued[i] ?? [], failed[i] ?? []))
  return {
    hosts,
    server,
    orderOf: (host, namespace, name) => {
      const found = planned.find((one) => one.host === host && one.namespace === namespace && one.name === name)
      if (found === undefined) throw new Error(`no ${host} ${namespace}/${name}`)
      return found.order
    },
  }
}

const issuer = () => ({
  kind: 'ClusterIssuer',
  metadata: { name: 'production' },
  spec: { acme: { server: 'https://acme-v02.api.letsencrypt.org/directory' } },
})

function objects({ namespace, name, spec, order }: Planned, issued: readonly number[], failed: readonly number[]) {
  const last = issued.at(-1)
  const status =
    last === undefined
      ? {}
      : { notBefore: time(last - HOUR), notAfter: time(last - HOUR + 90 * DAY - 1000), revision: issued.length }
  const trace = (at: number, revision: number, state: 'valid' | 'invalid') => {
    const request = `${name}-${revision}-${state}`
    const annotations = { 'cert-manager.io/certificate-revision': String(revision) }
    const metadata = { namespace, name: request, creationTimestamp: time(at) }
    return [
      {
        kind: 'CertificateRequest',
        metadata: { ...metadata, annotations, ownerReferences: [{ kind: 'Certificate', name }] },
        status: {
          conditions: state === 'valid' ? [{ type: 'Ready', status: 'True', lastTransitionTime: time(at) }] : [],
        },
      },
      {
        kind: 'Order',
        metadata: { ...metadata, ownerReferences: [{ kind: 'CertificateRequest', name: request }] },
        spec: { dnsNames: order.names },
        status: { state },
      },
    ]
  }
  return [
    { kind: 'Certificate', metadata: { namespace, name }, spec, status },
    ...issued.flatMap((at, i) => trace(at, i + 1, 'valid')),
    ...failed.flatMap((at, i) => trace(at, i + 1_000, 'invalid')),
  ]
}
