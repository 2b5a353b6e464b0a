// The forecast: renewals by validity and settings, what collides on which day, and that the server accepts what is said to fit.

import { expect, test } from 'vitest'
import { type ForecastCertificate, forecast } from '../../src/certificates/forecast.ts'
import { forecastCertificates } from '../../src/certificates/forecast-input.ts'
import { goSeconds, profileValidity, renewBeforeSeconds } from '../../src/certificates/validity.ts'
import { random } from '../random.ts'
import { NOW, randomClusters } from './random-clusters.ts'

const [HOUR, DAY] = [3_600_000, 86_400_000]
const issuedBy = (host: string, objects: readonly unknown[]) => forecastCertificates(host, objects, new Date(NOW))

test('random clusters: the server accepts every renewal of the forecast', () => {
  let [renewals, refused] = [0, 0]
  for (let seed = 1; seed <= 60; seed++) {
    const clusters = randomClusters(random(seed))
    const certificates = [...clusters.hosts].flatMap(([host, objects]) => issuedBy(host, objects))
    const made = forecast(certificates, NOW, 120)
    for (const { host, namespace, name, at } of made.renewals) {
      const accepted = clusters.server.order(clusters.orderOf(host, namespace, name), Date.parse(at))
      expect(accepted, `seed ${seed}: ${host} ${namespace}/${name} at ${at}`).toBe(true)
    }
    renewals += made.renewals.length
    refused += made.findings.filter(({ kind }) => kind === 'refused').length
  }
  // The test has something to find.
  expect(renewals).toBeGreaterThan(2_000)
  expect(refused).toBeGreaterThan(50)
})

const certificate = (more: Partial<ForecastCertificate> = {}): ForecastCertificate => ({
  ...{ host: 'edge-1', namespace: 'shop', name: 'tls', names: ['shop.example.com'], issuer: 'ClusterIssuer le' },
  ...{ environment: 'production', profile: 'classic', account: 'le on edge-1', ari: false, validity: 90 * 86_400 },
  ...{ renewBefore: null, renewBeforePercentage: null, isRenewed: true },
  ...{ notAfter: NOW + 30 * DAY, renewalTime: null, nextAttempt: null, isOrdering: false, history: [] },
  ...more,
})
const days = (made: ReturnType<typeof forecast>) => made.renewals.map(({ at }) => at.slice(0, 10))
const findings = (made: ReturnType<typeof forecast>) =>
  made.findings.map(
    ({ at, kind, occurrences, what, hint }) => `${at.slice(0, 10)} ${kind} ${occurrences}: ${what} | ${hint}`,
  )

test.each([
  ['classic', '2027-02-09', 90],
  ['classic', '2027-02-10', 64],
  ['classic', '2028-02-16', 45],
  ['tlsserver', '2026-05-12', 90],
  ['tlsserver', '2026-05-13', 45],
  ['shortlived', '2026-12-01', 160 / 24],
  ['tlsclient', '2026-12-01', undefined],
])('a certificate of the profile %s issued on %s is valid for %s days', (profile, day, valid) => {
  expect(profileValidity('production', profile, Date.parse(day))).toBe(valid === undefined ? undefined : valid * 86_400)
})

test('staging changes a month earlier', () => {
  expect(profileValidity('staging', 'classic', Date.parse('2027-01-10'))).toBe(64 * 86_400)
})

test.each([
  ['a third before its end', 90, null, null, 30],
  ['as it is set', 90, 20, null, 20],
  ['as it is set, in percent', 90, null, 10, 9],
  ['a third before its end, when renewBefore is not less than the validity', 45, 45, null, 15],
  ['by percent, when renewBefore is not less than the validity', 45, 60, 20, 9],
  ['a third before its end, when the percentage is none', 90, null, 100, 30],
])('a certificate is renewed %s', (_, validity, before, renewBeforePercentage, expected) => {
  const renewBefore = before === null ? null : before * 86_400
  expect(renewBeforeSeconds(validity * 86_400, { renewBefore, renewBeforePercentage })).toBe(expected * 86_400)
})

test('durations are read as Go prints them', () => {
  expect(['2160h0m0s', '1h30m', '90s', '0.5s', '', '30d', '-5m', 'h'].map(goSeconds)).toEqual([
    ...[7_776_000, 5_400, 90, 0.5, undefined, undefined, undefined, undefined],
  ])
})

