// Formats the explanation of a Certificate as text: the tree, then cause, evidence, fix and next step.

import type { Explanation, Line } from './explain.ts'

/** Lines without colour; the states stand below each other. */
export function storyText({ tree, because }: Explanation): string {
  const rows = drawn(tree)
  const width = Math.max(...rows.map(([left]) => left.length)) + 2
  const lines = rows.map(([left, state]) => `${left.padEnd(width)}${state}`.trimEnd())
  if (because === null) return `${lines.join('\n')}\n`
  const { cause, evidence, fix, after } = because
  const sections: [string, readonly string[]][] = [
    ['Cause', [cause]],
    ['Evidence', evidence],
    ['Fix', [fix]],
    ['Then', [after]],
  ]
  const told = sections.flatMap(([title, words]) => words.map((w, i) => `${(i === 0 ? title : '').padEnd(10)}${w}`))
  return `${[...lines, '', ...told].join('\n')}\n`
}

function drawn({ object, state, under }: Line): [string, string][] {
  const below = under.flatMap((child, i) => {
    const last = i === under.length - 1
    return drawn(child).map(([left, words], row): [string, string] => [
      `${row === 0 ? (last ? '└─ ' : '├─ ') : last ? '   ' : '│  '}${left}`,
      words,
    ])
  })
  return [[object, state], ...below]
}
