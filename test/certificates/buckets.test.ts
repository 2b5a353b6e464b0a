// The model of Let's Encrypt's limits against a server that keeps them: what fits is accepted, whatever happened before.

import { expect, test } from 'vitest'
import { type AcmeOrder, openLedger } from '../../src/certificates/buckets.ts'
import { environmentOf, LIMITS } from '../../src/certificates/limits.ts'
import { nameSet, registeredDomain } from '../../src/certificates/registered-domain.ts'
import { random } from '../random.ts'
import { acmeServer } from './acme-server.ts'

const HOUR = 3_600_000
const NOW = Date.parse('2026-12-01T12:00:00Z')
const order = (more: Partial<AcmeOrder> = {}): AcmeOrder => ({
  ...{ environment: 'production', account: 'one', names: ['www.example.com'] },
  ...more,
})

test.each([
  ['www.example.com', 'example.com'],
  ['*.shop.example.co.uk', 'example.co.uk'],
  ['alice.github.io', 'alice.github.io'],
  ['a.b.alice.github.io', 'alice.github.io'],
  ['co.uk', 'co.uk'],
  ['localhost', 'localhost'],
  ['203.0.113.7', '203.0.113.7'],
  ['2001:db8:1:2:3::4', '2001:db8:1:2::'],
  ['fe80::1%eth0', 'fe80::'],
])('the registered domain of %s is %s', (name, domain) => {
  expect(registeredDomain(name)).toBe(domain)
})

test('names are a set; the servers of the limits are known by their host', () => {
  expect(nameSet(['B.example.com.', 'a.example.com', 'b.example.com'])).toEqual(['a.example.com', 'b.example.com'])
  const hosts = ['acme-v02', 'acme-staging-v02'].map((host) => `https://${host}.api.letsencrypt.org/directory`)
  expect([...hosts, 'https://pebble:14000/dir', 'nonsense', undefined].map(environmentOf)).toEqual([
    ...['production', 'staging', null, null, null],
  ])
})

test('the sixth certificate for the same names is accepted when the first request has come back', () => {
  const ledger = openLedger([])
  for (let i = 0; i < 5; i++) {
    expect(ledger.admit(order(), NOW)).toEqual({ fits: true })
    ledger.issue(order(), NOW)
  }
  const acceptedAt = NOW + 34 * HOUR
  expect(ledger.admit(order(), NOW)).toEqual({
    fits: false,
    ...{ environment: 'production', limit: 'names', subject: 'www.example.com', acceptedAt },
  })
  expect(ledger.admit(order(), acceptedAt - 1)).toMatchObject({ fits: false })
  expect(ledger.admit(order(), acceptedAt)).toEqual({ fits: true })
  expect(ledger.bucketsOf(order()).map((bucket) => ledger.level(bucket, NOW))).toEqual([0, 49, 299])
  expect(ledger.bucketsOf(order()).map((bucket) => ledger.level(bucket, acceptedAt))).toEqual([1, 50, 300])
})

test('renewals do not count by domain and account; those of ARI do not count at all', () => {
  const ledger = openLedger([{ order: order(), at: NOW - 60 * 24 * HOUR, is: 'issued' }])
  const others = Array.from({ length: 50 }, (_, i) => order({ names: [`n${i}.example.com`], account: `a${i}` }))
  for (const one of others) ledger.issue(one, NOW)
  expect(ledger.admit(order({ names: ['new.example.com'] }), NOW)).toMatchObject({ limit: 'domain' })
  expect(ledger.admit(order(), NOW)).toEqual({ fits: true })
  for (let i = 0; i < 5; i++) ledger.issue(order(), NOW)
  expect(ledger.admit(order(), NOW)).toMatchObject({ limit: 'names' })
  expect(ledger.admit(order({ ari: true }), NOW)).toEqual({ fits: true })
})

test('failed validations delay the next order for that name by that account', () => {
  const history = Array.from({ length: 5 }, () => ({ order: order(), at: NOW, is: 'failed' as const }))
  const ledger = openLedger(history)
  expect(ledger.admit(order(), NOW)).toMatchObject({ limit: 'failures', acceptedAt: NOW + HOUR / 5 })
  expect(ledger.admit(order({ account: 'two' }), NOW)).toEqual({ fits: true })
  expect(ledger.admit(order({ environment: 'staging' }), NOW)).toEqual({ fits: true })
})

test('what fits is accepted by the server, now or when the model says so', () => {
  let [fitted, delayed] = [0, 0]
  for (let seed = 1; seed <= 40; seed++) {
    const next = random(seed)
    const [server, ledger] = [acmeServer(), openLedger([])]
    let at = NOW
    for (let i = 0; i < 150; i++) {
      at += Math.floor(next() ** 6 * 40 * HOUR)
      const names = [`n${Math.floor(next() * (seed % 2 ? 3 : 90))}.example.com`]
      const one = order({ names, account: seed % 4 ? 'one' : 'two' })
      const admission = ledger.admit(one, at)
      if (admission.fits) fitted++
      else {
        delayed++
        expect(admission.acceptedAt).toBeGreaterThan(at)
        at = admission.acceptedAt
        expect(ledger.admit(one, at)).toEqual({ fits: true })
      }
      expect(server.order({ ...one, domains: ['example.com'] }, at), `seed ${seed}, order ${i}`).toBe(true)
      ledger.issue(one, at)
    }
  }
  expect(fitted).toBeGreaterThan(1_000)
  expect(delayed).toBeGreaterThan(100)
})

test('the model is at most as late as its rounded refills: what the server accepts fits a little later', () => {
  const [server, ledger] = [acmeServer(), openLedger([])]
  const one = order()
  let [at, refused] = [NOW, 0]
  for (let i = 0; i < 30; i++) {
    while (!server.order({ ...one, domains: ['example.com'] }, at)) {
      refused++
      at += HOUR / 10
    }
    const admission = ledger.admit(one, at)
    const { refillSeconds } = LIMITS.production.names
    if (!admission.fits) expect(admission.acceptedAt - at).toBeLessThan(((i * 1.5) / 100) * refillSeconds * 1000)
    ledger.issue(one, at)
  }
  expect(refused).toBeGreaterThan(20)
})
