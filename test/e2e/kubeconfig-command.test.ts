// The command kubeconfig on real nodes: merged files that a real client works with, tunnels, and what is refused.

import { lstat, mkdir, readdir, readFile, readlink, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { logins } from './look.ts'
import { cli, said } from './state.ts'

let testbed: Testbed
let node: TestNode
let inventory: string

/** Lists the nodes of a context with Kubernetes' own client, as kubectl would: from KUBECONFIG or ~/.kube/config. */
const LIST = `import { CoreV1Api, KubeConfig } from ${JSON.stringify(import.meta.resolve('@kubernetes/client-node'))}
const config = new KubeConfig(); config.loadFromDefault()
if (process.argv[1]) config.setCurrentContext(process.argv[1])
console.log((await config.makeApiClient(CoreV1Api).listNode()).items.map((item) => item.metadata.name).join())`
const list = (...context: string[]) => [process.execPath, '--input-type=module', '-e', LIST, '--', ...context]

const OTHER = `# mine
apiVersion: v1
kind: Config
clusters:
    - name: other   # keep
      cluster: {server: "https://other:6443"}
contexts: []
current-context: other
users: []
`
const CERTIFICATE = /client-(?:certificate|key)-data: \S+/g
const certificates = (text: string) => text.match(CERTIFICATE) ?? []
const kube = (name: string) => join(testbed.home, '.kube', name)

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node], { k3s_platform_tls_sans: ['edge-1.example'] })
})
afterAll(() => testbed?.close())

test('before k3s runs there is none, and the problem says what to do', async () => {
  const done = await cli(testbed, 1, ['kubeconfig', '-i', inventory])
  expect(said(done)).toContain('k3s-platform apply -l edge-1')
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
})

test('it is merged by one login, through a link, 0600, with a backup, and shows no secret', async () => {
  await mkdir(join(testbed.home, 'dotfiles'))
  await mkdir(kube(''), { recursive: true })
  await writeFile(join(testbed.home, 'dotfiles/kube'), OTHER, { mode: 0o644 })
  await symlink('../dotfiles/kube', kube('config'))
  const before = await logins(node)
  const done = await cli(testbed, 0, ['kubeconfig', 'edge-1', '-i', inventory, '-vvv'])
  expect((await logins(node)) - before).toBe(1)
  expect(done.stdout).toBe(`edge-1  + context edge-1 (https://${node.host}:6443) in ~/.kube/config\n`)
  expect(said(done)).not.toMatch(/LS0t|BEGIN/)

  expect(await readlink(kube('config'))).toBe('../dotfiles/kube')
  expect((await stat(kube('config'))).mode & 0o777).toBe(0o600)
  expect(await readFile(join(testbed.home, 'dotfiles/kube.k3s-platform-backup-1'), 'utf8')).toBe(OTHER)
  const text = await readFile(kube('config'), 'utf8')
  expect(text.startsWith(OTHER.slice(0, OTHER.indexOf('contexts')).trimEnd())).toBe(true)
  expect(text).toContain('current-context: edge-1') // the first context that the file has
  expect((await testbed.spawn(list('edge-1'))).stdout).toBe('edge-1\n')
})

test('what is there already is left alone; another server renews it, and five backups are kept', async () => {
  const before = await lstat(join(testbed.home, 'dotfiles/kube'))
  expect((await cli(testbed, 0, ['kubeconfig', '-i', inventory])).stdout).toContain('edge-1  = context edge-1')
  expect((await lstat(join(testbed.home, 'dotfiles/kube'))).mtimeMs).toBe(before.mtimeMs)
  for (const server of ['tls-san', 'ssh-host', 'edge-1.example', 'https://a:1', 'https://b:1', 'ssh-host']) {
    await cli(testbed, 0, ['kubeconfig', '-i', inventory, '--server', server])
  }
  const kept = (await readdir(join(testbed.home, 'dotfiles'))).filter((name) => name.includes('backup')).toSorted()
  expect(kept.map((name) => Number(name.split('-').at(-1)))).toEqual([3, 4, 5, 6, 7])
  expect((await cli(testbed, 2, ['kubeconfig', '-i', inventory, '--context', 'new', '-C'])).stdout).toContain(
    '+ context new',
  )
  expect(await readFile(kube('config'), 'utf8')).not.toContain('new')
})

