// certs ensure --app and certs remove --app: a domain of an application, on all selected hosts.

import { Resolver } from 'node:dns/promises'
import { isIP } from 'node:net'
import ipaddr from 'ipaddr.js'
import pMap from 'p-map'
import {
  certificateRef,
  domainFindings,
  domainRemoval,
  domainStages,
  type EnsuredDomain,
  ensuredDomain,
} from '../../../roles/k3s_platform_addon/ensured-domain.ts'
import { secretOf } from '../../../roles/k3s_platform_addon/placeholder.ts'
import { addon } from '../../../roles/k3s_platform_addon/role.ts'
import { type CustomDomain, customDomain } from '../../../roles/k3s_platform_addon/vars/certificates.ts'
import type { Finding } from '../../../roles/role.ts'
import { domainText, leadsTo } from '../../certificates/domain-table.ts'
import { row } from '../../certificates/row.ts'
import { anyOf } from '../../cluster/kinds/caddy.ts'
import { type Live, titleOf } from '../../cluster/object.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { bindVars } from '../../inventory/index.ts'
import type { CertsEnsureDocument } from '../../report/certs-documents.ts'
import { boundedProblems } from '../../report/door.ts'
import type { CertsCall, CertsOptions } from '../declarations/certs.ts'
import { shown } from '../flag-values.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open, type PreparedRun } from '../run.ts'
import type { Prepared } from '../targets.ts'
import { apiProblems, look } from './certs-hosts.ts'
import { type Resources, refusals } from './certs-resources.ts'

/** The flag that a field of a domain comes from. */
const FLAGS: Readonly<Record<string, string>> = {
  app: '--app',
  domains: '--domain',
  namespace: '--namespace',
  issuer: '--issuer',
  service: '--ingress',
}
const DNS_MS = 3000
const NAMES_AT_ONCE = 10

interface OnHost {
  readonly prepared: Prepared
  readonly one: EnsuredDomain
  /** The Certificate at the last look; undefined: the host was not reached. */
  live?: Live | null
}

/** Normalized: lowercase A-labels without the root's dot. Throws ProblemError with all that is wrong. */
function domainOf({ app, domains, namespace, issuer, ingress }: CertsOptions): CustomDomain {
  const { data, error } = customDomain.safeParse({
    ...{ app, domains },
    ...(namespace !== null && { namespace }),
    ...(issuer !== null && { issuer }),
    ...(ingress !== null && { service: ingress }),
  })
  if (data !== undefined) return { ...data, domains: [...new Set(data.domains)] }
  throw new ProblemError(
    error.issues.map(({ path: [field, at], message }) => {
      const value = field === 'domains' && typeof at === 'number' ? ` ${shown(domains[at] ?? '')}` : ''
      return { kind: 'usage', where: `${FLAGS[String(field)] ?? '--app'}${value}`, what: message }
    }),
  )
}

/** 0: it is as asked, which without `--wait` may mean that it is being issued; 2: with `--check` changes are pending; 1: it failed. */
export async function ensureDomain(options: CertsCall, io: Io): Promise<number> {
  const domain = domainOf(options.certs)
  const problems: Problem[] = []
  const opened = await open(
    { ...options, ownDocument: true },
    io,
    () => () => [],
    (event) => {
      if (event.event === 'problem') problems.push(event.problem)
    },
  )
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return 0
  }
  const hosts = onHosts(opened, domain, io)
  const targets = opened.targets.flatMap((target) => {
    const here = hosts.find(({ prepared }) => prepared.host.name === target.host)
    if (here === undefined) return []
    const seen = (live: Live | null) => {
      here.live = live
    }
    const stages = domainStages(here.one, contextOf(here.prepared, options), { wait: options.certs.wait, seen })
    const preflight: typeof target.preflight = ({ facts }) => apiProblems(target.host, facts.api)
    return [{ ...target, checks: 0, preflight, stages }]
  })
  const exitCode = opened.end(await opened.run(targets, options.mode))
  if (options.output !== 'json' && (options.output !== 'text' || options.mode === 'check')) return exitCode
  const rows = (await pMap(hosts, (here) => rowsOf(here, io), { concurrency: options.forks })).flat()
  if (options.output === 'text') {
    if (rows.length > 0) io.stdout.write(`\n${domainText(io.shown(rows))}`)
    return exitCode
  }
  const document: CertsEnsureDocument = {
    schema: 'k3s-platform/certs-ensure/v1',
    exitCode: exitCode === 0 || exitCode === 2 || exitCode === 130 ? exitCode : 1,
    domains: rows,
    problems: boundedProblems(problems),
  }
  io.document(document)
  return exitCode
}

