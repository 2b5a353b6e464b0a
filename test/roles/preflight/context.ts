// What the bootstrap role is told of a run in these tests.

import type { Met, RoleContext } from '../../../roles/role.ts'

export function context(host = 'edge-1', others: readonly Met[] = []): Omit<RoleContext, 'workstation'> {
  return { host, address: '203.0.113.7', boundSeconds: undefined, meet: () => others }
}
