// The live lines, on a terminal that is emulated as far as they use it.

import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Event, HostResult } from '../../src/engine/events.ts'
import { openDoor } from '../../src/report/door.ts'
import { makeReporter } from '../../src/report/reporter.ts'
import type { ReportOptions } from '../../src/report/sink.ts'

/** Rows of text, a cursor, wrapping, and the four sequences that live lines write. */
class Screen {
  readonly isTTY = true
  columns: number
  rows: number
  lines: string[] = ['']
  row = 0
  column = 0
  cursor = true
  writes = 0

  constructor(columns: number, rows = 24) {
    this.columns = columns
    this.rows = rows
  }

  write(text: string): boolean {
    this.writes++
    // biome-ignore lint/suspicious/noControlCharactersInRegex: this is a terminal
    for (const [part, up, code] of text.matchAll(/\x1b\[(\??\d*)([A-Za-z])|[^\x1b]/g)) this.#put(part, up, code)
    return true
  }

  #put(part: string, argument = '', code = ''): void {
    const line = this.lines[this.row] ?? ''
    if (code === 'A') this.row = Math.max(0, this.row - Number(argument || 1))
    else if (code === 'K') this.lines[this.row] = line.slice(0, this.column)
    else if (code === 'J') {
      this.lines[this.row] = line.slice(0, this.column)
      this.lines.length = this.row + 1
    } else if (code === 'h' || code === 'l') this.cursor = code === 'h'
    else if (code === 'm') return
    else if (part === '\r') this.column = 0
    else if (part === '\n') {
      this.row++
      this.column = 0
      this.lines[this.row] ??= ''
    } else {
      if (this.column === this.columns) this.#put('\n')
      const now = (this.lines[this.row] ?? '').padEnd(this.column)
      this.lines[this.row] = now.slice(0, this.column) + part + now.slice(this.column + 1)
      this.column++
    }
  }

  /** The terminal gets narrower: long lines are folded, as terminals do. */
  narrow(columns: number): void {
    this.lines = this.lines.flatMap((line) => line.match(new RegExp(`.{1,${columns}}`, 'g')) ?? [''])
    this.row = this.lines.length - 1
    this.columns = columns
  }

  get text(): string {
    return this.lines
      .map((line) => line.trimEnd())
      .join('\n')
      .trimEnd()
  }
}

const NONE = { ok: 0, changed: 0, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }
const K3S = { event: 'step', role: 'k3s_platform_bootstrap', stage: 'k3s', resource: 'service:k3s.service' } as const

let restores: (() => void)[] = []

function start(screen: Screen, options: Partial<ReportOptions> = {}, env: Record<string, string> = {}) {
  restores = []
  let stdout = ''
  const reporter = makeReporter(
    {
      mode: 'apply',
      output: 'text',
      diff: false,
      quiet: false,
      verbosity: 0,
      color: true,
      events: null,
      again: 'k3s-platform apply',
      ...options,
    },
    openDoor({
      stdout: { write: (text: string) => (stdout += text) },
      stderr: screen,
      env,
      cwd: '/',
      now: Date.now,
      onExit: (restore) => {
        restores.push(restore)
        return () => {
          restores = restores.filter((r) => r !== restore)
        }
      },
    }),
  )
  const emit = (event: WithoutTime<Event>) => reporter.emit({ at: Date.now(), ...event })
  return { reporter, emit, stdout: () => stdout }
}

type WithoutTime<E> = E extends unknown ? Omit<E, 'at'> : never

function ended(host: string, rest: Partial<HostResult>): HostResult & { event: 'end' } {
  return { event: 'end', host, status: 'ok', recap: NONE, seconds: 31.4, execs: 3, ...rest }
}

function hosts(emit: (event: WithoutTime<Event>) => void, ...names: string[]): void {
  emit({ event: 'start', mode: 'apply', hosts: names, roles: [] })
}

