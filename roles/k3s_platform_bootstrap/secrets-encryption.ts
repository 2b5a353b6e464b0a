// Enables encryption of Secrets in a running cluster: k3s encrypts new ones after a restart, this encrypts the others.

import type { HostResource } from '../../src/host/resource.ts'
import { type Sh, script, sh } from '../../src/host/sh.ts'
import encryptText from './shell/encrypt-secrets.sh'

export interface SecretsEncryptionSpec {
  readonly binary: string
  readonly dataDir: string
  /** That the API server listens on. */
  readonly port: number
  /** Of the wait, seconds; default 300. */
  readonly boundSeconds?: number | undefined
}

/** It outlives the restart: a run that is killed in between leaves the work to the next one. */
const MARK = '/var/lib/k3s-platform/secrets-to-encrypt'
const BOUND_SECONDS = 300

/** A database without a key: its Secrets were written in the clear. */
const looking = (dataDir: string): Sh => sh`[ ! -e ${MARK} ] || echo marked=yes
[ ! -d ${`${dataDir}/server/db`} ] || [ -s ${`${dataDir}/server/cred/encryption-config.json`} ] || echo plain=yes`

/** Goes before the restart. */
export function rememberPlainSecrets({ dataDir }: SecretsEncryptionSpec): HostResource {
  return {
    id: 'k3s:plain-secrets',
    title: 'record of unencrypted Secrets',
    probe: looking(dataDir),
    read: ({ text }) => ({ actual: { recorded: text.includes('plain=') ? text.includes('marked=') : true } }),
    desired: () => ({ recorded: true }),
    action: () => 'record that Secrets must be encrypted',
    steps: () => [
      {
        title: 'record that Secrets must be encrypted',
        run: sh`mkdir -p ${MARK.slice(0, MARK.lastIndexOf('/'))} && : >${MARK} && k_sync ${MARK}`,
      },
    ],
  }
}

/** Goes after it. `rotate-keys` writes every Secret again, encrypted (seen with k3s v1.36.3: 45 s under load). */
export function encryptSecrets({
  binary,
  dataDir,
  port,
  boundSeconds = BOUND_SECONDS,
}: SecretsEncryptionSpec): HostResource {
  const title = 'Secrets in the datastore'
  return {
    id: 'k3s:encrypt-secrets',
    title,
    probe: looking(dataDir),
    read: ({ text }) => ({ actual: { encrypted: !/plain=|marked=/.test(text) } }),
    desired: () => ({ encrypted: true }),
    action: () => 'encrypt the existing Secrets (secrets-encrypt rotate-keys)',
    steps: () => [
      {
        title: 'encrypt the existing Secrets',
        run: script(encryptText, { binary, dataDir, server: `https://127.0.0.1:${port}`, boundSeconds, mark: MARK }),
      },
    ],
    explain: ({ out, err }) => ({
      what: `Not all Secrets were encrypted within ${boundSeconds} s`,
      why: `${out}\n${err}`.trim().split('\n').slice(-6).join('\n'),
      hint: `run apply again to continue; to check on the host: ${binary} secrets-encrypt status -d ${dataDir}`,
    }),
  }
}
