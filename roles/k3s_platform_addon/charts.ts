// Lists the charts of an inventory for the workstation's checks, with the position of each of their values.

import type { Lockable } from '../../src/supply/resolve.ts'
import type { ChartCheck, Finding } from '../role.ts'
import { plainCharts } from '../rules/plain-http.ts'
import type { ReleaseContext } from './release.ts'
import { releasesOf } from './releases.ts'
import type { AddonVars } from './vars.ts'

/** Of every release that is wanted. */
export function chartChecks(v: AddonVars, context: ReleaseContext): ChartCheck[] {
  return releasesOf(v, context).map(
    ({ name, release, namespace, source, values, given, secrets, place, sourcePlaces }) => ({
      ...{ name, release, namespace, source, values, given, secrets, sourcePlaces },
      place: (path) => place(path.map(String)),
    }),
  )
}

/** Once for a repository, however many charts come from it. */
export function chartFindings(v: AddonVars, context: ReleaseContext): Finding[] {
  if (context.supply === undefined) return []
  const remote = releasesOf(v, context).filter(({ source }) => source.file === undefined)
  const byUrl = new Map(remote.toReversed().map((one) => [one.source.url, one]))
  return [...byUrl.values()].reverse().flatMap(({ urlPlace, source }) => plainCharts(urlPlace, source))
}

/** A chart that is a file of the workstation is what it is: its digest is no business of the lock file. */
export function chartLocks(v: AddonVars): Lockable[] {
  return chartChecks(v, { host: '', address: '', boundSeconds: undefined }).flatMap(({ source }) =>
    source.file === undefined ? [{ entry: ['charts', source.name, source.version], chart: source }] : [],
  )
}
