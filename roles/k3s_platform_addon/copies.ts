// Refuses values, templates and issuers that would copy a Secret between namespaces.

import { copiesIn } from '../../src/cluster/copies.ts'
import type { Finding } from '../role.ts'
import type { AddonVars } from './vars.ts'

const HINT = 'define a Certificate or a secret for each namespace; see docs/certificates.md#no-copies'

/** Everything of the inventory that ends in an object of the cluster. */
export function copyFindings(v: AddonVars): Finding[] {
  const { k3s_platform_values, k3s_platform_certificates, k3s_platform_external_secrets, k3s_platform_issuers } = v
  const { k3s_platform_charts } = v
  const places = {
    k3s_platform_values,
    k3s_platform_certificates,
    k3s_platform_external_secrets,
    k3s_platform_issuers,
    k3s_platform_charts,
  }
  const values = Object.entries(v).filter(([name]) => /^k3s_platform_\w+_values$/.test(name))
  return [...Object.entries(places), ...values].flatMap(([name, value]) =>
    copiesIn(value, [name]).map(({ path, what }) => ({ path, what, hint: HINT })),
  )
}
