// Facts: what a host is, read in the same exec as the probes.

import { SERVICES } from './facts/probe.ts'

export { factsProbe } from './facts/probe.ts'

export type PackageManager = 'apt-get' | 'dnf' | 'zypper' | 'apk'
type Init = 'systemd' | 'openrc' | 'other'
type Service = (typeof SERVICES)[number]

/** Who listens on a port. `process` and `pid` are null where nothing on the host could tell. */
export interface Holder {
  readonly protocol: 'tcp' | 'udp'
  readonly port: number
  readonly process: string | null
  readonly pid: number | null
}

/** A file system, by where it is mounted. */
export interface Disk {
  readonly path: string
  readonly sizeMiB: number
  /** For users who are not root. */
  readonly freeMiB: number
  /** null: made as they are needed (btrfs). */
  readonly freeInodes: number | null
}

export interface Facts {
  readonly hostname: string
  /** Empty where there is none. */
  readonly machineId: string
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
  /** Of the board, where the firmware tells it: `Raspberry Pi 4 Model B Rev 1.4`. */
  readonly model: string
  readonly init: Init
  /** A container has its host's kernel, clock and boot parameters. */
  readonly container: boolean
  readonly packageManager: PackageManager | null
  readonly cpus: number
  readonly memoryMiB: number
  readonly swapMiB: number
  /** Devices and files; `/dev/zram0` is memory. */
  readonly swaps: readonly string[]
  /** Controllers of v2, and those of v1 that the kernel has enabled. */
  readonly cgroup: { readonly version: 1 | 2; readonly controllers: readonly string[] }
  /** Host clock minus workstation clock. */
  readonly clockSkewSeconds: number
  /** Global unicast addresses with their interface, those of the default route first. */
  readonly addresses: readonly { readonly device: string; readonly address: string }[]
  /** Interfaces with a default route, IPv4 first; the MTU is null where the kernel does not tell it. */
  readonly routes: readonly { readonly device: string; readonly mtu: number | null }[]
  readonly disks: readonly Disk[]
  /** Those of `SERVICES` that run. */
  readonly active: ReadonlySet<Service>
  readonly firewall: {
    /** ufw says so of itself in its settings. */
    readonly ufw: boolean
    /** Sources from which ufw or firewalld let everything in. */
    readonly trusted: readonly string[]
    /** Hooks where a chain of nftables drops what no rule accepts: `input`, `forward`. Known while nftables is active. */
    readonly drops: readonly string[]
  }
  /** null: not in the kernel, or off. */
  readonly selinux: 'enforcing' | 'permissive' | null
  readonly apparmor: boolean
  /** Modules that the running kernel has, and that it certainly has not. */
  readonly modules: { readonly known: readonly string[]; readonly missing: readonly string[]; readonly dir: boolean }
  /** Every port that is listened on; processes only for those that k3s and Caddy need. */
  readonly listening: readonly Holder[]
  /** Commands of package managers and boot loaders. */
  readonly has: ReadonlySet<string>
  /** Paths that are there, of those that are looked for. */
  readonly there: ReadonlySet<string>
  /** What is at /usr/local/bin/k3s, whether systemd or OpenRC has its service, and whether that was made by this tool. */
  readonly k3s: { readonly binary: boolean; readonly service: boolean; readonly ours: boolean }
}

/** A node with many addresses and listeners has some thousand lines; what is beyond is left out. */
const MAX_FACTS_LINES = 20_000
const MAX_FACTS_CHARS = 4 * 1024 * 1024
const MAX_DEVICES = 64

/** What uname calls a machine, and what k3s calls it. */
export const arches: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  aarch64: 'arm64',
  armv7l: 'arm',
  armv8l: 'arm',
}

