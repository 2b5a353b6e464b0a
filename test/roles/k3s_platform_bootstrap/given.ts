// What tests of the role start from: variables, a context, and facts of a host.

import { type BootstrapVars, vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import type { RoleContext } from '../../../roles/role.ts'
import { type Facts, readFacts } from '../../../src/host/facts.ts'

/** Names are given without `k3s_platform_`. */
export function varsOf(some: Readonly<Record<string, unknown>> = {}): BootstrapVars {
  const named = Object.fromEntries(Object.entries(some).map(([name, value]) => [`k3s_platform_${name}`, value]))
  return vars.parse(named)
}

export const context: RoleContext = {
  host: 'edge-1',
  address: '203.0.113.7',
  boundSeconds: undefined,
  workstation: {
    read: () => null,
    write: async () => undefined,
    kubeconfigs: [],
    edit: async () => undefined,
    create: () => Promise.resolve(true),
    remove: async () => undefined,
  },
}

/** Of an amd64 machine about which nothing else is known. */
export const facts: Facts = { ...readFacts({ text: '' }, 0, 0), arch: 'amd64' }
