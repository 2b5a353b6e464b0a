// A node's API server lies: answers without end, of any depth, of other types. Every run ends with a problem and costs little.

import { createSecureServer, type Http2ServerResponse } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { tls } from '../supply/charts.ts'
import { runAgainst } from './program.ts'
import { HostileServer } from './ssh-server.ts'

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

const base64 = (pem: string) => Buffer.from(pem).toString('base64')
const kubeconfig = stringify({
  apiVersion: 'v1',
  kind: 'Config',
  'current-context': 'default',
  clusters: [
    { name: 'default', cluster: { server: 'https://127.0.0.1:6443', 'certificate-authority-data': base64(tls.ca) } },
  ],
  users: [
    { name: 'default', user: { 'client-certificate-data': base64(tls.cert), 'client-key-data': base64(tls.key) } },
  ],
  contexts: [{ name: 'default', context: { cluster: 'default', user: 'default' } }],
})

/** A node whose API answers everything with `lie`; the version is right where `lie` leaves it alone. */
async function nodeWith(lie: (response: Http2ServerResponse, path: string) => void): Promise<HostileServer> {
  const api = createSecureServer({ key: tls.key, cert: tls.cert }, ({ url }, response) => {
    response.on('error', () => undefined)
    lie(response, url)
  })
  api.on('sessionError', () => undefined)
  await new Promise<void>((resolve) => api.listen(0, '127.0.0.1', resolve))
  const { port } = api.address() as AddressInfo
  const server = await HostileServer.start({
    files: { '/etc/rancher/k3s/k3s.yaml': kubeconfig },
    forwards: { '127.0.0.1:6443': port },
  })
  stops.push(
    () => server.stop(),
    () => void api.close(),
  )
  return server
}

const json = (body: string) => (response: Http2ServerResponse) => {
  response.setHeader('content-type', 'application/json')
  response.end(body)
}
const flood = (response: Http2ServerResponse, part: string) => {
  const more = () => {
    while (!response.destroyed && !response.writableEnded && response.write(part));
  }
  response.on('drain', more)
  more()
}
const version = json('{"gitVersion":"v1.36.5+k3s1"}')
/** The kinds that are asked for are served; what is asked of them is `lie`. */
const onObjects = (lie: (response: Http2ServerResponse) => void) => (response: Http2ServerResponse, path: string) => {
  if (path === '/version') return version(response)
  const kinds = [
    'Namespace',
    'Secret',
    'ConfigMap',
    'HelmChart',
    'Certificate',
    'ClusterIssuer',
    'Deployment',
    'Ingress',
  ]
  const resources = kinds.map((kind) => ({ name: `${kind.toLowerCase()}s`, kind, namespaced: true }))
  if (/^\/apis?\/[^/]+(\/v[^/]+)?$/.test(path)) return json(JSON.stringify({ resources }))(response)
  lie(response)
}

const everywhere = {
  'no JSON, but a secret': json('hunter2 is no JSON'),
  nothing: json(''),
  null: json('null'),
  'a list': json('[]'),
  'a number': json('1e999'),
  'an empty object': json('{}'),
  'types that are not those of Kubernetes': json(
    '{"gitVersion":7,"resources":{},"items":7,"metadata":[],"kind":null,"spec":"x","status":[1]}',
  ),
  'half an object': json('{"gitVersion":"v1.36.5'),
  'half of a character': json(
    '{"gitVersion":"\\ud800","apiVersion":"v1","kind":"Secret","metadata":{"name":"\\ud800","namespace":"\\ud800\\n"}}',
  ),
  prototypes: json(
    '{"gitVersion":"v1","__proto__":{"x":1},"apiVersion":"v1","kind":"x","metadata":{"name":"x","__proto__":{"labels":[]}},"items":[{"__proto__":1}],"resources":[{"__proto__":{},"name":"__proto__","kind":"Secret","namespaced":true}]}',
  ),
  'lists in lists': json('['.repeat(1_000_000)),
  'maps in maps': json(`${'{"a":'.repeat(100_000)}1${'}'.repeat(100_000)}`),
  'a body without end': (response: Http2ServerResponse) => flood(response, 'x'.repeat(65_536)),
  'a list without end': (response: Http2ServerResponse) => {
    response.write('{"items":[')
    flood(response, '{},'.repeat(20_000))
  },
  'a status that is no number': json('{"kind":"Status","code":"x","message":{},"details":{"retryAfterSeconds":-1}}'),
  'a refusal that is too long': (response: Http2ServerResponse) => {
    response.statusCode = 500
    response.end('x'.repeat(5_000_000))
  },
}
const cases = Object.entries(everywhere).flatMap(([name, lie]) => [
  [`${name}, for everything`, lie] as const,
  ...(name === 'a list without end' ? [] : [[`${name}, for objects`, onObjects(lie)] as const]),
])

test.each(cases)(
  '%s',
  async (name, lie) => {
    const server = await nodeWith(lie)
    for (const command of [['plan', 'k3s_platform_addon'], ['certs']]) {
      const { code, stdout, stderr, cpuSeconds, peakMiB } = await runAgainst(server, command, {
        env: { CLOUDFLARE_API_TOKEN: 'hunter2' },
      })
      const said = `${command}: ${stdout}${stderr}`
      expect([0, 1, 2], said.slice(0, 5000)).toContain(code)
      expect(said).not.toMatch(/internal error|hunter2/)
      // On a busy machine the time can be over before the memory is full.
      if (name.endsWith('without end, for everything')) expect(said).toContain("the API's answer is larger than 8 MiB")
      expect(said.length, command.join(' ')).toBeLessThan(60_000)
      expect(peakMiB).toBeLessThan(700)
      expect(cpuSeconds).toBeLessThan(20)
    }
  },
  180_000,
)
