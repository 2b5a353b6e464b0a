// Declares certs and its verbs: list, explain, check, forecast, ensure, renew, remove.

import type { Problem } from '../../engine/problem.ts'
import { type Arguments, type Call, command, commandGroup } from '../command.ts'
import { parseDuration } from '../duration.ts'
import type { Flag } from '../flag.ts'
import { usage, wholeNumber } from '../flag-values.ts'
import { RUN } from '../flags.ts'
import type { CliOptions } from '../options.ts'
import { DOCUMENTS, REPORTS } from './outputs.ts'

export interface CertsOptions {
  readonly verb: CertsVerb
  /** Certificates that were named; empty: all that there are. */
  readonly names: readonly string[]
  /** Of `ensure` and `remove`: of which application; null: it is about the certificates of the inventory, or the one that is named. */
  readonly app: string | null
  /** As given, the first one names the Certificate. */
  readonly domains: readonly string[]
  /** null: that of the inventory. */
  readonly issuer: string | null
  /** As given: `SERVICE:PORT`. */
  readonly ingress: string | null
  readonly wait: boolean
  /** null: all of them; of an application's domain `default`. */
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
  /** Of `renew`: order from staging first. */
  readonly rehearse: boolean
  /** Of `renew --rehearse`: the ACME directory to rehearse at; null: that of Let's Encrypt. */
  readonly stagingServer: string | null
  /** Milliseconds; null: whenever they expire. */
  readonly expiringWithinMs: number | null
}

export interface CertsCall extends CliOptions {
  readonly certs: CertsOptions
}

type CertsVerb = 'list' | 'explain' | 'check' | 'forecast' | 'ensure' | 'renew' | 'remove'

const NAMESPACE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/
const TEN_YEARS_MS = 3_653 * 86_400_000

const WHERE = {
  namespace: {
    flags: '-n, --namespace <name>',
    kind: 'value',
    again: true,
    narrows: true,
    about: 'only certificates of this namespace (default: all)',
  },
  'all-namespaces': {
    flags: '-A, --all-namespaces',
    kind: 'switch',
    again: true,
    about: 'certificates of all namespaces (the default)',
  },
} as const satisfies Readonly<Record<string, Flag>>

const DOMAIN = {
  app: {
    flags: '--app <name>',
    kind: 'value',
    again: true,
    narrows: true,
    about: 'the application that the domain belongs to',
  },
  domain: {
    flags: '--domain <name>',
    kind: 'values',
    again: true,
    narrows: true,
    about: 'the domain that names the certificate',
  },
} as const satisfies Readonly<Record<string, Flag>>

/** `--app` makes a command one about a domain, and requires one. */
function domainProblems({ app, domains, issuer, ingress, wait }: CertsOptions, where: string): Problem[] {
  const hint = `k3s-platform ${where} --app APP --domain DOMAIN`
  if (app !== null) return domains.length === 0 ? [usage(where, 'requires --domain', hint)] : []
  const given = { domain: domains.length > 0, issuer: issuer !== null, ingress: ingress !== null, wait }
  return Object.entries(given).flatMap(([flag, is]) => (is ? [usage(`--${flag}`, 'requires --app', hint)] : []))
}

/** Certificates by name: at least and at most so many. */
const certificates = (least: number, most: number): Arguments => ({
  usage: most === 0 ? '' : least === 0 ? '[name...]' : '<name>',
  are: most === 0 ? 'none' : 'certificates',
  problems: (operands, where) => {
    if (operands.length > most && most === 0)
      return [usage(where, `does not take names: ${operands.join(', ')}`, 'see: k3s-platform certs --help')]
    if (operands.length < least || operands.length > most)
      return [usage(where, 'requires the name of a certificate', `run: k3s-platform ${where} -n NAMESPACE NAME`)]
    return []
  },
})
const ANY = Number.POSITIVE_INFINITY

