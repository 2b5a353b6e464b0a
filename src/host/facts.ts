// Facts: what a host is, read in the same exec as the probes.

import type { Answer } from './resource.ts'
import { sh } from './sh.ts'

export type PackageManager = 'apt-get' | 'dnf' | 'zypper' | 'apk'
export type Init = 'systemd' | 'openrc' | 'other'

export interface Facts {
  readonly hostname: string
  /** Numeric user id that probes run with; 0 unless becoming root was refused. */
  readonly uid: number
  readonly os: {
    readonly id: string
    readonly like: readonly string[]
    readonly version: string
    readonly name: string
  }
  /** As k3s names it: amd64, arm64, arm; otherwise what uname says. */
  readonly arch: string
  readonly kernel: string
  readonly init: Init
  readonly packageManager: PackageManager | null
  readonly cpus: number
  readonly memoryMiB: number
  readonly swapMiB: number
  readonly cgroup: { readonly version: 1 | 2; readonly memory: boolean }
  /** Host clock minus workstation clock. */
  readonly clockSkewSeconds: number
  /** Global unicast addresses, the one of the default route first. */
  readonly addresses: readonly string[]
  /** MiB free for root where k3s writes, by the deepest directory that exists. */
  readonly freeMiB: { readonly root: number; readonly var: number; readonly opt: number; readonly tmp: number }
  /** What is at /usr/local/bin/k3s and whether systemd or OpenRC knows its service. */
  readonly k3s: { readonly binary: boolean; readonly service: boolean }
}

export const factsProbe = sh`read -r k_f </proc/sys/kernel/hostname; printf 'hostname=%s\n' "$k_f"
printf 'uid=%s\n' "$(id -u)"
k_f=/etc/os-release; [ -r $k_f ] || k_f=/usr/lib/os-release
(. $k_f; printf 'os=%s|%s|%s|%s\n' "$ID" "$ID_LIKE" "$VERSION_ID" "$PRETTY_NAME")
printf 'uname=%s|%s\n' "$(uname -m)" "$(uname -r)"
if [ -d /run/systemd/system ]; then echo init=systemd; elif [ -e /run/openrc ] || k_has openrc-run; then echo init=openrc; else echo init=other; fi
for m in apt-get dnf zypper apk; do if k_has $m; then printf 'packages=%s\n' $m; break; fi; done
printf 'cpus=%s\n' "$(grep -c '^processor' /proc/cpuinfo)"
sed -n 's/^MemTotal: *\([0-9]*\).*/memory=\1/p; s/^SwapTotal: *\([0-9]*\).*/swap=\1/p' /proc/meminfo
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then k_f=''; read -r k_f </sys/fs/cgroup/cgroup.controllers; printf 'cgroup=2 %s\n' "$k_f"; else echo cgroup=1; fi
sed -n 's/^memory[[:space:]].*[[:space:]]\([01]\)$/cgroupv1memory=\1/p' /proc/cgroups 2>/dev/null
printf 'time=%s\n' "$(date +%s)"
k_dev=$(ip -o route show default 2>/dev/null | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -n 1)
ip -o addr show scope global 2>/dev/null | sed -n 's/^[0-9]*: *\([^ ]*\) *inet6* *\([^/ ]*\).*/address=\1 \2/p'
printf 'default=%s\n' "$k_dev"
k_d=''; for d in / /var/lib /opt /tmp; do [ ! -d $d ] || k_d="$k_d $d"; done
df -Pk $k_d | { read -r k_f; for d in $k_d; do read -r k_f k_f k_f k_f k_r; printf 'free=%s %s\n' "$d" "$k_f"; done; }
[ ! -x /usr/local/bin/k3s ] || echo k3s=binary
[ ! -e /etc/systemd/system/k3s.service ] && [ ! -e /etc/init.d/k3s ] || echo k3s=service`

/** What uname calls a machine, and what k3s calls it. */
export const arches: Readonly<Record<string, string>> = { x86_64: 'amd64', aarch64: 'arm64', armv7l: 'arm', armv8l: 'arm' }

/** `sent` and `received` are the workstation's clock around the exec, milliseconds since the epoch. */
export function readFacts(answer: Answer, sent: number, received: number): Facts {
  const all = (key: string): string[] =>
    answer.text.split('\n').flatMap((line) => (line.startsWith(`${key}=`) ? [line.slice(key.length + 1)] : []))
  const one = (key: string): string => all(key)[0] ?? ''
  const [id = '', like = '', version = '', name = ''] = one('os').split('|')
  const [machine = '', kernel = ''] = one('uname').split('|')
  const [cgroup = '', ...controllers] = one('cgroup').split(' ')
  const free = new Map(all('free').map((line): [string, number] => [line.split(' ')[0] ?? '', mib(line.split(' ')[1])]))
  const onDefault = (line: string) => (line.split(' ')[0] === one('default') ? 0 : 1)
  const k3s = all('k3s')
  return {
    hostname: one('hostname'),
    uid: Number(one('uid')),
    os: { id, like: like.split(' ').filter(Boolean), version, name: name || id },
    arch: arches[machine] ?? machine,
    kernel,
    init: initOf(one('init')),
    packageManager: managerOf(one('packages')),
    cpus: Number(one('cpus')),
    memoryMiB: mib(one('memory')),
    swapMiB: mib(one('swap')),
    cgroup: {
      version: cgroup === '2' ? 2 : 1,
      memory: controllers.includes('memory') || one('cgroupv1memory') === '1',
    },
    clockSkewSeconds: Math.round(Number(one('time')) - (sent + received) / 2000),
    addresses: all('address')
      .toSorted((a, b) => onDefault(a) - onDefault(b))
      .map((line) => line.split(' ')[1] ?? ''),
    freeMiB: {
      root: free.get('/') ?? 0,
      var: free.get('/var/lib') ?? 0,
      opt: free.get('/opt') ?? free.get('/') ?? 0,
      tmp: free.get('/tmp') ?? 0,
    },
    k3s: { binary: k3s.includes('binary'), service: k3s.includes('service') },
  }
}

/** `Debian 13, amd64, 2 CPU, 3.8 GiB` */
export function aboutHost(facts: Facts): string {
  const name = facts.os.name.replace(/ GNU\/Linux/, '').replace(/ \([^)]*\)$/, '')
  return `${name}, ${facts.arch}, ${facts.cpus} CPU, ${(facts.memoryMiB / 1024).toFixed(1)} GiB`
}

function mib(kib: string | undefined): number {
  return Math.floor(Number(kib ?? 0) / 1024)
}

function initOf(text: string): Init {
  return text === 'systemd' || text === 'openrc' ? text : 'other'
}

function managerOf(text: string): PackageManager | null {
  return text === 'apt-get' || text === 'dnf' || text === 'zypper' || text === 'apk' ? text : null
}
