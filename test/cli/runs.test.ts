// Records of runs: what is kept and how, what never fails a run, and what runs list, show and diff make of them.

import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { program } from '../../src/cli/program.ts'
import { recorder } from '../../src/cli/recorder.ts'
import { readRecord, recordedIds, recordsDirectory, saveRecord } from '../../src/cli/run-records.ts'
import { Secret } from '../../src/engine/secret.ts'
import { openDoor } from '../../src/report/door.ts'
import { makeReporter } from '../../src/report/reporter.ts'
import { type RunRecord, runRecord, runsDiffDocument, runsDocument } from '../../src/report/run-record.ts'
import type { Streams } from '../../src/report/sink.ts'
import { loadRuns } from '../report/runs.ts'

let home: string
beforeEach(() => {
  // Below a directory that only this user can write, as a real home is: /tmp is none.
  home = mkdtempSync(join(homedir(), '.runs-test-'))
})
afterEach(() => rmSync(home, { recursive: true, force: true }))

const records = () => join(home, '.local/state/k3s-platform/runs')
const NOW = Date.parse('2026-12-01T12:00:00Z')

function streamsOf(env: Streams['env'] = { HOME: home }) {
  const told = { stdout: '', stderr: '' }
  const streams: Streams = {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    ...{ env, cwd: '/', now: () => NOW, onExit: () => () => undefined },
  }
  return { told, streams }
}

describe.each(loadRuns())('$name', (run) => {
  test('is recorded without secrets, for its user alone, and fits the schema', async () => {
    const { streams } = streamsOf()
    const io = openDoor(streams)
    io.learn(run.secrets.map((s) => new Secret(s)))
    const options = { mode: run.mode, again: `k3s-platform apply -e token=${run.secrets[0] ?? 'x'}`, verbosity: 0 }
    const { sink, prepare } = recorder(options, io)
    const view = { output: 'junit', diff: false, quiet: true, color: false, events: null } as const
    const reporter = makeReporter({ ...options, ...view }, io, [sink])
    for (const event of run.events) reporter.emit(event)
    await prepare()
    reporter.end(run.results, run.problems)
    const files = existsSync(records()) ? readdirSync(records()) : []
    expect(files).toHaveLength(run.results.length === 0 ? 0 : 1)
    for (const file of files) {
      const path = join(records(), file)
      const text = readFileSync(path, 'utf8')
      for (const secret of ['STATE-MUST-NOT-LEAK', ...run.secrets]) expect(text).not.toContain(secret)
      const record = runRecord.parse(JSON.parse(text))
      expect(record.run.hosts.map(({ host }) => host)).toEqual(run.results.map(({ host }) => host))
      expect([lstatSync(path).mode & 0o777, lstatSync(records()).mode & 0o777]).toEqual([0o600, 0o700])
    }
  })
})

const idOf = (n: number) => `20261201T${String(120_000 + n)}Z-abcdef`
const step = (id: string, seconds: number, stage = 'k3s') => ({
  ...{ role: 'k3s_platform_bootstrap', stage, id, title: `/etc/${id}`, op: 'update' as const, seconds },
})
const NONE = { ok: 0, changed: 0, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }
const recordOf = (n: number, steps: RunRecord['run']['hosts'][number]['steps']): RunRecord => ({
  ...{ schema: 'k3s-platform/run-record/v1', id: idOf(n), command: `k3s-platform apply -l edge-${n}` },
  ...{ startedAt: '2026-12-01T12:00:00.000Z', endedAt: '2026-12-01T12:01:12.000Z' },
  run: {
    ...{ schema: 'k3s-platform/run/v1', mode: 'apply', status: 'ok', exitCode: 0, problems: [] },
    hosts: [
      {
        ...{ host: 'edge-1', status: 'ok', about: null, seconds: 10 * n, execs: 2, plan: null, steps, problems: [] },
        recap: { ...NONE, ok: 9, changed: steps.length },
      },
    ],
  },
})
const save = async (record: RunRecord) =>
  saveRecord(await recordsDirectory({ HOME: home }), record.id, JSON.stringify(record))

test('the newest hundred are kept, and what is not a record stays', async () => {
  mkdirSync(records(), { recursive: true, mode: 0o700 })
  writeFileSync(join(records(), 'notes.txt'), 'mine')
  for (let i = 0; i < 103; i++) await save(recordOf(i, []))
  const ids = recordedIds({ HOME: home })
  expect([ids.length, ids[0], ids.at(-1)]).toEqual([100, idOf(102), idOf(3)])
  expect(readdirSync(records())).toHaveLength(101)
})

test('XDG_STATE_HOME is used if it is absolute', async () => {
  const [there, elsewhere] = [await recordsDirectory({ HOME: home, XDG_STATE_HOME: join(home, 'x') }), 'x']
  expect(there).toBe(join(home, 'x/k3s-platform/runs'))
  expect(await recordsDirectory({ HOME: home, XDG_STATE_HOME: elsewhere })).toBe(records())
})