test('KUBECONFIG names the file, and a current context stays unless --use is said', async () => {
  const [one, two] = [join(testbed.home, 'one'), join(testbed.home, 'two')]
  await writeFile(two, OTHER.replace('contexts: []', 'contexts: [{name: other, context: {cluster: other, user: me}}]'))
  const env = { KUBECONFIG: `${one}:${two}` }
  await cli(testbed, 0, ['kubeconfig', '-i', inventory, '--context', 'mine'], { env })
  expect(await readFile(two, 'utf8')).toContain('current-context: other')
  await cli(testbed, 0, ['kubeconfig', '-i', inventory, '--context', 'mine', '--use'], { env })
  expect(await readFile(two, 'utf8')).toContain('current-context: mine')
  expect((await testbed.spawn(list(), { env: { KUBECONFIG: two } })).stdout).toBe('edge-1\n')
})

test('an entry of another cluster is not overwritten, and what is no kubeconfig is left as it is', async () => {
  const file = join(testbed.home, 'taken')
  const env = { KUBECONFIG: file }
  const taken = OTHER.replaceAll('other', 'edge-1')
  await writeFile(file, taken)
  expect(said(await cli(testbed, 64, ['kubeconfig', '-i', inventory], { env }))).toContain('is another cluster')
  expect(await readFile(file, 'utf8')).toBe(taken)
  await cli(testbed, 0, ['kubeconfig', '-i', inventory, '--replace'], { env })
  expect((await testbed.spawn(list('edge-1'), { env })).stdout).toBe('edge-1\n')

  await writeFile(file, 'clusters: 5\nusers: {token: s3cret}\n')
  const done = await cli(testbed, 64, ['kubeconfig', '-i', inventory], { env })
  expect(said(done)).toContain(`${file}:1:11`)
  expect(said(done)).not.toContain('s3cret')
})

test('--print writes it to stdout and nothing else', async () => {
  const done = await cli(testbed, 0, ['kubeconfig', '-i', inventory, '--print', '--context', 'printed'])
  const file = join(testbed.home, 'printed')
  await writeFile(file, done.stdout)
  expect((await testbed.spawn(list('printed'), { env: { KUBECONFIG: file } })).stdout).toBe('edge-1\n')
  expect(await readFile(kube('config'), 'utf8')).not.toContain('printed')
})

test('a client certificate that was rotated on the node replaces the one in the file', async () => {
  const before = await readFile(kube('config'), 'utf8')
  await node.ask('k3s certificate rotate -d /opt/rancher/k3s --service admin && systemctl restart k3s')
  await cli(testbed, 0, ['kubeconfig', '-i', inventory])
  const after = await readFile(kube('config'), 'utf8')
  expect(certificates(after)).not.toEqual(certificates(before))
  expect(after.replace(CERTIFICATE, '')).toBe(before.replace(CERTIFICATE, ''))
  expect((await testbed.spawn(list('edge-1'))).stdout).toBe('edge-1\n')
})

test('a command runs through the tunnel, its exit code is the result, and nothing is left', async () => {
  await node.ask(`iptables -I INPUT -p tcp --dport 6443 ! -i lo -j DROP`)
  const done = await cli(testbed, 0, ['kubeconfig', 'edge-1', '-i', inventory, '--tunnel', '--', ...list()])
  expect(done.stdout).toBe('edge-1\n')
  await cli(testbed, 7, ['kubeconfig', '-i', inventory, '--tunnel', '--', 'sh', '-c', 'exit 7'])
  await cli(testbed, 127, ['kubeconfig', '-i', inventory, '--tunnel', '--', 'no-such-command'])
  expect(await readdir(kube('k3s-platform'))).toEqual(['edge-1.yaml'])
})

test('a tunnel without a command stays open until it is interrupted', async () => {
  const running = testbed.spawnCli(['kubeconfig', '-i', inventory, '--tunnel'])
  const path = await new Promise<string>((resolve) => {
    running.stdout?.on('data', (chunk: Buffer) => resolve(/^export KUBECONFIG=(\S+)/.exec(chunk.toString())?.[1] ?? ''))
  })
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  expect((await testbed.spawn(list(), { env: { KUBECONFIG: path } })).stdout).toBe('edge-1\n')
  running.kill('SIGINT')
  expect((await running).exitCode).toBe(0)
  await expect(stat(path)).rejects.toThrow('ENOENT')
})

test.each([
  [['--tunnel', '--use'], '--use'],
  [['--print', '--replace'], '--replace'],
  [['--server', 'elsewhere'], 'does not include elsewhere'],
  [['--', 'kubectl'], 'add --tunnel'],
])('%j is refused', async (args, why) => {
  expect(said(await cli(testbed, 64, ['kubeconfig', '-i', inventory, ...args]))).toContain(why)
})
