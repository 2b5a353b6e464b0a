// The alerts on certificates, as rules of Prometheus. Metrics: cert-manager v1.21, pkg/metrics and internal/collectors.

import type { JsonMap } from '../../src/engine/state.ts'
import type { AddonVars } from './vars.ts'

/** What `up` is known by: see the ServiceMonitor. */
export interface Scraped {
  readonly job: string
  readonly namespace: string
}

interface Alert {
  readonly name: string
  readonly expr: string
  /** Seconds. */
  readonly forSeconds: number
  readonly severity: 'warning' | 'critical'
  readonly summary: string
  readonly description: string
}

/** A new pod or a second replica has other labels: what remains is what tells certificates apart. */
const each = (metric: string) => `max by (namespace, name) (${metric})`
const RENEWAL = 'certmanager_certificate_renewal_timestamp_seconds'
const SUBJECT = 'Certificate {{ $labels.namespace }}/{{ $labels.name }}'
const EXPLAIN = 'To see the cause: k3s-platform certs explain -n {{ $labels.namespace }} {{ $labels.name }}'

/**
 * A time that is not known yet is 0. A certificate of a few days is always about to expire: it counts once its renewal was due,
 * for long enough that the renewal itself is no alert. 999 is a request that got no answer.
 */
function alerts(v: AddonVars, { job, namespace }: Scraped): readonly Alert[] {
  const overdue = v.k3s_platform_monitoring_renewal_overdue
  return [
    {
      name: 'CertificateExpiring',
      expr: `${each('certmanager_certificate_expiration_timestamp_seconds > 0')} - time() < ${v.k3s_platform_monitoring_expiring} and ${each(RENEWAL)} < time()`,
      forSeconds: 3600,
      severity: 'critical',
      summary: `${SUBJECT} expires soon or has expired`,
      description: `Its renewal was due, and {{ $value | humanizeDuration }} of its validity remain. ${EXPLAIN}`,
    },
    {
      name: 'CertificateNotReady',
      expr: `${each('certmanager_certificate_ready_status{condition!="True"}')} == 1`,
      forSeconds: v.k3s_platform_monitoring_not_ready,
      severity: 'warning',
      summary: `${SUBJECT} is not ready`,
      description: `Its condition Ready is False or Unknown. ${EXPLAIN}`,
    },
    {
      name: 'CertificateRenewalOverdue',
      expr: `time() - ${each(`${RENEWAL} > 0`)} > ${overdue}`,
      forSeconds: 300,
      severity: 'warning',
      summary: `The renewal of ${SUBJECT} is overdue`,
      description: `It was due {{ $value | humanizeDuration }} ago. ${EXPLAIN}`,
    },
    {
      name: 'CertManagerAcmeErrors',
      expr: `sum by (host, action) (increase(certmanager_http_acme_client_request_count{status=~"4..|5..|999"}[1h])) > ${v.k3s_platform_monitoring_acme_errors}`,
      forSeconds: 300,
      severity: 'warning',
      summary: 'Requests of cert-manager to {{ $labels.host }} fail',
      description:
        '{{ $value | humanize }} requests ({{ $labels.action }}) failed in the last hour. To see which certificates are affected: k3s-platform certs list',
    },
    {
      name: 'CertManagerDown',
      expr: `absent(up{job="${job}",namespace="${namespace}"} == 1)`,
      forSeconds: v.k3s_platform_monitoring_down,
      severity: 'critical',
      summary: 'Prometheus does not reach cert-manager',
      description:
        'Certificates may not be renewed, and the other alerts have no data. To see its state: k3s-platform status',
    },
  ]
}

/** https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/: what promtool and a PrometheusRule both read. */
export function alertGroups(v: AddonVars, scraped: Scraped): JsonMap {
  const rules = alerts(v, scraped).map(({ name, expr, forSeconds, severity, summary, description }) => ({
    alert: name,
    expr,
    for: `${forSeconds}s`,
    labels: { severity },
    annotations: { summary, description },
  }))
  return { groups: [{ name: 'k3s-platform-certificates', rules }] }
}