test.each([
  ['whose home is a file', () => writeFileSync(join(home, '.local'), ''), 'the directory cannot be created'],
  [
    'whose state directory others can write to',
    () => {
      mkdirSync(join(home, '.local'))
      chmodSync(join(home, '.local'), 0o777)
    },
    'other users can write to it',
  ],
])('a run %s goes on; only -v says what is wrong', async (_, prepareHome, why) => {
  prepareHome()
  const [run] = loadRuns().filter(({ results }) => results.length > 0)
  if (run === undefined) throw new Error('no runs')
  for (const verbosity of [0, 1]) {
    const { told, streams } = streamsOf()
    const io = openDoor(streams)
    const { sink, prepare } = recorder({ mode: 'apply', again: 'k3s-platform apply', verbosity }, io)
    await prepare()
    sink.end(run.results, [])
    if (verbosity === 0) expect(told.stderr).toBe('')
    else expect(told.stderr).toMatch(new RegExp(`^! the run was not recorded: .*${why}`))
  }
})

describe('the command', () => {
  const runs = async (...words: string[]) => {
    const { told, streams } = streamsOf()
    const code = await program(['runs', ...words], streams, { version: '0', roles: [] })
    return { code, ...told }
  }
  beforeEach(async () => {
    await save(recordOf(1, [step('a', 1), step('b', 2.5)]))
    await save(recordOf(2, [step('a', 4), step('c', 9, 'issuers')]))
  })

  test('list: newest first', async () => {
    expect(await runs()).toEqual({
      ...{ code: 0, stderr: '' },
      stdout: `ID                       STATUS  HOSTS  CHANGED  TIME      COMMAND
20261201T120002Z-abcdef  ok      1      2        1 m 12 s  k3s-platform apply -l edge-2
20261201T120001Z-abcdef  ok      1      2        1 m 12 s  k3s-platform apply -l edge-1
`,
    })
    const { stdout } = await runs('list', '-o', 'json')
    expect(runsDocument.parse(JSON.parse(stdout)).runs.map(({ id }) => id)).toEqual([idOf(2), idOf(1)])
  })

  test('show: the newest, or one by the beginning of its id; the slowest change first', async () => {
    const { stdout, code } = await runs('show', '20261201T120001')
    expect(code).toBe(0)
    expect(stdout).toBe(`20261201T120001Z-abcdef  ok, 1 m 12 s
  k3s-platform apply -l edge-1
edge-1  ok, 2 changed, 10.0 s
  k3s  update  /etc/b  2.5 s
  k3s  update  /etc/a  1.0 s
`)
    expect(runRecord.parse(JSON.parse((await runs('show', '-o', 'json')).stdout)).id).toBe(idOf(2))
  })

  test('diff: what only one of them applied, and where the time went', async () => {
    const { stdout } = await runs('diff')
    expect(stdout).toBe(`- 20261201T120001Z-abcdef  ok, 1 m 12 s  k3s-platform apply -l edge-1
+ 20261201T120002Z-abcdef  ok, 1 m 12 s  k3s-platform apply -l edge-2
edge-1  ok -> ok  10.0 s -> 20.0 s
  - k3s  update  /etc/b
  + issuers  update  /etc/c
  k3s      3.5 s -> 4.0 s
  issuers  0.0 s -> 9.0 s
`)
    const turned = await runs('diff', idOf(2), idOf(1), '-o', 'json')
    expect(runsDiffDocument.parse(JSON.parse(turned.stdout))).toMatchObject({
      from: { id: idOf(2) },
      to: { id: idOf(1) },
    })
  })

  test.each([
    [['show', 'x'], 64, 'x: no recorded run has this id'],
    [['show', '20261201'], 64, '20261201: 2 recorded runs begin so'],
    [['show', 'a', 'b'], 64, 'runs show takes 1 at most, got: a, b'],
    [['list', 'a'], 64, 'runs list does not take arguments'],
  ])('%j: exit code %d', async (words, code, what) => {
    const told = await runs(...words)
    expect(told.code).toBe(code)
    expect(told.stderr).toContain(what.replace('runs show ', '').replace('runs list ', ''))
  })

  test('a record that is broken is named, with the command that deletes it', async () => {
    writeFileSync(join(records(), `${idOf(2)}.json`), '{')
    const { code, stderr } = await runs('show')
    expect(code).toBe(1)
    expect(stderr).toContain(`rm ${join(records(), `${idOf(2)}.json`)}`)
    expect(() => readRecord({ HOME: home }, idOf(2))).toThrow('cannot be read')
  })

  test('without any record there is nothing to list, and nothing to show', async () => {
    rmSync(records(), { recursive: true })
    expect(await runs()).toEqual({ code: 0, stdout: 'no runs are recorded yet\n', stderr: '' })
    const { code, stderr } = await runs('diff')
    expect([code, stderr]).toEqual([64, expect.stringContaining('2 runs are required, 0 recorded')])
    expect(existsSync(records())).toBe(false)
  })
})
