// Opens a local port to a host's API through its SSH connection, with a kubeconfig that lives as long as the tunnel.

import { rm } from 'node:fs/promises'
import { createServer, type Server } from 'node:net'
import { constants } from 'node:os'
import { pipeline } from 'node:stream/promises'
import { execa } from 'execa'
import { stringify } from 'yaml'
import { shellWords } from '../engine/shell-words.ts'
import { type Access, kubeconfigOf } from '../kubeconfig/merge.ts'
import { ownFile } from '../kubeconfig/path.ts'
import type { Io } from './io.ts'
import { writePrivate } from './kubeconfig-file.ts'
import type { HostSession } from './session.ts'
import { locate } from './workstation.ts'

/**
 * Without a command: prints KUBECONFIG and stays until Ctrl-C or until the reader of stdout has gone. With one: runs it with
 * KUBECONFIG set and returns its exit code (128 + n after signal n).
 */
export async function tunnel(
  access: Access,
  port: number,
  session: Pick<HostSession, 'forward'>,
  command: readonly string[],
  io: Io,
): Promise<number> {
  const server = await listen(port, session)
  const address = server.address()
  const local = typeof address === 'object' && address !== null ? address.port : 0
  const path = locate(io, ownFile(`${access.name}.tunnel-${process.pid}.yaml`))
  const cluster = { ...access.cluster, server: `https://127.0.0.1:${local}` }
  const stopped = new Promise<NodeJS.Signals>((resolve) => {
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => resolve(signal))
  })
  try {
    await writePrivate(path, stringify(kubeconfigOf([{ ...access, cluster }]), { lineWidth: 0 }))
    const [program, ...args] = command
    if (program === undefined) {
      io.stdout.write(`export KUBECONFIG=${shellWords([path])}\n`)
      io.stderr.write(`tunnel to ${access.name} at 127.0.0.1:${local}; Ctrl-C ends it\n`)
      await stopped
      return 0
    }
    // The terminal sends its Ctrl-C to the command, too: it decides.
    const done = await execa(program, args, { stdio: 'inherit', reject: false, env: { ...io.env, KUBECONFIG: path } })
    if (done.exitCode !== undefined) return done.exitCode
    if (done.signal !== undefined) return 128 + constants.signals[done.signal]
    io.stderr.write(`${io.shown(done.shortMessage)}\n`)
    return 127
  } finally {
    await rm(path, { force: true })
    server.close()
  }
}

/** On a free port of the loopback interface only. */
async function listen(port: number, session: Pick<HostSession, 'forward'>): Promise<Server> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => undefined)
    session.forward('127.0.0.1', port).then(
      ({ readable, writable }) => {
        const end = () => socket.destroy()
        pipeline(readable, socket).catch(end)
        pipeline(socket, writable).catch(end)
      },
      () => socket.destroy(),
    )
  })
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen(0, '127.0.0.1', resolve)
  })
  return server
}
