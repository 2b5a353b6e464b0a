// Several nodes at once: side by side, within the forks, and one that is away stops no other.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { z } from 'zod'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { told, well } from './look.ts'

let testbed: Testbed
let nodes: TestNode[]
let inventory: string

beforeAll(async () => {
  testbed = await Testbed.open()
  nodes = []
  for (const name of ['edge-1', 'edge-2', 'edge-3', 'edge-4']) nodes.push(await testbed.node(name))
  inventory = await testbed.inventory(nodes)
  await nodes[3]?.kill()
})
afterAll(() => testbed?.close())

const Line = z.object({ at: z.number(), event: z.string(), host: z.string().nullish() })

interface Span {
  readonly host: string
  readonly from: number
  readonly to: number
}

/** From the first to the last event of each host. */
async function spans(file: string): Promise<Span[]> {
  const found = new Map<string, Span>()
  for (const line of (await readFile(file, 'utf8')).trimEnd().split('\n')) {
    const { host, at } = Line.parse(JSON.parse(line))
    if (typeof host === 'string') found.set(host, { host, from: found.get(host)?.from ?? at, to: at })
  }
  return [...found.values()]
}

/** How many hosts were at work at the same time, at most. */
function together(all: readonly Span[]): number {
  return Math.max(...all.map(({ from }) => all.filter((other) => other.from <= from && from < other.to).length))
}

test('four nodes at once, one without power: three are done, the recap says unreachable=1', async () => {
  const events = join(await testbed.dir(), 'events')
  const done = await testbed.cli(['apply', 'k3s_platform_bootstrap', '-i', inventory, '--events', events], {
    timeout: 200_000,
  })
  expect(done.code, done.stderr).toBe(1)
  const rows = done.stdout.split('\n').filter((line) => line.startsWith('edge-'))
  expect(
    rows.map((row) =>
      row
        .replace(/ok=\d+|changed=\d+|skipped=\d+|[\d.]+ s$/g, '')
        .replace(/ +/g, ' ')
        .trim(),
    ),
  ).toEqual([
    'edge-1 unreachable=0 failed=0 rescued=0',
    'edge-2 unreachable=0 failed=0 rescued=0',
    'edge-3 unreachable=0 failed=0 rescued=0',
    'edge-4 unreachable=1 failed=0 rescued=0',
  ])
  expect(done.stderr.match(/^✗ .*$/gm)).toEqual([expect.stringContaining('edge-4')])
  for (const node of nodes.slice(0, 3)) expect(await node.ask('k3s kubectl get --raw /readyz')).toBe('ok')
  expect(together(await spans(events))).toBe(4)
})

test('--forks bounds how many are at work', async () => {
  const events = join(await testbed.dir(), 'events')
  await well(testbed, [
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '-l',
    'edge-1,edge-2,edge-3',
    '-f',
    '2',
    '--events',
    events,
  ])
  const found = await spans(events)
  expect(found.map(({ host }) => host)).toEqual(['edge-1', 'edge-2', 'edge-3'])
  expect(together(found)).toBe(2)
})

test('--limit leaves the others alone', async () => {
  const { code, document } = await told(testbed, [
    'plan',
    'k3s_platform_bootstrap',
    '-i',
    inventory,
    '--limit',
    'all:!edge-4:!edge-2',
  ])
  expect(code).toBe(0)
  expect(document.hosts.map(({ host, execs }) => [host, execs])).toEqual([
    ['edge-1', 1],
    ['edge-3', 1],
  ])
})

test('the node that was away is done by the next run, alone', async () => {
  await nodes[3]?.start()
  const { code, document, stderr } = await told(testbed, ['apply', 'k3s_platform_bootstrap', '-i', inventory], {
    timeout: 200_000,
  })
  expect(code, stderr).toBe(0)
  expect(document.hosts.map(({ host, execs, steps }) => [host, execs === 1, steps.length > 0])).toEqual([
    ['edge-1', true, false],
    ['edge-2', true, false],
    ['edge-3', true, false],
    ['edge-4', false, true],
  ])
})
