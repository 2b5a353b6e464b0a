// Has Prometheus watch the certificates: a ServiceMonitor, a PrometheusRule, a dashboard, and the check that their kinds exist.

import type { PlatformFacts } from '../../src/cluster/backend.ts'
import { gate } from '../../src/cluster/kinds/gate.ts'
import { object } from '../../src/cluster/kinds/object.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import type { Look, Stage } from '../../src/engine/resource.ts'
import type { Finding, Written } from '../role.ts'
import { placeOf, settingOf } from './addon.ts'
import { certManager } from './addons/cert_manager.ts'
import { alertGroups, type Scraped } from './alerts.ts'
import { dashboard } from './dashboard.ts'
import { CERT_MANAGER, certManagerOn } from './materials.ts'
import type { ReleaseContext } from './release.ts'
import { at, type ValuePath } from './values.ts'
import type { AddonVars } from './vars.ts'

/** https://prometheus-operator.dev/docs/api-reference/api/ */
const API = 'monitoring.coreos.com/v1'
const CRDS = 'customresourcedefinitions.apiextensions.k8s.io'
const NAME = 'k3s-platform-certificates'
/** cert-manager's metrics, by number: the name of the port differs between versions of the chart. */
const PORT = 9402
/** For an operator that another chart of the same run brings, or GitOps. */
const OPERATOR_SECONDS = 60
const [ENABLED, CHARTS] = ['k3s_platform_monitoring_enabled', 'k3s_platform_service_monitors'] as const

const monitoringOn = (v: AddonVars) => v[ENABLED] && certManagerOn(v)

/** The job is the release: values of the chart may rename the Service. */
const scrapedOf = (v: AddonVars, context: ReleaseContext): Scraped => ({
  job: settingOf(certManager, v, context).release,
  namespace: CERT_MANAGER,
})

export function monitoringManifests(v: AddonVars, context: ReleaseContext): readonly Manifest[] {
  if (!monitoringOn(v)) return []
  const scraped = scrapedOf(v, context)
  const named = (labels: Readonly<Record<string, string>>) => ({
    name: NAME,
    namespace: v.k3s_platform_monitoring_namespace,
    ...(Object.keys(labels).length > 0 && { labels }),
  })
  const monitor: Manifest = {
    apiVersion: API,
    kind: 'ServiceMonitor',
    metadata: named(v.k3s_platform_monitoring_labels),
    spec: {
      jobLabel: 'app.kubernetes.io/instance',
      namespaceSelector: { matchNames: [scraped.namespace] },
      selector: {
        matchLabels: { 'app.kubernetes.io/instance': scraped.job, 'app.kubernetes.io/component': 'controller' },
      },
      // The namespace in a metric is the certificate's.
      endpoints: [
        {
          targetPort: PORT,
          path: '/metrics',
          interval: `${v.k3s_platform_monitoring_interval}s`,
          honorLabels: true,
        },
      ],
    },
  }
  const rule: Manifest = {
    apiVersion: API,
    kind: 'PrometheusRule',
    metadata: named(v.k3s_platform_monitoring_labels),
    spec: alertGroups(v, scraped),
  }
  const board: Manifest = {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: named(v.k3s_platform_monitoring_dashboard_labels),
    data: { [`${NAME}.json`]: `${JSON.stringify(dashboard(scraped), null, 2)}\n` },
  }
  return [monitor, rule, ...(v.k3s_platform_monitoring_dashboard ? [board] : [])]
}

/** A variable that has objects of the operator written, and their kinds. */
interface Need {
  readonly variable: typeof ENABLED | typeof CHARTS
  readonly kinds: readonly string[]
  /** Whether a chart of this run may bring them. */
  readonly comes: boolean
}

function needsOf(v: AddonVars): readonly Need[] {
  const comes = v.k3s_platform_charts.length > 0
  return [
    ...(v[CHARTS] ? [{ variable: CHARTS, kinds: ['ServiceMonitor', 'PodMonitor'], comes: false }] : []),
    ...(monitoringOn(v) ? [{ variable: ENABLED, kinds: ['ServiceMonitor', 'PrometheusRule'], comes }] : []),
  ]
}

