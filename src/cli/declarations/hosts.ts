// Declares the commands that take hosts: charts, doctor, kubeconfig, upgrade and reset; and lock.

import { command, HOSTS, NO_ARGUMENTS } from '../command.ts'
import { RUN } from '../flags.ts'
import { DOCUMENTS, REPORTS } from './outputs.ts'

export const charts = command({
  name: 'charts',
  group: 'Every day',
  about: 'list the charts: versions, digests, and what state each is in',
  mode: 'check',
  arguments: HOSTS,
  roles: ['k3s_platform_addon'],
  flags: {},
  outputs: DOCUMENTS,
  examples: [
    ['k3s-platform charts', 'every host of the default inventory'],
    ['k3s-platform charts edge-1 -o json', 'for scripts; schema: docs/schema/charts-v1.json'],
  ],
  exits: { 0: 'every chart is deployed in its version', 2: 'one is not' },
  options: () => ({}),
  load: async () => (await import('../commands/charts.ts')).run,
})

export const doctor = command({
  name: 'doctor',
  group: 'Every day',
  about: 'check workstation and hosts; every finding includes its fix',
  mode: 'check',
  arguments: HOSTS,
  flags: {},
  outputs: DOCUMENTS,
  examples: [
    ['k3s-platform doctor', 'every host of the default inventory'],
    ['k3s-platform doctor edge-1 -o json', 'for scripts; schema: docs/schema/doctor-v1.json'],
  ],
  exits: { 0: 'nothing was found', 2: 'warnings (1: apply would fail)' },
  options: () => ({}),
  load: async () => (await import('../commands/doctor.ts')).run,
})

export const lock = command({
  name: 'lock',
  group: 'Files',
  about: 'resolve versions to digests and write the lock file',
  mode: 'apply',
  arguments: NO_ARGUMENTS,
  flags: { yes: { ...RUN.yes, about: 'accept that published digests have changed' } },
  outputs: REPORTS,
  examples: [
    ['k3s-platform lock -i inventories/prod', 'write inventories/prod/k3s-platform.lock; commit it'],
    ['k3s-platform lock -C', 'exit code 2: the lock file is outdated'],
    ['k3s-platform apply --locked', 'install only what the lock file lists'],
  ],
  exits: { 0: 'written, or up to date', 2: 'the lock file is outdated (--check)' },
  options: () => ({}),
  load: async () => (await import('../commands/lock.ts')).run,
})

export const kubeconfig = command({
  name: 'kubeconfig',
  group: 'Access',
  about: 'fetch, rename, merge into ~/.kube/config',
  mode: 'apply',
  arguments: { ...HOSTS, usage: '[host...] [-- program]' },
  passesThrough: true,
  roles: ['k3s_platform_bootstrap'],
  flags: {
    context: {
      flags: '--context <name>',
      kind: 'value',
      about: 'name of context, cluster, user (default: host name)',
    },
    server: {
      flags: '--server <address>',
      kind: 'value',
      about: 'ssh-host (default), tls-san, a name of it, or a URL',
    },
    use: { flags: '--use', kind: 'switch', about: 'make it the current context' },
    replace: {
      flags: '--replace',
      kind: 'switch',
      about: 'replace entries of another cluster with that name',
    },
    print: { flags: '--print', kind: 'switch', about: 'print it, with its key; write no file' },
    tunnel: {
      flags: '--tunnel',
      kind: 'switch',
      about: 'connect through SSH until Ctrl-C, or program ends',
    },
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform kubeconfig edge-1', 'context edge-1 in ~/.kube/config, or the first file of KUBECONFIG'],
    ['k3s-platform kubeconfig edge-1 --tunnel -- kubectl get nodes', 'port 6443 does not have to be open'],
    ['k3s-platform kubeconfig --use -l prod', 'all hosts of a group, the first one as current context'],
  ],
  options: (read, { behind }) => ({
    kubeconfig: {
      context: read.last('context'),
      server: read.last('server'),
      use: read.on('use'),
      replace: read.on('replace'),
      print: read.on('print'),
      tunnel: read.on('tunnel'),
      command: behind,
    },
  }),
  load: async () => (await import('../commands/kubeconfig.ts')).run,
})

export const upgrade = command({
  name: 'upgrade',
  group: 'Lifecycle',
  about: 'upgrade k3s to another release, with a snapshot first',
  mode: 'apply',
  arguments: HOSTS,
  roles: ['k3s_platform_bootstrap'],
  flags: {
    to: { flags: '--to <release>', kind: 'value', again: true, about: 'k3s release to upgrade to' },
    'no-snapshot': RUN['no-snapshot'],
    locked: RUN.locked,
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform upgrade edge-1 --to v1.36.5+k3s1', 'one host; then show which variable to set'],
    ['k3s-platform upgrade -l edge --to v1.36.5+k3s1 -C', 'only show what would be done'],
  ],
  options: (read) => ({ to: read.last('to') }),
  load: async () => (await import('../commands/upgrade.ts')).run,
})

export const reset = command({
  name: 'reset',
  group: 'Lifecycle',
  about: 'remove k3s and everything it created from a host',
  mode: 'apply',
  arguments: HOSTS,
  roles: ['k3s_platform_bootstrap'],
  flags: { yes: RUN.yes, 'delete-snapshots': RUN['delete-snapshots'] },
  outputs: REPORTS,
  examples: [
    ['k3s-platform reset -l edge-1 -C', 'only show what would be removed'],
    ['k3s-platform reset -l edge-1', 'show it, ask for confirmation, remove it'],
    ['k3s-platform reset edge-1 --yes', 'for scripts'],
  ],
  options: () => ({}),
  load: async () => (await import('../commands/reset.ts')).run,
})
