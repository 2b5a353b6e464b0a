// Whether Caddy has loaded its newest configuration, and whether it serves the certificate that a Secret holds.

import { z } from 'zod'
import { compareServed, handshakeFailure, leafOf } from '../../certificates/served.ts'
import type { Cluster } from '../cluster.ts'
import { type Ref, titleOf } from '../object.ts'
import { type HttpPlace, hostOf } from '../proofs.ts'
import type { ClusterResource, Making, Readiness } from '../resource.ts'
import { rolledOut, troubles } from '../rollout.ts'
import { type GateVerdict, gate } from './gate.ts'

/** Where Caddy is, and by which Ingress it is made to load its configuration. */
export interface CaddySpec {
  readonly place: HttpPlace
  /** Its rules are written by who wants a load: of an Ingress, only what routes makes Caddy load anything. */
  readonly canary: Ref
  /** Of Helm, in the Ingress's namespace. */
  readonly release: string
  readonly inputs: readonly string[]
  readonly boundSeconds: number
}

/** Not that of server-side apply: Flux takes over the fields of that one, and would remove these. */
const MANAGER = 'k3s-platform'
export const LOAD_PATH = '/.well-known/k3s-platform/'
/** Caddy sends plain http for hosts that it does not know to https before it looks at routes of no host. The Ingress lists it under tls. */
export const LOAD_HOST = 'caddy-reload.invalid'
const TIMEOUT_MS = 5000
/** Caddy takes up a change within a second or two; a new pod reads all Ingresses first. */
const HANGS_SECONDS = 20
/** From a load to the certificate on the wire. */
const SERVES_SECONDS = 8

const rules = z.looseObject({
  spec: z.looseObject({
    rules: z
      .array(z.looseObject({ http: z.looseObject({ paths: z.array(z.looseObject({ path: z.string() })) }) }))
      .default([]),
  }),
})

const waiting = (why: string, hint?: string): GateVerdict => ({
  is: 'waiting',
  why,
  ...(hint !== undefined && { hint }),
})

/**
 * The path of the last load, which Caddy routes from then on: to a Service that does not exist, so that it answers 502. Before
 * that, and for ever where it hangs, it answers 308, as for all that it does not route.
 */
async function loaded(cluster: Cluster, { place, canary }: Pick<CaddySpec, 'place' | 'canary'>): Promise<Readiness> {
  const live = await cluster.get(canary)
  const path = rules.safeParse(live).data?.spec.rules[0]?.http.paths[0]?.path
  if (path === undefined) return waiting('it has not been asked to load its configuration yet')
  const at = await hostOf(cluster, place)
  if ('is' in at) return at
  try {
    const to = { host: LOAD_HOST, address: at.host, port: at.port, path, timeoutMs: TIMEOUT_MS }
    const { status, headers } = await cluster.http(to)
    if (status !== 308) return { is: 'ready' }
    return waiting(`it answers 308 (${headers.server ?? 'no Server header'}) for a path that ${titleOf(canary)} routes`)
  } catch (error) {
    return waiting(`nothing answers HTTP at ${at.host}:${at.port}: ${handshakeFailure(error)}`)
  }
}

/** Has Caddy load its configuration, and with it the files of all TLS Secrets. */
async function load(cluster: Cluster, canary: Ref, now: number): Promise<void> {
  const backend = { service: { name: canary.name, port: { number: 80 } } }
  const paths = [{ path: `${LOAD_PATH}${Math.floor(now / 1000)}`, pathType: 'Exact', backend }]
  await cluster.patch(canary, { spec: { rules: [{ host: LOAD_HOST, http: { paths } }] } }, { manager: MANAGER })
}

