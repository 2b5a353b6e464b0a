// The words of `certs`: what each verb takes, and what is wrong with what was typed.

import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'

interface Verb {
  /** How many certificates may be named. */
  readonly names: readonly [least: number, most: number]
  /** Flags of `certs` that it knows; each verb knows those that every command shares. */
  readonly flags: readonly string[]
}

const ANY = Number.POSITIVE_INFINITY

export const CERT_VERBS = {
  list: { names: [0, 0], flags: ['namespace'] },
  explain: { names: [0, ANY], flags: ['namespace'] },
  ensure: { names: [0, 0], flags: [] },
  renew: { names: [0, ANY], flags: ['namespace', 'all'] },
  remove: { names: [1, 1], flags: ['namespace', 'delete-secret', 'yes'] },
} as const satisfies Readonly<Record<string, Verb>>

type CertVerb = keyof typeof CERT_VERBS

export interface CertsOptions {
  readonly verb: CertVerb
  /** Certificates that were named; empty: all that there are. */
  readonly names: readonly string[]
  /** null: all of them. */
  readonly namespace: string | null
  readonly all: boolean
  readonly deleteSecret: boolean
}

const isVerb = (word: string): word is CertVerb => Object.hasOwn(CERT_VERBS, word)

/** Without words it lists. A first word that is no verb is `list`, too, and a problem of `certMistakes`. */
export function certWords([first = 'list', ...names]: readonly string[]): Pick<CertsOptions, 'verb' | 'names'> {
  return isVerb(first) ? { verb: first, names } : { verb: 'list', names: [] }
}

/** `given` are the flags that were typed, by their long names. */
export function certMistakes(
  [first = 'list']: readonly string[],
  of: CertsOptions,
  given: ReadonlySet<string>,
): Problem[] {
  const usage = (where: string, what: string, hint: string): Problem => ({ kind: 'usage', where, what, hint })
  const verbs = Object.keys(CERT_VERBS)
  if (!isVerb(first)) {
    const near = nearest(first, verbs)
    return [usage(`certs ${first}`, 'no such word', near ? `did you mean ${near}?` : `there are: ${verbs.join(', ')}`)]
  }
  const where = `certs ${first}`
  const { names, flags }: Verb = CERT_VERBS[first]
  const [least, most] = names
  const foreign = Object.entries<Verb>(CERT_VERBS)
    .flatMap(([, verb]) => verb.flags)
    .filter((flag, i, all) => given.has(flag) && !flags.includes(flag) && all.indexOf(flag) === i)
  return [
    ...foreign.map((flag) => usage(`--${flag}`, `has no meaning for ${where}`, 'leave it out')),
    ...(of.names.length > most && most === 0
      ? [usage(where, `takes no names: ${of.names.join(', ')}`, 'see: k3s-platform certs --help')]
      : []),
    ...((of.names.length < least || of.names.length > most) && most === 1
      ? [usage(where, 'is for one certificate', `name it: k3s-platform ${where} -n NAMESPACE NAME`)]
      : []),
    ...(first === 'remove' && of.namespace === null
      ? [usage(where, 'say in which namespace', `k3s-platform ${where} -n NAMESPACE ${of.names[0] ?? 'NAME'}`)]
      : []),
    ...(first === 'renew' && of.names.length === 0 && !of.all
      ? [usage(where, 'say which one', `name it, or all of them: k3s-platform ${where} --all`)]
      : []),
    ...(of.all && of.names.length > 0 ? [usage('--all', 'contradicts the names', 'leave out one of them')] : []),
  ]
}
