// How a node is right now: uptime, memory, release, pending reboot, snapshots and the certificates of k3s; read in one probe.

import { X509Certificate } from 'node:crypto'
import { z } from 'zod'
import type { Observation } from '../engine/resource.ts'
import type { HostResource } from './resource.ts'
import { script } from './sh.ts'
import nodeStatusText from './shell/node-status.sh'

export interface NodeStatusSpec {
  readonly binary: string
  /** The download's record of versions: lines of `<stamp> <sha256> <version>`. */
  readonly stamps: string
  readonly dataDir: string
  /** The directory of the datastore's snapshots. */
  readonly snapshots: string
}

const whole = z.int().nonnegative()

const nodeStatusShape = z.strictObject({
  dataDir: z.string(),
  uptimeSeconds: whole.nullable(),
  /** Memory that programs can get without swapping. */
  availableMiB: whole.nullable(),
  /** Of the binary, as this program installed it; null: it is absent, or someone else's. */
  release: z.string().nullable(),
  rebootRequired: z.boolean(),
  /** What requires it. */
  rebootPackages: z.array(z.string()),
  snapshots: z.strictObject({ count: whole, newest: z.string().nullable() }),
  /** The first certificate of each file, by file name; RFC 3339. */
  certificates: z.array(z.strictObject({ name: z.string(), notAfter: z.string() })),
})
export type NodeStatus = z.output<typeof nodeStatusShape>

const ID = 'node:status'
/** k3s has about 25 files; what is beyond is not read. */
const MOST_CERTIFICATES = 64
const MOST_CHARS = 16_384
const MOST_PACKAGES = 20
const MOST_SNAPSHOTS = 10_000
const RELEASE = /^v\d[\w.+-]{0,63}$/
const NAME = /^[\w.:+-]{1,100}$/

/** Looks and changes nothing: it is never part of a plan. */
export function nodeStatus({ dataDir, ...spec }: NodeStatusSpec): HostResource {
  return {
    id: ID,
    title: 'node status',
    asks: { stats: [spec.binary] },
    probe: script(nodeStatusText, { ...spec, dataDir }),
    read: ({ text }) => ({ actual: { ...readNodeStatus(text, dataDir) } }),
    desired: () => null,
    steps: () => [],
  }
}

/** What `nodeStatus` found in a look; undefined where it was not asked for. */
export function nodeStatusIn(observations: ReadonlyMap<string, Observation>): NodeStatus | undefined {
  return nodeStatusShape.safeParse(observations.get(ID)?.actual).data
}

function readNodeStatus(text: string, dataDir: string): NodeStatus {
  const [head = '', ...files] = text.split(/^certificate=/m)
  const all = (key: string) => [...head.matchAll(new RegExp(`^${key}=(.*)$`, 'gm'))].map(([, value = '']) => value)
  const number = (value: string | undefined) => (/^\d{1,15}(\.\d+)?$/.test(value ?? '') ? Number(value) : null)
  const kib = number(all('available')[0])
  const uptime = number(all('uptime')[0])
  const times = all('snapshot')
    .slice(0, MOST_SNAPSHOTS)
    .flatMap((one) => timeOf((number(one) ?? Number.NaN) * 1000) ?? [])
  return {
    dataDir,
    uptimeSeconds: uptime === null ? null : Math.floor(uptime),
    availableMiB: kib === null ? null : Math.floor(kib / 1024),
    release: all('release').find((one) => RELEASE.test(one)) ?? null,
    rebootRequired: all('reboot').includes('required'),
    rebootPackages: [...new Set(all('package').filter((one) => NAME.test(one)))].slice(0, MOST_PACKAGES),
    snapshots: { count: times.length, newest: times.toSorted().at(-1) ?? null },
    certificates: files.slice(0, MOST_CERTIFICATES).flatMap(certificateIn),
  }
}

/** A file name, then PEM; what cannot be read is left out. */
function certificateIn(file: string): { name: string; notAfter: string }[] {
  const end = file.indexOf('\n')
  const name = file.slice(0, end)
  if (!NAME.test(name) || file.length > MOST_CHARS) return []
  try {
    const notAfter = timeOf(Date.parse(new X509Certificate(file.slice(end + 1)).validTo))
    return notAfter === undefined ? [] : [{ name, notAfter }]
  } catch {
    return []
  }
}

/** Milliseconds since the epoch as RFC 3339; undefined for what is no time. */
function timeOf(ms: number): string | undefined {
  return Math.abs(ms) <= 8.64e15 ? new Date(ms).toISOString() : undefined
}
