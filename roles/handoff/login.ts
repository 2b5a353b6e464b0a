// Creates the Secrets with which the cluster reads the repository, from the credentials in the variables.

import { absent } from '../../src/cluster/kinds/absent.ts'
import { type Kept, keptSecret } from '../../src/cluster/kinds/kept-secret.ts'
import { lines } from '../../src/cluster/kinds/lines.ts'
import { type SecretSpec, secret } from '../../src/cluster/kinds/secret.ts'
import type { Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { ProblemError } from '../../src/engine/problem.ts'
import { Secret } from '../../src/engine/secret.ts'
import { keyText, newKey, publicKeyOf } from '../../src/gitops/deploy-key.ts'
import { hostOf } from '../../src/gitops/git-errors.ts'
import { knows, prints, scanCommand, scanned } from '../../src/gitops/known-hosts.ts'
import { ARGO_LABELS, argoLogin, argoTrust, fluxLogin, type Login } from '../../src/gitops/login.ts'
import type { RepositoryCheck, RoleContext } from '../role.ts'
import { handoffBy, type SourceVars, type TreeVars } from './vars.ts'

export type LoginVars = TreeVars & SourceVars

const ARGO = 'argocd'
const SOPS = 'sops-age'
/** The folder of the original roles' users. */
export const KEY_PATH = '~/.ssh/id_rsa'

/** Whether Flux's GitRepository has a secretRef. */
export function hasLogin(v: SourceVars): boolean {
  return v.k3s_platform_git_auth_mode !== 'public' || v.k3s_platform_git_ca !== undefined
}

/** How a key that was made is let in: it is told only once, and a run may end before it is. */
export function admitting(v: SourceVars & TreeVars): string | undefined {
  if (v.k3s_platform_git_auth_mode !== 'ssh' || !v.k3s_platform_git_generate_key) return undefined
  const secret = `-n ${v.k3s_platform_flux_namespace} get secret ${v.k3s_platform_flux_source_name}`
  return `grant the generated deploy key read access to the repository, then run the same command again; its public key: kubectl ${secret} -o go-template='{{index .data "identity.pub" | base64decode}}'`
}

/** undefined: something that it needs is not given. */
export function loginOf(v: SourceVars, { workstation }: Pick<RoleContext, 'workstation'>): Login | undefined {
  const ca = v.k3s_platform_git_ca
  const mode = v.k3s_platform_git_auth_mode
  switch (mode) {
    case 'public':
      return { mode, ca }
    case 'https-basic': {
      const password = v.k3s_platform_git_http_password
      return password && { mode, username: v.k3s_platform_git_http_username ?? 'x-access-token', password, ca }
    }
    case 'https-bearer': {
      const token = v.k3s_platform_git_bearer_token
      return token && { mode, token, ca }
    }
    case 'ssh': {
      const given = keyOf(v, workstation)
      const knownHosts = v.k3s_platform_git_known_hosts
      if (given === undefined && !v.k3s_platform_git_generate_key) return undefined
      if (knownHosts === undefined && !v.k3s_platform_git_known_hosts_scan) return undefined
      const passphrase = v.k3s_platform_git_private_key_passphrase
      const publicKey = v.k3s_platform_git_public_key ?? (given && publicKeyOf(given, passphrase))
      return { mode, identity: given === undefined ? undefined : new Secret(given), publicKey, passphrase, knownHosts }
    }
  }
}

/** The deploy key that is given, as a variable or as a file of the workstation. */
export function keyOf(v: SourceVars, workstation: RoleContext['workstation']): string | undefined {
  const given = v.k3s_platform_git_private_key
  if (given) return keyText(given.reveal())
  if (v.k3s_platform_git_generate_key) return undefined
  try {
    const file = workstation.read(v.k3s_platform_git_private_key_path ?? KEY_PATH)
    return file === null ? undefined : keyText(file.content)
  } catch {
    return undefined
  }
}

/** For Flux: the Secret with the login, which goes where none is needed, and the one with the age key. */
export function loginResources(v: LoginVars, context: RoleContext): readonly ClusterResource[] {
  const [url, login] = [v.k3s_platform_git_url, loginOf(v, context)]
  const at = { namespace: v.k3s_platform_flux_namespace, name: v.k3s_platform_flux_source_name }
  const age = v.k3s_platform_sops_age_key
  const made = (keys: readonly [string, ...string[]]) => keptOf(v, url ?? '', context, keys)
  return [
    ...(url === undefined || login === undefined
      ? []
      : [written({ ...at, data: fluxLogin(login) }, made(['identity', 'identity.pub']))]),
    // Silence is no wish: an earlier one stays.
    ...(age ? [secret({ namespace: at.namespace, name: SOPS, data: { 'age.agekey': age } })] : []),
  ]
}

/** For Argo CD: its repository Secret, and the host keys or the CA in its own ConfigMaps. */
export function argoLoginResources(v: LoginVars, context: RoleContext): readonly ClusterResource[] {
  const [url, login] = [v.k3s_platform_git_url, loginOf(v, context)]
  if (url === undefined || login === undefined) return []
  const at = { namespace: ARGO, name: v.k3s_platform_flux_source_name }
  const trust = argoTrust(login, url)
  const tls = trust?.configMap === 'argocd-tls-certs-cm'
  return [
    ...(trust === undefined
      ? []
      : [
          lines({
            ref: { apiVersion: 'v1', kind: 'ConfigMap', namespace: ARGO, name: trust.configMap },
            key: trust.key,
            text: trust.text,
            blocks: tls ? certificatesIn : linesIn,
            hint: `set it in Argo CD: configs.${tls ? 'tls.certificates' : 'ssh.extraHosts'} of its chart`,
          }),
        ]),
    written(
      { ...at, labels: ARGO_LABELS, data: argoLogin(login, url) },
      keptOf(v, url, context, ['sshPrivateKey']).filter(({ keys }) => keys.includes('sshPrivateKey')),
    ),
  ]
}

/** A Secret of that name that is not ours is left alone where none is needed. */
function written(spec: SecretSpec, kept: readonly Kept[]): ClusterResource {
  const ref: Ref = { apiVersion: 'v1', kind: 'Secret', namespace: spec.namespace, name: spec.name }
  if (kept.length > 0) return keptSecret(spec, kept)
  return Object.keys(spec.data).length === 0 ? absent(ref, { ours: true }) : secret(spec)
}

/** `keys`: of the private part and, where there is one, of the public part. */
function keptOf(
  v: LoginVars,
  url: string,
  context: RoleContext,
  [privateKey, publicKey]: readonly [string, ...string[]],
): readonly Kept[] {
  if (v.k3s_platform_git_auth_mode !== 'ssh') return []
  const key: Kept = {
    keys: publicKey === undefined ? [privateKey] : [privateKey, publicKey],
    make: async () => {
      const made = newKey(`k3s-platform-${context.host}`)
      return { [privateKey]: made.identity, ...(publicKey !== undefined && { [publicKey]: `${made.publicKey}\n` }) }
    },
    told: (made) => ({
      what: `a deploy key was generated: ${publicKeyOf(made[privateKey] ?? '', undefined)}`,
      hint: `grant it read access to the repository at ${hostOf(url)}, then run the same command again`,
    }),
  }
  const hosts: Kept = {
    keys: ['known_hosts'],
    good: ({ known_hosts = '' }) => knows(known_hosts, url),
    make: async ({ host, signal }) => {
      const shown = await scanned(url, { env: context.env ?? {}, signal })
      if (shown !== '') return { known_hosts: shown }
      const what = `${hostOf(url)} offered no host key to this workstation`
      throw new ProblemError({ kind: 'failed', where: host, what, hint: `check with: ${scanCommand(url)}` })
    },
    told: ({ known_hosts = '' }) => ({
      what: `the host keys of ${hostOf(url)} were trusted on first use: ${prints(known_hosts).join(', ')}`,
      hint: "compare them with the fingerprints that the server's operator publishes; later runs require these keys",
    }),
  }
  return [
    ...(v.k3s_platform_git_generate_key && v.k3s_platform_git_private_key === undefined ? [key] : []),
    ...(v.k3s_platform_git_known_hosts === undefined ? [hosts] : []),
  ]
}

const linesIn = (text: string) => text.split('\n').flatMap((one) => one.trim() || [])
const certificatesIn = (text: string) =>
  text.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []

/** What the workstation looks at before any host is touched. */
export function repositoryCheck(v: LoginVars, context: RoleContext): RepositoryCheck | undefined {
  const url = v.k3s_platform_git_url
  const login = handoffBy(v) === 'none' ? undefined : loginOf(v, context)
  if (url === undefined || login === undefined) return undefined
  const key = v.k3s_platform_git_private_key ? 'k3s_platform_git_private_key' : 'k3s_platform_git_private_key_path'
  const secrets = {
    public: [],
    'https-basic': ['k3s_platform_git_http_password'],
    'https-bearer': ['k3s_platform_git_bearer_token'],
    ssh: [key],
  }
  const variables = {
    url: ['k3s_platform_git_url'],
    branch: ['k3s_platform_git_branch', 'k3s_platform_git_url'],
    path: ['k3s_platform_flux_root_path', 'k3s_platform_git_url'],
    login: [...secrets[login.mode], 'k3s_platform_git_auth_mode', 'k3s_platform_git_url'],
    key: [key, 'k3s_platform_git_auth_mode'],
    passphrase: ['k3s_platform_git_private_key_passphrase', key],
    hosts: ['k3s_platform_git_known_hosts', 'k3s_platform_git_known_hosts_scan'],
    ca: ['k3s_platform_git_ca', 'k3s_platform_git_url'],
    program: ['k3s_platform_git_url'],
  }
  return {
    repository: {
      url,
      branch: v.k3s_platform_git_branch,
      path: v.k3s_platform_flux_root_path ?? `clusters/${context.host}`,
      login,
    },
    reads: v.k3s_platform_git_check,
    variables: (about) => variables[about],
  }
}
