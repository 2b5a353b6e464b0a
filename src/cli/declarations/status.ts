// Declares status.

import type { Problem } from '../../engine/problem.ts'
import { command, HOSTS } from '../command.ts'
import { usage } from '../flag-values.ts'
import type { CliOptions } from '../options.ts'
import { DOCUMENTS } from './outputs.ts'

export interface StatusCall extends CliOptions {
  readonly watch: boolean
  /** The JSON document as YAML. */
  readonly yaml: boolean
}

export const status = command({
  name: 'status',
  group: 'Every day',
  about: 'show what runs where: node, k3s, addons, handoff, certificates',
  mode: 'apply',
  arguments: HOSTS,
  flags: { watch: { flags: '-w, --watch', kind: 'switch', about: 'stay and show every change' } },
  outputs: [...DOCUMENTS, 'yaml'],
  examples: [
    ['k3s-platform status', 'every host of the default inventory'],
    ['k3s-platform status -l prod --watch', 'stay and show every change'],
    ['k3s-platform status edge-1 -o json', 'for scripts; schema: docs/schema/status-v1.json'],
  ],
  exits: { 0: 'all is well', 2: 'something is not well (1: a host failed)' },
  options: (read, { format }) => ({ watch: read.on('watch'), yaml: format === 'yaml' }),
  problems: ({ watch, output }): Problem[] =>
    watch && output !== 'text'
      ? [usage('--watch', 'cannot be combined with this --output', 'supported formats: text')]
      : [],
  load: async () => (await import('../commands/status.ts')).run,
})
