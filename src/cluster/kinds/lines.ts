// Adds lines to a key of another tool's ConfigMap.

import { ProblemError } from '../../engine/problem.ts'
import { isMap } from '../../engine/state.ts'
import { idOf, type Live, type Ref, titleOf } from '../object.ts'
import { ownerOf } from '../ownership.ts'
import type { ClusterResource } from '../resource.ts'

export interface LinesSpec {
  readonly ref: Ref
  readonly key: string
  readonly text: string
  /** Blocks that are looked for one by one: lines, or PEM certificates. */
  readonly blocks: (text: string) => readonly string[]
  /** What to do where another tool has the ConfigMap. */
  readonly hint: string
}

/** What is lacking is added at the end. Nothing is ever taken away: whose it is cannot be told. */
export function lines({ ref, key, text, blocks, hint }: LinesSpec): ClusterResource {
  const title = `${key} in ${titleOf(ref)}`
  const lacking = (live: Live | null) => {
    const there = new Set(blocks(textOf(live, key)))
    return blocks(text).filter((one) => !there.has(one))
  }
  const desired = { lacking: 0 }
  return {
    id: `lines:${idOf(ref)}:${key}`,
    title,
    before: { actual: { lacking: blocks(text).length }, desired },
    action: (actual) => `add the missing lines to ${title} (${actual?.lacking})`,
    look: async (cluster, { host }) => {
      const live = await cluster.get(ref)
      const count = lacking(live).length
      const owner = live && ownerOf(live)
      if (owner && count > 0) {
        const what = `it lacks lines that this repository requires, and is owned by ${owner}`
        throw new ProblemError({ kind: 'failed', where: `${host} ${title}`, what, hint })
      }
      return { actual: { lacking: count }, desired }
    },
    make: async (_, cluster) => {
      const live = await cluster.get(ref)
      const before = textOf(live, key)
      const data = { [key]: `${before && `${before.trimEnd()}\n`}${lacking(live).join('\n')}\n` }
      if (live !== null) await cluster.patch(ref, { data })
      else {
        const { apiVersion, kind, namespace = '', name } = ref
        // Argo CD reads no ConfigMap without this label.
        const labels = { 'app.kubernetes.io/part-of': 'argocd' }
        await cluster.create({ apiVersion, kind, metadata: { namespace, name, labels }, data })
      }
    },
  }
}

function textOf(live: Live | null, key: string): string {
  const value = isMap(live?.data) ? live.data[key] : undefined
  return typeof value === 'string' ? value : ''
}
