// Brings the programs that tests run on this machine, before the first test: installed by apt as root, else unpacked into a
// cache and laid over /usr for the tests alone. Where all are there, this is a look at a few paths.

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'

/** Program to Debian package. What is Essential in Debian (a shell, coreutils, util-linux, perl-base) is taken for granted. */
const TOOLS = {
  sshd: 'openssh-server',
  ssh: 'openssh-client',
  'ssh-keygen': 'openssh-client',
  'ssh-keyscan': 'openssh-client',
  'ssh-agent': 'openssh-client',
  openssl: 'openssl',
  git: 'git',
  // Shells that remote script has to work under, and those that somebody may have as login shell.
  dash: 'dash',
  busybox: 'busybox',
  fish: 'fish',
  zsh: 'zsh',
  // What reads the manual page.
  groff: 'groff-base',
  tcsh: 'tcsh',
  // What script finds on a host.
  curl: 'curl',
  wget: 'wget',
  ip: 'iproute2',
  ps: 'procps',
  script: 'bsdutils',
  // What judges the alerts. Its package starts a server: only the program is taken out of it.
  promtool: 'prometheus',
  // What the inventory is compared with.
  'ansible-inventory': 'ansible-core',
  'ansible-playbook': 'ansible-core',
  'ansible-vault': 'ansible-core',
} as const
type Tool = keyof typeof TOOLS

/** Packages that are unpacked and not installed, and where their one program goes. It needs libc alone. */
const NOT_INSTALLED: readonly string[] = ['prometheus']
const OWN_BIN = '/usr/local/bin'
const DIRECTORIES = ['/usr/bin', '/usr/sbin', '/bin', '/sbin', OWN_BIN]
/** Set for the tests that see the unpacked packages: what is missing there stays missing. */
const INSIDE = 'K3SP_TEST_TOOLS'

export default function setup(): void {
  const missing = missingTools()
  if (missing.length === 0) return
  const packages = [...new Set(missing.map((tool) => TOOLS[tool]))]
  say(`${missing.join(', ')} ${missing.length === 1 ? 'is' : 'are'} missing, and tests run them`)
  if (!existsSync('/usr/bin/apt-get')) giveUp(packages, 'this is not Debian, and has no apt')
  if (process.env[INSIDE] !== undefined) giveUp(packages, 'the unpacked packages do not have them')
  if (process.getuid?.() === 0) install(packages)
  else runInside(unpack(packages))
}

function missingTools(): Tool[] {
  const isTool = (name: string): name is Tool => name in TOOLS
  const isThere = (name: string) => DIRECTORIES.some((directory) => existsSync(join(directory, name)))
  return Object.keys(TOOLS)
    .filter(isTool)
    .filter((name) => !isThere(name))
}

function install(packages: readonly string[]): void {
  say(`installing with apt: ${packages.join(' ')}`)
  const options = ['-qq', '-y', '-o', 'DPkg::Lock::Timeout=600']
  run('apt-get', [...options, 'update'], packages)
  const installed = packages.filter((name) => !NOT_INSTALLED.includes(name))
  if (installed.length > 0) run('apt-get', [...options, '--no-install-recommends', 'install', ...installed], packages)
  const taken = missingTools().filter((tool) => NOT_INSTALLED.includes(TOOLS[tool]))
  for (const tool of taken) takeOut(tool, packages)
  const left = missingTools()
  if (left.length > 0) giveUp(packages, `after that there is still no ${left.join(', ')}`)
}

/** Takes a program out of its package, so that nothing of the package is started. */
function takeOut(tool: Tool, packages: readonly string[]): void {
  const directory = mkdtempSync(join(tmpdir(), 'k3s-platform-tools.'))
  // From Debian 13 on it has a package of its own name.
  const script = `apt() { apt-get -qq -o APT::Sandbox::User=root download "$1"; }
cd "$1" && { apt "$3" 2>/dev/null || apt "$2"; } && dpkg-deb --fsys-tarfile ./*.deb | tar -x "./usr/bin/$3" &&
mkdir -p "$4" && mv "usr/bin/$3" "$4/$3"`
  run('/bin/sh', ['-c', script, 'sh', directory, TOOLS[tool], tool, OWN_BIN], packages)
  rmSync(directory, { recursive: true })
}

