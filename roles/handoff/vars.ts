// Variables of the handoff: the tree in Git, how the cluster reads it, and which controller applies it.

import { z } from 'zod'
import { digest } from '../../src/files/digest.ts'
import { baseUrl, hidden, objectName, pem, text } from '../shapes.ts'

/** `git@host:path` is what people copy; Flux and Argo CD want the same as a URL. */
const gitUrl = text(
  /^(https?:\/\/[^\s/@]+\/\S+|ssh:\/\/([\w.-]+@)?[^\s/@]+\/\S+|[\w.-]+@[\w.-]+:[^\s/]\S*)$/,
  'expected an https or ssh URL of a repository without credentials',
)
  .transform((url) => url?.replace(/^([\w.-]+@[\w.-]+):/, 'ssh://$1/'))
  .refine((url) => url === undefined || URL.canParse(url), 'expected an https or ssh URL of a repository')

/** A folder of the repository: no part of it is empty, `.` or `..`. */
const folder = text(
  /^(\.\/)?(?!\.{1,2}(\/|$))[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*\/?$/,
  'expected a directory of the repository such as clusters/edge-1',
).transform((path) => path?.replace(/^\.\//, '').replace(/\/$/, ''))

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
    .describe(
      'GitOps controller that applies the tree after the handoff; default `flux` when a git URL is set, else `none`.',
    ),
  k3s_platform_handoff_addons: z
    .boolean()
    .default(false)
    .describe('Whether the tree also contains the addons, as HelmReleases that take over the existing releases.'),
  k3s_platform_flux_root_path: folder
    .optional()
    .meta({ env: ['K3S_PLATFORM_FLUX_ROOT_PATH'] })
    .describe(
      'Directory of the cluster in the repository, such as `./environments/clusters/prod`; default `clusters/<host>`.',
    ),
  k3s_platform_flux_namespace: objectName.default('flux-system').describe('Namespace of Flux.'),
  k3s_platform_flux_source_name: objectName
    .default('platform-config')
    .describe('Name of the GitRepository for the tree, and of the Secret with its credentials.'),
  k3s_platform_git_url: gitUrl
    .optional()
    .meta({ env: ['GITOPS_REPO'], secret: true })
    .describe('URL of the repository that contains the tree; also the environment variable `GITOPS_REPO`.'),
  k3s_platform_git_branch: z
    .string()
    .regex(/^[\w][\w./-]*$/, 'expected the name of a branch')
    .default('main')
    .describe('Branch that contains the tree.'),
  k3s_platform_sops_age_recipients: z
    .array(z.string().regex(/^age1[0-9a-z]{20,}$/, 'expected an age public key: age1...'))
    .default([])
    .describe(
      "Public age keys. The tree then has a `.sops.yaml` with which sops encrypts the cluster's `*.sops.yaml` files; Flux decrypts them.",
    ),
  k3s_platform_sops_age_key: hidden
    .optional()
    .meta({ env: ['SOPS_AGE_KEY'] })
    .describe(
      'Private age key with which Flux decrypts `*.sops.yaml`; keep it in an encrypted vars file, or set `SOPS_AGE_KEY` in the environment.',
    ),
}

/** How the repository is read, and where the controllers come from. */
export const sourceVars = {
  k3s_platform_git_auth_mode: authMode
    .default('public')
    .meta({ env: ['GITOPS_AUTH_MODE'] })
    .describe(
      'Authentication to the repository: `public`, `https-basic`, `https-bearer` or `ssh`; also the environment variable `GITOPS_AUTH_MODE`.',
    ),
  k3s_platform_git_private_key: hidden
    .optional()
    .meta({ env: ['GITOPS_FLUX_DEPLOY_KEY'] })
    .describe(
      'Deploy key for `ssh`: as PEM text, on one line with `\\n`, or base64-encoded; also `GITOPS_FLUX_DEPLOY_KEY` in the environment.',
    ),
  k3s_platform_git_private_key_path: z
    .string()
    .optional()
    .describe('Path of the deploy key on the workstation, if the key itself is not set; default `~/.ssh/id_rsa`.'),
  k3s_platform_git_private_key_passphrase: hidden.optional().describe('Passphrase of an encrypted deploy key.'),
  k3s_platform_git_public_key: text(/^(ssh|ecdsa|sk)-\S+ \S+/, 'expected a public key: ssh-ed25519 AAAA...')
    .optional()
    .meta({ env: ['GITOPS_FLUX_DEPLOY_KEY_PUB'] })
    .describe(
      'Public key of the deploy key; also `GITOPS_FLUX_DEPLOY_KEY_PUB`. Default: derived from the private key.',
    ),
  k3s_platform_git_generate_key: z
    .boolean()
    .default(false)
    .describe('Generate a deploy key if none is set; its public key is shown once, for you to add to the repository.'),
  k3s_platform_git_known_hosts: text(/\S+ \S+ \S+/, 'expected lines of a known_hosts file')
    .optional()
    .meta({ env: ['GITOPS_FLUX_KNOWN_HOSTS'] })
    .describe('Host keys of the Git server for `ssh`, as lines of a known_hosts file; also `GITOPS_FLUX_KNOWN_HOSTS`.'),
  k3s_platform_git_known_hosts_scan: z
    .boolean()
    .default(false)
    .describe("Trust the server's host keys on first use if none are set."),
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
  k3s_platform_git_ca: pem.optional().describe("CA that signed the Git server's certificate, PEM."),
  k3s_platform_git_check: z
    .boolean()
    .default(true)
    .describe(
      'Whether the workstation checks access to the repository first; set `false` if only the cluster can reach it.',
    ),
  k3s_platform_flux_version: z
    .string()
    .regex(/^v\d+\.\d+\.\d+$/, 'expected a Flux release such as v2.9.5')
    .default('v2.9.5')
    .describe('Flux release to install.'),
  k3s_platform_flux_mirror_url: baseUrl
    .default('https://github.com/fluxcd/flux2/releases/download')
    .describe('Base URL of the releases; it serves `<version>/install.yaml` and `flux_<number>_checksums.txt`.'),
  k3s_platform_flux_manifest_file: z
    .string()
    .optional()
    .describe('Path of install.yaml on the workstation; `~` or relative to the inventory.'),
  k3s_platform_flux_sha256: digest
    .optional()
    .describe(
      'Digest of install.yaml; default: the one in `k3s-platform.lock`, else the one that the release publishes.',
    ),
  k3s_platform_flux_components: z
    .array(z.string())
    .default(['source-controller', 'kustomize-controller', 'helm-controller', 'notification-controller'])
    .describe('Controllers of install.yaml to install; an empty list installs all.'),
}

const tree = z.object(treeVars)
const source = z.object(sourceVars)
export type TreeVars = z.output<typeof tree>
export type SourceVars = z.output<typeof source>

/** Who applies the tree. */
export const handoffBy = (v: TreeVars) =>
  v.k3s_platform_handoff ?? (v.k3s_platform_git_url === undefined ? 'none' : 'flux')
