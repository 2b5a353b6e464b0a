// A temporary directory with an ssh-agent for one check; both are removed even if this program is killed.

import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Secret } from '../engine/secret.ts'
import { type ProgramOptions, roadsOf, run } from './programs.ts'
import askpassText from './shell/askpass.sh'
import keeper from './shell/keep-scratch.sh'

export interface Scratch {
  readonly dir: string
  /** Of the agent. */
  readonly socket: string
  end(): Promise<void>
}

/** Until the agent answers, ms. */
const AGENT_MS = 3000

/** A socket's path may have 104 bytes. */
export async function scratch(env: ProgramOptions['env'], agent: boolean): Promise<Scratch> {
  const { execa } = await import('execa')
  const base = env.TMPDIR || tmpdir()
  const dir = await mkdtemp(join(base.length > 60 ? '/tmp' : base, 'k3sp-git-'))
  const socket = join(dir, 'agent')
  const child = execa('/bin/sh', ['-c', keeper, 'sh', dir, agent ? 'agent' : ''], {
    ...{ env: roadsOf(env), extendEnv: false, reject: false, detached: true, cleanup: false },
    ...{ stdin: 'pipe', stdout: 'ignore', stderr: 'ignore' },
  })
  child.stdin.on('error', () => {})
  const end = async () => {
    child.stdin.end()
    await child
    await rm(dir, { recursive: true, force: true })
  }
  for (let waited = 0; agent && waited < AGENT_MS && !(await accepts(socket)); waited += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { dir, socket, end }
}

/** For SSH_ASKPASS: a file of the directory. */
export const askpass = `${askpassText}\n`

/** The key goes to the agent by stdin; what ssh-add said when it did not take it. */
export async function addKey(
  { dir, socket }: Scratch,
  { identity, passphrase }: { readonly identity: Secret; readonly passphrase: Secret | undefined },
  how: ProgramOptions,
): Promise<string | undefined> {
  const asking = {
    SSH_ASKPASS: join(dir, 'askpass'),
    SSH_ASKPASS_REQUIRE: 'force',
    DISPLAY: ':',
    K3SP_PASSPHRASE: passphrase?.reveal() ?? '',
  }
  const env = { ...how.env, SSH_AUTH_SOCK: socket, ...asking }
  const { ok, said } = await run('ssh-add', ['-q', '-'], { ...how, env, input: identity.reveal() })
  return ok ? undefined : said
}

/** The agent makes its socket first, and refuses until it listens on it. */
function accepts(socket: string): Promise<boolean> {
  return new Promise((resolve) => {
    const tried = connect(socket, () => {
      tried.destroy()
      resolve(true)
    }).on('error', () => resolve(false))
  })
}
