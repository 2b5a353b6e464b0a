// What every test of the whole platform stands on: a node with programs, charts, ACME, and an inventory that uses them.

import type { AcmeServer } from '../testbed/acme.ts'
import type { Charts } from '../testbed/charts.ts'
import type { TestNode } from '../testbed/node.ts'
import type { Testbed } from '../testbed/testbed.ts'

export const TOKEN = 'cf-token-5aXq0PzL7m'
const RECREATE = { strategy: { type: 'Recreate' } }
export const EXTERNAL_SECRETS = { ...RECREATE, webhook: { port: 10260, ...RECREATE }, certController: RECREATE }
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
    node.programs('caddy', 'cert-manager', 'external-dns', 'external-secrets'),
  ])
  return { node, charts, acme, vars: platformVars(charts, acme) }
}

/** The newest of each chart, over http and, cert-manager's, from the registry; the staging CA is the testbed's. */
function platformVars(charts: Charts, acme: AcmeServer): Record<string, unknown> {
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
    // The nodes' pods share their network: one of two webhooks moves to another port, and an old pod makes room for the new
    // one. The retry is cert-manager's, for tests.
    k3s_platform_external_secrets_values: EXTERNAL_SECRETS,
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

/** Each release's newest revision with its status, `caddy 2 deployed`: one line a release. */
export async function releases(node: TestNode): Promise<Record<string, string>> {
  const line = '{.metadata.labels.name} {.metadata.labels.version} {.metadata.labels.status}'
  const path = `jsonpath={range .items[*]}${line}{"\\n"}{end}`
  const all = (await node.kubectl(['get', 'secrets', '-A', '-l', 'owner=helm', '-o', path])).split('\n').filter(Boolean)
  const rows = all.map((one) => one.split(' ')).toSorted(([, a], [, b]) => Number(a) - Number(b))
  return Object.fromEntries(rows.map(([name = '', version = '', status = '']) => [name, `${version} ${status}`]))
}

/** Each HelmChart's resourceVersion. */
export async function charts(node: TestNode): Promise<Record<string, string>> {
  const path = 'jsonpath={range .items[*]}{.metadata.name} {.metadata.resourceVersion}{"\\n"}{end}'
  const all = (await node.kubectl(['get', 'helmcharts', '-n', 'kube-system', '-o', path])).split('\n').filter(Boolean)
  return Object.fromEntries(all.map((one) => one.split(' ')))
}

/** Answers as Vault does for a token and for one KV v2 path, and says nothing else: Vault itself is not in the testbed. */
const VAULT = `import http.server, json, sys
secrets = json.load(open("/srv/vault.json"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path = self.path.split("?")[0]
        code, body = 404, {"errors": []}
        if self.headers.get("X-Vault-Token") not in secrets["tokens"]:
            code, body = 403, {"errors": ["permission denied"]}
        elif path == "/v1/auth/token/lookup-self":
            code, body = 200, {"data": {"type": "service", "ttl": 0, "expire_time": None, "renewable": False}}
        elif path.startswith("/v1/secret/data/") and path[16:] in secrets["data"]:
            code, body = 200, {"data": {"data": secrets["data"][path[16:]], "metadata": {"version": 1}}}
        text = json.dumps(body).encode()
        self.send_response(code)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)
    def log_message(self, *_): pass
http.server.ThreadingHTTPServer(("127.0.0.1", 8200), Handler).serve_forever()
`

export const VAULT_URL = 'http://127.0.0.1:8200'

/** What answers as Vault on the node: these tokens open these paths of the mount `secret`. */
export async function vault(
  node: TestNode,
  tokens: readonly string[],
  data: Readonly<Record<string, Readonly<Record<string, string>>>>,
): Promise<void> {
  await node.run('cat >/srv/vault.py', { input: VAULT })
  await node.run('cat >/srv/vault.json', { input: JSON.stringify({ tokens, data }) })
  await node.ask('systemd-run -q --unit vault python3 /srv/vault.py')
}
