// Records what a bundle has applied: the manifest, and a fingerprint of each object after the apply.

import { sha256 } from '../../files/digest.ts'
import type { Cluster } from '../cluster.ts'
import type { Live, Ref } from '../object.ts'
import { lineOf, refIn, textIn, write } from './record.ts'

export interface Held {
  readonly version: string
  /** Of the manifest. */
  readonly sha256: string
  /** What else decided about the objects, as a digest. */
  readonly settings: string
  /** Whether the last run came to its end. */
  readonly done: boolean
  readonly objects: readonly { readonly ref: Ref; readonly mark: string }[]
}

/** Of an object that nobody has looked at since: it matches none. */
export const UNSEEN = '-'
/** Of one that another resource looks after. */
export const APART = '+'

/**
 * Another one once anybody has written to the object, its status aside: generations count what is wanted of it, and every
 * manager has its fields and the time of its last change. All of that is metadata.
 */
export function markOf({ metadata: { uid = '', generation = 0, managedFields = [] } }: Live): string {
  const writers = managedFields.filter(({ subresource }) => subresource !== 'status')
  return shortDigest(JSON.stringify([uid, generation, writers]))
}

export function shortDigest(text: string): string {
  return sha256(text).slice(0, 16)
}

const keyOf = (bundle: string) => `bundle.${bundle}`

/** null: it was never applied, or what is written there is not understood. */
export async function heldOf(cluster: Cluster, bundle: string): Promise<Held | null> {
  const [head = '', ...lines] = ((await textIn(cluster, keyOf(bundle))) ?? '').split('\n')
  const [, version, sha256, settings, state] = /^(\S+) ([0-9a-f]{64}) (\S+) (done|begun)$/.exec(head) ?? []
  if (version === undefined || sha256 === undefined || settings === undefined) return null
  const objects = lines.flatMap((line) => {
    const [, rest = '', mark = ''] = /^(.*) (\S+)$/.exec(line) ?? []
    const ref = refIn(rest)
    return ref === undefined ? [] : [{ ref, mark }]
  })
  return { version, sha256, settings, done: state === 'done', objects }
}

export async function holdAs(cluster: Cluster, bundle: string, held: Held): Promise<void> {
  const { version, sha256, settings, done, objects } = held
  const lines = objects.map(({ ref, mark }) => `${lineOf(ref)} ${mark}\n`)
  await write(cluster, keyOf(bundle), `${version} ${sha256} ${settings} ${done ? 'done' : 'begun'}\n${lines.join('')}`)
}
