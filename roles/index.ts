// All roles, in the order in which they run.

import type { z } from 'zod'
import { addon } from './k3s_platform_addon/role.ts'
import { bootstrap } from './k3s_platform_bootstrap/role.ts'
import type { Role } from './role.ts'

/** What `of` makes of each role: their variables differ, so that a list of them has no common type. */
export function eachRole<T>(of: <V extends z.ZodObject>(role: Role<V>) => T): T[] {
  return [of(bootstrap), of(addon)]
}
