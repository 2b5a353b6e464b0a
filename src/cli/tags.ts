// Selects stages by --tags and --skip-tags, and reports tags that no stage has.

import type { Problem } from '../engine/problem.ts'
import type { Stage } from '../engine/resource.ts'
import { nearest } from '../engine/suggest.ts'
import type { CliOptions } from './options.ts'

/** Stages by name; a role's name stands for all of its stages. */
export function tagged({ tags, skipTags }: CliOptions): (stage: Stage) => boolean {
  const [only, not] = [new Set(tags), new Set(skipTags)]
  const has = (set: ReadonlySet<string>, stage: Stage) => set.has(stage.name) || set.has(stage.role)
  return (stage) => (only.size === 0 || only.has('all') || has(only, stage)) && !has(not, stage)
}

const MOST_TAGS = 20

/** A problem for every tag that no stage has, up to some. */
export function unknownTags(options: CliOptions, known: readonly string[]): Problem[] {
  const names = new Set(['all', ...known])
  const list = (flag: string, tags: readonly string[]) => {
    const unknown = tags.filter((tag) => !names.has(tag))
    const problems = unknown.slice(0, MOST_TAGS).map((tag): Problem => {
      const near = nearest(tag, known)
      const hint = near === undefined ? `known: ${known.join(', ')}` : `did you mean ${near}?`
      return { kind: 'usage', where: flag, what: `unknown tag "${tag}"`, hint }
    })
    const more = unknown.length - problems.length
    return more > 0
      ? [...problems, { kind: 'usage', where: flag, what: `${more} more tags are unknown` } as const]
      : problems
  }
  return [...list('--tags', options.tags), ...list('--skip-tags', options.skipTags)]
}
