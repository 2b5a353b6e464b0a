// The commands there are, what commander parses of them, and their help.

import { Command, Option } from 'commander'
import type { Mode } from '../engine/events.ts'
import { belongs, type CommandName, FLAGS, type Flag } from './flags.ts'
import { CERT_VERBS } from './verbs.ts'

/** What was typed, by long flag: one entry each time it was given. */
export type Raw = Map<string, string[]>

interface CommandSpec {
  readonly name: CommandName
  readonly about: string
  /** Heading in the help. */
  readonly group: 'Every day' | 'Files' | 'Access' | 'Lifecycle'
  readonly mode: Mode
  /** What its words without a dash are. */
  readonly operands: 'roles' | 'hosts' | 'verb' | 'none'
  /** The roles that it is about; default: all. */
  readonly roles?: readonly string[]
  readonly examples: readonly (readonly [line: string, about: string])[]
}

export const COMMANDS: readonly CommandSpec[] = [
  {
    name: 'apply',
    about: 'make the hosts match the inventory',
    group: 'Every day',
    mode: 'apply',
    operands: 'roles',
    examples: [
      ['k3s-platform apply', 'every host of the default inventory'],
      ['k3s-platform apply -i inventories/prod -l edge-1', 'one host'],
      ['k3s-platform apply -t k3s -e k3s_platform_k3s_version=v1.36.5+k3s1', 'one stage, another version'],
    ],
  },
  {
    name: 'plan',
    about: 'show what apply would do, with diffs; touches nothing',
    group: 'Every day',
    mode: 'check',
    operands: 'roles',
    examples: [
      ['k3s-platform plan', 'exit code 2: there is something to do'],
      ['k3s-platform plan -l edge-1 -D', 'also what is in new files'],
      ['k3s-platform plan -o json', 'for programs; schema: docs/schema/run-v1.json'],
    ],
  },
  {
    name: 'certs',
    about: 'list, explain, ensure, renew, remove certificates',
    group: 'Every day',
    mode: 'apply',
    operands: 'verb',
    roles: [],
    examples: [
      ['k3s-platform certs', 'all of them; exit code 2: something is not issued'],
      ['k3s-platform certs explain -n database postgresql-tls', 'why it is not, and what to do'],
      ['k3s-platform certs explain', 'each one that is not issued'],
      ['k3s-platform certs ensure', "makes the inventory's issuers and certificates and waits for them"],
      ['k3s-platform certs renew -n database --all', 'issues them anew, now'],
      ['k3s-platform certs remove -n database old-tls --delete-secret', 'asks first; the Secret goes, too'],
    ],
  },
  {
    name: 'doctor',
    about: 'check workstation and hosts; every finding names its fix',
    group: 'Every day',
    mode: 'check',
    operands: 'hosts',
    examples: [
      ['k3s-platform doctor', 'exit code 2: warnings; 1: something keeps apply from working'],
      ['k3s-platform doctor edge-1 -o json', 'for programs'],
    ],
  },
  {
    name: 'render',
    about: 'write what would be applied (GitOps tree) without touching a host',
    group: 'Files',
    mode: 'apply',
    operands: 'roles',
    examples: [
      ['k3s-platform render --tree ../platform-config', 'what Git shall own, as files that you can read'],
      ['k3s-platform render --tree ../platform-config -C', 'exit code 2: the tree is behind'],
      ['k3s-platform render --tree ../platform-config --commit', 'one commit with these files alone'],
    ],
  },
  {
    name: 'lock',
    about: 'resolve versions to digests and write the lock file',
    group: 'Files',
    mode: 'apply',
    operands: 'none',
    examples: [
      ['k3s-platform lock -i inventories/prod', 'writes inventories/prod/k3s-platform.lock: commit it'],
      ['k3s-platform lock -C', 'exit code 2: it is behind'],
      ['k3s-platform apply --locked', 'installs nothing else'],
    ],
  },
  {
    name: 'kubeconfig',
    about: 'fetch, rename, merge into ~/.kube/config',
    group: 'Access',
    mode: 'apply',
    operands: 'hosts',
    roles: ['k3s_platform_bootstrap'],
    examples: [
      ['k3s-platform kubeconfig edge-1', 'context edge-1 in ~/.kube/config, or the first file of KUBECONFIG'],
      ['k3s-platform kubeconfig edge-1 --tunnel -- kubectl get nodes', 'port 6443 need not be open'],
      ['k3s-platform kubeconfig --use -l prod', 'all of a group, the first one as current context'],
    ],
  },
  {
    name: 'upgrade',
    about: 'another k3s release, guarded, with a snapshot first',
    group: 'Lifecycle',
    mode: 'apply',
    operands: 'hosts',
    roles: ['k3s_platform_bootstrap'],
    examples: [
      ['k3s-platform upgrade edge-1 --to v1.36.5+k3s1', 'one host; then says which line keeps it'],
      ['k3s-platform upgrade -l edge --to v1.36.5+k3s1 -C', 'only shows what would be done'],
    ],
  },
  {
    name: 'reset',
    about: 'take k3s and all that it made off a host',
    group: 'Lifecycle',
    mode: 'apply',
    operands: 'hosts',
    roles: ['k3s_platform_bootstrap'],
    examples: [
      ['k3s-platform reset -l edge-1 -C', 'only shows what would go'],
      ['k3s-platform reset -l edge-1', 'shows it, asks, does it'],
      ['k3s-platform reset edge-1 --yes', 'for scripts'],
    ],
  },
]

