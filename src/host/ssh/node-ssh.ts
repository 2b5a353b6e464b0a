// The default transport's login: node-ssh connects over a socket of ours, with our judgement of host keys.

import { connect as connectSocket, isIP, type Socket } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import type { AuthHandlerMiddleware } from 'ssh2'
import { ProblemError } from '../../engine/problem.ts'
import type { Transport } from '../transport.ts'
import { offeredAlgorithms } from './algorithms.ts'
import { Deadline } from './deadline.ts'
import { EarlyClose, retryEarlyCloses } from './early-close.ts'
import { type HostKey, judge, preferredTypes } from './hostkeys.ts'
import { type Attempt, attempts } from './identities.ts'
import { learn } from './known-hosts.ts'
import { causeOf, greeted, isTurnedAway, unreachable } from './refusals.ts'
import { overSsh2, withResolvers } from './ssh2-channels.ts'
import type { SshTarget } from './target.ts'

/** The server showed a key that is not the wanted one, or has none of the wanted types. */
class WrongKey extends ProblemError {}

/**
 * Connects and logs in within `timeoutMs` (the time in which a person types a passphrase does not count).
 * Throws ProblemError (unreachable), or the signal's reason.
 */
export async function connectNodeSsh(target: SshTarget): Promise<Transport> {
  const { pins } = target.trust
  const types = preferredTypes(target.trust)
  if (pins.fingerprints.length === 0) return login(target, types)
  // A fingerprint does not tell the type of its key: the server is asked for one type after the other.
  const ecdsa = types.filter((type) => type.startsWith('ecdsa'))
  const rounds = [...types.filter((type) => !type.startsWith('ecdsa')).map((type) => [type]), ecdsa]
  let first: WrongKey | undefined
  for (const round of rounds) {
    try {
      return await login(target, round)
    } catch (error) {
      if (!(error instanceof WrongKey)) throw error
      first ??= error
    }
  }
  throw first
}

async function login(target: SshTarget, keyTypes: readonly string[]): Promise<Transport> {
  const deadline = new Deadline(target.timeoutMs, target.signal)
  try {
    return await retryEarlyCloses(target, deadline, () => loginOnce(target, keyTypes, deadline))
  } catch (error) {
    throw deadline.over === 'aborted' ? target.signal?.reason : error
  } finally {
    deadline.clear()
  }
}

async function loginOnce(target: SshTarget, keyTypes: readonly string[], deadline: Deadline): Promise<Transport> {
  const socket = connectSocket({ host: target.host, port: target.port, noDelay: true })
  const link = connected(socket, target, deadline)
  link.catch(() => undefined)
  try {
    // The TCP handshake, and what the server does before it speaks, go on while libraries load and key files are read.
    await setImmediate()
    const [ways, { NodeSSH }] = await Promise.all([
      attempts({ ...target, configured: target.configuredKeys }),
      import('node-ssh'),
      link,
    ])
    return await authenticate(target, keyTypes, socket, deadline, ways, new NodeSSH())
  } catch (error) {
    socket.destroy()
    throw error
  }
}

function connected(socket: Socket, target: SshTarget, deadline: Deadline): Promise<void> {
  return new Promise((resolve, reject) => {
    let found = isIP(target.host) !== 0
    socket.once('lookup', () => {
      found = true
    })
    socket.once('connect', resolve)
    socket.on('error', (error) => {
      const text = `${'code' in error ? error.code : ''} ${error.message}`
      const cause = causeOf(text)
      const refused = unreachable(target, cause, cause === 'other' ? text : undefined)
      reject(cause === 'dropped' ? new EarlyClose(refused.problems) : refused)
    })
    deadline.onOver(() => {
      socket.destroy()
      const seconds = target.timeoutMs / 1000
      reject(
        found
          ? unreachable(target, 'timeout', `waited ${seconds} s`)
          : unreachable(target, 'resolver', `waited ${seconds} s`),
      )
    })
  })
}

