// The names of the stages that the roles have for hosts: what --tags may name, without checking an inventory.

import type { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import type { Role, Workstation } from '../../roles/role.ts'
import { bindVars, type Host } from '../inventory/index.ts'

/** Further hosts hardly have stages of their own. */
const MOST_HOSTS = 20

export function stageNamesOf(hosts: readonly Host[]): Set<string> {
  const all = [undefined, ...hosts.slice(0, MOST_HOSTS)]
  return new Set(all.flatMap((host) => eachRole((role) => [role.name, ...stageNames(role, host)]).flat()))
}

/** The stages of a role for a host, or for one of which nothing is known. None where its variables are wrong. */
function stageNames<V extends z.ZodObject>(role: Role<V>, host: Host | undefined): string[] {
  const vars = host === undefined ? role.vars.safeParse({}).data : bindVars(host, role.vars).sound
  const name = host?.name ?? 'host'
  const context = { host: name, address: name, boundSeconds: undefined, workstation: NOTHING }
  try {
    return vars === undefined ? [] : role.stages(vars, context).map((stage) => stage.name)
  } catch {
    return []
  }
}

/** Names of stages do not depend on files, and nothing is written for them. */
const NOTHING: Workstation = {
  kubeconfigs: [],
  read: () => null,
  write: () => Promise.resolve(),
  edit: () => Promise.resolve(),
  create: () => Promise.resolve(false),
  remove: () => Promise.resolve(),
}
