// The repositories of a run, read before anything is touched: as the cluster will read them, with the login that it gets.

import { createHmac, randomBytes } from 'node:crypto'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { RepositoryCheck } from '../../roles/role.ts'
import type { Problem } from '../engine/problem.ts'
import { keyFault } from '../gitops/deploy-key.ts'
import { checkGit } from '../gitops/git-check.ts'
import type { Fault } from '../gitops/git-words.ts'
import { type Login, secretsOf } from '../gitops/login.ts'
import type { Host } from '../inventory/index.ts'
import { cacheIn } from '../supply/cache.ts'
import type { Io } from './io.ts'

/** The repository of one host. */
export interface HostRepository {
  readonly host: Host
  readonly check: RepositoryCheck
}

const BOUND_MS = 10_000

/** Each is read once; what was found well before is not asked again, until repository or login change. */
export async function repositoryProblems(all: readonly HostRepository[], { env }: Pick<Io, 'env'>): Promise<Problem[]> {
  const directory = join(cacheIn(env), 'git')
  const key = await ownKey(directory)
  const under = new Map<string, Promise<readonly Fault[]>>()
  const found = await Promise.all(
    all.map(async ({ host, check }) => {
      const digest = createHmac('sha256', key).update(identityOf(check)).digest('hex')
      const faults = under.get(digest) ?? faultsOf(check, join(directory, `well-${digest}`), env)
      under.set(digest, faults)
      return (await faults).map((fault) => told(fault, host, check))
    }),
  )
  const problems = found.flat()
  return problems.filter((one, i) => i === problems.findIndex((other) => same(one, other)))
}

async function faultsOf(
  { repository, reads }: RepositoryCheck,
  mark: string,
  env: Io['env'],
): Promise<readonly Fault[]> {
  if (await exists(mark)) return []
  const { login } = repository
  const key = login.mode === 'ssh' && login.identity && (await keyFault(login.identity.reveal(), login.passphrase))
  if (key) return [key]
  const signal = new AbortController().signal
  const faults = reads ? await checkGit(repository, { env, signal, boundMs: BOUND_MS }) : []
  if (faults.length === 0) await writeFile(mark, '')
  return faults
}

function told({ about, what, why, hint }: Fault, host: Host, check: RepositoryCheck): Problem {
  const names = check.variables(about)
  const given = new Set(host.names())
  const name = names.find((one) => given.has(one)) ?? names[0] ?? ''
  // What the inventory does not say has no place of its own there.
  const said = (about === 'key' || about === 'passphrase') && !given.has(name) ? `${name}: ${what}` : what
  return {
    kind: 'usage',
    where: host.where([name]),
    what: said,
    ...(why !== undefined && { why }),
    ...(hint !== undefined && { hint }),
  }
}

/** Without the key of this cache nobody can try passwords on it. */
function identityOf({ repository: { url, branch, path, login }, reads }: RepositoryCheck): string {
  return JSON.stringify([url, branch, path, reads, login.mode, shownOf(login), ...secretsOf(login)])
}

function shownOf(login: Login): string | undefined {
  return login.mode === 'ssh' ? login.knownHosts : login.ca
}

async function ownKey(directory: string): Promise<Buffer> {
  const path = join(directory, 'key')
  await mkdir(directory, { recursive: true, mode: 0o700 })
  // Two runs may be the first at the same time: the one that comes second takes what the first has written.
  await writeFile(path, randomBytes(32), { mode: 0o600, flag: 'wx' }).catch((error: unknown) => {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error
  })
  return readFile(path)
}

const same = (a: Problem, b: Problem) => a.where === b.where && a.what === b.what

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}
