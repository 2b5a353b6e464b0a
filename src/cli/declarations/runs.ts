// Declares runs and its verbs: list, show, diff.

import { type Arguments, command, commandGroup } from '../command.ts'
import { usage } from '../flag-values.ts'
import type { CliOptions } from '../options.ts'
import { DOCUMENTS } from './outputs.ts'

export interface RunsCall extends CliOptions {
  readonly runs: { readonly verb: 'list' | 'show' | 'diff'; readonly ids: readonly string[] }
}

const ids = (most: number): Arguments => ({
  usage: ['', '[id]', '[id] [id]'][most] ?? '',
  are: 'none',
  problems: (operands, where) =>
    operands.length <= most
      ? []
      : [usage(where, most === 0 ? 'does not take arguments' : `takes ${most} at most, got: ${operands.join(', ')}`)],
})

const load = async () => (await import('../commands/runs.ts')).run
const shared = { mode: 'check', flags: {}, takes: ['output', 'no-color', 'debug'], outputs: DOCUMENTS } as const

const list = command({
  ...shared,
  name: 'list',
  about: 'list the recorded runs, newest first',
  arguments: ids(0),
  examples: [['k3s-platform runs list -o json', 'for scripts; schema: docs/schema/runs-v1.json']],
  exits: { 0: 'listed' },
  options: () => ({ runs: { verb: 'list' as const, ids: [] } }),
  load,
})

const show = command({
  ...shared,
  name: 'show',
  about: 'show what a run changed, and how long each change took',
  arguments: ids(1),
  examples: [
    ['k3s-platform runs show', 'the newest one'],
    ['k3s-platform runs show 20261201T1145', 'the one whose id begins like that'],
  ],
  exits: { 0: 'shown' },
  options: (_read, { operands }) => ({ runs: { verb: 'show' as const, ids: operands } }),
  load,
})

const diff = command({
  ...shared,
  name: 'diff',
  about: 'compare two runs: changes and time of each stage',
  arguments: ids(2),
  examples: [
    ['k3s-platform runs diff', 'the last two'],
    ['k3s-platform runs diff 20261201T1145 20261202T0900', 'two of them by the beginning of their ids'],
  ],
  exits: { 0: 'compared' },
  options: (_read, { operands }) => ({ runs: { verb: 'diff' as const, ids: operands } }),
  load,
})

export const runs = commandGroup(
  {
    name: 'runs',
    group: 'Other',
    about: 'list, show and compare the records of earlier runs',
    examples: [
      ['k3s-platform runs', 'all of them, newest first'],
      ['k3s-platform runs show', 'what the newest one changed, and where the time went'],
      ['k3s-platform runs diff', 'the last two compared'],
    ],
    verbs: [list, show, diff],
  },
  list,
)
