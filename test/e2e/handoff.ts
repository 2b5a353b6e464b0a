// What the tests of the handoff stand on: the platform with few addons, Flux's releases, a git server, and the tree in it.

import { expect } from 'vitest'
import type { Flux } from '../testbed/flux.ts'
import type { GitServer } from '../testbed/git.ts'
import type { TestNode } from '../testbed/node.ts'
import type { CliOptions, Testbed } from '../testbed/testbed.ts'
import { well } from './look.ts'
import { CERTIFIED, type Platform, platform } from './platform.ts'
import { said } from './state.ts'

export type Mode = 'public' | 'https-basic' | 'https-bearer' | 'ssh'

export interface Handoff extends Platform {
  readonly git: GitServer
  readonly flux: Flux
}

/** Nothing is installed yet, and Git has no tree. */
export async function handoff(testbed: Testbed, name: string): Promise<Handoff> {
  const made = await platform(testbed, name)
  const [git, flux] = await Promise.all([testbed.git(), testbed.flux(), made.node.programs('flux')])
  const vars = {
    ...made.vars,
    ...Object.fromEntries(
      ['external_secrets', 'external_dns', 'reloader'].map((addon) => [`k3s_platform_${addon}_enabled`, false]),
    ),
    k3s_platform_external_dns_values: undefined,
    k3s_platform_external_secrets_values: undefined,
    k3s_platform_cloudflare_api_token: undefined,
    k3s_platform_flux_mirror_url: flux.url,
    ...certificates([CERTIFIED]),
  }
  return {
    ...made,
    git,
    flux,
    vars: Object.fromEntries(Object.entries(vars).filter(([, value]) => value !== undefined)),
  }
}

export const certificates = (dnsNames: readonly string[], namespaces = ['platform', 'database']) => ({
  k3s_platform_certificates: [{ name: 'postgresql-tls', namespaces, dnsNames }],
})

/** The variables of a way to read the repository. */
export function reading({ git }: Handoff, mode: Mode): Record<string, unknown> {
  const ca = { k3s_platform_git_auth_mode: mode, k3s_platform_git_ca: git.ca }
  switch (mode) {
    case 'public':
      return { ...ca, k3s_platform_git_url: git.publicUrl }
    case 'https-basic': {
      const { username, password } = git.login
      const login = { k3s_platform_git_http_username: username, k3s_platform_git_http_password: password }
      return { ...ca, ...login, k3s_platform_git_url: git.basicUrl }
    }
    case 'https-bearer':
      return { ...ca, k3s_platform_git_bearer_token: git.token, k3s_platform_git_url: git.bearerUrl }
    case 'ssh':
      return {
        k3s_platform_git_auth_mode: mode,
        k3s_platform_git_url: git.sshUrl,
        k3s_platform_git_private_key: git.keys.private,
        k3s_platform_git_known_hosts: git.knownHosts,
      }
  }
}

/** The lines of an Ed25519 key that nobody may see: before them is what is the same in each and its public part, behind them padding. */
export const secretLines = (key: string): string[] => key.trim().split('\n').slice(4, -2)

/** Renders the inventory's tree and commits it as all that Git has; returns the revision. */
export async function publish(testbed: Testbed, git: GitServer, inventory: string): Promise<string> {
  const tree = await testbed.dir()
  await well(testbed, ['render', '-i', inventory, '--tree', tree])
  return git.commitTree(tree)
}

/** Name to Ready's status of every Kustomization. */
export async function kustomizations(node: TestNode): Promise<Record<string, string>> {
  const path = '{range .items[*]}{.metadata.name} {.status.conditions[?(@.type=="Ready")].status}{"\\n"}{end}'
  const text = await node.kubectl(['get', 'kustomizations', '-A', '-o', `jsonpath=${path}`])
  return Object.fromEntries(
    text
      .split('\n')
      .filter(Boolean)
      .map((line) => line.split(' ')),
  )
}

/** Uid, and serial number of the pair, of each Certificate; and how many Orders there ever were. */
export async function issued(node: TestNode, namespaces = ['platform', 'database']): Promise<string> {
  const of = (space: string) => `
    echo "$(k3s kubectl -n ${space} get certificate postgresql-tls -o jsonpath='{.metadata.uid}') $(k3s kubectl -n ${space} get secret postgresql-tls -o jsonpath='{.data.tls\\.crt}' | base64 -d | openssl x509 -noout -serial)"`
  return node.ask(`${namespaces.map(of).join('\n')}
    echo "orders $(k3s kubectl get orders -A --no-headers | wc -l)"`)
}

/** Waits until Flux has applied a revision, without this program. */
export async function applied(node: TestNode, revision: string): Promise<void> {
  const ask = () =>
    node.kubectl([
      'get',
      'kustomizations',
      '-n',
      'flux-system',
      '-o',
      'jsonpath={.items[*].status.lastAppliedRevision}',
    ])
  await node.kubectl([
    'annotate',
    '--overwrite',
    '-n',
    'flux-system',
    'gitrepository/platform-config',
    `reconcile.fluxcd.io/requestedAt=${Date.now()}`,
  ])
  await expect
    .poll(async () => [...new Set((await ask()).split(' '))], { interval: 1000 })
    .toEqual([`main@sha1:${revision}`])
  await settled(node)
}

/** cert-manager takes a change up after whoever has applied it: waits until all certificates are issued as they are wanted. */
export async function settled(node: TestNode): Promise<void> {
  const issuing = '{.items[*].status.conditions[?(@.type=="Issuing")].status}'
  const ready =
    '{.items[*].status.conditions[?(@.type=="Ready")].observedGeneration}{"/"}{.items[*].metadata.generation}'
  const certificates = (path: string) => node.kubectl(['get', 'certificates', '-A', '-o', `jsonpath=${path}`])
  await expect
    .poll(
      async () => {
        const [observed, generation] = (await certificates(ready)).split('/')
        return observed === generation && (await certificates(issuing)) === ''
      },
      { timeout: 120_000, interval: 1000 },
    )
    .toBe(true)
}

/** A run beside the test, and what it said in the end. */
export function beside(testbed: Testbed, args: readonly string[], options: CliOptions) {
  const running = testbed.spawnCli(args, options)
  const ended = running.then((done) => ({ code: done.exitCode, text: said(done) }))
  return {
    running,
    ended,
    /** Throws what the run said when it ends before that. */
    during: async (waited: PromiseLike<unknown>): Promise<void> => {
      const early = await Promise.race([Promise.resolve(waited).then(() => null), ended])
      if (early !== null) throw new Error(`it ended early with ${early.code}\n${early.text}`)
    },
  }
}
