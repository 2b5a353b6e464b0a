// Explains a login over the system's ssh that failed, from what ssh printed: which machine refused it, and why.

import { type Problem, ProblemError } from '../../engine/problem.ts'
import { EarlyClose } from './early-close.ts'
import { hostKeyProblem, knownName, showKeys } from './hostkeys.ts'
import { type Address, causeOf, greeted, isTurnedAway, refusal, unreachable } from './refusals.ts'
import type { SshTarget } from './target.ts'

/** What of a target its login's end is judged by. */
type Login = Pick<SshTarget, keyof Address | 'trust' | 'hostKeyAlias' | 'password' | 'timeoutMs'>

/** What ssh printed with -v when it ended by itself, as a problem. */
export function explain(target: Login, said: string): ProblemError {
  if (/Host key verification failed|REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/.test(said)) {
    return new ProblemError(refusedHostKey(target, said))
  }
  const peer = lastPeer(target, said)
  const unanswered = sinceUnanswered(target, said)
  const greeting = /banner line 0: (.+?)\r?$/m.exec(unanswered ?? '')?.[1]
  const problem = greeting === undefined ? undefined : greeted(peer, greeting)
  if (unanswered !== undefined && isEarlyClose(said, unanswered, greeting))
    return new EarlyClose((problem ?? unreachable(peer, 'dropped', tail(said))).problems)
  if (problem) return problem
  const spoken = tail(said)
  const cause = causeOf(spoken)
  if (cause === 'dropped' && isQuietlyProxied(said)) return quietlyDropped(peer, spoken)
  if (cause !== 'login') return unreachable(peer, cause, spoken)
  const tried = [...said.matchAll(/Offering public key: (\S+)/g)].map((match) => `key ${match[1]}`)
  if (/Next authentication method: (password|keyboard)/.test(said) && target.password) tried.push('password')
  return unreachable(peer, 'login', tried.length > 0 ? `tried: ${tried.join(', ')}; ${spoken}` : spoken)
}

/** The same for a login that was not done in time. */
export function expired(target: Login, said: string): ProblemError {
  const other = /banner line \d+: (.*)/.exec(sinceUnanswered(target, said) ?? '')?.[1]
  if (other) return greeted(target, other)
  const cause = /Connection established/.test(said) ? 'silent' : 'timeout'
  const proxy = /Executing proxy command: (?:exec )?(.*?)\r?$/m.exec(said)?.[1]
  const way = proxy ? `, through the proxy: ${proxy}` : ''
  return unreachable(target, cause, `waited ${target.timeoutMs / 1000} s${way}`)
}

/** Why a connection that worked has ended. */
export function lastLine(said: string): string {
  return spokenLines(said).at(-1) || 'ssh ended'
}

function spokenLines(said: string): string[] {
  return said
    .split(/\r?\n/)
    .filter((line) => line.trim() && !/^(debug\d|OpenSSH_|Authenticated to|Transferred|Bytes per)/.test(line))
}

function tail(said: string): string {
  return spokenLines(said).slice(-5).join('\n')
}

/**
 * The machine that ssh last spoke to: the target, or a jump host on the way that has not let in. The ssh of a ProxyJump
 * prints what it does into the same stream; that of a ProxyCommand only its errors.
 */
