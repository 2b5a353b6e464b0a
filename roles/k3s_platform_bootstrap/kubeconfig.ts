// The node's kubeconfig on the workstation: its server is the address that the workstation knows, its names are the host's.

import { createHash } from 'node:crypto'
import { stringify } from 'yaml'
import { ProblemError } from '../../src/engine/problem.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { sh } from '../../src/host/sh.ts'
import { accessOf, kubeconfigOf } from '../../src/kubeconfig/merge.ts'
import type { ClusterAccess, RoleContext, Workstation } from '../role.ts'
import { wholeConfigOf } from './config.ts'
import type { Vars } from './vars.ts'

const MARK = '# Managed by k3s-platform.'

export interface KubeconfigSpec {
  /** On the node, as k3s writes it. */
  readonly source: string
  /** On the workstation. */
  readonly path: string
  readonly server: string
  /** Of cluster, user and context. */
  readonly name: string
  readonly workstation: Pick<Workstation, 'read' | 'write'>
}

export function kubeconfig(spec: KubeconfigSpec): HostResource {
  const { source, path, workstation } = spec
  return {
    id: `kubeconfig:${path}`,
    title: path,
    probe: sh`[ ! -f ${source} ] || cat -- ${source}`,
    read: ({ text }) => {
      if (text === '') return { actual: null, deferred: 'k3s writes it at its first start' }
      const here = workstation.read(path)
      if (here === null) return { actual: null }
      if (!isOurs(here.content)) throw notOurs(spec)
      const same = isMadeOf(here.content, text, spec) || here.content === localKubeconfig(text, spec)
      const content = same ? 'that of the node' : 'another'
      return { actual: { content, mode: here.mode } }
    },
    desired: () => ({ content: 'that of the node', mode: '600' }),
    steps: () => [
      {
        title: 'fetch the kubeconfig',
        read: sh`cat -- ${source}`,
        save: (bytes) => workstation.write(path, localKubeconfig(bytes.toString('utf8'), spec)),
      },
    ],
  }
}

/** Nobody's kubeconfig is overwritten: it may be the only way to another cluster. */
function notOurs({ path, name }: KubeconfigSpec): ProblemError {
  return new ProblemError({
    kind: 'failed',
    where: `${name} ${path}`,
    what: 'it is there and was not written by k3s-platform',
    why: 'the kubeconfig of the node goes there, and what is there would be lost',
    hint: 'move it away, or name another file: k3s_platform_kubeconfig_dest',
  })
}

/** k3s names everything `default` and points to 127.0.0.1. */
export function localKubeconfig(text: string, spec: Pick<KubeconfigSpec, 'server' | 'name'>): string {
  const { server, name } = spec
  const access = accessOf(text, { name, server, where: `${name} kubeconfig of k3s` })
  const body = stringify(kubeconfigOf([access]), { lineWidth: 0 })
  return `${heading(body, text, spec)}\n${body}`
}

/** It proves that the body was made of `text`, so that what is converged need not be made again: YAML is slow to read. */
function heading(body: string, text: string, { server, name }: Pick<KubeconfigSpec, 'server' | 'name'>): string {
  const proof = createHash('sha256')
    .update(JSON.stringify([body, text, server, name]))
    .digest('hex')
  return `${MARK} Kubeconfig of ${name}; changes here are put back. ${proof.slice(0, 32)}`
}

function isMadeOf(content: string, text: string, spec: Pick<KubeconfigSpec, 'server' | 'name'>): boolean {
  const end = content.indexOf('\n')
  return content.slice(0, end) === heading(content.slice(end + 1), text, spec)
}

/** Where the role's own copy is on the workstation. */
export function kubeconfigDest(v: Vars, { host }: Pick<RoleContext, 'host'>): string {
  return v.k3s_platform_kubeconfig_dest ?? `~/.kube/k3s-platform/${host}.yaml`
}

/** Whether a file of the workstation was written by this role. */
export function isOurs(content: string): boolean {
  return content.startsWith(MARK)
}

/** What the command `kubeconfig` needs to know of a host. */
export function access(v: Vars, context: RoleContext): ClusterAccess {
  const config = wholeConfigOf(v, context)
  const sans = [config['tls-san']].flat().filter((san) => typeof san === 'string')
  return {
    source: String(config['write-kubeconfig'] ?? v.k3s_platform_kubeconfig_path),
    port: Number(config['https-listen-port'] ?? 6443),
    sans: sans.filter((san) => san !== context.address),
  }
}
