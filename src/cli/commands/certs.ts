// certs: lists, explains, checks, forecasts, ensures, renews and removes certificates on all selected hosts.

import { stringify } from 'yaml'
import type { Line } from '../../certificates/explain.ts'
import { isHealthy } from '../../certificates/state.ts'
import { storyText } from '../../certificates/story-text.ts'
import { type Listed, tableText } from '../../certificates/table.ts'
import { refOf, titleOf } from '../../cluster/object.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { shellWords } from '../../engine/shell-words.ts'
import { nearest } from '../../engine/suggest.ts'
import type { CertsDocument } from '../../report/certs-documents.ts'
import { boundedProblems } from '../../report/door.ts'
import { EXIT } from '../../report/outcome.ts'
import type { CertsCall } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import { ask, hasTerminal } from '../prompt.ts'
import { open, type PreparedRun } from '../run.ts'
import { check } from './certs-check.ts'
import { domainRemovals, ensureDomain } from './certs-domains.ts'
import { type Found, type HostCertManager, holderOf, look } from './certs-hosts.ts'
import { type Resources, refusals, removals } from './certs-resources.ts'
import { watch } from './certs-watch.ts'

export async function run(options: CertsCall, io: Io): Promise<number> {
  const { verb } = options.certs
  if (verb === 'ensure') return options.certs.app === null ? ensure(options, io) : ensureDomain(options, io)
  const tells = verb === 'list' || verb === 'explain'
  if (verb === 'remove' && !options.yes && options.mode === 'apply' && !hasTerminal()) {
    const hint = 'review with --check, then run with --yes'
    throw new ProblemError({
      kind: 'usage',
      where: 'certs remove',
      what: 'confirmation is required, but there is no terminal',
      hint,
    })
  }
  const opened = await open(options, io, () => () => [])
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  if (verb === 'check') return check(opened, options, io)
  if (verb === 'forecast') {
    const { forecastRenewals } = await import('./certs-forecast.ts')
    return forecastRenewals(opened, options, io)
  }
  if (options.certs.watch) return watch(opened, options, io)
  if (options.certs.app !== null) {
    const { resources, words } = await domainRemovals(opened, options, io)
    await confirmRemoval(words, options, io)
    return make(opened, options, resources)
  }
  const looked = await look(opened, options, io)
  const { found, managers } = looked
  const problems = [...looked.problems, ...missing(looked, options)]
  if (tells) return tell(found, managers, problems, options, io)
  if (problems.length > 0) throw new ProblemError(problems)
  if (verb === 'renew') {
    const { renew } = await import('./certs-renew.ts')
    return renew(opened, found, options, io)
  }

  const refused = refusals(found, options.certs, io)
  if (refused.length > 0) throw new ProblemError(refused)
  await confirmRemoval(
    found.map((one) => wordsOf(one, options)),
    options,
    io,
  )
  return make(opened, options, removals(found, options.certs))
}

/** Throws ProblemError unless it is confirmed. */
async function confirmRemoval(words: readonly string[], { yes, mode }: CertsCall, io: Io): Promise<void> {
  if (yes || mode !== 'apply' || words.length === 0) return
  const answer = await ask(`Remove ${words.map((text) => io.shown(text)).join('; ')}? Type yes to confirm: `)
  if (answer === 'yes') return
  throw new ProblemError({ kind: 'interrupted', where: 'certs remove', what: 'not confirmed; nothing was touched' })
}

/** `Certificate database/old-tls from edge-1 (its Secret old-tls stays)` */
function wordsOf({ live, prepared, row }: Found, { certs }: CertsCall): string {
  const fate = certs.deleteSecret ? 'is deleted too' : 'remains, but is no longer renewed'
  return `${titleOf(refOf(live))} from ${prepared.host.name} (its Secret ${row.secretName} ${fate})`
}

/** The inventory's issuers and certificates, as apply makes them, and waited for in any case. */
async function ensure(options: CertsCall, io: Io): Promise<number> {
  const stages = ['issuers', 'certificates']
  const asked = { ...options, extraVars: [...options.extraVars, 'k3s_platform_certificates_wait=true'] }
  const opened = await open(
    { ...asked, roles: ['k3s_platform_addon'] },
    io,
    (role) => (vars, context) => role.stages(vars, context).filter(({ name }) => stages.includes(name)),
  )
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  return opened.end(await opened.run(opened.targets, options.mode))
}

