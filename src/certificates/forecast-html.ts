// Draws a forecast as one HTML page that needs nothing else: calendars as SVG, readable without script.

import page from '../../templates/forecast.html.hbs'
import { span } from '../engine/duration.ts'
import type { Forecast, ForecastRenewal } from './forecast.ts'
import { ASSUMPTION, changeText, count, INCOMPLETE, subjectOf, textOf } from './forecast-text.ts'

/** Of a day's square in a month's drawing, in its own units. */
const CELL = 20
/** Names in a day's tooltip. */
const MOST_NAMES = 12
/** They are sorted: the others are fuller. */
const MOST_BUCKETS = 60
/** Of a month, in the list. */
const MOST_ENTRIES = 2_000
const MONTHS = 'January February March April May June July August September October November December'.split(' ')

/** Every text of it is escaped by the template. */
export function forecastHtml(made: Forecast): string {
  const { from, until, renewals, findings, changes, buckets, certificates } = made
  const byDay = new Map<string, ForecastRenewal[]>()
  for (const one of renewals) {
    const day = one.at.slice(0, 10)
    const own = byDay.get(day)
    if (own === undefined) byDay.set(day, [one])
    else own.push(one)
  }
  const marked = new Map([
    ...changes.map(({ at }) => [at.slice(0, 10), 'change'] as const),
    ...findings.map(({ at }) => [at.slice(0, 10), 'problem'] as const),
  ])
  const months = monthsBetween(from, until).map((month) => monthOf(month, byDay, marked))
  return page({
    title: `Certificates from ${from.slice(0, 10)} to ${until.slice(0, 10)}`,
    summary: `${count(certificates, 'certificate')}, ${count(renewals.length, 'renewal')}, ${findings.length === 0 ? 'no problems' : count(findings.length, 'problem')}`,
    incomplete: made.isComplete ? '' : INCOMPLETE,
    assumption: ASSUMPTION,
    findings: findings.map((one) => ({ day: one.at.slice(0, 10), what: textOf(one), hint: one.hint })),
    changes: changes.map((one) => ({ day: one.at.slice(0, 10), what: changeText(one) })),
    months,
    more: buckets.length > MOST_BUCKETS ? `and ${buckets.length - MOST_BUCKETS} that are less used` : '',
    buckets: buckets.slice(0, MOST_BUCKETS).map((one) => ({
      subject: subjectOf(one),
      ...{ level: one.level, lowest: one.lowest, burst: one.burst, day: one.lowestAt.slice(0, 10) },
      width: (100 * one.level) / one.burst,
      lowestWidth: (100 * one.lowest) / one.burst,
      empty: one.lowest === 0,
    })),
    lists: months.filter(({ entries }) => entries.length > 0),
  })
}

/** `2026-12`, each month that the time touches. */
function monthsBetween(from: string, until: string): string[] {
  const months: string[] = []
  const last = until.slice(0, 7)
  for (let at = new Date(`${from.slice(0, 7)}-01T00:00:00Z`); ; at = new Date(at.setUTCMonth(at.getUTCMonth() + 1))) {
    const month = at.toISOString().slice(0, 7)
    if (month > last) return months
    months.push(month)
  }
}

type Mark = 'change' | 'problem'

function monthOf(
  month: string,
  byDay: ReadonlyMap<string, readonly ForecastRenewal[]>,
  marked: ReadonlyMap<string, Mark>,
) {
  const [year = 0, number = 1] = month.split('-').map(Number)
  const days = new Date(Date.UTC(year, number, 0)).getUTCDate()
  // Weeks begin on Monday.
  const offset = (new Date(Date.UTC(year, number - 1, 1)).getUTCDay() + 6) % 7
  const cells = Array.from({ length: days }, (_, i) => {
    const day = `${month}-${String(i + 1).padStart(2, '0')}`
    const own = byDay.get(day) ?? []
    const [column, line] = [(offset + i) % 7, Math.floor((offset + i) / 7)]
    const mark = marked.get(day)
    return {
      day: i + 1,
      ...{ x: column * CELL + 1, y: line * CELL + 1, textX: column * CELL + CELL / 2, textY: line * CELL + 14 },
      heat: heatOf(own.length),
      problem: mark === 'problem',
      change: mark === 'change',
      title: dayTitle(day, own, mark),
    }
  })
  const entries = [...byDay].filter(([day]) => day.startsWith(month)).flatMap(([, own]) => own)
  const problems = [...marked].filter(([day, mark]) => mark === 'problem' && day.startsWith(month)).length
  const name = `${MONTHS[number - 1]} ${year}`
  return {
    name,
    label: `${name}: ${count(entries.length, 'renewal')}${problems > 0 ? `, problems on ${count(problems, 'day')}` : ''}`,
    ...{ width: 7 * CELL, height: Math.ceil((offset + days) / 7) * CELL },
    cells,
    total: count(entries.length, 'renewal'),
    rest: entries.length > MOST_ENTRIES ? `and ${entries.length - MOST_ENTRIES} more: -o json has all` : '',
    entries: entries.slice(0, MOST_ENTRIES).map(({ at, namespace, name, host, validitySeconds, notAfter, kind }) => ({
      time: `${at.slice(0, 10)} ${at.slice(11, 16)}`,
      what: `${namespace}/${name} on ${host}`,
      validity: `${kind === 'first' ? 'first certificate, ' : ''}valid for ${span(validitySeconds)}, until ${notAfter.slice(0, 10)}`,
    })),
  }
}

/** 0 none, 1 one, 2 two to four, 3 five to nineteen, 4 more. */
const heatOf = (n: number) => (n === 0 ? 0 : n === 1 ? 1 : n < 5 ? 2 : n < 20 ? 3 : 4)

function dayTitle(day: string, renewals: readonly ForecastRenewal[], mark: Mark | undefined): string {
  const names = renewals.slice(0, MOST_NAMES).map(({ namespace, name, host }) => `${namespace}/${name} on ${host}`)
  const left = renewals.length - names.length
  return [
    `${day}: ${count(renewals.length, 'renewal')}`,
    ...(mark === undefined ? [] : [mark === 'problem' ? 'problems on this day' : 'the validity changes']),
    ...names,
    ...(left > 0 ? [`and ${left} more`] : []),
  ].join('\n')
}
