// Checks the repositories of a run before anything is changed, with the credentials that the cluster will use.

import type { RepositoryCheck } from '../../roles/role.ts'
import type { Problem } from '../engine/problem.ts'
import { keyFault } from '../gitops/deploy-key.ts'
import { checkGit } from '../gitops/git-check.ts'
import type { Fault } from '../gitops/git-errors.ts'
import { type Login, secretsOf } from '../gitops/login.ts'
import type { Host } from '../inventory/index.ts'
import { privateCache } from './cache.ts'
import type { Io } from './io.ts'
import { noPassedChecks, type PassedChecks, passedChecks } from './passed-checks.ts'

/** The repository of one host. */
export interface HostRepository {
  readonly host: Host
  readonly check: RepositoryCheck
}

const BOUND_MS = 10_000

/** Each is read once; what was found well before is not asked again, until repository or login change. */
export async function repositoryProblems(all: readonly HostRepository[], { env }: Pick<Io, 'env'>): Promise<Problem[]> {
  const directory = await privateCache(env, 'git')
  const passed = directory === undefined ? noPassedChecks : await passedChecks(directory)
  const under = new Map<string, Promise<readonly Fault[]>>()
  const found = await Promise.all(
    all.map(async ({ host, check }) => {
      const identity = identityOf(check)
      const faults = under.get(identity) ?? faultsOf(check, identity, passed, env)
      under.set(identity, faults)
      return (await faults).map((fault) => told(fault, host, check))
    }),
  )
  const problems = found.flat()
  return problems.filter((one, i) => i === problems.findIndex((other) => same(one, other)))
}

async function faultsOf(
  { repository, reads }: RepositoryCheck,
  identity: string,
  passed: PassedChecks,
  env: Io['env'],
): Promise<readonly Fault[]> {
  if (passed.has(identity)) return []
  const { login } = repository
  const key = login.mode === 'ssh' && login.identity && (await keyFault(login.identity.reveal(), login.passphrase))
  if (key) return [key]
  const signal = new AbortController().signal
  const faults = reads ? await checkGit(repository, { env, signal, boundMs: BOUND_MS }) : []
  if (faults.length === 0) await passed.add(identity)
  return faults
}

function told({ about, what, why, hint }: Fault, host: Host, check: RepositoryCheck): Problem {
  const names = check.variables(about)
  const name = names.find((one) => host.written.has(one)) ?? names[0] ?? ''
  // What the inventory does not say has no place of its own there.
  const said = (about === 'key' || about === 'passphrase') && !host.written.has(name) ? `${name}: ${what}` : what
  return {
    kind: 'usage',
    where: host.where([name]),
    what: said,
    ...(why !== undefined && { why }),
    ...(hint !== undefined && { hint }),
  }
}

function identityOf({ repository: { url, branch, path, login }, reads }: RepositoryCheck): string {
  return JSON.stringify([url, branch, path, reads, login.mode, shownOf(login), ...secretsOf(login)])
}

function shownOf(login: Login): string | undefined {
  return login.mode === 'ssh' ? login.knownHosts : login.ca
}

const same = (a: Problem, b: Problem) => a.where === b.where && a.what === b.what
