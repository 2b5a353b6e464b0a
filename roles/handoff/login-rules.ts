// Rules for the variables of the repository's credentials. Each rule reads some variables and reports all findings.

import { isEncrypted, publicKeyOf } from '../../src/gitops/deploy-key.ts'
import { addressOf, knows, scanCommand } from '../../src/gitops/known-hosts.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { findingsOf, givenIn, type RoleRule } from '../rules/rule.ts'
import { KEY_PATH, keyOf, type LoginVars } from './login.ts'
import { handoffBy, type SourceVars } from './vars.ts'

type Mode = SourceVars['k3s_platform_git_auth_mode']
type Name = keyof LoginVars

const HTTPS = ['public', 'https-basic', 'https-bearer'] as const

/** What each is for. */
const USED: Readonly<Partial<Record<Name, readonly Mode[]>>> = {
  k3s_platform_git_private_key: ['ssh'],
  k3s_platform_git_private_key_path: ['ssh'],
  k3s_platform_git_private_key_passphrase: ['ssh'],
  k3s_platform_git_public_key: ['ssh'],
  k3s_platform_git_generate_key: ['ssh'],
  k3s_platform_git_known_hosts: ['ssh'],
  k3s_platform_git_known_hosts_scan: ['ssh'],
  k3s_platform_git_http_username: ['https-basic'],
  k3s_platform_git_http_password: ['https-basic'],
  k3s_platform_git_bearer_token: ['https-bearer'],
  k3s_platform_git_ca: HTTPS,
}

interface Asked {
  readonly v: LoginVars
  readonly url: URL
  readonly mode: Mode
  readonly context: RoleContext
  given(variable: string): boolean
}

