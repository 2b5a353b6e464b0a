// The command line as a table: what was typed, what was understood.

import { describe, expect, test } from 'vitest'
import { eachRole } from '../../roles/index.ts'
import { allCommands } from '../../src/cli/commands.ts'
import { variableOf } from '../../src/cli/flag.ts'
import { RUN, SHARED } from '../../src/cli/flags.ts'
import { sharedFlagsOf } from '../../src/cli/help.ts'
import { parse } from '../../src/cli/options.ts'
import { helpOf } from '../../src/cli/parser.ts'
import { roles } from '../../src/cli/roles.ts'

const program = { version: '1.2.3', roles: ['k3s_platform_bootstrap', 'k3s_platform_addon'] }
const read = (argv: readonly string[], env: Record<string, string> = {}) => parse(argv, env, program)

function optionsOf(argv: readonly string[], env: Record<string, string> = {}) {
  const parsed = read(argv, env)
  if (parsed.is !== 'run') throw new Error(JSON.stringify(parsed))
  return parsed.options
}

function problemsOf(argv: readonly string[], env: Record<string, string> = {}) {
  const parsed = read(argv, env)
  if (parsed.is !== 'usage') throw new Error(JSON.stringify(parsed))
  return parsed.problems.map(({ kind, where, what, hint }) => {
    expect(kind).toBe('usage')
    return `${where}: ${what}${hint === undefined ? '' : ` (${hint})`}`
  })
}

test('without flags everything has its default', () => {
  expect(optionsOf(['apply'])).toMatchSnapshot()
})