/** One stage on each host that has something to do; what forbids an apply does not forbid this. */
async function make(opened: PreparedRun, { mode, certs }: CertsCall, resources: Resources): Promise<number> {
  const targets = opened.targets.flatMap((target) => {
    const todo = resources.get(target.host)
    const stage = { role: 'certs', name: certs.verb, resources: todo ?? [] }
    return todo === undefined ? [] : [{ ...target, checks: 0, preflight: () => [], stages: [stage] }]
  })
  return opened.end(await opened.run(targets, mode))
}

/** What was named and is on no host; as long as all of them were seen. */
function missing({ found, known, problems }: Awaited<ReturnType<typeof look>>, { certs }: CertsCall): Problem[] {
  if (problems.length > 0) return []
  const absent = certs.names.filter((name) => !found.some(({ row }) => row.name === name))
  return absent.map((name) => {
    const near = nearest(name, known)
    return {
      kind: 'failed',
      where: `certs ${certs.verb}`,
      what: `Certificate ${certs.namespace === null ? name : `${certs.namespace}/${name}`} does not exist`,
      hint: near ? `did you mean ${near}?` : 'list all: k3s-platform certs list',
    }
  })
}

function tell(
  found: readonly Found[],
  managers: readonly HostCertManager[],
  problems: readonly Problem[],
  options: CertsCall,
  io: Io,
): number {
  const { verb, wide, yaml, expiringWithinMs } = options.certs
  const unhealthy = found.filter(({ row }) => !isHealthy(row.state))
  // Whoever asks for what expires soon wants to be alarmed by it.
  const alarming = verb === 'list' && expiringWithinMs !== null ? found : unhealthy
  const exitCode = problems.length > 0 ? 1 : alarming.length > 0 ? 2 : 0
  if (options.output === 'json') {
    const told = document(found, managers, boundedProblems(problems), exitCode)
    if (yaml) io.stdout.write(stringify(io.data(told), { lineWidth: 0 }))
    else io.document(told)
    return exitCode
  }
  const hosts = new Set(found.map(({ prepared }) => prepared.host)).size > 1
  if (verb === 'list') {
    const rows = found.map(listedOf)
    if (rows.length > 0 || problems.length === 0)
      io.stdout.write(tableText(io.shown(rows), { hosts, wide }, whyOf(unhealthy, hosts, options)))
  } else {
    const texts = found.flatMap(({ story, prepared }) =>
      story === null ? [] : `${hosts ? `${prepared.host.name}\n` : ''}${storyText(io.shown(story))}`,
    )
    if (texts.length > 0 || problems.length === 0) io.stdout.write(texts.join('\n') || 'every certificate is healthy\n')
  }
  if (problems.length > 0) throw new ProblemError(problems)
  return exitCode
}

const listedOf = ({ row, prepared, live, consumers }: Found): Listed => ({
  ...row,
  host: prepared.host.name,
  owner: holderOf(live),
  consumers: consumers ?? [],
})

/** The command that explains what is not issued, with the user's own flags. */
function whyOf(waiting: readonly Found[], several: boolean, { again, certs }: CertsCall): string {
  const [only, ...more] = waiting
  if (only === undefined) return ''
  const words =
    more.length > 0
      ? []
      : [
          ...(certs.namespace === null ? ['-n', only.row.namespace] : []),
          only.row.name,
          ...(several ? ['-l', only.prepared.host.name] : []),
        ]
  return again.replace(/^k3s-platform certs(?: list)?/, shellWords(['k3s-platform', 'certs', 'explain', ...words]))
}

/** `k3s-platform/certs/v1` */
function document(
  found: readonly Found[],
  managers: readonly HostCertManager[],
  problems: readonly Problem[],
  exitCode: 0 | 1 | 2,
): CertsDocument {
  return {
    schema: 'k3s-platform/certs/v1',
    exitCode,
    certificates: found.map((one) => ({
      host: one.prepared.host.name,
      namespace: one.row.namespace,
      name: one.row.name,
      status: one.row.status,
      state: one.row.state,
      issuer: one.row.issuer,
      issuerKind: one.row.issuerKind,
      names: one.row.names,
      secretName: one.row.secretName,
      createdAt: one.row.createdAt ?? null,
      notBefore: one.row.notBefore ?? null,
      notAfter: one.row.notAfter ?? null,
      renewalTime: one.row.renewalTime ?? null,
      owner: holderOf(one.live),
      ...(one.consumers && { consumers: one.consumers }),
      ...(one.story && { tree: flat(one.story.tree), because: one.story.because, details: one.story.details }),
    })),
    ...(managers.length > 0 && { certManager: managers }),
    problems,
  }
}

function flat({ object, state, under }: Line, depth = 0): { depth: number; object: string; state: string }[] {
  return [{ depth, object, state }, ...under.flatMap((line) => flat(line, depth + 1))]
}
