// Shows the certificates of all selected hosts while they change: redrawn on a terminal, as lines in a pipe.

import { type Listed, summaryOf, tableLines } from '../../certificates/table.ts'
import { ProblemError } from '../../engine/problem.ts'
import { EXIT } from '../../report/outcome.ts'
import { problemLines } from '../../report/problem-text.ts'
import { ours, painter } from '../../report/style.ts'
import type { CertsCall } from '../declarations/certs.ts'
import type { Io } from '../io.ts'
import type { PreparedRun } from '../run.ts'
import { watchCertificates } from './certs-hosts.ts'

/** Changes come in bursts: a new certificate is ten of them. */
const BURST_MS = 200
/** Ages and expiry are relative to now. */
const REDRAW_MS = 10_000
const TO_END_OF_SCREEN = ours('\x1b[J')

/** Until Ctrl-C, or until the reader of stdout has gone. A host that fails is a problem and no obstacle to the others. */
export async function watch({ prepared }: PreparedRun, { certs }: CertsCall, io: Io): Promise<number> {
  const stop = new AbortController()
  const end = () => stop.abort()
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, end)
  const rows = new Map<string, Listed>()
  const view = (io.stdout.isTTY === true ? screen : lines)(io, { hosts: prepared.length > 1, wide: certs.wide })
  let timer: NodeJS.Timeout | undefined
  const show = () => {
    timer = undefined
    view([...rows].toSorted(([a], [b]) => (a < b ? -1 : 1)))
    for (const [key, { state }] of rows) if (state === 'Deleted') rows.delete(key)
  }
  const redraw = setInterval(() => {
    if (io.stdout.destroyed) end()
    else if (io.stdout.isTTY) show()
  }, REDRAW_MS)
  try {
    const ends = await Promise.all(
      prepared.map(async (one) => {
        try {
          await watchCertificates(one, certs, stop.signal, io, (key, row) => {
            rows.set(key, row)
            timer ??= setTimeout(show, BURST_MS)
          })
          return EXIT.ok
        } catch (error) {
          if (stop.signal.aborted) return EXIT.ok
          if (!(error instanceof ProblemError)) throw error
          for (const problem of io.shown(error.problems))
            io.stderr.write(`${problemLines(problem, painter(false)).join('\n')}\n`)
          return EXIT.failed
        }
      }),
    )
    return Math.max(...ends)
  } finally {
    clearInterval(redraw)
    clearTimeout(timer)
  }
}

type View = (rows: readonly (readonly [key: string, row: Listed])[]) => void
type Options = Parameters<typeof tableLines>[1]

/** The whole table in place, cut to the terminal. */
function screen(io: Io, options: Options): View {
  let drawn = 0
  return (rows) => {
    const all = rows.map(([, row]) => row).filter(({ state }) => state !== 'Deleted')
    const { columns = 80, rows: height = 24 } = io.stdout
    const table = tableLines(io.shown(all), options)
    const room = Math.max(1, height - 3)
    const left = table.length - room
    const shown = [...table.slice(0, room), ...(left > 0 ? [`... and ${left} more`] : []), summaryOf(all)]
    const text = shown.map((line) => `${line.slice(0, columns - 1)}\n`).join('')
    io.stdout.write(`${drawn > 0 ? ours(`\x1b[${drawn}A`) : ''}${TO_END_OF_SCREEN}${text}`)
    drawn = shown.length
  }
}

/** The head once, then a line for each certificate that there is and for each change of one. */
function lines(io: Io, options: Options): View {
  const told = new Map<string, string>()
  let head = true
  return (rows) => {
    const changed = rows.filter(([key, { age: _, expires: __, renews: ___, ...row }]) => {
      const text = JSON.stringify(row)
      const same = told.get(key) === text
      told.set(key, text)
      return !same
    })
    const [first = '', ...rest] = tableLines(io.shown(changed.map(([, row]) => row)), options)
    if (changed.length > 0) io.stdout.write(`${[...(head ? [first] : []), ...rest].join('\n')}\n`)
    head &&= changed.length === 0
  }
}
