// Variables of the monitoring: what Prometheus scrapes and alerts on, and the dashboard.

import { z } from 'zod'
import { duration, namespaceName } from '../../shapes.ts'

/** https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#syntax-and-character-set */
const NAME = '[A-Za-z0-9]([\\w.-]{0,61}[A-Za-z0-9])?'
const labels = z.record(
  z
    .string()
    .regex(
      new RegExp(`^([a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?${NAME}$`),
      'expected the name of a label, such as release',
    ),
  z.string().regex(new RegExp(`^(${NAME})?$`), 'expected the value of a label: at most 63 letters, digits, ._-'),
)

const positive = duration.refine((seconds) => seconds > 0, 'expected a duration of 1s or more')

export const monitoringVars = {
  k3s_platform_monitoring_enabled: z
    .boolean()
    .default(false)
    .describe(
      "Whether Prometheus scrapes cert-manager and alerts on certificates, with a Grafana dashboard; requires the Prometheus operator's CRDs.",
    ),
  k3s_platform_monitoring_namespace: namespaceName
    .default('cert-manager')
    .describe('Namespace of the ServiceMonitor, the PrometheusRule and the dashboard.'),
  k3s_platform_monitoring_labels: labels
    .default({})
    .describe(
      "Labels by which the operator's Prometheus selects ServiceMonitor and PrometheusRule, such as `release`.",
    ),
  k3s_platform_monitoring_interval: positive.prefault('60s').describe('How often Prometheus scrapes cert-manager.'),
  k3s_platform_monitoring_expiring: positive
    .prefault('7d')
    .describe('Alert if a certificate that was due for renewal expires within this time.'),
  k3s_platform_monitoring_not_ready: positive
    .prefault('15m')
    .describe('Alert if a certificate is not ready for this long.'),
  k3s_platform_monitoring_renewal_overdue: positive
    .prefault('2h')
    .describe('Alert if a renewal is overdue by this time.'),
  k3s_platform_monitoring_acme_errors: z
    .number()
    .int()
    .min(0)
    .default(5)
    .describe('Alert if more requests to an ACME server than this fail in an hour.'),
  k3s_platform_monitoring_down: positive
    .prefault('10m')
    .describe('Alert if cert-manager is not scraped for this long.'),
  k3s_platform_monitoring_dashboard: z
    .boolean()
    .default(true)
    .describe('Whether the monitoring includes the Grafana dashboard, a ConfigMap.'),
  k3s_platform_monitoring_dashboard_labels: labels
    .default({ grafana_dashboard: '1' })
    .describe("Labels of that ConfigMap, by which Grafana's sidecar finds it."),
}
