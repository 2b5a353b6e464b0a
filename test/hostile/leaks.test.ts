// No secret leaves the process: canaries from every source, through every command, format and way to fail.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import type { Run } from '../../src/cli/command.ts'
import { allCommands } from '../../src/cli/commands.ts'
import { program } from '../../src/cli/program.ts'
import { roles } from '../../src/cli/roles.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import type { Output, Streams } from '../../src/report/sink.ts'
import { forms } from '../e2e/forms.ts'
import { programHome, programOf, runProgram } from './program.ts'
import { HostileServer } from './ssh-server.ts'

vi.setConfig({ testTimeout: 60_000, hookTimeout: 60_000 })

/** By source. Quotes, blanks and letters that are escaped differently by everything that escapes. */
const CANARIES = {
  environment: 'canary-env-cf_4f9"x\'$y z/+ü1',
  'environment of Vault': 'hvs-canary-env-77ab',
  'passphrase of a key': 'canary phrase "42" \\x',
  '-e': "canary-e-k'v/+2",
  '-e as JSON': 'canary-e-json "q" 3',
  '-e @file': 'canary-e-file-ü/4',
  'encrypted file': 'canary-encrypted: #5',
  inventory: 'canary-inventory 6+/',
  "roles' variables": 'canary-env-of-k3s "7"',
  "a chart's secret values": 'canary-chart "8" ü/',
  'many lines':
    '-----BEGIN OPENSSH PRIVATE KEY-----\ncanaryLine1AAAAAAAAAAAA\ncanaryLine2BBBBBBBB\n-----END OPENSSH PRIVATE KEY-----\n',
} as const
const C = CANARIES
/** What only the node knows. */
const NODE = {
  token: 'nodecanary-token-81',
  registry: 'nodecanary-registry-82',
  key: 'bm9kZWNhbmFyeS1rZXk4Mw==',
  bearer: 'nodecanary84aaaaaaaaaa',
}

const needles = [
  ...new Set([
    ...Object.values(CANARIES).flatMap((one) =>
      one.includes('\n') ? one.split('\n').filter((line) => line.includes('canary')) : forms(one),
    ),
    ...Object.values(NODE),
  ]),
].filter((one) => one.length > 5)

function expectNone(what: string, text: string): void {
  for (const needle of needles) {
    const at = text.indexOf(needle)
    if (at >= 0) expect.fail(`${what} has a secret: ...${text.slice(Math.max(0, at - 200), at + needle.length + 20)}`)
  }
}

const ENV = {
  CLOUDFLARE_API_TOKEN: C.environment,
  VAULT_TOKEN: C['environment of Vault'],
  K3S_PLATFORM_SSH_KEY_PASSPHRASE: C['passphrase of a key'],
  GITOPS_FLUX_DEPLOY_KEY: C['many lines'],
}

/** Before a file is read. */
const KNOWN = { ...ENV, '-e': C['-e'], '-e as JSON': C['-e as JSON'] }

let dir = ''
let env: Record<string, string> = {}
const servers: Record<string, HostileServer> = {}

const EXTRA = [
  ...['-e', `my_password='${C['-e'].replace("'", "\\'")}' plain=shown`],
  ...['-e', JSON.stringify({ ansible_become_password: C['-e as JSON'], shown: 1 })],
  ...['-e', '@secrets.json'],
]

beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'k3sp-leaks-'))
  const secretFiles = {
    '/etc/os-release': `ID=debian\nPRETTY_NAME="Debian token=${NODE.token}"\n`,
    '/etc/rancher/k3s/config.yaml': `token: ${NODE.token}\nagent-token: "${NODE.token}"\nkubelet-arg:\n- bootstrap-token=${NODE.token}\n`,
    '/etc/rancher/k3s/registries.yaml': `configs:\n  r.example:\n    auth:\n      username: ${NODE.registry}\n      password: ${NODE.registry}\n`,
    '/etc/rancher/k3s/k3s.yaml': `users:\n- user: {client-key-data: ${NODE.key}, token: ${NODE.token}}\n  broken\n\ttoken: ${NODE.token}\n`,
  }
  servers.honest = await HostileServer.start({ files: secretFiles })
  // It gives back whatever it was sent: the script, and before it the password of sudo.
  servers.echo = await HostileServer.start({
    exec: async (exec) => {
      const { text, nonce } = await exec.script()
      exec.channel.stderr.write(`sudo: ${text}\nAuthorization: Bearer ${NODE.bearer}\n`)
      await exec.answer([`\n@${nonce} b 0\n`, text, Object.values(C).join('\n'), `\ntoken=${NODE.token}\n`], 1)
    },
  })
  servers.sudo = await HostileServer.start({
    commands: { sudo: 'read -r first; echo "sudo: $first is wrong: $*" >&2; exit 1' },
  })
  const identity = await generateX25519Identity()
  const encrypter = new Encrypter()
  encrypter.addRecipient(await identityToRecipient(identity))
  const encrypted = await encrypter.encrypt(
    JSON.stringify({ my_hidden: C['encrypted file'], my_list: [C['encrypted file']] }),
  )
  writeFileSync(join(dir, 'age.txt'), `${identity}\n`)
  writeFileSync(join(dir, 'secrets.json'), JSON.stringify({ my_other_token: C['-e @file'] }))
  for (const [name, server] of Object.entries(servers)) {
    mkdirSync(join(dir, name, 'group_vars/all'), { recursive: true })
    const vars = server.hostVars()
    writeFileSync(join(dir, name, 'hosts.yaml'), JSON.stringify({ all: { hosts: { 'edge-1': vars } } }))
    writeFileSync(join(dir, name, 'group_vars/all/secret.age'), encrypted)
    writeFileSync(join(dir, name, 'group_vars/all/secret.yaml'), encrypted)
    writeFileSync(
      join(dir, name, 'group_vars/all/vars.yaml'),
      JSON.stringify({
        ansible_password: C.inventory,
        app_password: C.inventory,
        k3s_platform_k3s_env: {
          SOME_SETTING: C["roles' variables"],
          OTHER: '{{ my_hidden }}',
          THIRD: '{{ my_password }} {{ my_other_token }}',
          FOURTH: '{{ app_password }}',
        },
        k3s_platform_k3s_mirror_url: 'http://127.0.0.1:9/k3s',
        k3s_platform_charts: [
          {
            ...{ name: 'own', namespace: 'own', version: '1.0.0', repo: 'http://127.0.0.1:9/charts' },
            secret_values: { list: [{ plain: C["a chart's secret values"] }], made: { generate: {} } },
          },
        ],
        k3s_platform_flux_root_path: './clusters/edge-1',
      }),
    )
  }
  env = {
    ...ENV,
    HOME: dir,
    PATH: process.env.PATH ?? '',
    K3S_PLATFORM_AGE_KEY_FILE: join(dir, 'age.txt'),
    K3S_PLATFORM_SSH_KNOWN_HOSTS: Object.values(servers)
      .map((one) => one.knownHosts())
      .join(''),
  }
})
afterAll(async () => {
  for (const server of Object.values(servers)) await server.stop()
  rmSync(dir, { recursive: true, force: true })
})

interface Seen {
  readonly code: number
  readonly text: string
}

let runs = 0

/** Everything that comes out of it, files included, and nothing of what must not. */
async function seen(argv: readonly string[], more: Readonly<Record<string, string>> = {}, run?: Run): Promise<Seen> {
  runs++
  const [events, summary] = [join(dir, `events-${runs}`), join(dir, `summary-${runs}`)]
  let text = ''
  const write = (part: string) => (text += part)
  const streams: Streams = {
    ...{ stdout: { write }, stderr: { write }, cwd: dir, now: Date.now, onExit: () => () => undefined },
    env: { ...env, GITHUB_STEP_SUMMARY: summary, ...more },
  }
  const at = argv.includes('--') ? argv.indexOf('--') : argv.length
  const withEvents = argv.includes('--debug') ? ['--events', events] : []
  const code = await program(
    [...argv.slice(0, at), ...withEvents, ...argv.slice(at)],
    streams,
    { version: '0', roles },
    run && (async () => run),
  )
  for (const file of [events, summary]) if (existsSync(file)) text += readFileSync(file, 'utf8')
  expectNone(argv.join(' '), text)
  return { code, text }
}

