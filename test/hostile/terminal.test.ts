// Whatever a node says in whatever field, no terminal and no CI runner obeys it, and no line of it looks like one of ours.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import type { Event } from '../../src/engine/events.ts'
import { openDoor } from '../../src/report/door.ts'
import { makeReporter } from '../../src/report/reporter.ts'
import { runDocument } from '../../src/report/run-v1.ts'
import type { Output, ReportOptions, Streams } from '../../src/report/sink.ts'
import { loadRuns, type RunCase, tellRun } from '../report/runs.ts'
import { programOf, writeInventory } from './program.ts'
import { HostileServer } from './ssh-server.ts'

const ATTACKS: Readonly<Record<string, string>> = {
  'OSC 52': '\x1b]52;c;cm0gLXJmIC8=\x07',
  'C1 of OSC 52': '\u009d52;c;cm0gLXJmIC8=\u009c',
  'a line that goes': '\x1b[1A\x1b[2K\r',
  'C1 CSI': '\u009b1A\u009b2K',
  colour: '\x1b[32m\x1b[8mhidden\x1b[0m',
  'carriage return and backspaces': 'bad\rgood\b\b\b\b\x7f',
  bells: '\x07\x00\x0e',
  bidi: '\u202e\u2066\u2067\u2068\u2069\u202a\u202b\u202c\u202d\u200e\u200f\u061c',
  'lines of Unicode': 'a\u2028b\u2029c\u0085d',
  'zero width': 'a\u200bb\u200cc\u200dd\u2060e\ufefff\u00adg\u180eh',
  tags: '\u{e0001}\u{e0041}\u{e007f}',
  'fillers and selectors': '\u3164\u115f\uffa0\u{e0100}\u034f',
  'what XML cannot hold': '\ufffe\uffff\ud800',
  'lines of ours': '\n✗ fake: it is not so\nwhy:  fake\n  hint: fake\nPLAY FAKE\nfake   ok=1\nPlan: fake\n',
  'workflow commands': '\n::stop-commands::x\n  ::set-env name=PATH::/tmp\n::add-mask::1\n::error file=a,line=1::fake',
  'commands in lines': 'a ::set-output name=b::c ##[group]d ##[set-env name=x]y ##vso[task.setvariable variable=x]y',
  'commands behind escapes': '\x1b[0m::stop-commands::x\n\u200b::stop-commands::x\n\u00a0::stop-commands::x',
  'ends of commands': '%0A::stop-commands::x,file=y:z%25',
  Markdown: '\n```\n# fake\n``````\n<img src=https://a.example/b> @team ![a](https://a.example/b) | ~~~~',
}

const UNSAFE = /(?!\n|\t)[\p{Cc}\p{Cf}\p{Cs}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}\ufffe\uffff]/u
const FAKE = /^(?:✗ fake|\s{0,3}(?:why: {2}|hint: )fake|fake|PLAY FAKE|Plan: fake|::|##)/m
const COMMAND = /^\s*::|##[\w.-]*\[|(?<![\w:])::[a-z-]+/m

/** Fields whose words are the program's own. */
const OURS = ['event', 'is', 'kind', 'op', 'status', 'mode', 'roles', 'role', 'stage', 'field']

/** The same run, with the attack in each text of a node and in each key of its objects. */
function attacked(run: RunCase, attack: string): RunCase {
  const inject = (value: unknown, name: string): unknown => {
    if (typeof value === 'string') return OURS.includes(name) ? value : `${value}${attack}`
    if (Array.isArray(value)) return value.map((one) => inject(one, name))
    if (typeof value !== 'object' || value === null) return value
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, inject(one, key)]))
  }
  const field = { field: `x${attack}`, from: { [`k${attack}`]: [attack] }, to: `${attack}` }
  const withField = (event: Event): Event =>
    event.event === 'plan'
      ? {
          ...event,
          plan: {
            stages: event.plan.stages.map((stage) => ({
              ...stage,
              changes: stage.changes.map((change) => ({ ...change, deltas: [...change.deltas, field] })),
            })),
          },
        }
      : event
  const of = <T>(value: T): T => Object(inject(value, ''))
  return {
    ...run,
    again: run.again,
    events: run.events.map((event) => withField(of(event))),
    results: of(run.results),
    problems: of(run.problems),
  }
}

const runs = loadRuns()
const directory = mkdtempSync(join(tmpdir(), 'k3sp-terminal-'))
afterAll(() => rmSync(directory, { recursive: true }))

const FORMATS = {
  text: {},
  json: {},
  junit: {},
  github: {},
} as const satisfies Record<Output, object>

