// Makes Caddy load renewed certificates: an Ingress that the run changes, and a CronJob for the time between runs.

import { caddyLoads, caddyServes, LOAD_HOST, LOAD_PATH } from '../../src/cluster/kinds/caddy.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import type { Manifest, Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Problem } from '../../src/engine/problem.ts'
import type { Look, Stage } from '../../src/engine/resource.ts'
import script from '../../templates/caddy-reload.sh.hbs'
import { settingOf } from './addon.ts'
import { caddy, fullName, INGRESS_CLASS, placeOf } from './addons/caddy.ts'
import { certManagerOn, PLATFORM } from './materials.ts'
import { hasPlaceholder, placeholderNamespace, secretOf } from './placeholder.ts'
import type { ReleaseContext } from './release.ts'
import { resources, at as valueAt } from './values.ts'
import type { CertificateEntry } from './vars/certificates.ts'
import type { AddonVars } from './vars.ts'

const NAME = 'caddy-reload'
const LOAD_SECONDS = 120
const SERVE_SECONDS = 120
const RBAC = 'rbac.authorization.k8s.io/v1'

/** Written to by the CronJob and by runs: `spec.rules` is nobody's here. */
const canary = (ingressClass: string): Manifest => ({
  apiVersion: 'networking.k8s.io/v1',
  kind: 'Ingress',
  metadata: {
    name: NAME,
    namespace: PLATFORM,
    annotations: { 'caddy.ingress.kubernetes.io/disable-ssl-redirect': 'true' },
  },
  spec: {
    ingressClassName: ingressClass,
    // Caddy orders no certificate for it.
    tls: [{ hosts: [LOAD_HOST] }],
    // There is no such Service: what is routed there answers 502.
    defaultBackend: { service: { name: NAME, port: { number: 80 } } },
  },
})
const CANARY: Ref = { apiVersion: 'networking.k8s.io/v1', kind: 'Ingress', namespace: PLATFORM, name: NAME }

/** Certificates that are for Caddy: it serves no other class. */
const servedCertificates = (v: AddonVars): readonly CertificateEntry[] =>
  certManagerOn(v) && v.k3s_platform_acme_ingress_class === INGRESS_CLASS ? v.k3s_platform_certificates : []

/**
 * The Ingress, and what the CronJob is and may do: read which Secrets Ingresses list and until when Certificates are valid, and
 * write to that one Ingress. It finds by itself what is served, so that also Certificates that no inventory has are loaded.
 */
export function reloadManifests(v: AddonVars, context: ReleaseContext): Manifest[] {
  const { release, values } = settingOf(caddy, v, context)
  const ingressClass = classOf(v, context)
  if (ingressClass === undefined) return []
  const metadata = { name: NAME, namespace: PLATFORM }
  const subjects = [{ kind: 'ServiceAccount', name: NAME, namespace: PLATFORM }]
  const roleRef = (kind: string) => ({ apiGroup: 'rbac.authorization.k8s.io', kind, name: NAME })
  const write = {
    apiGroups: ['networking.k8s.io'],
    resources: ['ingresses'],
    resourceNames: [NAME],
    verbs: ['get', 'patch'],
  }
  const reads = [
    { apiGroups: ['networking.k8s.io'], resources: ['ingresses'], verbs: ['list'] },
    { apiGroups: ['cert-manager.io'], resources: ['certificates'], verbs: ['list'] },
  ]
  // Where Caddy watches one namespace alone, nothing outside of it is read.
  const isWatched = valueAt(values, ['ingressController', 'watchNamespace']) === PLATFORM
  const readsThere = certManagerOn(v) && isWatched
  const rights = [
    { apiVersion: RBAC, kind: 'Role', metadata, rules: [write, ...(readsThere ? reads : [])] },
    { apiVersion: RBAC, kind: 'RoleBinding', metadata, roleRef: roleRef('Role'), subjects },
    ...(certManagerOn(v) && !isWatched
      ? [
          { apiVersion: RBAC, kind: 'ClusterRole', metadata: { name: NAME }, rules: reads },
          {
            apiVersion: RBAC,
            kind: 'ClusterRoleBinding',
            metadata: { name: NAME },
            roleRef: roleRef('ClusterRole'),
            subjects,
          },
        ]
      : []),
  ]
  const account = {
    apiVersion: 'v1',
    kind: 'ServiceAccount',
    metadata: { name: NAME, namespace: PLATFORM },
    automountServiceAccountToken: true,
  }
  const watched = isWatched ? `namespaces/${PLATFORM}/` : ''
  const env = {
    NAMESPACE: PLATFORM,
    CANARY: NAME,
    CADDY: `${fullName(release)}.${PLATFORM}.svc`,
    CLASS: ingressClass,
    INGRESSES: `/apis/networking.k8s.io/v1/${watched}ingresses`,
    CERTIFICATES: certManagerOn(v) ? `/apis/cert-manager.io/v1/${watched}certificates` : '',
  }
  return [canary(ingressClass), account, ...rights, cronJob(v, env)]
}