const rules: readonly RoleRule<Name, Asked>[] = [
  // The mode and the URL.
  {
    reads: ['k3s_platform_git_auth_mode'],
    find: ({ url, mode, given }) => {
      if (mode !== 'ssh' || url.protocol === 'ssh:') return []
      const path = [given('k3s_platform_git_auth_mode') ? 'k3s_platform_git_auth_mode' : 'k3s_platform_git_url']
      const hint = `k3s_platform_git_url: ssh://git@${url.hostname}${url.pathname}`
      return [{ path, what: `SSH authentication requires an ssh URL, but the repository uses ${url.href}`, hint }]
    },
  },
  {
    reads: ['k3s_platform_git_auth_mode'],
    find: ({ url, mode }) => {
      const path = ['k3s_platform_git_url']
      if (url.protocol !== 'http:' || mode === 'ssh' || isLoopback(url.hostname)) return []
      const hint = 'use https; set k3s_platform_git_ca for a private CA'
      if (mode === 'public')
        return [
          {
            path,
            what: 'over http, an attacker on the network path can change what the cluster runs',
            hint,
            warning: true,
          },
        ]
      return [{ path, what: `over http, an attacker on the network path can read the credentials (${mode})`, hint }]
    },
  },
  {
    reads: ['k3s_platform_git_auth_mode'],
    find: ({ url, mode }) =>
      mode === 'https-bearer' && /^(www\.)?github\.com$/.test(url.hostname)
        ? [
            {
              path: ['k3s_platform_git_auth_mode'],
              what: 'GitHub does not accept a bearer token for git clone',
              hint: 'set k3s_platform_git_auth_mode: https-basic and k3s_platform_git_http_password to the token',
              warning: true,
            },
          ]
        : [],
  },
  // What each run has to be given.
  {
    reads: ['k3s_platform_git_auth_mode', 'k3s_platform_git_http_password', 'k3s_platform_git_bearer_token'],
    find: ({ v, mode, given }) => {
      const wants = (variable: Name, env: string, what: string): Finding => ({
        path: [given(variable) ? variable : 'k3s_platform_git_auth_mode'],
        what: `${mode} requires ${what}, but none is set`,
        hint: `set ${variable}, or ${env} in the environment`,
        missing: true,
      })
      if (mode === 'https-basic' && v.k3s_platform_git_http_password === undefined)
        return [wants('k3s_platform_git_http_password', 'GITOPS_FLUX_HTTP_PASSWORD or GITOPS_FLUX_TOKEN', 'a password')]
      if (mode === 'https-bearer' && v.k3s_platform_git_bearer_token === undefined)
        return [wants('k3s_platform_git_bearer_token', 'GITOPS_FLUX_BEARER_TOKEN', 'a token')]
      return []
    },
  },
  {
    reads: ['k3s_platform_git_auth_mode', 'k3s_platform_git_private_key', 'k3s_platform_git_private_key_path'],
    find: ({ v, mode, context, given }) => {
      if (mode !== 'ssh' || v.k3s_platform_git_generate_key || keyOf(v, context.workstation) !== undefined) return []
      const file = v.k3s_platform_git_private_key_path ?? KEY_PATH
      const path = [
        given('k3s_platform_git_private_key_path') ? 'k3s_platform_git_private_key_path' : 'k3s_platform_git_auth_mode',
      ]
      return [
        {
          path,
          what: `ssh requires a deploy key: none is set, and ${file} cannot be read`,
          hint: 'set k3s_platform_git_private_key, or GITOPS_FLUX_DEPLOY_KEY in the environment; or generate one: k3s_platform_git_generate_key: true',
          missing: true,
        },
      ]
    },
  },
  // The deploy key.
  {
    reads: ['k3s_platform_git_private_key', 'k3s_platform_git_generate_key'],
    find: ({ v, mode, given }) => {
      if (mode !== 'ssh' || !v.k3s_platform_git_generate_key) return []
      const path = ['k3s_platform_git_generate_key']
      if (v.k3s_platform_git_private_key !== undefined)
        return [{ path, what: 'a deploy key is set, and another one would be generated', hint: 'remove one' }]
      const others: readonly Name[] = [
        'k3s_platform_git_private_key_path',
        'k3s_platform_git_private_key_passphrase',
        'k3s_platform_git_public_key',
      ]
      return others
        .filter(given)
        .map((name) => idle(name, 'the deploy key is generated (k3s_platform_git_generate_key)'))
    },
  },
  {
    reads: ['k3s_platform_git_private_key', 'k3s_platform_git_private_key_path'],
    find: ({ v, mode, given }) =>
      mode === 'ssh' && v.k3s_platform_git_private_key !== undefined && given('k3s_platform_git_private_key_path')
        ? [idle('k3s_platform_git_private_key_path', 'the key itself is set (k3s_platform_git_private_key)')]
        : [],
  },
  {
    reads: ['k3s_platform_git_private_key', 'k3s_platform_git_private_key_path', 'k3s_platform_git_public_key'],
    find: ({ v, mode, context }) => {
      const [said, key] = [v.k3s_platform_git_public_key, mode === 'ssh' ? keyOf(v, context.workstation) : undefined]
      const own = key && publicKeyOf(key, v.k3s_platform_git_private_key_passphrase)
      if (said === undefined || own === undefined || bare(said) === own) return []
      const what = 'it is not the public key of the deploy key'
      return [{ path: ['k3s_platform_git_public_key'], what, hint: `remove it, or: ${own}` }]
    },
  },
  {
    reads: ['k3s_platform_git_private_key', 'k3s_platform_git_private_key_path'],
    find: ({ v, mode, context }) => {
      const key = mode === 'ssh' && handoffBy(v) === 'argocd' ? keyOf(v, context.workstation) : undefined
      if (key === undefined || !isEncrypted(key)) return []
      const what = 'Argo CD cannot use a deploy key with a passphrase'
      return [
        { path: ['k3s_platform_git_private_key'], what, hint: 'remove the passphrase: ssh-keygen -p -N "" -f FILE' },
      ]
    },
  },
  // Host keys.
  {
    reads: ['k3s_platform_git_auth_mode', 'k3s_platform_git_known_hosts', 'k3s_platform_git_known_hosts_scan'],
    find: ({ v, url, mode, given }) => {
      if (mode !== 'ssh' || url.protocol !== 'ssh:') return []
      const [known, scan] = [v.k3s_platform_git_known_hosts, v.k3s_platform_git_known_hosts_scan]
      const command = scanCommand(url.href)
      const path = ['k3s_platform_git_known_hosts']
      const argo = handoffBy(v) === 'argocd'
      if (known === undefined && (!scan || argo))
        return [
          {
            path: [
              given('k3s_platform_git_known_hosts_scan')
                ? 'k3s_platform_git_known_hosts_scan'
                : 'k3s_platform_git_auth_mode',
            ],
            what: argo && scan ? 'Argo CD requires host keys' : "ssh requires the server's host keys, but none are set",
            hint: `set k3s_platform_git_known_hosts to the output of this command, after you compare it with the fingerprints that the server's operator publishes: ${command}${argo ? '' : '; or trust them on first use: k3s_platform_git_known_hosts_scan: true'}`,
            missing: true,
          },
        ]
      if (known === undefined) return []
      const foreign = knows(known, url.href)
        ? []
        : [{ path, what: `it has no key for ${addressOf(url.href).name}`, hint: `add the output of: ${command}` }]
      return [...foreign, ...(scan ? [idle('k3s_platform_git_known_hosts_scan', 'host keys are set')] : [])]
    },
  },
  // What has no effect.
  {
    reads: ['k3s_platform_git_auth_mode'],
    find: ({ mode, url, given }) => [
      ...Object.entries(USED)
        .filter(([name, modes]) => given(name) && !modes.includes(mode))
        .map(([name]) => idle(name, `k3s_platform_git_auth_mode is ${mode}`)),
      ...(given('k3s_platform_git_ca') && url.protocol === 'http:'
        ? [idle('k3s_platform_git_ca', 'the URL is http')]
        : []),
    ],
  },
  // Decryption.
  {
    reads: ['k3s_platform_sops_age_key'],
    find: ({ v, given }) => {
      const name = 'k3s_platform_sops_age_key'
      const key = v[name]?.reveal()
      if (key === undefined) return []
      if (!/^AGE-SECRET-KEY-1[0-9A-Z]+$/m.test(key))
        return [
          { path: [name], what: 'expected an age private key: AGE-SECRET-KEY-1...', hint: 'age-keygen makes one' },
        ]
      return handoffBy(v) === 'argocd' && given(name) ? [idle(name, 'Argo CD does not decrypt sops files')] : []
    },
  },
]

