// Kubeconfig files before and after, as data; what kubectl's own client makes of them; which file is meant.

import { readFileSync } from 'node:fs'
import { KubeConfig } from '@kubernetes/client-node'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ProblemError } from '../../src/engine/problem.ts'
import { type Access, kubeconfigOf, merge, without } from '../../src/kubeconfig/merge.ts'
import { kubeconfigPath, kubeconfigPaths } from '../../src/kubeconfig/path.ts'

const oneCase = z.strictObject({
  it: z.string(),
  before: z.string().nullable(),
  use: z.boolean().default(false),
  replace: z.boolean().default(false),
  /** Take the host's entries out instead. */
  remove: z.boolean().default(false),
  /** `where: what` of each problem. */
  refused: z.array(z.string()).optional(),
})
const cases = z.array(oneCase).parse(parse(readFileSync(new URL('cases.yaml', import.meta.url), 'utf8')))

const origin = { host: 'edge-1', address: '203.0.113.7' }
const access: Access = {
  name: 'edge-1',
  cluster: {
    'certificate-authority-data': 'Q0E=',
    server: 'https://203.0.113.7:6443',
    extensions: [{ name: 'k3s-platform', extension: origin }],
  },
  user: { 'client-certificate-data': 'Q0VSVA==', 'client-key-data': 'S0VZ' },
}

function said(error: unknown): string[] {
  if (!(error instanceof ProblemError)) throw error
  return error.problems.map(({ where, what }) => `${where}: ${what}`)
}

test.each(cases)('$it', async ({ it, before, refused, remove, ...how }) => {
  const edit = () => {
    if (remove) return without(before ?? '', origin, 'config')
    return merge(before, access, { where: 'config', ...how }).text
  }
  if (refused !== undefined) {
    const problems = await Promise.resolve()
      .then(edit)
      .then(() => [], said)
    expect(problems).toEqual(refused)
    return
  }
  const after = edit()
  expect(after).toMatchSnapshot()
  if (before?.includes('\r\n')) expect(after.replaceAll('\r\n', '')).not.toContain('\n')
  if (it.startsWith('JSON')) expect(JSON.parse(after)).toEqual(parse(after))
  if (!remove) {
    expect(merge(after, access, { where: 'config', ...how })).toEqual({ text: after, is: 'unchanged' })
    const client = new KubeConfig()
    client.loadFromString(after)
    client.setCurrentContext('edge-1')
    expect(client.getCurrentCluster()).toMatchObject({ server: 'https://203.0.113.7:6443', caData: 'Q0E=' })
    expect(client.getCurrentUser()).toMatchObject({ certData: 'Q0VSVA==', keyData: 'S0VZ' })
  }
  // Every line that is not of the entry is there as it was, in its order.
  const [shorter, longer] = remove ? [after, before ?? ''] : [before ?? '', after]
  if (before === null || before.startsWith('{')) return
  const rest = longer.split('\n')
  const lost = shorter.split('\n').filter((line) => {
    const at = rest.indexOf(line)
    if (at >= 0) rest.splice(0, at + 1)
    return at < 0
  })
  expect(lost).toMatchSnapshot('lines that changed')
})

test('what is added and taken out again leaves the bytes that were there', () => {
  for (const { before, refused, remove, it } of cases) {
    if (refused || remove || before === null || /edge-1|absent lists|empty file|JSON|Windows|final/.test(it + before))
      continue
    const { text } = merge(before, access, { where: 'config', use: false, replace: false })
    expect(without(text, origin, 'config'), it).toBe(before)
  }
})

test('a kubeconfig of several clusters has them all, the first as the current one', () => {
  expect(kubeconfigOf([access, { ...access, name: 'edge-2' }])).toMatchObject({
    'current-context': 'edge-1',
    contexts: [{ name: 'edge-1' }, { name: 'edge-2', context: { cluster: 'edge-2', user: 'edge-2' } }],
  })
})

test.each<[env: string | undefined, there: string[], path: string]>([
  [undefined, [], '~/.kube/config'],
  ['', ['/a'], '~/.kube/config'],
  ['/a', [], '/a'],
  ['/a:/b', ['/b'], '/b'],
  ['/a:/b', ['/a', '/b'], '/a'],
  [':/a::/b', [], '/b'],
])('KUBECONFIG=%s where %j are there means %s, as kubectl has it', (env, there, path) => {
  expect(kubeconfigPath(env, (one) => there.includes(one))).toBe(path)
})

test('all files of KUBECONFIG are read', () => {
  expect(kubeconfigPaths('/a::/b')).toEqual(['/a', '/b'])
})
