// The handoff to Flux: in each way of reading the repository, and the days after it.

import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Testbed } from '../testbed/testbed.ts'
import { applied, certificates, type Handoff, handoff, issued, kustomizations, publish, reading } from './handoff.ts'
import { told, well } from './look.ts'
import { CERTIFIED, field, versions } from './platform.ts'

let testbed: Testbed
let at: Handoff
let inventory: string
const LONG = { timeout: 400_000 }

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  inventory = await inventoryWith({})
})
afterAll(() => testbed?.close())

const inventoryWith = (vars: Readonly<Record<string, unknown>>) =>
  testbed.inventory([at.node], { ...at.vars, ...reading(at, 'ssh'), ...vars })
const text = async (args: readonly string[]) => {
  const { stdout, stderr } = await well(testbed, args, LONG)
  return `${stdout}\n${stderr}`
}

describe('a full run on a fresh node, by ssh', () => {
  test('installs Flux, applies the platform, hands it over, and waits until Flux has it', async () => {
    const revision = await publish(testbed, at.git, inventory)
    const said = await text(['apply', '-i', inventory])
    expect(said).toMatch(/edge-1 +ok=\d+ +changed=\d+ +unreachable=0 +failed=0/)
    expect(new Set(Object.values(await kustomizations(at.node)))).toEqual(new Set(['True']))
    expect(Object.keys(await kustomizations(at.node)).toSorted()).toEqual([
      'cert-manager-issuer',
      'platform-namespaces',
      'platform-root',
      'postgresql-tls-database',
      'postgresql-tls-platform',
    ])
    expect(await field(at.node, 'flux-system', 'kustomization/platform-root', '{.status.lastAppliedRevision}')).toBe(
      `main@sha1:${revision}`,
    )
  })

  test('issues each certificate once', async () => {
    expect(await issued(at.node)).toMatch(/orders 2$/)
  })

  test('leaves nothing to do, shows what Flux owns, and costs one exec', async () => {
    const { code, document } = await told(testbed, ['plan', '-i', inventory])
    expect(code).toBe(0)
    const changes = document.hosts[0]?.plan?.stages.flatMap((stage) => stage.changes) ?? []
    const owned = changes.filter(({ op }) => op === 'owned')
    expect(owned.map(({ title }) => title)).toEqual(
      expect.arrayContaining(['Certificate platform/postgresql-tls', 'ClusterIssuer svc-plus-acme-http01']),
    )
    expect(owned.flatMap(({ deltas }) => deltas)).toEqual([])
    const kinds = ['certificates', 'clusterissuers', 'kustomizations', 'gitrepositories', 'secrets', 'deployments']
    const before = await versions(at.node, kinds)
    const done = await well(testbed, ['apply', '-i', inventory, '-o', 'json'], LONG)
    expect(JSON.parse(done.stdout).hosts[0]).toMatchObject({ status: 'ok', execs: 1, recap: { changed: 0 } })
    expect(await versions(at.node, kinds)).toBe(before)
  })

  test('leaves no field to this program in what Flux has taken over', async () => {
    const path = '{.metadata.managedFields[*].manager}'
    const managers = await field(at.node, 'database', 'certificate/postgresql-tls', path)
    expect(managers.split(' ')).toContain('kustomize-controller')
    expect(managers.split(' ')).not.toContain('kubectl-k3s-platform')
  })
})

describe('a change in Git', () => {
  const names = [CERTIFIED, 'postgresql-pre.svc.plus']

  test('is applied by Flux, and is drift as long as the inventory says something else', async () => {
    const other = await inventoryWith(certificates(names))
    const revision = await publish(testbed, at.git, other)
    await applied(at.node, revision)
    const { stdout, stderr } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(/o Certificate database\/postgresql-tls +it differs in Flux \(postgresql-tls-database\)/)
    expect(stdout).toContain('spec.dnsNames')
    expect(stderr).toMatch(/Certificate database\/postgresql-tls: Git and the inventory differ/)
    expect(stderr).toContain(JSON.stringify(names))
    expect(stderr).toContain(JSON.stringify([CERTIFIED]))
    expect(stderr).toContain('infrastructure/edge-1/certificates/database/postgresql-tls/certificate.yaml')
    await well(testbed, ['apply', '-i', inventory], LONG)
    expect(await field(at.node, 'database', 'certificate/postgresql-tls', '{.spec.dnsNames}')).toBe(
      JSON.stringify(names),
    )
  })

  test('is quiet once the inventory says the same', async () => {
    inventory = await inventoryWith(certificates(names))
    // Which hosts Caddy is to load is not in Git here.
    await well(testbed, ['apply', '-i', inventory, '-t', 'caddy'], LONG)
    const { stdout, stderr } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(/Plan: no changes; .* owned by Flux on 1 host/)
    expect(stderr).not.toContain('differs')
  })
})

