// doctor: runs the preflight checks and checks of the workstation, and changes nothing.

import { execFile } from 'node:child_process'
import pMap from 'p-map'
import { certificateFindings } from '../../certificates/findings.ts'
import type { Cluster } from '../../cluster/cluster.ts'
import { liveCopies } from '../../cluster/copies.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { DoctorDocument } from '../../report/documents.ts'
import { boundedProblems } from '../../report/door.ts'
import { EXIT } from '../../report/outcome.ts'
import { painter, wantsColour } from '../../report/style.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open } from '../run.ts'
import type { HostSession } from '../session.ts'
import type { HostTarget } from '../targets.ts'

/** What one patient has; `about` says what it is, as far as that could be seen. */
interface Report {
  readonly name: string
  readonly about: string
  readonly findings: readonly Problem[]
}

/** 0: nothing to say; 2: warnings; 1: something keeps `apply` from working. */
export async function run(options: CliOptions, io: Io): Promise<number> {
  const opened = await open(options, io, (role) => role.stages)
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  const here = workstationReport(io.env)
  const reports = await pMap(opened.targets, (target) => examine(target, io.now), { concurrency: options.forks })
  const all = [await here, ...reports]
  if (options.output === 'json') io.document(document(all))
  else io.stdout.write(letter(all, options, io))
  return exitCode(all)
}

/** One exec on a host; one more where a resource cannot be looked at, for what else is wrong. */
async function examine(target: HostTarget, now: Io['now']): Promise<Report> {
  const name = target.host
  const { signal } = new AbortController()
  let session: HostSession | undefined
  try {
    session = await target.connect(signal)
    const resources = target.stages.flatMap((stage) => stage.resources)
    const unseen: Problem[] = []
    const look = await session.observe(resources, signal).catch((error: unknown) => {
      if (!(error instanceof ProblemError) || error.problems.some(({ kind }) => kind !== 'failed')) throw error
      unseen.push(...error.problems)
      return session?.observe([], signal)
    })
    if (look === undefined) return { name, about: '', findings: unseen }
    const about = `${target.about(look.facts)}; ${target.checks} checks`
    const { api } = look.facts
    const found = api.is === 'up' ? await findingsOf(api.cluster, name, now) : []
    return { name, about, findings: [...target.preflight(look), ...found, ...unseen] }
  } catch (error) {
    if (error instanceof ProblemError) return { name, about: '', findings: error.problems }
    throw error
  } finally {
    await session?.close()
  }
}

/** What a working cluster has in it that will not end well. */
async function findingsOf(cluster: Cluster, host: string, now: Io['now']): Promise<Problem[]> {
  const [copies, certificates] = await Promise.all([
    liveCopies(cluster),
    cluster.list({ apiVersion: 'cert-manager.io/v1', kind: 'Certificate' }),
  ])
  const found = [...copies, ...certificateFindings(certificates, host, new Date(now()))]
  return found.map((one) => ({ kind: 'warning', ...one, where: `${host} ${one.where}` }))
}

/** Node.js, ssh and the agent: what logins go through. */
async function workstationReport(env: Io['env']): Promise<Report> {
  const ask = (command: string, args: readonly string[]) =>
    new Promise<{ code: number | string; text: string }>((resolve) => {
      execFile(command, args, { env: { ...env }, timeout: 5000 }, (error, stdout, stderr) =>
        resolve({ code: error === null ? 0 : (error.code ?? 1), text: `${stdout}${stderr}` }),
      )
    })
  const [ssh, agent] = await Promise.all([
    ask('ssh', ['-V']),
    env.SSH_AUTH_SOCK ? ask('ssh-add', ['-l']) : { code: 2, text: '' },
  ])
  const version = /OpenSSH_(\d+\.\d+)/.exec(ssh.text)?.[1]
  const keys = agent.code === 0 ? agent.text.trim().split('\n').length : 0
  const findings: Problem[] = []
  if (ssh.code === 'ENOENT') {
    findings.push({
      kind: 'warning',
      where: 'workstation',
      what: 'ssh is not installed',
      why: 'jump hosts, certificates and security keys require it; plain keys do not',
      hint: 'install the OpenSSH client: apt-get install openssh-client',
    })
  }
  if (env.SSH_AUTH_SOCK && agent.code !== 0 && agent.code !== 1) {
    findings.push({
      kind: 'warning',
      where: 'workstation',
      what: 'the SSH agent does not answer',
      why: `SSH_AUTH_SOCK is ${env.SSH_AUTH_SOCK}`,
      hint: 'eval "$(ssh-agent)" && ssh-add, or unset SSH_AUTH_SOCK',
    })
  }
  const holds =
    agent.code === 0 || agent.code === 1 ? `${keys} ${keys === 1 ? 'key' : 'keys'} in the agent` : 'no agent'
  return {
    name: 'workstation',
    about: [`node ${process.versions.node}`, version === undefined ? 'no ssh' : `ssh ${version}`, holds].join(', '),
    findings,
  }
}