/** All findings about how the repository is read. */
export function sourceFindings(v: LoginVars, context: RoleContext, written: Written): Finding[] {
  const url = v.k3s_platform_git_url
  const usable = givenIn(written)
  const given = (name: string) => usable(name) && isSet(v, name)
  if (url === undefined)
    return written.broken('k3s_platform_git_url')
      ? []
      : [
          ...noUrl(v),
          ...['k3s_platform_git_auth_mode', ...Object.keys(USED)]
            .filter((name) => given(name) && !(name === 'k3s_platform_git_auth_mode' && v[name] === 'public'))
            .map((name) => ({
              ...idle(name, 'no repository is set'),
              hint: 'set k3s_platform_git_url, or remove it',
            })),
        ]
  if (handoffBy(v) === 'none') return []
  const asked: Asked = { v, url: new URL(url), mode: v.k3s_platform_git_auth_mode, context, given }
  if (asked.url.protocol === 'ssh:' && asked.mode !== 'ssh')
    return written.broken('k3s_platform_git_auth_mode') ? [] : [notBySsh(asked)]
  return findingsOf(rules, asked, written)
}

/** It may come from the environment of each run, and the tree is made without it. */
function noUrl(v: LoginVars): Finding[] {
  const by = handoffBy(v)
  if (by === 'none') return []
  const what = `${by === 'flux' ? 'Flux' : 'Argo CD'} requires the URL of the repository`
  const hint = 'set k3s_platform_git_url, or GITOPS_REPO in the environment'
  return [{ path: ['k3s_platform_handoff'], what, hint, missing: true }]
}

/** The mode may come from the environment of each run: then nothing else can be said. */
function notBySsh({ url, mode, given }: Asked): Finding {
  const said = given('k3s_platform_git_auth_mode')
  return {
    path: [said ? 'k3s_platform_git_auth_mode' : 'k3s_platform_git_url'],
    what: `the repository has an ssh URL, but the authentication mode is ${mode}`,
    hint: `k3s_platform_git_auth_mode: ssh, or the URL https://${url.hostname}${url.pathname}`,
    ...(!said && { missing: true }),
  }
}

const idle = (name: string, why: string): Finding => ({
  path: [name],
  what: `has no effect: ${why}`,
  hint: 'remove one',
  warning: true,
})

/** Blank and off are as good as not written. */
function isSet(v: LoginVars, name: string): boolean {
  const value = Object.entries(v).find(([one]) => one === name)?.[1]
  return value !== undefined && value !== false
}

const bare = (publicKey: string) => publicKey.split(/\s+/).slice(0, 2).join(' ')
const isLoopback = (host: string) => /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(host)
