// inventory list, graph, vars, check and schema, and explain, through the program: what people and scripts get, and what never appears.

import { execFileSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Ajv } from 'ajv'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { hostsSchema, varsSchema } from '../../src/cli/commands/inventory-schema.ts'
import { program } from '../../src/cli/program.ts'
import { roles } from '../../src/cli/roles.ts'
import {
  explainDocument,
  inventoryCheckDocument,
  inventoryGraphDocument,
  inventoryListDocument,
  inventoryVarsDocument,
} from '../../src/report/inventory-documents.ts'
import type { Streams } from '../../src/report/sink.ts'

const FILES = {
  'prod/hosts.yaml': `all:
  children:
    eu:
      children:
        edge:
          hosts:
            edge-1:
              ansible_host: 203.0.113.7
              ansible_user: ops
            edge-2:
              ansible_port: 2222
          vars:
            k3s_platform_k3s_version: v1.36.3+k3s1
    db:
      hosts:
        edge-2:
`,
  'prod/group_vars/all.yaml': 'k3s_platform_cluster_name: prod\nk3s_platform_external_dns_enabled: false\n',
  'prod/group_vars/edge.yaml': 'k3s_platform_tls_sans: ["{{ k3s_platform_cluster_name }}.example"]\n',
  'prod/host_vars/edge-1.yaml':
    'k3s_platform_k3s_version: v1.36.5+k3s1\nk3s_platform_ghcr_username: ops\nk3s_platform_ghcr_token: CANARY-1\napi: { password: CANARY-2, url: "https://u:CANARY-3@x.example" }\nk3s_platform_vault_token: CANARY-4\nk3s_platform_charts: [{ name: a, namespace: a, version: 1.0.0, repo: "https://x.example", secret_values: { list: [{ plain: CANARY-5 }] } }]\n',
  'broken/hosts.yaml': `all:
  hosts:
    edge-1:
      ansible_port: 22o
      k3s_platform_k3s_verzion: v1.36.3+k3s1
      k3s_platform_tls_sans: 7
`,
}

let dir: string
beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'inventory-'))
  for (const [path, text] of Object.entries(FILES)) {
    mkdirSync(dirname(join(dir, path)), { recursive: true })
    writeFileSync(join(dir, path), text)
  }
})
afterAll(() => rmSync(dir, { recursive: true }))

/** `env` beside HOME. */
async function cli(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const seen = { stdout: '', stderr: '' }
  const streams: Streams = {
    stdout: { write: (text: string) => (seen.stdout += text) },
    stderr: { write: (text: string) => (seen.stderr += text) },
    env: { HOME: dir, ...env },
    cwd: dir,
    now: () => 0,
    onExit: () => () => {},
  }
  const code = await program(argv, streams, { version: '0', roles })
  for (const text of [seen.stdout, seen.stderr]) expect(text).not.toContain('CANARY')
  return { code, ...seen }
}
const run = (...argv: string[]) => cli(['inventory', ...argv])
const prod = ['-i', 'prod']

test.each([
  [['list', ...prod]],
  [['list', 'edge:!db', ...prod]],
  [['graph', ...prod]],
  [['graph', 'db', ...prod]],
  [['graph', ...prod, '-l', 'edge-1']],
  [['vars', 'edge-1', ...prod]],
  [['vars', 'edge-1', '--origin', ...prod]],
  [['vars', 'edge-1', ...prod, '-e', 'k3s_platform_k3s_version=v1.36.6+k3s1', '--origin']],
  [['graph', ...prod, '-o', 'yaml']],
  [['check', ...prod]],
])('%j', async (argv) => {
  const { code, stdout, stderr } = await run(...argv)
  expect([code, stderr]).toEqual([0, ''])
  expect(`\n${stdout}`).toMatchSnapshot()
})

test.each([
  [['list', ...prod], inventoryListDocument],
  [['graph', ...prod], inventoryGraphDocument],
  [['vars', 'edge-1', ...prod], inventoryVarsDocument],
  [['vars', 'edge-2', '--origin', ...prod], inventoryVarsDocument],
  [['check', ...prod], inventoryCheckDocument],
])('%j -o json is a document of its schema, and -o yaml the same one', async (argv, schema) => {
  const { code, stdout } = await run(...argv, '-o', 'json')
  expect(code).toBe(0)
  const document: unknown = JSON.parse(stdout)
  schema.parse(document)
  if (argv[0] === 'check') return
  const yaml = await run(...argv, '-o', 'yaml')
  expect(parse(yaml.stdout)).toEqual(document)
})

test.each([
  [['vars', 'edge-3', ...prod], 'edge-3  the inventory has no such host'],
  [['vars', ...prod], 'inventory vars  requires the name of one host'],
  [['graph', 'egde', ...prod], 'did you mean edge?'],
  [['list', '-l', 'nope', ...prod], 'no host or group matches'],
  [['grahp'], 'did you mean graph?'],
  [['list', '--tags', 'k3s'], 'is not a flag of inventory list'],
])('%j is refused', async (argv, words) => {
  const { code, stdout, stderr } = await run(...argv)
  expect([code, stdout]).toEqual([64, ''])
  expect(stderr.replace(/: | {2}/, '  ')).toContain(words)
})

