// Builds dist/ when it is older than its sources: for tests that run the built program.

import { readdir, stat } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'

const path = (relative: string) => fileURLToPath(new URL(`../${relative}`, import.meta.url))

/** The start file of the program. */
export const PROGRAM = path('dist/k3s-platform.js')

export async function buildProgram(): Promise<void> {
  const built = await stat(PROGRAM).catch(() => null)
  let newest = 0
  for (const room of ['src', 'roles', 'templates']) {
    for (const entry of await readdir(path(room), { recursive: true })) {
      newest = Math.max(newest, (await stat(path(`${room}/${entry}`))).mtimeMs)
    }
  }
  if (built !== null && built.mtimeMs >= newest) return
  await execa(process.execPath, [path('scripts/build.mjs')], { stdin: 'ignore', stdout: 'ignore', stderr: 'inherit' })
}
