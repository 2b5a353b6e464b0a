// On a terminal: one line a host, redrawn in place, with what it does or waits for and for how long.

import { clock, duration } from '../engine/duration.ts'
import type { HostResult } from '../engine/events.ts'
import { columnsOf, redrawer } from './redraw.ts'
import type { Told } from './serialize.ts'
import type { ReportIo } from './sink.ts'
import { ours, type Paint } from './style.ts'
import { plural } from './words.ts'

const FRAME_MS = 100
const WIDEST = 100
const DOTS = ['.  ', '.. ', '...', ' ..', '  .', '   ']
const HIDE = ours('\x1b[?25l')
const SHOW = ours('\x1b[?25h')

interface Row {
  readonly state: 'queued' | 'busy' | 'ok' | 'failed'
  readonly text: string
  /** When what it does began, ms. */
  readonly since: number
  readonly boundSeconds: number | null
  /** Final: how long the host took, s. */
  readonly seconds?: number
}

/** Takes events and lines that stay; writes at most ten times a second until `end`. */
export interface LiveProgress {
  told(told: Told): void
  print(lines: readonly string[]): void
  /** Takes the lines of the hosts away and what was printed out, for somebody else to write. */
  flush(): void
  /** `keep`: the lines stay as they are; otherwise they go away. */
  end(keep: boolean): void
}

export function live(io: ReportIo, paint: Paint): LiveProgress {
  const rows = new Map<string, Row>()
  const out = io.stderr
  const kept: string[] = []
  const screen = redrawer(out)
  let tick = 0
  let timer: NodeJS.Timeout | undefined
  let unhook: (() => void) | undefined

  const columns = () => columnsOf(out)
  const summed = () => rows.size > (out.rows ?? 24) - 3

  const set = (host: string, at: number, row: Partial<Row>) => {
    rows.set(host, { state: 'busy', text: '', boundSeconds: null, since: at, ...row })
  }

  const hostLine = (host: string, row: Row, hosts: number): string => {
    const { state, seconds, boundSeconds } = row
    const elapsed = Math.max(0, (io.now() - row.since) / 1000)
    const time =
      seconds !== undefined
        ? duration(seconds)
        : state === 'queued'
          ? ''
          : `${clock(Math.floor(elapsed))}${boundSeconds ? ` of ${clock(boundSeconds)}` : ''}`
    const word = { queued: '    ', busy: `${DOTS[tick % DOTS.length]} `, ok: 'ok  ', failed: 'FAIL' }[state]
    const room = Math.min(WIDEST, columns() - 1)
    const text = cut(row.text, room - hosts - 2 - 5 - time.length - 2)
    const left = `${host.padEnd(hosts)}  ${word} ${text}`
    const line = cut(`${left}${' '.repeat(Math.max(2, room - left.length - time.length))}${time}`, room)
    const colour = state === 'ok' ? 'green' : state === 'failed' ? 'red' : undefined
    const at = hosts + 2
    return colour ? `${line.slice(0, at)}${paint(colour, line.slice(at, at + 4))}${line.slice(at + 4)}` : line
  }

  const frame = (): string[] => {
    const width = Math.max(0, ...[...rows.keys()].map((host) => host.length))
    if (!summed()) return [...rows].map(([host, row]) => hostLine(host, row, width))
    const all = [...rows.values()]
    const done = all.filter((row) => row.seconds !== undefined)
    const failed = done.filter((row) => row.state === 'failed').length
    const [busiest] = [...rows].filter(([, row]) => row.state === 'busy').sort(([, a], [, b]) => a.since - b.since)
    const now = busiest ? `; ${busiest[0]}: ${busiest[1].text}` : ''
    const text = `${done.length} of ${plural(all.length, 'host')} done${failed > 0 ? `, ${failed} failed` : ''}${now}`
    return [cut(text, columns() - 1)]
  }

  const write = (lines: readonly string[]) => {
    screen.draw(lines, kept)
    kept.length = 0
  }

  const draw = () => {
    tick++
    write(frame())
  }

  const end = (keep: boolean) => {
    if (timer === undefined) {
      write([])
      return
    }
    clearInterval(timer)
    timer = undefined
    unhook?.()
    write(keep && !summed() ? frame() : [])
    screen.forget()
    out.write(SHOW)
  }

  return {
    told(told) {
      switch (told.event) {
        case 'start':
          for (const host of told.hosts) set(host, told.at, { state: 'queued', text: 'queued' })
          out.write(HIDE)
          timer = setInterval(draw, FRAME_MS)
          timer.unref()
          unhook = io.onExit(() => end(true))
          break
        case 'busy':
          set(told.host, told.at, { text: told.doing })
          break
        case 'step': {
          const row = rows.get(told.host)
          if (told.is === 'start') set(told.host, told.at, { text: `${told.stage}: ${told.title}` })
          if (told.is === 'wait') {
            set(told.host, row?.since ?? told.at, {
              text: `${told.stage}: ${told.why}`,
              boundSeconds: told.boundSeconds,
            })
          }
          break
        }
        case 'problem':
          // The words stand in the host's line when it ends.
          if (told.host !== null && told.problem.kind !== 'warning') {
            set(told.host, rows.get(told.host)?.since ?? told.at, { text: told.problem.what.split('\n')[0] ?? '' })
          }
          break
        case 'end': {
          const fine = told.status === 'ok' || told.status === 'pending'
          const word = told.status === 'failed' ? '' : `${told.status}: `
          const why = rows.get(told.host)?.text ?? ''
          const row: Row = {
            state: fine ? 'ok' : 'failed',
            text: fine ? result(told) : `${why.startsWith(told.status) ? '' : word}${why}`,
            since: told.at,
            boundSeconds: null,
            seconds: told.seconds,
          }
          rows.set(told.host, row)
          if (summed()) kept.push(hostLine(told.host, row, Math.max(...[...rows.keys()].map((host) => host.length))))
          break
        }
        case 'plan':
        case 'wire':
          break
      }
    },
    print(lines) {
      kept.push(...lines)
      if (timer === undefined) write([])
    },
    flush() {
      write([])
      screen.forget()
    },
    end,
  }
}

function result({ recap: { ok, changed, skipped }, status }: HostResult): string {
  if (status === 'pending') return `${changed} to change`
  const parts = [
    ...(changed > 0 ? [`${changed} changed`] : []),
    `${ok - changed} unchanged`,
    ...(skipped > 0 ? [`${skipped} not owned`] : []),
  ]
  return parts.join(', ')
}

function cut(text: string, width: number): string {
  const line = text.replace(/\p{Cc}+/gu, ' ')
  if (line.length <= width) return line
  return width < 1 ? '' : `${line.slice(0, width - 1)}…`
}
