// How the end-to-end tests look: at a node's files, its journal and its k3s, and at the document of a run.

import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { expect } from 'vitest'
import { z } from 'zod'
import { type RunDocument, runDocument } from '../../src/report/run-v1.ts'
import type { TestNode } from '../testbed/node.ts'
import type { CliOptions, CliResult, Testbed } from '../testbed/testbed.ts'

const SCHEMA = fileURLToPath(new URL('../../docs/schema/run-v1.json', import.meta.url))

/** Path to everything that stat knows of it but the time of the last reading, and the digest of a file's content. */
type Tree = ReadonlyMap<string, string>

/**
 * What is on the disk and in /run and /tmp. Content of /usr is not hashed: a write that keeps size, inode, mtime and ctime
 * does not exist.
 */
export async function tree(node: TestNode): Promise<Tree> {
  const found = await node.ask(`
    find / /run /tmp -xdev -path /proc -prune -o -printf '%p\\t%y %m %U:%G %s %i %n %T@ %C@ %l\\n'
    find / /run /tmp -xdev -path /usr -prune -o -type f -printf '%p\\0' | xargs -0 sha256sum -- | sed 's/^\\\\\\?\\([0-9a-f]*\\)  \\(.*\\)/content of \\2\\t\\1/'`)
  return new Map(
    found.split('\n').map((line): [string, string] => {
      const tab = line.indexOf('\t')
      return [line.slice(0, tab), line.slice(tab + 1)]
    }),
  )
}

/** Paths that came, went or differ; those that match `but` aside. */
export function treeChanges(before: Tree, after: Tree, but: readonly RegExp[] = []): string[] {
  return [...new Set([...before.keys(), ...after.keys()])]
    .filter((path) => before.get(path) !== after.get(path))
    .filter((path) => !but.some((pattern) => pattern.test(path.replace('content of ', ''))))
    .map((path) => `${path}: ${before.get(path) ?? 'absent'} -> ${after.get(path) ?? 'absent'}`)
    .sort()
}

const Entry = z.object({ SYSLOG_IDENTIFIER: z.string().optional(), MESSAGE: z.string() })

/** The journal's messages since `cursor`, as `identifier: message`. */
export async function journalSince(node: TestNode, cursor: string): Promise<string[]> {
  const lines = await node
    .ask(['journalctl', '--sync', '-q'])
    .then(() => node.ask(['journalctl', '-q', '-o', 'json', `--after-cursor=${cursor}`]))
  return lines
    .split('\n')
    .filter(Boolean)
    .map((line) => Entry.parse(JSON.parse(line)))
    .map(({ SYSLOG_IDENTIFIER = '?', MESSAGE }) => `${SYSLOG_IDENTIFIER}: ${MESSAGE}`)
}

/** Where the journal ends now. */
export async function journalCursor(node: TestNode): Promise<string> {
  const text = await node.ask('journalctl --sync -q; journalctl -q -n 0 --show-cursor')
  return text.replace(/^.*cursor: /s, '')
}

/** Which run of k3s it is: both differ after a restart. */
export async function runOf(node: TestNode): Promise<string> {
  return node.ask('systemctl show -p ActiveState -p InvocationID -p ExecMainStartTimestampMonotonic k3s')
}

/** How often systemd has begun to start k3s since the node was made; restarts and failures are starts, too. */
export async function starts(node: TestNode): Promise<number> {
  const UNIT_STARTING = '7d4958e842da4a758f6c1cdc7b36dcc5'
  await node.ask('journalctl --sync')
  const { stdout } = await node.run([
    'journalctl',
    '-q',
    '-o',
    'cat',
    '_PID=1',
    'UNIT=k3s.service',
    `MESSAGE_ID=${UNIT_STARTING}`,
  ])
  return stdout.split('\n').filter(Boolean).length
}

/** Logins by key that sshd has let in since the node was made. */
export async function logins(node: TestNode): Promise<number> {
  await node.ask('journalctl --sync')
  const { stdout } = await node.run("journalctl -q -o cat -u ssh.service -u 'ssh*' | grep -c '^Accepted publickey'")
  return Number(stdout)
}

const MIRROR =
  /^(?:http|oci):\/\/10\.88\.\d+\.\d+:\d+\S* serves (?:releases and their digests|charts) over plain http: an attacker on the network path/

/** The testbed's own mirrors and chart repositories are plain http: a run warns of each once. Other places count. */
export function butForTheMirror<P extends { readonly where: string; readonly what: string }>(
  problems: readonly P[],
): P[] {
  const mirrors = problems.filter(({ what }) => MIRROR.test(what))
  expect(new Set(mirrors.map(({ where }) => where)).size, 'each mirror is warned of once').toBe(mirrors.length)
  return problems.filter((one) => !mirrors.includes(one))
}

interface Told extends Omit<CliResult, 'stdout'> {
  readonly document: RunDocument
}

/** A run with `-o json`: stdout must be exactly one document, of the published schema. */
export async function told(testbed: Testbed, args: readonly string[], options: CliOptions = {}): Promise<Told> {
  const { stdout, ...rest } = await testbed.cli([...args, '-o', 'json'], options)
  const published = z.fromJSONSchema(JSON.parse(await readFile(SCHEMA, 'utf8')))
  const raw: unknown = JSON.parse(stdout)
  expect(published.safeParse(raw).error).toBeUndefined()
  const document = runDocument.parse(raw)
  return { ...rest, document: { ...document, problems: butForTheMirror(document.problems) } }
}

/** Runs the program and expects success; says all it said otherwise. */
export async function well(testbed: Testbed, args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const done = await testbed.cli(args, options)
  expect(done.code, `${args.join(' ')}\n${done.stdout}\n${done.stderr}`).toBe(0)
  return done
}

/** What a plan would do, as `sign-word title-or-note`: `update /etc/rancher/k3s/config.yaml`, `action restart k3s.service`. */
export function pendingOf(document: RunDocument, host = 0): string[] {
  return (document.hosts[host]?.plan?.stages ?? [])
    .flatMap((stage) => stage.changes)
    .filter(({ op }) => op !== 'none' && op !== 'local')
    .map(({ op, title, note }) => `${op} ${op === 'action' ? note : title}`)
}
