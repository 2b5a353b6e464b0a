// From words to exit code: how a run can end, signals, and what the real process does with pipes and terminals.

import { spawn, spawnSync } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Run } from '../../src/cli/command.ts'
import { program } from '../../src/cli/program.ts'
import { Interrupted } from '../../src/cli/prompt.ts'
import { listenForInterrupts, type SignalSource } from '../../src/cli/signals.ts'
import type { HostResult } from '../../src/engine/events.ts'
import { type Problem, ProblemError, type ProblemKind } from '../../src/engine/problem.ts'
import { outcome } from '../../src/report/outcome.ts'
import type { Streams } from '../../src/report/sink.ts'

type HostStatus = HostResult['status']

test.each<[hosts: HostStatus[], problems: ProblemKind[], status: string, exitCode: number]>([
  [['ok'], [], 'ok', 0],
  [['ok'], ['warning'], 'ok', 0],
  [['ok', 'pending'], [], 'pending', 2],
  [['pending', 'failed'], [], 'failed', 1],
  [['ok', 'unreachable'], [], 'failed', 1],
  [['failed', 'interrupted'], [], 'interrupted', 130],
  [[], ['usage'], 'usage', 64],
  [[], ['usage', 'failed'], 'usage', 64],
  [[], ['failed'], 'failed', 1],
  [[], ['interrupted'], 'interrupted', 130],
])('hosts %j and problems %j are %s, exit %i', (hosts, problems, status, exitCode) => {
  const recap = { ok: 0, changed: 0, unreachable: 0, failed: 0, skipped: 0, rescued: 0 }
  const results = hosts.map((status): HostResult => ({ host: 'h', status, recap, seconds: 0, execs: 0 }))
  const told = problems.map((kind): Problem => ({ kind, where: 'here', what: 'it is wrong' }))
  expect(outcome(results, told)).toEqual({ status, exitCode })
})

async function main(argv: string[], run: Run = async () => 0) {
  const told = { stdout: '', stderr: '' }
  const streams: Streams = {
    stdout: { write: (text: string) => (told.stdout += text) },
    stderr: { write: (text: string) => (told.stderr += text) },
    env: {},
    cwd: '/',
    now: () => 0,
    onExit: () => () => {},
  }
  const code = await program(argv, streams, { version: '1.2.3', roles: ['k3s_platform_bootstrap'] }, async () => run)
  return { code, ...told }
}

const throwing =
  (error: unknown): Run =>
  () =>
    Promise.reject(error)

describe('the program', () => {
  test('ends with the code of its command', async () => {
    expect(await main(['plan'], async () => 2)).toEqual({ code: 2, stdout: '', stderr: '' })
  })

  test('without a command says on stderr what there is', async () => {
    expect(await main([])).toMatchObject({
      code: 64,
      stdout: '',
      stderr: expect.stringContaining('Usage: k3s-platform'),
    })
  })

  test('tells all usage problems and touches nothing', async () => {
    const { code, stdout, stderr } = await main(['apply', 'web', '--forks', 'x'], throwing(new Error('was run')))
    expect([code, stdout]).toEqual([64, ''])
    expect(stderr).toMatchSnapshot()
  })

  test('tells problems that a command throws, as a document when that was asked for', async () => {
    const problem: Problem = { kind: 'usage', where: 'hosts.yaml:1:2', what: 'expected a map' }
    const { code, stdout, stderr } = await main(['plan', '-o', 'json'], throwing(new ProblemError(problem)))
    expect(code).toBe(64)
    expect(JSON.parse(stdout)).toMatchObject({ status: 'usage', exitCode: 64, mode: 'check', problems: [problem] })
    expect(stderr).toContain('✗ hosts.yaml:1:2  expected a map')
  })

  test('tells an internal error without a stack', async () => {
    const { code, stderr } = await main(['apply'], throwing(new TypeError('x is not a function')))
    expect(code).toBe(1)
    expect(stderr).toBe(
      '✗ internal error: TypeError: x is not a function\n  hint: run the same command with --debug and report its output\n',
    )
  })

  test('tells an internal error with a stack when asked by --debug', async () => {
    const { stderr } = await main(['apply', '--debug'], throwing(new TypeError('x is not a function')))
    expect(stderr).toMatch(/why: {2}TypeError: x is not a function\n +at .*program\.test\.ts/)
  })

  test('ends with 130 when a question was answered by Ctrl-C', async () => {
    expect(await main(['apply'], throwing(new Interrupted('interrupted')))).toMatchObject({
      code: 130,
      stderr: '✗ interrupted before anything was touched\n',
    })
  })
})

