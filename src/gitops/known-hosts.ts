// Checks known_hosts for the host keys of a Git server, and reads the keys that it offers now.

import { fingerprint, knownFor, knownName, parseKnownHosts } from '../host/ssh/hostkeys.ts'
import { type ProgramOptions, run } from './programs.ts'

export interface GitHostAddress {
  readonly host: string
  readonly port: number
  /** As known_hosts has it: `[host]:port` where the port is not 22. */
  readonly name: string
}

/** Of an ssh URL. */
export function addressOf(url: string): GitHostAddress {
  const { hostname, port } = new URL(url)
  const host = hostname.replace(/^\[|\]$/g, '')
  const number = port === '' ? 22 : Number(port)
  return { host, port: number, name: knownName(host, number) }
}

/** Whether these lines have a key of the server, or a CA that signs its keys. */
export function knows(lines: string, url: string): boolean {
  const { host, port } = addressOf(url)
  const { keys, authorities } = knownFor(parseKnownHosts(lines, ''), host, port)
  return keys.length + authorities.length > 0
}

/** The command by which people get them. */
export function scanCommand(url: string): string {
  const { host, port } = addressOf(url)
  return `ssh-keyscan ${port === 22 ? '' : `-p ${port} `}${host}`
}

/** Empty where the server shows none. */
export async function scanned(url: string, how: ProgramOptions): Promise<string> {
  const { host, port } = addressOf(url)
  const { text } = await run('ssh-keyscan', ['-T', '5', '-p', String(port), '--', host], how)
  return text
    .split('\n')
    .filter((one) => one !== '' && !one.startsWith('#'))
    .map((one) => `${one}\n`)
    .toSorted()
    .join('')
}

/** `ssh-ed25519 SHA256:...`, as its owner may tell them. */
export function prints(lines: string): string[] {
  return parseKnownHosts(lines, '').map(({ type, blob }) => `${type} ${fingerprint(blob)}`)
}
