// Completion: what the program answers for words, and that real shells show it when Tab is pressed.

import { execFileSync, spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { z } from 'zod'
import { program } from '../../src/cli/program.ts'
import { roles } from '../../src/cli/roles.ts'
import type { Streams } from '../../src/report/sink.ts'
import { buildProgram, PROGRAM } from '../build.ts'

const Case = z.strictObject({
  words: z.array(z.string()),
  all: z.array(z.string()).optional(),
  has: z.array(z.string()).default([]),
  not: z.array(z.string()).default([]),
  files: z.literal(true).optional(),
})
const cases = Object.entries(
  z.record(z.string(), Case).parse(parse(readFileSync(join(import.meta.dirname, 'candidates.yaml'), 'utf8'))),
)

let dir: string
beforeAll(async () => {
  dir = mkdtempSync(join(tmpdir(), 'completion-'))
  mkdirSync(join(dir, 'inventories/default'), { recursive: true })
  writeFileSync(
    join(dir, 'inventories/default/hosts.yaml'),
    'all:\n  children:\n    edge:\n      hosts: { edge-1: , edge-2: }\n    db:\n      hosts: { edge-2: }\n',
  )
  mkdirSync(join(dir, 'bin'))
  writeFileSync(join(dir, 'bin/k3s-platform'), `#!/bin/sh\nexec ${process.execPath} ${PROGRAM} "$@"\n`)
  chmodSync(join(dir, 'bin/k3s-platform'), 0o755)
  await buildProgram()
}, 120_000)
afterAll(() => rmSync(dir, { recursive: true }))

async function cli(...argv: string[]) {
  const seen = { stdout: '', stderr: '' }
  const streams: Streams = {
    stdout: { write: (text: string) => (seen.stdout += text) },
    stderr: { write: (text: string) => (seen.stderr += text) },
    env: { HOME: dir },
    cwd: dir,
    now: () => 0,
    onExit: () => () => {},
  }
  const code = await program(argv, streams, { version: '0', roles })
  return { code, ...seen }
}

describe('the program', () => {
  test.each(cases)('%s', async (_, { words, all, has, not, files }) => {
    const { code, stdout, stderr } = await cli('completion', 'candidates', '--', ...words)
    expect([code, stderr]).toEqual([0, ''])
    if (files) return expect(stdout).toBe(':files\n')
    const lines = stdout.split('\n').filter((line) => line !== '')
    const found = lines.map((line) => line.split('\t')[0])
    if (all !== undefined) expect(found).toEqual(all)
    expect(found).toEqual(expect.arrayContaining(has))
    expect(found.filter((word) => not.some((one) => one === word))).toEqual([])
  })

  test('completes the hosts of the inventory that the words name', async () => {
    const { stdout } = await cli('completion', 'candidates', '--', 'plan', '-i', 'web-1,web-2,', '-l', 'web')
    expect(stdout).toBe('web-1\thost\nweb-2\thost\n')
  })

  test.each([[[]], [['tcsh']], [['bash', 'zsh']]])('completion %j is refused', async (words) => {
    expect(await cli('completion', ...words)).toMatchObject({ code: 64, stdout: '' })
  })
})

const env = () => ({ HOME: dir, PATH: `${dir}/bin:${process.env.PATH}`, TERM: 'dumb', LANG: 'C.UTF-8' })

/** The line that an interactive shell has after Tab: the cursor goes around it with printf, which shows it. */
async function pressed(shell: readonly string[], script: string, line: string): Promise<string> {
  const child = spawn('script', ['-qec', shell.join(' '), '/dev/null'], { cwd: dir, env: env(), timeout: 40_000 })
  child.stdin.on('error', () => undefined)
  let screen = ''
  const isShown = (pattern: RegExp) =>
    new Promise<string>((resolve, reject) => {
      const look = () => {
        const found = pattern.exec(screen)?.[1]
        if (found !== undefined) resolve(found)
      }
      child.stdout.on('data', look)
      child.on('close', () => reject(new Error(screen)))
      look()
    })
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    screen += text
  })
  try {
    // What is typed is on the screen, too: the numbers are computed.
    child.stdin.write(`${script}; echo ready-$((0+1))\n`)
    await isShown(/(ready-1)/)
    child.stdin.write(`${line}\t\x01printf '(%s)' '\x05'; echo ready-$((1+1))\n`)
    return await isShown(/\((k3s-platform [^)]*)\)ready-2/)
  } finally {
    child.removeAllListeners('close')
    child.kill()
  }
}

const INTERACTIVE = {
  bash: [['bash', '--norc', '--noprofile', '-i'], 'source <(k3s-platform completion bash)'],
  zsh: [['zsh', '-f', '-i'], 'autoload -U compinit; compinit -u -D; source <(k3s-platform completion zsh)'],
} as const

describe.each(Object.entries(INTERACTIVE))('%s, with Tab', (_, [shell, script]) => {
  test.each([
    ['k3s-platform pl', 'k3s-platform plan '],
    ['k3s-platform certs rem', 'k3s-platform certs remove '],
    ['k3s-platform plan -l edge-1,d', 'k3s-platform plan -l edge-1,db '],
    ['k3s-platform plan --limit=db:!edge-1', 'k3s-platform plan --limit=db:!edge-1 '],
    ['k3s-platform apply -e k3s_platform_k3s_ver', 'k3s-platform apply -e k3s_platform_k3s_version='],
    ['k3s-platform plan -i inventories/def', 'k3s-platform plan -i inventories/default/'],
  ])('%s becomes %s', { timeout: 60_000 }, async (line, expected) => {
    // zsh takes back a space or a slash that it added itself when the cursor moves away.
    const kept = shell[0] === 'zsh' ? expected.replace(/[ /]$/, '') : expected
    expect(await pressed(shell, script, line)).toBe(kept)
  })
})

describe('fish', () => {
  const completed = (line: string) =>
    execFileSync('fish', ['--no-config', '-c', `k3s-platform completion fish | source; complete -C '${line}'`], {
      cwd: dir,
      env: env(),
      encoding: 'utf8',
      timeout: 40_000,
    })

  test.each([
    ['k3s-platform pl', ['plan']],
    ['k3s-platform certs rem', ['remove']],
    ['k3s-platform plan -l edge-', ['edge-1', 'edge-2']],
    ['k3s-platform apply -e k3s_platform_k3s_ver', ['k3s_platform_k3s_version=']],
    ['k3s-platform plan -i inventories/def', ['inventories/default/']],
    ['k3s-platform lock ', []],
  ])('%s has the candidates %j', (line, expected) => {
    const words = completed(line)
      .split('\n')
      .filter((one) => one !== '')
      .map((one) => one.split('\t')[0])
    expect(words).toEqual(expected)
  })

  test('candidates have descriptions', () => {
    expect(completed('k3s-platform pla')).toBe('plan\tshow what apply would do, with diffs; touches nothing\n')
  })
})
