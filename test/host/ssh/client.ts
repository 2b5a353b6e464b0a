// Connects to a test's sshd with everything explicit: nothing of the developer's own ~/.ssh takes part.

import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ProblemError } from '../../../src/engine/problem.ts'
import { type ConnectOptions, connect } from '../../../src/host/ssh/connect.ts'
import type { Channel, Exit, Transport } from '../../../src/host/transport.ts'
import type { Sshd } from './sshd.ts'

export function optionsFor(sshd: Sshd, more: Partial<ConnectOptions> = {}): ConnectOptions {
  return {
    name: 'edge-1',
    host: '127.0.0.1',
    port: sshd.port,
    user: sshd.user,
    privateKeyFile: sshd.clientKey,
    sshCommonArgs: [],
    transport: 'auto',
    connection: 'ssh',
    timeoutMs: 10_000,
    hostKey: [],
    hostKeyPolicy: 'strict',
    env: { PATH: process.env.PATH, LANG: 'C' },
    home: sshd.home,
    ...more,
  }
}

export function know(sshd: Sshd, text: string): void {
  writeFileSync(join(sshd.home, '.ssh', 'known_hosts'), text)
}

export function knownLine(sshd: Sshd, type: 'ed25519' | 'ecdsa' | 'rsa' = 'ed25519'): string {
  return `[127.0.0.1]:${sshd.port} ${sshd.hostKeys[type]}\n`
}

/** The problems of a connection that must fail, with this run's port and directory made constant. */
export async function refusalOf(sshd: Sshd, more: Partial<ConnectOptions>) {
  const transport = await connect(optionsFor(sshd, more)).catch((error: unknown) => error)
  if (!(transport instanceof ProblemError)) {
    if (transport instanceof Error) throw transport
    throw new Error('the connection was accepted')
  }
  const text = JSON.stringify(transport.problems)
  return JSON.parse(text.replaceAll(String(sshd.port), 'PORT').replaceAll(sshd.dir, 'DIR'))[0]
}

export interface Run extends Exit {
  readonly stdout: Buffer
  readonly stderr: Buffer
}

export async function run(transport: Transport, command: string, stdin: string | Buffer = ''): Promise<Run> {
  const channel = await transport.exec(command)
  channel.stdin.end(stdin)
  return gather(channel)
}

export async function gather(channel: Channel): Promise<Run> {
  const out: Buffer[] = []
  const err: Buffer[] = []
  channel.stdout.on('data', (chunk: Buffer) => out.push(chunk))
  channel.stderr.on('data', (chunk: Buffer) => err.push(chunk))
  const exit = await channel.exit
  return { ...exit, stdout: Buffer.concat(out), stderr: Buffer.concat(err) }
}
