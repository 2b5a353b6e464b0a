// Builds the Flux objects: a Kustomization for each part, in order by dependsOn, and HelmReleases for existing releases.

import { z } from 'zod'
import type { Live, Manifest, Ref } from '../cluster/object.ts'
import { goMinutes } from '../engine/duration.ts'
import { isMap, type JsonMap } from '../engine/state.ts'
import { type ChartSource, ociReference } from '../supply/chart-source.ts'
import { AGE_SECRET, FLUX_ROOT, type Handover, type HandoverPart } from './handover.ts'

const INTERVAL = '10m'
const READY = "status.conditions.exists(e, e.type == 'Ready' && e.status == 'True')"

/** https://fluxcd.io/flux/components/kustomize/kustomizations/ */
export function kustomization(part: HandoverPart, path: string, handover: Handover): Manifest {
  const { fluxNamespace, fluxSource, parts } = handover
  const after = part.after.filter((name) => parts.some((one) => one.name === name))
  const objects = part.files.flatMap(({ manifests }) => manifests)
  const checked = typeof part.waitsFor === 'string' ? objects : part.waitsFor
  const kinds = part.waitsFor === 'none' ? [] : uncertain(checked)
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: part.name, namespace: fluxNamespace },
    spec: {
      interval: INTERVAL,
      retryInterval: '1m',
      timeout: goMinutes(part.boundSeconds),
      sourceRef: { kind: 'GitRepository', name: fluxSource },
      path: `./${path}`,
      prune: true,
      wait: part.waitsFor === 'all',
      ...decryption(handover),
      ...(after.length > 0 && { dependsOn: after.map((name) => ({ name })) }),
      ...(typeof part.waitsFor === 'object' &&
        checked.length > 0 && {
          healthChecks: part.waitsFor.map(({ apiVersion, kind, namespace, name }) => ({
            apiVersion,
            kind,
            name,
            ...(namespace !== undefined && { namespace }),
          })),
        }),
      ...(kinds.length > 0 && { healthCheckExprs: kinds.map((kind) => ({ ...kind, current: READY })) }),
    },
  }
}

/** https://fluxcd.io/flux/components/kustomize/kustomizations/#decryption */
const decryption = ({ decrypts }: Handover) =>
  decrypts && { decryption: { provider: 'sops', secretRef: { name: AGE_SECRET } } }

const decrypting = z.looseObject({ spec: z.looseObject({ decryption: z.looseObject({}) }) })

export const decryptsNow = (live: Live | null): boolean => decrypting.safeParse(live).success

/** The branch of the repository. `secret`: there is a Secret of the same name with its login. */
export function gitRepository(handover: Handover, secret: boolean): Manifest {
  const { fluxNamespace: namespace, fluxSource: name, gitUrl: url = '', gitBranch: branch } = handover
  return {
    apiVersion: 'source.toolkit.fluxcd.io/v1',
    kind: 'GitRepository',
    metadata: { name, namespace },
    spec: { interval: '1m', timeout: '60s', url, ref: { branch }, ...(secret && { secretRef: { name } }) },
  }
}

/** What stands for the whole tree: it applies the Kustomizations of its parts, and is well when all of them are. */
export function rootKustomization(handover: Handover): Manifest {
  const { fluxNamespace: namespace, fluxSource, root } = handover
  return {
    apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
    kind: 'Kustomization',
    metadata: { name: FLUX_ROOT, namespace },
    spec: {
      interval: '5m',
      retryInterval: '1m',
      timeout: '5m',
      sourceRef: { kind: 'GitRepository', name: fluxSource },
      path: `./${root}`,
      prune: true,
      wait: true,
      ...decryption(handover),
    },
  }
}

const TELLS_READY = ['cert-manager.io', 'external-secrets.io']

/** Kinds whose new object has no conditions yet: without an expression Flux takes that for well. */
function uncertain(objects: readonly (Manifest | Ref)[]): { apiVersion: string; kind: string }[] {
  const found = new Map<string, { apiVersion: string; kind: string }>()
  for (const { apiVersion, kind } of objects) {
    if (TELLS_READY.includes(apiVersion.split('/')[0] ?? '')) found.set(`${apiVersion} ${kind}`, { apiVersion, kind })
  }
  return [...found.values()]
}

export interface HelmReleaseSpec {
  readonly name: string
  /** Of its objects and of Helm's own record: it is the same release only with both. */
  readonly namespace: string
  readonly source: ChartSource
  readonly values: JsonMap
  readonly boundSeconds: number
  /** In Flux's namespace: each key is a document of values. */
  readonly valuesSecret?: { readonly name: string; readonly keys: readonly string[] } | undefined
  /** Whether it goes when it leaves the repository. */
  readonly prune: boolean
}

/**
 * Where the chart is, and the HelmRelease. A release of that name, namespace and storage namespace that is there already is
 * gone on with. spec: https://fluxcd.io/flux/components/helm/helmreleases/, https://fluxcd.io/flux/components/source/
 */
export function helmRelease(
  { name, namespace, source, values, boundSeconds, valuesSecret, prune }: HelmReleaseSpec,
  fluxNamespace: string,
): [Manifest, Manifest] {
  const metadata = { name, namespace: fluxNamespace }
  const oci = source.url.startsWith('oci://')
  const trusted = source.ca === undefined ? {} : { certSecretRef: { name: caSecret(name) } }
  const api = 'source.toolkit.fluxcd.io/v1'
  const chart: Manifest = oci
    ? {
        apiVersion: api,
        kind: 'OCIRepository',
        metadata,
        spec: {
          interval: '1h',
          url: ociReference(source),
          ref: { tag: source.version.replaceAll('+', '_') },
          layerSelector: { mediaType: 'application/vnd.cncf.helm.chart.content.v1.tar+gzip', operation: 'copy' },
          ...(source.plainHttp && { insecure: true }),
          ...trusted,
        },
      }
    : {
        apiVersion: api,
        kind: 'HelmRepository',
        metadata,
        spec: { interval: '1h', url: source.url, ...trusted },
      }
  const from = oci
    ? { chartRef: { kind: 'OCIRepository', name } }
    : {
        chart: {
          spec: { chart: source.name, version: source.version, sourceRef: { kind: 'HelmRepository', name } },
        },
      }
  return [
    chart,
    {
      apiVersion: 'helm.toolkit.fluxcd.io/v2',
      kind: 'HelmRelease',
      metadata: prune ? metadata : { ...metadata, annotations: { 'kustomize.toolkit.fluxcd.io/prune': 'disabled' } },
      spec: {
        interval: INTERVAL,
        timeout: goMinutes(boundSeconds),
        ...from,
        releaseName: name,
        targetNamespace: namespace,
        storageNamespace: namespace,
        // The charts' own CRDs are in their templates; what lies in crds/ is kept as new as the chart.
        install: { crds: 'CreateReplace' },
        upgrade: { crds: 'CreateReplace' },
        ...(valuesSecret && {
          valuesFrom: valuesSecret.keys.map((valuesKey) => ({ kind: 'Secret', name: valuesSecret.name, valuesKey })),
        }),
        values: sorted(values),
      },
    },
  ]
}

/** Holds the CA of a chart's source under `ca.crt`, beside it. */
export const caSecret = (release: string): string => `${release}-chart-ca`

/** The order of keys means nothing to Helm: a reordered inventory changes nothing. */
function sorted(values: JsonMap): JsonMap {
  const entries = Object.entries(values).toSorted(([a], [b]) => (a < b ? -1 : 1))
  return Object.fromEntries(entries.map(([key, value]) => [key, isMap(value) ? sorted(value) : value]))
}