test('the validity shrinks on its day, and with it the time between renewals', () => {
  const made = forecast([certificate()], NOW, 400)
  expect(days(made)).toEqual([
    ...['2026-12-01', '2027-01-30', '2027-03-31', '2027-05-13', '2027-06-24', '2027-08-06', '2027-09-18', '2027-10-30'],
    '2027-12-12',
  ])
  expect(made.changes).toEqual([
    {
      ...{ at: '2027-02-10T00:00:00Z', environment: 'production', profile: 'classic', certificates: 1 },
      ...{ fromSeconds: 90 * 86_400, toSeconds: 64 * 86_400 },
    },
  ])
  expect(made.findings).toEqual([])
  expect(made.buckets.map(({ limit, subject, level, lowest }) => [limit, subject, level, lowest])).toEqual([
    ['names', 'shop.example.com', 5, 4],
    ['domain', 'example.com', 50, 49],
    ['orders', 'le on edge-1', 300, 299],
  ])
})

test('the seventh namespace with the same names is refused; the calendar says when it is issued', () => {
  const same = Array.from({ length: 7 }, (_, i) => certificate({ namespace: `n${i}`, notAfter: null }))
  const made = forecast(same, NOW, 10)
  expect(made.renewals.map(({ namespace, at }) => `${namespace} ${at}`).slice(4)).toEqual([
    'n4 2026-12-01T12:00:00Z',
    'n5 2026-12-04T03:00:00Z',
    'n6 2026-12-05T11:00:00Z',
  ])
  expect(findings(made)).toEqual([
    '2026-12-01 refused 1: n5/tls on edge-1 is refused: the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h); issued 2026-12-04 03:00 UTC | give each certificate its own set of names, use one of them for all consumers of a namespace, or renew some of them earlier',
    '2026-12-01 refused 1: n6/tls on edge-1 is refused: the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h); issued 2026-12-05 11:00 UTC | give each certificate its own set of names, use one of them for all consumers of a namespace, or renew some of them earlier',
  ])
})

test('a renewal that a limit delays past the end of the certificate is a certificate that expires', () => {
  const spent = Array.from({ length: 5 }, () => ({ at: NOW - HOUR, is: 'issued' as const }))
  const order = { environment: 'production' as const, account: 'other', names: ['shop.example.com'] }
  const history = spent.map((one) => ({ ...one, order }))
  const made = forecast([certificate({ notAfter: NOW + 6 * HOUR, history })], NOW, 10)
  expect(made.findings).toMatchObject([{ kind: 'expires', at: '2026-12-01T18:00:00Z', occurrences: 1 }])
  expect(made.findings[0]?.what).toContain('expires before it is renewed: the limit of certificates for exactly')
})

test('a renewBefore that is safe today empties the bucket after the validity shrinks', () => {
  const made = forecast([certificate({ renewBefore: 1_530 * 3_600, notAfter: NOW + 75 * DAY })], NOW, 400)
  const [first] = made.findings
  expect(first).toMatchObject({ kind: 'refused', hint: expect.stringContaining('leaves 6 h of 64 d between renewals') })
  expect(first?.at.slice(0, 7)).toBe('2027-03')
  expect(first?.occurrences).toBeGreaterThan(100)
})

test('settings that cert-manager ignores, renewals that are disabled or too frequent', () => {
  const made = forecast(
    [
      certificate({ name: 'short', profile: 'shortlived', validity: 160 * 3_600, renewBefore: 720 * 3_600 }),
      certificate({ name: 'disabled', isRenewed: false }),
      certificate({ name: 'often', environment: null, profile: null, validity: 3_600 }),
    ],
    NOW,
    400,
  )
  expect(findings(made)).toEqual([
    '2026-12-31 expires 1: shop/disabled on edge-1 expires: its renewal is disabled (spec.renewal.policy) | renew it before that day: k3s-platform certs renew -n shop disabled -l edge-1',
    expect.stringMatching(
      /^2027-0\d-\d\d too-frequent 1: shop\/often on edge-1 is renewed every 40 m: the forecast ends here after 2000 /,
    ),
    expect.stringMatching(
      /^2026-12-01 ignored-setting \d+: shop\/short on edge-1 has renewBefore 720h0m0s, but is valid for 6 d: /,
    ),
  ])
})

test('another authority has no limits that are known, and keeps the validity that it gave', () => {
  const made = forecast([certificate({ environment: null, validity: 30 * 86_400 })], NOW, 60)
  expect(made.renewals.map(({ validitySeconds, limited }) => [validitySeconds / 86_400, limited])).toEqual(
    Array(3).fill([30, false]),
  )
  expect([made.buckets, made.changes]).toEqual([[], []])
})

const issuer = (spec: object) => ({ kind: 'ClusterIssuer', metadata: { name: 'le' }, spec })
const PRODUCTION = 'https://acme-v02.api.letsencrypt.org/directory'
const live = (spec: object = {}, status: object = {}) => ({
  kind: 'Certificate',
  metadata: { namespace: 'shop', name: 'tls' },
  spec: {
    secretName: 'tls',
    dnsNames: ['shop.example.com'],
    issuerRef: { kind: 'ClusterIssuer', name: 'le' },
    ...spec,
  },
  status,
})
const ISSUED = { notBefore: '2026-11-01T00:00:00Z', notAfter: '2027-01-29T23:59:59Z' }

