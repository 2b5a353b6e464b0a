// Variables of the handoff: what the tree in Git is made for. Only `render` reads them in this version.

import { z } from 'zod'
import { objectName, text } from './shapes.ts'

const later = 'Only `render` reads it: this version hands over nothing itself.'

/** `git@host:path` is what people copy; Flux and Argo CD want the same as a URL. */
const gitUrl = text(
  /^(https?:\/\/[^\s/@]+\/\S+|ssh:\/\/([\w.-]+@)?[^\s/@]+\/\S+|[\w.-]+@[\w.-]+:[^\s/]\S*)$/,
  'expected an https or ssh URL of a repository, without a login in it',
).transform((url) => url?.replace(/^([\w.-]+@[\w.-]+):/, 'ssh://$1/'))

/** A folder of the repository: no part of it is empty, `.` or `..`. */
const folder = text(
  /^(\.\/)?(?!\.{1,2}(\/|$))[\w.-]+(\/(?!\.{1,2}(\/|$))[\w.-]+)*\/?$/,
  'expected a folder of the repository',
).transform((path) => path?.replace(/^\.\//, '').replace(/\/$/, ''))

export const handoffVars = {
  k3s_platform_handoff: z
    .enum(['flux', 'argocd', 'none'])
    .optional()
    .describe(`Who applies the tree; default \`flux\` when a git URL is set, else \`none\`. ${later}`),
  k3s_platform_handoff_addons: z
    .boolean()
    .default(false)
    .describe(`Whether the tree holds the addons, too, as HelmReleases of Flux. ${later}`),
  k3s_platform_flux_root_path: folder
    .optional()
    .meta({ env: ['K3S_PLATFORM_FLUX_ROOT_PATH'] })
    .describe(
      `Folder of the repository where the cluster begins, such as \`./environments/clusters/prod\`; default \`clusters/<host>\`. ${later}`,
    ),
  k3s_platform_flux_namespace: objectName.default('flux-system').describe(`Namespace of Flux. ${later}`),
  k3s_platform_flux_source_name: objectName
    .default('platform-config')
    .describe(`Name of the GitRepository that holds the tree. ${later}`),
  k3s_platform_git_url: gitUrl
    .optional()
    .meta({ env: ['GITOPS_REPO'], secret: true })
    .describe(`URL of the repository that the tree lies in; also the environment variable \`GITOPS_REPO\`. ${later}`),
  k3s_platform_git_branch: z
    .string()
    .regex(/^[\w][\w./-]*$/, 'expected the name of a branch')
    .default('main')
    .describe(`Branch that the tree lies in. ${later}`),
  k3s_platform_sops_age_recipients: z
    .array(z.string().regex(/^age1[0-9a-z]{20,}$/, 'expected a public key of age: age1...'))
    .default([])
    .describe(
      'Public age keys: the tree then has a `.sops.yaml`, by which sops encrypts `*.sops.yaml` of the cluster.',
    ),
}
