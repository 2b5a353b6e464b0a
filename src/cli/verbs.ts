// Validates the subcommands of `certs` and their arguments.

import type { Problem } from '../engine/problem.ts'
import { nearest } from '../engine/suggest.ts'

interface Verb {
  /** How many certificates may be named. */
  readonly names: readonly [least: number, most: number]
  /** Flags of `certs` that it knows; each verb knows those that every command shares. */
  readonly flags: readonly string[]
}

const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const ANY = Number.POSITIVE_INFINITY

export const CERT_VERBS = {
  list: { names: [0, 0], flags: ['namespace', 'all-namespaces', 'expiring-within', 'watch'] },
  explain: { names: [0, ANY], flags: ['namespace', 'all-namespaces'] },
  check: { names: [0, ANY], flags: ['namespace', 'all-namespaces'] },
  forecast: { names: [0, 0], flags: ['namespace', 'all-namespaces', 'days'] },
  ensure: { names: [0, 0], flags: [] },
  renew: { names: [0, ANY], flags: ['namespace', 'all-namespaces', 'all'] },
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
  readonly allNamespaces: boolean
  readonly deleteSecret: boolean
  /** Of `list`: with every column. */
  readonly wide: boolean
  /** Of `list` and `explain`: the JSON document as YAML. */
  readonly yaml: boolean
  /** Of `forecast`: a page for a browser. */
  readonly html: boolean
  /** Of `forecast`: 1 to 1100. */
  readonly days: number
  /** As JSON or YAML. */
  readonly document: boolean
  readonly watch: boolean
  /** Milliseconds; null: whenever they expire. */
  readonly expiringWithinMs: number | null
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
    return [
      usage(`certs ${first}`, 'unknown subcommand', near ? `did you mean ${near}?` : `known: ${verbs.join(', ')}`),
    ]
  }
  const where = `certs ${first}`
  const { names, flags }: Verb = CERT_VERBS[first]
  const [least, most] = names
  const foreign = Object.entries<Verb>(CERT_VERBS)
    .flatMap(([, verb]) => verb.flags)
    .filter((flag, i, all) => given.has(flag) && !flags.includes(flag) && all.indexOf(flag) === i)
  return [
    ...foreign.map((flag) => usage(`--${flag}`, `is not supported by ${where}`, 'remove it')),
    ...(of.names.length > most && most === 0
      ? [usage(where, `does not take names: ${of.names.join(', ')}`, 'see: k3s-platform certs --help')]
      : []),
    ...((of.names.length < least || of.names.length > most) && most === 1
      ? [usage(where, 'requires the name of a certificate', `run: k3s-platform ${where} -n NAMESPACE NAME`)]
      : []),
    ...(first === 'remove' && of.namespace === null
      ? [usage(where, 'requires a namespace', `k3s-platform ${where} -n NAMESPACE ${of.names[0] ?? 'NAME'}`)]
      : []),
    ...(first === 'renew' && of.names.length === 0 && !of.all
      ? [usage(where, 'requires a name', `name one, or select all: k3s-platform ${where} --all`)]
      : []),
    ...(of.namespace !== null && !NAMESPACE.test(of.namespace)
      ? [
          usage(
            '--namespace',
            `is not a valid namespace: ${JSON.stringify(of.namespace.slice(0, 80))}`,
            'set a valid name',
          ),
        ]
      : []),
    ...(of.namespace !== null && of.allNamespaces
      ? [usage('--all-namespaces', 'cannot be combined with --namespace', 'remove one of them')]
      : []),
    ...unsupported(first, of).map((format) =>
      usage(
        '--output',
        `${where} does not support ${format}`,
        `supported formats: text, ${first === 'forecast' ? 'html, ' : ''}json`,
      ),
    ),
    ...(of.watch && of.document
      ? [usage('--watch', 'cannot be combined with this --output', 'supported formats: text, wide')]
      : []),
    ...(of.all && of.names.length > 0 ? [usage('--all', 'cannot be combined with names', 'remove one of them')] : []),
  ]
}

/** The format that was set and that only other subcommands have. */
function unsupported(verb: CertVerb, { wide, yaml, html }: CertsOptions): string[] {
  if (wide && verb !== 'list') return ['wide']
  if (yaml && verb !== 'list' && verb !== 'explain') return ['yaml']
  return html && verb !== 'forecast' ? ['html'] : []
}
