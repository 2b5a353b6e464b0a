// Checks a node before anything on it is changed. Each finding has its cause and its fix.

import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { Facts } from '../../src/host/facts.ts'
import type { RoleContext } from '../role.ts'
import type { Check } from './checks/check.ts'
import { machineChecks } from './checks/machine.ts'
import { networkChecks, nodeName } from './checks/network.ts'
import { otherChecks, twins } from './checks/others.ts'
import type { BootstrapVars } from './vars.ts'

const checks: readonly Check[] = [...machineChecks, ...networkChecks, ...otherChecks]

/** Those of one host, and that it has no twin in this run. */
export const checkCount = checks.length + 1

export function preflight(
  vars: BootstrapVars,
  { facts }: Look<Facts>,
  { host, meet }: Pick<RoleContext, 'host' | 'meet'>,
): Problem[] {
  const findings = checks.flatMap((check) => check(facts, vars) || [])
  const self = { facts, nodeName: nodeName(facts, vars) }
  const met = meet?.({ host, machineId: facts.machineId, nodeName: self.nodeName }) ?? []
  return [
    ...findings.map((finding) => ({ where: host, ...finding })),
    ...twins(self, met).map(({ other, ...finding }) => ({ where: `${other}, ${host}`, ...finding })),
  ]
}
