// Creates one Git commit with the files of the tree, without other changed or staged files.

import { lstatSync, statSync, utimesSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { FileChange } from './compare.ts'
import { type Git, type GitEnvironment, type Given, gitIn } from './git.ts'

/** Throws a usage ProblemError where the folder is in no work tree, or where a shared file holds somebody's uncommitted change. */
export async function checkWorkTree(here: GitEnvironment, changes: readonly FileChange[]): Promise<void> {
  const git = gitIn(here)
  const { ok, text } = await git(['rev-parse', '--is-inside-work-tree'])
  if (!ok || text.trim() !== 'true')
    throw new ProblemError(
      problem(
        '--commit',
        `${here.directory} is not in a Git work tree`,
        `git -C ${here.directory} init, or remove --commit`,
        text,
      ),
    )
  if ((await git(['rev-parse', '--quiet', '--verify', 'MERGE_HEAD'])).ok)
    throw new ProblemError(problem('--commit', 'A merge is in progress', `git -C ${here.directory} merge --continue`))
  const shared = changes
    .filter(({ shared, op }) => shared === 'theirs' || (shared === 'ours' && op !== 'none'))
    .map(({ path }) => path)
  const dirty = [...(await differing(here, git, shared, 'compare')).keys()]
  if (dirty.length > 0)
    throw new ProblemError(
      dirty.map((path) =>
        problem(path, 'it has an uncommitted change', 'commit it first: the file also contains your changes'),
      ),
    )
}

/**
 * Commits what of these files differs from HEAD; null: nothing does. Throws a ProblemError with what Git said. The files are
 * committed as they are on disk: filters and hooks of the repository are programs, and are not run. spec: gitcore-tutorial(7)
 */
export async function commit(
  here: GitEnvironment,
  changes: readonly FileChange[],
  subject: string,
): Promise<string | null> {
  const git = gitIn(here)
  const wanted = changes
    .filter(({ op, shared }) => !['kept', 'refused'].includes(op) && (op !== 'none' || shared !== 'theirs'))
    .map(({ path }) => path)
  const differences = await differing(here, git, wanted, 'store')
  if (differences.size === 0) return null
  const head = await headOf(git)
  const prefix = (await must(git, ['rev-parse', '--show-prefix'])).replace(/\n$/, '')
  const none = '0'.repeat([...differences.values()].find((one) => one.oid !== null)?.oid?.length ?? head?.length ?? 40)
  const entries = [...differences]
    .map(([path, { oid, mode }]) => `${oid === null ? `0 ${none}` : `${mode} ${oid}`}\t${prefix}${path}\0`)
    .join('')
  return inScratch(async (scratch) => {
    const apart = {
      gitDir: (await must(git, ['rev-parse', '--absolute-git-dir'])).replace(/\n$/, ''),
      empty: join(scratch, 'empty'),
    }
    const index = join(scratch, 'index')
    await mkdir(apart.empty)
    const update = ['update-index', '-z', '--index-info']
    await must(git, ['read-tree', ...(head === null ? ['--empty'] : [head])], { apart, index })
    await must(git, update, { apart, index, input: entries })
    const tree = (await must(git, ['write-tree', '--missing-ok'], { apart, index })).trim()
    const body = [...differences].map(([path, { oid }]) => `${oid === null ? '-' : ' '} ${path}\n`).join('')
    const parent = head === null ? [] : ['-p', head]
    const message = `${subject}\n\n${body}`
    const made = (await must(git, ['commit-tree', ...parent, '-F', '-', tree], { input: message })).trim()
    await must(git, ['update-ref', '-m', `commit: ${subject}`, 'HEAD', made, head ?? none])
    // What else is staged stays so.
    await keepingTime(resolve(here.directory, await own(git, 'index')), () =>
      must(git, update, { apart, input: entries }),
    )
    return (await must(git, ['rev-parse', '--short', made])).trim()
  })
}

const own = async (git: Git, name: string) => (await must(git, ['rev-parse', '--git-path', name])).replace(/\n$/, '')

/** A file of the same second as the index is compared again by git's next look at it: that was not done here. */
async function keepingTime(index: string, write: () => Promise<unknown>): Promise<void> {
  const before = statSync(index, { throwIfNoEntry: false })
  await write()
  if (before !== undefined) utimesSync(index, Math.floor(before.atimeMs / 1000), Math.floor(before.mtimeMs / 1000))
}

interface Difference {
  /** Of the file on disk; null: it is not there. */
  readonly oid: string | null
  readonly mode: string
}

/** Of these paths those whose file differs from HEAD, new ones included, in order; `store` puts the content into the object store. */
async function differing(
  here: GitEnvironment,
  git: Git,
  paths: readonly string[],
  mode: 'compare' | 'store',
): Promise<ReadonlyMap<string, Difference>> {
  if (paths.length === 0) return new Map()
  const inHead = await headEntries(git, paths)
  const file = (path: string) => join(here.directory, path)
  const present = paths.filter((path) => lstatSync(file(path), { throwIfNoEntry: false })?.isFile())
  const hash = ['hash-object', ...(mode === 'store' ? ['-w'] : []), '--no-filters', '--stdin-paths']
  const oids =
    present.length === 0 ? '' : await must(git, hash, { input: present.map((path) => `${file(path)}\n`).join('') })
  const onDisk = new Map(
    oids.split('\n').flatMap((oid, i) => (present[i] === undefined ? [] : [[present[i], oid] as const])),
  )
  return new Map(
    paths.toSorted().flatMap((path) => {
      const [was, oid] = [inHead.get(path), onDisk.get(path) ?? null]
      if ((was?.oid ?? null) === oid) return []
      return [[path, { oid, mode: was?.mode === '100755' ? was.mode : '100644' }] as const]
    }),
  )
}

async function headEntries(git: Git, paths: readonly string[]): Promise<ReadonlyMap<string, Difference>> {
  const head = await headOf(git)
  if (head === null) return new Map()
  const listed = await must(git, ['ls-tree', '-r', '-z', head, '--', ...paths])
  const entry = /^(\d+) \w+ ([0-9a-f]+)\t(.+)$/s
  return new Map(
    listed.split('\0').flatMap((line) => {
      const [, mode = '', oid = '', path = ''] = entry.exec(line) ?? []
      return path === '' ? [] : [[path, { mode, oid }] as const]
    }),
  )
}

/** null: before the first commit. */
async function headOf(git: Git): Promise<string | null> {
  const { ok, text } = await git(['rev-parse', '--quiet', '--verify', 'HEAD^{commit}'])
  return ok ? text.trim() : null
}

async function inScratch<T>(use: (directory: string) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'k3sp-index-'))
  try {
    return await use(directory)
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

async function must(git: Git, args: readonly string[], given?: Given): Promise<string> {
  const { ok, text } = await git(args, given)
  if (ok) return text
  const [verb = ''] = args
  const hint = 'the files are written; fix the cause, then run the same command again'
  throw new ProblemError({ ...problem(`git ${verb}`, 'Git failed', hint, text), kind: 'failed' })
}

function problem(where: string, what: string, hint: string, why = ''): Problem {
  return { kind: 'usage', where, what, hint, ...(why.trim() !== '' && { why: why.trim() }) }
}