/** What removes a domain from each host, and what of it is there, in words. Throws ProblemError for what must not be removed. */
export async function domainRemovals(
  opened: PreparedRun,
  options: CertsCall,
  io: Io,
): Promise<{ readonly resources: Resources; readonly words: readonly string[] }> {
  const { certs } = options
  const domain = domainOf(certs)
  const hosts = onHosts(opened, domain, io, { checked: false })
  const looked = await look(opened, { ...options, certs: { ...certs, namespace: domain.namespace } }, io)
  const [first = ''] = domain.domains
  const problems = [...looked.problems]
  const words: string[] = []
  for (const { prepared, one } of hosts) {
    const there = looked.found.filter((found) => found.prepared === prepared)
    const own = there.filter(({ row: { name } }) => name === one.certificate.name)
    problems.push(...refusals(own, certs, io))
    const title = titleOf(certificateRef(one))
    const fate = certs.deleteSecret ? 'is deleted too' : 'remains, but is no longer renewed'
    words.push(
      ...own.map(
        ({ row: { names, secretName } }) =>
          `${title} for ${names.join(', ')} from ${prepared.host.name} (its Secret ${secretName} ${fate})`,
      ),
    )
    const wider = there.find(
      ({ row: { name, names } }) => name.startsWith(`cert-${domain.app}-`) && names.includes(first),
    )
    if (own.length > 0 || wider === undefined) continue
    const what = `${first} does not name a Certificate: it is one of the domains ${wider.row.names.join(', ')}`
    const hint = `to remove all of them: --domain ${wider.row.names[0]}`
    problems.push({ kind: 'usage', where: `${prepared.host.name} ${title}`, what, hint })
  }
  if (problems.length > 0) throw new ProblemError(problems)
  const resources = hosts.map(
    ({ prepared, one }) => [prepared.host.name, domainRemoval(one, contextOf(prepared, options), certs)] as const,
  )
  return { resources: new Map(resources), words }
}

const contextOf = ({ host, address }: Prepared, { timeoutMs }: CliOptions) => ({
  host: host.name,
  address,
  boundSeconds: timeoutMs === null ? undefined : Math.ceil(timeoutMs / 1000),
})

/** The domain by the variables of each host. Throws ProblemError for what the rules of the inventory refuse. */
function onHosts(
  { prepared, reporter }: PreparedRun,
  domain: CustomDomain,
  io: Io,
  { checked = true }: { readonly checked?: boolean } = {},
): OnHost[] {
  const problems: Problem[] = []
  const hosts = prepared.flatMap((each): OnHost[] => {
    const bound = bindVars(each.host, addon.vars, { env: io.env })
    if (bound.value === undefined) {
      problems.push(...bound.problems)
      return []
    }
    const one = ensuredDomain(bound.value, domain)
    const at = { host: each.host.name, address: each.address, boundSeconds: undefined }
    if (checked) problems.push(...domainFindings(bound.value, one, at).map((finding) => told(finding, domain)))
    return [{ prepared: each, one }]
  })
  // Hosts of one inventory have the same mistakes.
  const distinct = [...new Map(problems.map((problem) => [JSON.stringify(problem), problem])).values()]
  if (distinct.some(({ kind }) => kind !== 'warning')) throw new ProblemError(distinct)
  for (const problem of distinct) reporter.emit({ at: io.now(), event: 'problem', host: null, problem })
  return hosts
}

function told({ path: [field, at], what, hint, warning }: Finding, domain: CustomDomain): Problem {
  const name = field === 'domains' && typeof at === 'number' ? ` ${domain.domains[at]}` : ''
  return {
    kind: warning ? 'warning' : 'usage',
    where: `${FLAGS[String(field)] ?? '--app'}${name}`,
    what,
    ...(hint !== undefined && { hint: hint.replace(/^issuer: /, '--issuer ') }),
  }
}

async function rowsOf({ prepared, one, live }: OnHost, io: Io): Promise<CertsEnsureDocument['domains'][number][]> {
  if (live === undefined) return []
  const found = row(live, new Date(io.now()))
  const { domain, certificate, v } = one
  const target = v.k3s_platform_external_dns_target
  const own = await all([prepared.address, ...(target === undefined ? [] : [target])].map(addressesOf))
  return pMap(
    domain.domains,
    async (name) => ({
      host: prepared.host.name,
      ...{ app: domain.app, namespace: domain.namespace, certificate: certificate.name, domain: name },
      tls_status: found?.status ?? 'pending',
      dns_configured: leadsTo(await addressesOf(anyOf(name)), own),
      expires: found?.notAfter ?? null,
      secret: secretOf(certificate),
    }),
    { concurrency: NAMES_AT_ONCE },
  )
}

async function all(lists: readonly Promise<string[] | null>[]): Promise<string[] | null> {
  const found = await Promise.all(lists)
  return found.includes(null) ? null : found.flatMap((list) => list ?? [])
}

/** By DNS alone, as an ACME server asks; empty: it has none. null: DNS did not answer. */
async function addressesOf(name: string): Promise<string[] | null> {
  if (isIP(name) > 0) return [ipaddr.parse(name).toString()]
  const resolver = new Resolver({ timeout: DNS_MS, tries: 2 })
  const absent = (error: NodeJS.ErrnoException) => (['ENOTFOUND', 'ENODATA'].includes(error.code ?? '') ? [] : null)
  const found = await Promise.all([resolver.resolve4(name).catch(absent), resolver.resolve6(name).catch(absent)])
  return found.includes(null) ? null : found.flatMap((list) => list ?? []).map((one) => ipaddr.parse(one).toString())
}
