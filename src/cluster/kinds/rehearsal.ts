// Orders certificates for the same names from a staging server first, and removes everything that it made for that.

import { createHash } from 'node:crypto'
import { z } from 'zod'
import { readBundle } from '../../certificates/bundle.ts'
import { readiness } from '../../certificates/explain.ts'
import { environmentOf } from '../../certificates/limits.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { fieldsOfAnswer } from '../answer.ts'
import type { Cluster } from '../cluster.ts'
import { type Live, type Manifest, type Ref, refOf, titleOf } from '../object.ts'
import { isOurs } from '../ownership.ts'
import type { ClusterResource, Making } from '../resource.ts'
import { issued, reasons, type Teller } from '../story.ts'
import { waitUntilReady } from '../wait.ts'
import { GRACE_SECONDS } from './issuance.ts'

export interface RehearsalSpec {
  /** The Certificates whose names are ordered. */
  readonly certificates: readonly Teller[]
  /** The ACME directory to order from; null: Let's Encrypt's staging, for issuers of its production. */
  readonly server: string | null
}

const API = 'cert-manager.io/v1'
const STAGING = 'https://acme-staging-v02.api.letsencrypt.org/directory'

const BOUND_SECONDS = 300
/** Everything of a rehearsal is found by its name: what an interrupted run has left, too. */
const PREFIX = 'k3s-platform-rehearsal-'
const OWN_NAME = new RegExp(`^${PREFIX}[0-9a-f]{12}(?:-account)?$`)
const nameFor = (ref: object) =>
  `${PREFIX}${createHash('sha256').update(JSON.stringify(ref)).digest('hex').slice(0, 12)}`

const json = z.record(z.string(), z.json())
const certificate = z.looseObject({
  spec: z.looseObject({
    issuerRef: z.looseObject({ kind: z.string().default('Issuer'), name: z.string(), group: z.string().optional() }),
    commonName: z.json().optional(),
    dnsNames: z.json().optional(),
    ipAddresses: z.json().optional(),
    privateKey: z.json().optional(),
    usages: z.json().optional(),
  }),
})
const issuer = z.looseObject({ spec: z.looseObject({ acme: json.optional() }) })

/** One order that is rehearsed. */
interface Rehearsed {
  readonly production: Teller
  readonly issuer: Manifest
  readonly certificate: Manifest
}

/** True once, after a staging certificate for each of them; and as long as nothing of a rehearsal is left. */
export function rehearsal(spec: RehearsalSpec): ClusterResource {
  const names = spec.certificates.map(({ namespace, name }) => `${namespace}/${name}`)
  const title = `rehearsal of ${names.join(', ')}`
  let isDone = false
  return {
    id: 'rehearsal:certificates',
    title,
    before: { actual: null, desired: { rehearsed: true, leftovers: 0 } },
    action: () => `rehearse ${names.join(', ')}`,
    look: async (cluster, { host }) => {
      const [left, open] = await Promise.all([leftovers(cluster), isDone ? [] : rehearsed(cluster, spec, host)])
      return {
        actual: { rehearsed: open.length === 0, leftovers: left.length },
        desired: { rehearsed: true, leftovers: 0 },
      }
    },
    make: async (_, cluster, how) => {
      await clear(cluster)
      const orders = await rehearsed(cluster, spec, how.host)
      try {
        for (const manifest of new Map(orders.map((one) => [one.issuer.metadata.name, one.issuer])).values())
          await cluster.apply(manifest)
        for (const one of orders) await cluster.apply(one.certificate)
        const ends = await Promise.all(orders.map((one) => ended(cluster, one, how)))
        const problems = ends.flatMap(({ problem }) => problem ?? [])
        if (problems.length > 0) throw new ProblemError(problems)
        isDone = ends.every(({ is }) => is === 'issued')
      } finally {
        await clear(cluster)
      }
    },
  }
}

/** True when nothing of an interrupted rehearsal is left. */
export function noRehearsal(): ClusterResource {
  return {
    id: 'rehearsal:leftovers',
    title: 'leftovers of a rehearsal',
    before: { actual: null, desired: null },
    look: async (cluster) => {
      const left = await leftovers(cluster)
      return { actual: left.length === 0 ? null : { objects: left.length }, desired: null }
    },
    make: async (_, cluster) => clear(cluster),
  }
}

