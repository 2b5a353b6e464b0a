// How the handoff fails: where, what, why and what to do, in bounded time, against real Flux; and the next run heals it.

import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { generateX25519Identity, identityToRecipient } from 'age-encryption'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { z } from 'zod'
import type { GitFiles } from '../testbed/git.ts'
import { Testbed } from '../testbed/testbed.ts'
import { applied, certificates, type Handoff, handoff, type Mode, publish, reading } from './handoff.ts'
import { butForTheMirror, well } from './look.ts'
import { CERTIFIED, field } from './platform.ts'
import { sopsSecret } from './sops.ts'
import { cli, expectUntouched } from './state.ts'

type Vars = Readonly<Record<string, unknown>>

let testbed: Testbed
let at: Handoff
/** The cluster's list in the rendered tree, to which a test adds a file of its own. */
let list: string

const LIST = 'clusters/edge-1/kustomization.yaml'
const EXTRA = 'clusters/edge-1/extra.yaml'

beforeAll(async () => {
  testbed = await Testbed.open()
  at = await handoff(testbed, 'edge-1')
  await render()
})

afterAll(() => testbed?.close())

/** Git has exactly the tree of the platform's variables and these. */
async function render(vars: Vars = {}): Promise<void> {
  await publish(testbed, at.git, await inventoryWith(vars))
  const tree = await testbed.dir()
  await well(testbed, ['render', '-i', await inventoryWith(vars), '--tree', tree])
  list = await readFile(join(tree, LIST), 'utf8')
}

const inventoryWith = (vars: Vars, mode: Mode = 'ssh') =>
  testbed.inventory([at.node], { ...at.vars, ...reading(at, mode), ...vars })

const problem = z.object({
  kind: z.string(),
  where: z.string(),
  what: z.string(),
  why: z.string().optional(),
  hint: z.string().optional(),
})
const document = z.object({
  hosts: z.array(z.object({ problems: z.array(problem) })),
  problems: z.array(problem),
})

interface How {
  readonly mode?: Mode
  /** `-t`; empty: the whole run. */
  readonly tags?: string
  readonly timeout?: string
}

/** Applies with variables over the platform's, and returns what was said of it. A failure ends long before the bound. */
async function run(code: number, vars: Vars = {}, { mode = 'ssh', tags = '', timeout = '100s' }: How = {}) {
  const inventory = await inventoryWith(vars, mode)
  const only = tags === '' ? [] : ['-t', tags]
  const args = ['apply', ...only, '--timeout', timeout, '-i', inventory, '-o', 'json']
  const done = await cli(testbed, code, args, { timeout: code === 0 ? 300_000 : 60_000 })
  const { hosts, problems } = document.parse(JSON.parse(done.stdout))
  return [...butForTheMirror(problems), ...hosts.flatMap((host) => host.problems)]
}

/** The same command, when the cause is put right, leaves nothing to do; what Git has got meanwhile, Flux takes up by itself. */
async function healed(vars: Vars = {}): Promise<void> {
  await run(0, vars)
  await applied(at.node, await at.git.head())
  const { stdout } = await cli(testbed, 0, ['plan', '-i', await inventoryWith(vars)])
  expect(stdout).toContain('Plan: no changes')
}

const says = (pattern: RegExp) => expect.stringMatching(pattern)
const told = (where: string | RegExp, what: RegExp, why: RegExp, hint: RegExp) =>
  expect.objectContaining({
    where: typeof where === 'string' ? where : says(where),
    what: says(what),
    why: says(why),
    hint: says(hint),
  })
const kubectl = (...args: string[]) => at.node.kubectl(args)
const flux = (...args: string[]) => kubectl('-n', 'flux-system', ...args)
const condition = (object: string, of = 'status') =>
  field(at.node, 'flux-system', object, `{.status.conditions[?(@.type=="Ready")].${of}}`)

/** Has the source fetched now, as it is by itself every minute, and waits for what comes of it. */
async function fetchedAs(status: 'True' | 'False'): Promise<void> {
  await flux(
    'annotate',
    '--overwrite',
    'gitrepository/platform-config',
    `reconcile.fluxcd.io/requestedAt=${Date.now()}`,
  )
  const now = () => condition('gitrepository/platform-config')
  await expect.poll(now, { interval: 300 }).toBe(status)
}

