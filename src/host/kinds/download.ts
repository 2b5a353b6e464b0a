// A file that is fetched by URL and digest: by the host itself, or through the workstation. A partial one is continued.

import type { Observed } from '../../engine/resource.ts'
import type { State } from '../../engine/state.ts'
import type { Asset } from '../../supply/asset.ts'
import { arches, type Facts } from '../facts.ts'
import type { Answer, HostResource, Step } from '../resource.ts'
import { lines, type Sh, script, sh } from '../sh.ts'
import fetchText from '../shell/download-fetch.sh'
import placeText from '../shell/download-place.sh'
import stateText from '../shell/download-state.sh'
import { disturb } from './file.ts'

export interface DownloadSpec {
  /** On the host; by k3s's name of the architecture where it is part of the path. */
  readonly path: string | ((arch: string) => string)
  readonly title: string
  /** What people call this content: `v1.36.5+k3s1`. */
  readonly version: string
  readonly asset: (facts: Facts) => Asset
  /** Octal; default `755`. */
  readonly mode?: string
  /** Who fetches. */
  readonly via: 'node' | 'workstation'
  /** A marker made before the content changes: see `service`. */
  readonly mark?: string
}

const OWNER = 'root:root'

/** Where a downloaded file's stamps are: lines of `<stamp> <sha256> <version>`. */
export function stampsOf(path: string): string {
  return `/var/lib/k3s-platform/stamps/${path.slice(1).replaceAll('/', '-')}`
}

/**
 * Hashing a large file in every run would cost more than all else: a stamp remembers size, mtime and inode of what was
 * verified, its digest and its version. The digest is computed again when no stamp fits. Those of earlier contents are kept,
 * so that one that is put back is known again.
 */
export function download(spec: DownloadSpec): HostResource {
  const { version, mode = '755' } = spec
  const pathOn = typeof spec.path === 'string' ? () => String(spec.path) : spec.path
  const fits = (actual: State | null, facts: Facts): boolean => {
    const { sha256 } = spec.asset(facts)
    return sha256 === null ? actual?.version === version : actual?.sha256 === sha256
  }
  return {
    id: `download:${pathOn('*')}`,
    title: spec.title,
    meaning: version,
    asks: { stats: typeof spec.path === 'string' ? [spec.path] : [] },
    probe: script(stateText, { naming: naming(spec.path) }),
    read: readDownload,
    desired: (facts) => {
      const { sha256 } = spec.asset(facts)
      return { type: 'file', version, ...(sha256 === null ? {} : { sha256 }), mode, owner: 'root', group: 'root' }
    },
    remark: (facts) => spec.asset(facts).by,
    disturbs: ({ actual, desired }) =>
      actual?.version !== version || ('sha256' in (desired ?? {}) && actual.sha256 !== desired?.sha256),
    steps: ({ actual, facts }) => {
      const path = pathOn(facts.arch)
      const parts = `${path.slice(0, path.lastIndexOf('/'))}/.${path.slice(path.lastIndexOf('/') + 1)}.`
      const part = `${parts}${version}.part`
      const place = sh`k_dest=${path} k_mode=${mode} k_owner=${OWNER} k_stampfile=${stampsOf(path)} k_version=${version}
${placing}`
      if (actual?.type === 'file' && fits(actual, facts)) {
        return [{ title: `verify ${spec.title}`, run: sh`k_part=''; ${place}` }]
      }
      const asset = spec.asset(facts)
      const before = spec.mark === undefined ? sh`:` : disturb(spec.mark)
      const finish: Step = { title: `install ${spec.title}`, run: lines([sh`k_part=${part}`, before, place]) }
      if (spec.via === 'workstation' || asset.file !== undefined) {
        return [{ title: `upload ${spec.title} ${version}`, upload: asset, to: part }, finish]
      }
      return [{ title: `fetch ${spec.title} ${version}`, run: fetching(asset, parts, part) }, finish]
    },
    explain: ({ step, code, err }) => {
      if (!step.startsWith('fetch') && !step.startsWith('send')) return {}
      const [because, hint] = ENDS[code] ?? ['', ENDS_OTHERWISE]
      return { what: `${spec.title} ${version} could not be fetched${because}`, why: err.trim(), hint }
    },
  }
}

/** By exit code of the fetching: what it says, and the way out. */
const ENDS: Readonly<Record<number, readonly [because: string, hint: string]>> = {
  65: [
    ': its digest is not the expected one',
    'the server does not serve the released file, or the digest in the inventory belongs to another version; the node was not changed',
  ],
  74: [': the disk is full', 'free up space on the host, then run apply again; the node was not changed'],
}
const ENDS_OTHERWISE =
  'check the URL and whether the node can reach it, set a mirror (k3s_platform_k3s_mirror_url), or download on the workstation (k3s_platform_download: workstation)'

/** Sets k_path and k_stamps. */
function naming(path: DownloadSpec['path']): Sh {
  const set = (one: string) => sh`k_path=${one} k_stamps=${stampsOf(one)}`
  if (typeof path === 'string') return set(path)
  const cases = Object.entries(arches).map(([machine, arch]) => sh`${machine}) ${set(path(arch))} ;;`)
  return lines([sh`k_machine=$(uname -m); case $k_machine in`, ...cases, sh`*) ${set(path('other'))} ;;`, sh`esac`])
}

function readDownload({ text }: Answer): Observed {
  const [head = '', content = ''] = text.split('\n')
  const [type = '', mode = '', owner = '', group = '', ...target] = head.split(' ')
  if (type === 'absent') return { actual: null }
  if (type !== 'file') return { actual: { type: type === 'link' ? `link to ${target.join(' ')}` : type } }
  const [, sha256 = '', version = ''] = content.split(' ')
  return { actual: { type, version: version || null, sha256, mode, owner, group } }
}

/** As on the workstation: see src/supply. */
const ASSET_BYTES = 2_147_483_648
const SUMS_BYTES = 1_048_576

const fetching = (asset: Asset, others: string, part: string): Sh =>
  script(fetchText, {
    part,
    sha256: asset.sha256 ?? '',
    others,
    sumsUrl: asset.sums?.url ?? '',
    sumsBytes: SUMS_BYTES,
    noSums: `no digest is set, and none could be fetched from ${asset.sums?.url ?? 'anywhere'}`,
    sumsLine: `s/^\\([0-9a-f]\\{64\\}\\) [ *]*${(asset.sums?.name ?? '').replaceAll('.', '\\.')}$/\\1/p`,
    noDigest: `${asset.sums?.url ?? ''} has no digest of ${asset.sums?.name ?? ''}`,
    maxBytes: asset.maxBytes ?? ASSET_BYTES,
    urls: asset.urls,
  })

const placing = script(placeText)
