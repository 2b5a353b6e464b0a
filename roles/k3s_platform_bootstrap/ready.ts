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

/**
 * Defines `k_ready`: prints `readyz=…` and `node=…`, exits 0 when both are well. One curl asks both over one connection; the
 * nodes come as a table of one line, and the shell itself picks the node's state out of it: by its quotes, for to cut it with
 * a pattern takes dash 10 ms.
 */
function asking({ dataDir, port, nodeName, node }: ReadySpec): Sh {
  return sh`k_tls=${`${dataDir}/server/tls`} k_api=${`https://127.0.0.1:${port}`} k_name=${nodeName ?? ''}
[ -n "$k_name" ] || read -r k_name </proc/sys/kernel/hostname
case $k_name in *[A-Z]*) k_name=$(printf '%s' "$k_name" | tr 'A-Z' 'a-z') ;; esac
k_ready() {
  k_o=$(curl -sS -m 5 --cacert "$k_tls/server-ca.crt" --cert "$k_tls/client-admin.crt" --key "$k_tls/client-admin.key" \
    -H 'Accept: application/json;as=Table;g=meta.k8s.io;v=v1, */*' "$k_api/readyz" \
    "$k_api/api/v1/nodes?includeObject=None&pretty=false" 2>&1)
  case $k_o in
    ok*) echo readyz=ok ;;
    *) printf 'readyz=%s\n' "$(printf '%s\n' "$k_o" | grep -v '^\[+\]' | head -n 2 | tr '\n' ' ' | cut -c1-200)"; return 1 ;;
  esac
  ${
    node
      ? sh`IFS='"'; set -f; set -- $k_o; unset IFS; set +f
  while [ $# -gt 4 ] && [ "$1$2$3$4" != "cells:[$k_name," ]; do shift; done
  k_n=\${5:-$k_name has not joined}
  printf 'node=%s\n' "$k_n"; case $k_n in Ready | Ready,*) ;; *) return 1 ;; esac`
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
    slow: true,
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
      hint: `journalctl -u ${spec.service} (OpenRC: /var/log/k3s.log) and k3s kubectl describe node on the host say more; --timeout gives it longer`,
    }),
  }
}
