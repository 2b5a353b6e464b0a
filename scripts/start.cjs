#!/usr/bin/env node
// The program's start file in dist/: keeps V8's compiled code between runs, for compiling is most of what a short run does.

const fs = require('node:fs')
const { basename, dirname, isAbsolute, join } = require('node:path')
const { Script } = require('node:vm')

const { constants, existsSync, lstatSync, readFileSync } = fs
const uid = process.geteuid?.()

/** Whether only this user and root can change what is at `path`, which may be missing, or replace a directory above it. */
function isPrivate(path, links) {
  const found = lstatSync(path, { throwIfNoEntry: false })
  if (found) {
    if (found.uid !== uid && found.uid !== 0) return false
    // A link's own mode says nothing: what it points to is checked by its real path.
    const sound = found.isSymbolicLink() ? links : found.isDirectory() && (found.mode & 0o022) === 0
    if (!sound) return false
  }
  const above = dirname(path)
  return above === path || isPrivate(above, links)
}

/** Cached code is executed as it is: none is kept where anyone else could put some, a sticky directory such as /tmp included. */
function cacheDirectory() {
  const { HOME, XDG_CACHE_HOME } = process.env
  const base = XDG_CACHE_HOME || (HOME && join(HOME, '.cache'))
  if (uid === undefined || !base || !isAbsolute(base)) return undefined
  try {
    const real = existsSync(base) ? fs.realpathSync(base) : join(fs.realpathSync(dirname(base)), basename(base))
    const path = join(real, 'k3s-platform', 'code', `${process.version}-${process.arch}`)
    return isPrivate(base, true) && isPrivate(path, false) ? path : undefined
  } catch {
    return undefined
  }
}
const cache = cacheDirectory()

/** The bytes of a cached file that is this user's own; the file that is checked is the one that is read. */
function readCached(path) {
  let file
  try {
    file = fs.openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK)
    const found = fs.fstatSync(file)
    if (found.isFile() && found.uid === uid && (found.mode & 0o022) === 0) return readFileSync(file)
  } catch {
    // Missing or a link: it is compiled again.
  } finally {
    if (file !== undefined) fs.closeSync(file)
  }
  return undefined
}

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
  const cachedData = kept && readCached(kept)
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
    fs.mkdirSync(cache, { recursive: true, mode: 0o700 })
    for (const name of fs.readdirSync(cache)) if (!existsSync(join(__dirname, name))) fs.rmSync(join(cache, name))
    for (const [path, script] of fresh) {
      fs.writeFileSync(`${path}.${process.pid}`, script.createCachedData(), { mode: 0o600, flag: 'wx' })
      fs.renameSync(`${path}.${process.pid}`, path)
    }
  } catch {
    // Full, read-only, or another run's at the same time: then it is only slower.
  }
})

load('MAIN')