/** Open once Caddy routes what its newest configuration says. Where it hangs, its pods are replaced once. */
export function caddyLoads(spec: CaddySpec): ClusterResource {
  const { canary, release, inputs, boundSeconds } = spec
  const { namespace = '' } = canary
  const pods = `app.kubernetes.io/instance=${release}`
  const title = "Caddy's configuration"
  let since: number | undefined
  let replaced = false
  return gate({
    id: `ready:Caddy/${namespace}`,
    title,
    about: canary,
    inputs,
    boundSeconds,
    watches: [{ apiVersion: 'v1', kind: 'Pod', namespace, labels: pods, metadataOnly: true }],
    begin: (cluster, { now }) => load(cluster, canary, now()),
    judge: async (cluster, at): Promise<GateVerdict> => {
      const found = await loaded(cluster, spec)
      if (found.is === 'ready' || !/^it answers 308/.test(found.why)) {
        since = undefined
        // A new pod routes before it counts as ready.
        return replaced && found.is === 'ready' ? rolledOut(cluster, { release, namespace }) : found
      }
      since ??= at.now()
      if (at.now() - since < HANGS_SECONDS * 1000) return found
      return {
        is: 'failed',
        what: replaced ? 'Caddy hangs even after its pod was replaced' : 'Caddy hangs',
        why: `${found.why}: it does not process Ingress changes`,
        hint: 'run again: v0.2.1 hangs in one of seven starts; an image that you build from newer sources: k3s_platform_caddy_image',
      }
    },
    heal: async (cluster, how, first) => {
      if (first || replaced) return false
      replaced = true
      since = undefined
      how.warn(
        'Caddy does not process Ingress changes: its pods are replaced',
        'nothing, unless it happens again: v0.2.1 hangs in one of seven starts',
      )
      await replacePods(cluster, namespace, pods)
      return true
    },
    evidence: async (cluster) => ({ why: await troubles(cluster, namespace) }),
  })
}

async function replacePods(cluster: Cluster, namespace: string, labels: string): Promise<void> {
  const found = await cluster.list({ apiVersion: 'v1', kind: 'Pod', namespace, labels, metadataOnly: true })
  for (const { metadata } of found) {
    const { uid, name } = metadata
    await cluster.delete({ apiVersion: 'v1', kind: 'Pod', namespace, name }, uid === undefined ? {} : { uid })
  }
}

export interface ServesSpec extends Omit<CaddySpec, 'release'> {
  /** The Certificate. */
  readonly certificate: Ref
  readonly hosts: readonly string[]
  /** Secrets of all Certificates for these hosts: any of them may be the one that is served. */
  readonly secrets: readonly { readonly namespace: string; readonly name: string }[]
}

const OTHER = 'Caddy serves another certificate'

/**
 * Open once a TLS handshake for each host shows the certificate of the Secret. A look gives what was issued between the runs the
 * time that the CronJob has: until then the previous certificate counts as served while it is valid.
 */
export function caddyServes(spec: ServesSpec): ClusterResource {
  const gate = strictlyServes(spec)
  // What this run itself changes has to be served at its end.
  let isChanging = false
  return {
    ...gate,
    afterInputs: (actual, inputs) => {
      isChanging = true
      return gate.afterInputs?.(actual, inputs) ?? { actual }
    },
    look: async (cluster, at) => {
      const seen = await gate.look(cluster, at)
      if (isChanging) return seen
      const isOther = String(seen.actual?.state).startsWith(`failed: ${OTHER}`)
      return isOther && (await isJustIssued(cluster, spec, at.now())) ? { ...seen, actual: { state: 'ready' } } : seen
    },
  }
}

/** The CronJob's five minutes, the time of its pod, and clocks that differ. */
const LOADED_WITHIN_SECONDS = 600
const stamped = z.looseObject({ time: z.string().optional() })

