// The one door through which everything leaves the process: without secrets, escaped, bounded, whoever it came from.

import type { Problem } from '../engine/problem.ts'
import { Secret } from '../engine/secret.ts'
import { isSecretName } from '../engine/secret-names.ts'
import { breakCommands, escapeJson, escapeLine, escapeText } from './escape.ts'
import { type Hide, hiding, hidingChanges, maskInline, maskLines } from './mask.ts'
import { redactor } from './redact.ts'
import type { Out, Output, ReportIo, Streams } from './sink.ts'
import { withOurs } from './style.ts'

/** Characters of a field of one line, of a text, and of each side of a difference. What is more is counted, not shown. */
const LINE = 1_000
const TEXT = 65_536
const SIDE = 131_072
/** Problems of one host, or of the whole input. */
const PROBLEMS = 50

/** Fields that may have several lines. The first ones quote, all their lines are a node's own words. */
const QUOTES = ['why', 'text', 'from', 'to', 'evidence']
const PROSE = ['what', 'hint', 'script', 'cause', 'fix', 'after']
/** What a person should do, in our own words: `--from-file=api-token=FILE` is no secret. */
const ADVICE = ['hint', 'fix', 'after']

/** Knows from the beginning what the environment says is secret; `output`: the format of the run. */
export function openDoor(streams: Streams, output: Output = 'text'): ReportIo {
  const known = new Set<string>()
  let redact = redactor([])
  // A CI runner reads along, and obeys lines that look like its commands.
  const runner = output === 'github' || readsAlong(streams.env)

  const door = (out: Out, clean: (text: string) => string): Out => ({
    write: (text) => out.write(withOurs(text, (part) => (runner ? breakCommands(clean(part)) : clean(part)))),
    get isTTY() {
      return out.isTTY
    },
    get columns() {
      return out.columns
    },
    get rows() {
      return out.rows
    },
    get destroyed() {
      return out.destroyed
    },
  })
  const json = (value: unknown, indent = 0) => {
    const text = escapeJson(JSON.stringify(value, null, indent))
    return runner ? breakCommands(text, 'json') : text
  }

  /** Plain data, as JSON writes it, without secrets and bounded. */
  function data<T>(value: T): T {
    return JSON.parse(JSON.stringify(masked(value, '', '')) ?? 'null')
  }

  function masked(value: unknown, name: string, above: string): unknown {
    if (value instanceof Secret) return value.toString()
    if (typeof value === 'string') return textOf(value, name)
    if (Array.isArray(value)) return value.map((one) => masked(one, name, above))
    if (typeof value !== 'object' || value === null || 'toJSON' in value) return value
    if ('field' in value && 'from' in value && 'to' in value) return difference(value)
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [line(key), masked(one, key, name)]))
  }

  function textOf(text: string, name: string): string {
    // What belongs together is found by the host's name, which is the inventory's.
    if (name === 'host' || name === 'hosts') return text
    if (name === 'script') return redact(text)
    if (QUOTES.includes(name)) return within(text, TEXT, (part) => maskLines(redact(part)))
    if (PROSE.includes(name)) return within(text, TEXT, ADVICE.includes(name) ? advice : prose)
    return line(text)
  }

  /** The first line is ours and may name what was found, the others quote. */
  const prose = (text: string) => firstLine(text, maskInline)
  const advice = (text: string) => firstLine(text, (head) => head)

  function firstLine(text: string, clean: (head: string) => string): string {
    const [head = '', ...quoted] = redact(text).split('\n')
    return quoted.length === 0 ? clean(head) : `${clean(head)}\n${maskLines(quoted.join('\n'))}`
  }

  const line = (text: string) => within(text, LINE, (part) => maskInline(redact(part)))

  /** Both sides without secrets, and still different where they were. */
  function difference(delta: { field?: unknown; from: unknown; to: unknown }): unknown {
    const field = String(delta.field)
    const { from, to } = delta
    const last = field.split(/[./]/).at(-1) ?? field
    if (isSecretName(last) && isScalar(from) && isScalar(to) && typeof (from ?? to) !== 'boolean') {
      return {
        ...delta,
        field: line(field),
        from: from === null ? null : '***',
        to: to === null ? null : '***',
        masked: true,
      }
    }
    const found = new Map<string, Set<string>>()
    const before = side(from, hiding(found))
    return { ...delta, field: line(field), from: before, to: side(to, hidingChanges(found)) }
  }

  function side(value: unknown, by: Hide): unknown {
    if (typeof value === 'string') return within(value, SIDE, (part) => maskLines(redact(part), by))
    const text = typeof value === 'object' ? JSON.stringify(value) : ''
    return text.length > SIDE ? within(text, SIDE, (part) => maskLines(redact(part), by)) : inside(value, '', '', by)
  }

  function inside(value: unknown, name: string, above: string, by: Hide): unknown {
    if (Array.isArray(value)) return value.map((one) => inside(one, name, above, by))
    if (typeof value === 'object' && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([key, one]) => [line(key), inside(one, key, name, by)]))
    }
    const secret = isSecretName(name) || (/^user(?:name)?$/i.test(name) && /^auth$/i.test(above))
    if (value === null || typeof value === 'boolean' || value === '') return value
    if (secret || known.has(String(value))) return by(name.toLowerCase(), String(value))
    return typeof value === 'string' ? maskLines(redact(value), by) : value
  }

  function learn(secrets: Iterable<Secret>): void {
    const before = known.size
    for (const secret of secrets) known.add(secret.reveal())
    if (known.size > before) redact = redactor([...known].map((value) => new Secret(value)))
  }

  learn(secretsOf(streams.env))
  return {
    ...streams,
    learn,
    stdout: door(streams.stdout, (text) => escapeText(redact(text))),
    stderr: door(streams.stderr, (text) => escapeText(redact(text))),
    data,
    shown: (value) => visible(data(value)),
    json,
    document: (value) => {
      streams.stdout.write(`${json(data(value), 2)}\n`)
    },
    reveal: (text, on = 'stdout') => {
      streams[on].write(escapeText(text))
    },
  }
}

