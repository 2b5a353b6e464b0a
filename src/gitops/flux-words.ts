// What Flux says when it cannot fetch or apply, in words that name what to change.

interface Reason {
  readonly says: RegExp
  readonly what: string
  readonly hint: string
  /** It may pass by itself. */
  readonly passing?: boolean
}

export const explained = (message: string, reasons: readonly Reason[]): Reason | undefined =>
  reasons.find(({ says }) => says.test(message))

export const REFUSED = 'the login is refused'
const LOGIN = 'check k3s_platform_git_auth_mode and its login'

/** Words of source-controller, go-git and Go's TLS and SSH. */
export const FETCH: readonly Reason[] = [
  {
    says: /secrets? "[^"]*" not found|failed to get secret/i,
    what: 'its Secret is not there',
    hint: 'k3s-platform apply -t source makes it',
  },
  {
    says: /couldn't find remote ref|reference not found|remote ref .* not found|unable to find .*branch/i,
    what: 'there is no such branch',
    hint: 'correct k3s_platform_git_branch, or push the branch',
  },
  {
    says: /knownhosts: key mismatch|ssh: handshake failed: .*(?:host key|hostkey)|known_hosts/i,
    what: 'the server shows another host key than the known one',
    hint: 'compare it with the one that the host publishes, then correct k3s_platform_git_known_hosts',
  },
  {
    says: /unable to authenticate|authentication required|authorization failed|invalid credentials|permission denied|invalid auth|40[13]\b|Unauthorized|Forbidden/i,
    what: REFUSED,
    hint: `${LOGIN}: the key or token has to be one that the repository lets in`,
  },
  {
    says: /repository not found|not found: .*repository|404\b/i,
    what: 'there is no such repository, or the login may not see it',
    hint: `correct k3s_platform_git_url; ${LOGIN}`,
  },
  {
    says: /x509:|tls: |certificate signed by unknown/i,
    what: 'the certificate of the server is not trusted',
    hint: 'give its CA: k3s_platform_git_ca (PEM)',
  },
  {
    says: /no such host|server misbehaving/i,
    what: 'the cluster does not know the name of the server',
    hint: 'check k3s_platform_git_url, and the DNS of the node',
  },
  {
    says: /connection refused|i\/o timeout|deadline exceeded|no route to host|network is unreachable|connection reset|\bEOF\b/i,
    what: 'the server is not reached from the cluster',
    hint: 'check k3s_platform_git_url, the way there from the node, and its proxy: k3s_platform_https_proxy',
  },
  {
    says: /parse .*key|ssh: no key found|invalid format|passphrase/i,
    what: 'the deploy key cannot be read',
    hint: 'give it as ssh-keygen writes it: k3s_platform_git_private_key',
  },
]

/** Words of kustomize-controller, kustomize, sops and the API. */
export const APPLY: readonly Reason[] = [
  {
    says: /dependency '[^']*' not found|dependency .*not found/i,
    what: 'what it depends on is not there',
    hint: 'correct dependsOn of the Kustomization in Git',
    passing: true,
  },
  {
    says: /secrets? "[^"]*" not found/i,
    what: 'the Secret that it decrypts with is not there',
    hint: 'give k3s_platform_sops_age_key: k3s-platform apply -t source makes it',
  },
  {
    says: /path not found|no such file or directory/i,
    what: 'there is no such folder in the repository',
    hint: 'k3s-platform render --tree DIR --commit writes it, then git push; or correct k3s_platform_flux_root_path (now PATH)',
  },
  {
    says: /decrypt|sops|age:|data key/i,
    what: 'a file cannot be decrypted',
    hint: 'k3s_platform_sops_age_key has to be the private part of one of the keys that it was encrypted for',
  },
  {
    says: /kustomize build failed|failed to decode|MalformedYAML|yaml:|accumulat|kustomization\.yaml/i,
    what: 'the files do not build',
    hint: 'see what is wrong: kubectl kustomize PATH; then push the correction',
  },
  {
    says: /no matches for kind|could not find the requested resource|the server doesn't have a resource type/i,
    what: 'a kind is not known to the API',
    hint: 'what brings it has to be applied before: k3s-platform apply k3s_platform_addon, or dependsOn in the tree',
  },
  {
    says: /failed calling webhook|context deadline exceeded.*webhook/i,
    what: 'a webhook does not answer',
    hint: 'kubectl get pods -A tells which program is not well',
    passing: true,
  },
  {
    says: /namespaces? "[^"]*" not found/i,
    what: 'a namespace is not there',
    hint: 'the tree has to make it before what is in it',
  },
  {
    // RBAC of the API, which the words of a policy resemble but for the verb.
    says: /forbidden: User "[^"]*" cannot|cannot impersonate/i,
    what: 'Flux may not do that',
    hint: 'its service account lacks the right: see spec.serviceAccountName of the Kustomization',
  },
  {
    says: /denied(?: the)? request|violates PodSecurity|exceeded quota/i,
    what: 'an admission policy denies an object',
    hint: 'correct it in Git, or the policy',
  },
  {
    says: /is invalid|Invalid value|field is immutable|unknown field|field not declared|forbidden|dry-run failed/i,
    what: 'the API refuses an object',
    hint: 'correct it in Git',
  },
  {
    says: /health check failed|timeout waiting for/i,
    what: 'what it applied does not become well',
    hint: 'the objects say why: kubectl describe',
  },
  { says: /prun/i, what: 'an object that is no longer in Git could not be deleted', hint: 'kubectl describe it' },
]
