// What is masked because of its name or its shape, and what stays because it is no secret.

import { describe, expect, test } from 'vitest'
import { hiding, hidingChanges, maskInline, maskLines } from '../../src/report/mask.ts'

const S = 'S3cr3t-canary/77'
const PEM = [
  '-----BEGIN EC PRIVATE KEY-----',
  'MHcCAQEEIS3cr3tcanary77',
  'oAoGCCqGSM49',
  '-----END EC PRIVATE KEY-----',
]

/** Every one of them holds the canary. */
const SECRETS = {
  'YAML of k3s': `token: ${S}\nagent-token: "${S}"\nserver: https://a:6443\n`,
  'a long name in a list': `  - tailscale-auth-key: ${S}`,
  'a value with spaces': `password: first ${S} last`,
  'a block': `password: |\n  ${S}\n  more ${S}\nserver: x`,
  'a value on lines of its own': `token:\n  ${S}\nserver: x`,
  'a value that goes on': `token: first\n  ${S}\nserver: x`,
  'a list': `tokens:\n- ${S}\n- ${S}\nserver: x`,
  registries: `configs:\n  r.example:\n    auth:\n      username: ${S}\n      password: ${S}\n      auth: ${S}\n      identitytoken: ${S}\n`,
  'flow YAML': `{server: x, token: ${S}, x: y}`,
  'flow YAML without blanks': `{server:x,token:${S}}`,
  'S3 of etcd': `etcd-s3-access-key: ${S}\netcd-s3-secret-key: '${S}'\netcd-s3-session-token: ${S}`,
  'a datastore': `datastore-endpoint: postgres://k3s:${S}@db.example:5432/k3s?sslmode=disable`,
  'a datastore with an @ in its password': `datastore-endpoint: postgres://k3s:a@${S}@db.example:5432/k3s`,
  'a datastore of MySQL': `datastore-endpoint: "mysql://k3s:${S}@tcp(db.example:3306)/k3s"`,
  'an argument of the kubelet': `kubelet-arg:\n  - "bootstrap-token=${S}"\n  - bootstrap-token=${S}`,
  environment: `K3S_TOKEN=${S}\nexport AWS_SECRET_ACCESS_KEY="a b ${S}"\nDB_PASSWORD='x y ${S}'\n`,
  'environment without quotes': `SECRET_TOKEN=a b ${S}`,
  'a unit': `Environment="K3S_TOKEN=a b ${S}" "OTHER=x"`,
  'a process': `ExecStart=/usr/local/bin/k3s agent --token ${S} --server https://a:6443`,
  'a process with =': `k3s server --agent-token=${S} --etcd-s3-secret-key ${S}`,
  JSON: `{"a":1,"token":"${S}","password" : "x \\" ${S}"}`,
  'JSON with a number': '{"password": 7788990, "pin": 1}'.replace('7788990', `77${S.length}88`) + S.slice(0, 0),
  'JSON in JSON': JSON.stringify({ log: JSON.stringify({ token: S, password: `a"b ${S}` }) }),
  'a file in JSON': JSON.stringify({ content: `server: x\ntoken: ${S}\n` }),
  'a value that does not end': `{"token":"${S} and on`,
  'a journal': `Nov 30 edge-1 k3s[1]: level=info msg="starting" token=${S} node=x`,
  'a sentence of a journal': `Nov 30 edge-1 k3s[1]: using bootstrap token: ${S.replaceAll('/', '')}`.replace(
    'S3cr3t-canary77',
    'S3cr3t-canary/77',
  ),
  'a header': `Authorization: Bearer ${S}`,
  'a basic header': `> authorization: Basic ${S}`,
  'a header of Vault': `curl -H "X-Vault-Token: ${S}" https://vault`,
  'a cookie': `Set-Cookie: session=${S}; path=/`,
  'a URL': `fetching https://user:${S}@git.example/r.git failed`,
  'a URL with a token alone': `fetching https://x${S.replace('/', '')}@git.example/r.git`
    .replace('canary77', 'canary/77')
    .replace('/77@', '77@'),
  PEM: PEM.join('\n'),
  'PEM, indented': PEM.map((line) => `    ${line}`).join('\n'),
  'PEM of a journal': PEM.map((line) => `Nov 30 edge-1 x[1]: ${line}`).join('\n'),
  'PEM in JSON': JSON.stringify({ key: PEM.join('\n') }),
  'PEM that was cut off': PEM.slice(0, 2).join('\n'),
} as const

