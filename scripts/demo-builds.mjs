// What the demo builds once on a machine: says beforehand how long it takes, and how far it is meanwhile.

import { existsSync, readFileSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { $ } from 'zx'

const at = (relative) => new URL(`../test/testbed/${relative}`, import.meta.url).pathname

/** Seconds on a quiet machine: to wait for downloads, and of one processor. Measured on two cores in 2026. */
const PARTS = {
  rootfs: { title: 'the root file system of the nodes', wait: 40, work: 30 },
  k3s: { title: 'the k3s stand-in', wait: 20, work: 600, count: 3000 },
  charts: { title: 'the charts', wait: 15, work: 5 },
  caddy: { title: 'the ingress controller', wait: 15, work: 65 },
  'cert-manager': { title: 'cert-manager', wait: 10, work: 130 },
}
const EVERY_MS = 15_000

/** Names of PARTS that this machine does not have yet; the stand-in and what runs on it only where the real k3s cannot. */
export async function missingBuilds({ nodes, standIn, version }) {
  const rootfs = (await $`${nodes} rootfs`).stdout.trim()
  const missing = existsSync(rootfs) ? [] : ['rootfs']
  if (!standIn) return missing
  if ((await $`${at('k3s-standin/build')} --missing ${version}`).stdout.trim() !== '') missing.push('k3s')
  const parts = (await $`${at('parts')} --missing charts caddy cert-manager`).stdout.split('\n').filter(Boolean)
  return [...missing, ...parts]
}

/** Says what is ahead. The returned `build` runs what makes a part, and says every few seconds how far it is. */
export function builder(missing, say) {
  const cores = availableParallelism()
  const seconds = (part) => PARTS[part].wait + PARTS[part].work / cores
  const started = Date.now()
  const since = (from) => (Date.now() - from) / 1000
  const sum = (parts) => parts.reduce((all, part) => all + seconds(part), 0)
  if (missing.length > 0) {
    const titles = missing.map((part) => PARTS[part].title).join(', ')
    say(`built once, and then kept: ${titles}; about ${clock(sum(missing))} on this machine (${cores} cores)`)
  }
  return async function build(part, command) {
    const i = missing.indexOf(part)
    command.quiet() // what it says comes as progress; on failure with the error
    if (i < 0) return command
    const from = Date.now()
    let compiled = 0
    command.stderr.on('data', (text) => {
      compiled = Number(/, (\d+) done/.exec(String(text))?.[1] ?? compiled)
    })
    const { title, count } = PARTS[part]
    const tell = (done) => {
      const before = since(started) - since(from)
      const total = before + Math.max(done ? 0 : seconds(part), since(from)) + sum(missing.slice(i + 1))
      const parts = count && compiled && !done ? `, ${compiled} of about ${count} packages` : ''
      const now = `${clock(since(started))} of about ${clock(total)}`
      say(`${done ? 'built' : 'building'} ${title}: ${i + (done ? 1 : 0)} of ${missing.length} parts${parts}, ${now}`)
    }
    tell(false)
    const ticker = setInterval(tell, EVERY_MS, false)
    try {
      return await command
    } finally {
      clearInterval(ticker)
      tell(true)
    }
  }
}

/**
 * Puts a Go that can build the stand-in into PATH. Returns null, or what to do where there is none: Debian's own is taken
 * where it can fetch a newer one by itself, as every Go since 1.21 does.
 */
export async function bringGo(say) {
  const [, needed] = /^go (\S+)$/m.exec(readFileSync(at('k3s-standin/go.mod'), 'utf8'))
  process.env.PATH = `${process.env.PATH}:/usr/local/go/bin`
  const installed = async () => /^go([\d.]+)/.exec((await $`go env GOVERSION`.nothrow().quiet()).stdout)?.[1]
  let found = await installed()
  if (found !== undefined && !isOlder(found, needed)) return null
  const install = `install Go ${needed} or newer (https://go.dev/dl) and put it into PATH`
  if (found === undefined) {
    await $`apt-get -qq update`.nothrow().quiet()
    const policy = (await $`apt-cache policy golang-go`.nothrow().quiet()).stdout
    const candidate = /Candidate: (?:\d+:)?([\d.]+)/.exec(policy)?.[1]
    if (candidate === undefined || isOlder(candidate, '1.21')) {
      return `Go is missing, and Debian's here is ${candidate ?? 'not to be had'}: ${install}`
    }
    say(`Go is missing, and the stand-in is built with it: installing with apt: golang-go (${candidate})`)
    const env = { ...process.env, DEBIAN_FRONTEND: 'noninteractive' }
    await $({ env, quiet: true })`apt-get -qq -y --no-install-recommends install golang-go`
    found = await installed()
    if (found !== undefined && !isOlder(found, needed)) return null
  }
  say(`Go ${found} fetches Go ${needed}, which the stand-in needs`)
  const fetched = await $({ env: { ...process.env, GOTOOLCHAIN: `go${needed}` } })`go env GOROOT`.nothrow().quiet()
  if (fetched.exitCode !== 0)
    return `Go ${found} is too old, and a newer one was not fetched: ${install}\n${fetched.stderr}`
  process.env.PATH = `${fetched.stdout.trim()}/bin:${process.env.PATH}`
  return null
}

/** By the first two numbers, then the third: 1.26 is not older than 1.26.0. */
export function isOlder(version, than) {
  const [a, b] = [version, than].map((text) => text.split('.').map(Number))
  for (let i = 0; i < 3; i++) if ((a[i] ?? 0) !== (b[i] ?? 0)) return (a[i] ?? 0) < (b[i] ?? 0)
  return false
}

function clock(seconds) {
  const whole = Math.round(seconds)
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)} m ${whole % 60} s`
}
