// A file that is fetched by URL and digest: by the host itself, or through the workstation. A partial one is continued.

import type { Observed } from '../../engine/resource.ts'
import type { State } from '../../engine/state.ts'
import type { Asset } from '../../supply/asset.ts'
import { arches, type Facts } from '../facts.ts'
import type { Answer, HostResource, Step } from '../resource.ts'
import { lines, type Sh, sh } from '../sh.ts'
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
    probe: sh`${naming(spec.path)}
k_meta "$k_path"
if [ -f "$k_path" ] && [ ! -L "$k_path" ]; then
  k_stat "$k_path"; k_is=\${k_o##*|} k_h='' k_v=''
  if [ -f "$k_stamps" ]; then while read -r k_s k_d k_n; do [ "$k_s" != "$k_is" ] || { k_h=$k_d k_v=$k_n; break; }; done <"$k_stamps"; fi
  if [ -z "$k_h" ]; then
    k_h=$(k_sum_large "$k_path")
    if [ -f "$k_stamps" ]; then while read -r k_s k_d k_n; do [ "$k_d" != "$k_h" ] || { k_v=$k_n; break; }; done <"$k_stamps"; fi
  fi
  printf 'content %s %s\n' "$k_h" "$k_v"
fi`,
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
      const finish: Step = { title: `put ${spec.title} in place`, run: lines([sh`k_part=${part}`, before, place]) }
      if (spec.via === 'workstation' || asset.file !== undefined) {
        return [{ title: `send ${spec.title} ${version}`, upload: asset, to: part }, finish]
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
    'what is served is not what was released, or the digest in the inventory is of another version; the node was left as it was',
  ],
  74: [': the disk is full', 'make room on the host, then run apply again; the node was left as it was'],
}
const ENDS_OTHERWISE =
  'check the URL and the way to it from the node, name a mirror (k3s_platform_k3s_mirror_url), or let the workstation fetch (k3s_platform_download: workstation)'

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

// Exit code 65 (EX_DATAERR): the content is wrong; 74 (EX_IOERR): the disk is full. Then nothing of it is kept: others need
// the room. What a broken connection left is kept, and continued by the next run.
const fetching = (asset: Asset, others: string, part: string): Sh => sh`k_part=${part} k_want=${asset.sha256 ?? ''}
k_dir=\${k_part%/*}; mkdir -p -- "$k_dir" || exit 1
for f in ${others}*.part; do [ "$f" = "$k_part" ] || rm -f -- "$f"; done
k_get() { # k_get URL FILE: continues FILE, in place of the shell, so that to kill it ends the fetching
  if k_has curl; then exec curl -fsSL --connect-timeout 10 --retry 3 --retry-delay 1 --speed-limit 1000 --speed-time 30 -C - -o "$2" -- "$1"
  elif k_has wget; then exec wget -q -T 30 -c -O "$2" -- "$1"
  else k_fail 'neither curl nor wget is there to fetch with'; fi
}
if [ -z "$k_want" ]; then
  k_sums="$k_part.sums"; rm -f -- "$k_sums"
  (k_get ${asset.sums?.url ?? ''} "$k_sums") || k_fail ${`no digest given, and none to be had from ${asset.sums?.url ?? 'anywhere'}`}
  k_want=$(sed -n ${`s/^\\([0-9a-f]\\{64\\}\\) [ *]*${(asset.sums?.name ?? '').replaceAll('.', '\\.')}$/\\1/p`} "$k_sums"); rm -f -- "$k_sums"
  [ -n "$k_want" ] || k_fail ${`${asset.sums?.url ?? ''} has no digest of ${asset.sums?.name ?? ''}`}
fi
k_fetch() { # k_fetch URL: 0 all is there and right, 65 all is there and wrong, or how the fetching ended
  k_get "$1" "$k_part" & k_pid=$!
  trap 'kill $k_pid 2>/dev/null' EXIT; trap 'exit 1' HUP TERM INT PIPE
  k_naps=0
  while kill -0 $k_pid 2>/dev/null; do
    k_alive || exit 1
    sleep 0.1 2>/dev/null || { sleep 1; k_naps=$((k_naps + 9)); }
    k_naps=$((k_naps + 1))
    [ $((k_naps % 10)) != 0 ] || k_wait 0 "fetching: $(( $(wc -c <"$k_part" 2>/dev/null || echo 0) / 1048576 )) MiB so far"
  done
  wait $k_pid; k_code=$?; trap - EXIT
  [ $k_code = 0 ] || return $k_code
  k_got=$(k_sum_large "$k_part"); [ "$k_got" = "$k_want" ] || { rm -f -- "$k_part"; return 65; }
}
[ -s "$k_part" ] && [ "$(k_sum_large "$k_part")" = "$k_want" ] && exit 0
for k_url in ${asset.urls}; do
  k_had=''; [ ! -s "$k_part" ] || k_had=yes
  k_fetch "$k_url" && exit 0; k_code=$?
  # A server that cannot continue a file, or a part of something else: once more from the start.
  case $k_had$k_code in yes1 | yes8 | yes22 | yes33 | yes36 | yes65) rm -f -- "$k_part"; k_fetch "$k_url" && exit 0; k_code=$? ;; esac
done
if [ $k_code != 65 ]; then
  k_free=$(df -Pk "$k_dir" | { read -r k_x; read -r k_x k_x k_x k_kib k_x; printf %s "$k_kib"; })
  [ "\${k_free:-1024}" -lt 1024 ] || exit 1
  rm -f -- "$k_part"; printf '%s: no space left on device\n' "$k_dir" >&2; exit 74
fi
printf 'expected sha256 %s\ngot sha256      %s\nfrom %s\n' "$k_want" "$k_got" "$k_url" >&2; exit 65`

const placing = sh`mkdir -p -- "\${k_stampfile%/*}" || exit 1
if [ -n "$k_part" ]; then k_place "$k_part" "$k_dest" "$k_mode" "$k_owner" || exit 1
else chown -- "$k_owner" "$k_dest" && chmod -- "$k_mode" "$k_dest" || exit 1; fi
k_h=$(k_sum_large "$k_dest")
{ printf '%s %s %s\n' "$(k_stamp "$k_dest")" "$k_h" "$k_version"; grep -sv " $k_h " "$k_stampfile" | head -n 20; } | {
  cat >"$k_stampfile.new" && k_sync "$k_stampfile.new" && mv -f -- "$k_stampfile.new" "$k_stampfile"; }`
