// kubeconfig: merges the hosts' access into the workstation's kubeconfig, prints it, or opens a tunnel.

import { existsSync } from 'node:fs'
import pMap from 'p-map'
import { stringify } from 'yaml'
import type { ClusterAccess } from '../../../roles/role.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import type { HostResource } from '../../host/resource.ts'
import { sh } from '../../host/sh.ts'
import { type Access, accessOf, kubeconfigOf, type Merged, merge } from '../../kubeconfig/merge.ts'
import { kubeconfigPath } from '../../kubeconfig/path.ts'
import type { KubeconfigDocument } from '../../report/documents.ts'
import { EXIT } from '../../report/outcome.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open } from '../run.ts'
import type { HostTarget } from '../targets.ts'
import { tunnel } from '../tunnel.ts'
import { locate, workstation } from '../workstation.ts'

interface Wanted extends ClusterAccess {
  readonly target: HostTarget
  /** The address that SSH goes to. */
  readonly address: string
  readonly server: string
}

interface Line {
  readonly host: string
  readonly context: string
  readonly server: string
  readonly is: Merged['is']
}

interface KubeconfigCall extends CliOptions {
  readonly kubeconfig: {
    readonly context: string | null
    readonly server: string | null
    readonly use: boolean
    readonly replace: boolean
    readonly print: boolean
    readonly tunnel: boolean
    /** The command line behind `--`. */
    readonly command: readonly string[]
  }
}

export async function run(options: KubeconfigCall, io: Io): Promise<number> {
  const how = options.kubeconfig
  const found = new Map<string, ClusterAccess & { readonly address: string }>()
  const opened = await open(options, io, (role) => (vars, context) => {
    const access = role.access?.(vars, context)
    if (access !== undefined) found.set(context.host, { ...access, address: context.address })
    return []
  })
  if (options.listHosts) {
    io.stdout.write(opened.targets.map(({ host }) => `${host}\n`).join(''))
    return EXIT.ok
  }
  const problems = contradictions(options, opened.targets)
  const wanted = opened.targets.flatMap((target): Wanted[] => {
    const access = found.get(target.host)
    const server = access && serverOf(how.server ?? 'ssh-host', access, target.host, problems)
    return access && server ? [{ ...access, target, server }] : []
  })
  if (problems.length > 0) throw new ProblemError(problems)

  const [only] = wanted
  if (how.tunnel && only) {
    const session = await only.target.connect(new AbortController().signal)
    try {
      const fetched = await fetchFrom(only, session, options)
      return await tunnel(fetched, only.port, session, how.command, io)
    } finally {
      await session.close()
    }
  }

  const fetched = await pMap(
    wanted,
    async (one): Promise<Access | Problem[]> => {
      try {
        const session = await one.target.connect(new AbortController().signal)
        try {
          return await fetchFrom(one, session, options)
        } finally {
          await session.close()
        }
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        return [...error.problems]
      }
    },
    { concurrency: options.forks },
  )
  const failed = fetched.flatMap((one) => (Array.isArray(one) ? one : []))
  const got = wanted.flatMap((one, i) => {
    const access = fetched[i]
    return access === undefined || Array.isArray(access) ? [] : [{ host: one.target.host, server: one.server, access }]
  })
  if (how.print) {
    if (failed.length > 0) throw new ProblemError(failed)
    io.reveal(stringify(kubeconfigOf(got.map(({ access }) => access)), { lineWidth: 0 }))
    return EXIT.ok
  }

  const here = workstation(io)
  const path = kubeconfigPath(io.env.KUBECONFIG, (file) => existsSync(locate(io, file)))
  const lines: Line[] = []
  const mergeAll = (text: string | null): string => {
    for (const { host, server, access } of got) {
      try {
        const first = lines.length === 0
        const merged = merge(text, access, { where: path, use: how.use && first, replace: how.replace })
        lines.push({ host, context: access.name, server, is: merged.is })
        text = merged.text
      } catch (error) {
        if (!(error instanceof ProblemError)) throw error
        failed.push(...error.problems)
      }
    }
    return text ?? ''
  }
  if (options.mode === 'check') mergeAll(here.read(path)?.content ?? null)
  else if (got.length > 0) await here.edit(path, mergeAll)
  if (options.output === 'json') io.document(document(path, lines))
  else
    io.stdout.write(
      io
        .shown(lines)
        .map((line) => sentence(line, path))
        .join(''),
    )
  if (failed.length > 0) throw new ProblemError(failed)
  return options.mode === 'check' && lines.some(({ is }) => is !== 'unchanged') ? EXIT.pending : EXIT.ok
}