test.each<[argv: string[], env: Record<string, string>, understood: object]>([
  [['plan'], {}, { mode: 'check', diff: false }],
  [['apply', '--check'], {}, { mode: 'check' }],
  [['apply', '-CD'], {}, { mode: 'check', diff: true }],
  [['apply', 'k3s_platform_addon', 'k3s_platform_bootstrap'], {}, { roles: program.roles }],
  [['apply', '-l', 'a', 'k3s_platform_addon'], {}, { roles: ['k3s_platform_addon'], limit: 'a' }],
  [['apply', '-i', 'a', '--inventory=b', '-ic'], {}, { inventory: ['a', 'b', 'c'] }],
  [['apply', '-l', 'a', '-l', '!b'], {}, { limit: '!b' }],
  [
    ['apply', '-t', 'k3s, config', '-t', 'issuers', '--skip-tags', 'x'],
    {},
    { tags: ['k3s', 'config', 'issuers'], skipTags: ['x'] },
  ],
  [
    ['apply', '-e', 'a=1', '-e', '{"b": [1, 2]}', '-e', '@f.yaml'],
    {},
    { extraVars: ['a=1', '{"b": [1, 2]}', '@f.yaml'] },
  ],
  [['apply', '--ssh-common-args', '-o ProxyJump=x'], {}, { sshCommonArgs: '-o ProxyJump=x' }],
  [
    ['apply', '-bKk', '-u', 'ops', '--private-key', 'k'],
    {},
    { become: true, askBecomePass: true, askPass: true, user: 'ops', privateKey: 'k' },
  ],
  [
    ['apply', '-J', '--vault-id', 'dev@prompt', '--vault-id', 'f', '--vault-password-file', 'p'],
    {},
    { vault: { ask: true, ids: ['dev@prompt', 'f'], passwordFiles: ['p'] } },
  ],
  [['apply', '--locked'], { K3S_PLATFORM_LOCKED: 'false' }, { locked: true }],
  [['apply'], { K3S_PLATFORM_LOCKED: 'false' }, { locked: false }],
  [['apply'], {}, { locked: null }],
  [['apply', '-vv', '-v'], {}, { verbosity: 3 }],
  [['apply', '-vvvvv'], {}, { verbosity: 3 }],
  [
    ['apply', '-q', '--no-color', '--debug', '--events', 'f'],
    {},
    { quiet: true, color: false, debug: true, events: 'f' },
  ],
  [['apply', '--list-hosts', '--list-tags'], {}, { listHosts: true, listTags: true }],
  [['apply', '-o', 'github'], {}, { output: 'github' }],
  [['apply', '-f', '25'], {}, { forks: 25 }],
  [['apply', '--timeout', '90s'], {}, { timeoutMs: 90_000 }],
  [['apply', '--timeout', '1h30m'], {}, { timeoutMs: 5_400_000 }],
  [['apply', '--timeout', '0.5s'], {}, { timeoutMs: 500 }],
  [
    ['apply'],
    { K3S_PLATFORM_LIMIT: 'a', K3S_PLATFORM_FORKS: '3', K3S_PLATFORM_CHECK: 'yes' },
    { limit: 'a', forks: 3, mode: 'check' },
  ],
  [['apply', '-l', 'b'], { K3S_PLATFORM_LIMIT: 'a' }, { limit: 'b' }],
  [['apply'], { K3S_PLATFORM_INVENTORY: 'a\nb' }, { inventory: ['a', 'b'] }],
  [
    ['apply'],
    { K3S_PLATFORM_VERBOSE: '2', K3S_PLATFORM_NO_COLOR: '1', K3S_PLATFORM_DEBUG: 'false' },
    { verbosity: 2, color: false, debug: false },
  ],
  [['apply'], { K3S_PLATFORM_NAMESPACE: '', K3S_PLATFORM_USER: ' ' }, { user: null }],
  [['certs'], {}, { roles: [], hosts: [], certs: { verb: 'list', names: [], namespace: null, all: false } }],
  [['certs', 'explain', 'a', 'b'], {}, { certs: { verb: 'explain', names: ['a', 'b'] } }],
  [['certs', '-n', 'x', 'renew', '--all'], {}, { certs: { verb: 'renew', namespace: 'x', all: true } }],
  [
    ['certs', 'remove', '-n', 'x', 'a', '--delete-secret', '-y'],
    {},
    { yes: true, certs: { verb: 'remove', names: ['a'], deleteSecret: true } },
  ],
  [['certs', '-A', '-o', 'wide'], {}, { output: 'text', certs: { verb: 'list', wide: true, document: false } }],
  [['certs', 'explain', '-o', 'yaml'], {}, { output: 'json', certs: { verb: 'explain', yaml: true, document: true } }],
  [['certs', '--expiring-within', '30d'], {}, { certs: { verb: 'list', expiringWithinMs: 30 * 86_400_000 } }],
  [['certs', 'list', '-w', '-n', 'x'], {}, { certs: { verb: 'list', watch: true, namespace: 'x' } }],
  [
    ['certs', 'forecast', '-o', 'html', '--days', '90'],
    {},
    { output: 'text', certs: { verb: 'forecast', html: true, days: 90 } },
  ],
  [['certs', 'ensure'], { K3S_PLATFORM_NAMESPACE: 'x' }, { certs: { verb: 'ensure', app: null } }],
  [
    ['certs', 'ensure', '--app', 'shop', '--domain', 'a', '--domain', 'b', '--ingress', 'web:80', '--wait'],
    { K3S_PLATFORM_NAMESPACE: 'x', K3S_PLATFORM_ISSUER: 'corp' },
    {
      certs: {
        ...{ verb: 'ensure', app: 'shop', domains: ['a', 'b'], namespace: 'x', issuer: 'corp' },
        ...{ ingress: 'web:80', wait: true },
      },
    },
  ],
  [['certs', 'remove', '--app', 'shop', '--domain', 'a'], {}, { certs: { app: 'shop', domains: ['a'], names: [] } }],
])('%j with %j', (argv, env, understood) => {
  expect(optionsOf(argv, env)).toMatchObject(understood)
})

