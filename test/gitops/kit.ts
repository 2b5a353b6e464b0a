// What tests of the tree share: an inventory and a folder on disk, and the program that renders one into the other.

import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { onTestFinished } from 'vitest'
import { stringify } from 'yaml'
import { program } from '../../src/cli/program.ts'
import { roles } from '../../src/cli/roles.ts'
import type { Streams } from '../../src/report/sink.ts'

export type Vars = Readonly<Record<string, unknown>>

/** An empty one, gone after the test. */
export function folder(): string {
  const made = mkdtempSync(join(tmpdir(), 'k3s-platform-tree-'))
  onTestFinished(() => rmSync(made, { recursive: true }))
  return made
}

/** `vars` without `k3s_platform_`; files are relative. */
export function inventory(vars: Vars, hosts: Readonly<Record<string, Vars>> = { 'edge-1': {} }): string {
  const dir = folder()
  const named = (some: Vars) =>
    Object.fromEntries(Object.entries(some).map(([n, value]) => [`k3s_platform_${n}`, value]))
  const all = Object.fromEntries(
    Object.entries(hosts).map(([host, some]) => [host, { ansible_host: '203.0.113.7', ...named(some) }]),
  )
  // Nothing of this is needed by the tree: the rules of the role ask for it.
  const base = { external_dns_enabled: false }
  writeFileSync(
    join(dir, 'hosts.yaml'),
    stringify({ all: { hosts: all, vars: named({ ...base, ...vars }) } }, { compat: 'yaml-1.1' }),
  )
  return dir
}

/** stderr stands behind stdout. */
export async function render(argv: readonly string[], env: Readonly<Record<string, string>> = {}) {
  let text = ''
  const write = (more: string) => {
    text += more
    return true
  }
  const streams: Streams = {
    stdout: { write },
    stderr: { write },
    env: { PATH: process.env.PATH ?? '', HOME: '/nonexistent', GIT_CONFIG_GLOBAL: '/dev/null', ...env },
    cwd: '/',
    now: () => 0,
    onExit: () => () => {},
  }
  const code = await program(['render', ...argv], streams, { version: '0', roles })
  return { code, text }
}

/** Path to text of all files but Git's own. */
export function filesIn(dir: string): Map<string, string> {
  const found = readdirSync(dir, { recursive: true, withFileTypes: true })
    .filter((one) => one.isFile())
    .map((one) => join(one.parentPath, one.name).slice(dir.length + 1))
    .filter((path) => !path.startsWith('.git/'))
    .toSorted()
  return new Map(found.map((path) => [path, readFileSync(join(dir, path), 'utf8')]))
}

export function put(dir: string, path: string, text: string): void {
  mkdirSync(dirname(join(dir, path)), { recursive: true })
  writeFileSync(join(dir, path), text)
}
