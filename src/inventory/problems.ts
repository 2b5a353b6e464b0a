// The order in which people read problems, and each of them once.

import type { Problem } from '../engine/problem.ts'
import type { Host } from './host.ts'

/** By file, then line, then column, so that they read like the files do; each once. */
export function sorted(problems: readonly Problem[]): readonly Problem[] {
  const keys = problems.map((problem) => {
    const [, file = '', line = '0', col = '0'] = /^(.*?):(\d+):(\d+)/.exec(problem.where) ?? [undefined, problem.where]
    return { problem, file, line: Number(line), col: Number(col) }
  })
  keys.sort((a, b) => (a.file === b.file ? a.line - b.line || a.col - b.col : a.file < b.file ? -1 : 1))
  return unique(keys.map(({ problem }) => problem))
}

/** The same mistake found through several hosts is told once. */
export function unique(problems: readonly Problem[]): readonly Problem[] {
  return [...new Map(problems.map((p) => [`${p.where}\n${p.what}`, p])).values()]
}

export interface HostProblems {
  readonly hosts: readonly Host[]
  readonly problems: readonly Problem[]
}

/**
 * The problems in order, each once: one that several hosts have, in a place that they share or each in its own, names the first of
 * them and how many more there are.
 */
export function grouped(found: Iterable<HostProblems>): readonly Problem[] {
  const all = new Map<string, { readonly problem: Problem; readonly hosts: Set<Host> }>()
  const known = new Map<Problem, Set<Host>>()
  for (const { hosts, problems } of found) {
    for (const problem of problems) {
      const concerned = known.get(problem) ?? concernedBy(problem, hosts)
      known.set(problem, concerned)
      for (const host of hosts) concerned.add(host)
    }
  }
  return sorted([...all.values()].map(({ problem, hosts }) => withHosts(problem, [...hosts])))

  function concernedBy(problem: Problem, [host]: readonly Host[]): Set<Host> {
    const where = problem.where === host?.place ? '' : problem.where
    const key = [problem.kind, where, problem.what, problem.hint].join('\n')
    const before = all.get(key) ?? { problem, hosts: new Set<Host>() }
    all.set(key, before)
    return before.hosts
  }
}

const FEW = 3

function withHosts(problem: Problem, hosts: readonly Host[]): Problem {
  if (hosts.length < 2) return problem
  const [first] = hosts
  const more = (hosts.length - 1).toLocaleString('en-US')
  const names =
    hosts.length <= FEW ? hosts.map(({ name }) => name).join(', ') : `${first?.name ?? ''} and ${more} more hosts`
  return { ...problem, what: `${problem.what} (${names})` }
}
