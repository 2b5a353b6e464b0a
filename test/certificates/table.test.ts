// The table of `certs list` as people see it.

import { expect, test } from 'vitest'
import { type Listed, tableText } from '../../src/certificates/table.ts'

const issued: Listed = {
  host: 'edge-1',
  namespace: 'platform',
  name: 'postgresql-tls',
  status: 'issued',
  issuer: 'svc-plus-acme-http01',
  names: ['postgresql-prod.svc.plus'],
  secretName: 'postgresql-tls',
  expires: 'in 61 d',
  renews: 'in 31 d',
  owner: 'Flux (platform-root)',
}
const { expires: _, renews: __, ...fresh } = issued
const pending: Listed = { ...fresh, namespace: 'database', status: 'pending', owner: null }
const failed: Listed = {
  ...pending,
  host: 'edge-2',
  name: 'wildcard',
  status: 'failed',
  names: ['*.svc.plus', 'svc.plus'],
}
const WHY = 'k3s-platform certs explain -n database postgresql-tls'

test('of one host it has no column for the host, and ends with the command that explains', () => {
  expect(tableText([issued, pending], false, WHY)).toMatchInlineSnapshot(`
    "NAMESPACE  NAME            STATUS   ISSUER                NAMES                     EXPIRES  RENEWS   OWNER
    platform   postgresql-tls  issued   svc-plus-acme-http01  postgresql-prod.svc.plus  in 61 d  in 31 d  Flux
    database   postgresql-tls  pending  svc-plus-acme-http01  postgresql-prod.svc.plus  -        -        -
    1 issued, 1 pending. Why: k3s-platform certs explain -n database postgresql-tls
    "
  `)
})

test('of several hosts it begins with the host', () => {
  expect(tableText([issued, pending, failed], true, 'k3s-platform certs explain')).toMatchInlineSnapshot(`
    "HOST    NAMESPACE  NAME            STATUS   ISSUER                NAMES                     EXPIRES  RENEWS   OWNER
    edge-1  platform   postgresql-tls  issued   svc-plus-acme-http01  postgresql-prod.svc.plus  in 61 d  in 31 d  Flux
    edge-1  database   postgresql-tls  pending  svc-plus-acme-http01  postgresql-prod.svc.plus  -        -        -
    edge-2  database   wildcard        failed   svc-plus-acme-http01  *.svc.plus,svc.plus       -        -        -
    1 issued, 1 pending, 1 failed. Why: k3s-platform certs explain
    "
  `)
})

test('without anything that is not issued there is nothing to explain', () => {
  expect(tableText([issued], false, WHY).split('\n').at(-2)).toBe('1 issued.')
  expect(tableText([], false, WHY)).toBe('no certificates\n')
})
