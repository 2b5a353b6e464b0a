// The parts that tests of the handoff stand on: a git server with every way in, Flux's releases, and its controllers at work.

import { createHash } from 'node:crypto'
import { mkdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import type { Flux } from '../testbed/flux.ts'
import type { GitServer } from '../testbed/git.ts'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'

let testbed: Testbed
let node: TestNode
let git: GitServer
let flux: Flux

const configMap = (name: string) =>
  stringify({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name, namespace: 'default' }, data: { from: 'git' } })

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('gitops')
  ;[git, flux] = await Promise.all([
    testbed.git({ files: { 'clusters/a/site.yaml': configMap('site'), 'clusters/a/extra.yaml': configMap('extra') } }),
    testbed.flux(),
    node.programs('flux'),
  ])
  const { code, stderr } = await testbed.cli([
    'apply',
    'k3s_platform_bootstrap',
    '-i',
    await testbed.inventory([node], { k3s_platform_disable_components: ['traefik'] }),
  ])
  expect(code, stderr).toBe(0)
})

afterAll(() => testbed?.close())

describe('the git server', () => {
  /** `git ls-remote` of main, from the workstation's side. */
  async function ask(url: string, options: { config?: string[]; key?: string; knownHosts?: string } = {}) {
    const dir = await testbed.dir()
    await Promise.all([
      writeFile(join(dir, 'ca.pem'), git.ca),
      writeFile(join(dir, 'key'), options.key ?? git.keys.private, { mode: 0o600 }),
      writeFile(join(dir, 'known_hosts'), options.knownHosts ?? git.knownHosts),
    ])
    const ssh = `ssh -F none -i ${dir}/key -o IdentitiesOnly=yes -o BatchMode=yes -o UserKnownHostsFile=${dir}/known_hosts`
    const config = [`http.sslCAInfo=${dir}/ca.pem`, ...(options.config ?? [])].flatMap((one) => ['-c', one])
    const env = { GIT_SSH_COMMAND: ssh, GIT_TERMINAL_PROMPT: '0' }
    const { exitCode, stdout, stderr } = await testbed.spawn(['git', ...config, 'ls-remote', url, 'main'], { env })
    return exitCode === 0 ? stdout.split('\t')[0] : stderr
  }
  const withLogin = () =>
    git.basicUrl.replace('//', `//${git.login.username}:${encodeURIComponent(git.login.password)}@`)
  const withToken = () => ({ config: [`http.extraHeader=Authorization: Bearer ${git.token}`] })

  test('is read by every way, and says what it was asked', async () => {
    const head = await git.head()
    expect(await ask(git.publicUrl)).toBe(head)
    expect(await ask(git.plainUrl)).toBe(head)
    expect(await ask(withLogin())).toBe(head)
    expect(await ask(git.bearerUrl, withToken())).toBe(head)
    expect(await ask(git.sshUrl)).toBe(head)
    const requests = await git.requests()
    expect(requests).toContainEqual({ way: 'public', method: 'GET', path: '/platform.git/info/refs', status: 200 })
    expect(requests.filter(({ way, status }) => way === 'basic' && status === 200)).not.toEqual([])
    expect(requests.filter(({ way }) => way === 'ssh')).toEqual([{ way: 'ssh', method: '', path: '', status: 200 }])
  })

  test('gives the commits of files and of trees', async () => {
    const before = await git.head()
    expect(await git.commit({ 'clusters/a/site.yaml': configMap('site') })).toBe(before)
    const after = await git.commit({ 'other.txt': 'other\n', 'clusters/a/none.yaml': null })
    expect(await ask(git.publicUrl)).toBe(after)
    const clone = await testbed.dir()
    await testbed.spawn(['git', 'clone', '-q', git.plainUrl, join(clone, 'all')])
    await writeFile(join(clone, 'all/other.txt'), 'changed\n')
    const tree = await testbed.dir()
    await mkdir(join(tree, 'clusters/a'), { recursive: true })
    await writeFile(join(tree, 'clusters/a/site.yaml'), configMap('site'))
    await writeFile(join(tree, 'clusters/a/extra.yaml'), configMap('extra'))
    const replaced = await git.commitTree(tree)
    expect(replaced).not.toBe(after)
    const { stdout } = await testbed.spawn(['git', '-C', join(clone, 'all'), 'fetch', '-q'])
    expect(stdout).toBe('')
    const files = await testbed.spawn(['git', '-C', join(clone, 'all'), 'ls-tree', '-r', '--name-only', replaced])
    expect(files.stdout).toBe('clusters/a/extra.yaml\nclusters/a/site.yaml\n')
  })

  test('refuses what is old, unknown, or not trusted', async () => {
    const [login, token, knownHosts] = [withLogin(), withToken(), git.knownHosts]
    expect(await ask(git.publicUrl.replace('platform', 'other'))).toContain('not found')
    await Promise.all([git.rotatePassword(), git.rotateToken(), git.rotateHostKey()])
    expect(await ask(login)).toContain('Authentication failed')
    expect(await ask(git.bearerUrl, token)).toContain('could not read Username')
    expect(await ask(git.sshUrl, { knownHosts })).toContain('Host key verification failed')
    const other = await git.newKeys()
    expect(await ask(git.sshUrl, { key: other.private })).toContain('Permission denied (publickey)')
    await git.authorize(other.public)
    expect(await ask(git.sshUrl, { key: other.private })).toBe(await git.head())
    await git.revoke(other.public)
    expect(await ask(git.sshUrl, { key: other.private })).toContain('Permission denied (publickey)')
    expect((await git.requests()).filter(({ way }) => way === 'ssh').map(({ status }) => status)).toContain(401)
    expect(await ask(git.sshUrl.replace('platform', 'other'))).toContain('Repository not found')
  })

  test('fails as it is told to, is down, and comes back', async () => {
    await git.fault({ way: 'public', kind: 'status', status: 500, times: 1 })
    await git.fault({ way: 'basic', kind: 'status', status: 403 })
    await git.fault({ way: 'ssh', kind: 'status', status: 0 })
    expect(await ask(git.publicUrl)).toContain('500')
    expect(await ask(git.publicUrl)).toBe(await git.head())
    expect(await ask(withLogin())).toContain('403')
    expect(await ask(git.sshUrl)).toContain('Could not read from remote repository')
    await git.clear()
    await git.fault({ way: 'public', kind: 'hang' })
    const hanging = await testbed.spawn(['curl', '-skm', '2', `${git.publicUrl}/info/refs`], { timeout: 10_000 })
    expect(hanging.exitCode).toBe(28)
    await git.clear()
    await git.down()
    expect(await ask(git.publicUrl)).toContain("Couldn't connect")
    expect(await ask(git.sshUrl)).toContain('Connection refused')
    await git.up()
    expect(await ask(git.publicUrl)).toBe(await git.head())
    expect(await ask(git.sshUrl)).toBe(await git.head())
  })
})

