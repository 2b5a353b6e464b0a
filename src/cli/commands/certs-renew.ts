// certs renew: reissues what Let's Encrypt's limits leave, from staging first where that is asked for, and proves that it is served.

import { refusalText } from '../../certificates/buckets.ts'
import type { CertificateRef } from '../../certificates/forecast.ts'
import { type LaterRenewal, planRenewals } from '../../certificates/renewal-plan.ts'
import { isServed, type ServedRow } from '../../certificates/served.ts'
import { when } from '../../certificates/words.ts'
import { noRehearsal, rehearsal } from '../../cluster/kinds/rehearsal.ts'
import { titleOf } from '../../cluster/object.ts'
import type { HostResult } from '../../engine/events.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { shellWords } from '../../engine/shell-words.ts'
import type { CertsCall } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import type { PreparedRun } from '../run.ts'
import { checked } from './certs-check.ts'
import { readCertificates } from './certs-forecast.ts'
import { type Found, tellerOf } from './certs-hosts.ts'
import { renewals } from './certs-resources.ts'

type OpenedRun = Pick<PreparedRun, 'prepared' | 'targets' | 'reporter' | 'run' | 'end'>
type RenewCall = Pick<CertsCall, 'certs' | 'mode' | 'forks'>

/** 0: all are renewed and served; 2: a limit delays one, or Caddy does not serve one yet; 1: one failed. */
export async function renew(opened: OpenedRun, found: readonly Found[], options: RenewCall, io: Io): Promise<number> {
  const { certs, mode } = options
  if (found.length === 0) opened.reporter.say('no certificate matches')
  const { certificates, problems } = await readCertificates(opened, options, io)
  if (problems.length > 0) throw new ProblemError(problems)
  const keys = new Set(found.map((one) => keyOf(refOf(one))))
  const plan = planRenewals(certificates, (one) => keys.has(keyOf(one)), io.now())
  const fitting = new Set(plan.now.map(keyOf))
  const todo = found.filter((one) => fitting.has(keyOf(refOf(one))))
  for (const one of plan.later) warn(opened, delayed(one, io.now()), io)

  const resources = renewals(todo, io)
  const targets = opened.targets.flatMap((target) => {
    const own = found.filter(({ prepared }) => prepared.host.name === target.host)
    if (own.length === 0) return []
    const fit = todo.filter(({ prepared }) => prepared.host.name === target.host).map(tellerOf)
    const isRehearsed = certs.rehearse && fit.length > 0
    const first = isRehearsed ? rehearsal({ certificates: fit, server: certs.stagingServer }) : noRehearsal()
    const stages = [
      { role: 'certs', name: isRehearsed ? 'rehearse' : 'cleanup', resources: [first] },
      { role: 'certs', name: 'renew', resources: resources.get(target.host) ?? [] },
    ]
    return [{ ...target, checks: 0, preflight: () => [], stages }]
  })
  const results = await opened.run(targets, mode)
  const done = results.filter(({ status }) => status === 'ok').map(({ host }) => host)
  const unserved =
    mode === 'check'
      ? []
      : await notServed(
          todo.filter(({ prepared }) => done.includes(prepared.host.name)),
          io,
        )
  for (const { problem } of unserved) warn(opened, problem, io)
  const open = new Set([...plan.later.map(({ certificate }) => certificate.host), ...unserved.map(({ host }) => host)])
  return opened.end(
    results.map((one): HostResult => (open.has(one.host) && one.status === 'ok' ? { ...one, status: 'pending' } : one)),
  )
}

const refOf = ({ prepared, row: { namespace, name } }: Found): CertificateRef => ({
  host: prepared.host.name,
  namespace,
  name,
})
const keyOf = ({ host, namespace, name }: CertificateRef) => JSON.stringify([host, namespace, name])

function warn({ reporter }: OpenedRun, problem: Problem, { now }: Io): void {
  reporter.emit({ at: now(), event: 'problem', host: null, problem })
}

function delayed({ certificate: { host, namespace, name }, refusal, at }: LaterRenewal, now: number): Problem {
  return {
    kind: 'warning',
    where: `${host} ${titleOf({ kind: 'Certificate', namespace, name })}`,
    what: `not renewed: ${refusalText(refusal)}; it fits ${when(new Date(at), new Date(now))}`,
    hint: `then run: ${shellWords(['k3s-platform', 'certs', 'renew', '-n', namespace, name, '-l', host])}`,
  }
}

/** What Caddy has to serve, and shows another certificate for; and hosts where that could not be read. */
async function notServed(renewed: readonly Found[], io: Io): Promise<{ host: string; problem: Problem }[]> {
  const keys = new Set(renewed.map((one) => keyOf(refOf(one))))
  const hosts = [...new Set(renewed.map(({ prepared }) => prepared))]
  const found = await Promise.all(
    hosts.map(async (prepared) => {
      const host = prepared.host.name
      try {
        const rows = await checked(prepared, null, [], io)
        // Of several certificates for one name, Caddy shows one.
        const isShown = (name: string) => rows.some((one) => one.servername === name && isServed(one))
        return rows
          .filter((one) => keys.has(keyOf(one)) && !isShown(one.servername))
          .map((one) => ({ host, problem: outdated(one) }))
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        return error.problems.map((problem) => ({ host, problem: { ...problem, kind: 'warning' as const } }))
      }
    }),
  )
  return found.flat()
}

function outdated({ host, namespace, name, servername, node, outside }: ServedRow): Problem {
  const why = node.why ?? outside?.why ?? undefined
  return {
    kind: 'warning',
    where: `${host} ${titleOf({ kind: 'Certificate', namespace, name })}`,
    what: `renewed, but Caddy does not serve the new certificate for ${servername}`,
    ...(why !== undefined && { why }),
    hint: shellWords(['k3s-platform', 'certs', 'check', servername, '-l', host]),
  }
}