describe('an object that is removed from Git', () => {
  test('is gone from the cluster, and is told as missing, and is not brought back', async () => {
    const less = await inventoryWith(certificates([CERTIFIED, 'postgresql-pre.svc.plus'], ['platform']))
    const revision = await publish(testbed, at.git, less)
    await applied(at.node, revision)
    const gone = () => field(at.node, 'database', 'certificate/postgresql-tls', '{.metadata.name}')
    await expect.poll(gone, { interval: 1000 }).toBe('')
    const { stdout, stderr } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(/o Certificate database\/postgresql-tls +missing: Flux \(platform-root\) does not manage it/)
    expect(stderr).toMatch(/Certificate database\/postgresql-tls: is in the inventory but not in the cluster/)
    await well(testbed, ['apply', '-i', inventory], LONG)
    expect(await gone()).toBe('')
    inventory = less
    await text(['apply', '-i', inventory])
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  })
})

describe('a recovery', () => {
  const uid = () => field(at.node, 'platform', 'certificate/postgresql-tls', '{.metadata.uid}')
  const space = ['platform']

  test('has to be confirmed', async () => {
    const { code, stderr } = await testbed.cli(['apply', '-i', inventory, '--take-back'])
    expect(code).toBe(64)
    expect(stderr).toContain('confirmation is required, but there is no terminal')
  })

  test('takes the objects back as they are, and they are the inventory’s until they are handed over', async () => {
    const before = await issued(at.node, space)
    const shown = await testbed.cli(['plan', '-i', inventory, '--take-back'])
    expect(shown.code).toBe(2)
    expect(shown.stdout).toMatch(/! suspend 4 Kustomizations to reclaim the objects that platform-root applies/)
    await text(['apply', '-i', inventory, '--take-back', '--yes'])
    expect(await issued(at.node, space)).toBe(before)
    const { stdout } = await well(testbed, ['plan', '-i', inventory])
    expect(stdout).toMatch(
      /o Kustomization flux-system\/platform-root +.*reclaimed; to hand it over again: apply --hand-over/,
    )
    const one = await inventoryWith(certificates([CERTIFIED], ['platform']))
    await text(['apply', '-i', one, '-t', 'certificates'])
    expect(await field(at.node, 'platform', 'certificate/postgresql-tls', '{.spec.dnsNames}')).toBe(
      JSON.stringify([CERTIFIED]),
    )
  })

  test('ends with Git having the say again', async () => {
    const was = await uid()
    await text(['apply', '-i', inventory, '--hand-over'])
    const names = () => field(at.node, 'platform', 'certificate/postgresql-tls', '{.spec.dnsNames}')
    await expect.poll(names, { interval: 1000 }).toContain('postgresql-pre.svc.plus')
    expect(await uid()).toBe(was)
    expect((await well(testbed, ['plan', '-i', inventory])).stdout).toContain('Plan: no changes')
  })
})

describe('a login', () => {
  const source = () =>
    field(at.node, 'flux-system', 'gitrepository/platform-config', '{.status.conditions[?(@.type=="Ready")].status}')
  const keys = async () =>
    Object.keys(JSON.parse((await field(at.node, 'flux-system', 'secret/platform-config', '{.data}')) || '{}'))

  test.each([
    ['https-basic', ['ca.crt', 'password', 'username']],
    ['https-bearer', ['bearerToken', 'ca.crt']],
    ['public', ['ca.crt']],
  ] as const)('by %s takes the place of the one before, and nothing is left of that', async (mode, expected) => {
    const other = await testbed.inventory([at.node], { ...at.vars, ...vars(), ...reading(at, mode) })
    await text(['apply', '-i', other, '-t', 'source'])
    expect((await keys()).toSorted()).toEqual(expected)
    expect(await source()).toBe('True')
    expect((await well(testbed, ['plan', '-i', other])).stdout).toContain('Plan: no changes')
  })

  test('that was rotated is tried at once', async () => {
    await at.git.rotatePassword()
    const other = await testbed.inventory([at.node], { ...at.vars, ...vars(), ...reading(at, 'https-basic') })
    await text(['apply', '-i', other])
    await at.git.rotatePassword()
    const next = await testbed.inventory([at.node], { ...at.vars, ...vars(), ...reading(at, 'https-basic') })
    await text(['apply', '-i', next])
    expect(await source()).toBe('True')
  })

  const vars = () => certificates([CERTIFIED, 'postgresql-pre.svc.plus'], ['platform'])
})
