import { expect, test } from 'vitest'
import { upgradeProblem } from '../../roles/k3s_platform_bootstrap/upgrade.ts'

test.each([
  ['a node without k3s', null, 'v1.36.5+k3s1', undefined],
  ['the same release', 'v1.36.5+k3s1', 'v1.36.5+k3s1', undefined],
  ['a newer patch', 'v1.36.3+k3s1', 'v1.36.5+k3s1', undefined],
  ['a newer k3s of the same Kubernetes', 'v1.36.5+k3s1', 'v1.36.5+k3s2', undefined],
  ['the next minor', 'v1.36.5+k3s1', 'v1.37.0+k3s1', undefined],
  ['from a release candidate to its release', 'v1.36.5-rc1+k3s1', 'v1.36.5+k3s1', undefined],
  ['what calls itself something else', 'v1.36.5-dirty', 'v1.36.5+k3s1', undefined],
  ['an older patch', 'v1.36.5+k3s1', 'v1.36.4+k3s1', 'v1.36.4+k3s1 is older than the installed v1.36.5+k3s1'],
  ['an older k3s', 'v1.36.5+k3s2', 'v1.36.5+k3s1', 'v1.36.5+k3s1 is older than the installed v1.36.5+k3s2'],
  ['an older minor', 'v1.37.0+k3s1', 'v1.36.9+k3s1', 'v1.36.9+k3s1 is older than the installed v1.37.0+k3s1'],
  [
    'two minors on',
    'v1.35.5+k3s1',
    'v1.37.0+k3s1',
    'v1.37.0+k3s1 is 2 minor releases newer than the installed v1.35.5+k3s1',
  ],
])('%s: %s -> %s', (_, from, to, what) => {
  expect(upgradeProblem(from, to)?.what).toBe(what)
})
