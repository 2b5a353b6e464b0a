// Writes the node's kubeconfig to the workstation, with the address and name of the host.

import { stringify } from 'yaml'
import { ProblemError } from '../../src/engine/problem.ts'
import { sha256 } from '../../src/files/digest.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { sh } from '../../src/host/sh.ts'
import { accessOf, kubeconfigOf } from '../../src/kubeconfig/merge.ts'
import { ownFile } from '../../src/kubeconfig/path.ts'
import type { ClusterAccess, RoleContext, Workstation } from '../role.ts'
import { wholeConfigOf } from './config.ts'
import type { BootstrapVars } from './vars.ts'

const MARK = '# Managed by k3s-platform.'
const FORM = 2

export interface KubeconfigSpec {
  /** On the node, as k3s writes it. */
  readonly source: string
  /** On the workstation. */
  readonly path: string
  readonly server: string
  /** Of cluster, user and context: the host's. */
  readonly name: string
  readonly workstation: Pick<Workstation, 'read' | 'write'>
}

export function kubeconfig(spec: KubeconfigSpec): HostResource {
  const { source, path, workstation } = spec
  return {
    id: `kubeconfig:${path}`,
    title: path,
    workstation: true,
    probe: sh`[ ! -f ${source} ] || cat -- ${source}`,
    read: ({ text }) => {
      if (text === '') return { actual: null, deferred: 'k3s writes it on its first start' }
      const here = readable(spec)
      if (here !== null && !isOurs(here.content)) throw notOurs(spec)
      // What the node gives is refused in a plan, too, although nothing is written yet.
      const same = here !== null && isMadeOf(here.content, text, spec)
      const wanted = same ? here.content : localKubeconfig(text, spec)
      if (here === null) return { actual: null }
      const content = here.content === wanted ? 'that of the node' : 'another'
      return { actual: { content, mode: here.mode } }
    },
    desired: () => ({ content: 'that of the node', mode: '600' }),
    steps: () => [
      {
        title: 'fetch the kubeconfig',
        read: sh`cat -- ${source}`,
        save: async (bytes) => {
          const content = localKubeconfig(bytes.toString('utf8'), spec)
          await workstation.write(path, content).catch((error: unknown) => {
            throw unwritable(spec, error)
          })
        },
      },
    ],
  }
}

/** Nobody's kubeconfig is overwritten: it may be the only way to another cluster. */
function notOurs({ path, name }: KubeconfigSpec): ProblemError {
  return new ProblemError({
    kind: 'failed',
    where: `${name} ${path}`,
    what: 'the file exists and was not written by k3s-platform',
    why: "the node's kubeconfig would overwrite it",
    hint: 'move the file, or set another path: k3s_platform_kubeconfig_dest',
  })
}

/** What cannot be read is written: the reason comes to light there, and only where it is to be written. */
function readable({ workstation, path }: KubeconfigSpec): ReturnType<Workstation['read']> {
  try {
    return workstation.read(path)
  } catch {
    return null
  }
}

function unwritable({ path, name }: KubeconfigSpec, error: unknown): ProblemError {
  return new ProblemError({
    kind: 'failed',
    where: `${name} ${path}`,
    what: 'The kubeconfig could not be written to this workstation; the node itself has converged',
    why: error instanceof Error ? error.message : String(error),
    hint: 'set another path: k3s_platform_kubeconfig_dest; or do not fetch it: k3s_platform_kubeconfig_fetch: false',
  })
}

/** k3s names everything `default` and points to 127.0.0.1. */
export function localKubeconfig(text: string, spec: Omit<KubeconfigSpec, 'path' | 'workstation'>): string {
  const { server, name, source } = spec
  const access = accessOf(text, { name, server, where: `${name} ${source}` })
  const body = stringify(kubeconfigOf([access]), { lineWidth: 0 })
  return `${heading(body, text, spec)}\n${body}`
}

/**
 * It proves that the body was made of `text`, so that what is converged need not be made again: YAML is slow to read. `FORM`
 * changes with what is taken from `text`: a body that was made by other rules is made again.
 */
function heading(body: string, text: string, { server, name }: Pick<KubeconfigSpec, 'server' | 'name'>): string {
  const proof = sha256(JSON.stringify([FORM, body, text, server, name]))
  return `${MARK} Kubeconfig of ${name}; manual changes are reverted. ${proof.slice(0, 32)}`
}

function isMadeOf(content: string, text: string, spec: Pick<KubeconfigSpec, 'server' | 'name'>): boolean {
  const end = content.indexOf('\n')
  return content.slice(0, end) === heading(content.slice(end + 1), text, spec)
}

/** A person gets it; a pipeline says so, for it leaves the key to the cluster behind. */
export function wantsKubeconfig(v: BootstrapVars, { interactive = false }: RoleContext): boolean {
  return v.k3s_platform_kubeconfig_fetch ?? interactive
}

/** Where the role's own copy is on the workstation. */
export function kubeconfigDest(v: BootstrapVars, { host }: Pick<RoleContext, 'host'>): string {
  return v.k3s_platform_kubeconfig_dest ?? ownFile(`${host}.yaml`)
}

/** Whether a file of the workstation was written by this role. */
export function isOurs(content: string): boolean {
  return content.startsWith(MARK)
}

/** What the command `kubeconfig` needs to know of a host. */
export function access(v: BootstrapVars, context: RoleContext): ClusterAccess {
  const config = wholeConfigOf(v, context)
  const sans = [config['tls-san']].flat().filter((san) => typeof san === 'string')
  return {
    source: String(config['write-kubeconfig'] ?? v.k3s_platform_kubeconfig_path),
    port: Number(config['https-listen-port'] ?? 6443),
    sans: sans.filter((san) => san !== context.address),
  }
}
