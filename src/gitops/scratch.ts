// A directory for one check, and an ssh-agent in it: both go with the check, and also when this program is killed.

import { access, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Secret } from '../engine/secret.ts'
import { type Run, roadsOf, run } from './programs.ts'

export interface Scratch {
  readonly dir: string
  /** Of the agent. */
  readonly socket: string
  end(): Promise<void>
}

/** Its stdin ends with this program, however that ends. */
const keeper = `d=$1; a=
[ "$2" = agent ] && { ssh-agent -D -a "$d/agent" & a=$!; }
cat
[ -n "$a" ] && kill "$a"
rm -rf "$d"`

/** Until the agent answers, ms. */
const AGENT_MS = 3000

/** A socket's path may have 104 bytes. */
export async function scratch(env: Run['env'], agent: boolean): Promise<Scratch> {
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
  for (let waited = 0; agent && waited < AGENT_MS && !(await exists(socket)); waited += 10) {
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { dir, socket, end }
}

/** Prints what is in an environment that only ssh-add has. */
export const askpass = `#!/bin/sh\nprintf '%s\\n' "$K3SP_PASSPHRASE"\n`

/** The key goes to the agent by stdin; what ssh-add said when it did not take it. */
export async function addKey(
  { dir, socket }: Scratch,
  { identity, passphrase }: { readonly identity: Secret; readonly passphrase: Secret | undefined },
  how: Run,
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

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