/** As people may see it: nothing that a terminal obeys, and no line more than its place has. */
export function visible<T>(value: T): T {
  return JSON.parse(JSON.stringify(escaped(value, '')) ?? 'null')
}

function escaped(value: unknown, name: string): unknown {
  if (typeof value === 'string') return [...QUOTES, ...PROSE].includes(name) ? escapeText(value) : escapeLine(value)
  if (Array.isArray(value)) return value.map((one) => escaped(one, name))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [escapeLine(key), escaped(one, key)]))
}

/** `clean` sees twice as much as is left of it, less an end where a secret could be cut in two. */
function within(text: string, most: number, clean: (part: string) => string): string {
  // It was here before.
  if (text.length < most + 40 && /… \(\d+ more characters\)$/.test(text)) return clean(text)
  const part = text.slice(0, 2 * most)
  const done = clean(part)
  const isCut = part.length < text.length
  if (!isCut && done.length <= most) return done
  const end = Math.min(most, isCut ? Math.max(0, done.length - most / 4) : done.length)
  return `${done.slice(0, end)}… (${text.length - part.length + done.length - end} more characters)`
}

/** The first ones, errors before warnings, and how many there are besides. */
export function boundedProblems(problems: readonly Problem[]): readonly Problem[] {
  if (problems.length <= PROBLEMS) return problems
  const isWarning = ({ kind }: Problem) => kind === 'warning'
  const ordered = problems.toSorted((a, b) => Number(isWarning(a)) - Number(isWarning(b)))
  const [next, ...more] = ordered.slice(PROBLEMS)
  if (next === undefined) return ordered
  const what = `${more.length + 1} more problems are not shown`
  return [
    ...ordered.slice(0, PROBLEMS),
    { kind: next.kind, where: '', what, hint: 'fix those above, then run the same command again' },
  ]
}

/** Shorter ones (`root`, `true`) are words of every second sentence. */
const SHORTEST_OF_ENVIRONMENT = 8

/** A variable of the environment whose name says so, and is no path of a file. */
function secretsOf(env: Streams['env']): Secret[] {
  return Object.entries(env).flatMap(([name, value = '']) => {
    if (!isSecretName(name) || value.length < SHORTEST_OF_ENVIRONMENT || /^~?\//.test(value)) return []
    // The keys of a Vault are in JSON.
    const inside = value.startsWith('{') ? [...value.matchAll(/"([^"\\]{16,})"/g)].map(([, one = '']) => one) : []
    return [value, ...inside].map((one) => new Secret(one))
  })
}

const isScalar = (value: unknown) => typeof value !== 'object' || value === null

function readsAlong(env: Streams['env']): boolean {
  return isCi(env) || ['GITHUB_ACTIONS', 'TF_BUILD', 'TEAMCITY_VERSION'].some((name) => env[name])
}

/** Whether the streams are a log that is kept. */
export function isCi(env: Streams['env']): boolean {
  return !['', 'false', '0'].includes(env.CI ?? '')
}