test.each<[argv: string[], problems: string[], env?: Record<string, string>]>([
  [['aply'], ['aply: unknown command (did you mean apply?)']],
  [
    ['frobnicate'],
    [
      'frobnicate: unknown command (known: apply, plan, status, certs, charts, doctor, inventory, explain, render, lock, secrets, kubeconfig, upgrade, reset, runs, completion)',
    ],
  ],
  [
    ['-i', 'x', 'plan'],
    ['-i: is a flag where a command is expected (flags come after the command: k3s-platform plan -i ...)'],
  ],
  [
    ['apply', 'k3s_platform_bootstarp'],
    ['k3s_platform_bootstarp: unknown role (did you mean k3s_platform_bootstrap?)'],
  ],
  [['apply', 'web'], ['web: unknown role (known: k3s_platform_bootstrap, k3s_platform_addon)']],
  [
    ['apply', '--limitt=x', '-Z'],
    ['--limitt: unknown flag (did you mean --limit?)', '-Z: unknown flag (see: k3s-platform apply --help)'],
  ],
  [['apply', '--limit'], ['--limit: requires a value (see: k3s-platform apply --help)']],
  [['apply', '--limit', ''], ['--limit: is empty (set a value or remove the flag)']],
  [
    ['apply', 'web', '-f', '0', '-o', 'xml', '--timeout', '10'],
    [
      'web: unknown role (known: k3s_platform_bootstrap, k3s_platform_addon)',
      '--output: expected text, json, junit or github, got "xml"',
      '--forks: expected a number from 1 to 1000, got "0"',
      '--timeout: expected a duration such as 90s, 10m or 1h30m, at most 168h, got "10"',
    ],
  ],
  [['certs', 'renwe'], ['certs renwe: unknown subcommand (did you mean renew?)']],
  [['certs', 'why'], ['certs why: unknown subcommand (known: list, explain, check, forecast, ensure, renew, remove)']],
  [['certs', 'list', 'a'], ['certs list: does not take names: a (see: k3s-platform certs --help)']],
  [
    ['certs', '-A', '-n', 'x', '--expiring-within', 'soon'],
    [
      '--expiring-within: expected a duration such as 30d or 12h, got "soon"',
      '--all-namespaces: cannot be combined with --namespace (remove one of them)',
    ],
  ],
  [
    ['certs', 'explain', '-w', '-o', 'wide'],
    [
      '--watch: is not supported by certs explain (remove it)',
      '--output: certs explain does not support wide (supported formats: text, json, yaml)',
    ],
  ],
  [['certs', '-o', 'html'], ['--output: certs list does not support html (supported formats: text, json, wide, yaml)']],
  [
    ['certs', 'forecast', '-o', 'wide'],
    ['--output: certs forecast does not support wide (supported formats: text, json, html)'],
  ],
  [['certs', 'forecast', '--days', '0'], ['--days: expected a number from 1 to 1100, got "0"']],
  [['certs', '-w', '-o', 'json'], ['--watch: cannot be combined with this --output (supported formats: text, wide)']],
  [['plan', '-o', 'wide'], ['--output: expected text, json, junit or github, got "wide"']],
  [['certs', 'renew'], ['certs renew: requires a name (name one, or select all: k3s-platform certs renew --all)']],
  [['certs', 'renew', 'a', '--all'], ['--all: cannot be combined with names (remove one of them)']],
  [
    ['certs', 'remove', '--all'],
    [
      '--all: is not supported by certs remove (remove it)',
      'certs remove: requires the name of a certificate (run: k3s-platform certs remove -n NAMESPACE NAME)',
      'certs remove: requires a namespace (k3s-platform certs remove -n NAMESPACE NAME)',
    ],
  ],
  [
    ['certs', 'ensure', '-n', 'x', '--delete-secret', '-y'],
    [
      '--delete-secret: is not supported by certs ensure (remove it)',
      '--yes: is not supported by certs ensure (remove it)',
      '--namespace: is not supported by certs ensure without --app (remove it)',
    ],
  ],
  [
    ['certs', 'ensure', '--domain', 'a.example.com', '--wait'],
    [
      '--domain: requires --app (k3s-platform certs ensure --app APP --domain DOMAIN)',
      '--wait: requires --app (k3s-platform certs ensure --app APP --domain DOMAIN)',
    ],
  ],
  [
    ['certs', 'ensure', '--app', 'shop'],
    ['certs ensure: requires --domain (k3s-platform certs ensure --app APP --domain DOMAIN)'],
  ],
  [
    ['certs', 'remove', '--app', 'shop', '--domain', 'a', '--domain', 'b', '--wait', 'x'],
    [
      '--wait: is not supported by certs remove (remove it)',
      '--app: cannot be combined with names (remove one of them)',
      '--domain: only the first domain names a certificate (set one: all domains of it are removed)',
    ],
  ],
  [['certs', 'list', '--app', 'shop'], ['--app: is not supported by certs list (remove it)']],
  [['apply', '-n', 'x'], ['-n: unknown flag (see: k3s-platform apply --help)']],
  [['apply', '-q', '-v'], ['--quiet: cannot be combined with --verbose (remove one of them)']],
  [['apply'], ['K3S_PLATFORM_BECOME: expected true or false, got "maybe"'], { K3S_PLATFORM_BECOME: 'maybe' }],
])('%j is refused', (argv, problems, env) => {
  expect(problemsOf(argv, env)).toEqual(problems)
})

