// The parts that tests of addons stand on: charts by http, https and OCI, real controllers, ACME through Caddy's stand-in, a slow link.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Charts } from '../testbed/charts.ts'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'

let testbed: Testbed
let node: TestNode
let charts: Charts

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('charts')
  const [inventory] = await Promise.all([
    testbed.inventory([node], { k3s_platform_disable_components: ['traefik'] }),
    testbed.charts().then((one) => {
      charts = one
    }),
    node.programs('cert-manager', 'external-dns', 'external-secrets'),
  ])
  const { code, stderr } = await testbed.cli(['apply', '-i', inventory])
  expect(code, stderr).toBe(0)
})

afterAll(() => testbed?.close())

const newest = (chart: string) => charts.versions[chart]?.[0]

/** A HelmChart: `spec` over what all have in common. */
function helmChart(name: string, namespace: string, values: object, spec: object): object {
  return {
    apiVersion: 'helm.cattle.io/v1',
    kind: 'HelmChart',
    metadata: { name, namespace: 'kube-system' },
    spec: {
      chart: name,
      version: newest(name),
      targetNamespace: namespace,
      createNamespace: true,
      failurePolicy: 'abort',
      backOffLimit: 1,
      valuesContent: stringify(values),
      ...spec,
    },
  }
}

async function apply(...objects: readonly object[]): Promise<void> {
  const input = objects.map((one) => stringify(one)).join('---\n')
  await expect
    .poll(() => node.run(['k3s', 'kubectl', 'apply', '--server-side', '-f', '-'], { input }), {
      timeout: 20_000,
    })
    .toMatchObject({ code: 0 })
}

/** The release is deployed, and all Deployments of its namespace are rolled out. */
async function installed(release: string, namespace: string): Promise<void> {
  const secrets = ['-n', namespace, 'get', 'secrets', '-l', `owner=helm,name=${release},status=deployed`, '-o', 'name']
  await expect.poll(() => node.kubectl(secrets), { timeout: 90_000, interval: 500 }).toContain(release)
  await node.kubectl(['-n', namespace, 'rollout', 'status', 'deployments', '--timeout=60s'])
}

describe('charts', () => {
  test('cert-manager comes from the OCI registry by plain http', async () => {
    const source = { chart: `${charts.ociUrl}/cert-manager`, plainHTTP: true }
    const values = { crds: { enabled: true }, extraArgs: ['--dns01-check-retry-period=1s'] }
    await apply(helmChart('cert-manager', 'cert-manager', values, source))
    await installed('cert-manager', 'cert-manager')
    expect(await charts.mirror.requests()).toContainEqual(
      expect.objectContaining({ path: expect.stringContaining('/v2/charts/cert-manager/manifests/') }),
    )
  })
})
