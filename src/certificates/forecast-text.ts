// Shows a forecast on one screen, the most important first.

import { span } from '../engine/duration.ts'
import { alignColumns } from './align.ts'
import type { Forecast, ForecastBucket, ForecastChange, ForecastFinding } from './forecast.ts'
import { COUNTED } from './limits.ts'

/** Of each section; the rest is counted. */
const MOST = { findings: 3, changes: 2, renewals: 3, buckets: 2 }

const dayOf = (at: string) => at.slice(0, 10)
export const count = (n: number, one: string) => `${n} ${one}${n === 1 ? '' : 's'}`

export function forecastText(made: Forecast): string {
  const { from, until, days, isComplete, certificates, renewals, findings, changes, buckets } = made
  const totals = [
    count(certificates, 'certificate'),
    count(renewals.length, 'renewal'),
    findings.length === 0 ? 'no problems' : count(findings.length, 'problem'),
  ]
  const sections: readonly (readonly string[])[] = [
    [`From ${dayOf(from)} to ${dayOf(until)} (${count(days, 'day')}): ${totals.join(', ')}`],
    isComplete ? [] : [INCOMPLETE],
    section('PROBLEMS', findings, MOST.findings, (one) => [
      [dayOf(one.at), textOf(one)],
      ['', one.hint],
    ]),
    section('CHANGES', changes, MOST.changes, (one) => [[dayOf(one.at), changeText(one)]]),
    section('NEXT RENEWALS', renewals, MOST.renewals, ({ at, namespace, name, host, validitySeconds, kind }) => [
      [
        ...[dayOf(at), `${namespace}/${name} on ${host}`],
        `valid for ${span(validitySeconds)}${kind === 'first' ? ' (first)' : ''}`,
      ],
    ]),
    section("LET'S ENCRYPT'S LIMITS (left now, and at the lowest)", buckets, MOST.buckets, (one) => [
      [`${one.level} of ${one.burst}`, `${one.lowest} on ${dayOf(one.lowestAt)}`, subjectOf(one)],
    ]),
    certificates === 0 ? [] : [ASSUMPTION],
  ]
  return `${sections
    .filter((lines) => lines.length > 0)
    .map((lines) => lines.join('\n'))
    .join('\n\n')}\n`
}

export const INCOMPLETE = 'It ends here because it has too many renewals: select fewer hosts.'

/** What no cluster can know. */
export const ASSUMPTION =
  'Counted from what these clusters remember: certificates that others order for the same names are not known here.'

/** Each entry is one row of cells or several. */
function section<T>(
  head: string,
  all: readonly T[],
  most: number,
  rowsOf: (one: T) => readonly (readonly string[])[],
): string[] {
  if (all.length === 0) return []
  const left = all.length - most
  const lines = alignColumns(all.slice(0, most).flatMap(rowsOf)).map((line) => `  ${line}`)
  return [head, ...lines, ...(left > 0 ? [`  ... and ${left} more (-o json, -o html)`] : [])]
}

export const textOf = ({ what, occurrences }: ForecastFinding) =>
  occurrences === 1 ? what : `${what} (${occurrences} times)`

export const changeText = ({ profile, environment, fromSeconds, toSeconds, certificates }: ForecastChange) =>
  `Let's Encrypt ${environment} issues for ${span(toSeconds)} instead of ${span(fromSeconds)} with the profile ${profile}: ${count(certificates, 'certificate')}`

export const subjectOf = ({ limit, subject, environment }: ForecastBucket) =>
  `${COUNTED[limit]} ${subject}${environment === 'production' ? '' : ` (${environment})`}`
