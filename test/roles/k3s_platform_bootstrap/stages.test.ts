// What the role makes: its stages from top to bottom, the unit and its environment, and where the binary comes from.

import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { bootstrap } from '../../../roles/k3s_platform_bootstrap/role.ts'
import type { PlatformResource } from '../../../src/cluster/backend.ts'
import type { Stage } from '../../../src/engine/resource.ts'
import type { HostResource, Step } from '../../../src/host/resource.ts'
import { context, facts, varsOf } from './given.ts'

const onHost = ({ resources }: Stage<PlatformResource>) => resources.flatMap((one) => ('probe' in one ? one : []))
const stages = (some: Readonly<Record<string, unknown>> = {}) => bootstrap.stages(varsOf(some), context)

function resource(id: string, some: Readonly<Record<string, unknown>> = {}): HostResource {
  const found = stages(some)
    .flatMap(onHost)
    .find((r) => r.id === id)
  if (found === undefined) throw new Error(`no ${id}`)
  return found
}

const steps = (of: HostResource): readonly Step[] => of.steps({ actual: null, desired: of.desired(facts), facts })
const scripts = (of: HostResource) => steps(of).map((step) => ('run' in step ? step.run.reveal() : ''))

test('the stages with the default variables', () => {
  expect(
    stages()
      .map((stage) => `${stage.name}\n${stage.resources.map((r) => `  ${r.title}`).join('\n')}`)
      .join('\n'),
  ).toMatchInlineSnapshot(`
    "baseline
      packages ca-certificates, curl, tar
      /etc/modules-load.d/k3s-platform.conf
      kernel modules br_netfilter, overlay
      /etc/sysctl.d/90-k3s-platform.conf
      sysctls
    k3s
      /etc/rancher/k3s/
      /opt/rancher/k3s/
      datastore snapshot
      /usr/local/bin/k3s
      /etc/rancher/k3s/config.yaml
      /etc/systemd/system/k3s.service.env
      /etc/conf.d/k3s
      /etc/rancher/k3s/config.yaml.d/
      /etc/systemd/system/k3s.service
      /etc/init.d/k3s
      k3s.service
    ready
      API and node
      unpacked builds of earlier k3s releases
    kubeconfig
    "
  `)
})

test('ids are unique, and inputs stand before what they are inputs of', () => {
  const seen = new Set<string>()
  for (const { id, inputs = [] } of stages({ k3s_env: { A: 'b' } }).flatMap((stage) => stage.resources)) {
    expect(seen).not.toContain(id)
    for (const input of inputs) expect(seen).toContain(input)
    seen.add(id)
  }
})

test('every script of every probe and step is shell that dash, bash and busybox can read', () => {
  const all = stages({ k3s_env: { A: 'b' } }).flatMap(onHost)
  const script = all
    .flatMap((r) => [r.probe.reveal(), ...scripts(r)])
    .map((text) => `f() {\n:\n${text}\n}`)
    .join('\n')
  for (const [shell = '', ...args] of [['dash'], ['bash', '--posix'], ['busybox', 'sh']]) {
    const { status, stderr } = spawnSync(shell, [...args, '-n'], { input: script, encoding: 'utf8' })
    expect([shell, status, stderr]).toEqual([shell, 0, ''])
  }
})

test('the unit file', () => {
  expect(resource('file:/etc/systemd/system/k3s.service').desired(facts)?.content).toMatchInlineSnapshot(`
    "# Managed by k3s-platform; changes here are put back.
    [Unit]
    Description=Lightweight Kubernetes
    Documentation=https://k3s.io
    Wants=network-online.target
    After=network-online.target

    [Install]
    WantedBy=multi-user.target

    [Service]
    Type=notify
    EnvironmentFile=-/etc/default/%N
    EnvironmentFile=-/etc/sysconfig/%N
    EnvironmentFile=-/etc/systemd/system/k3s.service.env
    KillMode=process
    Delegate=yes
    User=root
    LimitNOFILE=1048576
    LimitNPROC=infinity
    LimitCORE=infinity
    TasksMax=infinity
    TimeoutStartSec=0
    Restart=always
    RestartSec=5s
    ExecStartPre=-/sbin/modprobe br_netfilter
    ExecStartPre=-/sbin/modprobe overlay
    ExecStart=/usr/local/bin/k3s server
    "
  `)
})

