#!/usr/bin/env node
// The program's start file in dist/: keeps V8's compiled code between runs, for compiling is most of what a short run does.

const {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} = require('node:fs')
const { join } = require('node:path')
const { Script } = require('node:vm')

// Only below a directory of who runs this: what another can write (a shared directory, the user's home under sudo) could be
// another's code. Without one nothing is kept.
const { HOME, XDG_CACHE_HOME } = process.env
const home = XDG_CACHE_HOME || HOME
const own = home && statSync(home, { throwIfNoEntry: false })?.uid === process.getuid?.()
const version = `${process.version}-${process.arch}`
const cache = own && join(XDG_CACHE_HOME || join(home, '.cache'), 'k3s-platform', 'code', version)

const loaded = new Map()
const fresh = new Map()

/** Of Node itself, slow to load and seldom used: a chunk gets what loads them when something of them is asked for. */
const LATE = new Set([
  'node:dns/promises',
  'node:fs/promises',
  'node:http',
  'node:http2',
  'node:https',
  'node:tls',
  'node:zlib',
])
const late = (id) => new Proxy({}, { get: (_, name) => require(id)[name] })

/** As `require` for a chunk, whose name holds a hash of its content. */
function load(name) {
  const known = loaded.get(name)
  if (known) return known.exports
  const module = { exports: {} }
  loaded.set(name, module)
  const filename = join(__dirname, name)
  const kept = cache && join(cache, name)
  const cachedData = kept && existsSync(kept) ? readFileSync(kept) : undefined
  const source = `(function (exports, require, module, __filename, __dirname) {${readFileSync(filename, 'utf8')}\n})`
  const script = new Script(source, { filename, cachedData })
  if (kept && (!cachedData || script.cachedDataRejected)) fresh.set(kept, script)
  const from = (id) => (id.startsWith('./') ? load(id.slice(2)) : LATE.has(id) ? late(id) : require(id))
  script.runInThisContext()(module.exports, from, module, filename, __dirname)
  return module.exports
}

// At the end, with the functions that this run has used; after a mistake that were too few.
process.on('exit', (code) => {
  if (fresh.size === 0 || (code !== 0 && code !== 2)) return
  try {
    mkdirSync(cache, { recursive: true, mode: 0o700 })
    for (const name of readdirSync(cache)) if (!existsSync(join(__dirname, name))) rmSync(join(cache, name))
    for (const [path, script] of fresh) {
      writeFileSync(`${path}.${process.pid}`, script.createCachedData(), { mode: 0o600 })
      renameSync(`${path}.${process.pid}`, path)
    }
  } catch {
    // Full, read-only, or another run's at the same time: then it is only slower.
  }
})

load('MAIN')
