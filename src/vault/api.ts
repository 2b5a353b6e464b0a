// Vault's HTTP API as far as it is used here, asked from the node. Secrets are in bodies and headers, and in no error.

import { z } from 'zod'
import type { Cluster } from '../cluster/cluster.ts'
import type { Secret } from '../engine/secret.ts'
import { noAddress, placeOf } from './address.ts'
import { type ConnectionError, explainAnswer, explainError } from './connection-errors.ts'
import { keysOfAnswer, type VaultKeys } from './keys.ts'

export interface VaultAt {
  /** `https://vault.svc.plus:8200` */
  readonly server: string
  /** PEM; undefined: the authorities that Node.js trusts. */
  readonly ca?: string | undefined
}

/** spec: https://developer.hashicorp.com/vault/api-docs/system/seal-status */
export interface SealStatus {
  readonly initialized: boolean
  readonly sealed: boolean
  /** `shamir`: opened by keys; anything else opens itself. */
  readonly type: string
  /** Keys that open it, and how many of them were given since the last reset. */
  readonly threshold: number
  readonly progress: number
}

export interface Vault {
  status(): Promise<SealStatus>
  /** Only once in a Vault's life. */
  init(shares: number, threshold: number): Promise<VaultKeys>
  unseal(key: Secret): Promise<SealStatus>
  /** Forgets the keys that were given so far. */
  forget(): Promise<void>
  /** Whether it does its work, and not only is open. */
  works(): Promise<boolean>
  /** The policies of a token; null: Vault does not know it. */
  policies(token: Secret): Promise<readonly string[] | null>
}

/** No answer, or none of a Vault: it may come. */
export class VaultSilent extends Error {
  override readonly name = 'VaultSilent'
  readonly hint: string | undefined

  constructor({ why, hint }: ConnectionError) {
    super(why)
    this.hint = hint
  }
}

/** Vault's own no, in its words. */
export class VaultRefusal extends Error {
  override readonly name = 'VaultRefusal'
  readonly status: number

  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

const sealStatus = z.looseObject({
  initialized: z.boolean(),
  sealed: z.boolean(),
  type: z.string().default('shamir'),
  t: z.number().default(0),
  progress: z.number().default(0),
})
const token = z.looseObject({ data: z.looseObject({ policies: z.array(z.string()).nullish() }) })
const errors = z.looseObject({ errors: z.array(z.string()) })

const ASK_MS = 5000
/** It writes its whole storage anew, and opens it. */
const INIT_MS = 120_000
const UNSEAL_MS = 30_000

interface Call {
  readonly method?: 'GET' | 'PUT'
  readonly body?: object
  readonly token?: Secret
  /** In the body: Vault's words do not tell it. */
  readonly key?: Secret
  readonly timeoutMs?: number
}

/** No namespace is named: what is asked here is in Vault's root namespace. */
export function vaultAt({ server, ca }: VaultAt, cluster: Cluster): Vault {
  const url = new URL(server)
  const send = async (path: string, { method = 'GET', body, token, timeoutMs = ASK_MS }: Call) => {
    const place = await placeOf(url, cluster)
    if (place === null) throw new VaultSilent(noAddress(url))
    try {
      return await cluster.http({
        ...place,
        ...(url.protocol === 'https:' && { tls: { ca } }),
        method,
        path: `/v1/${path}`,
        headers: {
          accept: 'application/json',
          ...(body && { 'content-type': 'application/json' }),
          ...(token && { 'x-vault-token': token.reveal() }),
        },
        ...(body && { body: JSON.stringify(body) }),
        timeoutMs,
      })
    } catch (error) {
      throw new VaultSilent(explainError(error, url))
    }
  }
  const ask = async <T>(path: string, shape: z.ZodType<T>, call: Call = {}): Promise<T> => {
    const { status, body } = await send(path, call)
    const hidden = [call.token, call.key].flatMap((one) => one?.reveal() ?? [])
    const json = parsed(body)
    const words = errors.safeParse(json).data?.errors.join('; ')
    const told = words && hidden.reduce((text, secret) => text.replaceAll(secret, '***'), words)
    if (status >= 400 && status < 500 && told !== undefined) throw new VaultRefusal(status, told || `HTTP ${status}`)
    const { data } = shape.safeParse(json)
    if (status !== 200 || data === undefined)
      throw new VaultSilent(told ? { why: `HTTP ${status}: ${told}` } : explainAnswer(status, body, url))
    return data
  }
  const sealing = async (path: string, call?: Call): Promise<SealStatus> => {
    const { initialized, sealed, type, t, progress } = await ask(path, sealStatus, call)
    return { initialized, sealed, type, threshold: t, progress }
  }
  return {
    status: () => sealing('sys/seal-status'),
    init: async (secret_shares, secret_threshold) => {
      const body = { secret_shares, secret_threshold }
      const shape = z.unknown().transform((answer) => keysOfAnswer(JSON.stringify(answer), secret_threshold))
      const keys = await ask('sys/init', shape, { method: 'PUT', body, timeoutMs: INIT_MS })
      if (keys === null) throw new VaultSilent({ why: 'its response contains no key shares' })
      return keys
    },
    unseal: (key) => sealing('sys/unseal', { method: 'PUT', body: { key: key.reveal() }, key, timeoutMs: UNSEAL_MS }),
    forget: async () => {
      await sealing('sys/unseal', { method: 'PUT', body: { reset: true } })
    },
    // 429, 472 and 473 are those of a standby, which hands on to the one that works.
    works: async () => [200, 429, 472, 473].includes((await send('sys/health', {})).status),
    policies: async (token_) => {
      try {
        return (await ask('auth/token/lookup-self', token, { token: token_ })).data.policies ?? []
      } catch (error) {
        if (error instanceof VaultRefusal && error.status === 403) return null
        throw error
      }
    },
  }
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
