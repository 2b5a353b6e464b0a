// Creates a missing namespace that another manifest describes, so that objects can be created in it earlier.

import { ApiError } from '../cluster.ts'
import { idOf, type Manifest, type Ref, titleOf } from '../object.ts'
import { ownerOf } from '../ownership.ts'
import type { ClusterResource } from '../resource.ts'

/** Claims no field of it: who applies the namespace itself says what it is like. */
export function space(name: string): ClusterResource {
  const ref: Ref = { apiVersion: 'v1', kind: 'Namespace', name }
  const manifest: Manifest = { apiVersion: 'v1', kind: 'Namespace', metadata: { name } }
  const desired = { present: true }
  return {
    id: idOf(ref),
    title: titleOf(ref),
    before: { actual: null, desired },
    look: async (cluster) => {
      const live = await cluster.get(ref)
      const owner = live && ownerOf(live)
      return { actual: live && desired, desired, ...(owner && { owner }) }
    },
    make: async (_, cluster) => {
      try {
        await cluster.create(manifest)
      } catch (error) {
        if (!(error instanceof ApiError) || error.reason !== 'AlreadyExists') throw error
      }
    },
  }
}
