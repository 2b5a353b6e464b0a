// No secret gets into the tree, however it is written there.

import { expect, test } from 'vitest'
import { Secret } from '../../src/engine/secret.ts'
import { leaksIn } from '../../src/gitops/leaks.ts'
import { filesIn, folder, inventory, render, type Vars } from './kit.ts'

const TOKEN = 'cf-Tok+en/0123456789"x'
const base64 = (text: string) => Buffer.from(text).toString('base64')

test.each<[how: string, text: string]>([
  ['as it is', `a: '${TOKEN}'`],
  ['as a key', JSON.stringify({ [TOKEN]: 1 })],
  ['within a text', JSON.stringify({ a: `Bearer ${TOKEN}` })],
  ['in JSON in a text', JSON.stringify({ a: JSON.stringify({ b: TOKEN }) })],
  ['folded over lines', `a: >-\n  ${TOKEN.slice(0, 8)}\n  ${TOKEN.slice(8)}\n`],
  ['in a URL', `a: https://user:${encodeURIComponent(TOKEN)}@svc.plus`],
  ['in base64', `a: ${base64(TOKEN)}`],
  ['in base64, after one byte', `a: ${base64(`:${TOKEN}`)}`],
  ['in base64, after a user', `a: ${base64(`ab${TOKEN}:more`)}`],
  ['in base64 over lines', `a: |\n  ${base64(`user:${TOKEN}`).replace(/(.{10})/g, '$1\n  ')}\n`],
  ['in base64 for URLs', `a: ${Buffer.from(TOKEN).toString('base64url')}`],
])('a secret is found %s', (_, text) => {
  const found = (secret: string) => leaksIn(new Map([['x.yaml', text]]), [{ value: new Secret(secret) }]).length
  expect([found(TOKEN), found('another-secret')]).toEqual([1, 0])
})

test('a short secret is found as a whole value, and not in words that happen to hold it', () => {
  const found = (text: string) => leaksIn(new Map([['x.yaml', text]]), [{ value: new Secret('pin1') }]).length
  expect([found('a: pin1'), found('a: pin1pong'), found('a: pin10')]).toEqual([1, 0, 0])
})

const SMUGGLED: readonly (readonly [what: string, vars: Vars, env: Record<string, string>, said: string])[] = [
  [
    'a value of a chart',
    { handoff: 'flux', handoff_addons: true, caddy_values: { env: { PASSWORD: TOKEN } } },
    {},
    'k3s_platform_caddy_values.env.PASSWORD: this secret would be in infrastructure/edge-1/addons/caddy.yaml',
  ],
  [
    'an issuer that is given the token of the environment',
    {
      issuers: {
        own: {
          acme: {
            server: 'https://ca.svc.plus',
            privateKeySecretRef: { name: 'own-account' },
            solvers: [{ dns01: { webhook: { groupName: 'acme.svc.plus', solverName: 'own', config: { x: TOKEN } } } }],
          },
        },
      },
    },
    { CLOUDFLARE_API_TOKEN: TOKEN },
    'edge-1: this secret would be in infrastructure/edge-1/issuers/own.yaml',
  ],
  [
    'a label in base64',
    {
      ghcr_username: 'u',
      ghcr_token: TOKEN,
      certificates: [
        {
          name: 'a',
          namespaces: ['b'],
          dnsNames: ['a.svc.plus'],
          secretTemplate: { annotations: { x: base64(`u:${TOKEN}`) } },
        },
      ],
    },
    {},
    'k3s_platform_ghcr_token: this secret would be in infrastructure/edge-1/certificates/b/a/certificate.yaml',
  ],
]

test.each(SMUGGLED)(
  '%s with a secret in it stops the tree, with the place of the secret',
  async (_, vars, env, said) => {
    const tree = folder()
    const { code, text } = await render(['-i', inventory(vars), '--tree', tree], env)
    expect([code, filesIn(tree).size]).toEqual([64, 0])
    expect(text).toContain(said)
    expect(text).not.toContain(TOKEN)
  },
)

test('the Secrets that the inventory has are named in the tree, without their values', async () => {
  const tree = folder()
  expect(await render(['-i', inventory({ ghcr_username: 'u', ghcr_token: TOKEN }), '--tree', tree])).toMatchObject({
    code: 0,
  })
  const files = filesIn(tree)
  expect(files.get('clusters/edge-1/README.md')).toContain('`database/postgresql-ghcr-pull` with `.dockerconfigjson`')
  expect([...files.values()].join('')).not.toContain(TOKEN)
})
