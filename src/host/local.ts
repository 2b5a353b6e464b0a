// This machine as a host; and what every transport made of child processes shares: a process as a Channel.

import { connect } from 'node:net'
import { PassThrough, type Readable, type Writable } from 'node:stream'
import type { Channel, Exit, Transport } from './transport.ts'

interface Child extends PromiseLike<Ended> {
  readonly stdin: Writable
  readonly stdout: Readable
  readonly stderr: Readable
  kill(signal?: NodeJS.Signals): boolean
}

interface Ended {
  readonly exitCode?: number | undefined
  readonly signal?: string | undefined
  readonly shortMessage?: string | undefined
}

/**
 * Options of execa for children whose streams are ours. `detached` keeps Ctrl-C of the terminal away from them:
 * the tool decides when to stop. They end with the tool because their pipes do.
 */
export const childOptions = {
  stdin: 'pipe',
  stdout: 'pipe',
  stderr: 'pipe',
  buffer: false,
  reject: false,
  detached: true,
  cleanup: false,
  extendEnv: false,
} as const

/** `judge` turns the end of the process into the end of the command, or throws. */
export function childChannel(child: Child, judge: (exit: Exit) => Exit | Promise<Exit>): Channel {
  // An early end of the reader is told by the exit status; who wants to know more listens, too.
  for (const stream of [child.stdin, child.stdout, child.stderr]) stream.on('error', () => {})
  // execa throws away what nobody has begun to read in the first moment: these hold it, and hold it back.
  const [stdout, stderr] = [held(child.stdout), held(child.stderr)]
  const exit = Promise.all([child, drained(stdout), drained(stderr)]).then(([ended]) => {
    if (ended.exitCode === undefined && ended.signal === undefined) throw new Error(ended.shortMessage ?? 'not started')
    return judge({ code: ended.exitCode ?? null, signal: ended.signal ?? null })
  })
  exit.catch(() => {})
  return {
    stdin: child.stdin,
    stdout,
    stderr,
    exit,
    close: () => {
      for (const stream of [child.stdin, child.stdout, child.stderr, stdout, stderr]) stream.destroy()
      child.kill('SIGHUP')
    },
  }
}

function held(source: Readable): PassThrough {
  const stream = new PassThrough()
  stream.on('error', () => {})
  source.once('close', () => stream.end())
  return source.pipe(stream)
}

function drained(stream: Readable): Promise<void> {
  return new Promise((resolve) => {
    stream.once('end', resolve)
    stream.once('close', resolve)
  })
}

/** For `ansible_connection: local`: commands run by this machine's /bin/sh, as the user who runs the tool. */
export async function localTransport(env: Readonly<Record<string, string | undefined>>): Promise<Transport> {
  const { execa } = await import('execa')
  const running = new Set<Channel>()
  return {
    title: 'this machine (local)',
    exec: async (command) => {
      const channel = childChannel(execa('/bin/sh', ['-c', command], { ...childOptions, env }), (exit) => exit)
      running.add(channel)
      const forget = () => running.delete(channel)
      channel.exit.then(forget, forget)
      return channel
    },
    forward: (host, port) =>
      new Promise((resolve, reject) => {
        const socket = connect({ host, port, noDelay: true })
        socket.once('error', reject)
        socket.once('connect', () => {
          socket.off('error', reject)
          socket.on('error', () => {})
          resolve({ readable: socket, writable: socket })
        })
      }),
    close: async () => {
      for (const channel of running) channel.close()
    },
  }
}