describe.each(Object.keys(ATTACKS))('%s', (name) => {
  const attack = ATTACKS[name] ?? ''
  test.each(Object.keys(FORMATS))('in -o %s', (format) => {
    const output = (['text', 'json', 'junit', 'github'] as const).find((one) => one === format) ?? 'text'
    for (const run of runs) {
      for (const view of [{}, { verbosity: 2 }, { verbosity: 3, diff: true }] satisfies Partial<ReportOptions>[]) {
        const { stdout, stderr } = tellRun(attacked(run, attack), { ...view, output }, { GITHUB_ACTIONS: 'true' })
        for (const text of [stdout, stderr]) expect(text).not.toMatch(UNSAFE)
        expect(stderr).not.toMatch(FAKE)
        expect(stderr).not.toMatch(COMMAND)
        // Our own annotations are the only commands; what they carry cannot end them.
        const rest = output === 'github' ? stdout.replace(/^::(?:error|warning) [^\n]*$/gm, '') : stdout
        expect(rest).not.toMatch(COMMAND)
        if (output !== 'json') expect(rest).not.toMatch(FAKE)
        if (output === 'junit') expect(stdout).toMatch(/^<\?xml[\s\S]*<\/testsuites>\n$/)
        if (output === 'json') expect(runDocument.safeParse(JSON.parse(stdout)).error).toBeUndefined()
      }
    }
  })

  test('in the events file and in the summary of a step', () => {
    for (const [i, run] of runs.entries()) {
      const [events, summary] = [join(directory, `${name}-${i}-events`), join(directory, `${name}-${i}-summary`)]
      tellRun(attacked(run, attack), { output: 'github', events, verbosity: 3 }, { GITHUB_STEP_SUMMARY: summary })
      const lines = readFileSync(events, 'utf8')
      expect(lines).not.toMatch(UNSAFE)
      expect(lines).not.toMatch(COMMAND)
      const told = lines

        .split('\n')
        .slice(0, -1)
        .map((line) => JSON.parse(line))
      expect(told).toHaveLength(run.events.length)
      // Programs get it as it was.
      if (name === 'bidi' && told.length > 0) expect(JSON.stringify(told)).toContain(attack)
      const text = readFileSync(summary, 'utf8')
      expect(text).not.toMatch(UNSAFE)
      expect(outsideOfFences(text).join('\n')).toMatch(/^### k3s-platform \w+\s*$/)
    }
  })
})

/** As GitHub reads it: a fence ends with one that is at least as long and has no words. */
function outsideOfFences(text: string): string[] {
  let fence = ''
  return text.split('\n').filter((line) => {
    const [, run = '', words = ''] = /^ {0,3}(`{3,}|~{3,})(.*)$/.exec(line) ?? []
    if (fence === '' && run !== '') fence = run
    else if (fence !== '' && run.startsWith(fence) && words.trim() === '') fence = ''
    else return fence === ''
    return false
  })
}

describe('the live lines of a terminal', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  test.each(Object.entries(ATTACKS))('obey no %s', (_, attack) => {
    let shown = ''
    const streams: Streams = {
      stdout: { write: () => true },
      stderr: { isTTY: true, columns: 60, rows: 20, write: (text: string) => (shown += text) },
      env: {},
      cwd: '/',
      now: Date.now,
      onExit: () => () => undefined,
    }
    const options = { mode: 'apply', output: 'text', diff: false, quiet: false, verbosity: 0, color: true } as const
    for (const run of runs) {
      const reporter = makeReporter({ ...options, events: null, again: '' }, openDoor(streams))
      for (const event of attacked(run, attack).events) {
        reporter.emit(event)
        vi.advanceTimersByTime(200)
      }
      reporter.say(attack)
      reporter.end(attacked(run, attack).results, [])
    }
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the sequences that the live lines write
    const ours = /\x1b\[(?:\?25[hl]|\d+A\r|K|J|\d+m)/g
    expect(shown).not.toBe('')
    expect(shown.replace(ours, '')).not.toMatch(UNSAFE)
    // Between a colour and its end there is no attack, but a sign or a word.
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above
    expect(shown).not.toMatch(/\x1b\[8m|\x1b\[2K|\x1b\[1A\x1b/)
  })
})

test('a node that lies about its name, its system and its files reaches no terminal (a real one)', async () => {
  const attack = Object.values(ATTACKS).join('')
  const server = await HostileServer.start({
    files: {
      '/etc/os-release': `ID=debian\nPRETTY_NAME="Lies ${attack.replaceAll('\n', ' ')}"\n`,
      '/etc/rancher/k3s/config.yaml': `# ${attack}\nserver: x${attack}\n`,
      '/etc/rancher/k3s/k3s.yaml': attack,
    },
    stdout: (chunk) => Buffer.from(chunk.toString('latin1').replace(/hostname=.*/g, `hostname=a${attack}`), 'latin1'),
  })
  try {
    const inventory = writeInventory({ 'edge-1': server.hostVars() })
    const env = { K3S_PLATFORM_SSH_KNOWN_HOSTS: server.knownHosts(), TERM: 'xterm' }
    const { command, environment } = await programOf(['plan', 'k3s_platform_bootstrap', '-D', '-i', inventory], env)
    const child = spawn('script', ['-qec', command, '/dev/null'], { env: environment, timeout: 60_000 })
    let shown = ''
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      shown += text
    })
    await new Promise((resolve) => child.once('close', resolve))
    expect(shown).toContain('edge-1')
    expect(shown).toContain('\x1b[?25l')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: as above; a terminal makes \r\n of \n
    const rest = shown.replace(/\x1b\[(?:\?25[hl]|\d+A\r|K|J|(?:0|1|2|3[1-6])m)/g, '').replaceAll('\r\n', '\n')
    expect(rest).not.toMatch(UNSAFE)
    expect(rest).not.toMatch(FAKE)
  } finally {
    await server.stop()
  }
})
