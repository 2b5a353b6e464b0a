// Both roles on a fresh node, by one command; then nothing to do, and only what is changed changes.

import { X509Certificate } from 'node:crypto'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { statusDocument } from '../../src/report/status-v1.ts'
import { Testbed } from '../testbed/testbed.ts'
import { CERTIFIED, field, type Platform, platform, versions } from './platform.ts'
import { cli } from './state.ts'

const KINDS = ['helmcharts', 'jobs', 'secrets', 'certificates', 'clusterissuers', 'ingresses', 'deployments.apps']

let testbed: Testbed
let at: Platform
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  inventory = await testbed.inventory([at.node], at.vars)
})

afterAll(() => testbed?.close())

test('a plan for a bare machine shows the whole platform and touches nothing', async () => {
  const { stdout } = await cli(testbed, 2, ['plan', '-i', inventory])
  expect(stdout).toContain('HelmChart kube-system/cert-manager')
  expect(stdout).toContain('Certificate database/postgresql-tls')
  expect(await at.node.ask('ls /etc/rancher /usr/local/bin/k3s 2>/dev/null || :')).toBe('')
})

test('one command makes the platform', async () => {
  const { stdout } = await cli(testbed, 0, ['apply', '-i', inventory], { timeout: 300_000 })
  expect(stdout).toMatch(/edge-1 +ok=\d+ +changed=\d+ +unreachable=0 +failed=0/)
})

test('both namespaces hold a pair of their own, issued over HTTP-01', async () => {
  const root = new X509Certificate(await at.acme.root())
  const keys: string[] = []
  for (const namespace of ['platform', 'database']) {
    const data = await field(at.node, namespace, 'secret/postgresql-tls', '{.data.tls\\.crt} {.data.tls\\.key}')
    const [crt = '', key = ''] = data.split(' ').map((part) => Buffer.from(part, 'base64').toString())
    const chain = crt.match(/-----BEGIN[\s\S]*?END CERTIFICATE-----/g)?.map((pem) => new X509Certificate(pem)) ?? []
    expect(chain[0]?.checkHost(CERTIFIED)).toBe(CERTIFIED)
    expect(chain.at(-1)?.checkIssued(root)).toBe(true)
    keys.push(key)
  }
  expect(new Set(keys).size).toBe(2)
})

test('external-dns makes the record of the certified host, with the address of the node', async () => {
  const logs = () => at.node.ask('cat /opt/rancher/k3s/agent/logs/platform_external-dns-*.log')
  await expect.poll(logs, { interval: 1000 }).toMatch(new RegExp(`${CERTIFIED}.*${at.node.host}`))
})

describe('a second run', () => {
  test('plans nothing, and applies nothing', async () => {
    const before = await versions(at.node, KINDS)
    const { stdout } = await cli(testbed, 0, ['plan', '-i', inventory])
    expect(stdout).toContain('Plan: no changes')
    const done = await cli(testbed, 0, ['apply', '-i', inventory, '-o', 'json'])
    expect(JSON.parse(done.stdout).hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
    expect(await versions(at.node, KINDS)).toBe(before)
  })
})

describe('status', () => {
  const status = (code: number, ...more: string[]) => cli(testbed, code, ['status', '-i', inventory, ...more])

  test('of a converged platform: all is well, in one exec', async () => {
    const { stdout } = await status(0, '-o', 'json')
    const { hosts, ...whole } = statusDocument.parse(JSON.parse(stdout))
    expect(whole).toMatchObject({ status: 'ok', exitCode: 0 })
    const [{ node, cluster } = {}] = hosts
    expect(node?.k3s).toEqual({ version: expect.stringMatching(/^v1\./), newestLocked: null, ready: true })
    expect(node?.k3sCertificates.map(({ name }) => name)).toContain('serving-kube-apiserver.crt')
    expect(node?.memory?.usedPercent).toBeGreaterThan(0)
    const [version = ''] = at.charts.versions['cert-manager'] ?? []
    expect(cluster?.addons).toContainEqual({
      ...{ name: 'cert-manager', namespace: 'cert-manager', version, state: 'Running', why: null },
    })
    expect(cluster?.certificates).toContainEqual(
      expect.objectContaining({ namespace: 'database', name: 'postgresql-tls', state: 'Ready', status: 'issued' }),
    )
    const text = (await status(0)).stdout
    expect(text).toMatch(/^edge-1 {2}k3s v1\.[\w.+]+, ready, up [\d dhms]+ · Debian 13 · disk \d+ %, memory \d+ %\n/)
    expect(text).toMatch(/\n {2}addons +caddy [\d.]+, cert-manager [\d.]+, /)
  })

  test('names a controller that was stopped, with the command that starts it', async () => {
    const scale = (n: number) =>
      at.node.kubectl(['-n', 'cert-manager', 'scale', 'deployment/cert-manager', `--replicas=${n}`])
    await scale(0)
    const { stdout } = await status(2)
    expect(stdout).toContain('cert-manager: Degraded: Deployment cert-manager/cert-manager is scaled to 0\n')
    expect(stdout).toContain(' kubectl -n cert-manager scale deployment/cert-manager --replicas=1\n')
    await scale(1)
    await expect.poll(async () => (await testbed.cli(['status', '-i', inventory])).code, { timeout: 60_000 }).toBe(0)
  })
})

describe('a lock file', () => {
  test('has the digests of the charts, and changes nothing in the cluster', async () => {
    await cli(testbed, 0, ['lock', '-i', inventory])
    const text = await readFile(join(inventory, 'k3s-platform.lock'), 'utf8')
    const [version = ''] = at.charts.versions['cert-manager'] ?? []
    expect(text).toContain(`${version}: ${at.charts.digest('cert-manager', version)}`)
    await cli(testbed, 0, ['plan', '-i', inventory, '--locked'])
  })

  test('with another digest stops the run before anything is touched', async () => {
    const path = join(inventory, 'k3s-platform.lock')
    const [version = ''] = at.charts.versions.reloader ?? []
    const text = await readFile(path, 'utf8')
    await writeFile(path, text.replace(at.charts.digest('reloader', version), 'a'.repeat(64)))
    const { stderr } = await cli(testbed, 64, ['apply', '-i', inventory, '--locked'])
    expect(stderr).toMatch(/the digest of the chart reloader \S+ differs from the locked/)
    await writeFile(path, text)
  })
})

describe('doctor', () => {
  const doctor = async () => (await testbed.cli(['doctor', '-i', inventory])).stdout

  test('has nothing to say of it', async () => {
    expect(await doctor()).toContain('1 host, 0 failures, 0 warnings')
  })

  test('names what copies a Secret into another namespace', async () => {
    const mark = 'reflector.v1.k8s.emberstack.com/reflection-allowed=true'
    await at.node.kubectl(['annotate', '-n', 'platform', 'secret/postgresql-tls', mark])
    expect(await doctor()).toMatch(/warn +Secret platform\/postgresql-tls: it copies a Secret between namespaces/)
    await at.node.kubectl(['annotate', '-n', 'platform', 'secret/postgresql-tls', `${mark.split('=')[0]}-`])
  })
})
