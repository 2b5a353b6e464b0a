// What a first run costs beyond what cannot be saved: the download of k3s, and k3s's own start.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'

const ROLE = 'k3s_platform_bootstrap'
const RUNS = Math.min(3, Number(process.env.BENCH_RUNS ?? 3))

let testbed: Testbed

beforeAll(async () => {
  testbed = await Testbed.open()
})

afterAll(() => testbed?.close())

const Line = z.object({ at: z.number(), event: z.string(), is: z.string().optional(), title: z.string().optional() })
type Line = z.infer<typeof Line>

/** The time when the first step began whose title begins so, or when it was done. */
function moment(lines: readonly Line[], is: 'start' | 'done', begins: string): number {
  const found = lines.find((line) => line.event === 'step' && line.is === is && line.title?.startsWith(begins))
  if (found === undefined) throw new Error(`no step ${begins} has its ${is}`)
  return found.at
}

test('a first run on a bare node: the download, the start of k3s, and all else', async () => {
  const runs: { whole: number; fetch: number; curl: number; start: number; own: number }[] = []
  for (let i = 1; i <= RUNS; i++) {
    const node = await testbed.node(`first-${i}`)
    const inventory = await testbed.inventory([node])
    const events = join(await testbed.dir(), 'events')
    // The mirror's pages are warm, and what follows is the same for both.
    const url = `${testbed.mirror.url}/${encodeURIComponent(K3S_VERSIONS[0])}/k3s`
    const curl = Number(await node.ask(`curl -sS -o /root/k3s -w '%{time_total}' '${url}'; rm /root/k3s`))
    const started = performance.now()
    const made = await testbed.cli(['apply', ROLE, '-i', inventory, '--events', events], { timeout: 300_000 })
    const whole = (performance.now() - started) / 1000
    expect(made.code, made.stdout + made.stderr).toBe(0)
    const lines = (await readFile(events, 'utf8'))
      .trimEnd()
      .split('\n')
      .map((line) => Line.parse(JSON.parse(line)))
    const fetch = (moment(lines, 'start', 'put /usr/local/bin/k3s') - moment(lines, 'start', 'fetch ')) / 1000
    const start = (moment(lines, 'done', 'k3s.service') - moment(lines, 'start', 'start k3s.service')) / 1000
    expect(Math.min(fetch, start)).toBeGreaterThan(0)
    runs.push({ whole, fetch, curl, start, own: whole - fetch - start })
    await testbed.cli(['reset', node.name, '-i', inventory, '--yes'], { timeout: 120_000 }) // its memory is for the next one
  }
  const rows = runs.map(
    ({ whole, fetch, curl, start, own }) =>
      `whole ${s(whole)}: fetching k3s ${s(fetch)} (curl alone ${s(curl)}), start of k3s ${s(start)}, all else ${s(own)}`,
  )
  process.stdout.write(`\nA first run on a bare node\n${rows.join('\n')}\n`)
})

const s = (seconds: number) => `${seconds.toFixed(1)} s`
