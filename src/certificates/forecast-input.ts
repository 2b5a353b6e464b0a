// Reads what a forecast needs from a cluster's objects: Certificates, their issuers, and what has been ordered lately.

import { z } from 'zod'
import type { LedgerEntry } from './buckets.ts'
import {
  type Certificate,
  type CertificateRequest,
  certificate as certificateShape,
  type Issuer,
  issuer as issuerShape,
  type Order,
  order as orderShape,
  request as requestShape,
  whole,
} from './bundle.ts'
import { backoffOf, conditionOf } from './facts.ts'
import type { ForecastCertificate } from './forecast.ts'
import { type AcmeEnvironment, environmentOf } from './limits.ts'
import { DEFAULT_PROFILE, goSeconds, profileValidity } from './validity.ts'

const CERT_MANAGER = 'cert-manager.io/v1'

/** The lists to read, of all namespaces: certificates of one share the limits with those of the others. */
export const FORECAST_LISTS = [
  { apiVersion: CERT_MANAGER, kind: 'Certificate' },
  { apiVersion: CERT_MANAGER, kind: 'ClusterIssuer' },
  { apiVersion: CERT_MANAGER, kind: 'Issuer' },
  { apiVersion: CERT_MANAGER, kind: 'CertificateRequest' },
  { apiVersion: 'acme.cert-manager.io/v1', kind: 'Order' },
  { apiVersion: 'apps/v1', kind: 'Deployment', labels: 'app.kubernetes.io/name=cert-manager' },
] as const

/** cert-manager's default, and its shortest. */
const DEFAULT_VALIDITY = 90 * 86_400
const SHORTEST_VALIDITY = 3_600
const LONGEST_VALIDITY = 100 * 366 * 86_400

const kind = z.looseObject({ kind: z.string() })
const deployment = z.looseObject({
  spec: z.looseObject({
    template: z.looseObject({
      spec: z.looseObject({
        containers: z.array(z.looseObject({ image: z.string().catch(''), args: z.array(z.string()).catch([]) })),
      }),
    }),
  }),
})

/** `objects`: everything that came of FORECAST_LISTS, in any order. What is not understood is not in the result. */
export function forecastCertificates(host: string, objects: readonly unknown[], now: Date): ForecastCertificate[] {
  const all = <T extends z.ZodType>(of: string, shape: T): z.output<T>[] =>
    objects.flatMap((one) => (kind.safeParse(one).data?.kind === of ? (shape.safeParse(whole(one)).data ?? []) : []))
  const issuers = [...all('ClusterIssuer', issuerShape), ...all('Issuer', issuerShape)]
  const requests = byOwner(all('CertificateRequest', requestShape), 'Certificate')
  const orders = byOwner(all('Order', orderShape), 'CertificateRequest')
  const ari = all('Deployment', deployment).some(usesAri)
  return all('Certificate', certificateShape).map((one) => {
    const { namespace = '', name } = one.metadata
    const issuer = issuers.find(
      ({ kind, metadata }) =>
        kind === one.spec.issuerRef.kind &&
        metadata.name === one.spec.issuerRef.name &&
        (kind === 'ClusterIssuer' || metadata.namespace === namespace),
    )
    const own = requests.get(`${namespace}/${name}`) ?? []
    return read(host, one, issuer, own, (request) => orders.get(`${namespace}/${request}`) ?? [], ari, now)
  })
}

function read(
  host: string,
  certificate: Certificate,
  issuer: Issuer | undefined,
  requests: readonly CertificateRequest[],
  ordersOf: (request: string) => readonly Order[],
  ari: boolean,
  now: Date,
): ForecastCertificate {
  const { metadata, spec, status } = certificate
  const { namespace = '', name } = metadata
  const acme = issuer?.spec.acme
  const environment = environmentOf(acme?.server)
  const names = namesOf(spec)
  const title = `${spec.issuerRef.kind} ${spec.issuerRef.kind === 'Issuer' ? `${namespace}/` : ''}${spec.issuerRef.name}`
  const account = `${title} on ${host}`
  const [notBefore, notAfter] = [millis(status.notBefore), millis(status.notAfter)]
  const profile = acme === undefined ? null : (acme.profile ?? DEFAULT_PROFILE)
  return {
    ...{ host, namespace, name, names, environment, profile, account },
    issuer: title,
    ari,
    validity: validityOf(spec, notBefore, notAfter, environment, profile, now),
    renewBefore: (spec.renewBefore === undefined ? undefined : goSeconds(spec.renewBefore)) ?? null,
    renewBeforePercentage: spec.renewBeforePercentage ?? null,
    isRenewed: spec.renewal?.policy !== 'Disabled',
    notAfter,
    renewalTime: millis(status.renewalTime),
    nextAttempt: backoffOf(certificate, conditionOf(certificate, 'Issuing'))?.next.getTime() ?? null,
    isOrdering: requests.some(({ metadata }) => ordersOf(metadata.name).some(isInProgress)),
    history: environment === null ? [] : historyOf(certificate, requests, ordersOf, environment, account, now),
  }
}

