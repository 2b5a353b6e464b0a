// The programs of the testbed share their compiled packages: what more than one of them uses has one version in all.

import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

const text = (path: string) => readFileSync(new URL(`../testbed/${path}`, import.meta.url), 'utf8')
const MODULES = text('modules').trim().split('\n')

test.each(['k3s-standin', 'cert-manager', 'caddy'])('%s has the versions that the testbed shares', (part) => {
  const required = [...text(`${part}/go.mod`).matchAll(/^\t(?:require )?(\S+ v\S+)/gm)].map((match) => match[1] ?? '')
  const names = new Set(required.map((one) => one.split(' ')[0]))
  const shared = MODULES.filter((one) => names.has(one.split(' ')[0]))
  expect(shared.length).toBeGreaterThan(50)
  expect(shared.filter((one) => !required.includes(one))).toEqual([])
})

test.each(['coredns', 'external-dns', 'external-secrets'])('%s takes the versions that the testbed shares', (part) => {
  expect(text(`${part}/build`)).toContain('$here/../modules')
})