const WIDTH = 80

const EXIT_CODES = `Exit codes:
  0 all is as it should be     2 changes are pending (plan, --check)
  1 failed                    64 wrong usage or input, nothing was touched
  130 interrupted
`

const OPERANDS = {
  roles: '[role...] ',
  hosts: '[host...] ',
  verb: `[${Object.keys(CERT_VERBS).join('|')}] [name...] `,
  none: '',
} as const

/** A parser of one command's flags, which collects into `raw` and neither prints nor exits. */
export function commandOf(name: string, raw: Raw): Command {
  const spec = COMMANDS.find((c) => c.name === name)
  const command = new Command(`k3s-platform ${name}`)
    .description(spec?.about ?? '')
    .usage(`${OPERANDS[spec?.operands ?? 'none']}[flags]`)
    .helpOption(false)
    .exitOverride()
    .configureOutput({
      writeOut: () => {},
      writeErr: () => {},
      getOutHelpWidth: () => WIDTH,
      getOutHasColors: () => false,
    })
  const add = (flag: string, { flags, about }: Pick<Flag, 'flags' | 'about'>, heading: string) => {
    const option = new Option(flags, about).helpGroup(`${heading}:`)
    option.argParser((value: string | undefined) => {
      raw.set(flag, [...(raw.get(flag) ?? []), value ?? ''])
      return undefined
    })
    command.addOption(option)
  }
  for (const [heading, group] of Object.entries(FLAGS)) {
    for (const [flag, of] of Object.entries<Flag>(group)) if (belongs(of, name)) add(flag, of, heading)
  }
  add('help', { flags: '-h, --help', about: 'this text' }, 'Other')
  add('version', { flags: '--version', about: 'the version of k3s-platform' }, 'Other')
  return command
}

export function helpOf(name: string): string {
  const spec = COMMANDS.find((c) => c.name === name)
  const examples = (spec?.examples ?? []).map(([line, about]) => `  ${line}\n      ${about}\n`).join('')
  const variables = 'Every long flag has a variable, K3S_PLATFORM_SKIP_TAGS for --skip-tags; a flag wins.\n'
  return `${commandOf(name, new Map()).helpInformation()}\n${wrap(variables)}\nExamples:\n${examples}\n${EXIT_CODES}`
}

export function mainHelp(): string {
  const groups = [...new Set(COMMANDS.map(({ group }) => group))].map((group) => {
    const rows = COMMANDS.filter((c) => c.group === group).map(({ name, about }) => `  ${name.padEnd(10)} ${about}\n`)
    return `${group}:\n${rows.join('')}`
  })
  return `Usage: k3s-platform <command> [role...] [flags]

Provisions k3s platform nodes over SSH: a truthful plan, no agent.

${groups.join('\n')}
Other:
  --help     this text, or that of a command: k3s-platform plan --help
  --version  the version of k3s-platform

Examples:
  k3s-platform plan -i inventories/prod
  k3s-platform apply -i inventories/prod -l edge-1

${EXIT_CODES}`
}

function wrap(text: string): string {
  return text.replace(new RegExp(`(.{1,${WIDTH}})(?: |$)`, 'gm'), '$1\n').replace(/\n+$/, '\n')
}