test('a configuration elsewhere is told to k3s', () => {
  const some = { k3s_config_path: '/etc/k3s/config.yaml' }
  expect(resource('file:/etc/systemd/system/k3s.service', some).desired(facts)?.content).toContain(
    'ExecStart=/usr/local/bin/k3s server --config /etc/k3s/config.yaml\n',
  )
  expect(resource('file:/etc/k3s/config.yaml', some)).toBeDefined()
})

const ENV = 'file:/etc/systemd/system/k3s.service.env'

test.each([
  ['a plain value', 'http://proxy:3128', 'http://proxy:3128'],
  ['a space', 'a b', '"a b"'],
  ['nothing', '', ''],
  ['quotes', `it's "x"`, '"it\'s \\"x\\""'],
  ['a backslash', 'a\\b', '"a\\\\b"'],
  ['what a shell would expand', '$HOME `id` !', '"\\$HOME \\`id\\` !"'],
  ['a hash and a semicolon', '#a;b', '"#a;b"'],
  ['a percent sign, which is plain in this file', '100%', '100%'],
])('the environment file quotes for systemd: %s', (_, value, quoted) => {
  const [script = ''] = scripts(resource(ENV, { k3s_env: { X: value } }))
  const written = spawnSync('sh', ['-c', `k_put() { cat; }\n${script.replace(/^mkdir.*$/m, '')}`], { encoding: 'utf8' })
  expect(written.stdout.split('\n').filter((line) => !line.startsWith('#'))).toContain(`X=${quoted}`)
})

test('the environment is secret: neither its plan nor its script shows it', () => {
  const env = resource(ENV, { k3s_env: { K3S_TOKEN: 's3cret' } })
  expect(env.masked).toEqual(['content'])
  expect(steps(env).map((step) => ('run' in step ? String(step.run) : ''))).not.toContain('s3cret')
  expect(JSON.stringify(env.desired(facts))).not.toContain('s3cret')
  expect(scripts(env).join()).toContain('s3cret')
})

test.each([
  ['amd64', 'k3s', 'sha256sum-amd64.txt'],
  ['arm64', 'k3s-arm64', 'sha256sum-arm64.txt'],
  ['arm', 'k3s-armhf', 'sha256sum-arm.txt'],
])('on %s the asset is %s, its digest stands in %s', (arch, name, sums) => {
  const binary = resource('download:/usr/local/bin/k3s', {
    k3s_version: 'v1.30.6+k3s1',
    k3s_mirror_url: 'https://mirror.example/k3s/',
  })
  const script = binary
    .steps({ actual: null, desired: null, facts: { ...facts, arch } })
    .map((step) => ('run' in step ? step.run.reveal() : ''))
    .join('\n')
  expect(script).toContain(`https://mirror.example/k3s/v1.30.6%2Bk3s1/${name}`)
  expect(script).toContain(`https://mirror.example/k3s/v1.30.6%2Bk3s1/${sums}`)
})

test('a pinned digest is of the architecture that it is given for', () => {
  const sha = 'a'.repeat(64)
  const binary = resource('download:/usr/local/bin/k3s', { k3s_sha256: { arm64: sha } })
  expect(binary.desired({ ...facts, arch: 'arm64' })).toMatchObject({ sha256: sha })
  expect(binary.desired(facts)).not.toHaveProperty('sha256')
})

test('a comment in config.yaml restarts nothing, a value does', () => {
  const config = resource('file:/etc/rancher/k3s/config.yaml')
  const desired = config.desired(facts)
  const content = String(desired?.content)
  expect(config.disturbs?.({ actual: { ...desired, content: `# mine\n${content}` }, desired })).toBe(false)
  expect(config.disturbs?.({ actual: { ...desired, content: `${content}debug: true\n` }, desired })).toBe(true)
})

test.each([
  ['a person at a terminal gets the kubeconfig', undefined, true, 1],
  ['a pipeline does not', undefined, false, 0],
  ['a pipeline that says so does', true, false, 1],
  ['a person who does not want it is left alone', false, true, 0],
])('%s', (_, fetch, interactive, count) => {
  const vars = varsOf(fetch === undefined ? {} : { kubeconfig_fetch: fetch })
  const stage = bootstrap.stages(vars, { ...context, interactive }).find(({ name }) => name === 'kubeconfig')
  expect(stage?.resources.filter(({ workstation }) => workstation)).toHaveLength(count)
})