/** What the certificate in use has; without one, what it will have. */
function validityOf(
  { duration }: Certificate['spec'],
  notBefore: number | null,
  notAfter: number | null,
  environment: AcmeEnvironment | null,
  profile: string | null,
  now: Date,
): number {
  const known =
    notBefore !== null && notAfter !== null
      ? // Let's Encrypt's ends a second early.
        Math.ceil((notAfter - notBefore) / 60_000) * 60
      : environment !== null && profile !== null
        ? profileValidity(environment, profile, now.getTime())
        : duration === undefined
          ? undefined
          : goSeconds(duration)
  return Math.min(LONGEST_VALIDITY, Math.max(SHORTEST_VALIDITY, known ?? DEFAULT_VALIDITY))
}

/**
 * The certificates that were issued for it, as far as the cluster remembers: the one in use, and those whose Order remains. An Order
 * that failed counts as a failed validation of each of its names.
 */
function historyOf(
  { spec, status }: Certificate,
  requests: readonly CertificateRequest[],
  ordersOf: (request: string) => readonly Order[],
  environment: AcmeEnvironment,
  account: string,
  now: Date,
): LedgerEntry[] {
  const entry = (names: readonly string[], at: number | null, is: LedgerEntry['is']): LedgerEntry[] =>
    at === null || at > now.getTime() ? [] : [{ order: { environment, account, names }, at, is }]
  const ordered = requests.flatMap((request) => {
    const isCurrent = status.revision !== undefined && revisionOf(request) === status.revision
    const ready = conditionOf(request, 'Ready')
    const issuedAt = ready?.status === 'True' ? millis(ready.lastTransitionTime) : null
    return ordersOf(request.metadata.name).flatMap(
      ({ metadata, spec: { dnsNames, ipAddresses }, status: { state } }) => {
        const at = Math.max(issuedAt ?? 0, millis(metadata.creationTimestamp) ?? 0)
        const names = [...dnsNames, ...ipAddresses]
        if (state === 'invalid') return [{ isCurrent: false, entries: entry(names, at, 'failed') }]
        return state === 'valid' ? [{ isCurrent, entries: entry(names, at, 'issued') }] : []
      },
    )
  })
  const isOrdered = ordered.some(({ isCurrent, entries }) => isCurrent && entries.length > 0)
  return [
    ...ordered.flatMap(({ entries }) => entries),
    ...(isOrdered || status.notAfter === undefined ? [] : entry(namesOf(spec), issuedAt(status, now), 'issued')),
  ]
}

/** Let's Encrypt's certificates begin an hour before they are issued. */
const BACKDATED_MS = 3_600_000
function issuedAt({ notBefore }: Certificate['status'], now: Date): number | null {
  const from = millis(notBefore)
  return from === null ? null : Math.max(from, Math.min(from + BACKDATED_MS, now.getTime()))
}

const namesOf = ({ dnsNames, ipAddresses, commonName }: Certificate['spec']) => [
  ...dnsNames,
  ...ipAddresses,
  // cert-manager orders it like the others.
  ...(commonName === undefined ? [] : [commonName]),
]

/** The ACME server has not issued its certificate yet, and may do so at any moment. */
const isInProgress = ({ status: { state } }: Order) => ['pending', 'ready', 'processing'].includes(state ?? 'pending')

const revisionOf = ({ metadata }: CertificateRequest) =>
  Number(metadata.annotations['cert-manager.io/certificate-revision'])

function millis(text: string | undefined): number | null {
  const at = Date.parse(text ?? '')
  return Number.isNaN(at) ? null : at
}

/** By namespace and the owner's name. */
function byOwner<T extends CertificateRequest | Order>(objects: readonly T[], kind: string): Map<string, T[]> {
  const groups = new Map<string, T[]>()
  for (const one of objects)
    for (const owner of one.metadata.ownerReferences.filter((by) => by.kind === kind)) {
      const key = `${one.metadata.namespace ?? ''}/${owner.name}`
      groups.set(key, [...(groups.get(key) ?? []), one])
    }
  return groups
}

/**
 * cert-manager 1.21 with its feature gate. The first two releases of 1.21 may use up the limit of the same names all the same:
 * https://github.com/cert-manager/cert-manager/issues/8993
 */
function usesAri({ spec }: z.output<typeof deployment>): boolean {
  return spec.template.spec.containers.some(
    ({ image, args }) =>
      args.some((arg) => /^--feature-gates=.*\bACMEUseARI=true\b/.test(arg)) && !/:v1\.21\.[01](?:@|$)/.test(image),
  )
}
