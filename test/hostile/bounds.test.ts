// However much a node or an input says, what is printed of it is bounded, and the rest is counted.

import { expect, test, vi } from 'vitest'
import { program } from '../../src/cli/program.ts'
import type { Change } from '../../src/engine/plan.ts'
import type { Problem } from '../../src/engine/problem.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { runDocument } from '../../src/report/run-v1.ts'
import type { Output, ReportOptions } from '../../src/report/sink.ts'
import { type RunCase, tellRun } from '../report/runs.ts'

vi.setConfig({ testTimeout: 120_000 })

const OUTPUTS = ['text', 'json', 'junit', 'github'] as const satisfies readonly Output[]

const NONE = { ok: 0, changed: 1, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }

function runOf(about: string, deltas: Change['deltas'], problems: readonly Problem[] = []): RunCase {
  const resource = { id: 'file:/a', title: '/a' }
  const change: Change = { resource, op: 'update', deltas, because: [], actual: null, desired: null }
  const result = { host: 'edge-1', status: 'pending', recap: NONE, seconds: 1, execs: 1 } as const
  const plan = { stages: [{ role: 'r', name: 's', changes: [change] }] }
  return {
    ...{ name: '', views: [], mode: 'check', again: 'k3s-platform apply', secrets: [], results: [result], problems },
    events: [
      { at: 0, event: 'start', mode: 'check', hosts: ['edge-1'], roles: ['r'] },
      { at: 0, event: 'plan', host: 'edge-1', about, checks: 0, plan },
      { at: 0, event: 'step', host: 'edge-1', role: 'r', stage: 's', resource: 'file:/a', is: 'output', text: about },
      { at: 0, event: 'end', ...result },
    ],
  }
}

const lines = (word: string, n: number) => Array.from({ length: n }, (_, i) => `${word} ${i}\n`).join('')

test.each([
  ['a line of 10 MB', 'x'.repeat(10_000_000), []],
  ['ten million lines', '\n'.repeat(10_000_000), []],
  ['100,000 lines that are all others', '', [{ field: 'content', from: lines('a', 100_000), to: lines('b', 100_000) }]],
  ['a new file of 100,000 lines', '', [{ field: 'content', from: null, to: lines('b', 100_000) }]],
  ['two lines of 5 MB', '', [{ field: 'content', from: `${'a'.repeat(5e6)}\nx\n`, to: `${'b'.repeat(5e6)}\nx\n` }]],
  ['a list of 500,000', '', [{ field: 'items', from: null, to: Array.from({ length: 500_000 }, (_, i) => `n${i}`) }]],
])('%s', (_, about, deltas) => {
  const before = process.cpuUsage()
  for (const output of OUTPUTS) {
    for (const view of [{}, { verbosity: 2, diff: true }] satisfies Partial<ReportOptions>[]) {
      const { stdout, stderr } = tellRun(runOf(about, deltas), { ...view, output })
      expect(stdout.length + stderr.length).toBeLessThan(output === 'json' ? 4_000_000 : 2_000_000)
      if (output === 'json') {
        expect(runDocument.safeParse(JSON.parse(stdout)).error).toBeUndefined()
        expect(stdout).toMatch(/… \(\d+ more characters\)/)
      }
    }
  }
  expect(process.cpuUsage(before).user / 1e6).toBeLessThan(30)
})

test.each(OUTPUTS)(
  'of 10,000 problems 50 are told in -o %s, the errors first, and the others are counted',
  async (output) => {
    const problem = (i: number): Problem => ({
      kind: i < 9000 ? 'warning' : 'usage',
      where: `hosts.yaml:${i}:1`,
      what: `wrong ${i}`,
    })
    const problems = Array.from({ length: 10_000 }, (_, i) => problem(i))
    let told = ''
    const err: string[] = []
    const streams = {
      stdout: { write: (text: string) => (told += text) },
      stderr: { write: (text: string) => err.push(text) },
      ...{ env: {}, cwd: '/', now: () => 0, onExit: () => () => undefined },
    }
    const code = await program(['plan', '-o', output], streams, { version: '0', roles: ['r'] }, async () => () => {
      throw new ProblemError(problems)
    })
    expect(code).toBe(64)
    const texts = output === 'text' ? [err.join('')] : [told, err.join('')]
    for (const text of texts) {
      expect(text).toContain('wrong 9000')
      expect(text).toContain('wrong 9049')
      expect(text).not.toMatch(/wrong 9050|wrong 1\b/)
      expect(text).toContain('9950 more problems are not shown')
    }
  },
)
