// Variables of the handoff: the tree in Git, how it is read, and who applies it.

import { z } from 'zod'
import { hidden, objectName, pem, text } from '../shapes.ts'

/** `git@host:path` is what people copy; Flux and Argo CD want the same as a URL. */
const gitUrl = text(
  /^(https?:\/\/[^\s/@]+\/\S+|ssh:\/\/([\w.-]+@)?[^\s/@]+\/\S+|[\w.-]+@[\w.-]+:[^\s/]\S*)$/,
  'expected an https or ssh URL of a repository, without a login in it',
)
  .transform((url) => url?.replace(/^([\w.-]+@[\w.-]+):/, 'ssh://$1/'))
  .refine((url) => url === undefined || URL.canParse(url), 'expected an https or ssh URL of a repository')

/** A folder of the repository: no part of it is empty, `.` or `..`. */
const folder = text(
  /^(\.\/)?(?!\.{1,2}(\/|$))[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*\/?$/,
  'expected a folder of the repository such as clusters/edge-1',
).transform((path) => path?.replace(/^\.\//, '').replace(/\/$/, ''))

const digest = z.string().regex(/^[0-9a-f]{64}$/, 'expected a sha256 digest: 64 lower case hex digits')
const baseUrl = z
  .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''))

/** Blank is public, as the original role has it. */
const authMode = z.preprocess(
  (given) => (given === '' || given === 'none' ? 'public' : given),
  z.enum(['public', 'https-basic', 'https-bearer', 'ssh']),
)

/** What both roles have to know: which tree, and who applies it. */
export const treeVars = {
  k3s_platform_handoff: z
    .enum(['flux', 'argocd', 'none'])
    .optional()
    .describe('Who applies the tree from then on; default `flux` when a git URL is set, else `none`.'),
  k3s_platform_handoff_addons: z
    .boolean()
    .default(false)
    .describe('Whether the tree holds the addons, too, as HelmReleases of Flux, which then go on with the releases.'),
  k3s_platform_flux_root_path: folder
    .optional()
    .meta({ env: ['K3S_PLATFORM_FLUX_ROOT_PATH'] })
    .describe(
      'Folder of the repository where the cluster begins, such as `./environments/clusters/prod`; default `clusters/<host>`.',
    ),
  k3s_platform_flux_namespace: objectName.default('flux-system').describe('Namespace of Flux.'),
  k3s_platform_flux_source_name: objectName
    .default('platform-config')
    .describe('Name of the GitRepository that holds the tree, and of the Secret with its login.'),
  k3s_platform_git_url: gitUrl
    .optional()
    .meta({ env: ['GITOPS_REPO'], secret: true })
    .describe('URL of the repository that the tree lies in; also the environment variable `GITOPS_REPO`.'),
  k3s_platform_git_branch: z
    .string()
    .regex(/^[\w][\w./-]*$/, 'expected the name of a branch')
    .default('main')
    .describe('Branch that the tree lies in.'),
  k3s_platform_sops_age_recipients: z
    .array(z.string().regex(/^age1[0-9a-z]{20,}$/, 'expected a public key of age: age1...'))
    .default([])
    .describe(
      'Public age keys: the tree then has a `.sops.yaml`, by which sops encrypts `*.sops.yaml` of the cluster, and Flux decrypts them.',
    ),
  k3s_platform_sops_age_key: hidden
    .optional()
    .meta({ env: ['SOPS_AGE_KEY'] })
    .describe(
      'Private age key by which Flux decrypts `*.sops.yaml`; keep it in an encrypted vars file, or give `SOPS_AGE_KEY` in the environment.',
    ),
}

/** How the repository is read, and where the controllers come from. */
export const sourceVars = {
  k3s_platform_git_auth_mode: authMode
    .default('public')
    .meta({ env: ['GITOPS_AUTH_MODE'] })
    .describe(
      'How the repository is read: `public`, `https-basic`, `https-bearer` or `ssh`; also the environment variable `GITOPS_AUTH_MODE`.',
    ),
  k3s_platform_git_private_key: hidden
    .optional()
    .meta({ env: ['GITOPS_FLUX_DEPLOY_KEY'] })
    .describe(
      'Deploy key for `ssh`: as it is, in one line with `\\n`, or in base64; also `GITOPS_FLUX_DEPLOY_KEY` in the environment.',
    ),
  k3s_platform_git_private_key_path: z
    .string()
    .optional()
    .describe('That key as a file of the workstation, where none is given; default `~/.ssh/id_rsa`.'),
  k3s_platform_git_private_key_passphrase: hidden.optional().describe('Opens an encrypted deploy key.'),
  k3s_platform_git_public_key: text(/^(ssh|ecdsa|sk)-\S+ \S+/, 'expected a public key: ssh-ed25519 AAAA...')
    .optional()
    .meta({ env: ['GITOPS_FLUX_DEPLOY_KEY_PUB'] })
    .describe('Public part of the deploy key; also `GITOPS_FLUX_DEPLOY_KEY_PUB`. Default: worked out from the key.'),
  k3s_platform_git_generate_key: z
    .boolean()
    .default(false)
    .describe('Make a deploy key where none is given; its public part is shown once, for the repository to let in.'),
  k3s_platform_git_known_hosts: text(/\S+ \S+ \S+/, 'expected lines of a known_hosts file')
    .optional()
    .meta({ env: ['GITOPS_FLUX_KNOWN_HOSTS'] })
    .describe('Host keys of the server, as lines of a known_hosts file, for `ssh`; also `GITOPS_FLUX_KNOWN_HOSTS`.'),
  k3s_platform_git_known_hosts_scan: z
    .boolean()
    .default(false)
    .describe('Take the host keys that the server shows now, where none are given: trust on first use.'),
  k3s_platform_git_http_username: text(/^\S+$/, 'expected a name without spaces')
    .optional()
    .meta({ env: ['GITOPS_FLUX_HTTP_USERNAME'] })
    .describe('User for `https-basic`; default `x-access-token`; also `GITOPS_FLUX_HTTP_USERNAME`.'),
  k3s_platform_git_http_password: hidden
    .optional()
    .meta({ env: ['GITOPS_FLUX_HTTP_PASSWORD', 'GITOPS_FLUX_TOKEN'] })
    .describe('Password or token for `https-basic`; also `GITOPS_FLUX_HTTP_PASSWORD` or `GITOPS_FLUX_TOKEN`.'),
  k3s_platform_git_bearer_token: hidden
    .optional()
    .meta({ env: ['GITOPS_FLUX_BEARER_TOKEN'] })
    .describe('Token for `https-bearer`; also `GITOPS_FLUX_BEARER_TOKEN`. GitHub does not take one for clones.'),
  k3s_platform_git_ca: pem.optional().describe("CA of the https server's certificate, PEM."),
  k3s_platform_git_check: z
    .boolean()
    .default(true)
    .describe(
      'Whether the workstation first reads the repository itself; `false` where only the cluster can reach it.',
    ),
  k3s_platform_flux_version: z
    .string()
    .regex(/^v\d+\.\d+\.\d+$/, 'expected a release of Flux such as v2.9.5')
    .default('v2.9.5')
    .describe('Release of Flux whose controllers are installed.'),
  k3s_platform_flux_mirror_url: baseUrl
    .default('https://github.com/fluxcd/flux2/releases/download')
    .describe('Base URL of the releases; below it lie `<version>/install.yaml` and `flux_<number>_checksums.txt`.'),
  k3s_platform_flux_manifest_file: z
    .string()
    .optional()
    .describe('install.yaml as a file of the workstation; `~` or relative to the inventory.'),
  k3s_platform_flux_sha256: digest
    .optional()
    .describe('Digest of install.yaml; default: that of `k3s-platform.lock`, else the one that the release publishes.'),
  k3s_platform_flux_components: z
    .array(z.string())
    .default(['source-controller', 'kustomize-controller', 'helm-controller', 'notification-controller'])
    .describe('Controllers of install.yaml that are installed; an empty list: all that it has.'),
}

const tree = z.object(treeVars)
const source = z.object(sourceVars)
export type TreeVars = z.output<typeof tree>
export type SourceVars = z.output<typeof source>

/** Who applies the tree. */
export const handoffBy = (v: TreeVars) =>
  v.k3s_platform_handoff ?? (v.k3s_platform_git_url === undefined ? 'none' : 'flux')
