// Defines the commands and their help.

import { Command, Option } from 'commander'
import type { RunMode } from '../engine/events.ts'
import { belongs, type CommandName, FLAGS, type Flag } from './flags.ts'

/** What was typed, by long flag: one entry each time it was given. */
export type Raw = Map<string, string[]>

interface CommandSpec {
  readonly name: CommandName
  readonly about: string
  /** Heading in the help. */
  readonly group: 'Every day' | 'Files' | 'Access' | 'Lifecycle'
  readonly mode: RunMode
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
      ['k3s-platform apply -t k3s -e k3s_platform_k3s_version=v1.36.5+k3s1', 'one stage with another version'],
    ],
  },
  {
    name: 'plan',
    about: 'show what apply would do, with diffs; touches nothing',
    group: 'Every day',
    mode: 'check',
    operands: 'roles',
    examples: [
      ['k3s-platform plan', 'exit code 2: changes are pending'],
      ['k3s-platform plan -l edge-1 -D', 'also show the content of new files'],
      ['k3s-platform plan -o json', 'for scripts; schema: docs/schema/run-v1.json'],
    ],
  },
  {
    name: 'certs',
    about: 'list, explain, check, forecast, ensure, renew, remove certificates',
    group: 'Every day',
    mode: 'apply',
    operands: 'verb',
    roles: [],
    examples: [
      ['k3s-platform certs', 'all certificates; exit code 2: one is not healthy'],
      ['k3s-platform certs explain -n database postgresql-tls', 'why it is not issued, and how to fix it'],
      ['k3s-platform certs explain', 'every certificate that is not healthy'],
      ['k3s-platform certs --expiring-within 30d', 'exit code 2: there is one'],
      ['k3s-platform certs check', 'whether Caddy serves what the Secrets contain'],
      ['k3s-platform certs forecast', 'every renewal of 400 days; exit code 2: one will fail'],
      ['k3s-platform certs ensure', "apply the inventory's issuers and certificates and wait for them"],
      ['k3s-platform certs renew -n database --all', 'reissue them now'],
      ['k3s-platform certs remove -n database old-tls --delete-secret', 'ask for confirmation; also delete the Secret'],
    ],
  },
  {
    name: 'doctor',
    about: 'check workstation and hosts; every finding includes its fix',
    group: 'Every day',
    mode: 'check',
    operands: 'hosts',
    examples: [
      ['k3s-platform doctor', 'exit code 2: warnings; 1: apply would fail'],
      ['k3s-platform doctor edge-1 -o json', 'for scripts'],
    ],
  },
  {
    name: 'render',
    about: 'write what would be applied (GitOps tree) without touching a host',
    group: 'Files',
    mode: 'apply',
    operands: 'roles',
    examples: [
      ['k3s-platform render --tree ../platform-config', 'the manifests for Git, as readable files'],
      ['k3s-platform render --tree ../platform-config -C', 'exit code 2: the tree is outdated'],
      ['k3s-platform render --tree ../platform-config --commit', 'one commit with only these files'],
    ],
  },
  {
    name: 'lock',
    about: 'resolve versions to digests and write the lock file',
    group: 'Files',
    mode: 'apply',
    operands: 'none',
    examples: [
      ['k3s-platform lock -i inventories/prod', 'write inventories/prod/k3s-platform.lock; commit it'],
      ['k3s-platform lock -C', 'exit code 2: the lock file is outdated'],
      ['k3s-platform apply --locked', 'install only what the lock file lists'],
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
      ['k3s-platform kubeconfig edge-1 --tunnel -- kubectl get nodes', 'port 6443 does not have to be open'],
      ['k3s-platform kubeconfig --use -l prod', 'all hosts of a group, the first one as current context'],
    ],
  },
  {
    name: 'upgrade',
    about: 'upgrade k3s to another release, with a snapshot first',
    group: 'Lifecycle',
    mode: 'apply',
    operands: 'hosts',
    roles: ['k3s_platform_bootstrap'],
    examples: [
      ['k3s-platform upgrade edge-1 --to v1.36.5+k3s1', 'one host; then show which variable to set'],
      ['k3s-platform upgrade -l edge --to v1.36.5+k3s1 -C', 'only show what would be done'],
    ],
  },
  {
    name: 'reset',
    about: 'remove k3s and everything it created from a host',
    group: 'Lifecycle',
    mode: 'apply',
    operands: 'hosts',
    roles: ['k3s_platform_bootstrap'],
    examples: [
      ['k3s-platform reset -l edge-1 -C', 'only show what would be removed'],
      ['k3s-platform reset -l edge-1', 'show it, ask for confirmation, remove it'],
      ['k3s-platform reset edge-1 --yes', 'for scripts'],
    ],
  },
]

const WIDTH = 80

const EXIT_CODES = `Exit codes:
  0 no changes, no errors        2 changes are pending (plan, --check)
  1 failed                    64 wrong usage or input, nothing was touched
  130 interrupted
`

const OPERANDS = {
  roles: '[role...] ',
  hosts: '[host...] ',
  verb: '[verb] [name...] ',
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
      const values = raw.get(flag)
      if (values === undefined) raw.set(flag, [value ?? ''])
      else values.push(value ?? '')
      return undefined
    })
    command.addOption(option)
  }
  for (const [heading, group] of Object.entries(FLAGS)) {
    for (const [flag, of] of Object.entries<Flag>(group)) if (belongs(of, name)) add(flag, of, heading)
  }
  add('help', { flags: '-h, --help', about: 'show this help' }, 'Other')
  add('version', { flags: '--version', about: 'show the version of k3s-platform' }, 'Other')
  return command
}

export function helpOf(name: string): string {
  const spec = COMMANDS.find((c) => c.name === name)
  const examples = (spec?.examples ?? []).map(([line, about]) => `  ${line}\n      ${about}\n`).join('')
  const variables = 'Every long flag has an environment variable, K3S_PLATFORM_SKIP_TAGS for --skip-tags; flags win.\n'
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
  --help     this help, or the help of a command: k3s-platform plan --help
  --version  show the version of k3s-platform

Examples:
  k3s-platform plan -i inventories/prod
  k3s-platform apply -i inventories/prod -l edge-1

${EXIT_CODES}`
}

function wrap(text: string): string {
  return text.replace(new RegExp(`(.{1,${WIDTH}})(?: |$)`, 'gm'), '$1\n').replace(/\n+$/, '\n')
}
