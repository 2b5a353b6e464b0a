// Why Flux cannot fetch the repository, or cannot apply what is in it.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

export interface FluxRow extends Row {
  /** It may pass by itself. */
  readonly passing?: true
}

const LOGIN = 'check k3s_platform_git_auth_mode and its login'
const REACH =
  'check k3s_platform_git_url, and that the node reaches the server, through its proxy if it has one: k3s_platform_https_proxy'
const CERTIFICATE = 'use a host name that the certificate has: k3s_platform_git_url'

/** Words of source-controller, go-git and Go's TLS and SSH. `{server}` and `{host}` are of the Git server. */
export const FLUX_FETCH: readonly Row[] = [
  {
    name: 'secret-missing',
    pattern: /secrets? "[^"]*" not found|failed to get secret/i,
    cause: 'the Secret with its login does not exist',
    hint: 'create it: k3s-platform apply -t source',
    example: `failed to get secret 'flux-system/platform-config': secrets "platform-config" not found`,
  },
  {
    name: 'no-branch',
    pattern: /couldn't find remote ref|reference not found|remote ref .* not found|unable to find .*branch/i,
    cause: 'there is no such branch',
    hint: 'correct k3s_platform_git_branch, or push the branch',
    example: `unable to clone 'https://git.example': couldn't find remote ref "refs/heads/mian"`,
  },
  {
    name: 'host-key-changed',
    pattern: /knownhosts: key mismatch|ssh: handshake failed: .*(?:host key|hostkey)|known_hosts/i,
    cause: 'the host key of {server} changed',
    hint: 'compare it with the key that the host publishes, then correct k3s_platform_git_known_hosts',
    example: 'failed to checkout: ssh: handshake failed: knownhosts: key mismatch',
  },
  {
    name: 'login-refused',
    pattern:
      /unable to authenticate|authentication required|authorization failed|invalid credentials|permission denied|invalid auth|(?<![\w:./-])40[13]\b|Unauthorized|Forbidden/i,
    cause: '{server} refuses the login',
    hint: `${LOGIN}: the key or token must be able to read the repository`,
    example: "unable to list remote for 'https://git.example': authentication required: Unauthorized",
  },
  {
    name: 'no-repository',
    pattern: /repository not found|not found: .*repository|(?<![\w:./-])404\b/i,
    cause: 'there is no such repository, or the login may not see it',
    hint: `correct k3s_platform_git_url; ${LOGIN}`,
    example: "unable to clone 'https://git.example/three.git': repository not found",
  },
  { ...SHARED.names, hint: CERTIFICATE },
  SHARED.expired,
  { ...SHARED.untrusted, hint: 'set k3s_platform_git_ca to the CA that signed it (PEM)' },
  { ...SHARED.plaintext, hint: REACH },
  { ...SHARED.handshake, hint: REACH },
  { ...SHARED.resolver, hint: REACH, example: 'dial tcp: lookup git.example on 10.43.0.10:53: server misbehaving' },
  { ...SHARED.unresolved, hint: 'check k3s_platform_git_url, and the DNS servers of the node' },
  { ...SHARED.refused, hint: REACH },
  { ...SHARED.unroutable, hint: REACH, example: 'dial tcp 203.0.113.9:443: connect: no route to host' },
  { ...SHARED.timeout, hint: REACH },
  { ...SHARED.closed, hint: REACH },
  {
    name: 'key-unreadable',
    pattern: /parse .*key|ssh: no key found|invalid format|passphrase/i,
    cause: 'the deploy key cannot be read',
    hint: 'set k3s_platform_git_private_key to the key as ssh-keygen writes it',
    example: 'failed to configure authentication options: ssh: no key found',
  },
]