function cronJob(v: AddonVars, env: Readonly<Record<string, string>>): Manifest {
  return {
    apiVersion: 'batch/v1',
    kind: 'CronJob',
    metadata: { name: NAME, namespace: PLATFORM },
    spec: {
      schedule: '*/5 * * * *',
      concurrencyPolicy: 'Forbid',
      successfulJobsHistoryLimit: 1,
      failedJobsHistoryLimit: 1,
      jobTemplate: {
        spec: {
          backoffLimit: 0,
          activeDeadlineSeconds: 240,
          template: {
            spec: {
              serviceAccountName: NAME,
              restartPolicy: 'Never',
              securityContext: {
                runAsNonRoot: true,
                runAsUser: 65534,
                runAsGroup: 65534,
                seccompProfile: { type: 'RuntimeDefault' },
              },
              containers: [
                {
                  name: NAME,
                  image: v.k3s_platform_caddy_reload_image,
                  command: ['sh', '-c', script({ host: LOAD_HOST, path: LOAD_PATH })],
                  env: Object.entries(env).map(([name, value]) => ({ name, value })),
                  resources: resources('16Mi', '64Mi', '10m', '500m'),
                  securityContext: {
                    allowPrivilegeEscalation: false,
                    readOnlyRootFilesystem: true,
                    capabilities: { drop: ['ALL'] },
                  },
                },
              ],
            },
          },
        },
      },
    },
  }
}

/** The class that Caddy serves; undefined: it is off, or watches another namespace alone and sees nothing of this. */
function classOf(v: AddonVars, context: ReleaseContext): string | undefined {
  const { enabled, values } = settingOf(caddy, v, context)
  const [watched, named] = ['watchNamespace', 'className'].map((key) => valueAt(values, ['ingressController', key]))
  const sees = typeof watched !== 'string' || ['', PLATFORM].includes(watched)
  return enabled && sees ? (typeof named === 'string' ? named : INGRESS_CLASS) : undefined
}

const at = (v: AddonVars, context: ReleaseContext) => ({
  place: placeOf(v, settingOf(caddy, v, context).release),
  canary: CANARY,
})
/** Where Caddy is to be asked from the node. */
export const caddyPlace = (v: AddonVars, context: ReleaseContext) => at(v, context).place
const READY = 'ready:HelmChart/'
const GATE = 'ready:Caddy/'

/** What a look at Caddy found that a run would mend, for those who only look. */
export function caddyWarnings({ observations }: Pick<Look<unknown>, 'observations'>, host: string): Problem[] {
  return [...observations].flatMap(([id, { actual }]): Problem[] => {
    const state = actual?.state
    if (!id.startsWith(GATE) || typeof state !== 'string') return []
    const why = state.replace(/^\w+: /, '')
    const where = `${host} Caddy`
    if (/^it answers 308/.test(why)) {
      const hint = 'if it does not recover, replace its pods: k3s-platform apply -t caddy'
      return [{ kind: 'warning', where, what: 'Caddy has not loaded its newest configuration', why, hint }]
    }
    if (!/^Caddy serves/.test(why)) return []
    const hint =
      'the CronJob caddy-reload reloads it within 5 minutes; to reload now: k3s-platform apply -t certificates'
    return [{ kind: 'warning', where, what: 'Caddy does not serve the issued certificate', why, hint }]
  })
}

/** After Caddy is ready: it takes up what Ingresses say. */
export function reloadStages(v: AddonVars, context: ReleaseContext): Stage<ClusterResource>[] {
  const made = reloadManifests(v, context).map((one) => object(one))
  if (made.length === 0) return []
  const { release } = settingOf(caddy, v, context)
  const gate = caddyLoads({
    ...at(v, context),
    release,
    inputs: [`${READY}${release}`, ...made.slice(0, 1).map(({ id }) => id)],
    boundSeconds: context.boundSeconds ?? LOAD_SECONDS,
  })
  return [{ role: 'k3s_platform_addon', name: caddy.name, resources: [...made, gate] }]
}

/** The proof that Caddy serves a certificate that has a placeholder, which comes after that it is issued. */
export function servedGates(
  v: AddonVars,
  context: ReleaseContext,
  certificate: CertificateEntry,
  inputs: readonly string[],
): ClusterResource[] {
  const { release } = settingOf(caddy, v, context)
  const namespace = placeholderNamespace(certificate)
  if (classOf(v, context) === undefined || !hasPlaceholder(v, certificate) || namespace === undefined) return []
  if (!servedCertificates(v).includes(certificate)) return []
  const hosts = certificate.dnsNames
  const others = servedCertificates(v).filter(({ dnsNames }) => dnsNames.some((one) => hosts.includes(one)))
  const ref: Ref = { apiVersion: 'cert-manager.io/v1', kind: 'Certificate', namespace, name: certificate.name }
  return [
    caddyServes({
      ...at(v, context),
      certificate: ref,
      hosts,
      secrets: others.flatMap((one) => one.namespaces.map((space) => ({ namespace: space, name: secretOf(one) }))),
      inputs: [...inputs, `${READY}${release}`],
      boundSeconds: context.boundSeconds ?? SERVE_SECONDS,
    }),
  ]
}
