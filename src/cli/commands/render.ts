// render: writes the GitOps tree of the selected hosts into a directory or a repository, without contacting a host.

import { resolve } from 'node:path'
import type { Problem } from '../../engine/problem.ts'
import { ProblemError } from '../../engine/problem.ts'
import { Secret } from '../../engine/secret.ts'
import { checkWorkTree, commit } from '../../gitops/commit.ts'
import { compare, type FileChange } from '../../gitops/compare.ts'
import { diskOf, folderOf, write } from '../../gitops/files.ts'
import type { Handover } from '../../gitops/handover.ts'
import { leaksIn } from '../../gitops/leaks.ts'
import { type Tree, treeOf } from '../../gitops/tree.ts'
import type { RenderDocument } from '../../report/documents.ts'
import { EXIT } from '../../report/outcome.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open, type PreparedRun } from '../run.ts'
import { locate } from '../workstation.ts'

const SIGNS = { create: '+', update: '~', delete: '-', none: '=', kept: 'o', refused: '!' } as const
const WRITES = ['create', 'update', 'delete'] as const
const isWritten = ({ op }: FileChange) => WRITES.some((one) => one === op)

interface RenderCall extends CliOptions {
  readonly render: {
    /** As given. */
    readonly tree: string | null
    readonly commit: boolean
    readonly overwrite: boolean
  }
}

/** With `--check` it writes nothing and ends with 2 when the tree is behind. Nothing is written where something is refused. */
export async function run(options: RenderCall, io: Io): Promise<number> {
  const { tree: given, commit: commits, overwrite } = options.render
  if (given === null)
    throw usage('--tree', 'render requires a target directory', 'add --tree DIR: a Git repository or any directory')
  const handovers: Handover[] = []
  const opened = await open(options, io, (role) => (vars, context) => {
    const made = role.tree?.(vars, context)
    if (made !== undefined) handovers.push(made)
    return []
  })
  if (options.listHosts || options.listTags) {
    // A tree is one thing: no part of it has a tag.
    io.stdout.write(options.listHosts ? opened.targets.map(({ host }) => `${host}\n`).join('') : '')
    return EXIT.ok
  }
  if (handovers.length === 0)
    throw usage(
      options.roles.join(', '),
      'it has no objects for GitOps',
      'run it with k3s_platform_addon, or without a role',
    )
  const trees = handovers.map(treeOf)
  stopAtLeaks(trees, opened)

  const shown = given
  const directory = folderOf(resolve(locate(io, given)))
  const changes = compare(trees, diskOf(directory), overwrite)
  const check = options.mode === 'check'
  const refused = changes.filter(({ op }) => op === 'refused')
  if (refused.length > 0 && !check) throw new ProblemError(refused.map((one) => refusal(shown, one)))
  const here = { directory, env: io.env }
  if (commits && !check) await checkWorkTree(here, changes)
  if (!check) await write(directory, changes)
  const names = handovers.map(({ cluster }) => cluster).join(', ')
  const made = commits && !check ? await commit(here, changes, `Render the platform of ${names}`) : null
  const behind = changes.some((one) => isWritten(one) || one.op === 'refused')
  const exitCode = check && behind ? EXIT.pending : EXIT.ok
  const told = { tree: shown, check, exitCode, changes, commit: made }
  if (options.output === 'json') io.document(documentOf(told))
  else io.stdout.write(textOf(io.shown(told), options))
  return exitCode
}

/** No tree is written that holds a secret of the inventory or of the environment. */
function stopAtLeaks(trees: readonly Tree[], { prepared }: PreparedRun): void {
  const secrets = prepared.flatMap(({ host, secrets }) => [
    ...placed(host.vars).map(({ path, value }) => ({ value, where: host.where(path) })),
    ...secrets.map((value) => ({ value, where: host.name })),
  ])
  const files = new Map(
    trees.flatMap(({ files, listings }) => [
      ...files,
      ...listings.map(({ path, entries }) => [path, JSON.stringify(entries)] as const),
    ]),
  )
  const seen = new Set<string>()
  const problems = leaksIn(files, secrets).flatMap(({ secret, path }): Problem[] => {
    const key = `${path} ${secret.value.reveal()}`
    if (seen.has(key)) return []
    seen.add(key)
    const hint = 'reference a Secret in the chart or the issuer: k3s_platform_external_secrets creates one from Vault'
    return [
      {
        kind: 'usage',
        where: secret.where,
        what: `this secret would be in ${path}, readable by everyone with access to the repository`,
        hint,
      },
    ]
  })
  if (problems.length > 0) throw new ProblemError(problems)
}

interface Placed {
  readonly path: readonly PropertyKey[]
  readonly value: Secret
}

function placed(shown: unknown, path: readonly PropertyKey[] = []): Placed[] {
  if (shown instanceof Secret) return [{ path, value: shown }]
  if (Array.isArray(shown)) return shown.flatMap((one, i) => placed(one, [...path, i]))
  if (typeof shown !== 'object' || shown === null) return []
  return Object.entries(shown).flatMap(([key, one]) => placed(one, [...path, key]))
}

function refusal(tree: string, { path, why, text }: FileChange): Problem {
  const wants = text === null ? 'the inventory no longer contains it' : 'the inventory has different content for it'
  const hint = 'move the change into the inventory, or discard it: --overwrite'
  return { kind: 'usage', where: `${tree}/${path}`, what: `${why}, and ${wants}`, hint }
}

interface Told extends Omit<RenderDocument, 'schema' | 'files' | 'exitCode'> {
  readonly exitCode: number
  readonly changes: readonly FileChange[]
}

function textOf({ tree, check, changes, commit }: Told, { verbosity }: CliOptions): string {
  const lines = changes
    .filter(({ op }) => op !== 'none' || verbosity > 0)
    .map(
      ({ path, op, why }) =>
        `  ${SIGNS[op]} ${path}${why === undefined ? '' : `  ${why}${op === 'kept' ? ', it is kept' : ''}`}`,
    )
  const count = (op: FileChange['op']) => changes.filter((one) => one.op === op).length
  const counts = [
    ...(['create', 'update', 'delete'] as const).map((op) => `${count(op)} to ${op}`),
    `${count('none')} unchanged`,
    ...(count('kept') > 0 ? [`${count('kept')} kept as in Git`] : []),
    ...(count('refused') > 0 ? [`${count('refused')} changed both in Git and in the inventory`] : []),
  ].join(', ')
  const behind = changes.some((one) => isWritten(one) || one.op === 'refused')
  const end =
    check && behind
      ? `Tree: ${tree} is outdated: ${counts}. Nothing was written.`
      : `Tree: ${tree}: ${check ? counts : counts.replaceAll(' to create', ' created').replaceAll(' to update', ' updated').replaceAll(' to delete', ' deleted')}.`
  return `${[...lines, end, ...(commit === null ? [] : [`Commit: ${commit}`])].join('\n')}\n`
}

function documentOf({ changes, ...told }: Told): unknown {
  const files = changes.map(({ path, op, why }) => ({ path, op, ...(why !== undefined && { why }) }))
  return { schema: 'k3s-platform/render/v1', ...told, files }
}

function usage(where: string, what: string, hint: string): ProblemError {
  return new ProblemError({ kind: 'usage', where, what, hint })
}
