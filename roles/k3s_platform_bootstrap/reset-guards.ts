// Refuses a reset that would delete snapshots or leave a cluster with a dead member.

import { z } from 'zod'
import { ProblemError } from '../../src/engine/problem.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { lines, type Sh, script, sh } from '../../src/host/sh.ts'
import snapshotsListText from './shell/snapshots-list.sh'

const SHOWN = 5

const linesOf = (text: string) => text.split('\n').filter(Boolean)

/** A look at something that forbids the reset; it has no part in what is done. `refuse` throws, or finds nothing. */
function guard(id: string, title: string, probe: Sh, refuse: (text: string) => void): HostResource {
  return {
    id: `reset:${id}`,
    title,
    probe,
    read: ({ text }) => {
      refuse(text)
      return { actual: null }
    },
    desired: () => null,
    steps: () => [],
  }
}

/** `dirs` defines `k_dirs`, see reset-lists.ts. */
export function snapshotGuard(host: string, dirs: Sh): HostResource {
  const probe = lines([dirs, script(snapshotsListText)])
  return guard('snapshots', 'snapshots of the datastore', probe, (text) => {
    const found = linesOf(text)
    if (found.length === 0) return
    const folder = found[0]?.replace(/\/[^/]*$/, '') ?? ''
    const token = folder.replace(/\/db\/snapshots$/, '/token')
    const more = found.length > SHOWN ? [`and ${found.length - SHOWN} more`] : []
    throw new ProblemError({
      kind: 'failed',
      where: `${host} ${folder}`,
      what: `reset would delete ${found.length} ${found.length === 1 ? 'snapshot' : 'snapshots'} of the datastore, and the token that a restore requires`,
      why: [...found.slice(0, SHOWN).map((path) => path.slice(folder.length + 1)), ...more].join('\n'),
      hint: `copy ${folder} and ${token} to another machine, then add --delete-snapshots; nothing was touched`,
    })
  })
}

export interface ClusterGuardSpec {
  readonly host: string
  readonly binary: string
  readonly kubeconfig: string
}

const NodeList = z.object({ items: z.array(z.object({ metadata: z.object({ name: z.string() }) })) })

/** A k3s that is stopped has no API to ask: then its cluster is taken for gone. A raw request leaves no cache behind on the node. */
export function clusterGuard({ host, binary, kubeconfig }: ClusterGuardSpec): HostResource {
  const probe = sh`[ ! -x ${binary} ] || [ ! -f ${kubeconfig} ] ||
  timeout 15 ${binary} kubectl --kubeconfig ${kubeconfig} --request-timeout 10s get --raw '/api/v1/nodes?limit=500' 2>/dev/null
:`
  return guard('cluster', 'other nodes of the cluster', probe, (text) => {
    const names = (NodeList.safeParse(parsed(text)).data?.items ?? []).map(({ metadata }) => metadata.name)
    if (names.length < 2) return
    throw new ProblemError({
      kind: 'failed',
      where: host,
      what: `${host} is one of ${names.length} nodes of a cluster; reset would leave its Node and its etcd member behind in the cluster`,
      why: names.slice(0, SHOWN).join(', '),
      hint: 'remove it from the cluster first: on this host, systemctl disable --now k3s; on another server, kubectl delete node NAME. To remove the whole cluster, stop k3s on all of its hosts first. Nothing was touched',
    })
  })
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
