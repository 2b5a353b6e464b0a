// What others have planted in the cache is not believed, and a link planted at a temporary name is not followed.

import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openCache, privateCache } from '../../src/cli/cache.ts'
import { base64Of, workstation } from '../../src/cli/workstation.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { write } from '../../src/gitops/files.ts'
import { fetchAsset } from '../../src/supply/cache.ts'
import { fetchChart } from '../../src/supply/chart.ts'
import { prefixedSettings } from '../../src/supply/chart-source.ts'
import { noLock, writeLock } from '../../src/supply/lock.ts'
import { openSupply } from '../../src/supply/supply.ts'
import { seesRoot } from '../owners.ts'

const OTHER = 12_345

let home: string
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'planted-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

test.skipIf(!seesRoot)(
  'a cache of this user alone is used, also below /tmp, and is readable by nobody else',
  async () => {
    const cache = await privateCache({ HOME: home }, 'git')
    expect(cache).toBe(join(home, '.cache/k3s-platform/git'))
    expect(statSync(cache ?? '').mode & 0o777).toBe(0o700)
  },
)

const UNSAFE: Readonly<Record<string, () => Readonly<Record<string, string>>>> = {
  'a home that everybody can write': () => {
    chmodSync(home, 0o777)
    return { HOME: home }
  },
  'a cache that everybody can write, with the sticky bit': () => {
    mkdirSync(join(home, '.cache/k3s-platform'), { recursive: true })
    chmodSync(join(home, '.cache/k3s-platform'), 0o1777)
    return { HOME: home }
  },
  'a cache that a group can write': () => {
    mkdirSync(join(home, '.cache'))
    chmodSync(join(home, '.cache'), 0o770)
    return { HOME: home }
  },
  'a link to where everybody can write': () => {
    mkdirSync(join(home, 'open'))
    chmodSync(join(home, 'open'), 0o777)
    symlinkSync(join(home, 'open'), join(home, '.cache'))
    return { HOME: home }
  },
  'a file in the place of the cache': () => {
    writeFileSync(join(home, '.cache'), '')
    return { HOME: home }
  },
  'a link that points nowhere': () => {
    symlinkSync(join(home, 'nowhere'), join(home, '.cache'))
    return { HOME: home }
  },
  ...(process.getuid?.() === 0 && {
    'a home of another user': () => {
      chownSync(home, OTHER, OTHER)
      return { HOME: home }
    },
    'a cache of another user': () => {
      mkdirSync(join(home, '.cache'))
      chownSync(join(home, '.cache'), OTHER, OTHER)
      return { HOME: home, XDG_CACHE_HOME: join(home, '.cache') }
    },
  }),
}

test.each(Object.entries(UNSAFE))('%s is no cache, and is left as it is', async (_, prepare) => {
  const env = prepare()
  const before = readdirSync(home, { recursive: true })
  expect(await privateCache(env)).toBeUndefined()
  expect(readdirSync(home, { recursive: true })).toEqual(before)
})

test('a run that has no cache of its own gets a directory that is deleted at its end', async () => {
  chmodSync(home, 0o777)
  let end = () => {}
  const onExit = (restore: () => void) => {
    end = restore
    return () => {}
  }
  const cache = await openCache({ env: { HOME: home, TMPDIR: home }, onExit })
  expect([lstatSync(cache).mode & 0o777, readdirSync(home).length]).toEqual([0o700, 1])
  end()
  expect(existsSync(cache)).toBe(false)
})

test.skipIf(!seesRoot)('a relative XDG_CACHE_HOME does not make the current directory the cache', async () => {
  expect(await privateCache({ HOME: home, XDG_CACHE_HOME: '.' })).toBe(join(home, '.cache/k3s-platform'))
})

test('a FIFO or a device in the place of a file of the workstation is refused, and not waited for', async () => {
  const fifo = join(home, 'fifo')
  execFileSync('mkfifo', [fifo])
  const { supply } = await openSupply({ directory: home, cwd: home, home, locked: null, ci: false })
  const signal = new AbortController().signal
  for (const file of [fifo, '/dev/zero', home]) {
    expect(supply.digestOf(file)).toBeUndefined()
    expect(base64Of(file)).toBeUndefined()
    await expect(fetchAsset({ urls: [], sha256: null, sums: null, file }, home, signal)).rejects.toThrow(ProblemError)
    const source = {
      name: 'caddy',
      version: '1',
      url: 'https://x',
      file,
      settings: prefixedSettings('k3s_platform_caddy', '1'),
    }
    await expect(fetchChart(source, { cache: home, signal })).rejects.toThrow(ProblemError)
  }
})

/** Each writes `file`; the names that its temporary file had are planted as links to `victim`. */
const WRITERS: Readonly<Record<string, (file: string) => Promise<unknown>>> = {
  'the lock file': (file) => writeLock(noLock(file), 'new'),
  'a file of the tree': (file) => write(home, [{ path: file.slice(home.length + 1), op: 'update', text: 'new' }]),
  'a kubeconfig': (file) => workstation({ env: {}, cwd: home }).write(file, 'new'),
}

test.each(Object.entries(WRITERS))('%s: a link at a temporary name is not followed', async (_, writeTo) => {
  const [file, victim] = [join(home, 'file'), join(home, 'victim')]
  writeFileSync(victim, 'precious')
  for (const name of [`${process.pid}.part`, 'k3s-platform.part', 'part']) symlinkSync(victim, `${file}.${name}`)
  symlinkSync(victim, file)
  await writeTo(file)
  expect([readFileSync(victim, 'utf8'), lstatSync(file).isFile(), readFileSync(file, 'utf8')]).toEqual([
    'precious',
    true,
    'new',
  ])
})
