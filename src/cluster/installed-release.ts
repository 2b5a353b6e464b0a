// What a cluster has of a Helm release: the newest revision, its status, and the version of its chart.

import type { Cluster } from './cluster.ts'
import { refOf } from './object.ts'
import { readRelease, releases } from './release.ts'

export interface InstalledRelease {
  readonly revision: number
  /** Helm's word: `deployed`, `failed`, `pending-upgrade`. */
  readonly status: string
  /** Null where the record cannot be read. */
  readonly chartVersion: string | null
}

/** Null: there is no release of that name. Only the newest record is read as a whole. */
export async function installedRelease(
  cluster: Cluster,
  { release, namespace }: { readonly release: string; readonly namespace: string },
): Promise<InstalledRelease | null> {
  const secrets = await cluster.list({
    ...{ apiVersion: 'v1', kind: 'Secret', namespace, metadataOnly: true },
    labels: `owner=helm,name=${release}`,
    fields: 'type=helm.sh/release.v1',
  })
  const [newest] = releases(secrets)
  if (newest === undefined) return null
  const whole = await cluster.get({ ...refOf(newest.secret), apiVersion: 'v1', kind: 'Secret' })
  const record = whole && readRelease(whole)
  return { revision: newest.revision, status: newest.status, chartVersion: record?.chartVersion || null }
}