const idFor = ({ variable }: Need) => `operator:${variable}`
const MISSING = 'the CRDs of the Prometheus operator are missing'
const hintFor = ({ variable }: Need) => `install the operator first, or turn it off: ${variable}: false`

/** None of the objects is applied before the API serves their kinds. */
function operatorReady(need: Need): ClusterResource {
  return gate({
    id: idFor(need),
    title: `the API ${API} (${need.kinds.join(', ')})`,
    boundSeconds: OPERATOR_SECONDS,
    watches: [{ apiVersion: 'apiextensions.k8s.io/v1', kind: 'CustomResourceDefinition', metadataOnly: true }],
    judge: async (cluster) => {
      const served = await Promise.all(need.kinds.map((kind) => cluster.serves({ apiVersion: API, kind })))
      const lacking = need.kinds.filter((_, i) => !served[i])
      if (lacking.length === 0) return { is: 'ready' }
      return { is: 'waiting', what: MISSING, why: `${API} has no ${lacking.join(', ')}` }
    },
    hint: `${hintFor(need)}; to see its CRDs: kubectl get ${CRDS}`,
  })
}

const stage = (resources: readonly ClusterResource[]): Stage<ClusterResource>[] =>
  resources.length === 0 ? [] : [{ role: 'k3s_platform_addon', name: 'monitoring', always: true, resources }]

/** First of all: no chart is touched where its objects could not be written. */
export const operatorStages = (v: AddonVars): Stage<ClusterResource>[] =>
  stage(needsOf(v).flatMap((need) => (need.comes ? [] : [operatorReady(need)])))

/** Last: a custom chart may bring the operator. */
export function monitoringStages(v: AddonVars, context: ReleaseContext): Stage<ClusterResource>[] {
  const gates = needsOf(v).flatMap((need) => (need.comes ? [operatorReady(need)] : []))
  return stage([...gates, ...monitoringManifests(v, context).map((one) => object(one))]).map(
    ({ always: _, ...one }) => one,
  )
}

/** What the cluster lacks for what the variables ask for. A node without k3s has nothing yet. */
export function operatorFindings(v: AddonVars, { facts, observations }: Look<Pick<PlatformFacts, 'api'>>): Finding[] {
  if (facts.api.is !== 'up') return []
  return needsOf(v).flatMap((need): Finding[] => {
    const state = observations.get(idFor(need))?.actual?.state
    if (need.comes || typeof state !== 'string' || state === 'ready') return []
    const why = state.replace(/^\w+: /, '')
    return [{ path: [need.variable], what: `${MISSING}: ${why}`, hint: hintFor(need) }]
  })
}

const PROMETHEUS = 'prometheus'

/** What does not go together with the monitoring, before anything is touched. */
export function monitoringFindings(v: AddonVars, context: ReleaseContext, written: Written): Finding[] {
  if (!v[ENABLED] || written.broken(ENABLED)) return []
  if (!certManagerOn(v)) {
    const hint = `turn it off: ${ENABLED}: false`
    return [{ path: [ENABLED], what: 'the monitoring requires cert-manager, which is disabled', hint }]
  }
  const { values } = settingOf(certManager, v, context)
  const check = (path: ValuePath, bad: boolean, what: string): Finding[] =>
    at(values, path) === bad
      ? [
          {
            path: placeOf(v, certManager, path),
            what,
            hint: `remove it, or turn the monitoring off: ${ENABLED}: false`,
          },
        ]
      : []
  const twice = 'Prometheus would scrape cert-manager twice: the monitoring has its own ServiceMonitor'
  return [
    ...check([PROMETHEUS, 'enabled'], false, 'the monitoring requires the metrics of cert-manager'),
    ...check([PROMETHEUS, 'servicemonitor', 'enabled'], true, twice),
    ...check([PROMETHEUS, 'podmonitor', 'enabled'], true, 'with a PodMonitor the chart has no Service to scrape'),
  ]
}
