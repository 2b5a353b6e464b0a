// The gates of issuance: an issuer that can issue, and a certificate whose Secret holds what was asked for.

import { lookup } from 'node:dns/promises'
import { z } from 'zod'
import { type Ask, asks } from '../../certificates/asks.ts'
import { type BundleInput, readBundle } from '../../certificates/bundle.ts'
import { explain, readiness } from '../../certificates/explain.ts'
import { explainIssuer } from '../../certificates/issuer.ts'
import type { Cluster } from '../cluster.ts'
import { type Live, titleOf } from '../object.ts'
import type { ClusterResource, Looking } from '../resource.ts'
import { gate } from './gate.ts'

const API = 'cert-manager.io/v1'
/** cert-manager takes up a change, or a Secret that has come, within a second or two: what it says before is of before. */
const GRACE_SECONDS = 10

export interface IssuerSpec {
  /** Of the ClusterIssuer. */
  readonly name: string
  readonly inputs: readonly string[]
  readonly boundSeconds: number
  /** cert-manager's own namespace, where a ClusterIssuer looks for its Secrets; default `cert-manager`. */
  readonly secrets?: string
}

const observed = z.looseObject({
  status: z.looseObject({
    conditions: z.array(z.looseObject({ type: z.string(), observedGeneration: z.number().optional() })),
  }),
})
const keys = z.looseObject({ data: z.record(z.string(), z.string()).default({}) })

export function issuerReady({ name, inputs, boundSeconds, secrets = 'cert-manager' }: IssuerSpec): ClusterResource {
  const ref = { apiVersion: API, kind: 'ClusterIssuer', name }
  return gate({
    id: `ready:ClusterIssuer/${name}`,
    title: titleOf(ref),
    inputs,
    boundSeconds,
    graceSeconds: GRACE_SECONDS,
    watches: [
      { apiVersion: API, kind: 'ClusterIssuer', fields: `metadata.name=${name}` },
      { apiVersion: 'v1', kind: 'Secret', namespace: secrets, metadataOnly: true },
    ],
    judge: async (cluster, at) => {
      const live = await cluster.get(ref)
      const now = new Date(at.now())
      if (explainIssuer(live, now).is === 'ready') return { is: 'ready' }
      const known = (await cluster.list({ apiVersion: 'v1', kind: 'Secret', namespace: secrets })).map((secret) => ({
        name: secret.metadata.name,
        keys: Object.entries(keys.parse(secret).data).flatMap(([key, value]) => (value === '' ? [] : key)),
      }))
      const found = explainIssuer(live, now, known)
      if (found.is !== 'failed' || live === null || !isOld(live)) return found
      return { ...found, is: 'waiting' }
    },
  })
}

/** Its condition tells of a version before the newest. */
function isOld(live: Live): boolean {
  const { data } = observed.safeParse(live)
  const ready = data?.status.conditions.find(({ type }) => type === 'Ready')
  return ready?.observedGeneration !== undefined && ready.observedGeneration < (live.metadata.generation ?? 0)
}

export interface CertificateSpec {
  readonly namespace: string
  readonly name: string
  readonly inputs: readonly string[]
  readonly boundSeconds: number
  /** The addresses that the names should lead to, for the explanation of a challenge that is not reached. */
  readonly nodeAddresses?: readonly string[]
  /** A name's addresses, as people see them; default: the resolver of this machine. */
  readonly resolve?: (name: string) => Promise<readonly string[]>
}

