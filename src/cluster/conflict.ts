// Explains a field conflict: the owner, and the command that takes ownership.

import type { Problem } from '../engine/problem.ts'
import { isMap } from '../engine/state.ts'
import type { ApiError } from './cluster.ts'
import { kubectl } from './kubectl.ts'
import type { Manifest, Ref } from './object.ts'
import { managerOf } from './ownership.ts'

export interface Subject {
  readonly ref: Ref
  /** What was to be applied: a conflict's hint says the value of the field. */
  readonly manifest?: Manifest
  /** The API's words about it may quote a secret: they are left out. */
  readonly secret?: boolean
}

type Words = Required<Pick<Problem, 'what' | 'why' | 'hint'>>

const LONGEST_PATCH = 600
/** A longer value is not spelled out: the field is removed, and applied anew. */
const LONGEST_VALUE = 80

/** Who owns which of the fields, and the two ways out. Nothing is forced. */
export function conflictWords({ causes }: ApiError, subject: Subject): Words {
  const conflicts = causes.flatMap(({ reason, message, field }) => {
    const manager = /conflict with "([^"]*)"/.exec(message)?.[1]
    return reason !== 'FieldManagerConflict' || manager === undefined ? [] : [{ field, manager: managerOf(manager) }]
  })
  const lines = conflicts.map(({ field, manager }) => `${field.slice(1)}: ${manager.title}`)
  const again = [...new Set(conflicts.filter((one) => one.manager.writesAgain).map((one) => one.manager.title))]
  return {
    what: `${lines.length === 1 ? 'a field belongs' : `${lines.length} fields belong`} to another field manager, and conflicts are never forced`,
    why: lines.join('\n'),
    hint: [
      `add ${lines.length === 1 ? 'its value' : 'their values'} to the inventory; or`,
      again.length > 0 ? `make ${again.join(' and ')} release the field, then` : 'take ownership:',
      takeOver(
        subject,
        conflicts.map(({ field }) => field),
      ),
    ].join(' '),
  }
}

/** A patch moves what it changes to whoever patches; then it has our value, and nobody conflicts. */
function takeOver({ ref, manifest, secret = false }: Subject, fields: readonly string[]): string {
  const patch = {}
  const found = fields.every((field) => manifest !== undefined && addTo(patch, manifest, field, secret))
  const text = JSON.stringify(patch)
  const type = fields.some((field) => field.includes('[')) ? 'strategic' : 'merge'
  if (!found || text.length > LONGEST_PATCH || (type === 'strategic' && !isBuiltIn(ref)))
    return `${kubectl('edit', ref)} (remove the field${fields.length > 1 ? 's' : ''})`
  return `${kubectl('patch', ref)} --type=${type} -p '${text.replaceAll("'", "'\\''")}'`
}

/** Only of Kubernetes' own kinds does the API know by which key an item of a list is patched. */
function isBuiltIn({ apiVersion }: Ref): boolean {
  const group = apiVersion.includes('/') ? (apiVersion.split('/')[0] ?? '') : ''
  return !group.includes('.') || group.endsWith('.k8s.io')
}

/**
 * False for what a patch cannot say: an item of a list that has no name. A key may have dots: the wanted object tells its keys.
 */
function addTo(patch: Record<string, unknown>, wanted: unknown, field: string, secret: boolean): boolean {
  if (!isMap(wanted)) return false
  const key = Object.keys(wanted)
    .filter((one) => field === `.${one}` || field.startsWith(`.${one}.`) || field.startsWith(`.${one}[`))
    .sort((a, b) => b.length - a.length)[0]
  if (key === undefined) return false
  const [rest, value] = [field.slice(key.length + 1), wanted[key]]
  if (rest === '') {
    patch[key] = secret || JSON.stringify(value).length > LONGEST_VALUE ? null : value
    return true
  }
  const inner = patch[key]
  const [, name, below = ''] = /^\[name="([^"]+)"\](.*)$/.exec(rest) ?? []
  if (name !== undefined) {
    const items: unknown[] = Array.isArray(inner) ? inner : []
    const known = items.find((item): item is Record<string, unknown> => isMap(item) && item.name === name)
    const next = known ?? { name }
    patch[key] = known === undefined ? [...items, next] : items
    const item: unknown = Array.isArray(value)
      ? value.find((one: unknown) => isMap(one) && one.name === name)
      : undefined
    return below !== '' && addTo(next, item, below, secret)
  }
  const next: Record<string, unknown> = isMap(inner) ? inner : {}
  patch[key] = next
  return addTo(next, value, rest, secret)
}
