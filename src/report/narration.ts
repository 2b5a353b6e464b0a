// Prints the progress of a run as plain lines: problems, finished steps, and more with -v; nothing per poll.

import { duration } from '../engine/duration.ts'
import { changeText } from './change-text.ts'
import { problemLines } from './problem-text.ts'
import type { Told, ToldOf } from './serialize.ts'
import type { ReportOptions } from './sink.ts'
import type { Paint } from './style.ts'

const STAGE_WIDTH = 13
const LINE_WIDTH = 80

/** The lines for an event; may be none. `steps` false leaves finished steps out, for where a live line shows them. */
export function narration(options: ReportOptions, steps: boolean, paint: Paint): (told: Told) => string[] {
  const { verbosity, quiet, diff } = options
  const style = { paint, full: verbosity > 0, contents: diff ? 'all' : 'none' } as const
  const waits = new Map<string, string>()
  let width = 0
  const head = (host: string, stage: string) => `${host.padEnd(width)}  ${stage.padEnd(STAGE_WIDTH)}`

  const step = (told: ToldOf<'step'>): string[] => {
    const at = head(told.host, told.stage)
    switch (told.is) {
      case 'start':
        return verbosity > 1 ? [`${at} > ${told.title}`] : []
      case 'output':
        return verbosity > 1
          ? told.text
              .trimEnd()
              .split('\n')
              .map((line) => `${at} | ${line}`)
          : []
      case 'wait': {
        const known = waits.get(told.host) === told.why
        waits.set(told.host, told.why)
        return verbosity > 1 && !known
          ? told.why.split('\n').map((line, i) => `${at} ${i === 0 ? '…' : ' '} ${line}`)
          : []
      }
      case 'done': {
        if (!steps && verbosity === 0 && !diff) return []
        const { sign, title, tail, body } = changeText(told.change, style)
        const line = `${at} ${sign} ${title}${tail && `  ${tail}`}`
        // A painted sign is longer than it looks.
        const room = LINE_WIDTH + sign.length - 1
        const time = duration(told.seconds)
        const shown = verbosity > 0 || diff ? body : []
        return [`${line}  ${time.padStart(room - line.length - 2)}`, ...shown.map((text) => `    ${text}`.trimEnd())]
      }
    }
  }

  return (told) => {
    if (told.event === 'problem') return problemLines(told.problem, paint)
    if (quiet) return []
    switch (told.event) {
      case 'start':
        width = Math.max(0, ...told.hosts.map((host) => host.length))
        return []
      case 'busy':
        return verbosity > 1 ? [`${head(told.host, '')} > ${told.doing}`] : []
      case 'plan':
        if (options.mode === 'check' || verbosity === 0) return []
        return told.plan.stages.flatMap((stage) =>
          stage.changes
            .filter((change) => change.op === 'none' || change.op === 'owned')
            .map((change) => {
              const { sign, title, tail } = changeText(change, style)
              return `${head(told.host, stage.name)} ${sign} ${title}${tail && `  ${tail}`}`
            }),
        )
      case 'step':
        return step(told)
      case 'wire':
        if (verbosity < 3) return []
        return [
          `${told.host.padEnd(width)}  exec ${told.exec}: ${told.what.replaceAll('\n', '\\n')}`,
          ...told.script
            .trimEnd()
            .split('\n')
            .map((line) => `    ${line}`.trimEnd()),
        ]
      case 'end':
        return []
    }
  }
}
