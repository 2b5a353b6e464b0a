// Runs every case under one shell: look, change, look again, as a run does it, and compares the whole tree each time.

import { createHash } from 'node:crypto'
import {
  chmodSync,
  chownSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { changesOf, type Plan, pending, plan } from '../../../src/engine/plan.ts'
import { ProblemError } from '../../../src/engine/problem.ts'
import type { Lock, StepReport } from '../../../src/engine/resource.ts'
import type { Session } from '../../../src/engine/runner.ts'
import { hostBackend } from '../../../src/host/backend.ts'
import type { Facts } from '../../../src/host/facts.ts'
import type { HostResource } from '../../../src/host/resource.ts'
import { rootShell } from '../../../src/host/root-shell.ts'
import { fetchAsset } from '../../../src/supply/cache.ts'
import { FAKE, fake, hasOwners, noSandbox, OWN, type Sandbox, type Shell, sandbox } from '../shells.ts'
import { type Case, type Entry, loadCases, resourcesOf, withUrl } from './cases.ts'
import { type Served, serve } from './served.ts'

// What a host is, is looked at by every look: 25 processes that these cases need not pay for.
vi.mock('../../../src/host/facts.ts', async (original) => {
  const { sh } = await import('../../../src/host/sh.ts')
  return { ...(await original()), factsProbe: sh`echo uid=0` }
})

const never = new AbortController().signal
const OLD = 1_600_000_000
const OWNERS: readonly string[] = ['root', 'daemon']

export function runCases(shell: Shell): void {
  const why = noSandbox()
  if (why !== undefined) console.warn(`SKIPPED: the kinds were not tried under ${shell}: ${why}`)
  describe.skipIf(why !== undefined)(`under ${shell}`, () => {
    let at: Sandbox
    let web: Served
    let backend: Session<HostResource, Facts>
    let lock: Lock
    let shown: string[] = []
    beforeAll(async () => {
      at = await sandbox(shell)
      web = await serve()
      const wire = rootShell(at.transport, 'edge-1', { user: 'root' }, ({ what, script }) => shown.push(what, script))
      backend = hostBackend({
        host: 'edge-1',
        shell: wire,
        holder: () => 'a test',
        fetch: (asset, signal) => fetchAsset(asset, join(at.root, 'mnt/cache'), signal),
        now: Date.now,
        lookMs: 10_000,
        waitSeconds: 60,
        waiting: () => undefined,
      })
      lock = await backend.lock(never)
    })
    afterAll(async () => {
      await lock?.release()
      web?.close()
      at?.close()
    })

    for (const [name, cases] of loadCases()) {
      describe(name, () => {
        for (const given of cases) {
          const { it, needsOwners, shells } = given
          if (shells !== undefined && !shells.includes(shell)) continue
          test.skipIf(needsOwners && !hasOwners)(it, { timeout: 20_000 }, async () => {
            const one = withUrl(given, web.url)
            shown = []
            prepare(at, web, one)
            if (one.earlier !== undefined) await makeEarlier(at, one.earlier, one.meanwhile, backend)
            await runCase(at, web, one, backend, shown)
          })
        }
      })
    }
  })
}

function prepare(at: Sandbox, web: Served, one: Case): void {
  at.reset(one.without)
  web.answers = one.serves
  web.requests = []
  for (const [name, script] of Object.entries(one.commands)) fake(at, name, { script })
  if (one.unit !== undefined) {
    fake(at, 'systemctl', new URL('fakes/systemctl', import.meta.url).pathname)
    mkdirSync(join(at.root, FAKE, 'unit'))
    for (const [name, value] of Object.entries(one.unit.is)) {
      writeFileSync(join(at.root, FAKE, 'unit', name), `${value}\n`)
    }
    writeFileSync(join(at.root, FAKE, 'on-restart'), one.unit.onRestart)
  }
  for (const [path, entry] of Object.entries(one.has)) put(at, path, entry)
  if (one.prepare !== undefined) {
    const done = at.sh(one.prepare)
    if (done.status !== 0) throw new Error(`prepare: ${done.stderr}`)
  }
}

async function makeEarlier(
  at: Sandbox,
  earlier: Case['wants'],
  meanwhile: string | undefined,
  backend: Session<HostResource, Facts>,
): Promise<void> {
  const resources = resourcesOf(earlier)
  const { observations } = await backend.observe(resources, never)
  const before = plan([{ role: 'r', name: 's', resources }], observations)
  await backend.apply(changesOf(before).filter(pending), { stop: never, signal: never, step: () => undefined })
  if (meanwhile !== undefined && at.sh(meanwhile).status !== 0) throw new Error('meanwhile failed')
  rmSync(join(at.root, FAKE, 'calls'), { force: true })
}

async function runCase(
  at: Sandbox,
  web: Served,
  one: Case,
  backend: Session<HostResource, Facts>,
  shown: readonly string[],
): Promise<void> {
  const resources = resourcesOf(one.wants)
  const look = async () => {
    const { observations } = await backend.observe(resources, never)
    return { observations, plan: plan([{ role: 'r', name: 's', resources }], observations) }
  }
  const told: unknown[] = []
  const before = treeOf(at)
  if (one.lookFails !== undefined) {
    const problem = await look().then(
      () => null,
      (error: unknown) => (error instanceof ProblemError ? error.problems[0] : error),
    )
    expect(problem).toMatchObject({ what: 'its state could not be read', where: one.lookFails.where })
    expect(problem).toMatchObject({ why: expect.stringContaining(one.lookFails.why) })
    return
  }
  const first = await look()
  expect(treeOf(at), 'the look touched something').toEqual(before)
  if (one.finds !== undefined) expect(resources.map((r) => first.observations.get(r.id)?.actual)).toEqual(one.finds)
  expect(shortly(first.plan)).toEqual(one.plan)

  const steps: string[] = []
  const waits: string[] = []
  const report = (step: StepReport) => {
    told.push(step)
    if (step.is === 'start') steps.push(step.title)
    if (step.is === 'wait') waits.push(step.why)
  }
  const todo = changesOf(first.plan).filter(pending)
  const failure = await backend
    .apply(todo, { stop: never, signal: never, step: report })
    .then(() => null)
    .catch((error: unknown) => error)
  const after = treeOf(at)
  if (failure !== null && !(failure instanceof ProblemError)) throw failure
  if (one.fails === undefined) {
    expect(failure?.problems ?? []).toEqual([])
  } else {
    const problem = failure?.problems[0]
    expect(problem).toMatchObject({
      kind: 'failed',
      where: expect.stringContaining(one.fails.where ?? 'edge-1 '),
      what: expect.stringContaining(one.fails.what),
    })
    if (one.fails.why !== undefined) expect(problem?.why).toContain(one.fails.why)
    if (one.fails.hint !== undefined) expect(problem?.hint).toContain(one.fails.hint)
    expect(problem?.rescued).toBe(one.fails.rescued)
  }
  expect(differences(before, after)).toEqual(expected(one.leaves))
  if (one.steps !== undefined) expect(steps).toEqual(one.steps)
  if (one.waits !== undefined) expect(waits).toEqual(one.waits)

  const second = await look()
  expect(treeOf(at), 'the second look touched something').toEqual(after)
  const nothing = resources.map(() => ({ op: 'none', deltas: {}, because: [] }))
  if (one.fails === undefined || one.planAfter !== undefined)
    expect(shortly(second.plan)).toEqual(one.planAfter ?? nothing)

  if (one.requests !== undefined) expect(web.requests).toEqual(one.requests)
  const calls = join(at.root, FAKE, 'calls')
  if (one.calls !== undefined) {
    expect(existsSync(calls) ? readFileSync(calls, 'utf8').trimEnd().split('\n') : []).toEqual(one.calls)
  }
  const said = JSON.stringify([
    [first, second].map(({ plan, observations }) => [plan, [...observations]]),
    told,
    failure?.problems,
    shown,
  ])
  for (const word of one.never) expect(said).not.toContain(word)
  expect(said.length).toBeGreaterThan(100)
}

function shortly(plan: Plan<HostResource>): unknown[] {
  return plan.stages.flatMap((stage) =>
    stage.changes.map(({ op, deltas, note, because }) => ({
      op,
      deltas: Object.fromEntries(
        deltas.map(({ field, from, to }) => [field, [from, field === 'inputs' ? 'a digest' : to]]),
      ),
      ...(note === undefined ? {} : { note }),
      because,
    })),
  )
}

function put(at: Sandbox, path: string, entry: Entry): void {
  const to = join(at.root, path)
  mkdirSync(dirname(to), { recursive: true })
  if (entry === null) return
  if ('tmpfs' in entry) {
    mkdirSync(to, { recursive: true })
    const done = at.sh(`/mnt/bin/mount -t tmpfs -o size=${entry.tmpfs} tmpfs ${path}`)
    if (done.status !== 0) throw new Error(String(done.stderr))
    return
  }
  if ('link' in entry) {
    symlinkSync(entry.link, to)
    return
  }
  if ('directory' in entry) mkdirSync(to, { recursive: true })
  else writeFileSync(to, entry.content)
  const id = OWNERS.indexOf(entry.owner)
  if (id > 0) chownSync(to, id, id)
  chmodSync(to, Number.parseInt(entry.mode, 8))
  utimesSync(to, OLD, OLD)
}

interface Seen {
  /** Type, mode, owner, content: what people mean by a file. */
  readonly is: string
  /** What shows that it was touched. */
  readonly touched: string
}

function treeOf(at: Sandbox): Map<string, Seen> {
  const seen = new Map<string, Seen>()
  const walk = (path: string) => {
    const here = join(at.root, path)
    const s = lstatSync(here, { bigint: true })
    const link = s.isSymbolicLink() ? readlinkSync(here) : null
    const content = s.isFile() ? digest(readFileSync(here)) : ''
    seen.set(path, {
      is: describeEntry(link, s.isDirectory(), Number(s.mode), Number(s.uid), Number(s.gid), content),
      touched: `${s.ino} ${s.mtimeNs} ${s.ctimeNs}`,
    })
    if (s.isDirectory()) for (const name of readdirSync(here)) walk(join(path, name))
  }
  for (const path of OWN) walk(path)
  return seen
}

function describeEntry(link: string | null, dir: boolean, mode: number, uid: number, gid: number, sum: string): string {
  if (link !== null) return `link ${link}`
  const [user, group] = [ownerOf(uid, process.getuid?.()), ownerOf(gid, process.getgid?.())]
  return `${dir ? 'directory' : 'file'} ${(mode & 0o7777).toString(8)} ${user}:${group} ${sum}`.trim()
}

/** Where the tests do not run as root, whoever runs them is root in the sandbox, and there is nobody else. */
const ownerOf = (id: number, own: number | undefined) => OWNERS[id === own ? 0 : id]

const digest = (bytes: Buffer | string) => createHash('sha256').update(bytes).digest('hex').slice(0, 12)

function differences(before: ReadonlyMap<string, Seen>, after: ReadonlyMap<string, Seen>): Record<string, string> {
  const found: Record<string, string> = {}
  for (const path of new Set([...before.keys(), ...after.keys()])) {
    const is = after.get(path)?.is ?? 'absent'
    // Where a service keeps its own books is tested by what it does with them.
    if (is !== (before.get(path)?.is ?? 'absent') && !/^\/run|k3s-platform\/(stamps|units)|k3s-platform$/.test(path)) {
      found[path] = is
    }
  }
  return found
}

function expected(leaves: Case['leaves']): Record<string, string> {
  return Object.fromEntries(
    Object.entries(leaves).map(([path, entry]) => {
      if (entry === null) return [path, 'absent']
      if ('tmpfs' in entry) throw new Error('no script makes a tmpfs')
      if ('link' in entry) return [path, `link ${entry.link}`]
      const owner = OWNERS.indexOf(entry.owner)
      const content = 'content' in entry ? digest(entry.content) : ''
      return [path, describeEntry(null, 'directory' in entry, Number.parseInt(entry.mode, 8), owner, owner, content)]
    }),
  )
}
