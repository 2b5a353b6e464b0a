// Why external-secrets cannot use a store, or cannot read a secret from it.

import type { Row } from './diagnose.ts'
import { SHARED } from './shared.ts'

const REACH = 'check k3s_platform_vault_server, and that pods can reach it'

/** Words of external-secrets, of its Vault provider and of Vault. `{server}` and `{host}` are of the provider. */
export const EXTERNAL_SECRETS: readonly Row[] = [
  { ...SHARED.names, hint: 'use a host name that the certificate has: k3s_platform_vault_server' },
  SHARED.expired,
  { ...SHARED.untrusted, hint: 'set k3s_platform_vault_ca to the CA that signed it (PEM)' },
  { ...SHARED.plaintext, hint: 'correct k3s_platform_vault_server: http:// is for a Vault without TLS' },
  { ...SHARED.handshake, hint: REACH },
  { ...SHARED.resolver, hint: REACH, example: 'dial tcp: lookup vault.svc.plus on 10.43.0.10:53: server misbehaving' },
  { ...SHARED.unresolved, hint: REACH },
  { ...SHARED.refused, hint: REACH },
  { ...SHARED.unroutable, hint: REACH, example: 'dial tcp 10.0.0.1:8200: connect: network is unreachable' },
  { ...SHARED.timeout, hint: REACH },
  { ...SHARED.closed, hint: REACH },
  {
    name: 'sealed',
    pattern: /sealed/i,
    cause: 'Vault is sealed',
    hint: 'k3s-platform apply -t vault-init where its keys are known, else: vault operator unseal; external-secrets tries again by itself',
    example: 'Error making API request. Code: 503. Errors: * Vault is sealed',
  },
  {
    name: 'store-not-ready',
    pattern: /could not get secret store|SecretStore(?:\.\S+)? "[^"]*" (?:not found|is not ready)|not ready/i,
    cause: 'its store does not exist or is not ready',
    hint: 'find the cause in the store: kubectl get secretstore,clustersecretstore -A',
    example: 'could not get secret store: ClusterSecretStore "vault" is not ready',
  },
  {
    name: 'no-entry',
    pattern: /cannot find secret data for key|property .* does not exist|key .* not found/i,
    cause: 'the secret exists, but has no such property',
    hint: 'list its properties with vault kv get, and correct the name',
    example: 'err: cannot find secret data for key: "api-token"',
  },
  {
    name: 'no-login',
    pattern:
      /(?:secrets?|serviceaccounts?) "[^"]*" not found|cannot (?:get|find) (?:Kubernetes )?(?:secret|service account)/i,
    cause: 'the Secret or the ServiceAccount that it logs in with does not exist',
    hint: 'create it: k3s-platform apply -t secrets',
    example: 'cannot get Kubernetes service account "vault": serviceaccounts "vault" not found',
  },
  {
    name: 'login-refused',
    pattern: /Code: 400|invalid (?:role|jwt|token|role name|role_id)|failed to (?:log ?in|validate)|unable to log ?in/i,
    cause: '{server} refuses the login',
    hint: 'check the role, token or AppRole, and what Vault binds it to (namespace, service account, audience)',
    example: 'unable to log in with Kubernetes auth: Error making API request. Code: 403. Errors: * permission denied',
  },
  {
    name: 'permission',
    pattern: /Code: 403|permission denied|forbidden/i,
    cause: '{server} does not let it read this path: permission denied',
    hint: 'grant `read` on the path in its Vault policy; in KV v2 that is <mount>/data/<path>',
    example: 'cannot read secret data from Vault: Error making API request. Code: 403. Errors: * permission denied',
  },
  {
    name: 'no-secret',
    pattern: /Secret does not exist|Code: 404|no handler for route|NoSecretError/i,
    cause: 'there is no secret at that path',
    hint: 'look at it with vault kv get; check the mount, and v1 or v2 of the store',
    example: 'error processing spec.data[0] (key: platform/cloudflare), err: Secret does not exist',
  },
]
