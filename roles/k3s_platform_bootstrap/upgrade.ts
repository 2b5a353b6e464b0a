// Guards k3s upgrades: no downgrade, no skipped minor release, and a datastore snapshot first.

import type { SemVer } from 'semver'
import parse from 'semver/functions/parse.js'
import type { Problem } from '../../src/engine/problem.ts'
import type { State } from '../../src/engine/state.ts'
import { stateOf } from '../../src/host/kinds/init.ts'
import type { HostResource } from '../../src/host/resource.ts'
import { script } from '../../src/host/sh.ts'
import snapshotStateText from './shell/snapshot-state.sh'
import snapshotTakeText from './shell/snapshot-take.sh'

export interface SnapshotSpec {
  readonly binary: string
  /** The download's record of versions: lines of `<stamp> <sha256> <version>`. */
  readonly stamps: string
  readonly dataDir: string
  /** Of config.yaml. */
  readonly config: string
  /** Where snapshots are kept; null: below the data directory. */
  readonly directory: string | null
  /** That the API server listens on. */
  readonly port: number
  /** The release that is wanted. */
  readonly version: string
  readonly unit: string
  /** `--no-snapshot`. */
  readonly skip: boolean
}

export const SNAPSHOT_ID = 'k3s:snapshot'

/**
 * Where an embedded etcd has data and the binary is to become another release: a snapshot, taken by the old one. One of the
 * last hour, from a try that failed, will do. `etcd-snapshot` asks 127.0.0.1:6443 and the default data directory unless it is
 * told otherwise (pkg/cli/etcdsnapshot/etcd_snapshot.go; seen with k3s v1.36.3).
 */
export function snapshot(spec: SnapshotSpec): HostResource {
  const { binary, stamps, dataDir, config, version, unit, skip } = spec
  const name = `k3s-platform-before-${version}`
  const snapshots = spec.directory ?? `${dataDir}/server/db/snapshots`
  return {
    id: SNAPSHOT_ID,
    title: 'datastore snapshot',
    asks: { stats: [binary] },
    probe: script(snapshotStateText, {
      binary,
      stamps,
      version,
      etcd: `${dataDir}/server/db/etcd`,
      snapshots,
      name: `${name}-*`,
      serviceState: stateOf(unit),
    }),
    read: ({ text }) => {
      const has = (line: string) => text.split('\n').includes(line)
      const from = /^version=(.+)$/m.exec(text)?.[1] ?? null
      const missing = has('etcd=yes') && !has('taken=yes') && !skip
      const state = /^ActiveState=(.+)$/m.exec(text)?.[1] ?? 'unknown'
      const stopped = missing && state !== 'active' ? state : null
      return { actual: { version: from, snapshot: missing ? 'missing' : 'exists, or not needed', stopped } }
    },
    desired: () => ({ snapshot: 'exists, or not needed' }),
    action: () => `snapshot the datastore before ${version}`,
    steps: () => [
      {
        title: `take the datastore snapshot ${name}`,
        // The old release still listens where its own configuration says.
        run: script(snapshotTakeText, { snapshots, config, binary, name, dataDir, port: spec.port }),
      },
    ],
    explain: ({ out, err }) => ({
      what: 'The snapshot of the datastore failed; nothing was upgraded',
      why: `${out}\n${err}`.trim().split('\n').slice(-6).join('\n'),
      // The server takes the token that it was started with, and `k3s token rotate` writes the new one at once.
      hint: err.includes('not authorized')
        ? `if the token was rotated, restart k3s on the host, then run again: systemctl restart ${unit}`
        : `read the k3s log on the host: journalctl -u ${unit} -n 50; to upgrade without a snapshot: --no-snapshot`,
    }),
  }
}

/** Why the snapshot before an upgrade cannot be taken, from what was seen of it. */
export function snapshotProblem(seen: State | null, unit: string): Omit<Problem, 'where'> | undefined {
  if (typeof seen?.stopped !== 'string') return undefined
  return {
    kind: 'failed',
    what: 'The datastore snapshot before the upgrade is not possible, because k3s is not running',
    why: `${unit} is ${seen.stopped}`,
    hint: `start the installed k3s release, then run again; to upgrade without a snapshot: --no-snapshot`,
  }
}

/** `from` is null on a node without k3s. Pre-releases count as the release they lead to. */
export function upgradeProblem(from: string | null, to: string): Omit<Problem, 'where'> | undefined {
  const old = releaseOf(from)
  const wanted = releaseOf(to)
  if (old === undefined || wanted === undefined) return undefined
  if ((wanted.version.compareMain(old.version) || wanted.k3s - old.k3s) < 0) {
    return {
      kind: 'failed',
      what: `${to} is older than the installed ${from}`,
      why: 'k3s does not support downgrades: the newer release may have changed the datastore',
      hint: `keep ${from}: k3s_platform_k3s_version: ${from}`,
    }
  }
  const { major, minor } = old.version
  if (wanted.version.major !== major || wanted.version.minor > minor + 1) {
    return {
      kind: 'failed',
      what: `${to} is ${wanted.version.minor - minor} minor releases newer than the installed ${from}`,
      why: 'Kubernetes supports upgrades of one minor release at a time',
      hint: `upgrade to the newest v${major}.${minor + 1} first: k3s_platform_k3s_version: v${major}.${minor + 1}.<patch>+k3s1`,
    }
  }
  return undefined
}

/** `v1.36.3+k3s2`: SemVer gives build metadata no order, and as text k3s10 would come before k3s2. */
function releaseOf(text: string | null): { readonly version: SemVer; readonly k3s: number } | undefined {
  const version = parse(text)
  const [, k3s] = /^k3s(\d+)$/.exec(version?.build.join('.') ?? '') ?? []
  return version === null || k3s === undefined ? undefined : { version, k3s: Number(k3s) }
}
