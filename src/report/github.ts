// For GitHub Actions: an annotation per problem on stdout, a summary of the step in GITHUB_STEP_SUMMARY.

import { appendFileSync } from 'node:fs'
import type { Problem } from '../engine/problem.ts'
import { collector } from './collect.ts'
import { planBlocks, planSentence } from './plan-text.ts'
import { problemLines } from './problem-text.ts'
import { recapLines } from './recap.ts'
import type { ReportIo, ReportOptions, Sink } from './sink.ts'
import { ours, painter } from './style.ts'

/** Beside the text output. A secret needs no `::add-mask::` here: it is `***` before it gets this far. */
export function githubSink({ mode }: ReportOptions, { stdout, stderr, env }: ReportIo): Sink {
  const { emit, story } = collector()
  const paint = painter(false)
  return {
    wants: 'text',
    emit,
    end(results, problems) {
      const { hosts, problems: others } = story(results, problems)
      const all = [...hosts.flatMap((host) => host.problems), ...others]
      for (const problem of all) stdout.write(`${annotation(problem)}\n`)
      const summary = env.GITHUB_STEP_SUMMARY
      if (!summary) return
      const plans = hosts.flatMap(({ plan }) => plan ?? [])
      const sections = [
        `### k3s-platform ${mode === 'check' ? 'plan' : mode}`,
        fenced(all.flatMap((p) => problemLines(p, paint))),
        mode === 'check' && plans.length > 0
          ? fenced([
              ...planBlocks(plans, { paint, full: false, contents: 'updated' }).flat(),
              planSentence(plans.map((p) => p.plan)),
            ])
          : '',
        fenced(results.length > 0 ? recapLines(results, paint) : []),
      ]
      try {
        appendFileSync(summary, `${sections.filter(Boolean).join('\n\n')}\n`)
      } catch (error) {
        stderr.write(`! GITHUB_STEP_SUMMARY: ${error instanceof Error ? error.message : String(error)}\n`)
      }
    },
  }
}

function annotation({ kind, where, what, why, hint }: Problem): string {
  const [, file, line, column, path] = /^(\S+?):(\d+)(?::(\d+))?(?: +(.*))?$/.exec(where) ?? []
  const properties = [
    ...(file ? [`file=${property(file)}`, `line=${line}`] : []),
    ...(column ? [`col=${column}`] : []),
    `title=${property(file ? (path ?? 'k3s-platform') : where || 'k3s-platform')}`,
  ]
  const text = [what, why && `why: ${why}`, hint && `hint: ${hint}`].filter(Boolean).join('\n')
  return `${ours(`::${kind === 'warning' ? 'warning' : 'error'} `)}${properties.join(',')}${ours('::')}${data(text)}`
}

function data(text: string): string {
  return text.replaceAll('%', '%25').replaceAll('\r', '%0D').replaceAll('\n', '%0A')
}

function property(text: string): string {
  return data(text).replaceAll(':', '%3A').replaceAll(',', '%2C')
}

/** GitHub takes 1 MiB of a step. */
const SECTION = 300_000

/** A fence longer than any in the text, so that nothing in it can end it: Markdown, HTML and mentions are text there. */
function fenced(lines: readonly string[]): string {
  if (lines.length === 0) return ''
  const whole = lines.join('\n')
  const text = whole.length > SECTION ? `${whole.slice(0, SECTION)}\n… the rest is in the log` : whole
  const longest = Math.max(2, ...[...text.matchAll(/`+/g)].map(([run]) => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}diff\n${text}\n${fence}`
}