/** What is to be ordered; throws for what has no staging server. Issuers of another type have nothing to rehearse. */
async function rehearsed(
  cluster: Cluster,
  { certificates, server }: RehearsalSpec,
  host: string,
): Promise<Rehearsed[]> {
  const found = await Promise.all(
    certificates.map(async (production): Promise<Rehearsed | Problem | null> => {
      const { namespace, name } = production
      const { spec } = fieldsOfAnswer(
        certificate,
        await cluster.get({ apiVersion: API, kind: 'Certificate', namespace, name }),
      )
      const { issuerRef, commonName, dnsNames, ipAddresses, privateKey, usages } = spec
      const { kind } = issuerRef
      const within = kind === 'ClusterIssuer' ? {} : { namespace }
      const ref: Ref = { apiVersion: API, kind, ...within, name: issuerRef.name }
      const acme = issuer.safeParse(await cluster.get(ref)).data?.spec.acme
      if (acme === undefined) return null
      const from = typeof acme.server === 'string' ? acme.server : undefined
      const environment = environmentOf(from)
      if (environment === 'staging') return null
      if (server === null && environment === null) {
        return {
          kind: 'failed',
          where: `${host} ${titleOf(ref)}`,
          what: `No staging server is known for ${from ?? 'its ACME server'}`,
          hint: 'name the ACME directory to rehearse at: --staging-server URL',
        }
      }
      // The account, and what binds it, belong to the other server; so does the CA of a private one.
      const { privateKeySecretRef: _, externalAccountBinding: __, preferredChain: ___, caBundle, ...rest } = acme
      const [staged, asked] = [nameFor(ref), nameFor({ kind: 'Certificate', namespace, name })]
      const wanted = { commonName, dnsNames, ipAddresses, privateKey, usages }
      return {
        production,
        issuer: {
          apiVersion: API,
          kind,
          metadata: { name: staged, ...within },
          spec: {
            acme: {
              ...rest,
              ...(server !== null && caBundle !== undefined && { caBundle }),
              server: server ?? STAGING,
              privateKeySecretRef: { name: `${staged}-account` },
            },
          },
        },
        certificate: {
          apiVersion: API,
          kind: 'Certificate',
          metadata: { name: asked, namespace },
          spec: {
            ...json.parse(JSON.parse(JSON.stringify(wanted))),
            secretName: asked,
            issuerRef: { kind, name: staged },
          },
        },
      }
    }),
  )
  const problems = found.filter((one) => one !== null && 'what' in one)
  if (problems.length > 0) throw new ProblemError(problems)
  return found.filter((one) => one !== null && 'certificate' in one)
}

type End = { readonly is: 'issued' | 'stopped' | 'failed'; readonly problem?: Problem }

async function ended(cluster: Cluster, { production, certificate }: Rehearsed, how: Making): Promise<End> {
  const { namespace = '', name } = certificate.metadata
  const teller: Teller = { ...production, namespace, name }
  const listing = { namespace, metadataOnly: true }
  const outcome = await waitUntilReady(
    {
      bound: BOUND_SECONDS,
      graceSeconds: GRACE_SECONDS,
      watches: [
        { cluster, listing: { ...listing, apiVersion: API, kind: 'Certificate' } },
        { cluster, listing: { ...listing, apiVersion: 'acme.cert-manager.io/v1', kind: 'Challenge' } },
      ],
      judge: async () => readiness(readBundle(await issued(cluster, how, teller))),
    },
    how,
  )
  if (!('verdict' in outcome)) return { is: outcome.is === 'ready' ? 'issued' : 'stopped' }
  const { why = outcome.verdict.why, hint } = await reasons(cluster, how, teller)
  return {
    is: 'failed',
    problem: {
      kind: 'failed',
      where: `${how.host} ${titleOf({ kind: 'Certificate', namespace: production.namespace, name: production.name })}`,
      what: 'The rehearsal failed: nothing was ordered from the production server',
      why,
      hint: hint === undefined ? 'solve it, then run again' : hint.replaceAll(name, production.name),
    },
  }
}

async function leftovers(cluster: Cluster): Promise<Live[]> {
  const lists = await Promise.all([
    cluster.list({ apiVersion: API, kind: 'Certificate' }),
    cluster.list({ apiVersion: API, kind: 'Issuer' }),
    cluster.list({ apiVersion: API, kind: 'ClusterIssuer' }),
    // cert-manager has made these.
    cluster.list({ apiVersion: 'v1', kind: 'Secret', metadataOnly: true }),
  ])
  return lists.flat().filter((one) => OWN_NAME.test(one.metadata.name) && (one.kind === 'Secret' || isOurs(one)))
}

/** Certificates and issuers first: cert-manager would make their Secrets again. */
async function clear(cluster: Cluster): Promise<void> {
  const isSecret = ({ kind }: Live) => kind === 'Secret'
  for (const one of (await leftovers(cluster)).filter((left) => !isSecret(left))) await cluster.delete(refOf(one))
  for (const one of (await leftovers(cluster)).filter(isSecret)) await cluster.delete(refOf(one))
}
