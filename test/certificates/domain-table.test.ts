// What people see of the domains that a deploy ensures, and when DNS counts as leading to a host.

import { expect, test } from 'vitest'
import { type DomainRow, domainText, leadsTo } from '../../src/certificates/domain-table.ts'

const row: DomainRow = {
  host: 'edge-1',
  domain: 'shop.example.com',
  tls_status: 'issued',
  dns_configured: true,
  expires: '2027-03-01T10:00:00Z',
  secret: 'tls-shop-shop-example-com',
}

test('a line for each domain, with a column for the host where there are several', () => {
  const pending: DomainRow = { ...row, tls_status: 'pending', dns_configured: null, expires: null }
  expect(domainText([row, { ...pending, dns_configured: false }])).toMatchInlineSnapshot(`
    "DOMAIN            STATUS   DNS  EXPIRES               SECRET
    shop.example.com  issued   yes  2027-03-01T10:00:00Z  tls-shop-shop-example-com
    shop.example.com  pending  no   -                     tls-shop-shop-example-com
    "
  `)
  expect(domainText([row, { ...pending, host: 'edge-2' }])).toMatchInlineSnapshot(`
    "HOST    DOMAIN            STATUS   DNS      EXPIRES               SECRET
    edge-1  shop.example.com  issued   yes      2027-03-01T10:00:00Z  tls-shop-shop-example-com
    edge-2  shop.example.com  pending  unknown  -                     tls-shop-shop-example-com
    "
  `)
})

test.each<[string, string[] | null, string[] | null, boolean | null]>([
  ['every address is one of the host', ['203.0.113.7'], ['203.0.113.7', '2001:db8::7'], true],
  ['one address leads elsewhere', ['203.0.113.7', '2001:db8::8'], ['203.0.113.7'], false],
  ['it has no address', [], ['203.0.113.7'], false],
  ['DNS did not answer for the domain', null, ['203.0.113.7'], null],
  ['DNS did not answer for the host', ['203.0.113.7'], null, null],
])('%s', (_, domain, host, is) => {
  expect(leadsTo(domain, host)).toBe(is)
})
