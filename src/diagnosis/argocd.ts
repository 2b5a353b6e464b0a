// Why Argo CD cannot use the repository.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

const REACH = 'check k3s_platform_git_url, and that the node reaches the server'

/** Words of Argo CD's repo-server, Git and kustomize. `{server}` and `{host}` are of the Git server. */
export const ARGOCD: readonly Row[] = [
  {
    name: 'login-refused',
    pattern:
      /authentication required|authorization failed|permission denied|unable to authenticate|invalid credentials/i,
    cause: '{server} refuses the login',
    hint: 'check k3s_platform_git_auth_mode and its login',
    example: 'failed to list refs: authentication required: Unauthorized',
  },
  {
    name: 'host-key-unknown',
    pattern: /knownhosts|host key/i,
    cause: 'the host key of {server} is not known to Argo CD',
    hint: 'set k3s_platform_git_known_hosts',
    example: 'ssh: handshake failed: knownhosts: key is unknown',
  },
  {
    name: 'no-branch',
    pattern: /unable to resolve '|couldn't find remote ref|reference not found/i,
    cause: 'there is no such branch',
    hint: 'correct k3s_platform_git_branch, or push the branch',
    example: "unable to resolve 'mian' to a commit SHA",
  },
  {
    name: 'no-folder',
    pattern: /app path does not exist|no such file/i,
    cause: 'there is no such folder in the repository',
    hint: 'k3s-platform render --tree DIR --commit writes it, then git push; or correct k3s_platform_flux_root_path',
    example: 'clusters/edge-2: app path does not exist',
  },
  { ...SHARED.names, hint: 'use a host name that the certificate has: k3s_platform_git_url' },
  SHARED.expired,
  { ...SHARED.untrusted, hint: 'set k3s_platform_git_ca to the CA that signed it (PEM)' },
  {
    name: 'build',
    pattern: /kustomize build|failed to generate manifest|yaml/i,
    cause: 'the files do not build',
    hint: 'see what is wrong: kubectl kustomize; then push the correction',
    example: '`kustomize build <path>` failed exit status 1: accumulating resources',
  },
  { ...SHARED.resolver, hint: REACH, example: 'dial tcp: lookup git.example on 10.43.0.10:53: server misbehaving' },
  { ...SHARED.unresolved, hint: REACH },
  { ...SHARED.refused, hint: REACH },
  { ...SHARED.unroutable, hint: REACH, example: 'dial tcp 203.0.113.9:443: connect: no route to host' },
  { ...SHARED.timeout, hint: REACH },
  {
    name: 'project',
    pattern: /is not permitted|project/i,
    cause: 'the AppProject does not allow it',
    hint: 'write the AppProject of the tree again, with what may be applied: k3s-platform render --tree DIR --commit',
    example: 'application repo https://git.example is not permitted in project platform',
  },
]
