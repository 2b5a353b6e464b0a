// Warns about downloads over plain http without a pinned digest: an attacker on the network path could replace them.

import type { ChartSource } from '../../src/supply/chart-source.ts'
import type { Supply } from '../../src/supply/supply.ts'
import type { Finding } from '../role.ts'

/** A mirror whose digests come the same way as what they are of. `variable` says where it is. Where digests have to be locked, nothing is said. */
export function plainMirror(variable: string, url: string, { strict }: Pick<Supply, 'strict'>): Finding[] {
  if (strict || !/^http:/i.test(url)) return []
  const what = `${url} serves releases and their digests over plain http: an attacker on the network path could replace both`
  return [warning(variable, what, 'use https, or pin the digests: k3s-platform lock')]
}

/** A chart repository. The node fetches charts by their version: a digest in the lock file protects only what the workstation looks at. */
export function plainCharts(
  path: Finding['path'],
  { url, plainHttp, settings }: Pick<ChartSource, 'url' | 'plainHttp' | 'settings'>,
): Finding[] {
  if (!/^http:/i.test(url) && !(plainHttp && /^oci:/i.test(url))) return []
  const what = `${url} serves charts over plain http: an attacker on the network path could replace them`
  return [{ path, what, hint: `use https, or set the chart as a file: ${settings.file}`, warning: true }]
}

function warning(variable: string, what: string, hint: string): Finding {
  return { path: [variable], what, hint, warning: true }
}