/** A file of the cluster's folder, and others; null: without it. */
async function push(extra: string | null, files: GitFiles = {}): Promise<string> {
  const listed = extra === null ? list : list.replace(/^( *)- .*$/m, `$1- extra.yaml\n$&`)
  return at.git.commit({ ...files, [EXTRA]: extra, [LIST]: listed })
}

/** Pushed, and taken up by Flux, which fails with it. */
async function failing(extra: string, files: GitFiles = {}, which = 'platform-root'): Promise<void> {
  await push(extra, files)
  await fetchedAs('True')
  await expect.poll(() => condition(`kustomization/${which}`), { interval: 300 }).toBe('False')
}

const object = (kind: string, name: string, more: object = {}, namespace = 'platform') => ({
  apiVersion: 'v1',
  kind,
  metadata: { name, namespace },
  ...more,
})

describe('what the workstation sees of the repository is told before anything is touched', () => {
  const git = () => at.git
  const inventory = (variable: string) => new RegExp(`group_vars/all\\.yaml:\\d+:\\d+ +k3s_platform_${variable}$`)
  const elsewhere = 'https://git.nowhere.test/platform.git'

  test.each<[string, () => Vars, Mode, ReturnType<typeof told>]>([
    [
      'a host that nobody knows',
      () => ({ k3s_platform_git_url: elsewhere }),
      'public',
      told(
        inventory('git_url'),
        /^the host name git\.nowhere\.test does not resolve$/,
        /Could not resolve host/,
        /git_check: false/,
      ),
    ],
    [
      'a CA that is not trusted',
      () => ({ k3s_platform_git_ca: undefined }),
      'public',
      told(
        inventory('git_url'),
        /^the TLS certificate of \S+ is not trusted$/,
        /verification failed/,
        /k3s_platform_git_ca to the CA/,
      ),
    ],
    [
      'another CA than the one that signed it',
      () => ({ k3s_platform_git_ca: at.acme.ca }),
      'public',
      told(
        inventory('git_ca'),
        /^the TLS certificate of \S+ is not trusted$/,
        /verification failed\.$/,
        /is not the CA/,
      ),
    ],
    [
      'a wrong password',
      () => ({ k3s_platform_git_http_password: 'wrong' }),
      'https-basic',
      told(inventory('git_http_password'), /^\S+ refuses the login$/, /^it asks for a login$/, /still valid/),
    ],
    [
      'a wrong token',
      () => ({ k3s_platform_git_bearer_token: 'wrong' }),
      'https-bearer',
      told(
        inventory('git_bearer_token'),
        /^\S+ refuses the login$/,
        /^it asks for a login$/,
        /still valid; .*https-basic/,
      ),
    ],
    [
      'a branch that is not there',
      () => ({ k3s_platform_git_branch: 'mian' }),
      'ssh',
      expect.objectContaining({
        where: says(inventory('git_branch')),
        what: says(/has no branch mian$/),
        hint: 'did you mean main?',
      }),
    ],
    [
      'a folder that is not there',
      () => ({ k3s_platform_flux_root_path: 'clusters/edge-2' }),
      'ssh',
      expect.objectContaining({
        where: says(inventory('flux_root_path')),
        what: 'the branch main has no folder clusters/edge-2',
        hint: says(/did you mean clusters\/edge-1\?.*render --tree DIR/),
      }),
    ],
  ])('%s', async (_, vars, mode, expected) => {
    expect(await run(64, vars(), { mode })).toEqual([expected])
  })

  test('a deploy key that nobody has let in', async () => {
    const { private: key, public: line } = await git().newKeys()
    const [found, ...more] = await run(64, { k3s_platform_git_private_key: key })
    expect(more).toEqual([])
    expect(found).toEqual(
      told(inventory('git_private_key'), /refuses the login with the deploy key$/, /Permission denied/, /let this key/),
    )
    expect(found?.hint).toContain(line.split(' ')[1])
  })

  test('another host key than the known one', async () => {
    const known = git().knownHosts
    await git().rotateHostKey()
    expect(await run(64, { k3s_platform_git_known_hosts: known })).toEqual([
      told(
        inventory('git_known_hosts'),
        /^the host key of \S+ changed \(offered ED25519 SHA256:\S+\)$/,
        /Host key verification failed/,
        /ssh-keyscan -p \d+/,
      ),
    ])
  })

  test.each<Mode>(['public', 'ssh'])('a server that is down, by %s', async (mode) => {
    await git().down()
    const found = await run(64, {}, { mode }).finally(() => git().up())
    expect(found).toEqual([
      told(
        inventory('git_url'),
        /refused the connection$|cannot be reached$/,
        /connect to|refused/,
        /k3s_platform_git_check: false$/,
      ),
    ])
  })

  test('a server that has an error of its own', async () => {
    await git().fault({ way: 'public', kind: 'status', status: 500 })
    const found = await run(64, {}, { mode: 'public' }).finally(() => git().clear())
    expect(found).toEqual([
      told(inventory('git_url'), /answered with a server error: HTTP 500$/, /error: 500$/, /git ls-remote/),
    ])
  })

  test('none of them has touched the node', async () => {
    await expectUntouched(at.node)
  })
})