/** What a verb does not have is off. */
function certsOptions(verb: CertsVerb, { operands, format }: Call, own: Partial<CertsOptions> = {}) {
  const certs: CertsOptions = {
    verb,
    names: operands,
    app: null,
    domains: [],
    issuer: null,
    ingress: null,
    wait: false,
    namespace: null,
    all: false,
    allNamespaces: false,
    deleteSecret: false,
    wide: format === 'wide',
    yaml: format === 'yaml',
    html: format === 'html',
    days: 400,
    document: format === 'yaml' || format === 'json',
    watch: false,
    rehearse: false,
    stagingServer: null,
    expiringWithinMs: null,
    ...own,
  }
  return { certs }
}

const load = async () => (await import('../commands/certs.ts')).run

function namespaceProblems({ namespace, allNamespaces }: CertsOptions): Problem[] {
  if (namespace === null) return []
  const shown = JSON.stringify(namespace.slice(0, 80))
  return [
    ...(NAMESPACE.test(namespace)
      ? []
      : [usage('--namespace', `is not a valid namespace: ${shown}`, 'set a valid name')]),
    ...(allNamespaces ? [usage('--all-namespaces', 'cannot be combined with --namespace', 'remove one of them')] : []),
  ]
}

const isDirectory = (text: string) => URL.canParse(text) && new URL(text).protocol === 'https:'

const EXPIRY = 'a duration such as 30d or 12h'
const parseExpiry = (text: string) => parseDuration(text, TEN_YEARS_MS)

const list = command({
  name: 'list',
  about: 'list the certificates and what state each is in',
  mode: 'apply',
  roles: [],
  arguments: certificates(0, 0),
  flags: {
    ...WHERE,
    'expiring-within': {
      flags: '--expiring-within <duration>',
      kind: 'value',
      narrows: true,
      about: 'only what expires within it (30d, 12h) or has expired; exit code 2 if there is any',
    },
    watch: { flags: '-w, --watch', kind: 'switch', about: 'stay and show every change' },
  },
  outputs: [...DOCUMENTS, 'wide', 'yaml'],
  examples: [
    ['k3s-platform certs list -o wide', 'with every column'],
    ['k3s-platform certs list --expiring-within 30d', 'exit code 2: there is one'],
    ['k3s-platform certs list -n database --watch', 'stay and show every change'],
  ],
  exits: { 0: 'every certificate is healthy', 2: 'one is not' },
  options: (read, call) =>
    certsOptions('list', call, {
      namespace: read.last('namespace'),
      allNamespaces: read.on('all-namespaces'),
      expiringWithinMs: read.as('expiring-within', EXPIRY, parseExpiry) ?? null,
      watch: read.on('watch'),
    }),
  problems: ({ certs }) => [
    ...namespaceProblems(certs),
    ...(certs.watch && certs.document
      ? [usage('--watch', 'cannot be combined with this --output', 'supported formats: text, wide')]
      : []),
  ],
  load,
})

const explain = command({
  name: 'explain',
  about: 'explain why a certificate is not issued, and how to fix it',
  mode: 'apply',
  roles: [],
  arguments: certificates(0, ANY),
  flags: WHERE,
  outputs: [...DOCUMENTS, 'yaml'],
  examples: [
    ['k3s-platform certs explain', 'every certificate that is not healthy'],
    ['k3s-platform certs explain -n database postgresql-tls', 'one, healthy or not'],
    ['k3s-platform certs explain -o json', 'for scripts; schema: docs/schema/certs-v1.json'],
  ],
  exits: { 0: 'every certificate is healthy', 2: 'one is not' },
  options: (read, call) =>
    certsOptions('explain', call, {
      namespace: read.last('namespace'),
      allNamespaces: read.on('all-namespaces'),
    }),
  problems: ({ certs }) => namespaceProblems(certs),
  load,
})

const check = command({
  name: 'check',
  about: 'check whether Caddy serves what the Secrets contain',
  mode: 'apply',
  roles: [],
  arguments: certificates(0, ANY),
  flags: WHERE,
  outputs: DOCUMENTS,
  examples: [
    ['k3s-platform certs check', 'every certificate, from the node and from the workstation'],
    ['k3s-platform certs check -n database postgresql-tls', 'one certificate'],
  ],
  exits: { 0: 'all are served as issued', 2: 'one is not' },
  options: (read, call) =>
    certsOptions('check', call, {
      namespace: read.last('namespace'),
      allNamespaces: read.on('all-namespaces'),
    }),
  problems: ({ certs }) => namespaceProblems(certs),
  load,
})

