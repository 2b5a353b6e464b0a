// Cached code that someone else could have planted is neither executed nor replaced.

import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { Script } from 'node:vm'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { seesRoot } from '../owners.ts'

const START = readFileSync(new URL('../../scripts/start.cjs', import.meta.url), 'utf8')
const MAIN = "console.log('good')"
const OTHER = 12_345

let root: string
let home: string
beforeEach(() => {
  root = mkdtempSync(join(homedir(), '.hostile-cache-'))
  home = join(root, 'home')
  for (const path of [join(root, 'dist'), home]) mkdirSync(path, { mode: 0o700 })
  writeFileSync(join(root, 'dist/start.js'), START.replace('MAIN', 'main-1.js'))
  writeFileSync(join(root, 'dist/package.json'), '{"type":"commonjs"}')
  writeFileSync(join(root, 'dist/main-1.js'), MAIN)
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

const below = join('k3s-platform/code', `${process.version}-${process.arch}`)
const cacheIn = (base: string) => join(base, '.cache', below)

/** V8 accepts compiled code for any source of the same length. */
function plant(directory: string): string {
  const source = `(function (exports, require, module, __filename, __dirname) {${MAIN.replace('good', 'evil')}\n})`
  const script = new Script(source)
  script.runInThisContext()
  mkdirSync(directory, { recursive: true, mode: 0o755 })
  const path = join(directory, 'main-1.js')
  writeFileSync(path, script.createCachedData(), { mode: 0o600 })
  return path
}

const run = (env: Readonly<Record<string, string>>) =>
  spawnSync(process.execPath, [join(root, 'dist/start.js')], { env, cwd: home, encoding: 'utf8' }).stdout.trim()

const listing = () => readdirSync(root, { recursive: true }).map(String).toSorted()

test.skipIf(!seesRoot)('compiled code of this user alone is executed: the attack is real', () => {
  plant(cacheIn(home))
  expect(run({ HOME: home })).toBe('evil')
})

/** Each plants code and says with which environment the program starts. */
const ATTACKS: Readonly<Record<string, () => Readonly<Record<string, string>>>> = {
  'a home that everybody can write': () => {
    plant(cacheIn(home))
    chmodSync(home, 0o777)
    return { HOME: home }
  },
  'a home with the sticky bit, like /tmp': () => {
    plant(cacheIn(home))
    chmodSync(home, 0o1777)
    return { HOME: home }
  },
  'a private home below a directory that everybody can write': () => {
    chmodSync(root, 0o1777)
    plant(cacheIn(home))
    return { HOME: home }
  },
  'a cache that a group can write': () => {
    plant(cacheIn(home))
    chmodSync(join(home, '.cache'), 0o775)
    return { HOME: home }
  },
  'an XDG_CACHE_HOME that a group can write': () => {
    plant(join(home, 'x', below))
    chmodSync(join(home, 'x'), 0o770)
    return { HOME: home, XDG_CACHE_HOME: join(home, 'x') }
  },
  'a directory of versions that everybody can write': () => {
    plant(cacheIn(home))
    chmodSync(dirname(cacheIn(home)), 0o777)
    return { HOME: home }
  },
  'a file that a group can write': () => {
    chmodSync(plant(cacheIn(home)), 0o660)
    return { HOME: home }
  },
  'a file that is a link': () => {
    const path = plant(cacheIn(home))
    renameSync(path, join(home, 'elsewhere'))
    symlinkSync(join(home, 'elsewhere'), path)
    return { HOME: home }
  },
  'a directory of the cache that is a link': () => {
    plant(cacheIn(home))
    renameSync(join(home, '.cache/k3s-platform'), join(home, 'elsewhere'))
    symlinkSync(join(home, 'elsewhere'), join(home, '.cache/k3s-platform'))
    return { HOME: home }
  },
  'a cache that is a link to where everybody can write': () => {
    const open = join(root, 'open')
    plant(join(open, below))
    chmodSync(open, 0o1777)
    symlinkSync(open, join(home, '.cache'))
    return { HOME: home }
  },
  'no HOME': () => {
    plant(cacheIn(home))
    return {}
  },
  'an empty HOME': () => {
    plant(cacheIn(home))
    return { HOME: '' }
  },
  'a relative HOME': () => {
    plant(cacheIn(home))
    return { HOME: '.' }
  },
  'a relative XDG_CACHE_HOME': () => {
    plant(cacheIn(home))
    return { HOME: join(root, 'none'), XDG_CACHE_HOME: '.cache' }
  },
}

test.each(Object.entries(ATTACKS))('%s: no compiled code is executed', (_, attack) => {
  const env = attack()
  const before = listing().filter((path) => !path.endsWith('main-1.js'))
  expect(run(env)).toBe('good')
  // A file that is not trusted may be replaced where its directory is: nothing else appears.
  expect(listing().filter((path) => !path.endsWith('main-1.js'))).toEqual(before)
})

describe.skipIf(process.getuid?.() !== 0)('with another user', () => {
  const BY_ANOTHER: typeof ATTACKS = {
    'the home of another user, as under sudo': () => {
      plant(cacheIn(home))
      chownSync(home, OTHER, OTHER)
      return { HOME: home }
    },
    'a cache planted in a home that everybody can write': () => {
      plant(cacheIn(home))
      for (const path of ['.cache', '.cache/k3s-platform']) chownSync(join(home, path), OTHER, OTHER)
      chmodSync(home, 0o1777)
      return { HOME: home }
    },
    'one directory of another user': () => {
      plant(cacheIn(home))
      chownSync(join(home, '.cache/k3s-platform'), OTHER, OTHER)
      return { HOME: home }
    },
    'a file of another user': () => {
      chownSync(plant(cacheIn(home)), OTHER, OTHER)
      return { HOME: home }
    },
    'a home behind a link of another user': () => {
      plant(cacheIn(home))
      symlinkSync(home, join(root, 'link'))
      lchownSync(join(root, 'link'), OTHER, OTHER)
      return { HOME: join(root, 'link') }
    },
    'a private directory below the home of another user': () => {
      plant(join(home, 'mine', below))
      chownSync(home, OTHER, OTHER)
      return { HOME: home, XDG_CACHE_HOME: join(home, 'mine') }
    },
  }
  test.each(Object.entries(BY_ANOTHER))('%s: no compiled code is executed', (_, attack) => {
    const env = attack()
    expect(run(env)).toBe('good')
  })
})
