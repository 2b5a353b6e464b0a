// Makes cert-manager reissue a Certificate, waits for it, and proves that its Secret holds another one, whose chain verifies.

import { setTimeout as sleep } from 'node:timers/promises'
import { z } from 'zod'
import { readBundle } from '../../certificates/bundle.ts'
import { readiness } from '../../certificates/explain.ts'
import { factsOf } from '../../certificates/facts.ts'
import { readChain } from '../../certificates/pair.ts'
import { leafOf } from '../../certificates/served.ts'
import { ProblemError } from '../../engine/problem.ts'
import { fieldsOfAnswer } from '../answer.ts'
import { ApiError, type Cluster } from '../cluster.ts'
import { type Ref, titleOf } from '../object.ts'
import type { ClusterResource, Making } from '../resource.ts'
import { issued, reasons, story, type Teller } from '../story.ts'
import { type GateVerdict, gate } from './gate.ts'
import { GRACE_SECONDS } from './issuance.ts'

const API = 'cert-manager.io/v1'
/** cert-manager writes the status at the same time; each try reads it again. */
const TRIES = 5
const BOUND_SECONDS = 300

const certificate = z.looseObject({
  spec: z.looseObject({ secretName: z.string() }),
  metadata: z.looseObject({ resourceVersion: z.string().optional(), generation: z.number().optional() }),
  status: z
    .looseObject({
      revision: z.number().default(0),
      conditions: z.array(z.looseObject({ type: z.string(), status: z.string() })).default([]),
    })
    .default({ revision: 0, conditions: [] }),
})

const chain = z.looseObject({ data: z.looseObject({ 'tls.crt': z.string(), 'ca.crt': z.string().default('') }) })

/** True once, after one more issuance than its first look found. An issuance that is under way already is taken for it. */
export function renewal(spec: Teller): ClusterResource {
  const { namespace, name } = spec
  const ref = { apiVersion: API, kind: 'Certificate', namespace, name }
  const title = titleOf(ref)
  let first: number | undefined
  let previous: string | undefined
  const wait = gate({
    id: `renewal:${namespace}/${name}`,
    title,
    boundSeconds: BOUND_SECONDS,
    graceSeconds: GRACE_SECONDS,
    watches: [
      { apiVersion: API, kind: 'Certificate', namespace },
      { apiVersion: API, kind: 'CertificateRequest', namespace },
      { apiVersion: 'acme.cert-manager.io/v1', kind: 'Challenge', namespace },
    ],
    judge: async (cluster, at): Promise<GateVerdict> => {
      if ((await revisionOf(cluster, ref)) > (first ?? 0)) {
        const found = readiness(readBundle(await issued(cluster, at, spec)))
        if (found.is === 'ready') return proven(cluster, ref, previous)
      }
      const bundle = readBundle(await story(cluster, at, spec))
      const { backoff, stand } = factsOf(bundle)
      const found = readiness(bundle)
      if (found.is !== 'ready') return found
      // The pair of before is still good.
      return { is: backoff === undefined ? 'waiting' : 'failed', what: 'it could not be renewed', why: stand }
    },
    evidence: (cluster, at) => reasons(cluster, at, spec),
  })
  return {
    id: wait.id,
    title,
    before: { actual: null, desired: { revision: 1 } },
    action: () => `renew ${title}`,
    look: async (cluster, { host }) => {
      if ((await cluster.get(ref)) === null) {
        const hint = 'k3s-platform certs list'
        throw new ProblemError({
          kind: 'failed',
          where: `${host} ${title}`,
          what: 'the Certificate does not exist',
          hint,
        })
      }
      const revision = await revisionOf(cluster, ref)
      if (first === undefined) previous = leafOf(await secretOf(cluster, ref))?.fingerprint
      first ??= revision
      return { actual: { revision }, desired: { revision: Math.max(revision, first + 1) } }
    },
    make: async (change, cluster, how) => {
      await trigger(cluster, ref, how)
      await wait.make(change, cluster, how)
    },
  }
}

async function secretOf(cluster: Cluster, ref: Ref): Promise<unknown> {
  const name = certificate.safeParse(await cluster.get(ref)).data?.spec.secretName
  if (name === undefined) return null
  return cluster.get({ apiVersion: 'v1', kind: 'Secret', namespace: ref.namespace, name })
}

/** That the pair is valid is known; that it is a new one, and that clients get all of its chain, is not. */
async function proven(cluster: Cluster, ref: Ref, previous: string | undefined): Promise<GateVerdict> {
  const secret = await secretOf(cluster, ref)
  if (leafOf(secret)?.fingerprint === previous)
    return { is: 'waiting', why: 'its Secret still contains the previous certificate' }
  const data = chain.safeParse(secret).data?.data
  const pem = (text = '') => Buffer.from(text, 'base64').toString('utf8')
  if (readChain(pem(data?.['tls.crt']), pem(data?.['ca.crt']))?.isOrdered === true) return { is: 'ready' }
  return {
    is: 'failed',
    what: 'The chain in its Secret does not verify',
    why: 'one of its certificates is not signed by the next one',
    hint: 'k3s-platform certs explain',
  }
}

async function revisionOf(cluster: Cluster, ref: Ref): Promise<number> {
  return certificate.safeParse(await cluster.get(ref)).data?.status.revision ?? 0
}

/** As `cmctl renew` does it: https://cert-manager.io/docs/reference/cmctl/#renew. It wins over the pause after failures. */
async function trigger(cluster: Cluster, ref: Ref, { now, signal }: Making): Promise<void> {
  for (let tries = 1; ; tries++) {
    const { metadata, status } = fieldsOfAnswer(certificate, await cluster.get(ref))
    if (status.conditions.some(({ type, status: is }) => type === 'Issuing' && is === 'True')) return
    const issuing = {
      type: 'Issuing',
      status: 'True',
      reason: 'ManuallyTriggered',
      message: 'Certificate re-issuance manually triggered',
      lastTransitionTime: new Date(now()).toISOString().replace(/\.\d+Z$/, 'Z'),
      observedGeneration: metadata.generation,
    }
    const conditions = [...status.conditions.filter(({ type }) => type !== 'Issuing'), issuing]
    try {
      const { resourceVersion } = metadata
      await cluster.patch(ref, { metadata: { resourceVersion }, status: { conditions } }, { subresource: 'status' })
      return
    } catch (error) {
      if (!(error instanceof ApiError) || error.code !== 409 || tries === TRIES) throw error
      await sleep(200, undefined, { signal })
    }
  }
}
