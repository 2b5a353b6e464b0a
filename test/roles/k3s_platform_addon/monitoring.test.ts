// The monitoring: alerts judged by promtool, metrics that cert-manager has, and objects that wait for the operator's CRDs.

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { alertGroups } from '../../../roles/k3s_platform_addon/alerts.ts'
import {
  monitoringFindings,
  monitoringManifests,
  monitoringStages,
  operatorFindings,
  operatorStages,
} from '../../../roles/k3s_platform_addon/monitoring.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { type AddonVars, vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { look, made } from '../../cluster/kit.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

const read = (file: string): unknown => parse(readFileSync(join(import.meta.dirname, file), 'utf8'))
const metrics = z.record(z.string(), z.array(z.string())).parse(read('metrics.yaml'))
const cases = z
  .record(
    z.string(),
    z.array(
      z.strictObject({
        it: z.string(),
        at: z.string(),
        series: z.record(z.string(), z.string()),
        fires: z.array(z.record(z.string(), z.string())).default([]),
      }),
    ),
  )
  .parse(read('alerts.yaml'))

/** Names are given without `k3s_platform_`. */
function varsOf(some: Readonly<Record<string, unknown>> = {}): AddonVars {
  const all = { monitoring_enabled: true, ...some }
  return vars.parse(Object.fromEntries(Object.entries(all).map(([name, value]) => [`k3s_platform_${name}`, value])))
}

const Groups = z.object({
  groups: z.array(
    z.object({
      rules: z.array(z.looseObject({ alert: z.string(), expr: z.string(), for: z.string() })),
    }),
  ),
})
const scraped = { job: 'cert-manager', namespace: 'cert-manager' }
const rules = (some = {}) => Groups.parse(alertGroups(varsOf(some), scraped)).groups.flatMap((group) => group.rules)

const folder = mkdtempSync(join(tmpdir(), 'alerts-'))
afterAll(() => rmSync(folder, { recursive: true }))

function promtool(verb: 'check' | 'test', name: string, content: unknown): string {
  const file = join(folder, name)
  writeFileSync(file, JSON.stringify(content))
  try {
    return execFileSync('promtool', [verb, 'rules', file], { encoding: 'utf8', stdio: 'pipe' })
  } catch (error) {
    return z
      .object({ stdout: z.string(), stderr: z.string() })
      .transform((e) => `${e.stdout}${e.stderr}`)
      .parse(error)
  }
}

describe('the alerts', () => {
  test('are rules that promtool accepts, and each of them has cases of both sorts', () => {
    expect(promtool('check', 'rules.json', alertGroups(varsOf(), scraped))).toContain('SUCCESS: 5 rules found')
    expect(Object.keys(cases)).toEqual(rules().map(({ alert }) => alert))
    for (const all of Object.values(cases)) {
      expect(new Set(all.map(({ fires }) => fires.length > 0))).toEqual(new Set([true, false]))
    }
  })

  const each = Object.entries(cases).flatMap(([name, all]) => all.map((one) => ({ name, ...one })))

  test.each(each)('$name $it', ({ name, at, series, fires }) => {
    const [rule] = rules().filter(({ alert }) => alert === name)
    const severity = ['CertificateExpiring', 'CertManagerDown'].includes(name) ? 'critical' : 'warning'
    const unit = {
      interval: '1m',
      input_series: Object.entries(series).map(([one, values]) => ({ series: one, values })),
      alert_rule_test: [
        {
          eval_time: at,
          alertname: name,
          exp_alerts: fires.map((labels) => ({ exp_labels: { severity, ...labels } })),
        },
      ],
    }
    // Without annotations, which promtool would compare, too.
    const bare = { groups: [{ name: 'bare', rules: [{ ...rule, annotations: {} }] }] }
    writeFileSync(join(folder, 'bare.json'), JSON.stringify(bare))
    const answer = promtool('test', 'test.json', {
      rule_files: ['bare.json'],
      evaluation_interval: '1m',
      tests: [unit],
    })
    expect(answer).toContain('SUCCESS')
  })

  test('have the thresholds of the variables', () => {
    const some = { expiring: '3d', not_ready: '1h', renewal_overdue: '30m', acme_errors: 20, down: '2m' }
    const given = Object.fromEntries(Object.entries(some).map(([name, value]) => [`monitoring_${name}`, value]))
    const [before, after] = [rules(), rules(given)]
    expect(
      after.map(({ expr, for: time }, i) => (expr === before[i]?.expr ? time : expr.replace(/.*(?=[<>] \d)/, ''))),
    ).toEqual([expect.stringMatching(/^< 259200 and /), '3600s', '> 1800', '> 20', '120s'])
  })
})