describe('the controllers of Flux', () => {
  const bootstrap = (code: number, vars: Vars, timeout = '15s') => run(code, vars, { tags: 'k3s,ready,flux', timeout })

  test('from a mirror that is down', async () => {
    await at.flux.mirror.down()
    const found = await run(1, {}, { tags: 'baseline,k3s,ready,flux' }).finally(() => at.flux.mirror.up())
    expect(found).toEqual([
      told(/flux_2\.9\.5_checksums\.txt$/, /^the digest of install\.yaml/, /ECONNREFUSED/, /k3s_platform_flux_sha256/),
    ])
  })

  test('of another digest than the one that is pinned', async () => {
    expect(await bootstrap(1, { k3s_platform_flux_sha256: '0'.repeat(64) })).toEqual([
      told(/install\.yaml$/, /could not fetch it$/, /expected sha256 0{64}, got [0-9a-f]{64}$/, /the digest$/),
    ])
    await expect(kubectl('get', 'namespace', 'flux-system')).rejects.toThrow(/not found/)
  })

  test('of an image that is not to be had', async () => {
    const text = await readFile(at.flux.file('v2.9.5'), 'utf8')
    const file = join(await testbed.dir(), 'install.yaml')
    await writeFile(file, text.replace(/image: \S+source-controller:/, 'image: mirror.test/does-not-exist:'))
    const vars = { k3s_platform_flux_manifest_file: file }
    expect(await bootstrap(1, vars)).toEqual([
      told(
        'edge-1 Flux',
        /^it did not become ready within 15 s$/,
        /source-controller: .*mirror\.test\/does-not-exist/,
        /get deployments,pods -n flux-system/,
      ),
    ])
    await writeFile(file, text)
    await bootstrap(0, vars, '60s')
  })

  test('are healed by the next run, which hands the whole platform over', async () => {
    await run(0, {}, { timeout: '200s' })
    await healed()
  })
})