/** A new command has to be added here, or this file fails. */
const WORDS: Readonly<Record<string, readonly (readonly string[])[]>> = {
  apply: [['apply'], ['apply', '--list-hosts'], ['apply', '--list-tags']],
  plan: [['plan']],
  status: [['status']],
  runs: [['runs']],
  'runs list': [['runs', 'list']],
  'runs show': [['runs', 'show']],
  'runs diff': [['runs', 'diff']],
  certs: [['certs']],
  'certs list': [['certs', 'list']],
  'certs explain': [['certs', 'explain']],
  'certs check': [['certs', 'check']],
  'certs forecast': [['certs', 'forecast']],
  'certs ensure': [['certs', 'ensure']],
  'certs renew': [['certs', 'renew', '--all']],
  'certs remove': [['certs', 'remove', '-n', 'a', 'b', '--yes']],
  charts: [['charts']],
  doctor: [['doctor']],
  inventory: [['inventory', 'list']],
  'inventory list': [['inventory', 'list']],
  'inventory graph': [['inventory', 'graph']],
  'inventory vars': [['inventory', 'vars', 'edge-1', '--origin']],
  'inventory check': [['inventory', 'check']],
  'inventory schema': [['inventory', 'schema']],
  explain: [['explain', 'k3s_platform_k3s_env', 'app_password', 'my_hidden']],
  completion: [['completion', 'candidates', '--', 'plan', '-i', 'honest', '-l', '']],
  render: [['render', '--tree', 'tree', '-C']],
  lock: [['lock']],
  secrets: [['secrets', 'rotate', 'own', '--yes']],
  'secrets rotate': [
    ['secrets', 'rotate', 'own', '--yes'],
    ['secrets', 'rotate', 'nobody', '-C'],
  ],
  kubeconfig: [['kubeconfig'], ['kubeconfig', '--tunnel', '--', 'true']],
  upgrade: [['upgrade', '--to', 'v1.36.5+k3s1']],
  reset: [['reset', 'edge-1', '--yes']],
}
const FORMATS: Readonly<Record<Output, true>> = { text: true, json: true, junit: true, github: true }

test('no command is left out', () => {
  expect(Object.keys(WORDS).toSorted()).toEqual(
    allCommands()
      .map(([where]) => where)
      .toSorted(),
  )
})

test('nothing in the program writes past the door', () => {
  const root = new URL('../../', import.meta.url).pathname
  const writes = /process\.std(?:out|err)|\bconsole\.\w+\(|emitWarning|process\.report/
  const found = ['src', 'roles'].flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && writes.test(readFileSync(join(root, folder, path), 'utf8')))
      .map((path) => `${folder}/${path}`),
  )
  // They give the streams to the door, and print the version.
  expect(found.toSorted()).toEqual(['src/cli/io.ts', 'src/cli/main.ts'])
})

test('the search finds what is planted', () => {
  for (const canary of [...Object.values(CANARIES), ...Object.values(NODE)]) {
    expect(() => expectNone('this', `x ${canary} x`)).toThrow(/has a secret/)
  }
  expect(() => expectNone('this', JSON.stringify({ x: C.environment }))).toThrow(/has a secret/)
})

