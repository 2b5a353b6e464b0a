// Hostile inputs, all of inputs/*.yaml, through the built program in a process of its own: exit code, problem, CPU, memory and output.

import { spawn } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable } from 'node:stream'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { buildProgram, PROGRAM } from '../build.ts'
import { type Case, textOf, topics, unpack } from './case.ts'

/** What ends a process that hangs without using the CPU: nothing is measured by it. */
const HUNG_MS = 60_000

const Usage = z.object({ cpu: z.number(), memory: z.number() })

/** The compiled code of the program, which the cases share. */
const cache = mkdtempSync(join(tmpdir(), 'hostile-cache-'))

beforeAll(buildProgram, 120_000)
afterAll(() => rmSync(cache, { recursive: true, force: true }))

describe.each(topics)('%s', (_, cases) => {
  test.concurrent.each(cases)('%s', { timeout: HUNG_MS + 20_000 }, async (_, given) => {
    const cwd = unpack(given)
    try {
      const { code, output, size, killed, usage } = await run(given, cwd)
      expect(killed, output).toBeUndefined()
      expect(output).not.toMatch(/internal error|^\s+at .*:\d+:\d+\)?$/m)
      expect(code, output).toBe(given.exit)
      const { what = '', at = '' } = given
      const problems = output.split(/^(?:[✗!] )/m).filter((problem) => problem.includes(what))
      expect(problems, output).not.toEqual([])
      expect(problems.map((problem) => problem.slice(0, at.length))).toContain(at)
      for (const part of given.includes) expect(output).toContain(part)
      for (const part of given.excludes) expect(output).not.toContain(part)
      expect(size).toBeLessThanOrEqual(given.output * 1024)
      expect(usage?.cpu).toBeLessThanOrEqual(given.cpu)
      expect(usage?.memory).toBeLessThanOrEqual(given.memory)
    } finally {
      rmSync(cwd, { recursive: true })
    }
  })
})

interface Outcome {
  readonly code: number | null
  /** Of both streams, in the order in which it came. */
  readonly output: string
  readonly size: number
  /** Why the process had to be ended. */
  readonly killed: string | undefined
  readonly usage: z.output<typeof Usage> | undefined
}

async function run(given: Case, cwd: string): Promise<Outcome> {
  const node = [process.execPath, '--require', join(import.meta.dirname, 'measure.cjs'), PROGRAM]
  const args = [...given.args, ...given.more].map(textOf)
  const env = Object.fromEntries(Object.entries(given.env).map(([name, content]) => [name, textOf(content)]))
  const child = spawn(
    'sh',
    ['-c', `ulimit -t ${Math.ceil(given.cpu) + 6}; exec "$@"`, 'sh', ...unprivileged(given), ...node, ...args],
    {
      cwd,
      env: { PATH: process.env.PATH, HOME: cwd, XDG_CACHE_HOME: cache, ...env },
      stdio: ['ignore', 'pipe', 'pipe', 'pipe'],
    },
  )
  let killed: string | undefined
  const kill = (why: string) => {
    killed ??= why
    child.kill('SIGKILL')
  }
  const hung = setTimeout(() => kill(`it hung for ${HUNG_MS / 1000} s`), HUNG_MS)
  const watch = setInterval(() => {
    if (peakMemory(child.pid) > given.memory * 2) kill(`it used more than ${given.memory * 2} MiB of memory`)
  }, 100)
  const output: Buffer[] = []
  let size = 0
  const collect = (chunk: Buffer) => {
    size += chunk.length
    if (size <= given.output * 2048) output.push(chunk)
    else kill(`it wrote more than ${given.output * 2} KiB`)
  }
  child.stdout?.on('data', collect)
  child.stderr?.on('data', collect)
  const [code, usage] = await Promise.all([
    new Promise<number | null>((resolve, reject) => {
      child.once('error', reject)
      child.once('close', (status, signal) => {
        if (signal !== null) killed ??= `it was ended by ${signal}`
        resolve(status)
      })
    }),
    measured(child.stdio[3]),
  ]).finally(() => {
    clearTimeout(hung)
    clearInterval(watch)
  })
  return { code, output: Buffer.concat(output).toString('utf8'), size, killed, usage }
}

/** Root may read everything: without these capabilities the modes of files count. */
function unprivileged({ files }: Case): readonly string[] {
  const needed =
    process.getuid?.() === 0 && Object.values(files).some((one) => typeof one === 'object' && 'mode' in one)
  return needed ? ['setpriv', '--bounding-set=-dac_override,-dac_read_search'] : []
}

/** MiB; 0 where the system does not say. */
function peakMemory(pid: number | undefined): number {
  try {
    return Number(/^VmHWM:\s*(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1] ?? 0) / 1024
  } catch {
    return 0
  }
}

async function measured(stream: unknown): Promise<Outcome['usage']> {
  let text = ''
  for await (const chunk of stream as Readable) text += chunk
  return text === '' ? undefined : Usage.parse(JSON.parse(text))
}
