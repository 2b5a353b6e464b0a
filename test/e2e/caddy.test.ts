// Caddy as it is: a certificate is served once it is loaded, again after each renewal and restart, and a Caddy that hangs is found.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { LOAD_PATH } from '../../src/cluster/kinds/caddy.ts'
import { Testbed } from '../testbed/testbed.ts'
import { CERTIFIED, field, type Platform, platform } from './platform.ts'
import { cli, said } from './state.ts'

let testbed: Testbed
let at: Platform
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await platform(testbed, 'edge-1')
  // Caddy asks its ACME server with the authorities of the machine: it could order a certificate if it wanted to.
  await at.node.run('cat >/etc/ssl/certs/testbed-acme.pem', { input: at.acme.ca })
  inventory = await testbed.inventory([at.node], at.vars)
})

afterAll(() => testbed?.close())

/** What a TLS client is shown for a name: the fingerprint, or the alert. */
async function shown(name = CERTIFIED): Promise<string> {
  const asked = `openssl s_client -connect 127.0.0.1:443 -servername ${name} </dev/null 2>&1`
  const { stdout } = await at.node.run(
    `${asked} | tee /tmp/handshake | openssl x509 -noout -fingerprint -sha256 2>/dev/null || grep -m 1 -o 'alert.*' /tmp/handshake`,
  )
  return stdout.trim().replace(/^.*=/, '')
}

/** The fingerprint of what a Secret holds. */
async function held(secret = 'postgresql-tls', namespace = 'platform'): Promise<string> {
  const data = await field(at.node, namespace, `secret/${secret}`, '{.data.tls\\.crt}')
  const { stdout } = await at.node.run('base64 -d | openssl x509 -noout -fingerprint -sha256', { input: data })
  return stdout.trim().replace(/^.*=/, '')
}

const apply = (...args: readonly string[]) => cli(testbed, 0, ['apply', '-i', inventory, ...args], { timeout: 300_000 })
const planned = async () => (await cli(testbed, 0, ['plan', '-i', inventory])).stdout

/** Caddy's pod goes, and the next one is at work; what it read before is gone with it. */
async function restart(): Promise<void> {
  const caddy = ['-n', 'platform', 'pod', '-l', 'app.kubernetes.io/instance=caddy']
  await at.node.kubectl(['delete', ...caddy])
  const ready = '{.items[*].status.conditions[?(@.type=="Ready")].status}'
  await expect.poll(() => at.node.kubectl(['get', ...caddy, '-o', `jsonpath=${ready}`])).toBe('True')
}

let jobs = 0
/** The CronJob, now; what it says. */
async function reload(end = 'Complete'): Promise<string> {
  const job = `reload-${++jobs}`
  const namespace = ['-n', 'platform']
  await at.node.kubectl(['create', ...namespace, 'job', job, '--from=cronjob/caddy-reload'])
  const ended = () => field(at.node, 'platform', `job/${job}`, '{.status.conditions[*].type}')
  await expect.poll(ended).toMatch(/Complete|Failed/)
  const said = await at.node.kubectl(['logs', ...namespace, `job/${job}`])
  expect(await ended(), said).toContain(end)
  return said
}

/** As `cmctl renew` does it; returns when the Secret has another certificate. */
async function renew(secret = 'postgresql-tls', namespace = 'platform'): Promise<void> {
  const before = await held(secret, namespace)
  const issuing = { type: 'Issuing', status: 'True', reason: 'ManuallyTriggered', message: 'test' }
  const conditions = [{ ...issuing, lastTransitionTime: new Date().toISOString().replace(/\.\d+/, '') }]
  const patch = ['-p', JSON.stringify({ status: { conditions } }), '--type=merge', '--subresource=status']
  await at.node.kubectl(['patch', '-n', namespace, 'certificate', secret, ...patch])
  await expect.poll(() => held(secret, namespace)).not.toBe(before)
}

test('an inventory with nothing but its defaults is installed, and Caddy serves what was issued through it', async () => {
  await apply()
  expect(await shown()).toBe(await held())
  // Its own time is not that of the tests; this field is nobody's.
  await at.node.kubectl(['patch', '-n', 'platform', 'cronjob', 'caddy-reload', '-p', '{"spec":{"suspend":true}}'])
  const orders = (await at.acme.requests()).filter(({ path }) => path === '/order-plz')
  expect(orders, 'Caddy ordered none of its own').toHaveLength(2)
  expect(await planned()).toContain('Plan: no changes')
})

test('its Ingresses have no address of the cluster, and its metrics are not read from outside', async () => {
  const status = () => at.node.kubectl(['get', 'ingress', '-A', '-o', 'jsonpath={.items[*].status.loadBalancer}'])
  await new Promise((resolve) => setTimeout(resolve, 32_000)) // Caddy writes it every 30 s
  expect(await status()).not.toContain('10.43.')
  expect(await at.node.ask('curl -s http://127.0.0.1:9765/metrics')).not.toContain('caddy_')
})

