// Why this workstation could not fetch a file or a chart.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

/**
 * Error codes and messages of Node.js. Hints are for charts: `{chart_ca}` is what the inventory calls the CA of theirs, and where there is
 * no hint, the address is to be checked.
 */
export const DOWNLOAD: readonly Row[] = [
  SHARED.refused,
  SHARED.resolver,
  SHARED.unresolved,
  SHARED.unroutable,
  SHARED.names,
  SHARED.expired,
  { ...SHARED.untrusted, hint: 'set {chart_ca} to the CA that signed it (PEM)' },
  {
    ...SHARED.plaintext,
    name: 'plaintext-registry',
    when: { scheme: 'oci:' },
    hint: 'if the registry has no TLS, set {chart_plain_http}: true',
    example: 'write EPROTO 4057E0C0:error:0A00010B:SSL routines:ssl3_get_record:wrong version number',
  },
  SHARED.plaintext,
  SHARED.handshake,
  SHARED.timeout,
  SHARED.closed,
]
