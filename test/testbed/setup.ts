// Vitest's global setup of the e2e project: prepares the machine, builds the stand-in and the program, cleans up at the end.

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa, execaSync } from 'execa'
import { PARTS, parts } from './parts.ts'
import { E2E_PREFIX } from './testbed.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const progress = { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' } as const

export default async function setup(): Promise<void> {
  if (platform() !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('the end-to-end tests start real nodes: they need root on a Debian machine (sudo npm run test:e2e)')
  }
  const run = String(process.pid)
  process.env.K3SP_E2E_RUN = run // the workers inherit it, and name what they make after it
  // Not the teardown that vitest offers: an interrupted run skips that.
  process.on('exit', () => {
    removeLeft((owner) => owner === run)
    nodes('sweep')
  })
  await execa(path('nodes/nodes'), ['prepare'], progress)
  removeLeft((owner) => !existsSync(`/proc/${owner}`))
  await execa(path('k3s-standin/build'), [], progress)
  await parts(...PARTS)
  await buildProgram()
}

/** Removes the nodes and directories of test runs with such a process id. */
function removeLeft(wanted: (owner: string) => boolean): void {
  const mine = (name: string) => name.startsWith(E2E_PREFIX) && wanted(name.split('-')[1] ?? '')
  const left = [...nodes('list').matchAll(/"name":"([^"]+)"/g)].map((match) => match[1] ?? '').filter(mine)
  for (const owner of new Set(left.map((name) => name.split('-')[1]))) nodes('down', `${E2E_PREFIX}${owner}-*`)
  for (const name of readdirSync(tmpdir()).filter(mine)) rmSync(join(tmpdir(), name), { recursive: true, force: true })
}

/** A verb of nodes/nodes, synchronous: an exit handler can use it. A failure is shown and is no reason to stop. */
function nodes(...args: readonly string[]): string {
  return execaSync(path('nodes/nodes'), args, { stdin: 'ignore', stderr: 'inherit', reject: false }).stdout
}

/** The tests run dist/: it must not be older than what it is built from. */
async function buildProgram(): Promise<void> {
  const built = await stat(path('../../dist/k3s-platform.js')).catch(() => null)
  let newest = 0
  for (const room of ['src', 'roles', 'templates']) {
    for (const entry of await readdir(path(`../../${room}`), { recursive: true })) {
      newest = Math.max(newest, (await stat(path(`../../${room}/${entry}`))).mtimeMs)
    }
  }
  if (built === null || built.mtimeMs < newest)
    await execa(process.execPath, [path('../../scripts/build.mjs')], progress)
}