async function authenticate(
  target: SshTarget,
  keyTypes: readonly string[],
  socket: Socket,
  deadline: Deadline,
  ways: readonly Attempt[],
  ssh: import('node-ssh').NodeSSH,
): Promise<Transport> {
  let learned: HostKey | undefined
  let problem: ProblemError | undefined
  let phase: string = 'key exchange'
  let said = ''
  const tried: string[] = []
  let greeting: string | undefined
  const closed = withResolvers<false>()
  // ssh2 has the first word on why the socket ended: it says so right after.
  socket.once('close', () => setTimeout(closed.resolve, 20, false))
  const stop = (why: ProblemError) => {
    problem ??= why
    socket.destroy()
  }
  if (socket.destroyed) throw new EarlyClose(unreachable(target, 'dropped').problems)
  const ready = ssh.connect({
    sock: socket,
    username: target.user,
    readyTimeout: 0,
    keepaliveInterval: target.keepalive.intervalMs,
    keepaliveCountMax: target.keepalive.countMax,
    algorithms: offeredAlgorithms(keyTypes),
    hostVerifier: (blob: Buffer) => {
      const verdict = judge(target.trust, blob)
      if (verdict.is === 'refused') problem = new WrongKey(verdict.problem)
      if (verdict.is === 'new') learned = verdict.key
      return verdict.is !== 'refused'
    },
    authHandler: inTurn(ways, tried, deadline, (error) =>
      stop(error ?? unreachable(target, 'login', attempted(tried))),
    ),
  })
  ready.catch(() => {})
  const client = ssh.connection
  if (!client) throw unreachable(target, 'dropped')
  client.on('error', (error) => {
    said ||= error.message
  })
  client.on('handshake', () => {
    phase = 'authentication'
  })
  socket.once('data', (chunk: Buffer) => {
    if (!chunk.toString('latin1').startsWith('SSH-')) greeting = chunk.toString('latin1').split(/\r?\n/)[0]
  })
  deadline.onOver(() => stop(unreachable(target, 'silent', `waited ${target.timeoutMs / 1000} s`)))
  const isReady = await Promise.race([ready.then(() => true), closed.promise]).catch(() => false)
  if (!isReady && greeting && phase === 'key exchange') {
    const refused = greeted(target, greeting)
    throw isTurnedAway(greeting) ? new EarlyClose(refused.problems) : refused
  }
  if (problem) throw problem
  if (isReady) {
    if (learned) await learn(target, learned)
    return overSsh2(target, client, socket, target.answerMs)
  }
  if (socket.bytesRead === 0) throw new EarlyClose(unreachable(target, 'dropped', said).problems)
  const cause = causeOf(said)
  if (cause === 'algorithm' && /host key/.test(said)) throw new WrongKey(unreachable(target, cause, said).problems)
  if (phase === 'authentication')
    throw unreachable(target, 'login', [attempted(tried), said].filter(Boolean).join('; '))
  throw unreachable(target, cause === 'other' ? 'dropped' : cause, said)
}

function attempted(tried: readonly string[]): string {
  return tried.length > 0 ? `tried: ${tried.join(', ')}` : 'no key, agent or password is available'
}

/** Offers the ways in their order; calls `stop` when none is left or one cannot be prepared. */
function inTurn(
  ways: readonly Attempt[],
  tried: string[],
  deadline: Deadline,
  stop: (problem?: ProblemError) => void,
): AuthHandlerMiddleware {
  const left = [...ways]
  let last: string | undefined
  const choose = async (allowed: readonly string[] | null) => {
    for (let way = left.shift(); way; way = left.shift()) {
      // A password that the server has judged is not offered a second time in another form.
      const again = way.method === 'keyboard-interactive' && last === 'password' && allowed?.includes('password')
      if (again || (allowed && !allowed.includes(way.method))) continue
      deadline.pause()
      const method = await way.prepare().finally(() => deadline.go())
      if (!method) continue
      last = way.method
      tried.push(way.title)
      return method
    }
    return undefined
  }
  return (allowed: readonly string[] | null, _partial, next) => {
    choose(allowed).then(
      (method) => (method ? next(method) : stop()),
      (error) => stop(error instanceof ProblemError ? error : undefined),
    )
  }
}
