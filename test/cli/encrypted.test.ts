// Encrypted inventories through the command line: where passwords and keys come from, and that nothing of them is shown.

import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { decrypter, inventoryOf } from '../../src/cli/inventory.ts'
import type { Io } from '../../src/cli/io.ts'
import { parse } from '../../src/cli/options.ts'
import { program } from '../../src/cli/program.ts'
import { Interrupted } from '../../src/cli/prompt.ts'
import { roles } from '../../src/cli/roles.ts'
import { open } from '../../src/cli/run.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { Secret } from '../../src/engine/secret.ts'
import { openDoor } from '../../src/report/door.ts'

const fixtures = join(import.meta.dirname, '../inventory/fixtures/vault')
const EMAIL = 'ops@hidden.example'

let cwd: string
beforeEach(() => {
  cwd = realpathSync(mkdtempSync(join(tmpdir(), 'encrypted-')))
  write('hosts.yaml', 'all:\n  hosts:\n    edge-1:\n      ansible_host: 192.0.2.7\n')
})
afterEach(() => rmSync(cwd, { recursive: true }))

function write(path: string, content: string | Uint8Array, mode = 0o600): void {
  mkdirSync(dirname(join(cwd, path)), { recursive: true })
  writeFileSync(join(cwd, path), content)
  chmodSync(join(cwd, path), mode)
}

function vars(fixture: string): void {
  mkdirSync(join(cwd, 'group_vars'), { recursive: true })
  copyFileSync(join(fixtures, fixture), join(cwd, 'group_vars/all.yaml'))
}

const told = { text: '' }
function io(env: Record<string, string> = {}): Io {
  const stream = { write: (text: string) => (told.text += text) }
  told.text = ''
  const given = { HOME: cwd, PATH: process.env.PATH, ...env }
  return openDoor({ stdout: stream, stderr: stream, env: given, cwd, now: () => 0, onExit: () => () => {} })
}

function options(argv: readonly string[], role = 'k3s_platform_addon') {
  const parsed = parse(['plan', role, '-i', 'hosts.yaml', ...argv], {}, { version: '0', roles })
  if (parsed.is !== 'run') throw new Error(JSON.stringify(parsed))
  return parsed.options
}

const nobody = () => Promise.reject(new Error('nobody is to be asked'))

/** The variable that is encrypted, or the problems. */
async function read(
  argv: readonly string[],
  env: Record<string, string> = {},
  ask: Parameters<typeof decrypter>[2] = nobody,
) {
  const given = options(argv)
  const { hosts, problems } = await inventoryOf(given, io(env), decrypter(given, io(env), ask))
  if (problems.length === 0) return hosts[0]?.get('k3s_platform_acme_email').value?.data
  return problems
    .map(({ kind, where, what, hint }) => `${kind} ${where}: ${what}${hint === undefined ? '' : ` (${hint})`}`)
    .join('\n')
    .replaceAll(`${cwd}/`, '')
}

