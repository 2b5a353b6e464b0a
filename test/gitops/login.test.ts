// The login as Flux and Argo CD get it, deploy keys in all the ways that people hand them over, and their Secrets in a cluster.

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse, stringify } from 'yaml'
import { z } from 'zod'
import { argoLoginResources, hasLogin, loginOf, loginResources, repositoryCheck } from '../../roles/handoff/login.ts'
import { sourceFindings } from '../../roles/handoff/login-rules.ts'
import type { RoleContext } from '../../roles/role.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { Secret } from '../../src/engine/secret.ts'
import { keyFault, keyText, newKey, publicKeyOf } from '../../src/gitops/deploy-key.ts'
import { argoLogin, argoTrust, fluxLogin } from '../../src/gitops/login.ts'
import { FakeCluster } from '../cluster/fake.ts'
import { made, planned } from '../cluster/kit.ts'
import { keygen } from '../host/ssh/sshd.ts'
import { context as bare, varsOf } from '../roles/k3s_platform_bootstrap/given.ts'

const PASSPHRASE = 'the-passphrase'
const CA = '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----'
const HOSTS = 'git.example ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl'

let dir = ''
const files: Record<string, { readonly text: string; readonly pub: string }> = {}

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'login-'))
  const kinds: readonly (readonly [string, readonly string[], string])[] = [
    ['plain', ['-t', 'ed25519'], ''],
    ['locked', ['-t', 'ed25519'], PASSPHRASE],
    ['rsa-pem', ['-t', 'rsa', '-b', '2048', '-m', 'PEM'], ''],
    ['rsa-pem-locked', ['-t', 'rsa', '-b', '2048', '-m', 'PEM'], PASSPHRASE],
    ['rsa-pkcs8', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8'], ''],
    ['rsa-pkcs8-locked', ['-t', 'rsa', '-b', '2048', '-m', 'PKCS8'], PASSPHRASE],
    ['ecdsa', ['-t', 'ecdsa', '-m', 'PEM'], ''],
  ]
  for (const [name, args, passphrase] of kinds) {
    keygen(...args, '-N', passphrase, '-C', '', '-f', join(dir, name))
    const pub = readFileSync(join(dir, `${name}.pub`), 'utf8').trim()
    files[name] = { text: readFileSync(join(dir, name), 'utf8'), pub }
  }
})
afterAll(() => rmSync(dir, { recursive: true }))

const file = (name: string) => files[name] ?? { text: '', pub: '' }
const context = (): RoleContext => ({
  ...bare,
  workstation: {
    ...bare.workstation,
    read: (path) => (path === '~/.ssh/id_rsa' ? { content: file('rsa-pem').text, mode: '600' } : null),
  },
})

type Given = Readonly<Record<string, unknown>>
const filled = (given: Given): Given =>
  Object.fromEntries(
    Object.entries(given).map(([name, value]) => {
      if (typeof value !== 'string') return [name, value]
      const text = value.replace('CA', CA).replace('HOSTS', HOSTS).replace('PUBLIC', file('plain').pub)
      return [name, files[text]?.text ?? text]
    }),
  )
/** Keys by the name of their file; `identity` is what differs from run to run. */
const named = (text: string) =>
  Object.entries(files).reduce(
    (all, [name, { text: key, pub }]) => all.replaceAll(key, `<${name}>`).replaceAll(pub, `<${name}.pub>`),
    text,
  )

const cases = z
  .record(z.string(), z.record(z.string(), z.unknown()))
  .parse(parse(readFileSync(join(import.meta.dirname, 'login.yaml'), 'utf8')))

test.each(Object.entries(cases))('%s', (_, given) => {
  const v = varsOf(filled(given))
  const url = v.k3s_platform_git_url ?? ''
  const login = loginOf(v, context())
  const shown = (data: Readonly<Record<string, Secret>>) =>
    Object.fromEntries(Object.entries(data).map(([key, value]) => [key, named(value.reveal())]))
  const text = login && {
    flux: shown(fluxLogin(login)),
    argocd: shown(argoLogin(login, url)),
    trust: argoTrust(login, url) ?? null,
  }
  expect(`\n${stringify({ secretRef: hasLogin(v), ...text }, { lineWidth: 0 })}`).toMatchSnapshot()
})

