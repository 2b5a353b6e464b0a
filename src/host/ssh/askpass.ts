// Hands the login's password to one ssh process: once, and only to the prompt with which ssh asks for it.

import { constants } from 'node:fs'
import { type FileHandle, open, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Secret } from '../../engine/secret.ts'
import { script } from '../sh.ts'
import askpassText from '../shell/askpass.sh'
import type { SshTarget } from './target.ts'

/**
 * Puts the password into a named pipe in `dir`: it is in no argument, no environment and no file. `host` is the name that
 * ssh shows. Close the pipe when the login is over: what nobody has read is then gone.
 */
export async function offerPassword(
  dir: string,
  target: SshTarget,
  host: string,
  password: Secret,
  env: SshTarget['env'],
): Promise<FileHandle> {
  const { execa } = await import('execa')
  const path = join(dir, 'password')
  await execa('mkfifo', ['-m', '600', path], { env, extendEnv: false })
  const askpass = script(askpassText, { who: `${target.user}@${host}`, user: target.user })
  await writeFile(join(dir, 'askpass'), `${askpass.reveal()}\n`, { mode: 0o700 })
  // Opened for both, it never waits for a reader.
  const pipe = await open(path, constants.O_RDWR | constants.O_NONBLOCK)
  await pipe.write(`${password.reveal()}\n`)
  return pipe
}

/** What makes ssh ask by the script, whatever terminal or display there is. */
export function askpassEnvironment(dir: string, env: SshTarget['env']): Record<string, string> {
  return { SSH_ASKPASS: join(dir, 'askpass'), SSH_ASKPASS_REQUIRE: 'force', DISPLAY: env.DISPLAY ?? ':' }
}