describe('the repository, as the cluster reads it', () => {
  const source = 'edge-1 GitRepository flux-system/platform-config'
  const operation = (words: string) => new RegExp(`^GitOperationFailed: .*${words}`)

  test.each<[string, Mode, Vars, ReturnType<typeof told>]>([
    [
      'a name that it does not know',
      'public',
      { k3s_platform_git_url: `https://${'no-name-'.repeat(8)}.test/platform.git` },
      told(
        source,
        /^it cannot be fetched: the host name of the Git server does not resolve/,
        operation('no such host'),
        /DNS servers of the node/,
      ),
    ],
    [
      'a CA that it does not trust',
      'public',
      { k3s_platform_git_ca: undefined },
      told(source, /the TLS certificate of the Git server is not trusted$/, operation('x509: '), /k3s_platform_git_ca/),
    ],
    [
      'a wrong password',
      'https-basic',
      { k3s_platform_git_http_password: 'wrong' },
      told(
        source,
        /^it cannot be fetched: the Git server refuses the login$/,
        operation('authentication required'),
        /its login/,
      ),
    ],
    [
      'a wrong token',
      'https-bearer',
      { k3s_platform_git_bearer_token: 'wrong' },
      told(
        source,
        /^it cannot be fetched: the Git server refuses the login$/,
        operation('authentication required'),
        /its login/,
      ),
    ],
    [
      'a branch that is not there',
      'ssh',
      { k3s_platform_git_branch: 'mian' },
      told(source, /^it cannot be fetched: there is no such branch$/, operation('mian'), /k3s_platform_git_branch/),
    ],
  ])('%s', async (_, mode, vars, expected) => {
    expect(await run(1, { ...vars, k3s_platform_git_check: false }, { mode, tags: 'source' })).toEqual([expected])
    await run(0, {}, { tags: 'source' })
  })

  test('a deploy key that is revoked later, which the plan shows', async () => {
    await at.git.revoke(at.git.keys.public)
    await fetchedAs('False')
    const { stdout } = await cli(testbed, 2, ['plan', '-i', await inventoryWith({})])
    expect(stdout).toContain('! wait until GitRepository flux-system/platform-config is ready')
    const found = await run(1)
    await at.git.authorize(at.git.keys.public)
    expect(found).toEqual([
      told(
        source,
        /^it cannot be fetched: the Git server refuses the login$/,
        operation('unable to authenticate'),
        /read the repository$/,
      ),
    ])
    await healed()
  })

  test('a host key that changes later', async () => {
    const known = at.git.knownHosts
    await at.git.rotateHostKey()
    await fetchedAs('False')
    const vars = { k3s_platform_git_known_hosts: known, k3s_platform_git_check: false }
    expect(await run(1, vars)).toEqual([
      told(source, /the host key of the Git server changed$/, operation('key mismatch'), /known_hosts$/),
    ])
    await healed()
  })

  test('a server that goes down later', async () => {
    await at.git.down()
    await fetchedAs('False')
    const found = await run(1).finally(() => at.git.up())
    expect(found).toEqual([
      told(
        source,
        /the Git server refused the connection$/,
        operation('connection refused'),
        /the node reaches the server/,
      ),
    ])
    await healed()
  })

  test('a login whose Secret is gone, or somebody else’s', async () => {
    await flux('delete', 'secret', 'platform-config')
    await fetchedAs('False')
    expect(await run(1, {}, { tags: 'handoff' })).toEqual([
      told(
        /platform-root$/,
        /the Secret with its login does not exist$/,
        /secrets "platform-config" not found/,
        /apply -t source/,
      ),
    ])
    await flux('create', 'secret', 'generic', 'platform-config', '--from-literal=identity=other')
    expect(await run(1)).toEqual([
      told(
        /Secret flux-system\/platform-config$/,
        /another field manager/,
        /data\.identity: kubectl create/,
        /take ownership/,
      ),
    ])
    await flux('delete', 'secret', 'platform-config')
    await healed()
  })

  test('a folder that is not there', async () => {
    const vars = { k3s_platform_flux_root_path: 'clusters/edge-2', k3s_platform_git_check: false }
    expect(await run(1, vars, { tags: 'handoff' })).toEqual([
      told(
        'edge-1 Kustomization flux-system/platform-root',
        /^there is no such folder in the repository$/,
        /^ArtifactFailed: kustomization path not found: stat \/clusters\/edge-2: /,
        /render --tree DIR .*now \.\/clusters\/edge-2/,
      ),
    ])
    await healed()
  })
})

/** A Kustomization beside the rendered ones, of a folder of its own. */
const part = (name: string, spec: object = {}) => ({
  apiVersion: 'kustomize.toolkit.fluxcd.io/v1',
  kind: 'Kustomization',
  metadata: { name, namespace: 'flux-system' },
  spec: {
    ...{ interval: '10m', retryInterval: '1m', timeout: '1m', prune: true, wait: true, path: `./parts/${name}` },
    sourceRef: { kind: 'GitRepository', name: 'platform-config' },
    ...spec,
  },
})