const CANARY = /S3cr3t-?canary\/?77|MHcCAQEE/

describe('a text of a node shows no secret:', () => {
  test.each(Object.entries(SECRETS))('%s', (_, text) => {
    const masked = maskLines(text)
    expect(masked).not.toMatch(CANARY)
    expect(masked).toContain('***')
    expect(maskLines(masked)).toBe(masked)
  })

  test.each([
    ['a token of k3s', `K10${'ab12'.repeat(16)}::server:${S}`],
    ['a token of a service account', 'eyJhbGciOiJSUzI1NiJ9.eyJpc3MiOiJrdWJlcm5ldGVzIn0.c2lnbmF0dXJl-x_y'],
    ['a token of Vault', 'hvs.CAESIJ1234567890abcdefghij'],
    ['a token of GitHub', 'ghp_1234567890abcdefghijABCDEFGHIJ'],
    ['a key of age', 'AGE-SECRET-KEY-1QQQQQQQQQQQQQQQQQQQQQQQQQQQQ'],
    ['a key in base64', Buffer.from(`${PEM.join('\n')}\n`).toString('base64')],
  ])('%s, without a name', (_, secret) => {
    expect(maskInline(`it says ${secret} there`)).toBe('it says *** there')
  })
})

test.each([
  'secretName: vault-login',
  'automountServiceAccountToken: false',
  'token-file: /etc/rancher/k3s/token',
  'tls-san: [a.example]',
  'oci://registry.example:5000/charts/x@sha256:abc',
  'https://registry.example:5000/a@b',
  'ssh://git@git.example/r.git',
  'git@github.com:org/repo.git',
  'Warning: failed to get secret: not found',
  'secrets "token" not found',
  'edge-1 unit:k3s: inactive after restart (exit 1, 12 s)',
  'add --ask-pass, or give --ask-become-pass and --delete-secret too',
  '-----BEGIN OPENSSH PRIVATE KEY----- is how the key begins',
  'pods "x" is forbidden: User "y" cannot list resource "secrets"',
  'image: quay.io/jetstack/cert-manager-controller@sha256:0123456789abcdef',
  'password: ""',
  'listening on 2001:db8::1',
])('this stays as it is: %s', (text) => {
  expect(maskInline(text)).toBe(text)
  expect(maskLines(text)).toBe(text)
})

test('what a value was and will be differs, without a word of it', () => {
  const found = new Map<string, Set<string>>()
  expect(maskLines('token: old\nkey: 1\npassword: same\n', hiding(found))).toBe('token: ***\nkey: 1\npassword: ***\n')
  const after = maskLines('token: new\nkey: 1\npassword: same\nagent-token: x\n', hidingChanges(found))
  expect(after).toBe('token: *** (changed)\nkey: 1\npassword: ***\nagent-token: ***\n')
})

test.each([
  ['a', 'a'],
  ['names', 'token'],
  ['names of secrets', 'token='],
  ['quotes', '"token":"'],
  ['escaped quotes', '\\"token\\":\\"'],
  ['flags', '--token '],
  ['schemes', 'a://b:'],
  ['users', 'http://a:a@'],
  ['keys', '-----BEGIN PRIVATE KEY-----\n'],
  ['braces', '{token: '],
  ['JWTs', 'eyJhbGciOiJS.'],
  ['dashes', '- '],
  ['lines', 'token: |\n  x\n'],
  ['headers', 'authorization: bearer '],
  ['digits', 'token: aaaaaaaa'],
])('half a megabyte of %s takes little time', (_, part) => {
  const text = part.repeat(524_288 / part.length)
  const before = process.cpuUsage()
  maskLines(text)
  const { user } = process.cpuUsage(before)
  expect(user / 1e6).toBeLessThan(3)
})