describe('on a terminal', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test('each host has a line that tells what it does and for how long, and finished lines stay', () => {
    const screen = new Screen(80)
    const { reporter, emit, stdout } = start(screen)
    hosts(emit, 'edge-1', 'tokyo-2', 'edge-3')
    emit({ event: 'busy', host: 'edge-1', doing: 'connecting' })
    emit({ event: 'busy', host: 'tokyo-2', doing: 'looking' })
    vi.advanceTimersByTime(2000)
    expect(screen.cursor).toBe(false)
    expect(screen.text).toMatchSnapshot('connecting')

    emit({ ...K3S, host: 'edge-1', is: 'start', title: 'restart k3s.service' })
    vi.advanceTimersByTime(5000)
    emit({ ...K3S, host: 'edge-1', is: 'wait', why: '/readyz (503: etcd not ready)', boundSeconds: 180 })
    vi.advanceTimersByTime(7000)
    const problem = { kind: 'unreachable', where: 'tokyo-2', what: 'connection refused by 203.0.113.9:22' } as const
    emit({ event: 'problem', host: 'tokyo-2', problem })
    const refused = ended('tokyo-2', { status: 'unreachable', recap: { ...NONE, unreachable: 1 }, seconds: 0.2 })
    emit(refused)
    vi.advanceTimersByTime(100)
    expect(screen.text).toMatchSnapshot('waiting')

    const fine = ended('edge-1', { recap: { ...NONE, ok: 53, changed: 5 } })
    emit(fine)
    reporter.end([fine, refused], [])
    expect(screen.text).toMatchSnapshot('ended')
    expect(screen.cursor).toBe(true)
    expect(restores).toEqual([])
    expect(stdout()).toMatch(/^PLAY RECAP\nedge-1 {4}ok=53/)
    const { writes } = screen
    vi.advanceTimersByTime(5000)
    expect(screen.writes).toBe(writes)
  })

  test('a thousand events in a second are at most ten redraws', () => {
    const screen = new Screen(80)
    const { emit } = start(screen)
    hosts(emit, 'edge-1')
    for (let i = 0; i < 1000; i++) {
      emit({ ...K3S, host: 'edge-1', is: 'wait', why: `poll ${i}`, boundSeconds: null })
      vi.advanceTimersByTime(1)
    }
    expect(screen.writes).toBeGreaterThan(5)
    expect(screen.writes).toBeLessThanOrEqual(11)
    expect(screen.text).toContain('k3s: poll 9')
  })

  test('a terminal that becomes narrower is left without remains of longer lines', () => {
    const screen = new Screen(100)
    const { emit } = start(screen)
    hosts(emit, 'edge-1', 'edge-2')
    const long = 'a step whose title is longer than the terminal will be when it is resized in a moment'
    for (const host of ['edge-1', 'edge-2']) emit({ ...K3S, host, is: 'start', title: long })
    vi.advanceTimersByTime(300)
    screen.narrow(40)
    vi.advanceTimersByTime(1000)
    expect(screen.text.split('\n').map((line) => line.slice(0, 7).trim())).toEqual(['edge-1', 'edge-2'])
    expect(Math.max(...screen.lines.map((line) => line.length))).toBeLessThan(40)
  })

  test('more hosts than rows are one line of summary, above it those that are done', () => {
    const screen = new Screen(80, 10)
    const { reporter, emit } = start(screen)
    const names = Array.from({ length: 20 }, (_, i) => `edge-${i + 1}`)
    hosts(emit, ...names)
    emit({ event: 'busy', host: 'edge-2', doing: 'connecting' })
    const fine = ended('edge-1', { recap: { ...NONE, ok: 53, changed: 5, skipped: 2 } })
    emit(fine)
    vi.advanceTimersByTime(100)
    expect(screen.text).toMatchSnapshot()
    reporter.end([fine], [])
    expect(screen.text).toMatch(/^edge-1 +ok .*31\.4 s$/)
  })

  test('the lines of a plan go away before the plan is printed', () => {
    const screen = new Screen(80)
    const { reporter, emit, stdout } = start(screen, { mode: 'check' })
    hosts(emit, 'edge-1')
    emit({ event: 'busy', host: 'edge-1', doing: 'connecting' })
    vi.advanceTimersByTime(100)
    expect(screen.text).toContain('connecting')
    emit({ event: 'plan', host: 'edge-1', about: '', checks: 0, plan: { stages: [] } })
    reporter.end([ended('edge-1', {})], [])
    expect(screen.text).toBe('')
    expect(stdout()).toContain('Plan: no changes')
  })

  test('an exit in the middle gives the cursor back and shows what was still to be printed', () => {
    const screen = new Screen(80)
    const { reporter, emit } = start(screen)
    hosts(emit, 'edge-1')
    vi.advanceTimersByTime(100)
    reporter.say('stopping now')
    for (const restore of restores) restore()
    expect(screen.cursor).toBe(true)
    expect(screen.text).toContain('stopping now')
  })

  test.each([
    ['--quiet', { quiet: true }, {}],
    ['CI', {}, { CI: 'true' }],
    ['TERM=dumb', {}, { TERM: 'dumb' }],
  ])('%s has no live lines', (_, options, env) => {
    const screen = new Screen(80)
    const { emit } = start(screen, options, env)
    hosts(emit, 'edge-1')
    emit({ event: 'busy', host: 'edge-1', doing: 'connecting' })
    vi.advanceTimersByTime(1000)
    expect(screen.writes).toBe(0)
  })
})