/** `text` is what the probe printed; `sent` and `received` the workstation's clock around the exec, milliseconds since the epoch. */
export function readFacts({ text }: { readonly text: string }, sent: number, received: number): Facts {
  const found = new Map<string, string[]>()
  const probeLines = text.slice(0, MAX_FACTS_CHARS).replaceAll('\0', '').split('\n').slice(0, MAX_FACTS_LINES)
  for (const line of probeLines) {
    const at = line.indexOf('=')
    const key = at < 0 ? '' : line.slice(0, at)
    const values = found.get(key) ?? []
    values.push(line.slice(at + 1))
    found.set(key, values)
  }
  const all = (key: string): readonly string[] => found.get(key) ?? []
  const one = (key: string): string => all(key)[0] ?? ''
  const [id = '', like = '', version = '', name = ''] = one('os').split('|')
  const [kernel = '', machine = ''] = one('uname').split(' ')
  const there = new Set(all('there'))
  const has = new Set(all('has'))
  const active = new Set(SERVICES.filter((service) => all('active').includes(service)))
  const devices = [...new Set(all('default'))].filter((device) => device !== 'lo').slice(0, MAX_DEVICES)
  const mtus = new Map(all('mtu').map((line): [string, string] => [line.split('=')[0] ?? '', line.split('=')[1] ?? '']))
  const onDefault = ({ device }: { device: string }) => devices.indexOf(device) + 1 || 99
  return {
    hostname: one('hostname'),
    machineId: one('machine'),
    uid: count(one('uid')),
    os: { id, like: like.split(' ').filter(Boolean), version, name: name || id },
    arch: arches[machine] ?? machine,
    kernel,
    model: one('model'),
    init: initOf(one('init')),
    container: there.has('/run/systemd/container'),
    packageManager: managers.find((manager) => has.has(manager)) ?? null,
    cpus: all('cpu').length,
    memoryMiB: Math.floor(count(one('memory')) / 1024),
    swapMiB: Math.floor(count(one('swap')) / 1024),
    swaps: all('swapon'),
    cgroup: {
      version: found.has('cgroup2') ? 2 : 1,
      controllers: [...new Set([...one('cgroup2').split(' ').filter(Boolean), ...all('controller')])],
    },
    clockSkewSeconds: Math.round(count(one('time')) - (sent + received) / 2000),
    addresses: probeLines
      .flatMap((line) => {
        const [, device, address] = /^\d+: +(\S+) +inet6? ([^/ ]+)/.exec(line) ?? []
        return device === undefined || address === undefined ? [] : [{ device, address }]
      })
      .toSorted((a, b) => onDefault(a) - onDefault(b)),
    routes: devices.map((device) => ({ device, mtu: count(mtus.get(device) ?? '') || null })),
    disks: all('disk').map(diskOf),
    active,
    firewall: { ufw: one('ufw') === 'yes', trusted: all('trusted'), drops: all('drops') },
    selinux: one('selinux') === '' ? null : one('selinux') === '1' ? 'enforcing' : 'permissive',
    apparmor: one('apparmor') === 'Y',
    modules: { known: all('module'), missing: all('nomodule'), dir: !found.has('nomodules') },
    listening: listeners(probeLines, all('holder')),
    has,
    there,
    k3s: {
      binary: there.has('/usr/local/bin/k3s'),
      service: there.has('/etc/systemd/system/k3s.service') || there.has('/etc/init.d/k3s'),
      ours: there.has('/var/lib/k3s-platform/units'),
    },
  }
}

/** `Debian 13, amd64, 2 CPU, 3.8 GiB` */
export function aboutHost(facts: Facts): string {
  const name = facts.os.name.replace(/ GNU\/Linux/, '').replace(/ \([^)]*\)$/, '')
  return `${name}, ${facts.arch}, ${facts.cpus} CPU, ${(facts.memoryMiB / 1024).toFixed(1)} GiB`
}

/** The file system that a path is on, or will be; undefined when none is known. */
export function diskAt({ disks }: Facts, path: string): Disk | undefined {
  const above = disks.filter((disk) => `${path}/`.startsWith(disk.path === '/' ? '/' : `${disk.path}/`))
  return above.toSorted((a, b) => b.path.length - a.path.length)[0]
}

/** A whole number as the kernel prints one; 0 for what is not. */
function count(text: string): number {
  return /^\d{1,20}$/.test(text) ? Number(text) : 0
}

const managers: readonly PackageManager[] = ['apt-get', 'dnf', 'zypper', 'apk']

function initOf(text: string): Init {
  return text === 'systemd' || text === 'openrc' ? text : 'other'
}

/** `stat -f`: path, block size, free and all blocks, free and all inodes; a path may have spaces. */
function diskOf(line: string): Disk {
  const words = line.split(' ')
  const [size = 0, free = 0, blocks = 0, freeInodes = 0, inodes = 0] = words.slice(-5).map(count)
  const mib = (count: number) => Math.floor((count * size) / 1_048_576)
  return {
    path: words.slice(0, -5).join(' '),
    sizeMiB: mib(blocks),
    freeMiB: mib(free),
    freeInodes: inodes === 0 ? null : freeInodes,
  }
}

/** Lines of ss or netstat, those of `holders` with the processes: `users:(("nginx",pid=811,fd=6))` or `811/nginx: master`. */
function listeners(lines: readonly string[], holders: readonly string[]): Holder[] {
  const found = new Map<string, Holder>()
  for (const line of [...lines, ...holders]) {
    const [, protocol, port = ''] = /^(tcp|udp)6? .*?:(\d+) /.exec(line) ?? []
    if (protocol === undefined || count(port) > 65_535) continue
    const key = `${protocol}:${port}`
    if (found.get(key)?.process) continue // the first of those that share a socket
    const [, process, pid] = /users:\(\("([^"]*)",pid=(\d+)/.exec(line) ?? []
    const [, netstatPid, netstatName] = / (\d+)\/([^ :]+)/.exec(line) ?? []
    const name = process ?? netstatName ?? null
    found.set(key, {
      protocol: protocol === 'udp' ? 'udp' : 'tcp',
      port: Number(port),
      process: name,
      pid: name === null ? null : count(pid ?? netstatPid ?? ''),
    })
  }
  return [...found.values()]
}
