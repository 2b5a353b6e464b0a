// Waits until k3s is ready: /readyz answers ok and the node is Ready, as seen by the API on the node itself.

import type { HostResource } from '../../src/host/resource.ts'
import { type Sh, script, sh } from '../../src/host/sh.ts'
import nodeReadyText from './shell/node-ready.sh'
import readyText from './shell/ready.sh'
import waitReadyText from './shell/wait-ready.sh'

export interface ReadySpec {
  readonly dataDir: string
  readonly port: number
  /** Its name in the cluster; null: the host's name in lower case, as k3s does. */
  readonly nodeName: string | null
  /** false: this k3s runs no node of its own (disable-agent). */
  readonly node: boolean
  readonly service: string
  readonly boundSeconds: number
}

/**
 * Defines `k_ready`: prints `readyz=…` and `node=…`, exits 0 when both are well. One curl asks both over one connection; the
 * nodes come as a table of one line, and the shell itself picks the node's state out of it: by its quotes, for to cut it with
 * a pattern takes dash 10 ms.
 */
function asking({ dataDir, port, nodeName, node }: ReadySpec): Sh {
  return script(readyText, {
    tls: `${dataDir}/server/tls`,
    api: `https://127.0.0.1:${port}`,
    name: nodeName ?? '',
    nodeCheck: node ? script(nodeReadyText) : sh`:`,
  })
}

/** As the health of the k3s unit: what it prints while it is not well is what is waited for. */
export function readyCheck(spec: ReadySpec): Sh {
  return sh`${asking(spec)}
k_told=$(k_ready) && exit 0
printf '%s' "$k_told" | tr '\n' ' ' | sed 's/readyz=ok //; s/readyz=/readyz: /; s/node=/node: /'; exit 1`
}

/** Of the cluster that the node is a server of. */
const authorityOf = ({ dataDir }: ReadySpec) => `${dataDir}/server/tls/server-ca.crt`

export function ready(spec: ReadySpec): HostResource {
  return {
    id: 'k3s:ready',
    title: spec.node ? 'API and node' : 'API',
    inputs: [`service:${spec.service}`],
    afterInputs: () => ({ actual: null, deferred: 'known after k3s starts' }),
    action: () => 'wait until k3s is ready',
    slow: true,
    asks: { stats: [], digests: [authorityOf(spec)] },
    probe: sh`${asking(spec)}
[ ! -f ${authorityOf(spec)} ] || { k_digest ${authorityOf(spec)}; printf 'authority=%s\n' "$k_o"; }
[ ! -e "$k_tls/client-admin.key" ] || k_ready || :`,
    read: ({ text }) => {
      const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? null
      const authority = value('authority')
      if (value('readyz') === null) return { actual: authority === null ? null : { authority } }
      const node = value('node')?.split(',')[0] ?? null
      return { actual: { readyz: value('readyz'), ...(spec.node ? { node } : {}), authority } }
    },
    desired: () => ({ readyz: 'ok', ...(spec.node ? { node: 'Ready' } : {}) }),
    steps: () => [
      {
        title: 'wait until k3s is ready',
        run: script(waitReadyText, { ready: asking(spec), boundSeconds: spec.boundSeconds }),
      },
    ],
    explain: ({ err }) => ({
      what: `k3s was not ready within ${spec.boundSeconds} s`,
      why: err.trim(),
      hint: `journalctl -u ${spec.service} (OpenRC: /var/log/k3s.log) and k3s kubectl describe node on the host show the cause; to wait longer: --timeout`,
    }),
  }
}
