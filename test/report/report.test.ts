// What each audience is told of the same runs.

import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { certsCheckDocument, certsDocument, certsEnsureDocument } from '../../src/report/certs-documents.ts'
import { certsForecastDocument } from '../../src/report/certs-forecast-v1.ts'
import {
  chartsDocument,
  doctorDocument,
  kubeconfigDocument,
  lockDocument,
  renderDocument,
} from '../../src/report/documents.ts'
import {
  explainDocument,
  inventoryCheckDocument,
  inventoryGraphDocument,
  inventoryListDocument,
  inventoryVarsDocument,
} from '../../src/report/inventory-documents.ts'
import { runRecord, runsDiffDocument, runsDocument } from '../../src/report/run-record.ts'
import { runDocument } from '../../src/report/run-v1.ts'
import { statusDocument } from '../../src/report/status-v1.ts'
import { loadRuns, tellRun } from './runs.ts'

const runs = loadRuns()

describe.each(runs)('$name', (run) => {
  test.each(run.views.map((view) => [JSON.stringify(view), view] as const))('told as %s', (_, view) => {
    const { stdout, stderr } = tellRun(run, view)
    expect(`--- stdout\n${stdout}--- stderr\n${stderr}`).toMatchSnapshot()
    for (const secret of ['STATE-MUST-NOT-LEAK', ...run.secrets]) expect(stdout + stderr).not.toContain(secret)
  })

  test('stdout of -o json is one document that fits its schema', () => {
    const { stdout } = tellRun(run, { output: 'json' })
    expect(runDocument.safeParse(JSON.parse(stdout)).error).toBeUndefined()
  })

  test('a step summary and an events file hold no secret', () => {
    const directory = mkdtempSync(join(tmpdir(), 'k3s-platform-report-'))
    const [events, summary] = [join(directory, 'events'), join(directory, 'summary.md')]
    try {
      tellRun(run, { output: 'github', events, verbosity: 3 }, { GITHUB_STEP_SUMMARY: summary })
      const lines = readFileSync(events, 'utf8').split('\n')
      expect(lines.pop()).toBe('')
      expect(lines.map((line) => JSON.parse(line).event)).toEqual(run.events.map((event) => event.event))
      expect(readFileSync(summary, 'utf8')).toMatchSnapshot()
      for (const secret of ['STATE-MUST-NOT-LEAK', ...run.secrets]) {
        expect(readFileSync(events, 'utf8') + readFileSync(summary, 'utf8')).not.toContain(secret)
      }
    } finally {
      rmSync(directory, { recursive: true })
    }
  })
})

test.each([
  ['run-v1', runDocument],
  ['doctor-v1', doctorDocument],
  ['status-v1', statusDocument],
  ['run-record-v1', runRecord],
  ['runs-v1', runsDocument],
  ['runs-diff-v1', runsDiffDocument],
  ['certs-v1', certsDocument],
  ['certs-check-v1', certsCheckDocument],
  ['certs-ensure-v1', certsEnsureDocument],
  ['certs-forecast-v1', certsForecastDocument],
  ['charts-v1', chartsDocument],
  ['lock-v1', lockDocument],
  ['render-v1', renderDocument],
  ['kubeconfig-v1', kubeconfigDocument],
  ['explain-v1', explainDocument],
  ['inventory-list-v1', inventoryListDocument],
  ['inventory-graph-v1', inventoryGraphDocument],
  ['inventory-vars-v1', inventoryVarsDocument],
  ['inventory-check-v1', inventoryCheckDocument],
])('the JSON Schema that ships is the one the program prints by: %s (vitest -u writes it)', async (name, document) => {
  const schema = z.toJSONSchema(document, { target: 'draft-2020-12' })
  const oneLineLists = JSON.stringify(schema, null, 2).replace(/\[\n([^[\]{}]*)\]/g, (_, items: string) => {
    return `[${items.trim().replace(/\s*\n\s*/g, ' ')}]`
  })
  await expect(`${oneLineLists}\n`).toMatchFileSnapshot(`../../docs/schema/${name}.json`)
})

test('an events file that cannot be opened is a usage problem', () => {
  const [run] = runs
  if (run === undefined) throw new Error('no runs')
  expect(() => tellRun(run, { events: '/nonexistent/events' })).toThrow('--events: cannot write /nonexistent/events')
})
