// status: shows what runs on each host and what is not well, once or until Ctrl-C.

import pMap from 'p-map'
import { stringify } from 'yaml'
import { ProblemError } from '../../engine/problem.ts'
import { shellWords } from '../../engine/shell-words.ts'
import type { HostResource } from '../../host/resource.ts'
import { EXIT } from '../../report/outcome.ts'
import { statusLines } from '../../report/status-text.ts'
import type { HostStatus, StatusDocument } from '../../report/status-v1.ts'
import { painter, wantsColour } from '../../report/style.ts'
import { natural } from '../../supply/lock.ts'
import type { StatusCall } from '../declarations/status.ts'
import type { Io } from '../io.ts'
import { open } from '../run.ts'
import type { HostSession } from '../session.ts'
import type { HostTarget } from '../targets.ts'
import { readStatus, unreadStatus } from './status-host.ts'
import { watchStatus } from './status-watch.ts'

/** Of a screen that no one has measured: a pipe, or a terminal that does not tell. */
const SCREEN = { columns: 100, rows: 40 }

export async function run(options: StatusCall, io: Io): Promise<number> {
  const probes = new Map<string, HostResource>()
  const opened = await open(options, io, (role) => (vars, context) => {
    const probe = role.status?.(vars, context)
    if (probe !== undefined) probes.set(context.host, probe)
    return []
  })
  const { targets, lock } = opened
  if (options.listHosts) {
    io.stdout.write(targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  const newestLocked =
    Object.keys(lock.content.k3s ?? {})
      .toSorted(natural)
      .at(-1) ?? null
  const read = async (
    target: Pick<HostTarget, 'host'>,
    session: HostSession,
    signal: AbortSignal,
  ): Promise<HostStatus> => {
    const { host } = target
    const probe = probes.get(host)
    if (probe === undefined) throw new Error(`no probe for ${host}`)
    const command = (words: readonly string[]) => aboutHost(words, host, targets.length > 1, options)
    return readStatus(session, { host, probe, newestLocked, command, now: new Date(io.now()) }, signal)
  }
  const text = (hosts: readonly HostStatus[]) => textOf(hosts, options, io)
  if (options.watch) return watchStatus(targets, { read, text, exitCode, forks: options.forks }, io)
  const hosts = await pMap(targets, (target) => once(target, read), { concurrency: options.forks })
  const code = exitCode(hosts)
  if (options.output !== 'json')
    io.stdout.write(
      text(hosts)
        .map((line) => `${line}\n`)
        .join(''),
    )
  else if (options.yaml) io.stdout.write(stringify(io.data(document(hosts)), { lineWidth: 0 }))
  else io.document(document(hosts))
  return code
}

export type ReadHost = (
  target: Pick<HostTarget, 'host'>,
  session: HostSession,
  signal: AbortSignal,
) => Promise<HostStatus>

/** One connection, one look. A host that fails is no obstacle to the others. */
async function once(target: HostTarget, read: ReadHost): Promise<HostStatus> {
  const { signal } = new AbortController()
  let session: HostSession | undefined
  try {
    session = await target.connect(signal)
    return await read(target, session, signal)
  } catch (error) {
    if (error instanceof ProblemError) return unreadStatus(target.host, error)
    throw error
  } finally {
    await session?.close()
  }
}

/** A command about one host, with the user's own flags. */
function aboutHost(words: readonly string[], host: string, several: boolean, { again, hosts }: StatusCall): string {
  const flags = again.slice(shellWords(['k3s-platform', 'status', ...hosts]).length)
  const one = several || hosts.length > 0 ? ` ${shellWords(['-l', host])}` : ''
  return `${shellWords(['k3s-platform', ...words])}${flags}${one}`
}

function exitCode(hosts: readonly HostStatus[]): 0 | 1 | 2 {
  return ({ ok: 0, warnings: 2, failed: 1 } as const)[worst(hosts)]
}

const worst = (hosts: readonly HostStatus[]): HostStatus['status'] =>
  (['failed', 'warnings'] as const).find((word) => hosts.some(({ status }) => status === word)) ?? 'ok'

/** `k3s-platform/status/v1` */
function document(hosts: readonly HostStatus[]): StatusDocument {
  return { schema: 'k3s-platform/status/v1', status: worst(hosts), exitCode: exitCode(hosts), hosts }
}

function textOf(hosts: readonly HostStatus[], { color, again, hosts: words }: StatusCall, io: Io): string[] {
  const paint = painter(wantsColour({ color, env: io.env, isTTY: io.stdout.isTTY === true }))
  const { columns = SCREEN.columns, rows = SCREEN.rows } = io.stdout
  const flags = again.slice(shellWords(['k3s-platform', 'status', ...words]).length)
  const view = { columns, rows, paint, now: new Date(io.now()), again: `k3s-platform status${flags}` }
  return statusLines(io.shown(hosts), view)
}
