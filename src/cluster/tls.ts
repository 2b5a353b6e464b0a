// Opens TLS over a stream to a server that is reached from the node, and bounds how long that takes.

import type { Duplex } from 'node:stream'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { LinkError } from '../host/transport.ts'

/** Rejects with what ended the handshake. A certificate and a key that do not belong together are found out here. */
export function tlsOver(stream: Duplex, options: ConnectionOptions): Promise<TLSSocket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ ...options, socket: stream })
    socket.once('secureConnect', () => resolve(socket))
    // Later errors are those of whoever reads and writes.
    socket.on('error', reject)
    socket.once('close', () => reject(new Error('the connection was closed')))
  })
}

/** Rejects with LinkError when `work` takes longer; what it does goes on until the caller ends it. */
export async function within<T>(timeoutMs: number, work: Promise<T>): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new LinkError(`no answer within ${timeoutMs / 1000} s`)), timeoutMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}