test('what is wrong is told in the format that was asked for', () => {
  expect(read(['plan', 'web', '-o', 'json'])).toMatchObject({ is: 'usage', report: { output: 'json', mode: 'check' } })
})

test.each([
  [['plan', '-l', 'edge-1'], 'k3s-platform apply -l edge-1'],
  [
    ['plan', '-Dvo', 'text', '-i', 'a b', '--inventory', 'c', 'k3s_platform_addon'],
    "k3s-platform apply k3s_platform_addon -i 'a b' -i c",
  ],
  [['apply', '-C', '-l', "a:!b'c", '--skip-tags=x', '-K'], "k3s-platform apply -l 'a:!b'\\''c' --skip-tags x -K"],
])('after %j the way to do it is %s', (argv, again) => {
  expect(optionsOf(argv, { K3S_PLATFORM_USER: 'from-the-environment' }).again).toBe(again)
})

test.each([[['--help']], [['-h']], [['help']], [[]]])('%j prints the overview', (argv) => {
  expect(read(argv)).toMatchObject({ is: 'print', text: helpOf() })
})

test.each([[['plan', '--help']], [['help', 'plan']], [['plan', '-l', 'x', '-h']]])(
  '%j prints the help of plan',
  (argv) => {
    expect(read(argv)).toMatchObject({ is: 'print', text: helpOf('plan') })
  },
)

test.each([[['--version']], [['apply', '--version']]])('%j prints the version', (argv) => {
  expect(read(argv)).toEqual({ is: 'print', text: '1.2.3\n', requested: true })
})

describe('help', () => {
  const pages = allCommands().map(([where, command]) => ({ where, command, text: helpOf(...where.split(' ')) }))
  const texts = [helpOf(), helpOf('help', 'flags'), ...pages.map(({ text }) => text)]

  test('fits in 80 columns', () => {
    for (const line of texts.join('\n').split('\n')) expect(line.length, line).toBeLessThanOrEqual(80)
  })

  test.each(pages)('of $where fits one screen', ({ text }) => {
    expect(text.trimEnd().split('\n').length).toBeLessThanOrEqual(40)
  })

  test.each(pages)('of $where names every flag', ({ command, text }) => {
    for (const name of Object.keys({ ...sharedFlagsOf(command), ...command.flags })) {
      expect(text).toMatch(new RegExp(`--${name}\\b`))
    }
  })

  test.each(pages)('of $where has up to three examples that the program understands', ({ command }) => {
    expect(command.examples.length).toBeGreaterThan(0)
    expect(command.examples.length).toBeLessThanOrEqual(3)
    for (const [line] of command.examples) {
      const [program, ...words] = line.split(' ')
      expect([program, read(words)]).toMatchObject(['k3s-platform', { is: 'run' }])
    }
  })

  test('reads well', () => {
    expect([helpOf(), helpOf('apply'), helpOf('certs'), helpOf('certs', 'remove')].join('-----\n')).toMatchSnapshot()
  })

  test('of the shared flags describes each of them', () => {
    const page = helpOf('help', 'flags')
    for (const { flags, about } of Object.values(SHARED)) {
      expect(page).toContain(flags)
      expect(page.replace(/\s+/g, ' ')).toContain(about)
    }
  })

  test.each([[['certs', 'remove', '--help']], [['help', 'certs', 'remove']]])('%j is that of the verb', (argv) => {
    expect(read(argv)).toEqual({ is: 'print', text: helpOf('certs', 'remove'), requested: true })
  })
})

test('no two flags share a variable, and flags of one name are of one kind', () => {
  const all = [SHARED, RUN, ...allCommands().map(([, { flags }]) => flags)].flatMap((flags) => Object.entries(flags))
  const kinds = new Map(all.map(([name, { kind }]) => [name, kind]))
  for (const [name, { kind }] of all) expect(kind, name).toBe(kinds.get(name))
  const variables = [...kinds.keys()].map(variableOf)
  expect(new Set(variables).size).toBe(variables.length)
  expect(variables).toContain('K3S_PLATFORM_ASK_BECOME_PASS')
})

test('the names that the command line knows without loading the roles are those of the roles', () => {
  expect(roles).toEqual(eachRole((role) => role.name))
})
