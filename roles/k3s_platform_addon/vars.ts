// The role's variables: each with its shape, its default and one sentence.

import { z } from 'zod'
import { treeVars } from '../handoff/vars.ts'
import { addonVars } from './vars/addons.ts'
import { certificateVars } from './vars/certificates.ts'
import { chartVars } from './vars/charts.ts'
import { issuerVars } from './vars/issuers.ts'
import { monitoringVars } from './vars/monitoring.ts'
import { secretVars } from './vars/secrets.ts'
import { vaultVars } from './vars/vault.ts'

export const vars = z.object({
  ...addonVars,
  ...secretVars,
  ...vaultVars,
  ...issuerVars,
  ...certificateVars,
  ...chartVars,
  ...monitoringVars,
  ...treeVars,
})

export type AddonVars = z.output<typeof vars>
