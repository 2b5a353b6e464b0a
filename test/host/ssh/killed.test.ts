// The tool is killed without a chance to clean up: nothing of its connections stays, here or there.

import { spawn } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { rolldown } from 'rolldown'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { templates } from '../../../scripts/template-plugin.mjs'
import { type Sshd, startSshd } from './sshd.ts'

let sshd: Sshd
let program: string
beforeAll(async () => {
  sshd = await startSshd()
  program = join(sshd.dir, 'victim', 'victim.js')
  const input = join(import.meta.dirname, 'victim.ts')
  const bundle = await rolldown({
    input,
    platform: 'node',
    external: [/\.node$/, 'cpu-features'],
    plugins: [templates()],
    logLevel: 'silent',
  })
  await bundle.write({ dir: join(sshd.dir, 'victim'), format: 'esm' })
  await bundle.close()
}, 60_000)
afterAll(() => sshd.stop())

test.each(['node-ssh', 'openssh'])(
  'killed while a command runs over %s, it leaves no process and no file',
  async (transport) => {
    const tmp = join(sshd.dir, `tmp-${transport}`)
    mkdirSync(tmp)
    const env = {
      PATH: process.env.PATH,
      HOME: sshd.home,
      TMPDIR: tmp,
      VICTIM_PORT: String(sshd.port),
      VICTIM_USER: sshd.user,
      VICTIM_KEY: sshd.clientKey,
      VICTIM_PIN: sshd.hostKeys.ed25519,
      VICTIM_TRANSPORT: transport,
    }
    const victim = spawn(process.execPath, [program], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    await new Promise((resolve) => victim.stdout.once('data', resolve))
    expect(sshd.children().length).toBeGreaterThan(0)
    expect(mine(tmp).length).toBeGreaterThan(0)
    victim.kill('SIGKILL')
    await expect.poll(() => [sshd.children(), mine(tmp), readdirSync(tmp)], { timeout: 4000 }).toEqual([[], [], []])
  },
)

/** Processes that were started with this TMPDIR. */
function mine(tmp: string): string[] {
  return readdirSync('/proc').filter((pid) => {
    if (!/^\d+$/.test(pid)) return false
    try {
      return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`TMPDIR=${tmp}\0`)
    } catch {
      return false
    }
  })
}
