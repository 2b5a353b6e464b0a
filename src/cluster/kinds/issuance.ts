// The gates of issuance: a ready issuer, and a certificate whose Secret contains the requested key pair.

import { z } from 'zod'
import { readBundle } from '../../certificates/bundle.ts'
import { readiness } from '../../certificates/explain.ts'
import { explainIssuer } from '../../certificates/issuer.ts'
import { fieldsOfAnswer } from '../answer.ts'
import { type Live, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { issued, reasons, story, type Teller } from '../story.ts'
import { gate } from './gate.ts'

const API = 'cert-manager.io/v1'
/** cert-manager takes up a change, or a Secret that has come, within a second or two: what it says before is of before. */
export const GRACE_SECONDS = 10

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
    about: ref,
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
        keys: Object.entries(fieldsOfAnswer(keys, secret).data).flatMap(([key, value]) => (value === '' ? [] : key)),
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

export interface CertificateSpec extends Teller {
  readonly inputs: readonly string[]
  readonly boundSeconds: number
}

export function certificateReady(spec: CertificateSpec): ClusterResource {
  const { namespace, name } = spec
  const ref = { apiVersion: API, kind: 'Certificate', namespace, name }
  const acme = 'acme.cert-manager.io/v1'
  return gate({
    id: `ready:Certificate/${namespace}/${name}`,
    title: titleOf(ref),
    about: ref,
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
    evidence: (cluster, at) => reasons(cluster, at, spec),
  })
}
