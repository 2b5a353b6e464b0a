// Finds the k3s binary and its images: names of release assets, their expected digests, and the errors without one.

import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { Facts } from '../../src/host/facts.ts'
import { download } from '../../src/host/kinds/download.ts'
import type { HostResource } from '../../src/host/resource.ts'
import type { Asset } from '../../src/supply/asset.ts'
import type { LockEntry } from '../../src/supply/lock.ts'
import type { Lockable } from '../../src/supply/resolve.ts'
import type { Supply } from '../../src/supply/supply.ts'
import type { Finding, RoleContext } from '../role.ts'
import { plainMirror } from '../rules/plain-http.ts'
import type { BootstrapVars } from './vars.ts'

const ARCHES = ['amd64', 'arm64', 'arm'] as const
type Arch = (typeof ARCHES)[number]

/** The parts of a release that a node gets. The amd64 binary has no suffix, the 32 bit arm one is called armhf. */
const PARTS = {
  binary: {
    nameOn: (arch: string) => ({ amd64: 'k3s', arm: 'k3s-armhf' })[arch] ?? `k3s-${arch}`,
    pin: 'k3s_platform_k3s_sha256',
    file: 'k3s_platform_k3s_file',
  },
  images: {
    nameOn: (arch: string) => `k3s-airgap-images-${arch}.tar.zst`,
    pin: 'k3s_platform_k3s_images_sha256',
    file: 'k3s_platform_k3s_images_file',
  },
} as const
export type ReleasePart = keyof typeof PARTS

interface Supplied {
  readonly supply?: Supply | undefined
}

/** A pin in the inventory wins over the lock file, that over what the release publishes. */
export function assetOf(part: ReleasePart, v: BootstrapVars, { supply }: Supplied, arch: string): Asset {
  const base = `${v.k3s_platform_k3s_mirror_url}/${encodeURIComponent(v.k3s_platform_k3s_version)}`
  const name = PARTS[part].nameOn(arch)
  const pinned = pinOf(part, v, arch)
  const locked = supply?.locked(entryOf(part, v, arch))
  const known = pinned ?? locked ?? null
  const by = pinned !== undefined ? 'pinned' : locked !== undefined ? 'locked' : null
  const file = fileOf(part, v, supply)
  if (file !== undefined) {
    return { urls: [], sums: null, file, sha256: known ?? supply?.digestOf(file) ?? null, by: by ?? 'from the file' }
  }
  const sums = { url: `${base}/sha256sum-${arch}.txt`, name }
  return { urls: [`${base}/${name}`], sums, sha256: known, by: by ?? 'as published' }
}

/** k3s imports what is there at its start; a later change waits for the next one, which a new version brings anyway. */
export function imagesArchive(v: BootstrapVars, context: Supplied, dataDir: string): HostResource[] {
  if (!partsOf(v).includes('images')) return []
  return [
    download({
      path: (arch) => `${dataDir}/agent/images/${PARTS.images.nameOn(arch)}`,
      title: 'air-gap images',
      version: v.k3s_platform_k3s_version,
      asset: ({ arch }) => assetOf('images', v, context, arch),
      via: v.k3s_platform_download,
      mode: '644',
    }),
  ]
}

/** What `lock` writes down: every architecture, because which one a host is, is not in the inventory. */
export function lockableOf(v: BootstrapVars): readonly Lockable[] {
  return partsOf(v).flatMap((part) =>
    ARCHES.filter((arch) => pinOf(part, v, arch) === undefined).map((arch): Lockable => {
      const { sums } = assetOf(part, { ...v, [PARTS[part].file]: undefined }, {}, arch)
      return { entry: entryOf(part, v, arch), sums: sums ?? { url: '', name: '' } }
    }),
  )
}

