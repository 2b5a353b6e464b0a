// npm run demo [-- --once | --down]: a throwaway node on this machine becomes a platform node through the built program.

import { spawn, spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, createReadStream, createWriteStream, existsSync, openSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { platform } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { parse, stringify } from 'yaml'
import { $, sleep } from 'zx'
import { bringGo, builder, missingBuilds } from './demo-builds.mjs'

const at = (relative) => new URL(`../${relative}`, import.meta.url).pathname
const nodes = at('test/testbed/nodes/nodes')
const testbed = process.env.K3SP_TESTBED_DIR ?? '/var/cache/k3sp-testbed'
const demo = join(testbed, 'demo') // kubeconfig, HOME of the program, the mirror's log and state
const say = (text) => console.log(`demo: ${text}`)
const started = Date.now()

class Refusal extends Error {}

/** The demo needs root, for the node: asks sudo, keeps the environment that matters. */
function becomeRoot() {
  if (process.getuid() === 0) return
  say('starting a node needs root: asking sudo')
  const keep = [
    'PATH',
    'HOME',
    'K3SP_TESTBED_DIR',
    'K3S_PLATFORM_K3S_MIRROR_URL',
    'GOPROXY',
    'GOFLAGS',
    'https_proxy',
    'NO_COLOR',
  ]
  const env = keep.flatMap((name) => (process.env[name] === undefined ? [] : [`${name}=${process.env[name]}`]))
  const child = spawnSync('sudo', ['env', ...env, process.execPath, ...process.argv.slice(1)], { stdio: 'inherit' })
  if (child.error !== undefined) throw new Refusal('starting a node needs root, and there is no sudo: run it as root')
  process.exit(child.status ?? 1)
}

/** The node's line of `nodes list`, booted if it was not running. */
async function startNode() {
  const list = (await $`${nodes} list`).stdout.split('\n').filter(Boolean)
  const known = list.map((line) => JSON.parse(line)).find((one) => one.name === 'demo')
  if (known?.state === 'running') return known
  return JSON.parse((await $`${nodes} ${known === undefined ? 'up' : 'start'} demo`).stdout)
}

/** Where the real release can be had from, or null with the reason said. Nodes get no more controllers than the machine has. */
async function realRelease(version) {
  const subtree = '/sys/fs/cgroup/cgroup.subtree_control'
  if (!existsSync(subtree) || !readFileSync(subtree, 'utf8').includes('memory')) {
    say('k3s: the stand-in (a real API server without containers): nodes on this machine have no cgroup v2 controllers')
    return null
  }
  const base = process.env.K3S_PLATFORM_K3S_MIRROR_URL ?? 'https://github.com/k3s-io/k3s/releases/download'
  const url = `${base}/${encodeURIComponent(version)}`
  const head = await fetch(`${url}/sha256sum-amd64.txt`, { method: 'HEAD', signal: AbortSignal.timeout(5000) }).catch(
    (error) => error,
  )
  if (head.ok) {
    say(`k3s: the release ${version} from ${base}`)
    return url
  }
  const why = head.cause?.code ?? head.status ?? head.message
  say(`k3s: the stand-in (a real API server without containers): ${base} cannot be reached (${why})`)
  return null
}

/** Downloads the real release once; returns a directory in the layout of the releases. */
async function download(url, version) {
  const root = join(testbed, 'build/k3s-real')
  const dir = join(root, version)
  const arch = { x64: 'amd64', arm64: 'arm64' }[process.arch]
  const name = arch === 'amd64' ? 'k3s' : `k3s-${arch}`
  if (existsSync(join(dir, name))) return root
  await mkdir(`${dir}.part`, { recursive: true })
  for (const file of [`sha256sum-${arch}.txt`, name]) {
    const answer = await fetch(`${url}/${file}`)
    if (!answer.ok) throw new Refusal(`${url}/${file}: HTTP ${answer.status}`)
    const target = createWriteStream(join(`${dir}.part`, file))
    const ticker = setInterval(() => say(`k3s: ${file}: ${Math.round(target.bytesWritten / 1e6)} MB`), 5000)
    await pipeline(Readable.fromWeb(answer.body), target).finally(() => clearInterval(ticker))
  }
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(`${dir}.part`, name)), hash)
  const sums = await readFile(join(`${dir}.part`, `sha256sum-${arch}.txt`), 'utf8')
  if (!sums.includes(`${hash.digest('hex')}  ${name}\n`))
    throw new Refusal(`${url}/${name}: its sum is not the published one`)
  await rename(`${dir}.part`, dir)
  return root
}

/**
 * Real charts, and the programs that the stand-in runs in place of their containers. Returns the directory of the charts, and
 * where the node sees the programs of cert-manager.
 */
