// All tables of causes, by the name under which docs/troubleshooting.md lists them.

import { ACME_ISSUER, ACME_LIMIT, ACME_PROBLEM } from '../../src/diagnosis/acme.ts'
import { API } from '../../src/diagnosis/api.ts'
import { ARGOCD } from '../../src/diagnosis/argocd.ts'
import type { Row } from '../../src/diagnosis/diagnose.ts'
import { DOWNLOAD } from '../../src/diagnosis/download.ts'
import { EXTERNAL_SECRETS } from '../../src/diagnosis/external-secrets.ts'
import { FILES } from '../../src/diagnosis/files.ts'
import { FLUX_APPLY, FLUX_FETCH } from '../../src/diagnosis/flux.ts'
import { GIT } from '../../src/diagnosis/git.ts'
import { HELM } from '../../src/diagnosis/helm.ts'
import { HTTP01 } from '../../src/diagnosis/http01.ts'
import { CA_ISSUER, VAULT_ISSUER, VENAFI_ISSUER } from '../../src/diagnosis/issuers.ts'
import { SSH } from '../../src/diagnosis/ssh.ts'
import { SUDO } from '../../src/diagnosis/sudo.ts'
import { VAULT_ANSWER, VAULT_CONNECTION } from '../../src/diagnosis/vault.ts'

export const catalog: Readonly<Record<string, readonly Row[]>> = {
  download: DOWNLOAD,
  ssh: Object.values(SSH),
  sudo: SUDO,
  files: FILES,
  api: API,
  helm: HELM,
  git: GIT,
  fluxFetch: FLUX_FETCH,
  fluxApply: FLUX_APPLY,
  argocd: ARGOCD,
  externalSecrets: EXTERNAL_SECRETS,
  acmeIssuer: ACME_ISSUER,
  caIssuer: CA_ISSUER,
  vaultIssuer: VAULT_ISSUER,
  venafiIssuer: VENAFI_ISSUER,
  http01: Object.values(HTTP01),
  acmeProblem: ACME_PROBLEM,
  acmeLimit: ACME_LIMIT,
  vaultConnection: VAULT_CONNECTION,
  vaultAnswer: VAULT_ANSWER,
}
