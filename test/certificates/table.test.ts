// The table of `certs list` as people see it.

import { expect, test } from 'vitest'
import { type Listed, tableText } from '../../src/certificates/table.ts'

const issued: Listed = {
  host: 'edge-1',
  namespace: 'platform',
  name: 'postgresql-tls',
  state: 'Ready',
  status: 'issued',
  issuer: 'svc-plus-acme-http01',
  issuerKind: 'ClusterIssuer',
  names: ['postgresql-prod.svc.plus'],
  secretName: 'postgresql-tls',
  consumers: ['Deployment/web', 'Ingress/shop'],
  age: '29 d',
  expires: 'in 61 d',
  renews: 'in 31 d',
  owner: 'Flux (platform-root)',
}
const { expires: _, renews: __, ...fresh } = issued
const pending: Listed = {
  ...fresh,
  namespace: 'database',
  state: 'Issuing',
  status: 'pending',
  consumers: [],
  owner: null,
}
const failed: Listed = {
  ...pending,
  host: 'edge-2',
  name: 'wildcard',
  state: 'Error',
  status: 'failed',
  names: ['*.svc.plus', 'svc.plus'],
}
const WHY = 'k3s-platform certs explain -n database postgresql-tls'

test('of one host it has no column for the host, and ends with the command that explains', () => {
  expect(tableText([issued, pending], { hosts: false, wide: false }, WHY)).toMatchInlineSnapshot(`
    "NAMESPACE  NAME            STATE    ISSUER                NAMES                     AGE   EXPIRES  RENEWS   OWNER
    platform   postgresql-tls  Ready    svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  in 61 d  in 31 d  Flux
    database   postgresql-tls  Issuing  svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  -        -        -
    1 Ready, 1 Issuing. Why: k3s-platform certs explain -n database postgresql-tls
    "
  `)
})

test('of several hosts it begins with the host', () => {
  expect(
    tableText([issued, pending, failed], { hosts: true, wide: false }, 'k3s-platform certs explain'),
  ).toMatchInlineSnapshot(`
    "HOST    NAMESPACE  NAME            STATE    ISSUER                NAMES                     AGE   EXPIRES  RENEWS   OWNER
    edge-1  platform   postgresql-tls  Ready    svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  in 61 d  in 31 d  Flux
    edge-1  database   postgresql-tls  Issuing  svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  -        -        -
    edge-2  database   wildcard        Error    svc-plus-acme-http01  *.svc.plus,svc.plus       29 d  -        -        -
    1 Ready, 1 Issuing, 1 Error. Why: k3s-platform certs explain
    "
  `)
})

test('wide, it has what programs ask for, the Secret and its consumers', () => {
  expect(tableText([issued, pending], { hosts: false, wide: true }, WHY)).toMatchInlineSnapshot(`
    "NAMESPACE  NAME            STATE    STATUS   ISSUER                NAMES                     AGE   EXPIRES  RENEWS   OWNER  SECRET          CONSUMERS
    platform   postgresql-tls  Ready    issued   svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  in 61 d  in 31 d  Flux   postgresql-tls  Deployment/web,Ingress/shop
    database   postgresql-tls  Issuing  pending  svc-plus-acme-http01  postgresql-prod.svc.plus  29 d  -        -        -      postgresql-tls  -
    1 Ready, 1 Issuing. Why: k3s-platform certs explain -n database postgresql-tls
    "
  `)
})

test('a certificate in use whose renewal fails is not healthy', () => {
  const failing: Listed = { ...issued, state: 'RenewalFailing' }
  expect(tableText([failing], { hosts: false, wide: false }, WHY).split('\n').at(-2)).toBe(
    `1 RenewalFailing. Why: ${WHY}`,
  )
})

test('without anything that is not healthy there is nothing to explain', () => {
  const options = { hosts: false, wide: false }
  expect(tableText([issued], options, WHY).split('\n').at(-2)).toBe('1 Ready.')
  expect(tableText([], options, WHY)).toBe('no certificates\n')
})
