// All roles, in the order in which they are done.

import { bootstrap } from './k3s_platform_bootstrap/role.ts'

export const allRoles = [bootstrap] as const
