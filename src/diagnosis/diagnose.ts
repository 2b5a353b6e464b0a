// Finds the cause of a failure: the first row of a table whose pattern occurs in what a component said.

export interface Row {
  /** Unique within its table. */
  readonly name: string
  readonly pattern: RegExp
  /** Values that the evidence must have, too. */
  readonly when?: Values
  /** `{server}` stands for a value of the evidence, `$1` for a group of the pattern, `$0` for all that it matched. */
  readonly cause: string
  readonly hint?: string
  /** Words of a real component for which this row answers, and no row before it: its test. */
  readonly example: string
}

type Values = Readonly<Record<string, string>>

export interface Evidence {
  /** What the component, the server or the library said. */
  readonly text: string
  /** What the caller knows besides. */
  readonly values?: Values
}

/** The row that answers, with the placeholders of its cause and hint filled in. */
export function diagnose<R extends Row>(
  table: readonly R[],
  { text, values = {} }: Evidence,
): (R & { readonly match: RegExpExecArray }) | undefined {
  for (const row of table) {
    if (Object.entries(row.when ?? {}).some(([name, value]) => values[name] !== value)) continue
    const match = row.pattern.exec(text)
    if (match !== null) return { ...explained(row, values, match), match }
  }
  return undefined
}

/** A row whose placeholders are filled in; of one that the caller knows by itself there is no match. */
export function explained<R extends Row>(row: R, values: Values, match: readonly (string | undefined)[] = []): R {
  const { cause, hint } = row
  return { ...row, cause: fill(cause, values, match), ...(hint !== undefined && { hint: fill(hint, values, match) }) }
}

/** In one pass: what a server said is filled in, never read as a placeholder. */
export function fill(template: string, values: Values, match: readonly (string | undefined)[]): string {
  return template.replace(/\$(\d)|\{(\w+)\}/g, (_, group?: string, name = '') =>
    group === undefined ? (values[name] ?? `{${name}}`) : (match[Number(group)] ?? ''),
  )
}
