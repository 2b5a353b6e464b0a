// From one k3s release to the next: never down, never past a minor release, and with a snapshot of the datastore first.

import type { Problem } from '../../src/engine/problem.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { sh } from '../../src/host/sh.ts'

export interface SnapshotSpec {
  readonly binary: string
  /** The download's record of versions: lines of `<stamp> <sha256> <version>`. */
  readonly stamps: string
  readonly dataDir: string
  /** The release that is wanted. */
  readonly version: string
  readonly unit: string
}

export const SNAPSHOT_ID = 'k3s:snapshot'

/**
 * Where an embedded etcd has data and the binary is to become another release: a snapshot, taken by the old one. One of the
 * last hour, from a try that failed, will do.
 */
export function snapshot({ binary, stamps, dataDir, version, unit }: SnapshotSpec): HostResource {
  const name = `k3s-platform-before-${version}`
  return {
    id: SNAPSHOT_ID,
    title: 'datastore snapshot',
    asks: { stats: [binary] },
    probe: sh`k_v=''
if [ -x ${binary} ]; then
  k_stat ${binary}; k_is=\${k_o##*|}
  if [ -f ${stamps} ]; then while read -r k_s k_d k_n; do [ "$k_s" != "$k_is" ] || k_v=$k_n; done <${stamps}; fi
  if [ -z "$k_v" ]; then k_v=$(timeout 10 ${binary} --version 2>/dev/null | sed -n 's/^k3s version \([^ ]*\).*/\1/p'); fi
fi
printf 'version=%s\n' "$k_v"
if [ -n "$k_v" ] && [ "$k_v" != ${version} ] && [ -d ${`${dataDir}/server/db/etcd`} ]; then
  [ -z "$(find ${`${dataDir}/server/db/snapshots`} -name ${`${name}-*`} -mmin -60 2>/dev/null)" ] || echo taken=yes
  if systemctl is-active -q ${unit}; then echo running=yes; fi
  echo etcd=yes
fi`,
    read: ({ text }) => {
      const has = (line: string) => text.split('\n').includes(line)
      const from = /^version=(.+)$/m.exec(text)?.[1] ?? null
      const missing = has('etcd=yes') && has('running=yes') && !has('taken=yes')
      return { actual: { version: from, snapshot: missing ? 'missing' : 'there, or not needed' } }
    },
    desired: () => ({ snapshot: 'there, or not needed' }),
    action: () => `snapshot the datastore before ${version}`,
    steps: () => [
      {
        title: `take the datastore snapshot ${name}`,
        run: sh`timeout 300 ${binary} etcd-snapshot save --name ${name}`,
      },
    ],
    explain: ({ out, err }) => ({
      what: 'the snapshot of the datastore could not be taken; nothing was upgraded',
      why: `${out}\n${err}`.trim().split('\n').slice(-6).join('\n'),
      hint: `look into it on the host: ${binary} etcd-snapshot save`,
    }),
  }
}

type Release = readonly [major: number, minor: number, patch: number, k3s: number]

/** `from` is null on a node without k3s. Pre-releases count as the release they lead to. */
export function upgradeProblem(from: string | null, to: string): Omit<Problem, 'where'> | undefined {
  const old = releaseOf(from)
  const wanted = releaseOf(to)
  if (old === undefined || wanted === undefined) return undefined
  if (compare(wanted, old) < 0) {
    return {
      kind: 'failed',
      what: `${to} is older than the ${from} that is there`,
      why: 'k3s does not go back: the datastore may have been changed by the newer release',
      hint: `set k3s_platform_k3s_version: ${from}; to go back for good, reset the node and restore a snapshot of the older release`,
    }
  }
  if (wanted[0] !== old[0] || wanted[1] > old[1] + 1) {
    return {
      kind: 'failed',
      what: `${to} is ${wanted[1] - old[1]} minor releases after the ${from} that is there`,
      why: 'Kubernetes is upgraded one minor release at a time',
      hint: `go to the newest v${old[0]}.${old[1] + 1} first: k3s_platform_k3s_version: v${old[0]}.${old[1] + 1}.<patch>+k3s1`,
    }
  }
  return undefined
}

function releaseOf(version: string | null): Release | undefined {
  const [, major, minor, patch, k3s] = /^v(\d+)\.(\d+)\.(\d+)[^+]*\+k3s(\d+)$/.exec(version ?? '') ?? []
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch), Number(k3s)]
}

function compare(a: Release, b: Release): number {
  return a.map((n, i) => n - (b[i] ?? 0)).find((d) => d !== 0) ?? 0
}
