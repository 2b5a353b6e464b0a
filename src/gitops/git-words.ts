// What git said when it could not read a repository, in words that name what to change.

import { addressOf, scanCommand } from './known-hosts.ts'
import type { Login } from './login.ts'

/** `about`: what has to be changed. */
export interface Fault {
  readonly about: 'url' | 'branch' | 'path' | 'login' | 'key' | 'passphrase' | 'hosts' | 'ca' | 'program'
  readonly what: string
  readonly why?: string
  readonly hint?: string
}

interface Asked {
  readonly url: string
  readonly login: Login
}

const CLUSTER = 'where only the cluster can reach it: k3s_platform_git_check: false'

type Words = (asked: Asked, said: string) => Omit<Fault, 'why'>

const CASES: readonly (readonly [pattern: RegExp, words: Words])[] = [
  [
    /Could not resolve (host|proxy)|resolve hostname/i,
    ({ url }) => ({ about: 'url', what: `the host ${hostOf(url)} is not found`, hint: CLUSTER }),
  ],
  [
    /REMOTE HOST IDENTIFICATION HAS CHANGED|REVOKED HOST KEY/,
    ({ url, login }, said) => {
      const shown = /fingerprint for the (\S+) key sent by the remote host is\s+(SHA256:\S+?)\.?\s/.exec(said)
      const print = shown ? ` (${shown[1]} ${shown[2]})` : ''
      return {
        about: 'hosts',
        what: `the server ${hostOf(url)} shows another host key${print} than the known one`,
        hint: `ask who runs it for its new key${scanning(login) ? '' : `, then correct k3s_platform_git_known_hosts: ${scanCommand(url)}`}`,
      }
    },
  ],
  [
    /Host key verification failed|No \S+ host key is known/,
    ({ url, login }) => ({
      about: 'hosts',
      what: `the host key of ${hostOf(url)} is not known`,
      hint: scanning(login)
        ? `the server shows no key: ${scanCommand(url)}`
        : `add to k3s_platform_git_known_hosts what this prints, and compare it with what its owner says: ${scanCommand(url)}`,
    }),
  ],
  [
    /Connection refused|Couldn't connect to server|Failed to connect/i,
    ({ url }) => ({ about: 'url', what: `${hostOf(url)} refuses the connection`, hint: CLUSTER }),
  ],
  [
    /timed out|Operation too slow|Timeout/i,
    ({ url }) => ({ about: 'url', what: `${hostOf(url)} does not answer`, hint: CLUSTER }),
  ],
  [
    /No route to host|Network is unreachable|Connection (reset|closed)|kex_exchange/i,
    ({ url }) => ({ about: 'url', what: `${hostOf(url)} cannot be reached`, hint: CLUSTER }),
  ],
  [
    /error: 5\d\d/,
    ({ url }) => ({
      about: 'url',
      what: `${hostOf(url)} has an error of its own`,
      hint: `who runs it knows more; is it over: git ls-remote ${url}`,
    }),
  ],
  [
    /certificate|SSL|TLS|gnutls/i,
    ({ url, login }) => {
      const own = login.mode !== 'ssh' && login.ca !== undefined
      return {
        about: 'ca',
        what: `the certificate of ${hostOf(url)} is not trusted`,
        hint: own
          ? 'k3s_platform_git_ca is not the CA that signed it'
          : 'give the CA that signed it: k3s_platform_git_ca',
      }
    },
  ],
  [
    /Permission denied|could not read Username|could not read Password|Authentication failed|error: 40[13]|HTTP 40[13]/i,
    ({ url, login }) => refused(url, login),
  ],
  [
    /not found|does not appear to be a git repository|could not be found|error: 404|does not exist/i,
    ({ url }) => ({
      about: 'url',
      what: `there is no repository at ${url}, or this login may not see it`,
      hint: 'correct k3s_platform_git_url, or let the login read it',
    }),
  ],
]

/** `secrets` are taken out of what git said. */
export function explain(asked: Asked, said: string, secrets: readonly string[]): Fault {
  const found = CASES.find(([pattern]) => pattern.test(said))
  const words = found?.[1](asked, said) ?? {
    about: 'url' as const,
    what: `git cannot read ${asked.url}`,
    hint: `try it: git ls-remote ${asked.url}`,
  }
  const why = secrets.filter((one) => one !== '').reduce((text, one) => text.replaceAll(one, '***'), ownWords(said))
  return { ...words, ...(why !== '' && { why }) }
}

/** Without what git adds for whoever sits before it. */
function ownWords(said: string): string {
  return said
    .split(/\r?\n/)
    .map((one) => one.replace(/^(fatal|error|remote): /, '').trim())
    .map((one) => one.replace(UNANSWERED, 'it asks for a login').replace(/ CAfile: \S+ CRLfile: \S+$/, ''))
    .filter((one) => !/^(@.*)?$/.test(one) && !BOILERPLATE.test(one))
    .slice(0, 6)
    .join('\n')
}

/** git would ask whoever sits before it when what it was given was refused. */
const UNANSWERED = /^could not read (?:Username|Password) for .*: terminal prompts disabled$/

const BOILERPLATE =
  /^(Please make sure you have the correct access rights|and the repository exists|Could not read from remote repository|Cloning into|Warning: Permanently added|IT IS POSSIBLE|Someone could be|It is also possible|Please contact your|Add correct host key|Offending|remove with|ssh-keygen -f|Host key for)/i

function refused(url: string, login: Login): Omit<Fault, 'why'> {
  const what = `${hostOf(url)} refuses the login`
  switch (login.mode) {
    case 'public':
      return {
        about: 'login',
        what: `${hostOf(url)} lets nobody read it without a login`,
        hint: 'set k3s_platform_git_auth_mode, or correct the URL: to some servers, a repository that is not there is one for members',
      }
    case 'https-basic':
      return {
        about: 'login',
        what,
        hint: 'is k3s_platform_git_http_password still valid, may it read this repository, and is k3s_platform_git_http_username its user?',
      }
    case 'https-bearer':
      return {
        about: 'login',
        what,
        hint: 'is k3s_platform_git_bearer_token still valid? Many servers take tokens only as a password: https-basic',
      }
    case 'ssh': {
      const key = login.publicKey === undefined ? '' : `: ${login.publicKey.split(' ').slice(0, 2).join(' ')}`
      return { about: 'key', what: `${what} with the deploy key`, hint: `let this key read the repository${key}` }
    }
  }
}

const scanning = (login: Login) => login.mode === 'ssh' && login.knownHosts === undefined

/** With its port where that is not the usual one. */
export function hostOf(url: string): string {
  return url.startsWith('ssh:') ? addressOf(url).name : new URL(url).host
}
