// What a node says its things are called gets into commands that a person copies: there it is a word, and runs nothing.

import { afterEach, describe, expect, test } from 'vitest'
import { problemWords } from '../../src/certificates/problems.ts'
import { live } from '../../src/cluster/object.ts'
import { shellWords } from '../../src/engine/shell-words.ts'
import { runAgainst } from './program.ts'
import { HostileServer } from './ssh-server.ts'

let server: HostileServer | undefined
afterEach(() => server?.stop())

test('the name of a process that holds a port is one word of the command that stops it', async () => {
  const holder = 'tcp LISTEN 0 4096 *:6443 *:* users:(("x;touch /t;",pid=7,fd=3))'
  server = await HostileServer.start({ commands: { ss: `echo '${holder}'` } })
  const { stdout } = await runAgainst(server, ['doctor'])
  expect(stdout).toContain('by x;touch /t; (pid 7)')
  expect(stdout).toContain("systemctl disable --now 'x;touch /t;'")
})

test.each(['x;id', '$(id)', 'a b', "a'b", '../x', 'a/b', 'a%2fb', '-x', '', 'a\nb', 'é', 'x'.repeat(254)])(
  'no object of an API is called %j, nor its namespace',
  (name) => {
    const object = { apiVersion: 'v1', kind: 'Secret' }
    expect(live.safeParse({ ...object, metadata: { name } }).success).toBe(false)
    expect(live.safeParse({ ...object, metadata: { name: 'x', namespace: name } }).success).toBe(false)
  },
)

test.each(['a', 'v1.apps', 'system:controller:token-cleaner', 'sh.helm.release.v1.caddy.v1', 'X_1', 'a@b'])(
  'an object of an API may be called %s',
  (name) => {
    expect(live.safeParse({ apiVersion: 'v1', kind: 'Secret', metadata: { name } }).success).toBe(true)
  },
)

describe('words of a shell', () => {
  test.each([
    ['a.example', 'a.example'],
    ['a;id', "'a;id'"],
    ["a'; id; '", `'a'\\''; id; '\\'''`],
    ['', "''"],
  ])('%j is typed %s', (word, typed) => {
    expect(shellWords([word])).toBe(typed)
  })
})

test('a name of a certificate is one word of the command that looks it up', () => {
  const words = problemWords('urn:ietf:params:acme:error:caa: CAA record forbids issuance', 'a.example; id')
  expect(words?.fix).toContain("dig CAA 'a.example; id'")
})