const SIGNS = { added: '+', updated: '~', unchanged: '=' } as const

function sentence({ host, context, server, is }: Line, path: string): string {
  return `${host}  ${SIGNS[is]} context ${context} (${server}) in ${path}\n`
}

function document(path: string, contexts: readonly Line[]): KubeconfigDocument {
  return { schema: 'k3s-platform/kubeconfig/v1', path, contexts }
}

/** One exec: the look at the host with nothing to look at but this file. */
async function fetchFrom(
  { source, target, address, server }: Wanted,
  session: Awaited<ReturnType<HostTarget['connect']>>,
  { kubeconfig }: KubeconfigCall,
): Promise<Access> {
  let text = ''
  const resource: HostResource = {
    id: `kubeconfig:${source}`,
    title: source,
    probe: sh`[ ! -f ${source} ] || cat -- ${source}`,
    read: (answer) => {
      text = answer.text
      return { actual: null }
    },
    desired: () => null,
    steps: () => [],
  }
  await session.observe([resource], new AbortController().signal)
  if (text === '') {
    throw new ProblemError({
      kind: 'failed',
      where: `${target.host} ${source}`,
      what: 'the kubeconfig does not exist',
      why: 'k3s writes it on its first start',
      hint: `k3s-platform apply -l ${target.host}`,
    })
  }
  const name = kubeconfig.context ?? target.host
  return accessOf(text, { name, server, origin: { host: target.host, address }, where: `${target.host} ${source}` })
}

function serverOf(
  server: string,
  { address, port, sans }: ClusterAccess & { address: string },
  host: string,
  problems: Problem[],
): string | undefined {
  if (/^https:\/\//.test(server) && URL.canParse(server)) return server
  const name = server === 'ssh-host' ? address : server === 'tls-san' ? sans[0] : server
  if (name !== undefined && (name === address || sans.includes(name))) {
    return `https://${name.includes(':') ? `[${name}]` : name}:${port}`
  }
  const what =
    name === undefined ? 'k3s_platform_tls_sans is empty' : `the API certificate of ${host} does not include ${name}`
  const hint = 'add the name to k3s_platform_tls_sans and run apply, or use a full URL: --server https://...'
  problems.push({ kind: 'usage', where: `--server ${server}`, what, hint })
  return undefined
}

function contradictions({ kubeconfig: how }: KubeconfigCall, targets: readonly HostTarget[]): Problem[] {
  const usage = (where: string, what: string, hint: string): Problem => ({ kind: 'usage', where, what, hint })
  const on = (['use', 'replace', 'print', 'server'] as const).filter((flag) => how[flag])
  return [
    ...(how.tunnel ? on : []).map((flag) =>
      usage(`--${flag}`, 'cannot be combined with --tunnel, which does not write a kubeconfig', 'remove one of them'),
    ),
    ...(how.print ? on.filter((flag) => flag === 'use' || flag === 'replace') : []).map((flag) =>
      usage(`--${flag}`, 'cannot be combined with --print, which does not write a file', 'remove one of them'),
    ),
    ...(how.command.length > 0 && !how.tunnel
      ? [usage('--', 'a command can only be run through a tunnel', 'add --tunnel')]
      : []),
    ...((how.tunnel || how.context !== null) && targets.length !== 1
      ? [usage(how.tunnel ? '--tunnel' : '--context', `expects one host, not ${targets.length}`, 'name one host')]
      : []),
  ]
}
