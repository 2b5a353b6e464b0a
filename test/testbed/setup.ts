// Vitest's global setup of the e2e project: prepares the machine, builds the stand-in and the program, cleans up at the end.

import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { platform } from 'node:os'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { nodes } from './node.ts'
import { NODE_PREFIX } from './testbed.ts'

const path = (relative: string) => fileURLToPath(new URL(relative, import.meta.url))
const progress = { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' } as const

export default async function setup(): Promise<() => Promise<void>> {
  if (platform() !== 'linux' || process.getuid?.() !== 0) {
    throw new Error('the end-to-end tests start real nodes: they need root on a Debian machine (sudo npm run test:e2e)')
  }
  const run = String(process.pid)
  process.env.K3SP_E2E_RUN = run
  await execa(path('nodes/nodes'), ['prepare'], progress)
  await removeNodes((owner) => !existsSync(`/proc/${owner}`))
  await execa(path('k3s-standin/build'), [], progress)
  await buildProgram()
  return async () => {
    await removeNodes((owner) => owner === run)
    await nodes('sweep')
  }
}

/** Takes down the nodes that test runs with such a process id have left. */
async function removeNodes(wanted: (owner: string) => boolean): Promise<void> {
  const names = [...(await nodes('list')).matchAll(/"name":"([^"]+)"/g)].map((match) => match[1] ?? '')
  const left = names.filter((name) => name.startsWith(NODE_PREFIX) && wanted(name.split('-')[1] ?? ''))
  await Promise.all(left.map((name) => nodes('down', name)))
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
