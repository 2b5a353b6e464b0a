// A forecast as people see it: on one screen, and as a page whose texts come from clusters.

import { expect, test } from 'vitest'
import { type ForecastCertificate, forecast } from '../../src/certificates/forecast.ts'
import { forecastHtml } from '../../src/certificates/forecast-html.ts'
import { forecastText } from '../../src/certificates/forecast-text.ts'

const NOW = Date.parse('2026-12-01T12:00:00Z')
const DAY = 86_400_000

const certificate = (more: Partial<ForecastCertificate> = {}): ForecastCertificate => ({
  ...{ host: 'edge-1', namespace: 'shop', name: 'tls', names: ['shop.example.com'], issuer: 'ClusterIssuer le' },
  ...{ environment: 'production', profile: 'classic', account: 'le on edge-1', ari: false, validity: 90 * 86_400 },
  ...{ renewBefore: null, renewBeforePercentage: null, isRenewed: true },
  ...{ notAfter: NOW + 40 * DAY, renewalTime: null, nextAttempt: null, isOrdering: false, history: [] },
  ...more,
})
const same = Array.from({ length: 6 }, (_, i) => certificate({ namespace: `team-${i + 1}` }))

test('the most important is first, on one screen', () => {
  const text = forecastText(
    forecast([...same, certificate({ name: 'off', names: ['off.example.com'], isRenewed: false })], NOW, 400),
  )
  expect(text).toMatchInlineSnapshot(`
    "From 2026-12-01 to 2028-01-05 (400 days): 7 certificates, 54 renewals, 2 problems

    PROBLEMS
      2027-01-10  shop/off on edge-1 expires: its renewal is disabled (spec.renewal.policy)
                  renew it before that day: k3s-platform certs renew -n shop off -l edge-1
      2026-12-11  team-6/tls on edge-1 is refused: the limit of certificates for exactly shop.example.com is reached (5, one more every 34 h); issued 2026-12-14 03:00 UTC
                  give each certificate its own set of names, use one of them for all consumers of a namespace, or renew some of them earlier

    CHANGES
      2027-02-10  Let's Encrypt production issues for 64 d instead of 90 d with the profile classic: 7 certificates

    NEXT RENEWALS
      2026-12-11  team-1/tls on edge-1  valid for 90 d (first)
      2026-12-11  team-2/tls on edge-1  valid for 90 d
      2026-12-11  team-3/tls on edge-1  valid for 90 d
      ... and 51 more (-o json, -o html)

    LET'S ENCRYPT'S LIMITS (left now, and at the lowest)
      5 of 5    0 on 2026-12-11   certificates for exactly shop.example.com
      50 of 50  49 on 2026-12-11  new certificates below example.com
      ... and 2 more (-o json, -o html)

    Counted from what these clusters remember: certificates that others order for the same names are not known here.
    "
  `)
  expect(text.split('\n').length).toBeLessThan(30)
})

test('without certificates there is not much to show', () => {
  expect(forecastText(forecast([], NOW, 1))).toBe(
    'From 2026-12-01 to 2026-12-02 (1 day): 0 certificates, 0 renewals, no problems\n',
  )
  expect(forecastHtml(forecast([], NOW, 1))).toContain('There are none.')
})

const VOID = ['meta', 'br']

/** The elements of a page with their attributes; throws for what is not nested well. Text and attributes stay as they are written. */
function elements(html: string): { name: string; attributes: string; text: string }[] {
  const open: string[] = []
  const found: { name: string; attributes: string; text: string }[] = []
  for (const [, end, name = '', attributes = '', self, text = ''] of html.matchAll(
    /<(\/?)([a-z][a-z0-9]*)((?:\s+[A-Za-z:-]+="[^"<>]*")*)\s*(\/?)>([^<]*)/g,
  )) {
    if (end === '/') expect(open.pop(), text.slice(0, 80)).toBe(name)
    else {
      found.push({ name, attributes, text })
      if (self !== '/' && !VOID.includes(name)) open.push(name)
    }
  }
  expect(open).toEqual([])
  // Nothing else is a tag.
  expect(html.match(/</g)?.length).toBe(
    html.match(/<\/?[a-z][a-z0-9]*(?:\s+[A-Za-z:-]+="[^"<>]*")*\s*\/?>|<!doctype html>/g)?.length,
  )
  return found
}

test('a page needs nothing else, and has a drawing for each month', () => {
  const html = forecastHtml(forecast(same, NOW, 400))
  const all = elements(html)
  const names = new Set(all.map(({ name }) => name))
  for (const name of ['script', 'link', 'img', 'iframe', 'object', 'base', 'form']) expect(names).not.toContain(name)
  expect(html).not.toMatch(/https?:|url\(|@import|\son\w+=|javascript:/)
  expect(html).toContain(`content="default-src 'none'; style-src 'unsafe-inline'"`)
  expect(html).toContain('@media (prefers-color-scheme: dark)')
  expect(html).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">')
  const months = all.filter(({ name, attributes }) => name === 'svg' && attributes.includes('renewal'))
  expect(months.length).toBe(14)
  expect(months[0]?.attributes).toContain('aria-label="December 2026: 6 renewals, problems on 1 day"')
  // December 2026 has 31 days and begins on a Tuesday; the renewals are on the 11th.
  const first = html.slice(html.indexOf('December 2026'), html.indexOf('January 2027'))
  expect(first.match(/<rect[^>]* class="day heat\d"/g)?.length).toBe(31)
  expect(first).toContain(
    '<rect x="21" y="1" width="18" height="18" class="day heat0"/><text x="30" y="14" class="on0">1<',
  )
  expect(first).toMatch(
    /2026-12-11: 5 renewals\nproblems on this day\nteam-1\/tls on edge-1\n[^<]*<\/title><rect[^>]*heat3"\/><rect[^>]*class="problem"/,
  )
  expect(html).toMatch(/<rect[^>]*class="change"\/><text[^>]*>10</)
})

test('what a cluster calls things is text', () => {
  const hostile = `</title></svg><script>alert(1)</script>"' onload=x {{7}} &amp; ${'<'.repeat(3)}`
  const one = { name: hostile, namespace: hostile, host: hostile, names: [hostile], account: hostile, issuer: hostile }
  const made = forecast([certificate({ ...one, isRenewed: false }), certificate({ ...one, notAfter: null })], NOW, 60)
  const html = forecastHtml(made)
  expect(new Set(elements(html).map(({ name }) => name))).toEqual(
    new Set(
      elements(
        forecastHtml(forecast([certificate({ isRenewed: false }), certificate({ notAfter: null })], NOW, 60)),
      ).map(({ name }) => name),
    ),
  )
  expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#x27; onload&#x3D;x {{7}} &amp;amp; &lt;&lt;&lt;')
})

test('many certificates make a page of bounded size, and names of a day are cut', () => {
  const many = Array.from({ length: 500 }, (_, i) =>
    certificate({ name: `c${i}`, names: [`c${i}.example${i % 50}.com`] }),
  )
  const html = forecastHtml(forecast(many, NOW, 400))
  expect(html).toContain('and 488 more')
  expect(html.length).toBeLessThan(3_000_000)
})
