// The node's kubeconfig on the workstation: its server is the address that the workstation knows, its names are the host's.

import { parseDocument } from 'yaml'
import { ProblemError } from '../../src/engine/problem.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { sh } from '../../src/host/sh.ts'
import type { Workstation } from '../role.ts'

const MARK = '# Managed by k3s-platform.'

export interface KubeconfigSpec {
  /** On the node, as k3s writes it. */
  readonly source: string
  /** On the workstation. */
  readonly path: string
  readonly server: string
  /** Of cluster, user and context. */
  readonly name: string
  readonly workstation: Workstation
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
      if (!here.content.startsWith(MARK)) throw notOurs(spec)
      const content = here.content === localKubeconfig(text, spec) ? 'that of the node' : 'another'
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
export function localKubeconfig(text: string, { server, name }: Pick<KubeconfigSpec, 'server' | 'name'>): string {
  const document = parseDocument(text)
  for (const list of ['clusters', 'users', 'contexts']) document.setIn([list, 0, 'name'], name)
  document.setIn(['clusters', 0, 'cluster', 'server'], server)
  document.setIn(['contexts', 0, 'context', 'cluster'], name)
  document.setIn(['contexts', 0, 'context', 'user'], name)
  document.setIn(['current-context'], name)
  return `${MARK} Kubeconfig of ${name}; changes here are put back.\n${document.toString({ lineWidth: 0 })}`
}
