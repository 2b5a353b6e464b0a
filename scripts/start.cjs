#!/usr/bin/env node
// The program's start file in dist/: keeps V8's compiled code between runs, for compiling is most of what a short run does.

const { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } = require('node:fs')
const Module = require('node:module')
const { basename, dirname, join } = require('node:path')
const { Script } = require('node:vm')

// A directory of the user's own: what lies in a shared one could be another's code. Without one nothing is kept.
const { HOME, XDG_CACHE_HOME = HOME && join(HOME, '.cache') } = process.env
const cache = XDG_CACHE_HOME && join(XDG_CACHE_HOME, 'k3s-platform', 'code', `${process.version}-${process.arch}`)
const fresh = new Map()

Module._extensions['.js'] = (module, filename) => {
  const kept = cache && join(cache, basename(filename)) // the names of chunks hold hashes of their content
  const cachedData = kept && existsSync(kept) ? readFileSync(kept) : undefined
  const script = new Script(Module.wrap(readFileSync(filename, 'utf8')), { filename, cachedData })
  if (kept && (!cachedData || script.cachedDataRejected)) fresh.set(kept, script)
  const run = script.runInThisContext()
  run.call(module.exports, module.exports, Module.createRequire(filename), module, filename, dirname(filename))
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

require('./MAIN')