/** What is known to be wrong before any host is spoken to. */
export function supplyRules(v: BootstrapVars, { supply }: Supplied): readonly Finding[] {
  if (supply === undefined) return []
  const unprotected = partsOf(v).some(
    (part) => fileOf(part, v, supply) === undefined && !ARCHES.some((arch) => digestKnown(part, v, supply, arch)),
  )
  const warnings = unprotected ? plainMirror('k3s_platform_k3s_mirror_url', v.k3s_platform_k3s_mirror_url, supply) : []
  const faults = partsOf(v).flatMap((part): Finding[] => {
    const file = fileOf(part, v, supply)
    const absent = file !== undefined && supply.digestOf(file) === undefined
    const known = ARCHES.some((arch) => digestKnown(part, v, supply, arch))
    return [
      ...(absent
        ? [{ path: [PARTS[part].file], what: `${file} cannot be read`, hint: 'relative paths start at the inventory' }]
        : []),
      ...(supply.strict && !known
        ? [{ path: ['k3s_platform_k3s_version'], ...unlocked(part, v, supply, ARCHES) }]
        : []),
    ]
  })
  return [...warnings, ...faults]
}

/** What the first look shows to be wrong: a digest missing for its architecture, a file of the workstation that is not it. */
export function supplyProblems(
  v: BootstrapVars,
  look: Look<Facts>,
  { supply, host }: Pick<RoleContext, 'host' | 'supply'>,
): readonly Problem[] {
  if (supply === undefined) return []
  const { arch } = look.facts
  return partsOf(v).flatMap((part): Problem[] => {
    if (supply.strict && !digestKnown(part, v, supply, arch)) {
      return [{ kind: 'failed', where: host, ...unlocked(part, v, supply, [arch]) }]
    }
    const { file, sha256, by } = assetOf(part, v, { supply }, arch)
    const got = file === undefined ? undefined : supply.digestOf(file)
    const there = [...look.observations].find(([id]) => id === ID[part] || id.endsWith(ID[part]))?.[1].actual?.sha256
    if (file === undefined || sha256 === null || got === sha256 || there === sha256) return []
    return [
      {
        kind: 'failed',
        where: `${host} ${file}`,
        what: `it is not ${PARTS[part].nameOn(arch)} of ${v.k3s_platform_k3s_version}: its digest differs`,
        why: `${`${by}   `.slice(0, 9)}${sha256}\ngot      ${got ?? 'an unreadable file'}`,
        hint: `download the file of that version for ${arch}, or correct the digest; nothing was touched`,
      },
    ]
  })
}

const ID: Readonly<Record<ReleasePart, string>> = {
  binary: 'download:/usr/local/bin/k3s',
  images: `/agent/images/${PARTS.images.nameOn('*')}`,
}

function unlocked(
  part: ReleasePart,
  v: BootstrapVars,
  { lock, lockShown }: Supply,
  arches: readonly string[],
): Pick<Problem, 'what' | 'hint'> {
  return {
    what: `${v.k3s_platform_k3s_version} (${part}, ${arches.join(', ')}) is not locked`,
    hint: `${lock.text === null ? 'there is no' : 'no entry in'} ${lockShown}: run k3s-platform lock -e k3s_platform_k3s_version=${v.k3s_platform_k3s_version} and commit the file (only what is locked or pinned is installed with --locked, and where CI is set)`,
  }
}

function digestKnown(part: ReleasePart, v: BootstrapVars, supply: Supply, arch: string): boolean {
  return (pinOf(part, v, arch) ?? supply.locked(entryOf(part, v, arch))) !== undefined
}

function partsOf(v: BootstrapVars): readonly ReleasePart[] {
  const images = v.k3s_platform_airgap_images || v.k3s_platform_k3s_images_file !== undefined
  return images ? ['binary', 'images'] : ['binary']
}

function fileOf(part: ReleasePart, v: BootstrapVars, supply: Supply | undefined): string | undefined {
  const given = v[PARTS[part].file]
  return given === undefined ? undefined : (supply?.locate(given) ?? given)
}

function pinOf(part: ReleasePart, v: BootstrapVars, arch: string): string | undefined {
  const given = v[PARTS[part].pin]
  return typeof given === 'string' ? given : given && isArch(arch) ? given[arch] : undefined
}

function entryOf(part: ReleasePart, v: BootstrapVars, arch: string): LockEntry {
  return ['k3s', v.k3s_platform_k3s_version, part, arch]
}

function isArch(arch: string): arch is Arch {
  return ARCHES.some((known) => known === arch)
}