describe.each(
  Object.values(WORDS)
    .flat()
    .map((words) => [words.join(' '), words] as const),
)('%s', (_, words) => {
  test.each(
    Object.keys(FORMATS).flatMap(
      (format) =>
        [
          [format, 'honest'],
          [format, 'echo'],
          [format, 'sudo'],
        ] as const,
    ),
  )('-o %s, a node that is %s', async (format, node) => {
    const at = words.includes('--') ? words.indexOf('--') : words.length
    const flags = ['-i', node, '-o', format, ...(node === 'sudo' ? ['-u', 'nobody-special'] : [])]
    const argv = (more: readonly string[]) => [...words.slice(0, at), ...flags, ...EXTRA, ...more, ...words.slice(at)]
    await seen(argv([]))
    await seen(argv(['-vvv', '--debug', '-D']), { CI: 'true', GITHUB_ACTIONS: 'true' })
  })
})

test('the records of the runs above hold no secret', () => {
  const records = join(dir, '.local/state/k3s-platform/runs')
  const files = readdirSync(records)
  expect(files.length).toBeGreaterThan(0)
  for (const file of files) expectNone(file, readFileSync(join(records, file), 'utf8'))
})

test('a plan repeats its flags without what is secret in them, and says so', async () => {
  const { text, code } = await seen([
    'plan',
    'k3s_platform_bootstrap',
    '-i',
    'honest',
    ...EXTRA,
    '-e',
    'k3s_platform_environment=prod',
  ])
  expect(code, text).toBe(2)
  const [again = ''] = /To apply: .*/.exec(text) ?? []
  expect(again).toContain("-e 'my_password=*** plain=shown'")
  expect(again).toContain('"ansible_become_password":"***","shown":1')
  expect(again).toContain('-e @secrets.json')
  expect(again).toContain('-e k3s_platform_environment=prod')
  expect(text).toContain('Replace each *** with its value, preferably in a file: -e @FILE')
})

test("an adopted config.yaml shows that the node's secrets go, and none of them", async () => {
  const { text } = await seen(['plan', 'k3s_platform_bootstrap', '-i', 'honest', '-D', ...EXTRA])
  expect(text).toContain('- token: ***')
  expect(text).toContain('- agent-token: "***"'.replace('"***"', '***'))
})

const MISTAKES: Readonly<Record<string, readonly string[]>> = {
  'a flag that is wrong beside one that is secret': ['plan', ...EXTRA, '--forks', 'x'],
  'a secret that is said twice': ['plan', '-e', `a_token=${NODE.token}`, NODE.token],
  'JSON behind a name': ['plan', '-i', 'honest', '-e', `k3s_platform_k3s_config={"token":"${NODE.token}"}`],
  'a forgotten -e': ['plan', `ansible_password=${C['-e']}`],
  'a wrong command': ['pln', `--token=${NODE.token}`],
  'an unknown flag': ['plan', `--ansible-password=${C['-e']}`],
  'JSON that does not end': ['plan', '-e', `{"ansible_password": "${C['-e @file']}"`],
  'YAML in braces': ['plan', '-i', 'honest', '-e', `{ansible_password: [${C['-e @file']}]}`],
  'a quote that does not end': ['plan', '-e', `ansible_password='${C['-e @file']}`],
  'a list': ['plan', '-e', `["ansible_password=${C['-e @file']}"]`],
  'a wrong type': [
    'plan',
    '-i',
    'honest',
    '-e',
    JSON.stringify({ k3s_platform_k3s_env: [C['-e as JSON']], ansible_become_password: { not: C['-e'] } }),
  ],
  'a token where none may be': [
    'plan',
    '-i',
    'honest',
    '-e',
    JSON.stringify({ k3s_platform_k3s_config: { token: C['-e'] } }),
  ],
  'a wrong value of a variable': [
    'plan',
    '-i',
    'honest',
    '-e',
    `k3s_platform_vault_token=a k3s_platform_git_private_key=${C['-e @file']}`,
  ],
  'a URL with a password': ['plan', '-i', 'honest', '-e', `k3s_platform_k3s_mirror_url=ftp://u:${NODE.token}@h/`],
  'a template': ['plan', '-i', 'honest', '-e', 'k3s_platform_k3s_version={{ app_password }}'],
  'an address': ['plan', '-i', 'honest', '-e', 'ansible_host="{{ app_password }}" ansible_port="{{ my_hidden }}"'],
  'an unknown host': ['plan', '-i', 'honest', '-l', 'edge-2', ...EXTRA],
  'a missing file': ['plan', '-i', 'honest', '-e', `@${C['-e @file']}`.replace(C['-e @file'], 'missing')],
}