describe('each metric', () => {
  const dashboards = monitoringManifests(varsOf(), context).filter(({ kind }) => kind === 'ConfigMap')
  const Board = z.object({
    panels: z.array(z.object({ title: z.string(), targets: z.array(z.object({ expr: z.string() })) })),
  })
  const boards = dashboards.flatMap(({ data }) =>
    Object.values(z.record(z.string(), z.string()).parse(data)).map((text) => Board.parse(JSON.parse(text))),
  )
  const panels = boards.flatMap((board) => board.panels)
  const exprs = [
    ...rules().map(({ alert, expr }) => [alert, expr] as const),
    ...panels.flatMap(({ title, targets }) => targets.map(({ expr }) => [title, expr] as const)),
  ]

  test.each(exprs)('of %s is one of cert-manager, with its labels', (_, expr) => {
    const used = expr.match(/\b(certmanager_\w+|up\b)/g) ?? []
    expect(used.length).toBeGreaterThan(0)
    const known = used.map((name) => metrics[name])
    expect(known).not.toContain(undefined)
    const grouped = [...expr.matchAll(/\bby \(([^)]*)\)/g)].flatMap(([, list = '']) => list.split(', '))
    const selected = [...expr.matchAll(/(\w+)(?:=~|!=|=)"/g)].map(([, label = '']) => label)
    expect(new Set(known.flat())).toEqual(new Set([...known.flat(), ...grouped, ...selected]))
  })

  test('of the dashboard is in an expression that promtool parses', () => {
    const all = panels
      .flatMap(({ targets }) => targets)
      .map(({ expr }, i) => ({
        record: `panel:${i}`,
        expr: expr.replaceAll('$__rate_interval', '5m'),
      }))
    expect(all.length).toBe(8)
    expect(promtool('check', 'panels.json', { groups: [{ name: 'panels', rules: all }] })).toContain('SUCCESS')
  })
})

test('the objects are planned, with the labels, the namespace and the release of the inventory', () => {
  const some = {
    monitoring_namespace: 'observability',
    monitoring_labels: { release: 'prometheus' },
    monitoring_dashboard_labels: { dashboards: 'yes' },
    monitoring_interval: '1m30s',
    values: { components: { certManager: { releaseName: 'cm' } } },
  }
  const [monitor, rule, board] = monitoringManifests(varsOf(some), context)
  expect(monitor).toMatchObject({
    kind: 'ServiceMonitor',
    metadata: { namespace: 'observability', labels: { release: 'prometheus' } },
    spec: {
      namespaceSelector: { matchNames: ['cert-manager'] },
      selector: { matchLabels: { 'app.kubernetes.io/instance': 'cm' } },
      endpoints: [{ interval: '90s', honorLabels: true }],
    },
  })
  expect(rule).toMatchObject({ kind: 'PrometheusRule', metadata: { labels: { release: 'prometheus' } } })
  expect(JSON.stringify(rule?.spec)).toContain('up{job=\\"cm\\"')
  expect(board).toMatchObject({ kind: 'ConfigMap', metadata: { labels: { dashboards: 'yes' } } })
  expect(monitoringManifests(varsOf({ monitoring_dashboard: false }), context)).toHaveLength(2)
  expect(monitoringManifests(varsOf({ monitoring_enabled: false }), context)).toEqual([])
  const namespaces = addon.stages(varsOf(some), context).filter(({ name }) => name === 'namespaces')
  expect(namespaces.flatMap(({ resources }) => resources.map(({ title }) => title))).toContain(
    'Namespace observability',
  )
})

describe("without the operator's CRDs", () => {
  const chart = { name: 'operator', namespace: 'monitoring', version: '1.0.0', repo: 'https://charts.svc.plus' }
  const cluster = (...unserved: string[]) => {
    const fake = new FakeCluster()
    for (const kind of unserved) fake.unserved.add(kind)
    return fake
  }
  const found = async (v: AddonVars, fake: FakeCluster) => {
    const gates = operatorStages(v).flatMap(({ resources }) => resources)
    const seen = await Promise.all(gates.map(async (one) => [one.id, await look(one, fake)] as const))
    const facts = { api: { is: 'up' as const, version: 'v1.36.5+k3s1', cluster: fake } }
    return operatorFindings(v, { facts, observations: new Map(seen) })
  }

  test('the run is refused before anything is applied, at the variable that asks for them', async () => {
    expect(await found(varsOf(), cluster('PrometheusRule'))).toEqual([
      {
        path: ['k3s_platform_monitoring_enabled'],
        what: 'the CRDs of the Prometheus operator are missing: monitoring.coreos.com/v1 has no PrometheusRule',
        hint: 'install the operator first, or turn it off: k3s_platform_monitoring_enabled: false',
      },
    ])
    const charts = varsOf({ monitoring_enabled: false, service_monitors: true })
    expect((await found(charts, cluster('PodMonitor'))).map(({ path }) => path)).toEqual([
      ['k3s_platform_service_monitors'],
    ])
    expect(await found(varsOf({ service_monitors: true }), cluster())).toEqual([])
    expect(await found(varsOf({ monitoring_enabled: false }), cluster('ServiceMonitor'))).toEqual([])
  })

  test('what asks for them stands before the first change', () => {
    const [first] = addon.stages(varsOf(), context)
    expect(first).toMatchObject({ name: 'monitoring', always: true })
  })

  test('a custom chart may bring them: they are waited for after it, and before the objects', async () => {
    const v = varsOf({ charts: [chart] })
    expect(await found(v, cluster('ServiceMonitor'))).toEqual([])
    const [stage] = monitoringStages(v, context)
    const titles = stage?.resources.map(({ title }) => title)
    expect(titles?.[0]).toBe('the API monitoring.coreos.com/v1 (ServiceMonitor, PrometheusRule)')
    expect(titles).toHaveLength(4)
    const [gate] = stage?.resources ?? []
    if (gate === undefined) throw new Error('no gate')
    const { problem } = await made(gate, cluster('ServiceMonitor', 'PrometheusRule'), { boundSeconds: 0.01 })
    expect(problem).toContain('the CRDs of the Prometheus operator are missing')
    expect(problem).toContain('k3s_platform_monitoring_enabled: false')
  })
})

describe('the monitoring is refused', () => {
  const written = { given: () => true, broken: () => false }
  const places = (some: Readonly<Record<string, unknown>>) =>
    monitoringFindings(varsOf(some), context, written).map(({ path }) => path.join('.'))
  const ofChart = (prometheus: Readonly<Record<string, unknown>>) => ({ cert_manager_values: { prometheus } })

  test.each<[string, Readonly<Record<string, unknown>>, string[]]>([
    ['without cert-manager', { cert_manager_enabled: false }, ['k3s_platform_monitoring_enabled']],
    ['without metrics', ofChart({ enabled: false }), ['k3s_platform_cert_manager_values.prometheus.enabled']],
    [
      'with a ServiceMonitor of the chart',
      ofChart({ servicemonitor: { enabled: true } }),
      ['k3s_platform_cert_manager_values.prometheus.servicemonitor.enabled'],
    ],
    [
      'with a PodMonitor',
      ofChart({ podmonitor: { enabled: true } }),
      ['k3s_platform_cert_manager_values.prometheus.podmonitor.enabled'],
    ],
  ])('%s, at that value', (_, some, at) => {
    expect(places(some)).toEqual(at)
  })

  test('in no other case, and the chart leaves its ServiceMonitor out', () => {
    expect(places({ service_monitors: true })).toEqual([])
    expect(places({ cert_manager_enabled: false, monitoring_enabled: false })).toEqual([])
  })

  test.each([
    { monitoring_interval: '0s' },
    { monitoring_acme_errors: -1 },
    { monitoring_labels: { 'no label': 'x' } },
    { monitoring_dashboard_labels: { a: 'x y' } },
  ])('with %o, which is ill-formed', (some) => {
    expect(() => varsOf(some)).toThrow()
  })
})
