// A rule: facts in, the words that explain them out. Tables of rules are read from the top; the first that fits speaks.

export interface Words {
  /** One sentence: what is wrong. */
  readonly cause: string
  /** What shows it, one line each, added to where the chain stands. */
  readonly evidence?: readonly string[]
  /** What to type or to change. */
  readonly fix: string
  /** What happens after the fix; left out: cert-manager's next try. */
  readonly after?: string
}

export interface Rule<F> {
  readonly name: string
  /** True: waiting does not help. Left out: it may still come by itself. */
  readonly fails?: boolean | ((facts: F) => boolean)
  readonly match: (facts: F) => Words | null | undefined | false
}

/** How far something is; the shape of the cluster room's. `note` is said of what is ready and still not as wished. */
export type CertificateReadiness =
  | { readonly is: 'ready'; readonly note?: string }
  | { readonly is: 'waiting' | 'failed'; readonly why: string; readonly hint?: string }

/** The first rule that fits, its words, and whether waiting is in vain. */
export function judge<F>(rules: readonly Rule<F>[], facts: F): { name: string; fails: boolean; words: Words } | null {
  for (const { name, fails = false, match } of rules) {
    const words = match(facts)
    if (words) return { name, fails: typeof fails === 'function' ? fails(facts) : fails, words }
  }
  return null
}
