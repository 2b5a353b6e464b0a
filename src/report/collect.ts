// Gathers what a run told, host by host, for the documents that are written at its end.

import type { HostResult } from '../engine/events.ts'
import type { Problem } from '../engine/problem.ts'
import type { Told, ToldChange, ToldOf } from './serialize.ts'

interface Made {
  readonly role: string
  readonly stage: string
  readonly change: ToldChange
  readonly seconds: number
  /** What its commands printed. */
  readonly output: string
}

export interface HostStory {
  readonly result: HostResult
  readonly plan: ToldOf<'plan'> | null
  readonly made: readonly Made[]
  readonly problems: readonly Problem[]
}

export interface RunSummary {
  readonly hosts: readonly HostStory[]
  /** Problems that belong to no host. */
  readonly problems: readonly Problem[]
}

export interface Collector {
  emit(told: Told): void
  story(results: readonly HostResult[], problems: readonly Problem[]): RunSummary
}

interface Gathered {
  plan: ToldOf<'plan'> | null
  readonly made: Made[]
  readonly problems: Problem[]
  readonly output: Map<string, string>
}

export function collector(): Collector {
  const hosts = new Map<string | null, Gathered>()
  const of = (host: string | null): Gathered => {
    const known = hosts.get(host) ?? { plan: null, made: [], problems: [], output: new Map() }
    hosts.set(host, known)
    return known
  }
  return {
    emit(told) {
      if (told.event === 'plan') of(told.host).plan = told
      if (told.event === 'problem') of(told.host).problems.push(told.problem)
      if (told.event !== 'step') return
      const { made, output } = of(told.host)
      const before = output.get(told.resource) ?? ''
      if (told.is === 'output') output.set(told.resource, `${before}${told.text}`)
      if (told.is !== 'done') return
      const { role, stage, change, seconds } = told
      made.push({ role, stage, change, seconds, output: before })
    },
    story: (results, problems) => ({
      hosts: results.map((result) => {
        const { plan, made, problems } = of(result.host)
        return { result, plan, made, problems }
      }),
      problems: [...of(null).problems, ...problems],
    }),
  }
}
