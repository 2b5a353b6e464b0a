// Why an issuer that is no ACME server does not become ready: a CA in a Secret, Vault, CyberArk (Venafi).

import type { IssuerRow } from './acme.ts'
import { quoting, SHARED } from './shared.ts'

const AGAIN = 'cert-manager retries'
const REACH = `check from the node: curl -v {url}; ${AGAIN}`

/** Words of cert-manager 1.21, pkg/issuer/ca. `{namespace}`: where the issuer looks for its Secrets. */
export const CA_ISSUER: readonly IssuerRow[] = [
  {
    name: 'secret-missing',
    pattern: /keypair for CA issuer: .*"([^"]+)" not found/,
    cause: "the Secret {namespace}/$1 with the CA's certificate and key does not exist",
    hint: `create it: kubectl create secret tls $1 -n {namespace} --cert=ca.crt --key=ca.key; ${AGAIN}`,
    example: 'Error getting keypair for CA issuer: secrets "company-ca" not found',
  },
  {
    name: 'not-a-ca',
    pattern: /certificate is not a CA/,
    cause: 'the certificate in the Secret is not one of a CA: it lacks basicConstraints CA:TRUE',
    hint: 'put the certificate of a CA into the Secret; a Certificate of cert-manager needs spec.isCA: true',
    example: 'Error getting keypair for CA issuer: certificate is not a CA',
  },
  {
    name: 'secret-invalid',
    pattern: /keypair for CA issuer: (.*)/,
    cause: "the Secret with the CA's certificate and key cannot be used: $1",
    hint: `its entries must be tls.crt and tls.key, in PEM, and fit each other; then ${AGAIN}`,
    example: `Error getting keypair for CA issuer: no data for "tls.crt" in secret 'cert-manager/company-ca'`,
  },
]

/** Words of cert-manager 1.21 (pkg/issuer/vault, internal/vault) and of Vault's API. */
export const VAULT_ISSUER: readonly IssuerRow[] = [
  {
    name: 'sealed',
    pattern: /Vault is sealed/,
    cause: '{server} is sealed',
    hint: `unseal it: vault operator unseal; ${AGAIN}`,
    example: 'Failed to verify Vault is initialized and unsealed: Vault is sealed',
  },
  {
    name: 'uninitialized',
    pattern: /Vault is not initialized/,
    cause: '{server} is not initialized',
    hint: `initialize it: vault operator init; ${AGAIN}`,
    example: 'Failed to verify Vault is initialized and unsealed: Vault is not initialized',
  },
  {
    name: 'secret-missing',
    pattern: /could not access secret '([^']+)'/i,
    cause: 'the Secret $1, with which the issuer logs in to Vault, does not exist',
    hint: `create it, or correct the name in spec.vault.auth of the issuer; ${AGAIN}`,
    example: `Failed to initialize Vault client: could not access secret 'cert-manager/vault-approle': secret "vault-approle" not found`,
  },
  {
    name: 'secret-key-missing',
    pattern: /no data for "?([^" ]+)"? in secret '([^']+)'/i,
    cause: 'the Secret $2, with which the issuer logs in to Vault, has no entry $1',
    hint: 'correct the key in spec.vault.auth of the issuer, or add the entry to the Secret',
    example: `Failed to initialize Vault client: no data for "secretId" in secret 'cert-manager/vault-approle'`,
  },
  {
    name: 'service-account',
    pattern: /while requesting a token for the service account (\S+): (.*)/,
    cause: 'cert-manager may not request a token of the service account $1: $2',
    hint: 'create the service account, and allow cert-manager to create serviceaccounts/token for it (a Role and a RoleBinding)',
    example:
      'Failed to initialize Vault client: while requesting a Vault token using the Kubernetes auth: while requesting a token for the service account cert-manager/vault: serviceaccounts "vault" is forbidden',
  },
  {
    name: 'no-mount',
    pattern: /no handler for route "?([^".]+)/,
    cause: '{server} has nothing at the path $1: no engine or auth method is mounted there',
    hint: 'correct spec.vault.path or the mount path in spec.vault.auth of the issuer; see: vault secrets list; vault auth list',
    example: 'Code: 404. Errors: * no handler for route "auth/approle/login". route entry not found.',
  },
  {
    name: 'login-refused',
    pattern: /(?:logging in to|calling) Vault server:.*Code: 4\d\d\. Errors:\s*(.*)/s,
    cause: "{server} refuses the issuer's login: $1",
    hint: `correct role and secret in spec.vault.auth of the issuer; ${AGAIN}`,
    example:
      'Failed to initialize Vault client: error logging in to Vault server: Error making API request. URL: POST https://vault.svc.plus/v1/auth/approle/login Code: 400. Errors: * invalid role or secret ID',
  },
  {
    name: 'denied',
    pattern: /permission denied/,
    cause: '{server} denies what the issuer asks for',
    hint: 'allow its policy to create and update the sign path (spec.vault.path of the issuer)',
    example: 'Code: 403. Errors: * permission denied',
  },
  {
    name: 'incomplete',
    pattern: /(Vault .*(?:required|requires .*|cannot be .*)|Multiple auth methods.*)/,
    cause: "the issuer's spec is incomplete: $1",
    hint: 'correct spec.vault of the issuer',
    example: 'Vault AppRole auth requires both roleId and tokenSecretRef.name',
  },
  { ...quoting(SHARED.names), passing: true, hint: 'use a host name that the certificate has in spec.vault.server' },
  { ...quoting(SHARED.expired), passing: true },
  {
    ...quoting(SHARED.untrusted),
    passing: true,
    hint: 'set spec.vault.caBundle, or caBundleSecretRef, to the CA that signed it (PEM)',
  },
  { ...SHARED.resolver, passing: true, hint: REACH },
  { ...SHARED.unresolved, passing: true, hint: REACH },
  { ...SHARED.refused, passing: true, hint: REACH },
  { ...SHARED.unroutable, passing: true, hint: REACH },
  { ...SHARED.timeout, passing: true, hint: REACH },
  { ...SHARED.closed, passing: true, hint: REACH },
]

/** Words of cert-manager 1.21, pkg/issuer/venafi. */
export const VENAFI_ISSUER: readonly IssuerRow[] = [
  {
    name: 'login-refused',
    pattern: /(?:OAuth token request failed|VerifyCredentials|error building client): (.*)/,
    cause: '{server} refuses the credentials of the issuer: $1',
    hint: `correct the Secret that spec.venafi names (credentialsRef or apiTokenSecretRef); ${AGAIN}`,
    example: 'Failed to setup Certificate Manager issuer: client.VerifyCredentials: vcert error: unauthorized',
  },
  {
    name: 'unreachable',
    pattern: /error pinging [^:]*: (.*)/,
    cause: '{server} does not answer: $1',
    passing: true,
    example: 'Failed to setup Certificate Manager issuer: error pinging Certificate Manager: 503 Service Unavailable',
  },
]