function lastPeer(target: Address, said: string): Address {
  const [, failed, failedPort] = /connect to host (\S+) port (\d+):/.exec(said) ?? []
  if (failed !== undefined) return { ...target, host: failed, port: Number(failedPort) }
  const steps =
    /(Connecting|Authenticating|Authenticated) to (\S+?)(?: \[\S+\] port |:| \(\[\S+\]:)(\d+)\b(?:.* as '(.*)')?/g
  const last = [...said.matchAll(steps)].at(-1)
  if (last === undefined || last[1] === 'Authenticated') return target
  const [, , host = '', port, user = target.user] = last
  const isTarget = host.toLowerCase() === target.host.toLowerCase() && Number(port) === target.port
  return isTarget ? target : { ...target, host, port: Number(port), user }
}

/**
 * What ssh printed since it turned to the machine that it last spoke to; undefined if that machine has named its protocol.
 * Only then a key or a password can have been sent, and only then a server can print lines of its own.
 */
function sinceUnanswered({ host, port }: Address, said: string): string | undefined {
  // The lines below can be forged by what a server prints before the login, this one cannot be taken away by it.
  if (said.toLowerCase().includes(`authenticating to ${host.toLowerCase()}:${port} as`)) return undefined
  const turns = /^(?:debug1: Connecting to |debug1: Executing proxy command: |Authenticated to )/gm
  const since = said.slice([...said.matchAll(turns)].at(-1)?.index ?? 0)
  return /^debug1: Remote protocol version /m.test(since) ? undefined : since
}

/**
 * Whether the connection was closed before the server named its protocol, and nothing else went wrong: no ProxyCommand has
 * failed, no machine behind a jump host is missing. Behind a ProxyCommand that says nothing (`ssh -q -W`) a failed login at
 * the jump host looks the same, and must not be repeated.
 */
function isEarlyClose(said: string, unanswered: string, greeting: string | undefined): boolean {
  if (greeting !== undefined && !isTurnedAway(greeting)) return false
  // Every ssh that was closed on prints one of these. An end that it finds when it writes is a debug line since OpenSSH 8.4.
  const early =
    /^(?:debug1: )?(?:(?:kex|ssh)_exchange_identification: (?:(?:read|write): )?|ssh: connect to host \S+ port \d+: )(?:Connection (?:closed|reset)|Broken pipe)/
  const after =
    /^(?:Connection (?:closed|reset) by |banner exchange: Connection to .*: Broken pipe|Killed by signal |Authenticated to |channel \d+: open failed: connect failed: Connection reset by peer|stdio forwarding failed)/
  const closed = unanswered.split('\n').filter((line) => early.test(line))
  if (closed.length === 0) return false
  if (!spokenLines(unanswered).every((line) => early.test(line) || after.test(line))) return false
  const isProxied = /Executing proxy command: /.test(said)
  return !isProxied || greeting !== undefined || closed.length > 1 || /^Authenticated to /m.test(said)
}

/** Behind a ProxyCommand of which nothing is known but what it complains of. */
function isQuietlyProxied(said: string): boolean {
  return /Executing proxy command: /.test(said) && !/^debug1: Connecting to /m.test(said)
}

function quietlyDropped(peer: Address, spoken: string): ProblemError {
  const { problems } = unreachable(peer, 'dropped', spoken)
  const hint =
    'if its ProxyCommand is an ssh that was turned away (MaxStartups), use ProxyJump, or ssh -v: then the login is tried again'
  return new ProblemError(problems.map((problem) => ({ ...problem, hint })))
}

function refusedHostKey(target: Login, said: string): Problem {
  const sentence =
    /host key is known for (\S+) and you|Host key for (\S+) has changed and you|host key for (\S+) is marked as revoked/
  const named = sentence
    .exec(said)
    ?.slice(1)
    .find((name) => name !== undefined)
  const [, host, port] = [...said.matchAll(/Authenticating to (\S+):(\d+) as/g)].at(-1) ?? []
  const name = named ?? (host === undefined ? undefined : knownName(host, Number(port)))
  const shown = [...said.matchAll(/Server host (?:key|certificate): (\S+) (SHA256:[^\s,]+)/g)].at(-1)
  const type = shown?.[1]?.replace('-cert-v01@openssh.com', '') ?? 'key'
  const print = shown?.[2] ?? /key sent by the remote host is\s+(SHA256:\S+?)\.?\s/.exec(said)?.[1]
  const own = [knownName(target.host, target.port), target.host.toLowerCase(), target.hostKeyAlias]
  if (own.includes(name)) {
    return hostKeyProblem(target.trust, { type, print: print ?? '', host: target.host, port: target.port })
  }
  return jumpHostKeyProblem(target, said, name, print === undefined ? '' : ` (offered ${type} ${print})`)
}

/** The keys of jump hosts are between ssh and its own configuration: neither pins nor the policy of the target count. */
function jumpHostKeyProblem(target: Login, said: string, name: string | undefined, offered: string): Problem {
  const jump = name === undefined ? 'a jump host' : `the jump host ${name}`
  const problem = (what: string, rest: { why?: string; hint: string }) => {
    const [first] = refusal(target.name, { what: `the host key of ${jump} ${what}${offered}`, ...rest }).problems
    return first ?? { kind: 'unreachable' as const, where: target.name, what }
  }
  if (/REVOKED HOST KEY/.test(said)) {
    return problem('is revoked', { hint: 'do not log in; give the jump host a new key' })
  }
  const [, host = name, port = '22'] = /^\[(.*)\]:(\d+)$/.exec(name ?? '') ?? []
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(said)) {
    const [, source] = /Offending \S+ key in (\S+)/.exec(said) ?? []
    const between = 'the server was reinstalled, or something is between you and it'
    return problem('changed', {
      why: source === undefined ? between : `${between}; known from ${source}`,
      hint: `check the key on its console, then: ssh-keygen -R '${name ?? 'HOST'}'`,
    })
  }
  const scan = `ssh-keyscan ${port === '22' ? '' : `-p ${port} `}${host ?? 'HOST'} >> ~/.ssh/known_hosts`
  return problem('is not known', { hint: `check it on its console (${showKeys}), then: ${scan}` })
}