describe('Flux', () => {
  const READY = '{.status.conditions[?(@.type=="Ready")].status}'
  const MESSAGE = '{.status.conditions[?(@.type=="Ready")].message}'

  async function apply(...objects: readonly object[]): Promise<void> {
    const input = objects.map((one) => stringify(one)).join('---\n')
    await node.kubectl(['apply', '--server-side', '-f', '-'], input)
  }

  /** What `kubectl get` prints of an object's fields, or nothing while the object is missing. */
  async function field(object: string, jsonpath: string, namespace = 'flux-system'): Promise<string> {
    return node.kubectl(['get', '-n', namespace, '--ignore-not-found', object, '-o', `jsonpath=${jsonpath}`])
  }

  const until = (look: () => Promise<string>) => expect.poll(look)

  /** A GitRepository, and the Secret with what opens it. */
  function source(name: string, url: string, secret: Record<string, string>): object[] {
    const metadata = { name, namespace: 'flux-system' }
    const secretRef = Object.keys(secret).length === 0 ? {} : { secretRef: { name } }
    return [
      { apiVersion: 'v1', kind: 'Secret', metadata, stringData: secret },
      {
        apiVersion: 'source.toolkit.fluxcd.io/v1',
        kind: 'GitRepository',
        metadata,
        spec: { url, interval: '2s', timeout: '20s', ref: { branch: 'main' }, ...secretRef },
      },
    ]
  }

  test('has releases as GitHub has them', async () => {
    for (const version of flux.versions) {
      const checksums = `${flux.url}/${version}/flux_${version.slice(1)}_checksums.txt`
      const { stdout } = await testbed.spawn(['curl', '-sf', checksums])
      expect(stdout).toContain(`${await flux.digest(version)}  install.yaml\n`)
      const manifest = await testbed.spawn(['curl', '-sf', `${flux.url}/${version}/install.yaml`])
      expect(createHash('sha256').update(manifest.stdout).digest('hex')).toBe(await flux.digest(version))
    }
  })

  test('is installed from its release, and its controllers become available', async () => {
    await node.kubectl(['apply', '--server-side', '-f', '-'], await readFile(flux.file('v2.9.4'), 'utf8'))
    await node.kubectl(['-n', 'flux-system', 'rollout', 'status', 'deployments', '--timeout=120s'])
    expect(await node.ask('pgrep -fc "bin/(source|kustomize)-controller"')).toBe('2')
  })

  test('reads the repository by each of the four ways', async () => {
    await apply(
      ...source('public', git.publicUrl, { 'ca.crt': git.ca }),
      ...source('basic', git.basicUrl, { ...git.login, 'ca.crt': git.ca }),
      ...source('bearer', git.bearerUrl, { bearerToken: git.token, 'ca.crt': git.ca }),
      ...source('ssh', git.sshUrl, { identity: git.keys.private, known_hosts: git.knownHosts }),
    )
    for (const way of ['public', 'basic', 'bearer', 'ssh']) {
      const seen = `${READY} ${MESSAGE}`
      await until(() => field(`gitrepository/${way}`, seen)).toContain(
        `True stored artifact for revision 'main@sha1:${await git.head()}`,
      )
    }
  })

  test('says why it cannot read the repository', async () => {
    await git.rotatePassword()
    await until(() => field('gitrepository/basic', MESSAGE)).toContain('authentication required')
    await git.revoke(git.keys.public)
    await git.commit({ 'clusters/a/other.yaml': configMap('other') })
    await until(() => field('gitrepository/ssh', MESSAGE)).toContain('unable to authenticate')
    await git.authorize(git.keys.public)
    await until(() => field('gitrepository/ssh', READY)).toBe('True')
  })

  test('applies what the repository has, and prunes what it has no longer', async () => {
    await apply({
      apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
      kind: 'Kustomization',
      metadata: { name: 'a', namespace: 'flux-system' },
      spec: {
        interval: '1m',
        timeout: '30s',
        prune: true,
        wait: true,
        path: './clusters/a',
        sourceRef: { kind: 'GitRepository', name: 'public' },
      },
    })
    await until(() => field('kustomization/a', READY)).toBe('True')
    expect(await field('configmap/extra', '{.data.from}', 'default')).toBe('git')
    const revision = await git.commit({ 'clusters/a/extra.yaml': null })
    await until(() => field('kustomization/a', '{.status.lastAppliedRevision}')).toBe(`main@sha1:${revision}`)
    expect(await field('configmap/extra', '{.metadata.name}', 'default')).toBe('')
    expect(await field('configmap/site', '{.data.from}', 'default')).toBe('git')
  })

  test('goes on after a restart of k3s and a change of the release', async () => {
    await node.ask('systemctl restart k3s')
    await node.kubectl(['apply', '--server-side', '-f', '-'], await readFile(flux.file('v2.9.5'), 'utf8'))
    await node.kubectl(['-n', 'flux-system', 'rollout', 'status', 'deployments', '--timeout=120s'])
    const revision = await git.commit({ 'clusters/a/late.yaml': configMap('late') })
    await until(() => field('kustomization/a', '{.status.lastAppliedRevision}')).toBe(`main@sha1:${revision}`)
    expect(await field('configmap/late', '{.data.from}', 'default')).toBe('git')
  })
})