test('the first Ctrl-C finishes the step, the second stops now, the third leaves', () => {
  const said: string[] = []
  let left = 0
  const source: EventEmitter & SignalSource = new EventEmitter()
  const interrupts = listenForInterrupts(
    source,
    (text) => said.push(text),
    () => left++,
  )
  const state = () => [interrupts.stop.aborted, interrupts.signal.aborted, left]
  expect(state()).toEqual([false, false, 0])
  source.emit('SIGINT')
  expect(state()).toEqual([true, false, 0])
  source.emit('SIGTERM')
  expect(state()).toEqual([true, true, 0])
  source.emit('SIGINT')
  expect(state()).toEqual([true, true, 1])
  expect(said).toEqual(['finishing the current step; Ctrl-C again stops now', 'stopping now'])
  interrupts.dispose()
  expect(source.eventNames()).toEqual([])
})

describe('as a real process', () => {
  const directory = mkdtempSync(join(tmpdir(), 'k3s-platform-cli-'))
  const ask = join(directory, 'ask.mjs')
  const shared = join(directory, 'shared.mjs')
  const flood = join(directory, 'flood.mjs')

  beforeAll(async () => {
    const room = new URL('../../src/cli/', import.meta.url).pathname
    const bundle = await rolldown({
      input: { prompt: `${room}prompt.ts`, io: `${room}io.ts` },
      platform: 'node',
      logLevel: 'silent',
    })
    await bundle.write({ dir: directory, format: 'esm', entryFileNames: '[name].mjs', chunkFileNames: '[name].mjs' })
    writeFileSync(
      ask,
      `import { askSecret } from './prompt.mjs'
try {
  const secret = await askSecret('BECOME password: ', '--ask-become-pass', 'set ansible_become_password')
  console.log('got', [...secret.reveal()].reverse().join(''), String(secret))
} catch (error) { console.log(\`\${error.name} \${error.problems?.[0]?.hint}\`) }
process.exit(0)
`,
    )
    writeFileSync(
      shared,
      `import { askSecretOnce } from './prompt.mjs'
const learned = []
const ask = askSecretOnce('ssh key', (secret) => learned.push(secret))
const secrets = await Promise.all(['a: ', 'a: ', 'b: ', 'a: '].map(ask))
console.log(secrets.map((secret) => secret.reveal()).join(" "), String(learned.length))
process.exit(0)
`,
    )
    writeFileSync(
      flood,
      `import { processStreams } from './io.mjs'
const io = processStreams()
for (let i = 0; i < 20; i++) {
  io.stdout.write('x'.repeat(100_000) + '\\n')
  await new Promise((done) => setTimeout(done, 10))
}
io.stderr.write('done\\n')
`,
    )
  })
  afterAll(() => rmSync(directory, { recursive: true }))

  /** What a terminal shows when `keys` are typed at the question. */
  const typed = (keys: string) =>
    new Promise<string>((resolve, reject) => {
      const child = spawn('script', ['-qec', `node ${ask} </dev/null`, '/dev/null'], { timeout: 20_000 })
      let shown = ''
      child.stdout.setEncoding('utf8').on('data', (text: string) => {
        if (shown === '') child.stdin.write(keys)
        shown += text
      })
      child.on('error', reject).on('close', () => resolve(shown))
    })

  test('a secret is asked for on the terminal without echo, with stdin elsewhere, and can be corrected', async () => {
    expect(await typed('wrong\x15abX\x7fc\r')).toBe('BECOME password: \r\ngot cba ***\r\n')
  })

  test('hosts that share a key share the question for its passphrase, and questions come one after the other', async () => {
    const child = spawn('script', ['-qec', `node ${shared} </dev/null`, '/dev/null'], { timeout: 20_000 })
    const shown = await new Promise<string>((resolve, reject) => {
      let text = ''
      child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
        const before = text
        text += chunk
        for (const [question, answer] of [
          ['a: ', 'one\r'],
          ['b: ', 'two\r'],
        ] as const) {
          if (!before.includes(question) && text.includes(question)) child.stdin.write(answer)
        }
      })
      child.on('error', reject).on('close', () => resolve(text))
    })
    expect(shown).toBe('a: \r\nb: \r\none one two one 2\r\n')
  })

  test('Ctrl-C at the question is an interruption', async () => {
    expect(await typed('ab\x03')).toBe('BECOME password: \r\nInterrupted undefined\r\n')
  })

  test('without a terminal the question is a usage problem that says what to use instead', () => {
    const { stdout } = spawnSync('setsid', ['node', ask], { encoding: 'utf8', timeout: 20_000 })
    expect(stdout).toBe('ProblemError set ansible_become_password\n')
  })

  test('a reader that goes away early neither stops the run nor shows a stack', () => {
    const { stderr } = spawnSync('sh', ['-c', `node ${flood} | head -c 10 >/dev/null`], {
      encoding: 'utf8',
      timeout: 20_000,
    })
    expect(stderr).toBe('done\n')
  })
})
