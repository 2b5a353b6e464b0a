// Ready means it works: /readyz says ok and the node is Ready, asked of the API on the node itself.

import type { HostResource } from '../../src/host/resource.ts'
import { type Sh, sh } from '../../src/host/sh.ts'

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

/** Defines `k_ready`: prints `readyz=…` and `node=…`, exits 0 when both are well. */
function asking({ dataDir, port, nodeName, node }: ReadySpec): Sh {
  return sh`k_tls=${`${dataDir}/server/tls`} k_api=${`https://127.0.0.1:${port}`} k_name=${nodeName ?? ''}
[ -n "$k_name" ] || k_name=$(tr 'A-Z' 'a-z' </proc/sys/kernel/hostname)
k_ask() { # k_ask PATH: the API's answer as a table where it is a list
  curl -sS -m 5 --cacert "$k_tls/server-ca.crt" --cert "$k_tls/client-admin.crt" --key "$k_tls/client-admin.key" \
    -H 'Accept: application/json;as=Table;g=meta.k8s.io;v=v1, */*' "$k_api$1" 2>&1
}
k_ready() {
  k_r=$(k_ask /readyz | grep -v '^\[+\]' | head -n 3 | tr '\n' ' ' | cut -c1-200); k_r=\${k_r% }
  printf 'readyz=%s\n' "$k_r"; [ "$k_r" = ok ] || return 1
  ${
    node
      ? sh`k_n=$(k_ask '/api/v1/nodes?includeObject=None' | tr -d ' \t\n' | sed -n 's/.*"cells":\["'"$k_name"'","\([^"]*\)".*/\1/p')
  printf 'node=%s\n' "\${k_n:-$k_name has not joined}"; case $k_n in Ready | Ready,*) ;; *) return 1 ;; esac`
      : sh`:`
  }
}`
}

/** As the health of the k3s unit: what it prints while it is not well is what is waited for. */
export function readyCheck(spec: ReadySpec): Sh {
  return sh`${asking(spec)}
k_told=$(k_ready) && exit 0
printf '%s' "$k_told" | tr '\n' ' ' | sed 's/readyz=ok //; s/readyz=/readyz: /; s/node=/node: /'; exit 1`
}

export function ready(spec: ReadySpec): HostResource {
  return {
    id: 'k3s:ready',
    title: spec.node ? 'API and node' : 'API',
    inputs: [`service:${spec.service}`],
    afterInputs: () => ({ actual: null, deferred: 'known after the start of k3s' }),
    action: () => 'wait until k3s is ready',
    probe: sh`${asking(spec)}
[ ! -e "$k_tls/client-admin.key" ] || k_ready || :`,
    read: ({ text }) => {
      const value = (key: string) => new RegExp(`^${key}=(.*)$`, 'm').exec(text)?.[1] ?? null
      if (value('readyz') === null) return { actual: null }
      const node = value('node')?.split(',')[0] ?? null
      return { actual: { readyz: value('readyz'), ...(spec.node ? { node } : {}) } }
    },
    desired: () => ({ readyz: 'ok', ...(spec.node ? { node: 'Ready' } : {}) }),
    steps: () => [
      {
        title: 'wait until k3s is ready',
        run: sh`${asking(spec)}
k_t0=$(cut -d. -f1 /proc/uptime)
until k_told=$(k_ready); do
  k_alive || exit 1
  [ $(( $(cut -d. -f1 /proc/uptime) - k_t0 )) -lt ${spec.boundSeconds} ] || { printf '%s\n' "$k_told" >&2; exit 1; }
  k_wait ${spec.boundSeconds} "$(printf '%s' "$k_told" | tr '\n' ' ')"
  sleep 1
done`,
      },
    ],
    explain: ({ err }) => ({
      what: `k3s was not ready within ${spec.boundSeconds} s`,
      why: err.trim(),
      hint: `journalctl -u ${spec.service} and k3s kubectl describe node on the host say more; --timeout gives it longer`,
    }),
  }
}
