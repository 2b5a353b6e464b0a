// The known_hosts files of this machine: where they are, how they are read, and how a new key gets in.

import { appendFile, mkdir } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { ProblemError } from '../../engine/problem.ts'
import { PACKED_BYTES, readRegularFile, reason } from '../../files/read-file.ts'
import { type HostKey, type KnownLine, knownName, parseKnownHosts } from './hostkeys.ts'
import { refusal } from './refusals.ts'

export function userKnownHosts(home: string): string {
  return join(home, '.ssh', 'known_hosts')
}

/** The lines of all files that OpenSSH reads by default; or of `text`, which replaces them. */
export async function readKnownHosts(home: string, text: string | undefined): Promise<KnownLine[]> {
  if (text !== undefined) return parseKnownHosts(text, 'K3S_PLATFORM_SSH_KNOWN_HOSTS')
  const user = userKnownHosts(home)
  const files = [user, `${user}2`, '/etc/ssh/ssh_known_hosts', '/etc/ssh/ssh_known_hosts2']
  const texts = files.map(textOf)
  return texts.flatMap((content, i) => parseKnownHosts(content, files[i] ?? ''))
}

/** Without a file, or without the right to read it, there are no lines; what else is in its place would hide revoked keys. */
function textOf(file: string): string {
  try {
    return readRegularFile(file, PACKED_BYTES).toString('utf8')
  } catch (error) {
    if (['no such file', 'permission denied'].includes(reason(error))) return ''
    throw new ProblemError({ kind: 'usage', where: file, what: `cannot be read: ${reason(error)}` })
  }
}

/** Adds an accepted key in one write in append mode: the lines of several hosts cannot mix. */
export async function learn(
  at: { name: string; host: string; port: number; learnInto: string | undefined },
  key: HostKey,
): Promise<void> {
  const file = at.learnInto
  if (!file) return
  const line = `${knownName(at.host, at.port)} ${key.type} ${key.blob.toString('base64')}\n`
  try {
    await mkdir(dirname(file), { recursive: true, mode: 0o700 })
    const old = textOf(file)
    await appendFile(file, old === '' || old.endsWith('\n') ? line : `\n${line}`, { mode: 0o600 })
  } catch (error) {
    throw refusal(at.name, {
      what: `the new host key cannot be written to ${file}`,
      ...(error instanceof Error ? { why: error.message } : {}),
    })
  }
}
