// Declares secrets and its verb: rotate.

import { type Arguments, command, commandGroup } from '../command.ts'
import { usage } from '../flag-values.ts'
import { RUN } from '../flags.ts'
import { REPORTS } from './outputs.ts'

const CHART: Arguments = {
  usage: '<name>',
  are: 'none',
  problems: (operands, where) =>
    operands.length === 1 ? [] : [usage(where, 'requires the name of a chart', `run: k3s-platform ${where} NAME`)],
}

const rotate = command({
  name: 'rotate',
  about: 'replace the generated secret values of a custom chart',
  mode: 'apply',
  roles: ['k3s_platform_addon'],
  arguments: CHART,
  flags: { yes: RUN.yes },
  outputs: REPORTS,
  examples: [
    [
      'k3s-platform secrets rotate grafana -l edge-1',
      'show it, ask for confirmation, replace them, upgrade the release',
    ],
    ['k3s-platform secrets rotate grafana -C', 'only show what would be done'],
    ['k3s-platform secrets rotate grafana --yes', 'for scripts'],
  ],
  options: (_, { operands }) => ({ chart: operands[0] ?? '' }),
  load: async () => (await import('../commands/secrets-rotate.ts')).run,
})

export const secrets = commandGroup({
  name: 'secrets',
  group: 'Files',
  about: 'replace secrets that the cluster has generated',
  examples: [['k3s-platform secrets rotate grafana', 'new values for the chart grafana']],
  verbs: [rotate],
})
