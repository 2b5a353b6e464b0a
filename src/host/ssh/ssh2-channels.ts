// A logged-in ssh2 client as a Transport: channels with raw bytes, and an end that names what was in flight.

import type { Socket } from 'node:net'
import { Writable } from 'node:stream'
import type { Client, ClientChannel } from 'ssh2'
import { ProblemError } from '../../engine/problem.ts'
import { type Channel, type Exit, LinkError, type Transport } from '../transport.ts'
import { type Address, addressed } from './refusals.ts'

type Done<C> = (error: Error | undefined, channel: C) => void

/** `answerMs`: bound of the answer to a request for a channel. */
export function overSsh2(at: Address, client: Client, socket: Socket, answerMs: number): Transport {
  const waiting = new Set<(error: LinkError) => void>()
  let lastError: string | undefined
  let ended: string | undefined

  // node-ssh takes its own listener off when it is ready: without this one a lost link would end the process.
  client.on('error', (error) => {
    lastError = error.message
  })
  const end = () => {
    ended ??= lastError ?? 'closed by the other side'
    const all = [...waiting]
    waiting.clear()
    for (const tell of all) tell(lost(at, ended, ''))
  }
  client.on('close', end)
  if (socket.destroyed) end()

  /**
   * Runs `begin`; the promise is settled by its callback or by the end of the link, whichever is first. `use` sees the channel at
   * once: the packet after the one that opened it may have come along, and what it tells (how the command ended) comes once.
   */
  const open = <C extends ClientChannel, T>(
    doing: string,
    begin: (done: Done<C>) => void,
    use: (channel: C) => T,
  ): Promise<T> =>
    new Promise((resolve, reject) => {
      const fail = () => {
        clearTimeout(timer)
        reject(lost(at, ended ?? 'closed', doing))
      }
      let isLate = false
      const timer = setTimeout(() => {
        isLate = true
        waiting.delete(fail)
        reject(refusedChannel(at, doing, `there was no answer within ${answerMs / 1000} s`))
      }, answerMs)
      if (ended !== undefined || !socket.writable) return fail()
      waiting.add(fail)
      begin((error, channel) => {
        clearTimeout(timer)
        waiting.delete(fail)
        if (isLate) {
          if (!error) channel.close()
        } else if (!error) resolve(use(channel))
        else if (ended !== undefined || !socket.writable) fail()
        else reject(refusedChannel(at, doing, error.message))
      })
    })

  return {
    title: `${addressed(at)} (ssh)`,
    exec: async (command) => {
      const doing = brief(command)
      return open(
        doing,
        (done: Done<ClientChannel>) => client.exec(command, done),
        (channel) => execChannel(channel, (why) => lost(at, why ?? ended ?? 'closed', doing), waiting),
      )
    },
    forward: async (host, port) => {
      const doing = `tunnel to ${host}:${port}`
      return open(
        doing,
        (done: Done<ClientChannel>) => client.forwardOut('127.0.0.1', 0, host, port, done),
        (channel) => {
          const writable = sink(channel)
          const tell = (error: Error) => writable.destroy(error)
          waiting.add(tell)
          channel.once('close', () => waiting.delete(tell))
          return { readable: channel, writable }
        },
      )
    },
    // Not the polite end of the protocol: it would cost a round trip and could wait for a dead link.
    close: async () => {
      ended ??= 'closed by this side'
      socket.destroy()
    },
  }
}

function execChannel(
  channel: ClientChannel,
  ending: (why?: string) => LinkError,
  waiting: Set<(error: LinkError) => void>,
): Channel {
  const stdin = sink(channel)
  const { promise: exit, resolve, reject } = withResolvers<Exit>()
  exit.catch(() => {})
  let status: Exit | undefined
  const tell = () => {
    const error = ending()
    reject(error)
    stdin.destroy(error)
  }
  waiting.add(tell)
  channel.on('exit', (code: number | null, signal?: string) => {
    status = { code, signal: signal ?? null }
  })
  channel.once('close', () => {
    const settle = () => {
      waiting.delete(tell)
      if (status) resolve(status)
      else reject(ending('the command ended without an exit status'))
    }
    if (channel.stderr.readableEnded) settle()
    else channel.stderr.once('end', settle)
  })
  return {
    stdin,
    stdout: channel,
    stderr: channel.stderr,
    exit,
    close: () => {
      waiting.delete(tell)
      if (!status) reject(ending('the channel was closed by this side'))
      channel.close()
      channel.resume()
      channel.stderr.resume()
    },
  }
}

/** ssh2 never calls back for a write that the other side does not take any more: this one fails with EPIPE. */
function sink(channel: ClientChannel): Writable {
  let pending: ((error?: Error | null) => void) | undefined
  let closed = false
  const broken = () => Object.assign(new Error('the remote command reads no more input'), { code: 'EPIPE' })
  const writable = new Writable({
    write: (chunk, _encoding, done) => {
      if (closed) return done(broken())
      pending = done
      channel.write(chunk, (error) => {
        pending = undefined
        done(error)
      })
    },
    final: (done) => {
      channel.end()
      done()
    },
  })
  const close = () => {
    closed = true
    pending?.(broken())
    pending = undefined
  }
  channel.once('close', close)
  // A broken pipe is told by the exit status: who wants to know more listens, too.
  writable.on('error', () => {})
  return writable
}

/** The first 60 characters of a command on one line: never its stdin. */
export function brief(command: string): string {
  const line = command.replace(/\s+/g, ' ').trim()
  return line.length > 60 ? `${line.slice(0, 60)}…` : line
}

export function lost(at: Address, why: string, doing: string): LinkError {
  return new LinkError(`the connection to ${at.name} (${addressed(at)}) was lost: ${why}; in flight: ${doing}`)
}

function refusedChannel(at: Address, doing: string, why: string): ProblemError {
  return new ProblemError({
    kind: 'failed',
    where: at.name,
    what: `the SSH server did not start: ${doing}`,
    why,
    hint: 'see what its log says: journalctl -u ssh -n 20 (MaxSessions, ForceCommand, AllowTcpForwarding, an overloaded machine)',
  })
}

/** Promise.withResolvers, which Node 20 lacks. */
export function withResolvers<T>() {
  let resolve: (value: T) => void = () => {}
  let reject: (error: unknown) => void = () => {}
  const promise = new Promise<T>((yes, no) => {
    resolve = yes
    reject = no
  })
  return { promise, resolve, reject }
}