/** By the last write to a Secret: an authority may date a certificate back. One that is served and over is never fine. */
async function isJustIssued(cluster: Cluster, { secrets, place, hosts }: ServesSpec, now: number): Promise<boolean> {
  const found = await Promise.all(secrets.map((one) => cluster.get({ apiVersion: 'v1', kind: 'Secret', ...one })))
  const writes = found.flatMap((secret) => {
    const entries = secret?.metadata.managedFields ?? []
    const times = [secret?.metadata.creationTimestamp, ...entries.map((entry) => stamped.parse(entry).time)]
    return times.map((time) => Date.parse(time ?? '') || 0)
  })
  if (now - Math.max(0, ...writes) > LOADED_WITHIN_SECONDS * 1000) return false
  const at = await hostOf(cluster, place.service === undefined ? { ...place, hostPort: 443 } : place)
  if ('is' in at) return false
  const shown = await Promise.all(
    hosts.map((host) =>
      cluster
        .handshake({ servername: anyOf(host), address: at.host, port: 443, timeoutMs: TIMEOUT_MS })
        .catch(() => null),
    ),
  )
  return shown.every((one) => one !== null && one.notAfter.getTime() > now)
}

function strictlyServes(spec: ServesSpec): ClusterResource {
  const { certificate, canary, inputs, boundSeconds } = spec
  const secrets = spec.secrets.map((one) => ({ apiVersion: 'v1', kind: 'Secret', ...one }))
  let asked: number | undefined
  const again = async (cluster: Cluster, { now }: Pick<Making, 'now'>) => {
    asked = now()
    await load(cluster, canary, asked)
  }
  return gate({
    id: `ready:Caddy/${certificate.namespace}/${certificate.name}`,
    title: `${titleOf(certificate)} at Caddy`,
    about: certificate,
    inputs,
    boundSeconds,
    // While Caddy changes from one configuration to the next, either of two certificates may be shown.
    steadySeconds: 2,
    watches: secrets.map(({ name, ...rest }) => ({ ...rest, fields: `metadata.name=${name}`, metadataOnly: true })),
    begin: again,
    judge: async (cluster, at): Promise<GateVerdict> => {
      const found = await served(cluster, spec)
      if (found.is !== 'failed' || asked === undefined || at.now() - asked >= SERVES_SECONDS * 1000) return found
      return { ...found, is: 'waiting' }
    },
    // Newer controllers write the file of a Secret only when the Secret changes after its Ingress came.
    heal: async (cluster, how, first) => {
      if (first) return false
      const annotations = { 'k3s-platform/load': String(Math.floor(how.now() / 1000)) }
      for (const ref of secrets) {
        if ((await cluster.get(ref)) !== null)
          await cluster.patch(ref, { metadata: { annotations } }, { manager: MANAGER })
      }
      await again(cluster, how)
      return true
    },
    hint: `kubectl logs -n ${canary.namespace} -l app.kubernetes.io/name=caddy-ingress-controller; if an application's Ingress lists these hosts under tls with another Secret, set placeholder: false in the certificate`,
  })
}

async function served(cluster: Cluster, { certificate, secrets, place, hosts }: ServesSpec): Promise<GateVerdict> {
  const found = await Promise.all(secrets.map((one) => cluster.get({ apiVersion: 'v1', kind: 'Secret', ...one })))
  const held = found.flatMap((secret) => leafOf(secret) ?? [])
  if (held.length === 0) return waiting(`${titleOf(certificate)} is not issued yet`)
  const at = await hostOf(cluster, place.service === undefined ? { ...place, hostPort: 443 } : place)
  if ('is' in at) return at
  for (const host of hosts) {
    const servername = anyOf(host)
    try {
      const shown = await cluster.handshake({ servername, address: at.host, port: 443, timeoutMs: TIMEOUT_MS })
      const compared = held.map((one) => compareServed(shown, one))
      if (compared.some(({ state }) => state === 'Current')) continue
      const why = `${OTHER} for ${host}, valid until ${compared[0]?.notAfter}; ${compared[0]?.why}`
      return { is: 'failed', what: 'Caddy does not serve the certificate', why }
    } catch (error) {
      const why = `Caddy serves no certificate for ${host}: ${handshakeFailure(error)}`
      return { is: 'failed', what: 'Caddy does not serve the certificate', why }
    }
  }
  return { is: 'ready' }
}

/** A name that a wildcard stands for. */
export const anyOf = (host: string) => host.replace('*', 'any')