async function standInParts(build) {
  const part = async (name) => (await build(name, $`${at('test/testbed/parts')} ${name}`)).stdout.trim()
  const [charts, ...programs] = [await part('charts'), await part('caddy'), await part('cert-manager')]
  const inNode = programs.map((one) => `/usr/local/lib/testbed/${basename(one)}`)
  const images = '/usr/local/lib/k3s-standin/images'
  const link = `mkdir -p ${images} && ln -sf ${inNode.map((part) => `${part}/images/*`).join(' ')} ${images}/`
  await $`${nodes} run demo -- sh -c ${link}`
  return { charts, programs: inNode.at(-1) }
}

/** An ACME server on the node, with a name server for which every name is the node; returns the variables that lead to it. */
async function startAcme(programs, host) {
  const files = '/run/pebble'
  const url = `${host}:14000`
  const key = { certificate: `${files}/server.pem`, privateKey: `${files}/server.pem` }
  const pebble = { listenAddress: url, managementListenAddress: `${host}:15000`, ...key, httpPort: 80, tlsPort: 443 }
  const dns = `${programs}/acme/pebble-challtestsrv -defaultIPv4 ${host} -defaultIPv6 '' -dnsserver ${host}:53 -http01 '' -https01 '' -tlsalpn01 '' -doh '' -management 127.0.0.1:8055`
  const script = `set -eu
systemctl stop pebble pebble-dns 2>/dev/null || :
mkdir -p -m 700 ${files}
openssl req -x509 -days 30 -subj /CN=acme -addext subjectAltName=IP:${host} -newkey ec -pkeyopt ec_paramgen_curve:P-256 \
  -nodes -keyout - -out - 2>/dev/null >${files}/server.pem
echo '${JSON.stringify({ pebble })}' >${files}/config.json
systemd-run -q --collect --unit=pebble-dns ${dns}
systemd-run -q --collect --unit=pebble -E PEBBLE_VA_NOSLEEP=1 ${programs}/acme/pebble -config ${files}/config.json -dnsserver ${host}:53
echo 'nameserver ${host}' >/etc/resolv.conf
openssl x509 -in ${files}/server.pem`
  const ca = (await $`${nodes} run demo -- sh -c ${script}`).stdout
  return {
    k3s_platform_acme_server: `https://${url}/dir`,
    k3s_platform_acme_ca_bundle: ca,
    k3s_platform_cert_manager_values: { extraArgs: ['--dns01-check-retry-period=1s'] }, // of HTTP-01, too; default 10 s
    k3s_platform_certificates: [
      { name: 'postgresql-tls', namespaces: ['platform', 'database'], dnsNames: ['postgresql-prod.svc.plus'] },
    ],
  }
}

/** Serves releases and charts to the node, in the background; returns the address. */
async function startMirror(releases, charts) {
  await stopMirror()
  const log = openSync(join(demo, 'mirror.log'), 'w')
  const folders = charts === null ? [releases] : [releases, `charts=${charts}`]
  const args = [
    'exec',
    process.execPath,
    at('test/testbed/mirror.mjs'),
    '--state',
    join(demo, 'mirror.json'),
    ...folders,
  ]
  spawn(nodes, args, { detached: true, stdio: ['ignore', log, log] }).unref()
  closeSync(log)
  for (let tries = 0; tries < 100; tries++) {
    if (existsSync(join(demo, 'mirror.json'))) return JSON.parse(await readFile(join(demo, 'mirror.json'), 'utf8')).url
    await sleep(100)
  }
  throw new Refusal(`the mirror did not start: ${await readFile(join(demo, 'mirror.log'), 'utf8')}`)
}

async function stopMirror() {
  const state = join(demo, 'mirror.json')
  if (!existsSync(state)) return
  const { pid } = JSON.parse(readFileSync(state, 'utf8'))
  const running = () => existsSync(`/proc/${pid}`) && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes(state)
  if (running()) process.kill(pid)
  for (let tries = 0; tries < 50 && running(); tries++) await sleep(20)
  await rm(state)
}

async function down() {
  await stopMirror()
  await $`${nodes} down demo`
  await rm(demo, { recursive: true, force: true })
  await $`${nodes} sweep`
  say('nothing is left of the node; what was built stays in the cache')
}

async function up(once) {
  const vars = parse(await readFile(at('inventories/sandbox/group_vars/all.yaml'), 'utf8'))
  const version = vars.k3s_platform_k3s_version
  const real = await realRelease(version)
  const missing = await missingBuilds({ nodes, standIn: real === null, version })
  if (missing.some((part) => part !== 'rootfs')) {
    const lacking = await bringGo(say)
    if (lacking !== null) throw new Refusal(lacking)
  }
  const build = builder(missing, say)
  await build('rootfs', $`${nodes} prepare`)
  const node = await startNode()
  say(`node demo is up: Debian 13 with systemd and sshd at ${node.host}`)
  await mkdir(demo, { recursive: true, mode: 0o700 })

  const standIn = async () => (await build('k3s', $`${at('test/testbed/k3s-standin/build')} ${version}`)).stdout.trim()
  const releases = real === null ? dirname(dirname(await standIn())) : await download(real, version)
  const parts = real === null ? await standInParts(build) : null
  const mirror = await startMirror(releases, parts?.charts ?? null)
  const more = []
  if (parts !== null) {
    const addons = ['cert_manager', 'caddy', 'reloader']
    const urls = addons.map((addon) => [`k3s_platform_${addon}_chart_repo_url`, `${mirror}/charts`])
    const acme = await startAcme(parts.programs, node.host)
    await writeFile(join(demo, 'stand-in.yaml'), stringify({ ...Object.fromEntries(urls), ...acme }))
    more.push('-e', `@${join(demo, 'stand-in.yaml')}`)
  }
  const ours = {
    HOME: demo,
    K3S_PLATFORM_DEMO_DIR: demo,
    K3S_PLATFORM_DEMO_HOST: node.host,
    K3S_PLATFORM_DEMO_KEY: node.identityFile,
    K3S_PLATFORM_DEMO_MIRROR: mirror,
    K3S_PLATFORM_SSH_KNOWN_HOSTS: `${node.host} ${node.hostKey}`,
  }
  const exports = Object.entries(ours).map(([name, value]) => `export ${name}='${value}'\n`)
  await writeFile(join(demo, 'env'), exports.join(''))
  const shown = { stdio: ['ignore', 'inherit', 'inherit'] }
  if (!existsSync(at('dist/k3s-platform.js'))) await $`node ${at('scripts/build.mjs')}`
  for (const command of ['apply', 'plan']) {
    console.log(`\n$ k3s-platform ${command} -i inventories/sandbox`)
    const run = $({ ...shown, env: { ...process.env, ...ours }, cwd: at('.') })
    await run`${nodes} exec ${process.execPath} dist/k3s-platform.js ${command} -i inventories/sandbox ${more}`
  }

  const options = ['-i', node.identityFile, '-o', `UserKnownHostsFile=${testbed}/nodes/demo/known_hosts`]
  const kubeconfig = join(demo, 'demo.yaml')
  const kubectl = `${releases}/${version}/${process.arch === 'arm64' && real !== null ? 'k3s-arm64' : 'k3s'}`
  await $`chmod +x ${kubectl}`
  console.log('\n$ kubectl get nodes (over ssh, then with the fetched kubeconfig)')
  await $(shown)`${nodes} exec ssh ${options} ops@${node.host} sudo k3s kubectl get nodes`
  await $(shown)`${nodes} exec ${kubectl} kubectl --kubeconfig ${kubeconfig} get nodes`
  console.log('\n$ kubectl get certificates -A')
  await $(shown)`${nodes} exec ${kubectl} kubectl --kubeconfig ${kubeconfig} get certificates -A`
  const seconds = Math.round((Date.now() - started) / 1000)
  say(`a platform node from bare Debian in ${seconds} s, and the plan after it is empty`)
  if (once) return
  console.log(`
The node has a network of its own, which "nodes exec" enters:

  ssh       ${nodes} exec ssh ${options.join(' ')} ops@${node.host}
  kubectl   ${nodes} exec ${kubectl} kubectl --kubeconfig ${kubeconfig} get pods -A
  the tool  (. ${demo}/env; ${nodes} exec node dist/k3s-platform.js plan -i inventories/sandbox ${more.join(' ')})
  clean up  npm run demo -- --down
`)
}

async function main() {
  const flags = process.argv.slice(2)
  if (flags.some((flag) => !['--once', '--down'].includes(flag)) || flags.length > 1) {
    throw new Refusal('usage: npm run demo [-- --once | --down]')
  }
  if (platform() !== 'linux' || !existsSync('/usr/bin/apt-get')) {
    throw new Refusal(
      'the demo starts a node on this machine, which needs Debian; elsewhere: k3s-platform apply -i <your inventory>',
    )
  }
  becomeRoot()
  if (flags[0] === '--down') return await down()
  process.on('SIGINT', () => {}) // it ends the command that runs; what that means is decided below
  const once = flags[0] === '--once'
  try {
    await up(once)
  } catch (error) {
    if (flags[0] !== '--once')
      say('it did not work; the node is left for a look. Clean up with: npm run demo -- --down')
    throw error
  } finally {
    if (once) await down()
  }
}

main().catch((error) => {
  // zx's error is what the command printed: already seen, when it went to the terminal
  const code = error.exitCode === undefined ? '' : `the last command failed (exit code ${error.exitCode})`
  console.error(
    `demo: ${[code, error instanceof Refusal ? error.message : (error.stderr ?? error.stack)].filter(Boolean).join('\n')}`,
  )
  process.exitCode = 1
})
