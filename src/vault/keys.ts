// Parses the output of `vault operator init`: key shares and root token, from the CLI or the API.

import { z } from 'zod'
import { Secret } from '../engine/secret.ts'

export interface VaultKeys {
  /** Each opens a part; none where Vault opens itself by a key of a cloud. */
  readonly unseal: readonly Secret[]
  /** How many of them are needed; undefined: not said. */
  readonly threshold: number | undefined
  readonly root: Secret | undefined
  /** The whole of it, as it was given or as the CLI prints it. */
  readonly json: Secret
}

const keyList = z.array(z.string().min(1)).nullish()

/** spec: `vault operator init -format=json`, and https://developer.hashicorp.com/vault/api-docs/system/init */
const shape = z.looseObject({
  unseal_keys_b64: keyList,
  unseal_keys_hex: keyList,
  keys_base64: keyList,
  keys: keyList,
  recovery_keys_b64: keyList,
  recovery_keys_base64: keyList,
  unseal_threshold: z.number().int().nullish(),
  root_token: z.string().min(1).nullish(),
})

/** null: it is not what `vault operator init` tells. */
export function keysOf(text: string): VaultKeys | null {
  const { data } = shape.safeParse(parsed(text))
  if (data === undefined) return null
  const { unseal_keys_b64, unseal_keys_hex, keys_base64, keys, recovery_keys_b64, recovery_keys_base64 } = data
  const lists = [unseal_keys_b64, keys_base64, unseal_keys_hex, keys]
  const unseal = lists.find((list) => list && list.length > 0) ?? []
  const opensItself = [recovery_keys_b64, recovery_keys_base64].some((list) => list && list.length > 0)
  if (unseal.length === 0 && !opensItself) return null
  return {
    unseal: unseal.map((key) => new Secret(key)),
    threshold: data.unseal_threshold ?? undefined,
    root: data.root_token ? new Secret(data.root_token) : undefined,
    json: new Secret(text.trim()),
  }
}

/** What the API answers to an initialisation; null: it is something else. */
export function keysOfAnswer(body: string, threshold: number): VaultKeys | null {
  const { data } = shape.safeParse(parsed(body))
  const { keys, keys_base64, root_token } = data ?? {}
  if (!keys?.length || !keys_base64?.length || !root_token) return null
  return keysOf(
    JSON.stringify(
      {
        unseal_keys_b64: keys_base64,
        unseal_keys_hex: keys,
        unseal_shares: keys.length,
        unseal_threshold: threshold,
        recovery_keys_b64: [],
        recovery_keys_hex: [],
        recovery_keys_shares: 0,
        recovery_keys_threshold: 0,
        root_token,
      },
      null,
      2,
    ),
  )
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
