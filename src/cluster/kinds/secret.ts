// Writes a Secret; its values travel only in the request.

import { createHmac, randomBytes } from 'node:crypto'
import type { Secret } from '../../engine/secret.ts'
import type { State } from '../../engine/state.ts'
import { fieldsOf, pathText } from '../fields.ts'
import type { Live, Manifest, Ref } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { applied } from './object.ts'

export interface SecretSpec {
  readonly namespace: string
  readonly name: string
  /** Default `Opaque`. The API lets nobody change it: the Secret is made anew for it. */
  readonly type?: string
  /** Key to value, not encoded. */
  readonly data: Readonly<Record<string, Secret>>
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly inputs?: readonly string[]
}

/**
 * As `object`, but what is compared is a digest with a key that dies with this resource, and every value is masked. A key
 * that is no longer wanted goes; what others added stays.
 */
export function secret(spec: SecretSpec): ClusterResource {
  const { namespace, name, type = 'Opaque', data, labels, annotations, inputs } = spec
  const ref: Ref = { apiVersion: 'v1', kind: 'Secret', namespace, name }
  const ours = Object.keys(data).map((key) => pathText(['data', key]))
  const key = randomBytes(32)

  return applied({
    ref,
    secret: true,
    created: { present: true },
    fixed: { field: 'type', value: type },
    masked: ours,
    inputs,
    manifest: (): Manifest => ({
      apiVersion: 'v1',
      kind: 'Secret',
      metadata: { namespace, name, ...(labels && { labels }), ...(annotations && { annotations }) },
      type,
      data: Object.fromEntries(
        Object.entries(data).map(([one, value]) => [one, Buffer.from(value.reveal(), 'utf8').toString('base64')]),
      ),
    }),
    fields: (object: Live): State =>
      Object.fromEntries(
        Object.entries(fieldsOf(object)).map(([field, value]) => {
          if (!/^data[.[]/.test(field)) return [field, value]
          // A key that goes is no mask's: its value is not even hashed.
          if (!ours.includes(field)) return [field, '***']
          return [
            field,
            createHmac('sha256', key)
              .update(`${field}\0${String(value)}`)
              .digest('hex'),
          ]
        }),
      ),
  })
}