describe('the password of ansible-vault', () => {
  test.each<[title: string, fixture: string, argv: string[], env: Record<string, string>]>([
    ['a file', 'v11.yaml', ['--vault-password-file', 'right'], {}],
    ['the second of two files', 'v11.yaml', ['--vault-password-file', 'wrong', '--vault-password-file', 'right'], {}],
    ['a program', 'v11.yaml', ['--vault-password-file', 'program'], {}],
    ['a program that is told the label', 'v12.yaml', ['--vault-id', 'prod@keys-client.sh'], {}],
    ['a file with a label', 'v12.yaml', ['--vault-id', 'prod@prod', '--vault-id', 'dev@missing'], {}],
    ['a file without a label', 'v12.yaml', ['--vault-id', 'prod'], {}],
    ['a file below HOME', 'v11.yaml', ['--vault-password-file', '~/right'], {}],
    ["Ansible's variable", 'v11.yaml', [], { ANSIBLE_VAULT_PASSWORD_FILE: 'right' }],
    ["Ansible's list", 'v12.yaml', [], { ANSIBLE_VAULT_IDENTITY_LIST: 'dev@wrong, prod@prod' }],
  ])('comes from %s', async (_, fixture, argv, env) => {
    vars(fixture)
    write('right', 'correct horse\n')
    write('wrong', 'nothing\n')
    write('prod', 'battery staple\n')
    write('program', '#!/bin/sh\necho correct horse\n', 0o700)
    write('keys-client.sh', '#!/bin/sh\n[ "$*" = "--vault-id prod" ] && echo battery staple\n', 0o700)
    expect(await read(argv, env)).toBe(EMAIL)
  })

  test('is asked for once, however many files and values are encrypted', async () => {
    vars('v11.yaml')
    mkdirSync(join(cwd, 'host_vars'))
    copyFileSync(join(fixtures, 'v11.yaml'), join(cwd, 'host_vars/edge-1.yaml'))
    const asked: string[] = []
    const ask = async (prompt: string, flag: string) => {
      asked.push(`${flag} ${prompt}`)
      return new Secret('correct horse')
    }
    expect(await read(['--ask-vault-pass'], {}, ask)).toBe(EMAIL)
    expect(await read(['--vault-id', 'dev@prompt'], {}, ask)).toBe(EMAIL)
    expect(asked).toEqual(['--ask-vault-pass Vault password: ', '--vault-id Vault password (dev): '])
  })

  test('is not asked for, nor its file read, where nothing is encrypted', async () => {
    write('group_vars/all.yaml', 'k3s_platform_acme_email: a@b.example\n')
    expect(await read(['--ask-vault-pass', '--vault-password-file', 'missing'])).toBe('a@b.example')
  })

  test('opens a value in a file that is not encrypted itself', async () => {
    vars('inline.yaml')
    expect(await read(['--vault-password-file', join(fixtures, 'password')])).toBe('hosts-secret-value')
  })

  test('is missed with the place and the flag', async () => {
    vars('inline.yaml')
    write('right', ' \n')
    write('fails', '#!/bin/sh\necho correct horse\nexit 3\n', 0o700)
    write('no-program', 'correct horse\n', 0o700)
    const said = [
      await read([]),
      await read(['--vault-password-file', 'missing']),
      await read(['--vault-password-file', 'right']),
      await read(['--vault-password-file', 'fails']),
      await read(['--vault-password-file', 'no-program']),
      await read(['--vault-id', 'x@hosts.yaml']),
      await read(['--ask-vault-pass'], {}, async () => new Secret('')),
      await read(['--ask-vault-pass'], {}, () => Promise.reject(new Interrupted('interrupted'))),
    ].join('\n')
    expect(said).not.toContain('correct')
    expect(`\n${said}\n`).toMatchSnapshot()
  })

  test('is missed by the program with exit code 64, and nothing is touched', async () => {
    vars('v11.yaml')
    const code = await program(
      ['plan', '-i', 'hosts.yaml'],
      io(),
      { version: '0', roles },
      async ({ options }) =>
        async (io) => {
          await open(options, io, (role) => role.stages)
          return 0
        },
    )
    expect([code, told.text]).toMatchSnapshot()
  })
})

test('the keys of age come from their own variable, from that of sops, and from a file below HOME', async () => {
  const [identity, other] = await Promise.all([generateX25519Identity(), generateX25519Identity()])
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(identity))
  write('secrets.yaml', await encrypter.encrypt(`k3s_platform_acme_email: ${EMAIL}\n`))
  write('key', `# public key: age1...\n${identity}\n`)
  expect(await read([])).toContain('K3S_PLATFORM_AGE_KEY_FILE')
  expect(await read([], { K3S_PLATFORM_AGE_KEY_FILE: 'missing' })).toBe(
    'usage K3S_PLATFORM_AGE_KEY_FILE: missing cannot be read: no such file',
  )
  expect(await read([], { K3S_PLATFORM_AGE_KEY_FILE: 'key', SOPS_AGE_KEY_FILE: 'missing' })).toBe(EMAIL)
  expect(await read([], { SOPS_AGE_KEY_FILE: '~/key' })).toBe(EMAIL)
  write('.config/k3s-platform/age.txt', `${identity}\n`)
  expect(await read([])).toBe(EMAIL)
  write('other', `${other}\n`)
  expect(await read([], { SOPS_AGE_KEY_FILE: 'other' })).toContain('no key decrypts it (SOPS_AGE_KEY_FILE other)')
})

describe('what was encrypted', () => {
  const password = ['--vault-password-file', join(fixtures, 'password')]

  test('is hidden in all that a run tells, also where roles take it for plain', async () => {
    vars('v11.yaml')
    const { reporter } = await open(options([...password, '-D'], 'k3s_platform_bootstrap'), io(), (role) => role.stages)
    for (const hidden of [EMAIL, 'tok-hidden-0123456789'])
      reporter.emit({
        ...{ at: 0, event: 'problem', host: null },
        problem: {
          kind: 'warning',
          where: 'edge-1',
          what: `email: ${hidden}`,
          why: Buffer.from(hidden).toString('base64'),
        },
      })
    reporter.end([], [])
    expect(told.text).toContain('email: ***')
    expect(told.text).not.toMatch(/hidden|b3BzQGhpZGRlb/)
  })

  test('is hidden in problems', async () => {
    vars('inline.yaml')
    const problems = await open(options(password), io(), (role) => role.stages).then(
      () => [],
      (error: unknown) => (error instanceof ProblemError ? error.problems : []),
    )
    expect(JSON.stringify(problems)).toContain('k3s_platform_acme_email')
    expect(JSON.stringify(problems)).not.toContain('hosts-secret-value')
  })
})
