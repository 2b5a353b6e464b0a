// Vitest's global setup of the e2e project: prepares the machine, builds the stand-in and the program, cleans up at the end.

import { existsSync, readdirSync, rmSync } from 'node:fs'
import { homedir, platform, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa, execaSync } from 'execa'
import { buildProgram } from '../build.ts'
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
  const built = await parts(...PARTS)
  await checkPods(built[PARTS.indexOf('uml')] ?? '')
  await buildProgram()
}

/**
 * Tries the kernel of nodes with real pods, without a disk: it has to come so far that it looks for one. Where it does not, the
 * tests that need such nodes are left out (see pods.ts), but not in CI.
 */
async function checkPods(kernelPart: string): Promise<void> {
  const kernel = join(kernelPart, 'linux')
  const args = ['mem=64M', 'ncpus=1', 'seccomp=on', 'con=null', 'con0=null,fd:1', 'panic=1']
  const { all } = await execa(kernel, args, { stdin: 'ignore', all: true, reject: false, timeout: 30_000 })
  if (all.includes('Unable to mount root fs')) return
  const why = `nodes with real pods cannot be started here: ${kernel} (User-Mode Linux) ended with\n${all.slice(-2000)}`
  if (process.env.CI !== undefined) throw new Error(why)
  process.stderr.write(`e2e: ${why}\ne2e: the tests that need such nodes are left out\n`)
  process.env.K3SP_NO_REAL_PODS = 'yes'
}

/** Removes the nodes and directories of test runs with such a process id. */
function removeLeft(wanted: (owner: string) => boolean): void {
  const mine = (name: string) => name.startsWith(E2E_PREFIX) && wanted(name.split('-')[1] ?? '')
  const left = [...nodes('list').matchAll(/"name":"([^"]+)"/g)].map((match) => match[1] ?? '').filter(mine)
  for (const owner of new Set(left.map((name) => name.split('-')[1]))) nodes('down', `${E2E_PREFIX}${owner}-*`)
  for (const place of [tmpdir(), homedir()]) {
    for (const name of readdirSync(place).filter(mine)) rmSync(join(place, name), { recursive: true, force: true })
  }
}

/** A verb of nodes/nodes, synchronous: an exit handler can use it. A failure is shown and is no reason to stop. */
function nodes(...args: readonly string[]): string {
  return execaSync(path('nodes/nodes'), args, { stdin: 'ignore', stderr: 'inherit', reject: false }).stdout
}
