// Real pods: what kubelet, containerd, kube-proxy and scheduler do on an agent with a kernel of its own, beside a server of the role.

import { afterAll, beforeAll, expect } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { patient } from '../testbed/pace.ts'
import { podTest as test } from '../testbed/pods.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'
import { cli } from './state.ts'

let testbed: Testbed
let server: TestNode
let node: TestNode

beforeAll(async () => {
  testbed = await Testbed.open()
  ;[server, node] = await Promise.all([
    testbed.node('server-1', { pods: 'on agents' }),
    testbed.node('edge-1', { pods: 'real' }),
  ])
  const inventory = await testbed.inventory([server], { k3s_platform_k3s_config: { 'disable-agent': true } })
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  await testbed.join(node, server, { 'node-label': ['tier=edge'], 'node-taint': ['edge=yes:PreferNoSchedule'] })
})
afterAll(() => testbed?.close())

const image = 'docker.io/library/busybox:1'

const HOG = `
apiVersion: v1
kind: Pod
metadata: { name: hog }
spec:
  restartPolicy: Never
  containers:
    - name: hog
      image: ${image}
      command: [tail, /dev/zero]
      resources: { limits: { memory: 16Mi } }
`

/** A web server of one file behind a port of the node, and the budget that keeps it running. */
const WEB = `
apiVersion: apps/v1
kind: Deployment
metadata: { name: web }
spec:
  selector: { matchLabels: { app: web } }
  template:
    metadata: { labels: { app: web } }
    spec:
      terminationGracePeriodSeconds: 1
      containers:
        - name: web
          image: ${image}
          command: [sh, -c, 'echo listening; echo "hello from $HOSTNAME" >/tmp/index.html; exec httpd -f -p 8080 -h /tmp']
          ports: [{ containerPort: 8080, hostPort: 8088 }]
          readinessProbe: { httpGet: { path: /, port: 8080 }, periodSeconds: 1 }
          resources: { limits: { memory: 32Mi } }
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: { name: web }
spec: { minAvailable: 1, selector: { matchLabels: { app: web } } }
`

/** What a client outside the node gets from its port. */
async function fetchFromOutside(port: number): Promise<string> {
  const retry = ['--retry', '300', '--retry-delay', '1', '--retry-all-errors', '--connect-timeout', '2']
  const { stdout } = await testbed.spawn(['curl', '-fsS', ...retry, `http://${node.host}:${port}/`], {
    timeout: 240_000,
  })
  return stdout
}

const kubectl = (...args: readonly string[]) => server.kubectl(args)
const jsonpath = (object: string, path: string) => kubectl('get', object, '-o', `jsonpath={${path}}`)
const timeout = () => `--timeout=${patient(60_000)}ms`

test('an agent registers its Node with its labels and taints, and gets ready', async () => {
  await expect
    .poll(() => server.run('k3s kubectl get node edge-1').then(({ code }) => code), { timeout: patient(60_000) })
    .toBe(0)
  await kubectl('wait', '--for=condition=Ready', 'node/edge-1', timeout())
  expect(await jsonpath('node/edge-1', '.status.nodeInfo.containerRuntimeVersion')).toMatch(/^containerd:/)
  expect(await jsonpath('node/edge-1', '.status.nodeInfo.kubeletVersion')).toBe(K3S_VERSIONS[0])
  expect(await jsonpath('node/edge-1', '.metadata.labels.tier')).toBe('edge')
  expect(await jsonpath('node/edge-1', '.spec.taints[*].key')).toContain('edge')
})

test('a Deployment runs, kubectl exec and logs reach into its container, and a host port leads to it', async () => {
  await server.kubectl(['apply', '-f', '-'], WEB)
  await kubectl('rollout', 'status', 'deployment/web', timeout())
  expect(await kubectl('exec', 'deployment/web', '--', 'cat', '/tmp/index.html')).toMatch(/^hello from web-/)
  expect(await kubectl('logs', 'deployment/web')).toBe('listening\n')
  expect(await fetchFromOutside(8088)).toMatch(/^hello from web-/)
})

test('a container that takes more memory than its limit is killed, and the pod says so', async () => {
  await server.kubectl(['apply', '-f', '-'], HOG)
  await kubectl('wait', 'pod/hog', '--for=jsonpath={.status.phase}=Failed', timeout())
  expect(await jsonpath('pod/hog', '.status.containerStatuses[0].state.terminated.reason')).toBe('OOMKilled')
})

test('a drain stops at a PodDisruptionBudget, and is done without it', async () => {
  const drain = 'k3s kubectl drain edge-1 --ignore-daemonsets --delete-emptydir-data --force'
  const refused = await server.run(`${drain} --timeout=10s`)
  expect(refused.code, refused.stderr).toBe(1)
  expect(refused.stderr).toContain("violate the pod's disruption budget")
  expect(await jsonpath('node/edge-1', '.spec.unschedulable')).toBe('true')
  await kubectl('delete', 'poddisruptionbudget/web')
  await server.ask(`${drain} ${timeout()}`)
  await kubectl('uncordon', 'edge-1')
  await kubectl('rollout', 'status', 'deployment/web', timeout())
})

test('after a power cut of the node its pod is back behind the host port', async () => {
  await node.ask('sync')
  await node.kill()
  await node.start()
  expect(await fetchFromOutside(8088)).toMatch(/^hello from web-/)
})
