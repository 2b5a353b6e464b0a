// The Grafana dashboard of the certificates: what is well, what expires next, and how the ACME servers answer.

import type { JsonMap } from '../../src/engine/state.ts'
import type { Scraped } from './alerts.ts'

const DATASOURCE = { type: 'prometheus', uid: '$datasource' }
const READY = 'certmanager_certificate_ready_status'
const each = (metric: string) => `max by (namespace, name) (${metric})`
const secondsUntil = (metric: string) => `${each(`${metric} > 0`)} - time()`

interface Panel {
  readonly title: string
  readonly type: 'stat' | 'table' | 'timeseries'
  readonly unit: string
  readonly size: readonly [width: number, height: number]
  readonly expr: string
  /** Of a line. */
  readonly legend?: string
}

const panels = ({ job, namespace }: Scraped): readonly Panel[] => [
  {
    title: 'Certificates that are ready',
    ...{ type: 'stat', unit: 'none', size: [6, 4] },
    expr: `sum(${each(`${READY}{condition="True"}`)}) or vector(0)`,
  },
  {
    title: 'Certificates that are not ready',
    ...{ type: 'stat', unit: 'none', size: [6, 4] },
    expr: `sum(${each(`${READY}{condition!="True"}`)}) or vector(0)`,
  },
  {
    title: 'Next expiry',
    ...{ type: 'stat', unit: 's', size: [6, 4] },
    expr: `min(${secondsUntil('certmanager_certificate_expiration_timestamp_seconds')})`,
  },
  {
    title: 'cert-manager pods that Prometheus reaches',
    ...{ type: 'stat', unit: 'none', size: [6, 4] },
    expr: `sum(up{job="${job}",namespace="${namespace}"}) or vector(0)`,
  },
  {
    title: 'Time until expiry',
    ...{ type: 'table', unit: 's', size: [12, 10] },
    expr: `sort(${secondsUntil('certmanager_certificate_expiration_timestamp_seconds')})`,
  },
  {
    title: 'Time until renewal',
    ...{ type: 'table', unit: 's', size: [12, 10] },
    expr: `sort(${secondsUntil('certmanager_certificate_renewal_timestamp_seconds')})`,
  },
  {
    title: 'Requests to ACME servers',
    ...{ type: 'timeseries', unit: 'reqps', size: [12, 8] },
    expr: 'sum by (host, status) (rate(certmanager_http_acme_client_request_count[$__rate_interval]))',
    legend: '{{host}} {{status}}',
  },
  {
    title: 'Errors of controllers',
    ...{ type: 'timeseries', unit: 'ops', size: [12, 8] },
    expr: 'sum by (controller) (rate(certmanager_controller_sync_error_count[$__rate_interval]))',
    legend: '{{controller}}',
  },
]

const COLUMNS = 24

/** https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/: rows of panels, left to right. */
export function dashboard(scraped: Scraped): JsonMap {
  let [x, y] = [0, 0]
  const placed = panels(scraped).map(({ title, type, unit, size: [w, h], expr, legend = '' }, i): JsonMap => {
    const gridPos = { x, y, w, h }
    ;[x, y] = x + w < COLUMNS ? [x + w, y] : [0, y + h]
    const isTable = type === 'table'
    return {
      ...{ id: i + 1, title, type, gridPos, datasource: DATASOURCE },
      fieldConfig: { defaults: { unit }, overrides: [] },
      targets: [
        {
          ...{ refId: 'A', datasource: DATASOURCE, expr, legendFormat: legend },
          ...(type !== 'timeseries' && { instant: true }),
          ...(isTable && { format: 'table' }),
        },
      ],
      ...(isTable && {
        transformations: [{ id: 'organize', options: { excludeByName: { Time: true } } }],
      }),
    }
  })
  return {
    uid: 'k3s-platform-certificates',
    title: 'Certificates',
    tags: ['k3s-platform', 'cert-manager'],
    schemaVersion: 39,
    editable: true,
    refresh: '1m',
    time: { from: 'now-24h', to: 'now' },
    templating: { list: [{ name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }] },
    panels: placed,
  }
}