const forecast = command({
  name: 'forecast',
  about: 'forecast every renewal, and those that will fail',
  mode: 'apply',
  roles: [],
  arguments: certificates(0, 0),
  flags: { ...WHERE, days: { flags: '--days <number>', kind: 'value', about: 'how far it goes (default: 400)' } },
  outputs: [...DOCUMENTS, 'html'],
  examples: [
    ['k3s-platform certs forecast', 'every renewal of 400 days'],
    ['k3s-platform certs forecast --days 90 -n database', 'less of it'],
    ['k3s-platform certs forecast -o html', 'a page with calendars: add > forecast.html'],
  ],
  exits: { 0: 'nothing will fail', 2: 'something will' },
  options: (read, call) =>
    certsOptions('forecast', call, {
      namespace: read.last('namespace'),
      allNamespaces: read.on('all-namespaces'),
      days: read.as('days', 'a number from 1 to 1100', (text) => wholeNumber(text, 1, 1_100)) ?? 400,
    }),
  problems: ({ certs }) => namespaceProblems(certs),
  load,
})

const ensure = command({
  name: 'ensure',
  about: "apply the inventory's issuers and certificates, or one domain's",
  mode: 'apply',
  roles: [],
  arguments: certificates(0, 0),
  flags: {
    app: DOMAIN.app,
    domain: { ...DOMAIN.domain, about: 'its domain; further ones join its certificate' },
    namespace: { ...WHERE.namespace, about: 'namespace of the application (default: default)' },
    issuer: {
      flags: '--issuer <name>',
      kind: 'value',
      again: true,
      about: 'ClusterIssuer (default: k3s_platform_issuer_default)',
    },
    ingress: {
      flags: '--ingress <service:port>',
      kind: 'value',
      again: true,
      about: 'also route the domains to this Service through Caddy',
    },
    wait: {
      flags: '--wait',
      kind: 'switch',
      again: true,
      about: 'with --app: wait until it is issued and served',
    },
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform certs ensure', 'those of the inventory, and wait for them'],
    ['k3s-platform certs ensure --app shop --domain shop.example.com --wait', "a deploy's domain"],
    ['k3s-platform certs ensure -l edge-1 -C', 'only show what would be done'],
  ],
  options: (read, call) =>
    certsOptions('ensure', call, {
      app: read.last('app'),
      domains: read.all('domain'),
      namespace: read.last('namespace'),
      issuer: read.last('issuer'),
      ingress: read.last('ingress'),
      wait: read.on('wait'),
    }),
  problems: ({ certs, fromEnv }, { where }) => [
    ...domainProblems(certs, where),
    ...(certs.app === null && certs.namespace !== null && !fromEnv.has('namespace')
      ? [usage('--namespace', `is not supported by ${where} without --app`, 'remove it')]
      : namespaceProblems(certs)),
  ],
  load,
})