export function certificateReady(spec: CertificateSpec): ClusterResource {
  const { namespace, name } = spec
  const ref = { apiVersion: API, kind: 'Certificate', namespace, name }
  const acme = 'acme.cert-manager.io/v1'
  return gate({
    id: `ready:Certificate/${namespace}/${name}`,
    title: titleOf(ref),
    inputs: spec.inputs,
    boundSeconds: spec.boundSeconds,
    graceSeconds: GRACE_SECONDS,
    watches: [
      { apiVersion: API, kind: 'Certificate', namespace },
      { apiVersion: API, kind: 'CertificateRequest', namespace },
      { apiVersion: acme, kind: 'Order', namespace },
      { apiVersion: acme, kind: 'Challenge', namespace },
    ],
    judge: async (cluster, at) => {
      const found = readiness(readBundle(await issued(cluster, at, spec)))
      if (found.is === 'ready') return { is: 'ready' }
      return readiness(readBundle(await story(cluster, at, spec)))
    },
    evidence: async (cluster, at) => {
      const { because } = explain(readBundle(await story(cluster, at, spec)))
      if (because === null) return {}
      const { cause, evidence, fix } = because
      return { why: [cause, ...evidence].join('\n'), hint: fix }
    },
  })
}

const secretName = z.looseObject({ spec: z.looseObject({ secretName: z.string() }) })

/** Enough to see that all is well: three reads. */
async function issued(cluster: Cluster, at: Looking, { namespace, name }: CertificateSpec): Promise<BundleInput> {
  const asked: Ask[] = [
    { apiVersion: API, kind: 'Certificate', namespace, name },
    { apiVersion: 'v1', kind: 'Secret', namespace, name },
    { apiVersion: API, kind: 'ClusterIssuer' },
  ]
  return input(cluster, at, namespace, name, asked)
}

/** All that belongs to it, and what a try of the open challenge gives. */
async function story(cluster: Cluster, at: Looking, spec: CertificateSpec): Promise<BundleInput> {
  const { namespace, name, nodeAddresses = [], resolve = resolved } = spec
  const found = await input(cluster, at, namespace, name, asks(namespace, name))
  const challenge = openChallenge(found.objects)
  if (challenge === undefined) return found
  const [probe, addresses] = await Promise.all([
    tried(cluster, challenge),
    // A name that this machine cannot resolve says nothing of the name.
    resolve(challenge.dnsName).catch(() => []),
  ])
  const known = addresses.length > 0 && nodeAddresses.length > 0
  return { ...found, probe, ...(known && { addresses: { name: addresses, node: nodeAddresses } }) }
}

async function input(
  cluster: Cluster,
  at: Looking,
  namespace: string,
  name: string,
  asked: readonly Ask[],
): Promise<BundleInput> {
  const objects = await read(cluster, asked)
  const certificate = objects.find(({ kind, metadata }) => kind === 'Certificate' && metadata.name === name)
  const other = secretName.safeParse(certificate).data?.spec.secretName
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace }
  const more = other === undefined || other === name ? [] : await read(cluster, [{ ...secret, name: other }])
  return { now: new Date(at.now()), namespace, name, objects: [...objects, ...more] }
}

async function read(cluster: Cluster, asked: readonly Ask[]): Promise<Live[]> {
  const found = await Promise.all(
    asked.map(async (ask) => {
      if (ask.name === undefined) return cluster.list(ask)
      const one = await cluster.get({ ...ask, name: ask.name })
      return one === null ? [] : [one]
    }),
  )
  return found.flat()
}

const challengeShape = z.looseObject({
  kind: z.literal('Challenge'),
  spec: z.looseObject({ type: z.literal('HTTP-01'), dnsName: z.string(), token: z.string() }),
  status: z.looseObject({ state: z.literal('pending') }),
})

function openChallenge(objects: readonly unknown[]): { dnsName: string; token: string } | undefined {
  return objects.flatMap((object) => challengeShape.safeParse(object).data?.spec ?? [])[0]
}

const HTTP_MS = 4000

async function tried(cluster: Cluster, { dnsName, token }: { dnsName: string; token: string }): Promise<object> {
  const path = `/.well-known/acme-challenge/${token}`
  try {
    const { status, headers } = await cluster.http({ host: dnsName, port: 80, path, timeoutMs: HTTP_MS })
    return { status, location: headers.location }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

async function resolved(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}
