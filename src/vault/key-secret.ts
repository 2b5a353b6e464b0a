// The Secret extsvc/vault-bootstrap with the key shares of the cluster's Vault.

import type { Cluster } from '../cluster/cluster.ts'
import { secret } from '../cluster/kinds/secret.ts'
import { type Manifest, type Ref, titleOf } from '../cluster/object.ts'
import type { ClusterResource } from '../cluster/resource.ts'
import { Secret } from '../engine/secret.ts'
import { isMap } from '../engine/state.ts'
import { keysOf, type VaultKeys } from './keys.ts'

export const BOOTSTRAP = {
  apiVersion: 'v1',
  kind: 'Secret',
  namespace: 'extsvc',
  name: 'vault-bootstrap',
} as const satisfies Ref

export const BOOTSTRAP_TITLE = titleOf(BOOTSTRAP)
const ROOT = 'root_token'
const JSON_KEY = 'init_json'
/** Where the file with the same keys was written: it may have been put into a safe since. */
const FILE = 'k3s-platform/vault-init-file'

/** Names nothing that it writes: what nobody wants any more is deleted, and keys are wanted always. */
export function bootstrapSecret(root: Secret, json: Secret, file?: string): ClusterResource {
  const { namespace, name } = BOOTSTRAP
  const data = { [ROOT]: root, [JSON_KEY]: json }
  const { writes: _, ...resource } = secret({ namespace, name, data, ...(file && { annotations: { [FILE]: file } }) })
  return resource
}

/** The same without a secret in it, for a dry run whose words may be told. */
export function placeholder(): Manifest {
  const { namespace, name, ...kind } = BOOTSTRAP
  const data = Object.fromEntries([ROOT, JSON_KEY].map((key) => [key, 'bm9uZQ==']))
  return { ...kind, metadata: { namespace, name }, type: 'Opaque', data }
}

export interface KeptKeys extends VaultKeys {
  /** The file that has them, too, where it was written; undefined: none was. */
  readonly file: string | undefined
}

/** null: there is no such Secret, or no keys are in it. */
export async function keptKeys(cluster: Cluster): Promise<KeptKeys | null> {
  const found = await cluster.get(BOOTSTRAP)
  const data = isMap(found?.data) ? found.data : {}
  const of = (key: string) => {
    const value = data[key]
    return typeof value === 'string' ? Buffer.from(value, 'base64').toString('utf8') : ''
  }
  // Those who wrote it before may have called it something else.
  const keys = [JSON_KEY, ...Object.keys(data)].map((key) => keysOf(of(key))).find((one) => one !== null)
  if (!keys) return null
  return {
    ...keys,
    root: of(ROOT) === '' ? keys.root : new Secret(of(ROOT)),
    file: found?.metadata.annotations?.[FILE],
  }
}
