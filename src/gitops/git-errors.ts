// Explains why git could not read a repository, from what it printed.

import { diagnose } from '../diagnosis/diagnose.ts'
import { GIT, type GitRow } from '../diagnosis/git.ts'
import { addressOf, scanCommand } from './known-hosts.ts'
import type { Login } from './login.ts'

export interface Fault {
  readonly about: GitRow['about']
  readonly what: string
  readonly why?: string
  readonly hint?: string
}

interface Asked {
  readonly url: string
  readonly login: Login
}

/** `secrets` are taken out of what git said. */
export function explain({ url, login }: Asked, said: string, secrets: readonly string[]): Fault {
  const found = diagnose(GIT, { text: said, values: valuesOf(url, login) })
  const words =
    found === undefined
      ? { about: 'url' as const, what: `git cannot read ${url}`, hint: `try it: git ls-remote '${url}'` }
      : { about: found.about, what: found.cause, ...(found.hint !== undefined && { hint: found.hint }) }
  const why = secrets.filter((one) => one !== '').reduce((text, one) => text.replaceAll(one, '***'), ownWords(said))
  return { ...words, ...(why !== '' && { why }) }
}

function valuesOf(url: string, login: Login): Record<string, string> {
  const common = { url, server: hostOf(url), host: new URL(url).hostname, mode: login.mode, scan: scanCommand(url) }
  if (login.mode !== 'ssh') return { ...common, ca: login.ca === undefined ? 'unset' : 'set' }
  const { publicKey, knownHosts } = login
  return {
    ...common,
    key: publicKey === undefined ? '' : `: ${publicKey.split(' ').slice(0, 2).join(' ')}`,
    knownHosts: knownHosts === undefined ? 'scanned' : 'set',
  }
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

/** With its port where that is not the usual one. */
export function hostOf(url: string): string {
  return url.startsWith('ssh:') ? addressOf(url).name : new URL(url).host
}
