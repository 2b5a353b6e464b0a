// One host as both transports need it: every default filled in, every secret in its place.

import type { Secret } from '../../engine/secret.ts'
import type { Trust } from './hostkeys.ts'
import type { AskSecret } from './identities.ts'
import type { Address } from './refusals.ts'

export interface SshTarget extends Address {
  readonly trust: Trust
  /** ssh_config's; only the system's ssh goes by it. */
  readonly hostKeyAlias: string | undefined
  /** ssh_config's files of known_hosts; undefined: ssh was not asked. */
  readonly configuredKnownHosts: readonly string[] | undefined
  /** Where accepted new keys go; undefined: they hold for this run only. */
  readonly learnInto: string | undefined
  /** Replaces the files of known_hosts. */
  readonly knownHostsText: string | undefined
  readonly privateKeyFile: string | undefined
  readonly configuredKeys: readonly string[] | undefined
  readonly identitiesOnly: boolean
  readonly agentSocket: string | undefined
  readonly password: Secret | undefined
  readonly passphrase: Secret | undefined
  readonly askSecret: AskSecret | undefined
  /** What the inventory itself says; ssh finds out the rest. */
  readonly given: { readonly host: string; readonly user: string | undefined; readonly port: number | undefined }
  readonly sshCommonArgs: readonly string[]
  readonly timeoutMs: number
  readonly answerMs: number
  readonly keepalive: { readonly intervalMs: number; readonly countMax: number }
  readonly env: Readonly<Record<string, string | undefined>>
  readonly home: string
  readonly signal: AbortSignal | undefined
  readonly onWait: (why: string) => void
}