describe('what Caddy serves', () => {
  test('is the new certificate after certs renew', async () => {
    const before = await held()
    await cli(testbed, 0, ['certs', 'renew', '-n', 'platform', 'postgresql-tls', '-i', inventory], { timeout: 180_000 })
    expect(await held()).not.toBe(before)
    expect(await shown()).toBe(await held())
    expect(await planned()).toContain('Plan: no changes')
  })

  test('becomes the new one by the CronJob after a renewal that no run has seen', async () => {
    await renew()
    const said = await reload()
    expect(await shown(), said).toBe(await held())
    expect(said, 'that of the Ingress, not of the other namespace').toMatch(/issued is \S{20}$/m)
    expect(await reload(), 'it does nothing where nothing is to do').toBe('')
  })

  test('is nothing after a restart of its pod, until the CronJob has it load them', async () => {
    await restart()
    await expect.poll(shown).toContain('alert')
    const said = await reload()
    expect(said).toContain('Caddy serves no certificate')
    expect(await shown(), said).toBe(await held())
  })

  test('comes back by a run, too', async () => {
    await restart()
    await expect.poll(shown).toContain('alert')
    const { stdout } = await cli(testbed, 2, ['plan', '-i', inventory])
    expect(stdout).toMatch(/Certificate platform\/postgresql-tls at Caddy/)
    await apply()
    expect(await shown()).toBe(await held())
    expect(await planned()).toContain('Plan: no changes')
  })
})

describe('a Caddy that hangs', () => {
  const pod = () =>
    at.node.kubectl(['get', '-n', 'platform', 'pod', '-l', 'app.kubernetes.io/instance=caddy', '-o', 'name'])
  const hang = (starts: number) => at.node.ask(`echo ${starts} >/run/caddy-standin-hang`)

  test('is found by doctor, and its pod is replaced by the next run', async () => {
    await hang(1)
    await restart()
    const { stdout } = await testbed.cli(['doctor', '-i', inventory])
    expect(stdout).toContain('Caddy has not loaded its newest configuration')
    const before = await pod()
    await apply()
    expect(await pod()).not.toBe(before)
    expect(await shown()).toBe(await held())
    expect(await planned()).toContain('Plan: no changes')
  })

  test('while it runs is found by the CronJob, named by doctor, and its pod is replaced by the next run', async () => {
    await at.node.ask('touch /run/caddy-standin-block')
    const load = { op: 'replace', path: '/spec/rules/0/http/paths/0/path', value: `${LOAD_PATH}1` } // a day has gone by
    const patch = ['--type=json', '-p', JSON.stringify([load])]
    await at.node.kubectl(['patch', '-n', 'platform', 'ingress', 'caddy-reload', ...patch])
    expect(await reload('Failed')).toContain('Caddy does not load its configuration: it hangs')
    expect(await shown(), 'what it has loaded is served all the same').toBe(await held())
    const { code, stdout } = await testbed.cli(['doctor', '-i', inventory])
    expect({ code, stdout }).toEqual({ code: 2, stdout: expect.stringContaining('Caddy has not loaded its newest') })
    const before = await pod()
    expect(said(await apply())).toContain('Caddy does not process Ingress changes: its pods are replaced')
    expect(await pod()).not.toBe(before)
    expect(await shown()).toBe(await held())
    expect(await planned()).toContain('Plan: no changes')
  })

  test('that does so in the new pod again is told, with what to do', async () => {
    await hang(2)
    await restart()
    const failed = await cli(testbed, 1, ['apply', '-t', 'caddy', '-i', inventory], { timeout: 180_000 })
    expect(said(failed)).toContain('Caddy hangs even after its pod was replaced')
    expect(said(failed)).toContain('k3s_platform_caddy_image')
    await hang(0)
    await restart()
    await apply()
    expect(await shown()).toBe(await held())
  })
})

test('another exposure replaces its Service, whose address cannot change, and back', async () => {
  const service = () =>
    field(at.node, 'platform', 'service/caddy-caddy-ingress-controller', '{.spec.type} {.spec.clusterIP}')
  expect(await service()).toBe('ClusterIP None')
  const before = inventory
  inventory = await testbed.inventory([at.node], { ...at.vars, k3s_platform_disable_components: ['traefik'] })
  await apply()
  expect(await service()).toMatch(/^LoadBalancer \d/)
  expect(await shown()).toBe(await held())
  expect(await planned()).toContain('Plan: no changes')
  inventory = before
  await apply()
  expect(await service()).toBe('ClusterIP None')
  expect(await planned()).toContain('Plan: no changes')
})
