// What every test of the whole platform stands on: a node with programs, charts, ACME, and an inventory that uses them.

import type { AcmeServer } from '../testbed/acme.ts'
import type { Charts } from '../testbed/charts.ts'
import type { TestNode } from '../testbed/node.ts'
import type { Testbed } from '../testbed/testbed.ts'

export const TOKEN = 'cf-token-5aXq0PzL7m'
export const CERTIFIED = 'postgresql-prod.svc.plus'

export interface Platform {
  readonly node: TestNode
  readonly charts: Charts
  readonly acme: AcmeServer
  /** Group variables; a test lays its own over them. */
  readonly vars: Readonly<Record<string, unknown>>
}

/** Both roles have all that they need; nothing is installed yet. */
export async function platform(testbed: Testbed, name: string): Promise<Platform> {
  const node = await testbed.node(name)
  const [charts, acme] = await Promise.all([
    testbed.charts(),
    testbed.acme(node),
    node.programs('cert-manager', 'external-dns', 'external-secrets'),
  ])
  return { node, charts, acme, vars: platformVars(charts, acme) }
}

/** The newest of each chart, over http and, cert-manager's, from the registry; the staging CA is the testbed's. */
export function platformVars(charts: Charts, acme: AcmeServer): Record<string, unknown> {
  const newest = (chart: string) => charts.versions[chart]?.[0]
  const repos = ['external_secrets', 'caddy', 'external_dns', 'reloader', 'apisix'].map((addon) => [
    `k3s_platform_${addon}_chart_repo_url`,
    charts.repoUrl,
  ])
  return {
    ...Object.fromEntries(repos),
    k3s_platform_cert_manager_chart_repo_url: charts.ociUrl,
    k3s_platform_cert_manager_chart_plain_http: true,
    k3s_platform_cert_manager_chart_version: newest('cert-manager'),
    k3s_platform_external_secrets_chart_version: newest('external-secrets'),
    k3s_platform_caddy_chart_version: newest('caddy-ingress-controller'),
    k3s_platform_external_dns_chart_version: newest('external-dns'),
    k3s_platform_reloader_chart_version: newest('reloader'),
    k3s_platform_apisix_chart_version: newest('apisix'),
    // The nodes' pods share their network: one of two webhooks moves to another port. The retry is cert-manager's, for tests.
    k3s_platform_external_secrets_values: { webhook: { port: 10260 } },
    k3s_platform_cert_manager_values: { extraArgs: ['--dns01-check-retry-period=1s'] },
    k3s_platform_external_dns_values: { provider: { name: 'inmemory' }, extraArgs: ['--inmemory-zone=svc.plus'] },
    k3s_platform_acme_email: 'ops@svc.plus',
    k3s_platform_acme_server: acme.directoryUrl,
    k3s_platform_acme_ca_bundle: acme.ca,
    k3s_platform_cloudflare_api_token: TOKEN,
  }
}

/** What `kubectl get` prints of an object's field; nothing while the object is missing. */
export async function field(node: TestNode, namespace: string, object: string, jsonpath: string): Promise<string> {
  return node.kubectl(['get', '-n', namespace, '--ignore-not-found', object, '-o', `jsonpath=${jsonpath}`])
}

/** Every object of these kinds with its resourceVersion: what a quiet run leaves as it is. */
export async function versions(node: TestNode, kinds: readonly string[]): Promise<string> {
  const columns = 'custom-columns=KIND:.kind,NS:.metadata.namespace,NAME:.metadata.name,RV:.metadata.resourceVersion'
  return node.kubectl(['get', '-A', kinds.join(','), '-o', columns, '--no-headers'])
}
