// A value of the inventory stays one value in a unit, an environment file, a script and a download on the node.

import { execFileSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { chartFindings } from '../../roles/k3s_platform_addon/charts.ts'
import { vars as addonVars } from '../../roles/k3s_platform_addon/vars.ts'
import { supplyRules } from '../../roles/k3s_platform_bootstrap/release.ts'
import { environmentValue, openrcArgument, unitArgument } from '../../roles/k3s_platform_bootstrap/unit-quoting.ts'
import { vars } from '../../roles/k3s_platform_bootstrap/vars.ts'
import { plainMirror } from '../../roles/rules/plain-http.ts'
import { download } from '../../src/host/kinds/download.ts'
import { openSupply } from '../../src/supply/supply.ts'
import openrcFile from '../../templates/k3s.openrc.hbs'
import unitFile from '../../templates/k3s.service.hbs'
import { facts } from '../roles/k3s_platform_bootstrap/given.ts'

const HOSTILE = [
  '/etc/a b/c.yaml',
  '/etc/$(id)/`id`/c.yaml',
  `/etc/"x"/'y'/\\z.yaml`,
  '/etc/%n/%%/$HOME.yaml',
  '/etc/a;b&c|d/*.yaml',
]

const LINES = [
  ...['k3s_config_path', 'kubeconfig_path', 'install_dir', 'data_dir', 'kubeconfig_dest', 'node_name', 'flannel_iface'],
  ...['http_proxy', 'https_proxy', 'datastore_endpoint', 'no_proxy'],
]
const BREAKS = ['\n', '\r', '\u0000', '\u001b', '\u0085', '\u2028']

test.each(LINES)('%s with a line break or another control character is refused where it stands', (name) => {
  const start = name.endsWith('proxy') ? 'http://p' : name.startsWith('datastore') ? 'nats://p' : '/a'
  for (const sign of BREAKS) {
    const { error } = vars.safeParse({ [`k3s_platform_${name}`]: `${start}${sign}ExecStartPre=/bin/evil` })
    expect(error?.issues[0]?.path[0], JSON.stringify(sign)).toBe(`k3s_platform_${name}`)
  }
})

test.each([
  ['sysctls', { 'net.ipv4.ip_forward': '1\nkernel.core_pattern=|/bin/evil' }, 'net.ipv4.ip_forward'],
  ['kernel_modules', ['overlay\nevil'], 0],
  ['packages', ['curl\nevil'], 0],
  ['reset_keep', ['/a\nb'], 0],
  ['k3s_env', { A: 'x\u0000y' }, 'A'],
])('%s: its place is told', (name, value, place) => {
  const { error } = vars.safeParse({ [`k3s_platform_${name}`]: value })
  expect(error?.issues[0]?.path).toEqual([`k3s_platform_${name}`, place])
})

test('a path in a unit is one argument, without specifiers and variables', () => {
  expect(HOSTILE.map(unitArgument)).toMatchInlineSnapshot(`
    [
      ""/etc/a b/c.yaml"",
      ""/etc/$$(id)/\`id\`/c.yaml"",
      ""/etc/\\"x\\"/'y'/\\\\z.yaml"",
      ""/etc/%%n/%%%%/$$HOME.yaml"",
      ""/etc/a;b&c|d/*.yaml"",
    ]
  `)
  const unit = unitFile({ binary: '/usr/local/bin/k3s', config: unitArgument('/etc/%n x.yaml'), envFile: '/e' })
  expect(unit).toContain('ExecStart=/usr/local/bin/k3s server --config "/etc/%%n x.yaml"\n')
  expect(unitArgument('/etc/rancher/k3s/config.yaml')).toBe('/etc/rancher/k3s/config.yaml')
})

test.each(HOSTILE)('%s: openrc-run reads it back as it is', (path) => {
  const script = openrcFile({ binary: '/usr/local/bin/k3s', config: openrcArgument(path) })
  const assignment = script.split('\n').find((one) => one.startsWith('command_args='))
  const read = `${assignment}\neval "set -- $command_args"\nprintf '%s' "$#|$1|$2|$3"`
  expect(execFileSync('sh', ['-c', read], { encoding: 'utf8' })).toBe(`3|server|--config|${path}`)
})

test.each([...HOSTILE, 'two\nlines', '#x'])('%j: an environment file reads it back as it is', (value) => {
  const read = `A=${environmentValue(value)}\nprintf '%s' "$A"`
  expect(execFileSync('sh', ['-c', read], { encoding: 'utf8' })).toBe(value)
})

test('a node fetches within bounds, and does not leave https for http', () => {
  const kind = download({
    path: '/usr/local/bin/k3s',
    title: 'k3s',
    version: 'v1',
    via: 'node',
    asset: () => ({ urls: ['https://x/k3s'], sha256: null, sums: { url: 'https://x/sums', name: 'k3s' }, maxBytes: 5 }),
  })
  const [step] = kind.steps({ actual: null, desired: null, facts: { ...facts, arch: 'amd64' } })
  const script = step !== undefined && 'run' in step ? String(step.run) : ''
  expect(script).toContain(`https:*) k_proto='=https' ;;`)
  for (const flag of ['--proto "$k_proto"', '--proto-redir "$k_proto"', '--max-redirs 5', '--max-filesize "$3"']) {
    expect(script).toContain(flag)
  }
})

test('a mirror by plain http is warned of once, unless digests are fixed', async () => {
  const { supply } = await openSupply({ directory: undefined, cwd: '/', home: '/', locked: null, ci: false })
  const found = (more: object) =>
    supplyRules(vars.parse({ k3s_platform_k3s_mirror_url: 'http://m', ...more }), { supply })
  expect(found({ k3s_platform_airgap_images: true })).toEqual([
    {
      path: ['k3s_platform_k3s_mirror_url'],
      what: 'http://m serves releases and their digests over plain http: an attacker on the network path could replace both',
      hint: 'use https, or pin the digests: k3s-platform lock',
      warning: true,
    },
  ])
  expect(found({ k3s_platform_k3s_sha256: 'a'.repeat(64) })).toEqual([])
  expect(found({ k3s_platform_k3s_mirror_url: 'https://m' })).toEqual([])
  expect(plainMirror('x', 'http://m', { strict: true })).toEqual([])
})

test('a chart repository by plain http is warned of once, by the first of its variables, unless the chart is a file', async () => {
  const { supply } = await openSupply({ directory: undefined, cwd: '/', home: '/', locked: null, ci: false })
  const found = (more: object) =>
    chartFindings(addonVars.parse(more), { host: 'h', address: 'h', boundSeconds: undefined, supply })
  expect(found({})).toEqual([])
  const urls = {
    k3s_platform_caddy_chart_repo_url: 'http://c',
    k3s_platform_external_dns_chart_repo_url: 'http://c',
    k3s_platform_cert_manager_chart_repo_url: 'oci://r/c',
  }
  expect(found({ ...urls, k3s_platform_cert_manager_chart_plain_http: true })).toMatchObject([
    { path: ['k3s_platform_cert_manager_chart_repo_url'], warning: true },
    {
      path: ['k3s_platform_caddy_chart_repo_url'],
      what: 'http://c serves charts over plain http: an attacker on the network path could replace them',
    },
  ])
  expect(found({ k3s_platform_caddy_chart_repo_url: 'http://c', k3s_platform_caddy_chart_file: '/c.tgz' })).toEqual([])
})
