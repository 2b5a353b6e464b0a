// A case of the hostile inputs: what inputs/*.yaml may say, written to a temporary directory.

import { execFileSync, spawnSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { parse } from 'yaml'
import { z } from 'zod'

/** `{i}` is the number of the repetition, from 0, and `{next}` the one after it. */
const Repeat = z.strictObject({ repeat: z.string(), times: z.int() })
const Base64 = z.strictObject({ base64: z.string() })
const Content = z.union([z.string(), Repeat, Base64, z.array(z.union([z.string(), Repeat, Base64]))])
type Content = z.output<typeof Content>

const Entry = z.union([
  Content,
  /** Mode 0: the program has no right to read it, also where the tests run as root. */
  z.strictObject({ text: Content, mode: z.int() }),
  z.strictObject({ directory: z.literal(true), mode: z.int().optional() }),
  z.strictObject({ fifo: z.literal(true) }),
  z.strictObject({ socket: z.literal(true) }),
  z.strictObject({ link: z.string() }),
  /** Bytes that take no room on the disk. */
  z.strictObject({ zeros: z.int() }),
])
type Entry = z.output<typeof Entry>

const HOSTS = 'all:\n  hosts:\n    edge-1:\n      ansible_host: 192.0.2.7\n'
const ARGS = ['plan', 'k3s_platform_bootstrap', '--list-hosts', '-i', 'hosts.yaml']

const Case = z.strictObject({
  /** hosts.yaml, with the host edge-1, is there without being said. */
  files: z.record(z.string(), Entry).default({}),
  args: z.array(Content).default(ARGS),
  /** Arguments behind those of `args`. */
  more: z.array(Content).default([]),
  env: z.record(z.string(), Content).default({}),
  exit: z.int().default(64),
  /** `file:line:col` or whatever a problem says of where it is. */
  at: z.string().optional(),
  /** A part of the problem that begins with `at`, or of any output. */
  what: z.string().optional(),
  /** Parts of the whole output, and what must be no part of it. */
  includes: z.array(z.string()).default([]),
  excludes: z.array(z.string()).default([]),
  /** Bounds: CPU seconds, peak memory in MiB, output in KiB. */
  cpu: z.number().default(8),
  memory: z.number().default(400),
  output: z.number().default(64),
})
export type Case = z.output<typeof Case>

const folder = join(import.meta.dirname, 'inputs')

/** All cases by topic: the sentence that each is called, and what it is. */
export const topics: readonly (readonly [topic: string, cases: readonly (readonly [string, Case])[]])[] = readdirSync(
  folder,
)
  .sort()
  .map((file) => [
    file.replace('.yaml', ''),
    Object.entries(z.record(z.string(), Case).parse(parse(readFileSync(join(folder, file), 'utf8')))),
  ])

function bytesOf(content: Content): Buffer {
  if (Array.isArray(content)) return Buffer.concat(content.map(bytesOf))
  if (typeof content === 'string') return Buffer.from(content)
  if ('base64' in content) return Buffer.from(content.base64, 'base64')
  const piece = (_: unknown, i: number) =>
    content.repeat.replaceAll('{i}', String(i)).replaceAll('{next}', String(i + 1))
  return Buffer.from(Array.from({ length: content.times }, piece).join(''))
}

export const textOf = (content: Content) => bytesOf(content).toString('utf8')

/** Writes the files of a case; gives the directory. */
export function unpack({ files }: Case): string {
  const directory = realpathSync(mkdtempSync(join(tmpdir(), 'hostile-')))
  for (const [path, entry] of Object.entries({ 'hosts.yaml': HOSTS, ...files })) {
    mkdirSync(dirname(join(directory, path)), { recursive: true })
    place(join(directory, path), entry)
  }
  return directory
}

function place(path: string, entry: Entry): void {
  if (typeof entry === 'string' || Array.isArray(entry) || 'repeat' in entry || 'base64' in entry) {
    writeFileSync(path, bytesOf(entry))
  } else if ('text' in entry) {
    writeFileSync(path, bytesOf(entry.text))
    chmodSync(path, entry.mode)
  } else if ('directory' in entry) {
    mkdirSync(path)
    if (entry.mode !== undefined) chmodSync(path, entry.mode)
  } else if ('link' in entry) symlinkSync(entry.link, path)
  else if ('zeros' in entry) {
    writeFileSync(path, '')
    truncateSync(path, entry.zeros)
  } else if ('fifo' in entry) execFileSync('mkfifo', [path])
  else spawnSync(process.execPath, ['-e', LEAVE_SOCKET, path])
}

/** A server that ends in an orderly way removes its socket. */
const LEAVE_SOCKET = "require('net').createServer().listen(process.argv[1], () => process.kill(process.pid, 'SIGKILL'))"
