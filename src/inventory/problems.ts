// The order in which people read problems, and each of them once.

import type { Problem } from '../engine/problem.ts'

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
