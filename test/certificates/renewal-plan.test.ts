// Which certificates are renewed now and which later: the server accepts all of them at their times.

import { expect, test } from 'vitest'
import { refusalText } from '../../src/certificates/buckets.ts'
import type { ForecastCertificate } from '../../src/certificates/forecast.ts'
import { forecastCertificates } from '../../src/certificates/forecast-input.ts'
import { planRenewals, type RenewalPlan } from '../../src/certificates/renewal-plan.ts'
import { random } from '../random.ts'
import { NOW, randomClusters } from './random-clusters.ts'

const [HOUR, DAY] = [3_600_000, 86_400_000]

test('random clusters: the server accepts what is said to fit now, and the others at their time', () => {
  let [fits, late] = [0, 0]
  for (let seed = 101; seed <= 220; seed++) {
    const next = random(seed)
    const clusters = randomClusters(next)
    const certificates = [...clusters.hosts].flatMap(([host, objects]) =>
      forecastCertificates(host, objects, new Date(NOW)),
    )
    const chosen = new Set(certificates.filter(() => next() < 0.8).map(({ name }) => name))
    const plan = planRenewals(certificates, ({ name }) => chosen.has(name), NOW)
    expect(plan.now.length + plan.later.length).toBe(chosen.size)
    const all = [...plan.now.map((certificate) => ({ certificate, at: NOW })), ...plan.later]
    for (const { certificate, at } of all) {
      const { host, namespace, name } = certificate
      expect(clusters.server.order(clusters.orderOf(host, namespace, name), at), `seed ${seed}: ${name} at ${at}`).toBe(
        true,
      )
    }
    fits += plan.now.length
    late += plan.later.length
  }
  expect(fits).toBeGreaterThan(300)
  expect(late).toBeGreaterThan(100)
})

const certificate = (name: string, more: Partial<ForecastCertificate> = {}): ForecastCertificate => ({
  ...{ host: 'edge-1', namespace: 'shop', name, names: ['shop.example.com'], issuer: 'ClusterIssuer le' },
  ...{ environment: 'production', profile: 'classic', account: 'le on edge-1', ari: false, validity: 90 * 86_400 },
  ...{ renewBefore: null, renewBeforePercentage: null, isRenewed: true, isOrdering: false },
  ...{ notAfter: NOW + 30 * DAY, renewalTime: null, nextAttempt: null, history: [] },
  ...more,
})
const words = ({ now, later }: RenewalPlan) => [
  now.map(({ name }) => name).join(' '),
  ...later.map(({ certificate, at }) => `${certificate.name} in ${(at - NOW) / HOUR} h`),
]
const planOf = (...all: ForecastCertificate[]) => planRenewals(all, ({ name }) => !name.startsWith('other'), NOW)

test('what expires first comes first; the others wait for one request each', () => {
  const all = [7, 3, 5, 1, 6, 2, 4].map((day) => certificate(`d${day}`, { notAfter: NOW + day * DAY }))
  const plan = planOf(...all)
  expect(words(plan)).toEqual(['d1 d2 d3 d4 d5', 'd6 in 34 h', 'd7 in 68 h'])
  expect(plan.later.map(({ refusal }) => refusalText(refusal))).toEqual(
    Array(2).fill('the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h)'),
  )
})

test('orders in progress count: they are the renewal, or take from what is left for it', () => {
  const orders = Array.from({ length: 4 }, (_, i) => certificate(`other-${i}`, { isOrdering: true }))
  const [first, second] = [certificate('first'), certificate('second')]
  expect(words(planOf(...orders, first, second))).toEqual(['first', 'second in 34 h'])
  expect(words(planOf(...orders, first, { ...second, isOrdering: true }))).toEqual(['second', 'first in 34 h'])
})

test('renewals by hand count even with ARI; those of another authority do not', () => {
  const spent = Array.from({ length: 5 }, () => ({
    order: { environment: 'production' as const, account: 'x', names: ['shop.example.com'] },
    ...{ at: NOW - HOUR, is: 'issued' as const },
  }))
  expect(words(planOf(certificate('a', { ari: true, history: spent })))).toEqual(['', 'a in 33 h'])
  expect(words(planOf(certificate('a', { environment: null, history: [] })))).toEqual(['a'])
})
