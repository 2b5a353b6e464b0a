// Carries host resources over one connection: probes as one framed script, the steps of a stage as one more, under a lock.

import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Applying, Look, Observation, PendingChange } from '../engine/resource.ts'
import type { Session } from '../engine/runner.ts'
import type { Asset } from '../supply/asset.ts'
import { type Facts, factsProbe, readFacts } from './facts.ts'
import { frame, lanes } from './frames.ts'
import { belongs } from './kinds/init.ts'
import { excerpt } from './limits.ts'
import { type HostLock, takeLock } from './lock.ts'
import { prelude } from './prelude.ts'
import type { HostResource, Step } from './resource.ts'
import type { FrameResult, RootShell } from './root-shell.ts'
import { lines, type Sh, script, sh } from './sh.ts'
import batchStatText from './shell/batch-stat.sh'
import stepsText from './shell/steps.sh'
import { sendFile } from './upload.ts'

export interface HostBackendOptions {
  readonly host: string
  readonly shell: RootShell
  /** What another run reads when it finds the lock taken: who, from where, since when. */
  readonly holder: () => string
  /** Fetches an asset into the workstation's cache and verifies it; resolves to its path. */
  readonly fetch: (asset: Asset, signal: AbortSignal) => Promise<{ path: string; sha256: string }>
  readonly now: () => number
  /** Bound of one look, milliseconds. */
  readonly lookMs: number
  /** How long another run's lock is waited for. */
  readonly waitSeconds: number
  /** Told why the lock has to be waited for. */
  readonly waiting: (why: string) => void
}

export function hostBackend(options: HostBackendOptions): Session<HostResource, Facts> {
  const { host, shell, now } = options
  let lock: HostLock | undefined
  let facts: Facts | undefined
  return {
    get execs() {
      return shell.execs
    },
    close: () => shell.close(),

    observe: async (resources, signal): Promise<Look<Facts>> => {
      const probes = resources.map(({ probe, slow = false }) => ({ run: probe, slow }))
      const asked = { run: together(resources), shared: true } as const
      const script = lines([prelude, lanes([asked, { run: factsProbe }, ...probes]), sh`k_finish`])
      const sent = now()
      const titles = ['files', 'facts', ...resources.map((r) => r.title)]
      const bound = AbortSignal.timeout(options.lookMs)
      let last = 0
      const frames = await shell
        .run(script, {
          what: 'look',
          signal: AbortSignal.any([signal, bound]),
          names: titles,
          on: (mark) => {
            if (mark.is === 'begin') last = mark.frame
          },
        })
        .catch((error: unknown) => {
          if (!bound.aborted || signal.aborted) throw error
          throw new ProblemError({
            kind: 'failed',
            where: `${host} ${titles[last]}`,
            what: `its state could not be read within ${Math.round(options.lookMs / 1000)} s`,
            hint: 'a command on the host hangs (a dead network file system?); to wait longer: --timeout',
          })
        })
      const silent = titles.flatMap((title, i): Problem[] => {
        const result = frames.get(i)
        if (result?.code === 0) return []
        const why = excerpt(result?.err ?? '') || `the probe ended with ${result?.code ?? 'no answer'}`
        return [{ kind: 'failed', where: `${host} ${title}`, what: 'its state could not be read', why }]
      })
      if (silent.length > 0) throw new ProblemError(silent)
      const answer = (i: number) => frames.get(i) ?? { code: 0, bytes: Buffer.alloc(0), text: '', err: '' }
      const seen = readFacts(answer(1), sent, now())
      facts = seen
      return {
        facts: seen,
        observations: new Map(
          resources.map((resource, i): [string, Observation] => {
            if (!belongs(resource, seen)) return [resource.id, { actual: null, desired: null, elsewhere: true }]
            const remark = resource.remark?.(seen)
            const said = remark === undefined ? {} : { remark }
            return [resource.id, { ...resource.read(answer(i + 2)), desired: resource.desired(seen), ...said }]
          }),
        ),
      }
    },

    lock: async (signal) => {
      lock = await takeLock(shell, options, signal)
      return lock
    },

    apply: async (changes, how) => {
      if (lock === undefined || facts === undefined) throw new Error('apply requires an observation under the lock')
      const onStop = () => lock?.stop()
      how.stop.addEventListener('abort', onStop)
      try {
        await applyStage(changes, lock.go, facts, options, how)
      } finally {
        how.stop.removeEventListener('abort', onStop)
      }
    },
  }
}

/** Asks one process each what else every probe would ask a process of its own: to start them is most of what a look costs. */
function together(resources: readonly HostResource[]): Sh {
  const all = (paths: readonly string[]) => [...new Set(paths)]
  const stats = all(resources.flatMap(({ asks }) => asks?.stats ?? []))
  const digests = all(resources.flatMap(({ asks }) => asks?.digests ?? []))
  return script(batchStatText, { stats, digests })
}

interface Work {
  readonly change: PendingChange<HostResource>
  readonly step: Step
  readonly last: boolean
}