/** The packages and what they depend on, unpacked; once for what is missing and the release. Returns the directory. */
function unpack(packages: readonly string[]): string {
  const cache = join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'k3s-platform-tests')
  // What else they need depends on what is installed.
  const { stdout } = spawnSync('dpkg-query', ['-W'], { maxBuffer: 1 << 26 })
  const key = createHash('sha256').update(stdout).update(packages.join()).digest('hex').slice(0, 12)
  const root = join(cache, key)
  if (existsSync(root)) return root
  say(`you are not root: unpacking below ${root} with apt: ${packages.join(' ')}`)
  mkdirSync(cache, { recursive: true })
  // Of an earlier state of this machine. A name with a dot is another run's that is under way.
  for (const name of readdirSync(cache).filter((name) => !name.includes('.')))
    rmSync(join(cache, name), { recursive: true })
  const part = mkdtempSync(`${root}.`)
  const at = (path: string) => {
    mkdirSync(join(part, path), { recursive: true })
    return join(part, path)
  }
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(at(`usr/${name}`) && `usr/${name}`, join(part, name))
  const archives = at('apt/archives')
  at('apt/archives/partial')
  const options = [
    ['Dir::State', at('apt/state')],
    ['Dir::State::Lists', at('apt/lists')],
    ['Dir::State::status', '/var/lib/dpkg/status'],
    ['Dir::Cache', at('apt/cache')],
    ['Dir::Cache::archives', archives],
    ['Debug::NoLocking', 'true'],
  ].flatMap(([name, value]) => ['-o', `${name}=${value}`])
  run('apt-get', ['-qq', ...options, 'update'], packages)
  run(
    'apt-get',
    ['-qq', '-y', ...options, '--no-install-recommends', '--download-only', 'install', ...packages],
    packages,
  )
  for (const name of readdirSync(archives).filter((name) => name.endsWith('.deb'))) {
    // Older packages have files in /bin and /lib, which lead to /usr: dpkg-deb --extract would put directories in their place.
    const script = 'dpkg-deb --fsys-tarfile "$1" | tar -x -C "$2" --keep-directory-symlink'
    run('/bin/sh', ['-c', script, 'sh', join(archives, name), part], packages)
  }
  rmSync(join(part, 'apt'), { recursive: true })
  renameSync(part, root)
  return root
}

/**
 * Runs all of this once more where the packages seem to be installed: their files are in /usr for this process and its children,
 * by a namespace of the user, in which the user is who they are. Of /etc only OpenSSL needs its file.
 */
function runInside(root: string): never {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0]
  // Not /usr as a whole: something may be mounted below it, a volume of a container.
  const script = `for d in bin sbin lib libexec share; do
  [ ! -d "$0/usr/$d" ] || mount -t overlay tools -o "lowerdir=/usr/$d:$0/usr/$d" "/usr/$d" || exit 125
done
exec unshare --user --map-user=${uid} --map-group=${gid} -- "$@"`
  const openssl = join(root, 'etc/ssl/openssl.cnf')
  const again = [process.execPath, ...process.execArgv, ...process.argv.slice(1)]
  const namespace = ['--user', '--map-root-user', '--mount', '--', '/bin/sh', '-c', script, root]
  const tried = spawnSync('unshare', [...namespace, 'true'], { encoding: 'utf8' })
  if (tried.status !== 0) {
    giveUp(
      missingTools().map((tool) => TOOLS[tool]),
      `this user may not make a namespace to use them in: ${tried.stderr.trim()}`,
    )
  }
  const done = spawnSync('unshare', [...namespace, ...again], {
    stdio: 'inherit',
    env: { ...(existsSync(openssl) ? { OPENSSL_CONF: openssl } : {}), ...process.env, [INSIDE]: root },
  })
  process.exit(done.status ?? 1)
}

function run(command: string, args: readonly string[], packages: readonly string[]): void {
  const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C.UTF-8' }
  const done = spawnSync(command, args, { env, encoding: 'utf8', maxBuffer: 1 << 26 })
  if (done.status === 0) return
  const why = done.error?.message ?? `${done.stderr}`.trim().split('\n').slice(-3).join('; ')
  giveUp(packages, `${command} failed: ${why}`)
}

function giveUp(packages: readonly string[], why: string): never {
  const names = [...new Set(packages)]
  const list = missingTools().map((tool) => `  ${tool.padEnd(18)} Debian's package ${TOOLS[tool]}`)
  say(`no test was run: ${why}\nInstall these programs, then run the tests again:\n${list.join('\n')}`)
  say(`on Debian, as root: apt-get update && apt-get install ${names.join(' ')}`)
  process.exit(1)
}

function say(text: string): void {
  process.stderr.write(`tests: ${text}\n`)
}