describe('the tree', () => {
  const root = 'edge-1 Kustomization flux-system/platform-root'
  const apply = (code: number, vars: Vars = {}) => run(code, vars, { tags: 'source,handoff' })

  test.each<[string, string, ReturnType<typeof told>]>([
    [
      'with a file that is no YAML',
      'kind: ConfigMap\ndata: a: b\n',
      told(
        root,
        /^the files do not build$/,
        /yaml: line \d+: .* in File: extra\.yaml$/,
        /kubectl kustomize \.\/clusters/,
      ),
    ],
    [
      'with an object that the API refuses',
      stringify(object('Service', 'odd', { spec: { ports: [{ port: 99999 }] } })),
      told(
        root,
        /^the API refuses an object$/,
        /Service\/platform\/odd .*spec\.ports\[0\]\.port: Invalid value/,
        /in Git$/,
      ),
    ],
    [
      'with a kind that nobody has brought',
      stringify({ ...object('Nothing', 'odd'), apiVersion: 'example.test/v1' }),
      told(root, /^a kind is not known to the API$/, /Nothing\/platform\/odd .*no matches for kind/, /applied before/),
    ],
    [
      'with an object in a namespace that is not there',
      stringify(object('ConfigMap', 'odd', {}, 'nowhere')),
      told(root, /^a namespace does not exist$/, /namespaces "nowhere" not found$/, /before what is in it$/),
    ],
  ])('%s', async (_, extra, expected) => {
    await failing(extra)
    expect(await apply(1)).toEqual([expected])
    await push(null)
    await apply(0)
  })

  test('is as it was after all of them', () => healed())

  test('that is encrypted for another key, and then for the one that is given', async () => {
    const [right, wrong] = await Promise.all([generateX25519Identity(), generateX25519Identity()])
    const key = (is: string) => ({ k3s_platform_sops_age_key: is })
    await apply(0, key(wrong))
    const sealed = { namespace: 'platform', name: 'sealed', key: 'token', value: 'sealed-4Zr9' }
    await failing(await sopsSecret(await identityToRecipient(right), sealed))
    expect(await apply(1, key(wrong))).toEqual([
      told(root, /^a file cannot be decrypted$/, /platform\/sealed.*no identity matched/, /k3s_platform_sops_age_key/),
    ])
    await apply(0, key(right))
    const token = async () => Buffer.from(await field(at.node, 'platform', 'secret/sealed', '{.data.token}'), 'base64')
    expect(String(await token())).toBe(sealed.value)

    // A run that is not given the key leaves the decryption as it is.
    await healed()
    expect(String(await token())).toBe(sealed.value)

    await flux('delete', 'secret', 'sops-age')
    await flux(
      'annotate',
      '--overwrite',
      'kustomization/platform-root',
      `reconcile.fluxcd.io/requestedAt=${Date.now()}`,
    )
    await expect.poll(() => condition('kustomization/platform-root')).toBe('False')
    expect(await run(1, {}, { tags: 'handoff' })).toEqual([
      told(
        root,
        /^the Secret with its decryption key does not exist$/,
        /secrets "sops-age" not found/,
        /apply -t source/,
      ),
    ])
    await apply(0, key(right))
    await push(null)
    await fetchedAs('True')
    await healed()
  })

  test('with an object that a policy of the cluster denies', async () => {
    const policy = (kind: string, spec: object) =>
      stringify({
        apiVersion: 'admissionregistration.k8s.io/v1',
        kind,
        metadata: { name: 'nothing-odd' },
        spec,
      })
    const matchConstraints = {
      resourceRules: [{ apiGroups: [''], apiVersions: ['v1'], operations: ['CREATE'], resources: ['configmaps'] }],
    }
    const odd = { expression: 'object.metadata.name != "odd"', message: 'odd is no name' }
    const objects = [
      policy('ValidatingAdmissionPolicy', { matchConstraints, validations: [odd] }),
      policy('ValidatingAdmissionPolicyBinding', { policyName: 'nothing-odd', validationActions: ['Deny'] }),
    ].join('---\n')
    await at.node.kubectl(['apply', '-f', '-'], objects)
    const denied = async () => (await at.node.run('k3s kubectl create configmap odd --dry-run=server')).stderr
    await expect.poll(denied, { interval: 300 }).toContain('odd is no name')
    await failing(stringify(object('ConfigMap', 'odd')))
    expect(await apply(1)).toEqual([
      told(
        root,
        /^an admission policy denies an object$/,
        /ConfigMap\/platform\/odd .*nothing-odd.* odd is no name/,
        /in Git, or the policy$/,
      ),
    ])
    await at.node.kubectl(['delete', '-f', '-'], objects)
    await push(null)
    await healed()
  })

  test('with a part whose service account may not do it', async () => {
    const limited = stringify(part('limited', { serviceAccountName: 'default' }))
    await failing(limited, { 'parts/limited/a.yaml': stringify(object('ConfigMap', 'limited')) }, 'limited')
    expect(await apply(1)).toEqual([
      told(
        root,
        /^Kustomization flux-system\/limited: Flux lacks a permission$/,
        /User "system:serviceaccount:flux-system:default" cannot/,
        /spec\.serviceAccountName/,
      ),
    ])
    await push(null, { 'parts/limited/a.yaml': null })
    await healed()
  })

  test('with a part from another source is ready at that one’s revision', async () => {
    const files = { 'parts/other/a.yaml': stringify(object('ConfigMap', 'other')) }
    const commit = await push(null, files)
    const other = {
      apiVersion: 'source.toolkit.fluxcd.io/v1',
      kind: 'GitRepository',
      metadata: { name: 'other', namespace: 'flux-system' },
      spec: { interval: '10m', url: at.git.plainUrl, ref: { commit } },
    }
    const from = part('other', { sourceRef: { kind: 'GitRepository', name: 'other' } })
    const head = await push([other, from].map((one) => stringify(one)).join('---\n'))
    // Made anew, it is waited for until all is at what is fetched then.
    await flux('patch', 'kustomization', 'platform-root', '--type=merge', '-p', '{"spec":{"suspend":true}}')
    await flux('delete', 'kustomization', 'platform-root')
    await apply(0)
    const revision = (name: string) =>
      field(at.node, 'flux-system', `kustomization/${name}`, '{.status.lastAppliedRevision}')
    expect([await revision('platform-root'), await revision('other')]).toEqual([`main@sha1:${head}`, `sha1:${commit}`])
    await push(null, { 'parts/other/a.yaml': null })
    await healed()
  })

  test('with a part that fails, and one that waits for it: the first is named', async () => {
    const parts = [part('broken'), part('later', { dependsOn: [{ name: 'broken' }] })]
    const file = (name: string) => stringify(object('ConfigMap', name))
    await failing(
      parts.map((one) => stringify(one)).join('---\n'),
      { 'parts/broken/a.yaml': 'data: [\n', 'parts/later/b.yaml': file('later') },
      'broken',
    )
    expect(await apply(1)).toEqual([
      told(
        root,
        /^Kustomization flux-system\/broken: the files do not build$/,
        /^Kustomization flux-system\/broken: BuildFailed: .*a\.yaml/,
        /kubectl kustomize \.\/parts\/broken/,
      ),
    ])
    await at.git.commit({ 'parts/broken/a.yaml': file('broken') })
    await healed()
    await push(null, { 'parts/broken/a.yaml': null, 'parts/later/b.yaml': null })
    await fetchedAs('True')
    await healed()
  })

  test('with a Certificate that cannot be issued says why', async () => {
    const own = certificates([CERTIFIED]).k3s_platform_certificates
    const lost = { name: 'elsewhere', namespaces: ['platform'], dnsNames: ['elsewhere.svc.plus'] }
    const vars = { k3s_platform_certificates: [...own, lost] }
    await at.acme.point('elsewhere.svc.plus', '10.88.0.1')
    await render(vars)
    await fetchedAs('True')
    const uid = () => field(at.node, 'platform', 'certificate/elsewhere', '{.metadata.uid}')
    await expect.poll(uid, { interval: 300 }).not.toBe('')
    const found = await run(1, vars, { tags: 'handoff', timeout: '15s' })
    await at.acme.unpoint('elsewhere.svc.plus')
    expect(found).toEqual([
      told(
        root,
        /^it did not become ready within 15 s$/,
        /^Kustomization flux-system\/elsewhere-platform: Running health checks.*\nCertificate platform\/elsewhere: .*\n?.*self check: Connection refused/,
        /^k3s-platform apply -t caddy/,
      ),
    ])
    await healed(vars)
  })
})

