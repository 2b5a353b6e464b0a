// Reads everything around one Certificate from a cluster, and tests its open challenge.

import { lookup } from 'node:dns/promises'
import { z } from 'zod'
import { type Ask, asks } from '../certificates/asks.ts'
import { type BundleInput, readBundle } from '../certificates/bundle.ts'
import { explain, readiness } from '../certificates/explain.ts'
import { factsOf } from '../certificates/facts.ts'
import type { Cluster } from './cluster.ts'
import type { Live } from './object.ts'
import type { Looking } from './resource.ts'

const API = 'cert-manager.io/v1'

/** Whose story, and what is known of it from outside of the cluster. */
export interface Teller {
  readonly namespace: string
  readonly name: string
  /** The addresses that the names should lead to, for the explanation of a challenge that is not reached. */
  readonly nodeAddresses?: readonly string[]
  /** A name's addresses, as people see them; default: the resolver of this machine. */
  readonly resolve?: (name: string) => Promise<readonly string[]>
  /** GET of the open challenge's URL from this machine, too; not following redirects, never rejecting. */
  readonly tryHere?: (url: string, timeoutMs: number) => Promise<Probe>
}

/** What a GET came to. */
export interface Probe {
  readonly status?: number | undefined
  readonly location?: string | undefined
  /** The header `Server`. */
  readonly server?: string | undefined
  readonly error?: string
}

interface Challenge {
  readonly dnsName: string
  readonly token: string
}

const secretName = z.looseObject({ spec: z.looseObject({ secretName: z.string() }) })

/** Enough to see that all is well: three reads. */
export async function issued(
  cluster: Cluster,
  { now }: Pick<Looking, 'now'>,
  { namespace, name }: Teller,
): Promise<BundleInput> {
  const asked: Ask[] = [
    { apiVersion: API, kind: 'Certificate', namespace, name },
    { apiVersion: 'v1', kind: 'Secret', namespace, name },
    { apiVersion: API, kind: 'ClusterIssuer' },
  ]
  return input(cluster, new Date(now()), namespace, name, asked)
}

/** All that belongs to it, and what one try of the open challenge from the node gives. */
export async function story(cluster: Cluster, { now }: Pick<Looking, 'now'>, spec: Teller): Promise<BundleInput> {
  const { namespace, name, nodeAddresses = [], resolve = resolved, tryHere } = spec
  const found = await input(cluster, new Date(now()), namespace, name, asks(namespace, name))
  const challenge = openChallenge(found)
  if (challenge === undefined) return found
  const [probe, here, addresses] = await Promise.all([
    tried(cluster, challenge),
    tryHere?.(`http://${challenge.dnsName}${ACME_PATH}${challenge.token}`, HTTP_MS),
    // A name that this machine cannot resolve says nothing of the name.
    resolve(challenge.dnsName).catch(() => []),
  ])
  const known = addresses.length > 0 && nodeAddresses.length > 0
  return { ...found, probe, here, ...(known && { addresses: { name: addresses, node: nodeAddresses } }) }
}

/** What is said of one that is not issued, below the reason why: cause, evidence, and what to do. */
export async function reasons(
  cluster: Cluster,
  at: Pick<Looking, 'now'>,
  spec: Teller,
): Promise<{ readonly why?: string; readonly hint?: string }> {
  const bundle = readBundle(await story(cluster, at, spec))
  const { because } = explain(bundle)
  if (because === null) return {}
  const { cause, evidence, fix } = because
  const state = readiness(bundle)
  return { why: [cause, ...evidence].join('\n'), hint: state.is === 'failed' ? (state.hint ?? fix) : fix }
}

async function input(
  cluster: Cluster,
  now: Date,
  namespace: string,
  name: string,
  asked: readonly Ask[],
): Promise<BundleInput> {
  const objects = await read(cluster, asked)
  const certificate = objects.find(({ kind, metadata }) => kind === 'Certificate' && metadata.name === name)
  const other = secretName.safeParse(certificate).data?.spec.secretName
  const secret = { apiVersion: 'v1', kind: 'Secret', namespace }
  const more = other === undefined || other === name ? [] : await read(cluster, [{ ...secret, name: other }])
  return { now, namespace, name, objects: [...objects, ...more] }
}

/** All that is there of what is asked for, read in parallel. */
export async function read(cluster: Cluster, asked: readonly Ask[]): Promise<Live[]> {
  const found = await Promise.all(
    asked.map(async (ask) => {
      if (ask.name === undefined) return cluster.list(ask)
      const one = await cluster.get({ ...ask, name: ask.name })
      return one === null ? [] : [one]
    }),
  )
  return found.flat()
}

const http01 = z.looseObject({
  spec: z.looseObject({ type: z.literal('HTTP-01'), dnsName: z.string(), token: z.string() }),
  status: z.looseObject({ state: z.literal('pending') }),
})

/** Of this Certificate, not of another one in its namespace. */
function openChallenge(found: BundleInput): Challenge | undefined {
  return http01.safeParse(factsOf(readBundle(found)).open).data?.spec
}

const ACME_PATH = '/.well-known/acme-challenge/'
const HTTP_MS = 4000

async function tried(cluster: Cluster, { dnsName, token }: Challenge): Promise<Probe> {
  const path = `${ACME_PATH}${token}`
  try {
    const { status, headers } = await cluster.http({ host: dnsName, port: 80, path, timeoutMs: HTTP_MS })
    return { status, location: headers.location, server: headers.server }
  } catch (error) {
    return { error: error instanceof Error ? error.message : String(error) }
  }
}

async function resolved(name: string): Promise<readonly string[]> {
  return (await lookup(name, { all: true })).map(({ address }) => address)
}
