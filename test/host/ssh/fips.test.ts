// In FIPS mode OpenSSL refuses Ed25519 and Curve25519: nothing of it is offered, and nothing fails because of it.

import * as crypto from 'node:crypto'
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { afterEach, expect, test, vi } from 'vitest'
import { leanSsh2 } from '../../../scripts/lean-ssh2.mjs'
import { offeredAlgorithms } from '../../../src/host/ssh/algorithms.ts'

const state = vi.hoisted(() => ({ fips: 0 }))
vi.mock('node:crypto', async (original) => {
  const real = await original<typeof crypto>()
  const refuse = () => {
    throw new Error('error:0308010C:digital envelope routines::unsupported')
  }
  return {
    ...real,
    getFips: () => state.fips,
    generateKeyPairSync: (type: string) => (state.fips ? refuse() : real.generateKeyPairSync('ed25519') && type),
  }
})
afterEach(() => {
  state.fips = 0
})

test('Ed25519 and Curve25519 are offered only outside of FIPS mode', () => {
  const types = ['ssh-ed25519', 'ecdsa-sha2-nistp256', 'ssh-rsa']
  const rest = ['ecdsa-sha2-nistp256', 'rsa-sha2-512', 'rsa-sha2-256']
  expect(offeredAlgorithms(types)).toEqual({ serverHostKey: ['ssh-ed25519', ...rest] })
  state.fips = 1
  const { serverHostKey, kex } = offeredAlgorithms(types)
  expect(serverHostKey).toEqual(rest)
  expect(JSON.stringify(kex)).toMatch(/^\["ecdh-sha2-nistp256"/)
})

/** What the bundled ssh2 believes of Ed25519 when OpenSSL is in such a state. */
function bundledHostKeys(fips: number): string[] {
  const require = createRequire(import.meta.url)
  const file = require.resolve('ssh2/lib/protocol/constants.js')
  const real = createRequire(file)
  const code = leanSsh2().transform(readFileSync(file, 'utf8'), file)?.code ?? ''
  const refuse = () => {
    throw new Error('not approved')
  }
  const stub = { ...crypto, getFips: () => fips, sign: refuse, verify: refuse }
  const module: { exports: { DEFAULT_SERVER_HOST_KEY?: string[] } } = { exports: {} }
  new Function('require', 'module', code)((name: string) => (name === 'crypto' ? stub : real(name)), module)
  return module.exports.DEFAULT_SERVER_HOST_KEY ?? []
}

test('the bundled ssh2 finds out at run time whether there is Ed25519', () => {
  expect(bundledHostKeys(0)).toContain('ssh-ed25519')
  expect(bundledHostKeys(1)).not.toContain('ssh-ed25519')
  expect(bundledHostKeys(1)).toContain('ecdsa-sha2-nistp256')
})