describe('a deploy key', () => {
  const base64 = (text: string) => Buffer.from(text).toString('base64')
  test.each<[string, (text: string) => string]>([
    ['as it is', (text) => text],
    ['without its last newline', (text) => text.trimEnd()],
    ['with the line ends of Windows', (text) => text.replaceAll('\n', '\r\n')],
    ['in one line with \\n', (text) => text.replaceAll('\n', '\\n')],
    ['indented', (text) => text.replace(/^/gm, '  ')],
    ['in base64', base64],
    ['in base64 of several lines', (text) => base64(text).replace(/.{76}/g, '$&\n')],
    ['in base64 of one line with \\n', (text) => base64(text.replaceAll('\n', '\\n'))],
  ])('%s is the same key', (_, written) => {
    for (const { text } of Object.values(files)) expect(keyText(written(text))).toBe(text)
  })

  test.each(['plain', 'rsa-pem', 'rsa-pkcs8', 'ecdsa'])('%s can be used, and tells its public part', async (name) => {
    const { text, pub } = file(name)
    expect(await keyFault(text, undefined)).toBeUndefined()
    expect(publicKeyOf(text, undefined)).toBe(pub)
  })

  test.each(['locked', 'rsa-pem-locked'])('%s needs its passphrase and no other', async (name) => {
    const { text, pub } = file(name)
    expect(await keyFault(text, new Secret(PASSPHRASE))).toBeUndefined()
    expect(publicKeyOf(text, new Secret(PASSPHRASE))).toBe(pub)
    expect(await keyFault(text, undefined)).toMatchObject({
      about: 'passphrase',
      what: expect.stringMatching(/no passphrase/),
    })
    expect(await keyFault(text, new Secret('wrong'))).toMatchObject({
      about: 'passphrase',
      what: expect.stringMatching(/does not decrypt/),
    })
  })

  test.each<[string, () => string, RegExp]>([
    ['that is no key', () => 'never-to-be-seen', /^it is not a private key$/],
    ['that is cut off', () => keyText(file('plain').text.slice(0, 150)), /^it is a corrupt private key$/],
    ['that lacks its middle', () => file('rsa-pem').text.replace(/\n.{64}\n/, '\n'), /^it is a corrupt private key$/],
    [
      'that lacks its middle, in PKCS #8',
      () => file('rsa-pkcs8').text.replace(/\n.{64}\n/, '\n'),
      /corrupt private key$/,
    ],
    ['that is the public one', () => file('plain').pub, /^it is a public key/],
    ['that is locked as PKCS #8', () => file('rsa-pkcs8-locked').text, /PKCS #8/],
  ])('%s is told, without its content', async (_, text, what) => {
    const fault = await keyFault(text(), undefined)
    expect(fault).toMatchObject({ about: 'key', what: expect.stringMatching(what) })
    const body = text().split('\n')[1] ?? text()
    expect(JSON.stringify(fault)).not.toContain(body === '' ? text() : body)
  })

  test('that is made is one that OpenSSH reads', async () => {
    const { identity, publicKey } = newKey('k3s-platform-edge-1')
    expect(await keyFault(identity, undefined)).toBeUndefined()
    writeFileSync(join(dir, 'new'), identity, { mode: 0o600 })
    expect(keygen('-y', '-f', join(dir, 'new')).trim()).toBe(publicKey)
    expect(publicKeyOf(identity, undefined)).toBe(publicKey.split(' ').slice(0, 2).join(' '))
    expect(newKey('x').identity).not.toBe(identity)
  })
})

describe('in the cluster', () => {
  const SECRET = { apiVersion: 'v1', kind: 'Secret', namespace: 'flux-system', name: 'platform-config' }
  const keysOf = (cluster: FakeCluster, ref = SECRET) => Object.keys(Object(cluster.peek(ref)?.data ?? {})).toSorted()
  const resources = (name: string, more: Given = {}) =>
    loginResources(varsOf(filled({ ...cases[name], ...more })), context())
  const all = async (some: readonly ClusterResource[], cluster: FakeCluster) => {
    for (const one of some) {
      if ((await planned(one, cluster)) !== 'none') expect(await made(one, cluster)).toMatchObject({ problem: '' })
      expect(await planned(one, cluster)).toBe('none')
    }
  }

  test('another mode leaves no key of the one before, and public takes our Secret away', async () => {
    const cluster = new FakeCluster('flux-system')
    await all(resources('a key with a passphrase'), cluster)
    expect(keysOf(cluster)).toEqual(['identity', 'identity.pub', 'known_hosts', 'password'])
    await all(resources('a password'), cluster)
    expect(keysOf(cluster)).toEqual(['password', 'username'])
    await all(resources('a token'), cluster)
    expect(keysOf(cluster)).toEqual(['bearerToken'])
    await all(resources('nobody logs in'), cluster)
    expect(cluster.peek(SECRET)).toBeNull()
  })

  test("public leaves a Secret of that name that is somebody else's", async () => {
    const cluster = new FakeCluster('flux-system')
    cluster.put({ apiVersion: 'v1', kind: 'Secret', metadata: { namespace: 'flux-system', name: 'platform-config' } })
    await all(resources('nobody logs in'), cluster)
    expect(cluster.peek(SECRET)).not.toBeNull()
  })

  test('a new password is seen and not shown', async () => {
    const cluster = new FakeCluster('flux-system')
    await all(resources('a password'), cluster)
    const [login] = resources('a password', { git_http_password: 'another' })
    expect(login && (await planned(login, cluster))).toBe('update\ndata.password: "***" -> "***"')
  })

  test('the age key is written, and stays where a run is not given it', async () => {
    const cluster = new FakeCluster('flux-system')
    const sops = { ...SECRET, name: 'sops-age' }
    await all(resources('nobody logs in', { sops_age_key: 'AGE-SECRET-KEY-1ABC' }), cluster)
    expect(keysOf(cluster, sops)).toEqual(['age.agekey'])
    await all(resources('nobody logs in'), cluster)
    expect(keysOf(cluster, sops)).toEqual(['age.agekey'])
  })

  test('a key that is made is kept, and its public part is told once', async () => {
    const cluster = new FakeCluster('flux-system')
    const told: string[] = []
    const [login] = resources('no key yet')
    if (login === undefined) throw new Error('no Secret')
    await made(login, cluster, { warn: (what) => told.push(what) })
    expect(keysOf(cluster)).toEqual(['identity', 'identity.pub', 'known_hosts'])
    expect(told).toEqual([expect.stringMatching(/^a deploy key was generated: ssh-ed25519 AAAA\S+$/)])
    const before = cluster.peek(SECRET)?.data
    await all(resources('no key yet'), cluster)
    expect(cluster.peek(SECRET)?.data).toEqual(before)
  })

  test('Argo CD gets its own Secret, and the host keys beside those that it has', async () => {
    const cluster = new FakeCluster('argocd')
    const v = varsOf(filled({ ...cases['a key whose public part is given with a comment'], handoff: 'argocd' }))
    await all(argoLoginResources(v, context()), cluster)
    const secret = { ...SECRET, namespace: 'argocd' }
    expect(keysOf(cluster, secret)).toEqual(['sshPrivateKey', 'type', 'url'])
    expect(cluster.peek(secret)?.metadata.labels).toEqual({ 'argocd.argoproj.io/secret-type': 'repository' })
    const map = { ...secret, kind: 'ConfigMap', name: 'argocd-ssh-known-hosts-cm' }
    expect(cluster.peek(map)?.data).toEqual({ ssh_known_hosts: `${HOSTS}\n` })
    await all(argoLoginResources(varsOf(filled(cases['nobody logs in'] ?? {})), context()), cluster)
    expect(cluster.peek(secret)).toBeNull()
  })
})

test.each<[string, Given]>([
  ['a password over http on this machine', { ...cases['a password'], git_url: 'http://localhost:3000/x.git' }],
  ['what nobody reads', { handoff: 'none', git_url: 'ssh://git@git.example/x.git', git_auth_mode: 'https-basic' }],
  ['a passphrase for Flux', cases['a key with a passphrase'] ?? {}],
])('nothing is said of %s', (_, given) => {
  const written = { given: (name: string) => name.slice('k3s_platform_'.length) in given, broken: () => false }
  expect(sourceFindings(varsOf(filled(given)), context(), written)).toEqual([])
})

test('a public key of another is told, and so is a passphrase for Argo CD', () => {
  const written = { given: () => true, broken: () => false }
  const says = (name: string, more: Given) =>
    sourceFindings(varsOf(filled({ ...cases[name], ...more })), context(), written)
      .filter(({ warning }) => !warning)
      .map(({ what }) => what)
  expect(says('a key with a passphrase', { git_public_key: 'PUBLIC' })).toEqual([
    'it is not the public key of the deploy key',
  ])
  expect(says('a key with a passphrase', { handoff: 'argocd' })).toEqual([
    'Argo CD cannot use a deploy key with a passphrase',
  ])
})

test('nothing is checked where nothing is handed over, or where the login is not whole', () => {
  const of = (given: Given) => repositoryCheck(varsOf(filled(given)), context())
  expect(of({})).toBeUndefined()
  expect(of({ ...cases['a password'], handoff: 'none' })).toBeUndefined()
  expect(of(cases['something is missing'] ?? {})).toBeUndefined()
  expect(of({ ...cases['a password'], git_check: false })).toMatchObject({
    repository: { branch: 'main', path: 'clusters/edge-1' },
    reads: false,
  })
})
