// Waits for an object that another tool provides, and never writes it.

import { ProblemError } from '../../engine/problem.ts'
import { isMap, type State } from '../../engine/state.ts'
import { idOf, type Live, type Ref, titleOf } from '../object.ts'
import type { ClusterResource } from '../resource.ts'
import { until } from '../wait.ts'

export interface PresentSpec {
  readonly ref: Ref
  /** Keys that its `data` must have. Their values are not read. */
  readonly keys?: readonly string[]
  /** What to do when it does not come. */
  readonly hint: string
}

const BOUND_SECONDS = 60

/** There with those keys; an object without them is waited for as well. */
export function present({ ref, keys = [], hint }: PresentSpec): ClusterResource {
  const title = titleOf(ref)
  const desired: State = { present: true, ...Object.fromEntries(keys.map((key) => [`data.${key}`, true])) }
  const stateOf = (live: Live | null): State | null => {
    if (live === null) return null
    const data = isMap(live.data) ? live.data : {}
    const found = keys.map((key) => [`data.${key}`, typeof data[key] === 'string' && data[key] !== '' ? true : null])
    return { present: true, ...Object.fromEntries(found) }
  }
  const lacks = (actual: State | null): string[] => keys.filter((key) => actual?.[`data.${key}`] !== true)
  const why = (actual: State | null): string | null => {
    if (actual === null) return `${title} does not exist`
    const missing = lacks(actual)
    return missing.length === 0
      ? null
      : `${title} has no ${missing.length === 1 ? 'key' : 'keys'} ${missing.join(', ')}`
  }
  return {
    id: `present:${idOf(ref)}`,
    title,
    before: { actual: null, desired },
    action: (actual) => `wait for ${actual === null ? title : `${lacks(actual).join(', ')} in ${title}`}`,
    look: async (cluster) => ({ actual: stateOf(await cluster.get(ref)), desired }),
    make: async (_, cluster, how) => {
      const { apiVersion, kind, namespace, name } = ref
      const listing = { apiVersion, kind, namespace, fields: `metadata.name=${name}` }
      const waited = await until(async () => why(stateOf(await cluster.get(ref))), how, {
        bound: BOUND_SECONDS,
        watches: [{ cluster, listing }],
      })
      if (waited.is !== 'late') return
      const what = `it did not exist within ${waited.seconds} s`
      throw new ProblemError({ kind: 'failed', where: `${how.host} ${title}`, what, why: waited.why, hint })
    },
  }
}
