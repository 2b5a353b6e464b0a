// Runs the real program as a child process of a test and measures what it costs: bundled from src once per test file.

import { spawn } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { vi } from 'vitest'
import { stringify } from 'yaml'
import type { HostileServer } from './ssh-server.ts'

export interface ProgramRun {
  /** null: it was killed, by `timeoutMs` when nothing else did. */
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
  /** User and system time. */
  readonly cpuSeconds: number
  /** Peak of its resident memory. A bare `--version` has 50 MiB. */
  readonly peakMiB: number
}

export interface ProgramOptions {
  /** Added to PATH, HOME, LANG and NO_COLOR. */
  readonly env?: Readonly<Record<string, string>>
  readonly cwd?: string
  /** Default 60 000; then it is killed. */
  readonly timeoutMs?: number
}

// A build and a few runs, on a machine that does other things too.
vi.setConfig({ testTimeout: 120_000 })

const temp = mkdtempSync(join(tmpdir(), 'k3sp-program-'))
process.once('exit', () => rmSync(temp, { recursive: true, force: true }))
let built: Promise<string> | undefined
let inventories = 0

/** HOME of the program: empty at first, one per test file. */
export const programHome = join(temp, 'home')
mkdirSync(programHome)

export async function runProgram(args: readonly string[], options: ProgramOptions = {}): Promise<ProgramRun> {
  built ??= build(join(temp, 'dist'))
  const child = spawn(process.execPath, [await built, ...args], {
    env: { PATH: process.env.PATH, HOME: programHome, LANG: 'C.UTF-8', NO_COLOR: '1', ...options.env },
    cwd: options.cwd ?? programHome,
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const said = { stdout: '', stderr: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said.stdout += text
  })
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said.stderr += text
  })
  let cost = { cpuSeconds: 0, peakMiB: 0 }
  const timer = setTimeout(() => child.kill('SIGKILL'), options.timeoutMs ?? 60_000)
  const sampling = setInterval(() => {
    cost = costOf(child.pid) ?? cost
  }, 20)
  const code = await new Promise<number | null>((resolve) => child.once('close', resolve))
  clearTimeout(timer)
  clearInterval(sampling)
  return { code, ...said, ...cost }
}

/** The same as a line for a shell, with its environment: for a terminal. */
export async function programOf(args: readonly string[], env: Readonly<Record<string, string>>) {
  built ??= build(join(temp, 'dist'))
  const words = [process.execPath, await built, ...args]
  const environment = { PATH: process.env.PATH, HOME: programHome, LANG: 'C.UTF-8', ...env }
  return { command: words.map((word) => `'${word.replaceAll("'", "'\\''")}'`).join(' '), environment }
}

/** As runProgram, with an inventory that has the server as its only host, `edge-1`. */
export async function runAgainst(
  server: HostileServer,
  args: readonly string[],
  options: ProgramOptions & { readonly vars?: Readonly<Record<string, unknown>> } = {},
): Promise<ProgramRun> {
  const inventory = writeInventory({ 'edge-1': server.hostVars() }, options.vars)
  const env = { K3S_PLATFORM_SSH_KNOWN_HOSTS: server.knownHosts(), ...options.env }
  const at = args.indexOf('--')
  const [before, after] = at < 0 ? [args, []] : [args.slice(0, at), args.slice(at)]
  return runProgram([...before, '-i', inventory, ...after], { ...options, env })
}

/** Writes an inventory directory and returns its path; `vars` are those of all hosts. */
export function writeInventory(
  hosts: Readonly<Record<string, object>>,
  vars: Readonly<Record<string, unknown>> = {},
): string {
  const dir = join(temp, `inventory-${++inventories}`)
  mkdirSync(join(dir, 'group_vars'), { recursive: true })
  writeFileSync(join(dir, 'hosts.yaml'), stringify({ all: { hosts } }))
  writeFileSync(join(dir, 'group_vars/all.yaml'), stringify(vars))
  return dir
}

async function build(to: string): Promise<string> {
  const script = fileURLToPath(new URL('../../scripts/build.mjs', import.meta.url))
  const child = spawn(process.execPath, [script, to], { stdio: ['ignore', 'ignore', 'inherit'] })
  const code = await new Promise((resolve) => child.once('close', resolve))
  if (code !== 0) throw new Error(`the program could not be built (exit ${code})`)
  return join(to, 'k3s-platform.js')
}

/** As the kernel counts it; undefined when the process has ended. */
function costOf(pid: number | undefined): { cpuSeconds: number; peakMiB: number } | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    const peak = /^VmHWM:\s*(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1'))?.[1]
    if (peak === undefined) return undefined
    return { cpuSeconds: (Number(fields[11]) + Number(fields[12])) / 100, peakMiB: Number(peak) / 1024 }
  } catch {
    return undefined
  }
}
