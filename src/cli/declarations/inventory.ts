// Declares inventory and its verbs (list, graph, vars, check, schema), and explain. None of them contacts a host.

import { type Arguments, command, commandGroup, HOSTS, NO_ARGUMENTS } from '../command.ts'
import { usage } from '../flag-values.ts'
import type { SharedName } from '../flags.ts'
import { DOCUMENTS, REPORTS } from './outputs.ts'

/** The shared flags of what only reads the inventory. */
const READS_INVENTORY = [
  ...(['inventory', 'limit', 'extra-vars', 'vault-password-file', 'ask-vault-pass', 'vault-id'] as const),
  ...(['output', 'quiet', 'verbose', 'no-color', 'debug'] as const),
] satisfies readonly SharedName[]

const WITH_YAML = [...DOCUMENTS, 'yaml']

/** Exactly one. */
const ONE_HOST: Arguments = {
  usage: '<host>',
  are: 'hosts',
  problems: (operands, where) =>
    operands.length === 1
      ? []
      : [usage(where, 'requires the name of one host', 'list them: k3s-platform inventory list')],
}

const ONE_GROUP: Arguments = {
  usage: '[group]',
  are: 'groups',
  problems: (operands, where) =>
    operands.length <= 1 ? [] : [usage(where, `takes one group, got: ${operands.join(', ')}`)],
}

const list = command({
  name: 'list',
  about: 'list the hosts with their addresses and groups',
  mode: 'check',
  arguments: HOSTS,
  flags: {},
  takes: READS_INVENTORY,
  outputs: WITH_YAML,
  examples: [
    ['k3s-platform inventory list', 'all hosts'],
    ['k3s-platform inventory list -l edge', 'the hosts of a pattern'],
    ['k3s-platform inventory list -o json', 'with all variables'],
  ],
  exits: { 0: 'listed' },
  options: (_read, { format }) => ({ yaml: format === 'yaml' }),
  load: async () => (await import('../commands/inventory.ts')).list,
})

const graph = command({
  name: 'graph',
  about: 'draw the groups and their hosts as a tree',
  mode: 'check',
  arguments: ONE_GROUP,
  flags: {},
  takes: READS_INVENTORY,
  outputs: WITH_YAML,
  examples: [
    ['k3s-platform inventory graph', 'from the group all on'],
    ['k3s-platform inventory graph edge', 'one group'],
  ],
  exits: { 0: 'drawn' },
  options: (_read, { operands, format }) => ({ group: operands[0] ?? 'all', yaml: format === 'yaml' }),
  load: async () => (await import('../commands/inventory.ts')).graph,
})

const vars = command({
  name: 'vars',
  about: 'show the variables of a host, and where each is set',
  mode: 'check',
  arguments: ONE_HOST,
  flags: {
    origin: {
      flags: '--origin',
      kind: 'switch',
      about: 'add file and line of each value, overridden ones included',
    },
  },
  takes: READS_INVENTORY,
  outputs: WITH_YAML,
  examples: [
    ['k3s-platform inventory vars edge-1', 'as YAML, secrets masked'],
    ['k3s-platform inventory vars edge-1 --origin', 'with file and line of each value'],
    ['k3s-platform inventory vars edge-1 -o json', 'for scripts'],
  ],
  exits: { 0: 'shown' },
  options: (read, { format }) => ({ origin: read.on('origin'), yaml: format === 'yaml' }),
  load: async () => (await import('../commands/inventory.ts')).vars,
})

const check = command({
  name: 'check',
  about: 'check everything that plan checks before it contacts a host',
  mode: 'check',
  arguments: HOSTS,
  flags: {},
  takes: READS_INVENTORY,
  outputs: REPORTS,
  examples: [
    ['k3s-platform inventory check', 'exit code 64: with all problems and their places'],
    ['k3s-platform inventory check -i inventories/prod -o github', 'as annotations of a workflow'],
  ],
  exits: { 0: 'no problems' },
  options: () => ({}),
  load: async () => (await import('../commands/inventory.ts')).check,
})

const schema = command({
  name: 'schema',
  about: 'print the JSON Schema of files with variables, for editors',
  mode: 'check',
  arguments: NO_ARGUMENTS,
  flags: {
    hosts: { flags: '--hosts', kind: 'switch', about: 'the schema of hosts.yaml instead of a file with variables' },
  },
  takes: ['no-color', 'debug'],
  outputs: ['text'],
  examples: [
    ['k3s-platform inventory schema', 'of group_vars/*.yaml and host_vars/*.yaml'],
    ['k3s-platform inventory schema --hosts', 'of hosts.yaml'],
  ],
  exits: { 0: 'printed' },
  options: (read) => ({ hostsFile: read.on('hosts') }),
  load: async () => (await import('../commands/inventory-schema.ts')).schema,
})

export const explain = command({
  name: 'explain',
  group: 'Files',
  about: 'explain a variable: type, default, where it is set',
  mode: 'check',
  arguments: { usage: '[variable...]', are: 'variables', problems: () => [] },
  flags: {},
  takes: READS_INVENTORY,
  outputs: WITH_YAML,
  examples: [
    ['k3s-platform explain k3s_platform_k3s_version', 'also where each host gets it from'],
    ['k3s-platform explain', 'all variables, one a line'],
    ['k3s-platform explain ansible_host -o json', 'for scripts'],
  ],
  exits: { 0: 'explained' },
  options: (_read, { operands, format }) => ({ names: operands, yaml: format === 'yaml' }),
  load: async () => (await import('../commands/explain.ts')).explain,
})

export const inventory = commandGroup({
  name: 'inventory',
  about: 'list, graph, vars, check, schema: read it without a host',
  group: 'Files',
  verbs: [list, graph, vars, check, schema],
  examples: [
    ['k3s-platform inventory graph', 'groups and hosts as a tree'],
    ['k3s-platform inventory vars edge-1 --origin', 'every variable with file and line'],
    ['k3s-platform inventory check', 'what plan checks first'],
  ],
})
