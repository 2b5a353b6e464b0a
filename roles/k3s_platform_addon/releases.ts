// All releases of an inventory: the built-in addons that are on, and the custom charts.

import { enabled } from './addon.ts'
import { certManager } from './addons/cert_manager.ts'
import { externalSecrets } from './addons/external_secrets.ts'
import { addons } from './addons/index.ts'
import { type CustomReleases, customReleases } from './custom-charts.ts'
import type { Release, ReleaseContext } from './release.ts'
import type { AddonVars } from './vars.ts'

/** What the rest of the role stands on: others need what they bring. */
const first = [certManager, externalSecrets]
const others = addons.filter((addon) => !first.includes(addon))

export interface Releases {
  readonly first: readonly Release[]
  readonly others: readonly Release[]
  readonly custom: CustomReleases
}

export function groupedReleases(v: AddonVars, context: ReleaseContext): Releases {
  return { first: enabled(first, v, context), others: enabled(others, v, context), custom: customReleases(v, context) }
}

export function releasesOf(v: AddonVars, context: ReleaseContext): Release[] {
  const { custom } = groupedReleases(v, context)
  return [...enabled(addons, v, context), ...custom.early.flat(), ...custom.late.flat()]
}
