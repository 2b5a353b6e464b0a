// Matches names against globs and regular expressions, in bounded time whatever the expression is.

import { runInNewContext } from 'node:vm'

export const isRegex = (expression: string): boolean => expression.startsWith('~')
export const isWildcard = (expression: string): boolean => isRegex(expression) || /[*?[]/.test(expression)

type Token = '*' | ((character: string) => boolean)

/** A test for the globs of Python's fnmatch, as Ansible uses them: `*`, `?`, `[a-z]`, `[!a-z]`. Its cost is at most pattern times name. */
export function compileGlob(pattern: string): (name: string) => boolean {
  const tokens = tokensOf(pattern)
  const least = tokens.filter((token) => token !== '*').length
  return (name) => {
    if (least > name.length) return false
    let [at, i, star, mark] = [0, 0, -1, 0]
    while (i < name.length) {
      const token = tokens[at]
      if (token === '*') [star, mark] = [at++, i]
      else if (token?.(name.charAt(i))) [at, i] = [at + 1, i + 1]
      else if (star < 0) return false
      else [at, i] = [star + 1, ++mark]
    }
    return tokens.slice(at).every((rest) => rest === '*')
  }
}

function tokensOf(pattern: string): Token[] {
  const tokens: Token[] = []
  for (let i = 0; i < pattern.length; i++) {
    const c = pattern.charAt(i)
    // A bracket right after the opening one belongs to the set.
    const start = i + (pattern.charAt(i + 1) === '!' ? 2 : 1)
    const end = c === '[' ? pattern.indexOf(']', start + 1) : -1
    if (end !== -1) {
      tokens.push(setOf(pattern.slice(start, end), start === i + 2))
      i = end
    } else if (c === '?') tokens.push(() => true)
    else if (c !== '*') tokens.push((other) => other === c)
    else if (tokens.at(-1) !== '*') tokens.push('*')
  }
  return tokens
}

function setOf(text: string, negated: boolean): Token {
  const ranges: (readonly [first: string, last: string])[] = []
  for (let i = 0; i < text.length; i++) {
    const isRange = text.charAt(i + 1) === '-' && i + 2 < text.length
    ranges.push([text.charAt(i), text.charAt(isRange ? i + 2 : i)])
    if (isRange) i += 2
  }
  return (c) => ranges.some(([first, last]) => first <= c && c <= last) !== negated
}

/** An expression that cannot be used, and why. */
export interface RegexFault {
  readonly source: string
  readonly why: string
}

const REGEX_MS = 1000

/** The names that each expression matches from their start, as in Ansible. All expressions together get one second. */
export function matchRegexes(
  sources: readonly string[],
  names: readonly string[],
): ReadonlyMap<string, ReadonlySet<string>> | RegexFault {
  const found = new Map<string, Set<string>>()
  let current = ''
  const match = (source: string) => {
    current = source
    const regex = new RegExp(`^(?:${source})`)
    found.set(source, new Set(names.filter((name) => regex.test(name))))
  }
  try {
    // Only in a script with a timeout does V8 stop an expression that backtracks without end.
    if (sources.length > 0) runInNewContext('sources.forEach(match)', { sources, match }, { timeout: REGEX_MS })
    return found
  } catch (error) {
    const isSlow = error instanceof Error && 'code' in error && error.code === 'ERR_SCRIPT_EXECUTION_TIMEOUT'
    return { source: current, why: isSlow ? 'takes too long to match' : 'is not a regular expression' }
  }
}
