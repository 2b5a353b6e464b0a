// One commit of Git with the files of the tree, and nothing else that happens to be changed or staged.

import { execa } from 'execa'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { FileChange } from './compare.ts'

interface Here {
  readonly directory: string
  readonly env: Readonly<Record<string, string | undefined>>
}

/** Throws a usage ProblemError where the folder is in no work tree, or where a shared file holds somebody's uncommitted change. */
export async function checkWorkTree(here: Here, changes: readonly FileChange[]): Promise<void> {
  const { ok, text } = await git(here, ['rev-parse', '--is-inside-work-tree'])
  if (!ok || text.trim() !== 'true')
    throw new ProblemError(
      problem(
        '--commit',
        `${here.directory} is not in a work tree of Git`,
        `git -C ${here.directory} init, or leave out --commit`,
        text,
      ),
    )
  const shared = changes
    .filter(({ shared, op }) => shared === 'theirs' || (shared === 'ours' && op !== 'none'))
    .map(({ path }) => path)
  const dirty = shared.length === 0 ? [] : await changed(here, shared)
  if (dirty.length > 0)
    throw new ProblemError(
      dirty.map((path) =>
        problem(path, 'has a change that is not committed yet', 'commit it first: it is a file of yours, too'),
      ),
    )
}

/** Commits what of these files differs from HEAD; null: nothing does. Throws a ProblemError with what Git said. */
export async function commit(here: Here, changes: readonly FileChange[], subject: string): Promise<string | null> {
  const paths = await changed(
    here,
    changes
      .filter(({ op, shared }) => !['kept', 'refused'].includes(op) && (op !== 'none' || shared !== 'theirs'))
      .map(({ path }) => path),
  )
  if (paths.length === 0) return null
  const present = new Set(changes.filter(({ text }) => text !== null).map(({ path }) => path))
  const add = paths.filter((path) => present.has(path))
  // Without their contents: the commit below takes what is in the work tree.
  if (add.length > 0) await must(here, ['add', '--intent-to-add', '--', ...add])
  const body = paths.map((path) => `${present.has(path) ? ' ' : '-'} ${path}`).join('\n')
  await must(here, ['commit', '--quiet', '--only', '--message', subject, '--message', body, '--', ...paths])
  return (await must(here, ['rev-parse', '--short', 'HEAD'])).trim()
}

/** Of these paths those that differ from HEAD, new ones included. */
async function changed(here: Here, paths: readonly string[]): Promise<string[]> {
  if (paths.length === 0) return []
  const [differing, unknown] = await Promise.all([
    git(here, ['diff', '--name-only', '--relative', '-z', 'HEAD', '--', ...paths]),
    must(here, ['ls-files', '--others', '-z', '--', ...paths]),
  ])
  // Before the first commit there is no HEAD: all that is there is new.
  const known = differing.ok ? differing.text : await must(here, ['ls-files', '-z', '--', ...paths])
  return [...new Set(`${known}${unknown}`.split('\0'))].filter((path) => path !== '').toSorted()
}

async function git({ directory, env }: Here, args: readonly string[]) {
  const result = await execa('git', ['--literal-pathspecs', ...args], {
    ...{ cwd: directory, env, extendEnv: false, stdin: 'ignore', reject: false, stripFinalNewline: false },
  })
  return {
    ok: result.exitCode === 0,
    text: result.exitCode === 0 ? result.stdout : `${result.stderr}` || `${result.message}`,
  }
}

async function must(here: Here, args: readonly string[]): Promise<string> {
  const { ok, text } = await git(here, args)
  if (ok) return text
  const [verb = ''] = args
  const hint = 'the files are written; put it right, then run the same command again'
  throw new ProblemError({ ...problem(`git ${verb}`, 'Git refused', hint, text), kind: 'failed' })
}

function problem(where: string, what: string, hint: string, why = ''): Problem {
  return { kind: 'usage', where, what, hint, ...(why.trim() !== '' && { why: why.trim() }) }
}
