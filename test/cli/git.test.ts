// Repositories of a run: each is read once, what was found well is not read again, and nothing of it can be tried out.

import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { repositoryCheck } from '../../roles/handoff/login.ts'
import { vars } from '../../roles/k3s_platform_bootstrap/vars.ts'
import { type HostRepository, repositoryProblems } from '../../src/cli/git.ts'
import { bindVars, loadInventory } from '../../src/inventory/index.ts'
import { CA, type GitServer, gitServer, repositories } from '../gitops/git-server.ts'
import { seesRoot } from '../owners.ts'
import { context } from '../roles/k3s_platform_bootstrap/given.ts'

const PASSWORD = 'never-to-be-seen'
let repos: ReturnType<typeof repositories>
let server: GitServer
let home = ''

beforeAll(async () => {
  repos = repositories()
  home = mkdtempSync(join(tmpdir(), 'git-home-'))
  const right = `Basic ${Buffer.from(`x-access-token:${PASSWORD}`).toString('base64')}`
  server = await gitServer(repos.root, (header) => (header === right ? 200 : 401))
})
afterAll(async () => {
  await server.stop()
  repos.remove()
  rmSync(home, { recursive: true })
})

async function hosts(some: Readonly<Record<string, unknown>> = {}): Promise<HostRepository[]> {
  const all = {
    k3s_platform_git_url: `${server.url}/tree.git`,
    k3s_platform_git_auth_mode: 'https-basic',
    k3s_platform_git_http_password: PASSWORD,
    k3s_platform_git_ca: CA,
    k3s_platform_flux_root_path: './clusters/edge-1',
    ...some,
  }
  writeFileSync(join(home, 'hosts.yaml'), stringify({ all: { hosts: { 'edge-1': null, 'edge-2': null }, vars: all } }))
  const inventory = await loadInventory({ sources: [join(home, 'hosts.yaml')], cwd: home, env: {} })
  return inventory.hosts.map((host) => {
    const { value } = bindVars(host, vars)
    const check = value && repositoryCheck(value, { ...context, host: host.name })
    if (check === undefined) throw new Error('there is nothing to check')
    return { host, check }
  })
}
const env = () => ({ HOME: home, PATH: process.env.PATH })
const cache = () => join(home, '.cache/k3s-platform/git')

test.skipIf(!seesRoot)('a repository of two hosts is read once, and not again while all stays as it is', async () => {
  expect(await repositoryProblems(await hosts(), { env: env() })).toEqual([])
  const first = server.count()
  expect(first).toBeGreaterThan(0)
  expect(await repositoryProblems(await hosts(), { env: env() })).toEqual([])
  expect(server.count()).toBe(first)
  expect(readdirSync(cache())).toEqual(['key', expect.stringMatching(/^well-[0-9a-f]{64}$/)])
  expect((statSync(join(cache(), 'key')).mode & 0o777).toString(8)).toBe('600')
  for (const name of readdirSync(cache())) expect(readFileSync(join(cache(), name), 'latin1')).not.toContain(PASSWORD)
})

test.skipIf(!seesRoot)('a mark in a cache that others can write is not believed', async () => {
  await repositoryProblems(await hosts(), { env: env() })
  const marks = readdirSync(cache())
  chmodSync(home, 0o777)
  try {
    const first = server.count()
    expect(await repositoryProblems(await hosts(), { env: env() })).toEqual([])
    expect(server.count()).toBeGreaterThan(first)
    expect(readdirSync(cache())).toEqual(marks)
  } finally {
    chmodSync(home, 0o700)
  }
})

test('what changes is read again, and what is wrong is told where the inventory says it, each run', async () => {
  for (let run = 0; run < 2; run++) {
    const problems = await repositoryProblems(await hosts({ k3s_platform_git_branch: 'stabel' }), { env: env() })
    expect(problems).toEqual([
      {
        kind: 'usage',
        where: expect.stringMatching(/hosts\.yaml:\d+:\d+ .*k3s_platform_git_branch$/),
        what: expect.stringMatching(/has no branch stabel$/),
        hint: 'did you mean stable?',
      },
    ])
  }
  const [refused] = await repositoryProblems(await hosts({ k3s_platform_git_http_password: 'never' }), { env: env() })
  expect(refused).toMatchObject({
    where: expect.stringMatching(/http_password$/),
    what: expect.stringMatching(/refuses the login$/),
  })
  const all = await hosts({ k3s_platform_flux_root_path: undefined })
  expect((await repositoryProblems(all, { env: env() })).map(({ what }) => what)).toEqual([
    'the branch main has no folder clusters/edge-2',
  ])
})

test('without the check nobody is asked', async () => {
  const before = server.count()
  expect(await repositoryProblems(await hosts({ k3s_platform_git_check: false }), { env: env() })).toEqual([])
  expect(server.count()).toBe(before)
})