const worst = (findings: readonly Problem[]): DoctorDocument['status'] =>
  findings.some(({ kind }) => kind !== 'warning') ? 'failed' : findings.length > 0 ? 'warnings' : 'ok'

function exitCode(reports: readonly Report[]): 0 | 1 | 2 {
  return ({ ok: 0, warnings: 2, failed: 1 } as const)[worst(reports.flatMap(({ findings }) => findings))]
}

function counts(reports: readonly Report[]): { hosts: number; failures: number; warnings: number } {
  const all = reports.flatMap(({ findings }) => findings)
  const warnings = all.filter(({ kind }) => kind === 'warning').length
  return { hosts: reports.length - 1, failures: all.length - warnings, warnings }
}

/** `k3s-platform/doctor/v1` */
function document(reports: readonly Report[]): DoctorDocument {
  const [workstation, ...hosts] = reports.map(({ name, about, findings }) => ({
    name,
    status: worst(findings),
    about,
    findings: boundedProblems(findings),
  }))
  const status = worst(reports.flatMap(({ findings }) => findings))
  const { failures, warnings } = counts(reports)
  return {
    schema: 'k3s-platform/doctor/v1',
    ...{ status, exitCode: exitCode(reports), failures, warnings },
    workstation,
    hosts,
  }
}

/** Name, sign, what and why on one line; the command that fixes it alone on the next, to be copied. */
function letter(reports: readonly Report[], options: CliOptions, io: Io): string {
  const paint = painter(wantsColour({ color: options.color, env: io.env, isTTY: io.stdout.isTTY === true }))
  const width = Math.max(...reports.map(({ name }) => name.length)) + 2
  const indent = ' '.repeat(width + 6)
  const bounded = reports.map((one) => ({ ...one, findings: boundedProblems(one.findings) }))
  const lines = io.shown(bounded).flatMap(({ name, about, findings }) => {
    if (findings.length === 0) return [`${name.padEnd(width)}${paint('green', 'ok')}    ${about}`]
    const sorted = findings.toSorted((a, b) => Number(a.kind === 'warning') - Number(b.kind === 'warning'))
    return sorted.flatMap(({ kind, where, what, why, hint }, i) => {
      const sign = kind === 'warning' ? paint('yellow', 'warn') : paint('red', 'FAIL')
      const place = where === name ? '' : `${where.startsWith(`${name} `) ? where.slice(name.length + 1) : where}: `
      const text = `${place}${what}${why === undefined ? '' : `: ${why}`}`.split('\n')
      return [
        `${(i === 0 ? name : '').padEnd(width)}${sign}  ${text[0]}`,
        ...text.slice(1).map((line) => `${indent}  ${line}`),
        ...(hint === undefined ? [] : hint.split('\n').map((line) => `${indent}${paint('dim', line)}`)),
      ]
    })
  })
  const { hosts, failures, warnings } = counts(reports)
  const many = (n: number, word: string) => `${n} ${word}${n === 1 ? '' : 's'}`
  return `${[...lines, [many(hosts, 'host'), many(failures, 'failure'), many(warnings, 'warning')].join(', ')].join('\n')}\n`
}
