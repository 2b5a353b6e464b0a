// A host in memory: what is there, what goes wrong, and a diary of what was asked of it.

import { ProblemError } from '../../src/engine/problem.ts'
import type { Observation, Resource, Stage } from '../../src/engine/resource.ts'
import type { RunTarget, Session } from '../../src/engine/runner.ts'
import type { State } from '../../src/engine/state.ts'

export interface Thing extends Partial<Resource> {
  readonly id: string
  readonly is?: State | null
  readonly wants?: State | null
  readonly owner?: string
  /** Unknown until the thing of that id is as it should be. */
  readonly after?: string
  /** What happens when it is made: default, it becomes as wanted. */
  readonly on?: 'fails' | 'stays' | 'flaps' | 'throws' | 'is rescued' | 'loses the link' | 'never ends'
}

export interface MemoryHost {
  readonly target: RunTarget<Resource, string>
  /** `connect`, `look`, `lock`, `apply a,b`, `a` when it was made, `release`, `close`. */
  readonly diary: string[]
}

export interface Behaviour {
  readonly connect?: 'refused' | 'throws'
  readonly findings?: readonly { kind: 'failed' | 'warning'; what: string }[]
  /** What it shares with other hosts. */
  readonly exclusive?: readonly string[]
  readonly after?: readonly string[]
  /** Whether the last stage only waits, without the lock. */
  readonly unlocked?: true
  /** Called when a step begins. */
  readonly during?: (id: string) => void
  /** Called when a host connects: the promise is waited for. */
  readonly connecting?: () => Promise<void>
}

const WANTED: State = { well: true }

export function memoryHost(host: string, stages: readonly (readonly Thing[])[], how: Behaviour = {}): MemoryHost {
  const diary: string[] = []
  const things = new Map(stages.flat().map((thing) => [thing.id, thing]))
  const world = new Map([...things].map(([id, { is = null }]) => [id, is]))
  const desired = ({ wants }: Thing): State | null => (wants === undefined ? WANTED : wants)
  const well = (thing: Thing) => world.get(thing.id) === desired(thing)

  const observation = (thing: Thing): Observation => {
    const before = thing.after === undefined ? undefined : things.get(thing.after)
    return {
      actual: world.get(thing.id) ?? null,
      desired: desired(thing),
      ...(thing.owner === undefined ? {} : { owner: thing.owner }),
      ...(before !== undefined && !well(before) ? { deferred: `after ${before.id}` } : {}),
    }
  }
  /** Things that were made once, and will not be well at the look after the next one. */
  const flapping = new Map<string, number>()
  const session: Session<Resource, string> = {
    execs: 7,
    close: async () => {
      diary.push('close')
    },
    observe: async (resources, signal) => {
      signal.throwIfAborted()
      diary.push('look')
      for (const [id, looks] of flapping) {
        flapping.set(id, looks - 1)
        if (looks === 1) world.set(id, null)
      }
      const found = (r: Resource) => observation(things.get(r.id) ?? { id: r.id })
      return { facts: host, observations: new Map(resources.map((r) => [r.id, found(r)])) }
    },
    lock: async () => {
      diary.push('lock')
      return {
        release: async () => {
          diary.push('release')
        },
      }
    },
    apply: async (changes, { stop, signal, step }) => {
      diary.push(`apply ${changes.map((c) => c.resource.id).join(',')}`)
      for (const { resource } of changes) {
        if (stop.aborted) return
        const { id } = resource
        const thing = things.get(id) ?? { id }
        step({ is: 'start', resource: id, title: `make ${id}` })
        how.during?.(id)
        if (thing.on === 'never ends') {
          signal.throwIfAborted()
          await new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason)))
        }
        const problem = { kind: 'failed', where: `${host} ${id}`, what: `cannot make ${id}` } as const
        if (thing.on === 'throws') throw new TypeError('a defect')
        if (thing.on === 'fails') throw new ProblemError(problem)
        if (thing.on === 'is rescued') throw new ProblemError({ ...problem, rescued: true })
        if (thing.on === 'loses the link') throw new ProblemError({ ...problem, kind: 'unreachable' })
        if (thing.on !== 'stays') world.set(id, desired(thing))
        if (thing.on === 'flaps' && !flapping.has(id)) flapping.set(id, 2)
        diary.push(id)
        step({ is: 'done', resource: id, title: id })
      }
    },
  }
  return {
    diary,
    target: {
      host,
      stages: stages.map(
        (stage, i): Stage => ({
          role: 'role',
          name: `stage${i}`,
          ...(how.unlocked && i === stages.length - 1 && { unlocked: true }),
          resources: stage.map(({ is, wants, owner, after, on, ...resource }) => ({ title: resource.id, ...resource })),
        }),
      ),
      checks: 3,
      ...(how.exclusive && { exclusive: () => how.exclusive ?? [] }),
      ...(how.after && { after: how.after }),
      about: (facts) => `about ${facts}`,
      preflight: () => (how.findings ?? []).map((finding) => ({ where: host, ...finding })),
      connect: async () => {
        await how.connecting?.()
        diary.push('connect')
        if (how.connect === 'throws') throw new TypeError('a defect')
        if (how.connect === 'refused') {
          throw new ProblemError({ kind: 'unreachable', where: host, what: 'connection refused' })
        }
        return session
      },
    },
  }
}

/** As it should be already. */
export const fine = (id: string): Thing => ({ id, is: WANTED })
