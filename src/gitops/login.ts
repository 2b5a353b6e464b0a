// The four authentication modes of a repository, as the Secrets that Flux and Argo CD read.

import { Secret } from '../engine/secret.ts'

export type Login =
  | { readonly mode: 'public'; readonly ca: string | undefined }
  | {
      readonly mode: 'https-basic'
      readonly username: string
      readonly password: Secret
      readonly ca: string | undefined
    }
  | { readonly mode: 'https-bearer'; readonly token: Secret; readonly ca: string | undefined }
  | {
      readonly mode: 'ssh'
      /** Private key as text with one newline at its end; undefined: it is made in the cluster. */
      readonly identity: Secret | undefined
      readonly publicKey: string | undefined
      readonly passphrase: Secret | undefined
      /** Lines of known_hosts; undefined: those that the server shows. */
      readonly knownHosts: string | undefined
    }

type Data = Readonly<Record<string, Secret>>

/**
 * Empty: no Secret is needed. What is made or kept in the cluster is not in it.
 * spec: https://fluxcd.io/flux/components/source/gitrepositories/#secret-reference
 */
export function fluxLogin(login: Login): Data {
  switch (login.mode) {
    case 'public':
      return trusting(login.ca)
    case 'https-basic':
      return { username: new Secret(login.username), password: login.password, ...trusting(login.ca) }
    case 'https-bearer':
      return { bearerToken: login.token, ...trusting(login.ca) }
    case 'ssh': {
      const { identity, publicKey, passphrase, knownHosts } = login
      return {
        ...(identity && { identity }),
        ...(identity && publicKey !== undefined && { 'identity.pub': new Secret(line(publicKey)) }),
        ...(identity && passphrase && { password: passphrase }),
        ...(knownHosts !== undefined && { known_hosts: new Secret(line(knownHosts)) }),
      }
    }
  }
}

export const ARGO_LABELS = { 'argocd.argoproj.io/secret-type': 'repository' }

/**
 * Empty: no Secret is needed. Host keys and CAs are no part of it: `argoTrust`.
 * spec: https://argo-cd.readthedocs.io/en/stable/operator-manual/declarative-setup/#repositories
 */
export function argoLogin(login: Login, url: string): Data {
  const repository = { type: new Secret('git'), url: new Secret(url) }
  switch (login.mode) {
    case 'public':
      return {}
    case 'https-basic':
      return { ...repository, username: new Secret(login.username), password: login.password }
    case 'https-bearer':
      return { ...repository, bearerToken: login.token }
    case 'ssh':
      return { ...repository, ...(login.identity && { sshPrivateKey: login.identity }) }
  }
}

/** What a server of Argo CD's ConfigMaps has to know besides what others put there: one name, key and text. */
export interface ArgoTrust {
  readonly configMap: 'argocd-ssh-known-hosts-cm' | 'argocd-tls-certs-cm'
  readonly key: string
  readonly text: string
}

/** Argo CD reads CAs by the server's name without its port, and the host keys of all servers from one text. */
export function argoTrust(login: Login, url: string): ArgoTrust | undefined {
  if (login.mode === 'ssh') {
    if (login.knownHosts === undefined) return undefined
    return { configMap: 'argocd-ssh-known-hosts-cm', key: 'ssh_known_hosts', text: line(login.knownHosts) }
  }
  if (login.ca === undefined) return undefined
  return { configMap: 'argocd-tls-certs-cm', key: new URL(url).hostname, text: line(login.ca) }
}

/** All that must not be told. */
export function secretsOf(login: Login): string[] {
  switch (login.mode) {
    case 'public':
      return []
    case 'https-basic':
      return [login.password.reveal(), basic(login.username, login.password)]
    case 'https-bearer':
      return [login.token.reveal()]
    case 'ssh':
      return [login.identity, login.passphrase].flatMap((one) => one?.reveal() ?? [])
  }
}

export const basic = (username: string, password: Secret) =>
  Buffer.from(`${username}:${password.reveal()}`).toString('base64')

const trusting = (ca: string | undefined): Data => (ca === undefined ? {} : { 'ca.crt': new Secret(line(ca)) })
const line = (text: string) => `${text.trimEnd()}\n`
