// The README's first command: npm run demo makes a platform node from nothing and leaves nothing.

import { existsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { expect, test } from 'vitest'
import { nodes } from '../testbed/node.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const state = `${process.env.K3SP_TESTBED_DIR ?? '/var/cache/k3sp-testbed'}/demo`

test('the demo makes a node that answers, with an empty plan after it, and leaves nothing behind', async () => {
  if (existsSync(state)) throw new Error('a demo is up on this machine; first: npm run demo -- --down')
  const demo = await execa(process.execPath, [path('../../scripts/demo.mjs'), '--once'], {
    cwd: tmpdir(),
    all: true,
    reject: false,
    stdin: 'ignore',
    env: { NO_COLOR: '1' },
  })
  expect(demo, demo.all).toMatchObject({ exitCode: 0 })
  expect(demo.all).toMatch(/demo: k3s: the (stand-in|release)/)
  expect(demo.all).toContain('Plan: no changes')
  expect(demo.all.match(/^(platform|database) +postgresql-tls +True /gm)).toHaveLength(2)
  expect(demo.all.match(/^demo +Ready +control-plane,etcd /gm)).toHaveLength(2) // over ssh, and with the kubeconfig
  expect(await nodes('list')).not.toContain('"name":"demo"')
  expect(existsSync(state)).toBe(false)
  expect((await execa('ps', ['-eo', 'args'])).stdout).not.toContain(`${state}/mirror.json`)
})