describe('a controller of Flux', () => {
  test.each([
    ['source-controller', 'source', /^edge-1 GitRepository /],
    ['kustomize-controller', 'handoff', /^edge-1 Kustomization flux-system\/platform-root$/],
  ])('%s that was scaled to nothing is named by who waits for it, and is put right', async (name, tags, where) => {
    await flux('scale', 'deployment', name, '--replicas=0')
    await expect.poll(() => flux('get', 'pods', '-l', `app=${name}`, '-o', 'name')).toBe('')
    const other = tags === 'source' ? 'k3s_platform_git_branch' : 'k3s_platform_flux_root_path'
    expect(await run(1, { [other]: 'other', k3s_platform_git_check: false }, { tags, timeout: '8s' })).toEqual([
      told(
        where,
        /^it did not become ready within 8 s$/,
        // It may have been stopped in the middle of its work.
        new RegExp(`(not processed it yet|with a timeout of 5m0s)\nDeployment flux-system/${name} is scaled to 0$`),
        /-t flux/,
      ),
    ])
    await healed()
  })

  test('that is killed in the middle, or is made anew, keeps nobody from the end', async () => {
    await failing('kind: ConfigMap\ndata: a: b\n')
    await push(stringify(object('ConfigMap', 'late')))
    const running = run(0)
    await at.node.ask(['pkill', '-KILL', '-f', 'bin/source-controlle[r]'])
    await running
    expect(await field(at.node, 'platform', 'configmap/late', '{.metadata.name}')).toBe('late')
    await flux('delete', 'pod', '-l', 'app=source-controller', '--wait=false')
    await push(null)
    await healed()
  })
})
