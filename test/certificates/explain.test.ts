// Each case of cases/*.yaml: how far it is, which rule speaks, and the words, as people read them.

import { expect, test } from 'vitest'
import { details } from '../../src/certificates/details.ts'
import { explain, readiness } from '../../src/certificates/explain.ts'
import { RULES } from '../../src/certificates/rules.ts'
import { storyText } from '../../src/certificates/story-text.ts'
import { certsDocument } from '../../src/report/certs-documents.ts'
import { cases } from './cases.ts'

test.each(cases.map((one) => [one.what, one] as const))('%s', (_, { bundle, is, rule }) => {
  const state = readiness(bundle)
  const story = explain(bundle)
  expect({ is: state.is, rule: story.because?.rule ?? null }).toEqual({ is, rule })
  const words = Object.entries(state).map(([key, value]) => `${key.padEnd(10)}${value}\n`)
  expect(`\n${words.join('')}\n${storyText(story)}`).toMatchSnapshot()
})

test('every rule has a case', () => {
  const seen = new Set(cases.map(({ rule }) => rule))
  expect(RULES.map(({ name }) => name).filter((name) => !seen.has(name))).toEqual([])
})

const published = certsDocument.shape.certificates.def.innerType.def.element.def.innerType.shape.details

test.each(cases.map((one) => [one.what, one] as const))('programs get the objects of: %s', (_, { bundle }) => {
  const told: unknown = JSON.parse(JSON.stringify(details(bundle)))
  expect(published.safeParse(told).error).toBeUndefined()
})

test('programs get every field of a challenge that is presented, and how its solver hangs together', () => {
  const found = cases.find(({ what }) => what === 'its challenge is presented and not yet checked')
  expect(found && details(found.bundle)).toMatchSnapshot()
})

test('no words have a token, a key authorization or a private key in them', () => {
  const all = cases.map(({ bundle }) => JSON.stringify([readiness(bundle), explain(bundle)])).join('\n')
  expect(all).not.toMatch(/Zk3vQ8m1pXw7rT5yLh2sNc9dBf4gJ6aE0uIoKqRtVnM|PRIVATE KEY/)
  const objects = JSON.stringify(cases.map(({ bundle }) => [bundle, details(bundle)]))
  expect(objects).not.toMatch(/PRIVATE KEY|UFJJVkFURSBLRV/)
})