async function applyStage(
  changes: readonly PendingChange<HostResource>[],
  go: string,
  facts: Facts,
  options: HostBackendOptions,
  how: Applying,
): Promise<void> {
  const work = changes.flatMap((change) =>
    change.resource
      .steps({ ...change, facts })
      .map((step, i, all): Work => ({ change, step, last: i === all.length - 1 })),
  )
  let batch: Work[] = []
  const flush = async () => {
    const todo = batch
    batch = []
    if (todo.length > 0) await runSteps(todo, go, options, how)
  }
  for (const one of work) {
    if ('run' in one.step) {
      batch.push(one)
      continue
    }
    await flush()
    if (how.stop.aborted) return
    await runTransfer(one, options, how)
  }
  await flush()
}

/** The exit code of a step that failed when its run no longer had the lock. */
const LOCK_LOST = 76

/** Steps in one exec: each in a shell of its own, the first that fails is the last. */
async function runSteps(work: readonly Work[], go: string, options: HostBackendOptions, how: Applying): Promise<void> {
  const all = lines([
    prelude,
    script(stepsText, { go }),
    ...work.map(
      ({ step }, i) => sh`[ -e "$G" ] || { k_finish; exit 0; }
k_begin ${i}
( exec 8>&-
${'run' in step ? step.run : sh`:`}
) </dev/null
k_code=$?; [ $k_code = 0 ] || k_alive || k_code=${LOCK_LOST}; k_end ${i} $k_code; [ $k_code = 0 ] || { k_finish; exit 0; }`,
    ),
    sh`k_finish`,
  ])
  const at = (i: number): Work => {
    const found = work[i]
    if (found === undefined) throw new Error(`no step ${i}`)
    return found
  }
  const frames = await options.shell.run(all, {
    what: work.map(({ step }) => step.title).join('; '),
    signal: how.signal,
    names: work.map(({ step }) => step.title),
    on: (mark) => {
      if (mark.is === 'finish' || mark.is === 'error') return
      const { change, step, last } = at(mark.frame)
      const resource = change.resource.id
      if (mark.is === 'begin') how.step({ is: 'start', resource, title: step.title })
      if (mark.is === 'wait') how.step({ is: 'wait', resource, why: mark.why, boundSeconds: mark.boundSeconds })
      if (mark.is === 'data') how.step({ is: 'output', resource, text: mark.bytes.toString('utf8') })
      if (mark.is === 'end' && mark.code === 0 && last) how.step({ is: 'done', resource, title: change.resource.title })
    },
  })
  for (const [i, { change, step }] of work.entries()) {
    const result = frames.get(i)
    if (result === undefined) {
      if (how.stop.aborted) return
      throw new ProblemError({
        kind: 'failed',
        where: `${options.host} ${change.resource.title}`,
        what: `${step.title}: not started, the lock on the host was lost`,
        hint: 'run apply again',
      })
    }
    if (result.code === LOCK_LOST) {
      const why = excerpt(result.err)
      throw new ProblemError({
        kind: 'failed',
        where: `${options.host} ${change.resource.title}`,
        what: `${step.title}: ended early, the lock on the host was lost`,
        why:
          why ||
          'the host did not hear from this workstation for 20 s: the workstation was suspended, or the network was down',
        hint: 'run apply again',
      })
    }
    if (result.code !== 0) throw failed(options.host, change.resource, step.title, result)
  }
}

async function runTransfer({ change, step, last }: Work, options: HostBackendOptions, how: Applying): Promise<void> {
  const resource = change.resource.id
  how.step({ is: 'start', resource, title: step.title })
  if ('upload' in step) {
    const source = await options.fetch(step.upload, how.signal)
    const where = `${options.host} ${change.resource.title}`
    await sendFile(options.shell, { ...source, where, to: step.to, signal: how.signal }, (why) =>
      how.step({ is: 'wait', resource, why, boundSeconds: null }),
    )
  } else if ('read' in step) {
    const script = lines([prelude, frame(0, step.read), sh`k_finish`])
    const result = (await options.shell.run(script, { what: step.title, signal: how.signal, names: [step.title] })).get(
      0,
    )
    if (result === undefined || result.code !== 0) {
      throw failed(options.host, change.resource, step.title, {
        code: result?.code ?? 1,
        text: '',
        err: result?.err ?? '',
      })
    }
    await step.save(result.bytes)
  }
  if (last) how.step({ is: 'done', resource, title: change.resource.title })
}

/** What a resource's own explanation gets to read, and how much of it is shown. */
const MAX_EXPLAINED_CHARS = 65_536
const MAX_EXPLAINED_LINES = 60

function failed(
  host: string,
  resource: HostResource,
  step: string,
  result: Pick<FrameResult, 'code' | 'text' | 'err'>,
): ProblemError {
  const out = result.text.slice(-MAX_EXPLAINED_CHARS)
  const err = result.err.slice(-MAX_EXPLAINED_CHARS)
  const told = resource.explain?.({ step, code: result.code, out, err }) ?? {}
  const why = excerpt(`${err}\n${out}`)
  return new ProblemError({
    kind: 'failed',
    where: `${host} ${resource.title}`,
    what: `${step}: failed with exit code ${result.code}`,
    ...(why === '' ? {} : { why }),
    ...told,
    ...(told.why !== undefined && { why: excerpt(told.why, MAX_EXPLAINED_LINES) }),
  })
}