test.each([
  ['the profile of the issuer', { acme: { server: PRODUCTION, profile: 'tlsserver' } }, {}, {}, 'tlsserver', 45],
  ['the default profile', { acme: { server: PRODUCTION } }, {}, {}, 'classic', 90],
  ['the certificate in use', { acme: { server: PRODUCTION } }, {}, ISSUED, 'classic', 90],
  ['the duration, with a CA', { ca: {} }, { duration: '240h0m0s' }, {}, null, 10],
  ["cert-manager's default", { ca: {} }, {}, {}, null, 90],
  ['not less than an hour', { ca: {} }, { duration: '1s' }, {}, null, 1 / 24],
])('the validity comes from %s', (_, acme, spec, status, profile, valid) => {
  const [one] = issuedBy('edge-1', [issuer(acme), live(spec, status)])
  expect([one?.profile, (one?.validity ?? 0) / 86_400]).toEqual([profile, valid])
})

test('what was ordered counts once: the certificate in use by its Order, or by its own time', () => {
  const owner = (kind: string, name: string) => ({ ownerReferences: [{ kind, name }] })
  const annotations = { 'cert-manager.io/certificate-revision': '2' }
  const request = {
    kind: 'CertificateRequest',
    metadata: { namespace: 'shop', name: 'tls-2', annotations, ...owner('Certificate', 'tls') },
    status: { conditions: [{ type: 'Ready', status: 'True', lastTransitionTime: '2026-11-01T01:00:30Z' }] },
  }
  const order = (state: string) => ({
    kind: 'Order',
    metadata: {
      namespace: 'shop',
      name: 'o',
      creationTimestamp: '2026-11-01T01:00:00Z',
      ...owner('CertificateRequest', 'tls-2'),
    },
    spec: { dnsNames: ['shop.example.com'] },
    status: { state },
  })
  const certificate = live({}, { ...ISSUED, revision: 2 })
  const history = (...objects: unknown[]) =>
    issuedBy('edge-1', [issuer({ acme: { server: PRODUCTION } }), certificate, ...objects])[0]?.history.map(
      ({ at, is }) => `${is} ${new Date(at).toISOString().slice(0, 19)}`,
    )
  expect(history()).toEqual(['issued 2026-11-01T01:00:00'])
  expect(history(request, order('valid'))).toEqual(['issued 2026-11-01T01:00:30'])
  expect(history(request, order('invalid'))).toEqual(['failed 2026-11-01T01:00:30', 'issued 2026-11-01T01:00:00'])
})

test('renewals by ARI are exempt, but not with the two releases that spend the limit all the same', () => {
  const controller = (image: string, arg: string) => ({
    kind: 'Deployment',
    spec: { template: { spec: { containers: [{ image, args: ['--v=2', arg] }] } } },
  })
  const ari = (image: string, arg: string) =>
    issuedBy('edge-1', [issuer({ acme: { server: PRODUCTION } }), live({}, ISSUED), controller(image, arg)])[0]?.ari
  const gate = '--feature-gates=Other=false,ACMEUseARI=true'
  expect(ari('quay.io/jetstack/cert-manager-controller:v1.21.2', gate)).toBe(true)
  expect(ari('quay.io/jetstack/cert-manager-controller:v1.21.1', gate)).toBe(false)
  expect(ari('quay.io/jetstack/cert-manager-controller:v1.21.2', '--feature-gates=ACMEUseARI=false')).toBe(false)
})

test('odd objects are not in the forecast, and odd times do no harm', () => {
  const odd = [null, 7, {}, { kind: 'Certificate' }, { kind: 'Order', metadata: {} }, { kind: 'Deployment', spec: 1 }]
  const status = { notBefore: '9999-01-01T00:00:00Z', notAfter: '0001-01-01T00:00:00Z', renewalTime: 'soon' }
  const weird = live({ duration: '99999999999h0m0s', renewBefore: '99999999999h0m0s' }, status)
  const made = forecast(issuedBy('edge-1', [...odd, issuer({ acme: { server: 'x' } }), weird]), NOW, 400)
  expect(made.certificates).toBe(1)
  expect(made.renewals.length).toBeLessThanOrEqual(2_000)
})

test('a cluster cannot make a forecast without end: it stops after so many renewals, and says so', () => {
  const hourly = Array.from({ length: 75 }, (_, i) =>
    certificate({ name: `c${i}`, environment: null, profile: null, validity: 3_600 }),
  )
  const made = forecast(hourly, NOW, 400)
  expect(made.renewals.length).toBe(100_000)
  expect([made.isComplete, made.days]).toEqual([false, 67])
  expect(forecast(hourly.slice(0, 1), NOW, 30)).toMatchObject({ isComplete: true, days: 30 })
})
