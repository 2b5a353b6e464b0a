// A node lies in its kubeconfig: what it may give is taken, all else is refused by name, and nothing of it runs or is shown.

import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { ProblemError } from '../../src/engine/problem.ts'
import { accessOf } from '../../src/kubeconfig/merge.ts'
import { parseNodeKubeconfig } from '../../src/kubeconfig/node-kubeconfig.ts'
import { tls } from '../supply/charts.ts'
import { programHome, runAgainst } from './program.ts'
import { HostileServer } from './ssh-server.ts'

const base64 = (pem: string) => Buffer.from(pem).toString('base64')

const SOURCE = '/etc/rancher/k3s/k3s.yaml'
const OF_K3S = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: $CA
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: $CERT
    client-key-data: $KEY
`
const oneCase = z.strictObject({
  it: z.string(),
  text: z.string().optional(),
  user: z.string().optional(),
  cluster: z.string().optional(),
  top: z.string().optional(),
  replace: z.record(z.string(), z.string()).default({}),
  refused: z.array(z.string()).optional(),
})
const cases = z
  .array(oneCase)
  .parse(parse(readFileSync(new URL('kubeconfigs.yaml', import.meta.url), 'utf8')))
  .map((one) => ({ ...one, text: textOf(one) }))

function textOf({ text, user, cluster, top, replace }: z.output<typeof oneCase>): string {
  let all = text ?? OF_K3S
  for (const [from, to] of Object.entries(replace)) {
    if (!all.includes(from)) throw new Error(`there is no ${from}`)
    all = all.replace(from, () => to)
  }
  if (cluster !== undefined) all = all.replace('server:', () => `${cluster}\n    server:`)
  if (user !== undefined) all += `    ${user}\n`
  if (top !== undefined) all += `${top}\n`
  return all.replaceAll('$CA', base64(tls.ca)).replaceAll('$CERT', base64(tls.cert)).replaceAll('$KEY', base64(tls.key))
}

const refusalOf = (text: string) => {
  try {
    parseNodeKubeconfig(text, `edge-1 ${SOURCE}`)
    return undefined
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    return error.problems
  }
}

test.each(cases)('$it', ({ text, refused }) => {
  const problems = refusalOf(text)
  expect(problems?.map(({ what }) => what)).toEqual(refused)
  expect(JSON.stringify(problems ?? [])).not.toMatch(/hunter2|LS0t|exec:/)
  for (const { where, kind } of problems ?? []) {
    expect(where).toMatch(/^edge-1 \/etc\/rancher\/k3s\/k3s\.yaml(:\d+:\d+)?$/)
    expect(kind).toBe('failed')
  }
  if (refused !== undefined) return
  const { cluster, user } = accessOf(text, { name: 'edge-1', server: 'https://203.0.113.7:6443', where: SOURCE })
  expect(Object.keys(cluster)).toEqual(['certificate-authority-data', 'server'])
  expect(['client-certificate-data,client-key-data', 'token']).toContain(Object.keys(user).join())
})

test.each([
  ['100 MB of one letter', 'a'.repeat(100_000_000), 'The kubeconfig has more than 64 KiB'],
  ['100 MB of lines', '- a\n'.repeat(25_000_000), 'The kubeconfig has more than 64 KiB'],
  ['brackets', '['.repeat(65_000), /nested too deeply|not valid YAML/],
  ['maps of maps', `a: ${'{a: '.repeat(16_000)}`, /nested too deeply|not valid YAML/],
  ['lists in lists', `${'- '.repeat(32_000)}a`, /nested too deeply|not a map|not valid YAML/],
  ['questions', '? '.repeat(32_000), /nested too deeply|not valid YAML/],
  ['anchors', Array.from({ length: 6000 }, (_, i) => `- &a${i} x`).join('\n'), /anchor/],
  ['fields', Array.from({ length: 6000 }, (_, i) => `a${i}: 1`).join('\n'), /unknown field/],
  ['fields in one line', `{${Array.from({ length: 14_000 }, (_, i) => i.toString(36)).join(',')}}`, /unknown field/],
  [
    'fields that are not looked at',
    `preferences: {${Array.from({ length: 14_000 }, (_, i) => i.toString(36)).join(',')}}`,
    /preferences is not accepted/,
  ],
  ['quotes', '"'.repeat(65_000), /not valid YAML/],
  ['tabs', '\t'.repeat(65_000), /empty|not valid YAML/],
  [
    'a key of 5 KB',
    `${OF_K3S.replaceAll(/\$CA|\$CERT/g, base64(tls.ca)).replace('$KEY', 'A'.repeat(16_000))}`,
    /client-key-data has more than 6 KiB/,
  ],
])('%s is refused at little cost', (_, text, what) => {
  const before = process.cpuUsage()
  const problems = refusalOf(text) ?? []
  const { user, system } = process.cpuUsage(before)
  expect(problems[0]?.what).toMatch(what)
  expect(problems.length).toBeLessThanOrEqual(10)
  expect((user + system) / 1e6).toBeLessThan(1)
})

describe('through the hostile server', () => {
  let server: HostileServer
  afterEach(() => server.stop())
  const canary = join(programHome, 'canary')
  const kube = join(programHome, '.kube')
  const exec = textOf({
    it: '',
    replace: {},
    user: `exec: {apiVersion: client.authentication.k8s.io/v1, interactiveMode: Never, command: /bin/sh, args: [-c, 'env > ${canary}; exit 1']}`,
  })
  const bad = {
    exec,
    'exec in place of a certificate': exec.replace(/ {4}client-certificate-data.*\n.*\n/, ''),
    'a damaged file': exec.replace('users:', 'users: [\nhunter2: }'),
  }
  const commands = [
    ['plan', 'k3s_platform_addon'],
    ['plan', 'k3s_platform_bootstrap'],
    ['certs'],
    ['doctor'],
    ['doctor', '-o', 'json'],
    ['kubeconfig'],
    ['kubeconfig', '--print'],
    ['kubeconfig', '--tunnel', '--', 'true'],
  ]

  test.each(Object.entries(bad))(
    '%s neither runs, nor is shown, nor comes into a file of the workstation',
    async (_, text) => {
      server = await HostileServer.start({ files: { [SOURCE]: text } })
      mkdirSync(kube, { recursive: true })
      writeFileSync(join(kube, 'config'), '')
      for (const command of commands) {
        const { code, stdout, stderr } = await runAgainst(server, command, {
          env: { CLOUDFLARE_API_TOKEN: 'hunter2' },
          vars: { k3s_platform_kubeconfig_fetch: true },
        })
        expect(existsSync(canary), `${command}`).toBe(false)
        expect(code, `${command}: ${stdout}${stderr}`).toBe(1)
        expect(stdout + stderr).toMatch(/edge-1.*k3s\.yaml/)
        expect(stdout + stderr).toMatch(/not accepted from a node|not valid YAML/)
        expect(stdout + stderr).not.toMatch(/internal error|hunter2|LS0t/)
      }
      expect(readdirSync(kube)).toEqual(['config'])
      expect(readFileSync(join(kube, 'config'), 'utf8')).toBe('')
    },
  )
})
