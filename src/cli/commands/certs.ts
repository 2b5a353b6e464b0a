// certs: what is issued and what is not, why, and what can be done about it; over all selected hosts.

import type { Line } from '../../certificates/explain.ts'
import { storyText } from '../../certificates/story-text.ts'
import { tableText } from '../../certificates/table.ts'
import { refOf, titleOf } from '../../cluster/object.ts'
import { isOurs } from '../../cluster/ownership.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { nearest } from '../../engine/suggest.ts'
import type { CertsDocument } from '../../report/documents.ts'
import { EXIT } from '../../report/outcome.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { ask, hasTerminal } from '../prompt.ts'
import { type Opened, open } from '../run.ts'
import { shellWords } from '../shell-words.ts'
import { type Found, look, type Resources, refusals, removals, renewals } from './certs-hosts.ts'

export async function run(options: CliOptions, io: Io): Promise<number> {
  const { verb } = options.certs
  if (verb === 'ensure') return ensure(options, io)
  const tells = verb === 'list' || verb === 'explain'
  if (tells && (options.output === 'junit' || options.output === 'github')) {
    const hint = 'it has text and json'
    throw new ProblemError({ kind: 'usage', where: '--output', what: `certs ${verb} has no ${options.output}`, hint })
  }
  if (verb === 'remove' && !options.yes && options.mode === 'apply' && !hasTerminal()) {
    const hint = 'look with --check, then say --yes'
    throw new ProblemError({ kind: 'usage', where: 'certs remove', what: 'there is no terminal to ask on', hint })
  }
  const opened = await open(options, io, () => () => [])
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  const looked = await look(opened, options, io)
  const { found } = looked
  const problems = [...looked.problems, ...missing(looked, options)]
  if (tells) return tell(found, problems, options, io)
  if (problems.length > 0) throw new ProblemError(problems)
  if (verb === 'renew') return make(opened, options, renewals(found))

  const refused = refusals(found, options.certs, io)
  if (refused.length > 0) throw new ProblemError(refused)
  if (!options.yes && options.mode === 'apply') {
    const answer = await ask(`Remove ${found.map((one) => wordsOf(one, options)).join('; ')}? Only yes is taken: `)
    if (answer !== 'yes') {
      throw new ProblemError({ kind: 'interrupted', where: 'certs remove', what: 'not confirmed; nothing was touched' })
    }
  }
  return make(opened, options, removals(found, options.certs))
}

/** `Certificate database/old-tls from edge-1 (its Secret old-tls stays)` */
function wordsOf({ live, prepared, row }: Found, { certs }: CliOptions): string {
  const fate = certs.deleteSecret ? 'goes, too' : 'stays, and is not renewed any more'
  return `${titleOf(refOf(live))} from ${prepared.host.name} (its Secret ${row.secretName} ${fate})`
}

/** The inventory's issuers and certificates, as apply makes them, and waited for in any case. */
async function ensure(options: CliOptions, io: Io): Promise<number> {
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
async function make(opened: Opened, { mode, certs }: CliOptions, resources: Resources): Promise<number> {
  const targets = opened.targets.flatMap((target) => {
    const todo = resources.get(target.host)
    const stage = { role: 'certs', name: certs.verb, resources: todo ?? [] }
    return todo === undefined ? [] : [{ ...target, checks: 0, preflight: () => [], stages: [stage] }]
  })
  return opened.end(await opened.run(targets, mode))
}

/** What was named and is on no host; as long as all of them were seen. */
function missing({ found, known, problems }: Awaited<ReturnType<typeof look>>, { certs }: CliOptions): Problem[] {
  if (problems.length > 0) return []
  const absent = certs.names.filter((name) => !found.some(({ row }) => row.name === name))
  return absent.map((name) => {
    const near = nearest(name, known)
    return {
      kind: 'failed',
      where: `certs ${certs.verb}`,
      what: `there is no Certificate ${certs.namespace === null ? name : `${certs.namespace}/${name}`}`,
      hint: near ? `did you mean ${near}?` : 'k3s-platform certs list shows what there is',
    }
  })
}

function tell(found: readonly Found[], problems: readonly Problem[], options: CliOptions, io: Io): number {
  const waiting = found.filter(({ row }) => row.status !== 'issued')
  const exitCode = problems.length > 0 ? 1 : waiting.length > 0 ? 2 : 0
  if (options.output === 'json') {
    io.stdout.write(document(found, problems, exitCode))
    return exitCode
  }
  const several = new Set(found.map(({ prepared }) => prepared.host)).size > 1
  if (options.certs.verb === 'list') {
    const rows = found.map((one) => ({ ...one.row, host: one.prepared.host.name, owner: holderOf(one) }))
    if (rows.length > 0 || problems.length === 0)
      io.stdout.write(tableText(rows, several, whyOf(waiting, several, options)))
  } else {
    const texts = found.flatMap(({ story, prepared }) =>
      story === null ? [] : `${several ? `${prepared.host.name}\n` : ''}${storyText(story)}`,
    )
    if (texts.length > 0 || problems.length === 0) io.stdout.write(texts.join('\n') || 'every certificate is issued\n')
  }
  if (problems.length > 0) throw new ProblemError(problems)
  return exitCode
}

const holderOf = ({ owner, live }: Found) => owner ?? (isOurs(live) ? 'k3s-platform' : null)

/** The command that explains what is not issued, with the user's own flags. */
function whyOf(waiting: readonly Found[], several: boolean, { again, certs }: CliOptions): string {
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
function document(found: readonly Found[], problems: readonly Problem[], exitCode: 0 | 1 | 2): string {
  const document: CertsDocument = {
    schema: 'k3s-platform/certs/v1',
    exitCode,
    certificates: found.map((one) => ({
      host: one.prepared.host.name,
      namespace: one.row.namespace,
      name: one.row.name,
      status: one.row.status,
      issuer: one.row.issuer,
      names: one.row.names,
      secretName: one.row.secretName,
      notAfter: one.row.notAfter ?? null,
      renewalTime: one.row.renewalTime ?? null,
      owner: holderOf(one),
      ...(one.story && { tree: flat(one.story.tree), because: one.story.because }),
    })),
    problems,
  }
  return `${JSON.stringify(document, null, 2)}\n`
}

function flat({ object, state, under }: Line, depth = 0): { depth: number; object: string; state: string }[] {
  return [{ depth, object, state }, ...under.flatMap((line) => flat(line, depth + 1))]
}