const renew = command({
  name: 'renew',
  about: 'reissue certificates now, and wait for them',
  mode: 'apply',
  roles: [],
  arguments: certificates(0, ANY),
  flags: {
    ...WHERE,
    all: { flags: '--all', kind: 'switch', again: true, about: 'all certificates that match' },
    'expiring-within': {
      flags: '--expiring-within <duration>',
      kind: 'value',
      again: true,
      narrows: true,
      about: 'all that expire within it, such as 30d',
    },
    rehearse: {
      flags: '--rehearse',
      kind: 'switch',
      again: true,
      about: 'order from staging first; stop if it fails',
    },
    'staging-server': {
      flags: '--staging-server <url>',
      kind: 'value',
      again: true,
      about: "staging's ACME directory",
    },
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform certs renew -n database postgresql-tls', 'one certificate'],
    ['k3s-platform certs renew --expiring-within 30d --rehearse', 'staging first, then production'],
  ],
  exits: { 0: 'all are renewed and served', 2: "a limit of Let's Encrypt delays one, or one is not served yet" },
  options: (read, call) =>
    certsOptions('renew', call, {
      namespace: read.last('namespace'),
      allNamespaces: read.on('all-namespaces'),
      all: read.on('all'),
      expiringWithinMs: read.as('expiring-within', EXPIRY, parseExpiry) ?? null,
      rehearse: read.on('rehearse'),
      stagingServer:
        read.as('staging-server', 'a URL with https', (text) => (isDirectory(text) ? text : undefined)) ?? null,
    }),
  problems: ({ certs }, { where }) => [
    ...(certs.names.length === 0 && !certs.all && certs.expiringWithinMs === null
      ? [usage(where, 'requires a name', `name one, or select all: k3s-platform ${where} --all`)]
      : []),
    ...namespaceProblems(certs),
    ...(certs.all && certs.names.length > 0
      ? [usage('--all', 'cannot be combined with names', 'remove one of them')]
      : []),
    ...(certs.expiringWithinMs !== null && certs.names.length > 0
      ? [usage('--expiring-within', 'cannot be combined with names', 'remove one of them')]
      : []),
    ...(certs.stagingServer !== null && !certs.rehearse
      ? [usage('--staging-server', 'has no effect without --rehearse', 'add --rehearse')]
      : []),
  ],
  load,
})

const remove = command({
  name: 'remove',
  about: 'delete a certificate; its Secret stays unless you say so',
  mode: 'apply',
  roles: [],
  arguments: { ...certificates(0, 1), usage: '[name]' },
  flags: {
    namespace: { ...WHERE.namespace, about: 'namespace of the certificate (required with a name)' },
    app: { ...DOMAIN.app, about: 'instead of a name: the application of a domain' },
    domain: DOMAIN.domain,
    'delete-secret': {
      flags: '--delete-secret',
      kind: 'switch',
      again: true,
      about: 'also delete its Secret (default: keep it, no longer renewed)',
    },
    yes: RUN.yes,
  },
  outputs: REPORTS,
  examples: [
    ['k3s-platform certs remove -n database old-tls', 'ask for confirmation; the Secret stays'],
    ['k3s-platform certs remove -n database old-tls --delete-secret --yes', 'for scripts'],
    ['k3s-platform certs remove --app shop --domain shop.example.com', 'what certs ensure --app made'],
  ],
  options: (read, call) =>
    certsOptions('remove', call, {
      app: read.last('app'),
      domains: read.all('domain'),
      namespace: read.last('namespace'),
      deleteSecret: read.on('delete-secret'),
    }),
  problems: ({ certs }, { where }) => [
    ...domainProblems(certs, where),
    ...(certs.app !== null && certs.names.length > 0
      ? [usage('--app', 'cannot be combined with names', 'remove one of them')]
      : []),
    ...(certs.domains.length > 1
      ? [usage('--domain', 'only the first domain names a certificate', 'set one: all domains of it are removed')]
      : []),
    ...(certs.app === null && certs.names.length === 0
      ? [usage(where, 'requires the name of a certificate', `run: k3s-platform ${where} -n NAMESPACE NAME`)]
      : []),
    ...(certs.app === null && certs.namespace === null
      ? [usage(where, 'requires a namespace', `k3s-platform ${where} -n NAMESPACE ${certs.names[0] ?? 'NAME'}`)]
      : []),
    ...namespaceProblems(certs),
  ],
  load,
})

export const certs = commandGroup(
  {
    name: 'certs',
    about: 'list, explain, check, forecast, ensure, renew, remove certificates',
    group: 'Every day',
    verbs: [list, explain, check, forecast, ensure, renew, remove],
    examples: [
      ['k3s-platform certs', 'all certificates; exit code 2: one is not healthy'],
      ['k3s-platform certs explain', 'every certificate that is not healthy, with its cause and fix'],
      ['k3s-platform certs --expiring-within 30d', 'exit code 2: there is one'],
    ],
  },
  list,
)
