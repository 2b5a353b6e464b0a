// All stages of secrets, Vault, issuers and certificates together, as the real kinds make them.

import { inspect } from 'node:util'
import { expect, test } from 'vitest'
import { certificateStages } from '../../../roles/k3s_platform_addon/certificates.ts'
import { issuerStages } from '../../../roles/k3s_platform_addon/issuers.ts'
import { leftAlone, secretStages } from '../../../roles/k3s_platform_addon/secrets.ts'
import { vars } from '../../../roles/k3s_platform_addon/vars.ts'
import { externalSecretStages } from '../../../roles/k3s_platform_addon/vault.ts'
import type { Looking, Making } from '../../../src/cluster/resource.ts'
import { diff } from '../../../src/engine/state.ts'
import { FakeCluster } from '../../cluster/fake.ts'
import { context } from '../k3s_platform_bootstrap/given.ts'

const HIDDEN = 'never-to-be-seen'
const all = vars.parse({
  k3s_platform_cloudflare_api_token: `${HIDDEN}-1`,
  k3s_platform_ghcr_username: 'me',
  k3s_platform_ghcr_token: `${HIDDEN}-2`,
  k3s_platform_vault_server: 'https://vault.svc.plus',
  k3s_platform_vault_token: `${HIDDEN}-3`,
  k3s_platform_external_secrets: [{ name: 'a', namespaces: ['core-prod'], dataFrom: ['a'] }],
  k3s_platform_issuers: { corp: { ca: { secretName: 'corp-ca' } }, other: 'existing' },
})
const stages = [secretStages, externalSecretStages, issuerStages, certificateStages].flatMap((of) => of(all, context))
const resources = stages.flatMap((stage) => stage.resources)

const signal = new AbortController().signal
const at: Looking = { host: 'edge-1', now: () => 0, signal }
const how: Making = {
  ...at,
  stop: signal,
  boundSeconds: 1,
  wait: () => undefined,
  output: () => undefined,
  warn: () => undefined,
}

test('no two resources have one id, and none has an input that is not before it', () => {
  const ids = resources.map(({ id }) => id)
  expect(ids.length).toBeGreaterThan(15)
  expect(ids.filter((id, i) => ids.indexOf(id) < i)).toEqual([])
  for (const [i, { inputs = [] }] of resources.entries()) {
    const others = inputs.filter((input) => input !== 'ready:HelmChart/caddy') // of a stage before these
    expect(others.filter((input) => !ids.slice(0, i).includes(input))).toEqual([])
  }
})

test('what is written is found as it was written, and a plan knows no secret', async () => {
  const cluster = new FakeCluster('cert-manager', 'platform', 'database', 'core-prod')
  const written = resources.filter(({ id }) => !/^(ready|present):/.test(id))
  const plans = [inspect(resources, { depth: null })]
  for (const resource of written) {
    const { actual, desired } = await resource.look(cluster, at)
    expect(actual).toBeNull()
    await resource.make({ resource, actual, desired }, cluster, how)
    const after = await resource.look(cluster, at)
    expect(diff(after.actual, after.desired)).toEqual([])
    plans.push(JSON.stringify(after), inspect(resource, { depth: null }))
  }
  expect(plans.join()).not.toContain(HIDDEN)
  const token = cluster.peek({ apiVersion: 'v1', kind: 'Secret', namespace: 'platform', name: 'cloudflare-api-token' })
  expect(token).toMatchObject({ data: { 'api-token': Buffer.from(`${HIDDEN}-1`).toString('base64') } })
  expect(cluster.calls.some(({ verb, dryRun }) => verb === 'apply' && !dryRun)).toBe(true)
})

test.each([
  ['nothing at all', {}, ['cert-manager', 'platform', 'database', undefined]],
  ['none', { cloudflare_mode: 'none', ghcr_mode: 'none' }, []],
  ['a value', { cloudflare_api_token: HIDDEN, ghcr_mode: 'none' }, []],
  ['existing', { cloudflare_mode: 'existing', ghcr_mode: 'none' }, ['cert-manager', 'platform']],
  [
    'external-secret',
    { cloudflare_mode: 'none', ghcr_mode: 'external-secret', vault_server: 'https://vault.svc.plus' },
    ['database'],
  ],
])('where the inventory says %s, what an earlier run wrote is left alone as it should be', (_, given, namespaces) => {
  const named = Object.fromEntries(Object.entries(given).map(([name, value]) => [`k3s_platform_${name}`, value]))
  expect(leftAlone(vars.parse(named)).map(({ namespace }) => namespace)).toEqual(namespaces)
})
