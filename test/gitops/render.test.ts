// Rendering into folders and repositories that are there already: what is ours, what is not, and what Git commits.

import { execFileSync } from 'node:child_process'
import { appendFileSync, mkdirSync, readFileSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { renderDocument } from '../../src/report/documents.ts'
import { filesIn, folder, inventory, put, render, type Vars } from './kit.ts'

const ISSUER = 'infrastructure/edge-1/issuers/svc-plus-selfsigned.yaml'
const HTTP01 = 'infrastructure/edge-1/issuers/svc-plus-acme-http01.yaml'
const PAGE = 'clusters/edge-1/kustomization.yaml'

/** A tree as an earlier run has left it. */
async function rendered(vars: Vars = {}): Promise<string> {
  const tree = folder()
  expect(await render(['-i', inventory(vars), '--tree', tree])).toMatchObject({ code: 0 })
  return tree
}

const again = (tree: string, vars: Vars, ...flags: string[]) =>
  render(['-i', inventory(vars), '--tree', tree, ...flags])
const signed = (text: string) =>
  text.split('\n').filter((line) => /^ {2}[+~o!-] /.test(line) && !line.includes('.sha256'))

test('a folder has to be named, and a role that has a tree', async () => {
  const i = ['-i', inventory({})]
  expect(await render(i)).toMatchObject({ code: 64, text: expect.stringContaining('add --tree DIR') })
  expect(await render([...i, '--tree', folder(), 'k3s_platform_bootstrap'])).toMatchObject({
    code: 64,
    text: expect.stringContaining('k3s_platform_bootstrap: it has no objects for GitOps'),
  })
  const file = folder()
  put(file, 'x', '')
  expect(await render([...i, '--tree', join(file, 'x')])).toMatchObject({
    code: 64,
    text: expect.stringContaining('is not a directory'),
  })
})

test('what only asks writes nothing', async () => {
  const tree = folder()
  expect(await again(tree, {}, '--list-hosts')).toEqual({ code: 0, text: 'edge-1\n' })
  expect(await again(tree, {}, '--list-tags')).toEqual({ code: 0, text: '' })
  expect(filesIn(tree).size).toBe(0)
})

test('a tree in a folder of a repository is committed like one at its top', async () => {
  const { tree, git } = repository()
  put(tree, 'fleet/apps/own.yaml', 'a: 1\n')
  const below = join(tree, 'fleet')
  expect(await committed(below, {})).toMatchObject({ code: 0, text: expect.stringContaining('Commit:') })
  expect(await committed(below, { certificates: [] })).toMatchObject({
    code: 0,
    text: expect.stringContaining('Commit:'),
  })
  expect(git('status', '--porcelain')).toBe('?? fleet/apps/\n')
  expect(await committed(below, {})).toMatchObject({ code: 0 })
  expect(git('log', '--format=%s').split('\n')).toHaveLength(4)
})

test('what is rendered a second time is not written, and is not behind', async () => {
  const tree = await rendered()
  expect(await again(tree, {}, '-C')).toMatchObject({ code: 0 })
  const { code, text } = await again(tree, {})
  expect([code, signed(text)]).toEqual([0, []])
})

test('a tree that is behind ends with 2, is told, and is not touched', async () => {
  const tree = await rendered()
  const before = filesIn(tree)
  const { code, text } = await again(tree, { acme_email: 'ops@svc.plus' }, '-C')
  expect([code, signed(text)]).toEqual([2, [`  ~ ${HTTP01}`]])
  expect(filesIn(tree)).toEqual(before)
})

test('the document of -o json fits its schema', async () => {
  const { text } = await again(await rendered(), { acme_email: 'ops@svc.plus' }, '-C', '-o', 'json')
  const { files, exitCode } = renderDocument.parse(JSON.parse(text))
  expect([exitCode, files.find(({ path }) => path === HTTP01)]).toEqual([2, { path: HTTP01, op: 'update' }])
})

test('what is not wanted any more goes with its folder, and files of others stay', async () => {
  const tree = await rendered()
  put(tree, 'infrastructure/edge-1/certificates/database/own.yaml', 'a: 1\n')
  put(tree, 'apps/own.yaml', 'a: 1\n')
  expect(await again(tree, { certificates: [] })).toMatchObject({ code: 0 })
  const left = [...filesIn(tree).keys()].filter((path) => /certificates|apps|postgresql/.test(path))
  expect(left).toEqual(['apps/own.yaml', 'infrastructure/edge-1/certificates/database/own.yaml'])
  expect(filesIn(tree).get(PAGE)).not.toContain('certificates')
})

test('a file that only people changed stays as it is', async () => {
  const tree = await rendered()
  appendFileSync(join(tree, HTTP01), '# mine\n')
  rmSync(join(tree, ISSUER))
  const before = filesIn(tree)
  expect(await again(tree, {}, '-C')).toMatchObject({ code: 0 })
  const { code, text } = await again(tree, {})
  expect(signed(text)).toEqual([
    `  o ${HTTP01}  it was changed in Git, it is kept`,
    `  o ${ISSUER}  it was removed in Git, it is kept`,
  ])
  expect([code, filesIn(tree)]).toEqual([0, before])
})

test('a file that people and the inventory changed stops it all, until it is to be overwritten', async () => {
  const tree = await rendered()
  appendFileSync(join(tree, HTTP01), '# mine\n')
  const before = filesIn(tree)
  const vars = { acme_email: 'ops@svc.plus', certificates: [] }
  expect(await again(tree, vars, '-C')).toMatchObject({ code: 2, text: expect.stringContaining(`! ${HTTP01}`) })
  const { code, text } = await again(tree, vars)
  expect(text).toContain(`${HTTP01}: it was changed in Git, and the inventory has different content for it`)
  expect([code, filesIn(tree)]).toEqual([64, before])
  expect(await again(tree, vars, '--overwrite')).toMatchObject({ code: 0 })
  expect(filesIn(tree).get(HTTP01)).not.toContain('# mine')
})

test('a file of others at the same place is in the way, and so is a link', async () => {
  const tree = folder()
  put(tree, ISSUER, 'theirs: 1\n')
  expect(await again(tree, {})).toMatchObject({
    code: 64,
    text: expect.stringContaining('it was not written by render'),
  })
  expect([...filesIn(tree)]).toEqual([[ISSUER, 'theirs: 1\n']])

  const [linked, outside] = [folder(), folder()]
  mkdirSync(join(linked, 'infrastructure'))
  symlinkSync(outside, join(linked, 'infrastructure/edge-1'))
  expect(await again(linked, {}, '--overwrite')).toMatchObject({
    code: 64,
    text: expect.stringContaining('not a regular file'),
  })
  expect(filesIn(outside).size).toBe(0)
})

test('shared files keep the entries of others, comments included', async () => {
  const tree = folder()
  const key = 'age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p'
  put(tree, PAGE, 'resources:\n  - apps.yaml # ours\n')
  put(tree, '.sops.yaml', 'creation_rules:\n  - pgp: ABCD\n')
  const vars = { handoff: 'flux', sops_age_recipients: [key] }
  expect(await again(tree, vars)).toMatchObject({ code: 0 })
  expect(filesIn(tree).get(PAGE)).toMatch(/^resources:\n {2}- apps.yaml # ours\n {2}- platform-namespaces.yaml\n/)
  expect(filesIn(tree).get('.sops.yaml')).toMatch(/^creation_rules:\n {2}- path_regex: [\s\S]+\n {2}- pgp: ABCD\n$/)
  expect(await again(tree, vars, '-C')).toMatchObject({ code: 0 })
  expect(await again(tree, { handoff: 'none', cert_manager_enabled: false, certificates: [] })).toMatchObject({
    code: 0,
  })
  expect(filesIn(tree).get(PAGE)).toBe('resources:\n  - apps.yaml # ours\n')
  expect(filesIn(tree).get('.sops.yaml')).toBe('creation_rules:\n  - pgp: ABCD\n')
})

test.each([
  [PAGE, 'resources: [', `${PAGE}:1:`],
  [PAGE, 'resources: 1\n', 'resources: expected a list'],
  ['.k3s-platform/edge-1.sha256', `${'0'.repeat(64)}  ../outside\n`, '.k3s-platform/edge-1.sha256:1:1'],
])('%s with %j is told with its place', async (path, content, said) => {
  const tree = folder()
  put(tree, path, content)
  expect(await again(tree, {})).toMatchObject({ code: 64, text: expect.stringContaining(said) })
  expect([...filesIn(tree)]).toEqual([[path, content]])
})

test('clusters stand side by side, each with its own files, and one of them can be rendered alone', async () => {
  const [tree, i] = [folder(), inventory({}, { 'edge-1': {}, 'edge-2': {} })]
  expect(await render(['-i', i, '--tree', tree])).toMatchObject({ code: 0 })
  const before = filesIn(tree)
  expect([...before.keys()].filter((path) => path.endsWith('README.md'))).toEqual([
    'clusters/edge-1/README.md',
    'clusters/edge-2/README.md',
  ])
  expect(await render(['-i', i, '--tree', tree, '-l', 'edge-1'])).toMatchObject({ code: 0 })
  expect(filesIn(tree)).toEqual(before)
  const one = inventory({ flux_root_path: 'clusters/prod' }, { 'edge-1': {}, 'edge-2': {} })
  expect(await render(['-i', one, '--tree', folder()])).toMatchObject({
    code: 64,
    text: expect.stringContaining('clusters/prod/README.md: edge-2 would also write clusters/prod/README.md'),
  })
})

const ENV = { GIT_AUTHOR_NAME: 'a', GIT_AUTHOR_EMAIL: 'a@b', GIT_COMMITTER_NAME: 'a', GIT_COMMITTER_EMAIL: 'a@b' }

function repository(): { tree: string; git: (...args: string[]) => string } {
  const tree = folder()
  const env = { ...process.env, ...ENV, GIT_CONFIG_GLOBAL: '/dev/null' }
  const git = (...args: string[]) => execFileSync('git', ['-C', tree, ...args], { encoding: 'utf8', env })
  git('init', '-q', '-b', 'main')
  return { tree, git }
}
const committed = (tree: string, vars: Vars) => render(['-i', inventory(vars), '--tree', tree, '--commit'], ENV)

test('--commit makes one commit with the files of the tree, and leaves alone what else is staged or changed', async () => {
  const { tree, git } = repository()
  put(tree, 'staged', '1')
  put(tree, 'changed', '1')
  git('add', 'staged')
  expect(await committed(tree, {})).toMatchObject({ code: 0, text: expect.stringMatching(/\nCommit: [0-9a-f]{7,}\n$/) })
  expect(git('status', '--porcelain')).toBe('A  staged\n?? changed\n')
  expect(git('log', '--format=%s')).toBe('Render the platform of edge-1\n')

  expect(await committed(tree, {})).toMatchObject({ text: expect.not.stringContaining('Commit:') })
  put(tree, HTTP01, readFileSync(join(tree, HTTP01), 'utf8'))
  expect(await committed(tree, { certificates: [] })).toMatchObject({ code: 0 })
  expect(git('log', '--format=', '--name-status', '-1').split('\n')).toContain(
    'D\tinfrastructure/edge-1/certificates/database/postgresql-tls/certificate.yaml',
  )
  expect(git('status', '--porcelain')).toBe('A  staged\n?? changed\n')
})

test('--commit takes along what an earlier run has written, but no change that people made', async () => {
  const { tree, git } = repository()
  expect(await again(tree, {})).toMatchObject({ code: 0 })
  appendFileSync(join(tree, ISSUER), '# mine\n')
  expect(await committed(tree, {})).toMatchObject({ code: 0 })
  expect(git('status', '--porcelain')).toBe(`?? ${ISSUER}\n`)
})

test('--commit is refused before anything is written: outside of a work tree, and over a change to a shared file', async () => {
  const bare = folder()
  expect(await committed(bare, {})).toMatchObject({
    code: 64,
    text: expect.stringContaining('is not in a Git work tree'),
  })
  expect(filesIn(bare).size).toBe(0)
  const { tree } = repository()
  put(tree, PAGE, 'resources: []\n')
  expect(await committed(tree, {})).toMatchObject({
    code: 64,
    text: expect.stringContaining('it has an uncommitted change'),
  })
  expect([...filesIn(tree).keys()]).toEqual([PAGE])
})

test('what Git says when it refuses is told', async () => {
  const { tree } = repository()
  put(tree, '.git/refs/heads/main.lock', '')
  expect(await committed(tree, {})).toMatchObject({ code: 1, text: expect.stringContaining('main.lock') })
})
