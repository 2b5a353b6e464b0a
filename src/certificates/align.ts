// Aligns the cells of a table under each other, as kubectl does.

const GAP = 2

/** A text for each line, padded to the widest cell of each column; nothing trails. */
export function alignColumns(lines: readonly (readonly string[])[]): string[] {
  const widths: number[] = []
  for (const line of lines) for (const [i, { length }] of line.entries()) widths[i] = Math.max(widths[i] ?? 0, length)
  return lines.map((line) =>
    line
      .map((cell, i) => cell.padEnd((widths[i] ?? 0) + GAP))
      .join('')
      .trimEnd(),
  )
}
