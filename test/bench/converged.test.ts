// What a converged run costs: the program against `ssh host true` and against Ansible, in turn, on the same nodes.

import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { cp, readdir, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { K3S_VERSIONS, Testbed } from '../testbed/testbed.ts'

const PROGRAM = fileURLToPath(new URL('../../dist/k3s-platform.js', import.meta.url))

const ROLE = 'k3s_platform_bootstrap'
const RUNS = Number(process.env.BENCH_RUNS ?? 7)

let testbed: Testbed
const nodes: TestNode[] = []
let inventory: string
/** Twenty names for the five nodes: the workstation's work for twenty hosts, without the memory of twenty API servers. */
let twenty: string
const NAMES = Array.from({ length: 20 }, (_, i) => `name-${i + 1}`)
let files: string

beforeAll(async () => {
  testbed = await Testbed.open()
  for (const name of ['b1', 'b2', 'b3', 'b4', 'b5']) nodes.push(await testbed.node(name))
  inventory = await testbed.inventory(nodes)
  files = await testbed.dir()
  const made = await testbed.cli(['apply', ROLE, '-i', inventory], { timeout: 300_000 })
  expect(made.code, made.stdout + made.stderr).toBe(0)
  for (const { name, root } of nodes) {
    for (const file of [
      'etc/rancher/k3s/config.yaml',
      'etc/systemd/system/k3s.service',
      'etc/systemd/system/k3s.service.env',
    ]) {
      await cp(join(root, file), join(files, name, basename(file)))
    }
  }
  await writeFile(join(files, 'known_hosts'), testbed.knownHosts())
  twenty = await testbed.inventory(Object.fromEntries(NAMES.map((name, i) => [name, nodeOf(i).hostVars()])))
  // Each name gets its kubeconfig; the nodes are as they should be.
  const named = await testbed.cli(['apply', ROLE, '-q', '-i', twenty], { timeout: 300_000 })
  expect(named.code, named.stdout + named.stderr).toBe(0)
})

afterAll(() => testbed?.close())

test.each([1, 5])('a converged run on %i nodes, as a multiple of ssh true on each', async (count) => {
  const chosen = nodes.slice(0, count)
  const limit = chosen.map((node) => node.name).join(',')
  // API servers of nodes that are not asked would only take the machine's time.
  const idle = nodes.slice(count)
  await Promise.all(idle.map((node) => node.ask('systemctl stop k3s')))
  const hash = createHash('sha256')
  await pipeline(createReadStream(join(nodes[0]?.root ?? '', 'usr/local/bin/k3s')), hash)
  const playbook = fileURLToPath(new URL('playbook.yaml', import.meta.url))
  const ansible = [
    'ansible-playbook',
    ...['-i', inventory, '-l', limit, playbook],
    ...['-e', `files=${files}`, '-e', `k3s_sha256=${hash.digest('hex')}`],
    ...['-e', `k3s_url=${testbed.mirror.url}/${encodeURIComponent(K3S_VERSIONS[0])}`],
  ]
  const ansibleEnv = {
    ANSIBLE_PIPELINING: 'True',
    ANSIBLE_FORKS: '10',
    ANSIBLE_SSH_ARGS: `-o ControlMaster=auto -o ControlPersist=60s -o UserKnownHostsFile=${files}/known_hosts`,
    ANSIBLE_PYTHON_INTERPRETER: '/usr/bin/python3',
  }
  const clock = async (run: () => PromiseLike<{ exitCode?: number | undefined; stdout: string; stderr: string }>) => {
    const started = performance.now()
    const { exitCode, stdout, stderr } = await run()
    expect(exitCode, stdout + stderr).toBe(0)
    return { seconds: (performance.now() - started) / 1000, stdout }
  }
  const contenders: Record<string, () => Promise<{ seconds: number; stdout: string }>> = {
    'ssh host true': () =>
      clock(async () => {
        const all = await Promise.all(chosen.map((node) => testbed.spawn([...sshTo(node), 'true'])))
        return all.find((one) => one.exitCode !== 0) ?? { exitCode: 0, stdout: '', stderr: '' }
      }),
    [`apply, Node ${process.versions.node}`]: () =>
      clock(() => testbed.spawnCli(['apply', ROLE, '-i', inventory, '-l', limit])),
  }
  const lts = process.env.BENCH_NODE
  if (lts !== undefined) {
    const { stdout } = await execa(lts, ['--version'])
    contenders[`apply, Node ${stdout.slice(1)}`] = () =>
      clock(() => testbed.spawnCli(['apply', ROLE, '-i', inventory, '-l', limit], { nodeBin: lts }))
  }
  contenders.ansible = () => clock(() => testbed.spawn(ansible, { env: ansibleEnv }))

  const seconds = new Map(Object.keys(contenders).map((name): [string, number[]] => [name, []]))
  for (let i = 0; i <= RUNS; i++) {
    for (const [name, run] of Object.entries(contenders)) {
      if (name === 'ansible' && i > Math.max(2, RUNS / 3)) continue
      const { seconds: s, stdout } = await run()
      if (name.startsWith('apply')) expect(stdout).toMatch(/changed=0 /)
      if (name === 'ansible' && i > 0) expect(stdout).toMatch(/changed=0 /)
      if (i > 0) seconds.get(name)?.push(s) // the first is for warming up
    }
  }
  await Promise.all(idle.map((node) => node.ask('systemctl start k3s')))
  const base = median(seconds.get('ssh host true') ?? [])
  const rows = [...seconds].map(([name, all]) => {
    const m = median(all)
    return `${name.padEnd(22)} ${m.toFixed(2).padStart(7)} s   ${(m / base).toFixed(2).padStart(6)} x   (${Math.min(...all).toFixed(2)}-${Math.max(...all).toFixed(2)}, ${all.length} runs)`
  })
  process.stdout.write(
    `\n${count} converged node${count > 1 ? 's' : ''}, median of whole processes\n${rows.join('\n')}\n`,
  )
  expect(await readdir(files)).toContain(`kubeconfig-${nodes[0]?.name}`)
})

test('the workstation CPU of each further host in a converged run: twenty names for five nodes', async () => {
  const cpu = async (argv: readonly string[]) => {
    const { exitCode, stderr } = await testbed.spawn([
      'bash',
      '-c',
      'TIMEFORMAT="cpu %U %S"; time "$@"',
      'bash',
      ...argv,
    ])
    expect(exitCode, stderr).toBe(0)
    const [, user = '', system = ''] = /cpu ([\d.]+) ([\d.]+)/.exec(stderr) ?? []
    return (Number(user) + Number(system)) * 1000
  }
  // Quiet: that names share a machine is worth warnings, which no twenty hosts would bring.
  const apply = (node: string, ...limit: string[]) => [node, PROGRAM, 'apply', ROLE, '-q', '-i', twenty, ...limit]
  const lts = process.env.BENCH_NODE
  const programs = [process.execPath, ...(lts === undefined ? [] : [lts])]
  const commands = [
    sshTo(nodeOf(0)).concat('true'),
    ...programs.flatMap((node) => [apply(node, '-l', 'name-1'), apply(node)]),
  ]
  const spent = commands.map((): number[] => [])
  for (let i = 0; i <= RUNS; i++)
    for (const [k, argv] of commands.entries()) {
      const ms = await cpu(argv)
      if (i > 0) spent[k]?.push(ms)
    }
  const [ssh = 0, ...ours] = spent.map(median)
  const rows = await Promise.all(
    programs.map(async (node, i) => {
      const [one = 0, all = 0] = ours.slice(2 * i, 2 * i + 2)
      const each = (all - one) / (NAMES.length - 1)
      expect(each).toBeGreaterThan(0)
      const { stdout: version } = await execa(node, ['--version'])
      const times = `${(each / ssh).toFixed(2)} x of ssh true`
      return `Node ${version.slice(1)}: 1 host ${one.toFixed(0)} ms, 20 hosts ${all.toFixed(0)} ms: ${each.toFixed(0)} ms for each further host, ${times}`
    }),
  )
  process.stdout.write(`\nCPU on the workstation (ssh host true: ${ssh.toFixed(0)} ms)\n${rows.join('\n')}\n`)
})

/** The node that bears the i-th of the twenty names. */
function nodeOf(i: number): TestNode {
  const node = nodes[i % nodes.length]
  if (node === undefined) throw new Error('there are no nodes')
  return node
}

function sshTo(node: TestNode): string[] {
  return [
    'ssh',
    '-i',
    node.identityFile,
    '-o',
    'BatchMode=yes',
    '-o',
    `UserKnownHostsFile=${files}/known_hosts`,
    `ops@${node.host}`,
  ]
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
}