describe.each(Object.keys(FORMATS))('mistakes in -o %s', (format) => {
  test.each(Object.entries(MISTAKES))('%s', async (_, argv) => {
    const { code, text } = await seen([...argv, '-o', format])
    expect([1, 2, 64], text).toContain(code)
    expect(await seen([...argv, '-o', format, '--debug', '-vvv'])).toMatchObject({ code })
  })

  test.each([
    ['an internal error', () => new TypeError(`x of ${Object.values(KNOWN).join(' and ')}\ntoken: ${NODE.token}`)],
    [
      'a problem',
      () =>
        new ProblemError({
          kind: 'failed',
          where: `a ${C['-e']}`,
          what: `b ${C.environment}`,
          why: `password: ${NODE.token}\n${C['many lines']}`,
          hint: C['-e as JSON'],
        }),
    ],
    ['what is no error', () => `thrown: token=${NODE.token} ${C['-e']}`],
  ])('%s', async (_, made) => {
    for (const more of [[], ['--debug', '-vvv']]) {
      const argv = [
        'apply',
        '-o',
        format,
        '-e',
        `my_password="${C['-e']}"`,
        '-e',
        JSON.stringify({ a_token: C['-e as JSON'] }),
        ...more,
      ]
      const { code, text } = await seen(argv, {}, () => Promise.reject(made()))
      expect(code).toBe(1)
      expect(text).toContain('***')
    }
  })
})

test('the program itself: libraries, warnings and errors that nobody catches', async () => {
  const strays = join(programHome, 'strays.cjs')
  const secret = 'process.env.CLOUDFLARE_API_TOKEN'
  writeFileSync(
    strays,
    `setTimeout(() => {
  console.error('told by a library', ${secret})
  process.emitWarning('warned of ' + ${secret} + '\\x1b[2J')
}, 150)
setTimeout(() => { throw new Error('token: ${NODE.token} ' + ${secret}) }, 400)\n`,
  )
  const silent = await HostileServer.start({ exec: () => undefined })
  try {
    writeFileSync(join(programHome, 'hosts.yaml'), JSON.stringify({ all: { hosts: { 'edge-1': silent.hostVars() } } }))
    const { stdout, stderr, code } = await runProgram(['plan', '-i', 'hosts.yaml'], {
      env: { ...ENV, NODE_OPTIONS: `--require ${strays}`, K3S_PLATFORM_SSH_KNOWN_HOSTS: silent.knownHosts() },
    })
    expectNone('the program', stdout + stderr)
    expect(code, stderr).toBe(1)
    expect(stderr).toContain('told by a library ***')
    expect(stderr).toContain('warned of ***\\x1b[2J')
    expect(stderr).toContain('✗ internal error')
  } finally {
    await silent.stop()
  }
})

test('a password that was typed at a terminal comes back from no node', async () => {
  const typed = 'typed-canary 91"x'
  const { command, environment } = await programOf(
    ['plan', '-K', '-i', join(dir, 'echo'), '-u', 'nobody-special', '-vvv', '-e', '{"k3s_platform_k3s_env": {}}'],
    env,
  )
  const child = spawn('script', ['-qec', command, '/dev/null'], { env: { ...environment, HOME: dir }, timeout: 50_000 })
  let shown = ''
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    if (shown === '') child.stdin.write(`${typed}\r`)
    shown += text
  })
  await new Promise((resolve) => child.once('close', resolve))
  expect(shown).toContain('BECOME password:')
  expect(shown).toContain('***')
  for (const form of forms(typed)) expect(shown).not.toContain(form)
  expectNone('the terminal', shown)
})