test('the origins that the docs show are those that the command prints', async () => {
  const page = readFileSync(new URL('../../docs/inventory.md', import.meta.url), 'utf8')
  const shown = /```\n(k3s_platform_k3s_version[^`]*)```/.exec(page)?.[1] ?? 'missing'
  expect((await run('vars', 'edge-1', '--origin', ...prod)).stdout).toContain(shown)
})

test('without a verb the help goes to stderr', async () => {
  const { code, stdout, stderr } = await run()
  expect([code, stdout]).toEqual([64, ''])
  expect(stderr).toContain('Usage: k3s-platform inventory <verb>')
})

test('check finds all mistakes at once, each with its place', async () => {
  const { code, stdout, stderr } = await run('check', '-i', 'broken')
  expect([code, stdout]).toEqual([64, ''])
  expect(stderr).toMatchSnapshot()
})

test('the graph is the one that ansible-inventory draws', () => {
  const flags = ['-i', join(dir, 'prod'), '--graph']
  const theirs = execFileSync('ansible-inventory', flags, { encoding: 'utf8', cwd: dir, timeout: 60_000 })
  return expect(run('graph', ...prod)).resolves.toMatchObject({ stdout: theirs })
}, 60_000)

describe('the schema', () => {
  const ajv = new Ajv({ strict: false })
  const [vars, hosts] = [ajv.compile(varsSchema()), ajv.compile(hostsSchema())]

  test('is what the command prints', async () => {
    expect(JSON.parse((await run('schema')).stdout)).toEqual(varsSchema())
    expect(JSON.parse((await run('schema', '--hosts')).stdout)).toEqual(hostsSchema())
  })

  test.each(Object.entries(FILES).filter(([path]) => path.startsWith('prod/')))('accepts %s', (path, text) => {
    const accepts = path.endsWith('hosts.yaml') ? hosts : vars
    expect([accepts(parse(text)), accepts.errors]).toEqual([true, null])
  })

  test('accepts every inventory of the docs', () => {
    const top = new URL('../../', import.meta.url).pathname
    const pages = readdirSync(join(top, 'docs')).filter((name) => name.endsWith('.md'))
    let count = 0
    for (const page of pages) {
      for (const [, kind, text = ''] of readFileSync(join(top, 'docs', page), 'utf8').matchAll(
        /^```yaml (inventory|vars)\n([\s\S]*?)^```$/gm,
      )) {
        const accepts = kind === 'inventory' ? hosts : vars
        expect([accepts(parse(text)), accepts.errors], `${page}: ${text}`).toEqual([true, null])
        count++
      }
    }
    expect(count).toBeGreaterThan(10)
  })

  test.each([
    ['a mistyped variable', { k3s_platform_k3s_verzion: 'v1.36.3+k3s1' }],
    ['a value of the wrong type', { k3s_platform_tls_sans: 7 }],
    ['a port that does not exist', { ansible_port: 70_000 }],
    ['an unknown key in a value', { k3s_platform_certificates: [{ nam: 'x' }] }],
  ])('refuses %s', (_, value) => {
    expect(vars(value)).toBe(false)
    expect(hosts({ all: { hosts: { 'edge-1': value } } })).toBe(false)
  })

  test.each([
    ['names of others', { my_app: { replicas: 3 } }],
    ['a template', { k3s_platform_tls_sans: '{{ names }}' }],
    ['an empty file', null],
  ])('accepts %s', (_, value) => {
    expect(vars(value)).toBe(true)
  })
})

describe('explain', () => {
  test.each([
    [['k3s_platform_k3s_version'], {}],
    [['k3s_platform_caddy_exposure', 'ansible_port'], {}],
    [['k3s_platform_ghcr_token', 'k3s_platform_vault_server', 'api'], { VAULT_URL: 'https://vault.example' }],
  ])('%j with %j', async (names, env) => {
    const { code, stdout, stderr } = await cli(['explain', ...names, ...prod], env)
    expect([code, stderr]).toEqual([0, ''])
    expect(`\n${stdout}`).toMatchSnapshot()
  })

  test('has a sentence and a type for every variable', async () => {
    const { stdout } = await cli(['explain', '-o', 'json'])
    const { variables } = explainDocument.parse(JSON.parse(stdout))
    expect(variables.length).toBeGreaterThan(150)
    for (const { name, about, type } of variables) {
      expect(about, name).toMatch(/^\S.*\.$/s)
      expect(type, name).not.toBe('')
    }
    expect((await cli(['explain'])).stdout.trimEnd().split('\n').length).toBe(variables.length)
  })

  test('needs no inventory, and a mistyped one is refused', async () => {
    expect(await cli(['explain', 'k3s_platform_k3s_version'])).toMatchObject({ code: 0, stderr: '' })
    expect(await cli(['explain', 'k3s_platform_k3s_version', '-i', 'missing'])).toMatchObject({ code: 64, stdout: '' })
  })

  test('names the variable that was meant', async () => {
    const { code, stderr } = await cli(['explain', 'k3s_platform_k3s_verzion', ...prod])
    expect([code, stderr]).toEqual([64, expect.stringContaining('did you mean k3s_platform_k3s_version?')])
  })

  test('is a document of its schema, and -o yaml the same one', async () => {
    const argv = ['explain', 'k3s_platform_k3s_version', 'k3s_platform_tls_sans', ...prod]
    const document: unknown = JSON.parse((await cli([...argv, '-o', 'json'])).stdout)
    explainDocument.parse(document)
    expect(parse((await cli([...argv, '-o', 'yaml'])).stdout)).toEqual(document)
  })
})
