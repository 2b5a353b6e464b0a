// Declares the commands that take roles: apply, plan and render.

import { command, ROLES } from '../command.ts'
import { RUN } from '../flags.ts'
import { REPORTS } from './outputs.ts'

const RUN_FLAGS = {
  yes: RUN.yes,
  fallback: RUN.fallback,
  'no-snapshot': RUN['no-snapshot'],
  'delete-crds': RUN['delete-crds'],
  'take-back': RUN['take-back'],
  'hand-over': RUN['hand-over'],
  locked: RUN.locked,
} as const

export const apply = command({
  name: 'apply',
  group: 'Every day',
  about: 'make the hosts match the inventory',
  mode: 'apply',
  arguments: ROLES,
  flags: RUN_FLAGS,
  outputs: REPORTS,
  examples: [
    ['k3s-platform apply', 'every host of the default inventory'],
    ['k3s-platform apply -i inventories/prod -l edge-1', 'one host'],
    ['k3s-platform apply -t k3s -e k3s_platform_k3s_version=v1.36.5+k3s1', 'one stage with another version'],
  ],
  options: () => ({}),
  load: async () => (await import('../commands/apply.ts')).run,
})

export const plan = command({
  name: 'plan',
  group: 'Every day',
  about: 'show what apply would do, with diffs; touches nothing',
  mode: 'check',
  arguments: ROLES,
  flags: RUN_FLAGS,
  outputs: REPORTS,
  examples: [
    ['k3s-platform plan', 'exit code 2: changes are pending'],
    ['k3s-platform plan -l edge-1 -D', 'also show the content of new files'],
    ['k3s-platform plan -o json', 'for scripts; schema: docs/schema/run-v1.json'],
  ],
  options: () => ({}),
  load: async () => (await import('../run.ts')).runRoles,
})

export const render = command({
  name: 'render',
  group: 'Files',
  about: 'write what would be applied (GitOps tree) without touching a host',
  mode: 'apply',
  arguments: ROLES,
  flags: {
    tree: {
      flags: '--tree <dir>',
      kind: 'value',
      again: true,
      about: 'directory to write the tree to, such as a Git repository',
    },
    commit: {
      flags: '--commit',
      kind: 'switch',
      again: true,
      about: 'commit only these files, not other changed or staged files',
    },
    overwrite: {
      flags: '--overwrite',
      kind: 'switch',
      again: true,
      about: 'also overwrite files that were changed in Git',
    },
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform render --tree ../platform-config', 'the manifests for Git, as readable files'],
    ['k3s-platform render --tree ../platform-config -C', 'exit code 2: the tree is outdated'],
    ['k3s-platform render --tree ../platform-config --commit', 'one commit with only these files'],
  ],
  exits: { 0: 'written, or up to date', 2: 'the tree is outdated (--check)' },
  options: (read) => ({
    render: { tree: read.last('tree'), commit: read.on('commit'), overwrite: read.on('overwrite') },
  }),
  load: async () => (await import('../commands/render.ts')).run,
})