/** Words of kustomize-controller, kustomize, sops and the API. `{path}`: the folder that is applied. */
export const FLUX_APPLY: readonly FluxRow[] = [
  {
    name: 'dependency-missing',
    pattern: /dependency '[^']*' not found|dependency .*not found/i,
    cause: 'a Kustomization that it depends on does not exist',
    hint: 'correct dependsOn of the Kustomization in Git',
    passing: true,
    example: "dependency 'flux-system/issuers' not found",
  },
  {
    name: 'secret-missing',
    pattern: /secrets? "[^"]*" not found/i,
    cause: 'the Secret with its decryption key does not exist',
    hint: 'set k3s_platform_sops_age_key, then: k3s-platform apply -t source',
    example: 'cannot get decryption Secret: secrets "sops-age" not found',
  },
  {
    name: 'no-folder',
    pattern: /path not found|no such file or directory/i,
    cause: 'there is no such folder in the repository',
    hint: 'k3s-platform render --tree DIR --commit writes it, then git push; or correct k3s_platform_flux_root_path (now {path})',
    example: 'kustomization path not found: stat /clusters/edge-2: no such file or directory',
  },
  {
    name: 'decryption',
    pattern: /decrypt|sops|age:|data key/i,
    cause: 'a file cannot be decrypted',
    hint: 'set k3s_platform_sops_age_key to the private part of a key that the file was encrypted for',
    example: "decryption failed for 'token': cannot get sops data key: 'No identity matched any of the recipients'",
  },
  {
    name: 'build',
    pattern: /kustomize build failed|failed to decode|MalformedYAML|yaml:|accumulat|kustomization\.yaml/i,
    cause: 'the files do not build',
    hint: 'see what is wrong: kubectl kustomize {path}; then push the correction',
    example: 'kustomize build failed: accumulating resources: MalformedYAMLError: yaml: line 3: mapping values',
  },
  {
    name: 'kind-unknown',
    pattern: /no matches for kind|could not find the requested resource|the server doesn't have a resource type/i,
    cause: 'a kind is not known to the API',
    hint: 'what brings the kind must be applied before: k3s-platform apply k3s_platform_addon, or dependsOn in the tree',
    example: 'ClusterIssuer/x dry-run failed: no matches for kind "ClusterIssuer" in version "cert-manager.io/v1"',
  },
  {
    name: 'webhook',
    pattern: /failed calling webhook|context deadline exceeded.*webhook/i,
    cause: 'a webhook does not answer',
    hint: 'find the pod that is not ready: kubectl get pods -A',
    passing: true,
    example: 'Internal error occurred: failed calling webhook "webhook.cert-manager.io": no endpoints available',
  },
  {
    name: 'namespace-missing',
    pattern: /namespaces? "[^"]*" not found/i,
    cause: 'a namespace does not exist',
    hint: 'the tree must create it before what is in it',
    example: 'ConfigMap/nowhere/x not found: namespaces "nowhere" not found',
  },
  {
    // RBAC of the API, which the words of a policy resemble but for the verb.
    name: 'permission',
    pattern: /forbidden: User "[^"]*" cannot|cannot impersonate/i,
    cause: 'Flux lacks a permission',
    hint: 'grant it to the service account in spec.serviceAccountName of the Kustomization',
    example: 'configmaps is forbidden: User "system:serviceaccount:limited:x" cannot create resource "configmaps"',
  },
  {
    name: 'policy',
    pattern: /denied(?: the)? request|violates PodSecurity|exceeded quota/i,
    cause: 'an admission policy denies an object',
    hint: 'correct it in Git, or the policy',
    example: 'admission webhook "policy.example" denied the request: no latest tags',
  },
  {
    name: 'refused',
    pattern: /is invalid|Invalid value|field is immutable|unknown field|field not declared|forbidden|dry-run failed/i,
    cause: 'the API refuses an object',
    hint: 'correct it in Git',
    example: 'Deployment.apps "x" is invalid: spec.selector: Invalid value: field is immutable',
  },
  {
    name: 'unhealthy',
    pattern: /health check failed|timeout waiting for/i,
    cause: 'what it applied does not become healthy',
    hint: 'find the cause in the objects: kubectl describe',
    example: "health check failed after 5m: timeout waiting for: [Certificate/database/tls status: 'InProgress']",
  },
  {
    name: 'prune',
    pattern: /prun/i,
    cause: 'an object that is no longer in Git could not be deleted',
    hint: 'find what holds it: kubectl describe',
    example: 'prune failed: ConfigMap/x delete failed',
  },
]
