// For CI that reads JUnit: one test case per resource and host, on stdout at the end.

import type { Problem } from '../engine/problem.ts'
import { collector, type HostStory } from './collect.ts'
import { problemLines } from './problem-text.ts'
import type { ToldChange } from './serialize.ts'
import type { ReportIo, Sink } from './sink.ts'
import { painter } from './style.ts'

interface Case {
  readonly suite: string
  readonly name: string
  readonly seconds: number
  /** Empty: passed. */
  readonly is?: readonly [element: 'failure' | 'error' | 'skipped', message: string, text?: string]
}

/** In check mode a pending change is a failure: the host is not as it should be. */
export function junitSink({ stdout }: ReportIo): Sink {
  const { emit, story } = collector()
  return {
    wants: 'text',
    emit,
    end(results, problems) {
      const { hosts, problems: others } = story(results, problems)
      const suites = hosts.map((host) => suite(host.result.host, host.result.seconds, hostCases(host)))
      const general = others.filter((p) => p.kind !== 'warning').map((p) => problemCase('k3s-platform', 'input', p))
      if (general.length > 0) suites.push(suite('k3s-platform', 0, general))
      stdout.write(
        `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="k3s-platform">\n${suites.join('')}</testsuites>\n`,
      )
    },
  }
}

function hostCases({ result, plan, made, problems }: HostStory): Case[] {
  const open = new Set(problems.filter((p) => p.kind !== 'warning'))
  const cases = (plan?.plan.stages ?? []).flatMap(({ role, name, changes }) =>
    changes.map((change): Case => {
      const suite = `${role}.${name}`
      const problem = [...open].find((p) => [change.id, change.title].some((x) => p.where === `${result.host} ${x}`))
      if (problem) {
        open.delete(problem)
        return problemCase(suite, change.title, problem)
      }
      const done = made.find((m) => m.change.id === change.id)
      const base = { suite, name: change.title, seconds: done?.seconds ?? 0 }
      const is = done ? undefined : unmade(change, result.status === 'pending')
      return is ? { ...base, is } : base
    }),
  )
  return [...cases, ...[...open].map((problem) => problemCase(result.host, 'run', problem))]
}

function unmade({ op, note }: ToldChange, check: boolean): Case['is'] {
  if (op === 'none' || op === 'local') return undefined
  if (op === 'owned') return ['skipped', `owned by ${note ?? 'another tool'}`]
  if (op === 'deferred') return ['skipped', `known later: ${note ?? ''}`]
  if (check) return ['failure', op === 'action' ? `pending: ${note ?? op}` : `pending: ${op}`]
  return ['skipped', 'not reached']
}

function problemCase(suite: string, name: string, problem: Problem): Case {
  const text = problemLines(problem, painter(false)).join('\n')
  const element = problem.kind === 'failed' ? 'failure' : 'error'
  return { suite, name, seconds: 0, is: [element, problem.what, text] }
}

function suite(name: string, seconds: number, cases: readonly Case[]): string {
  const n = (element: string) => cases.filter((c) => c.is?.[0] === element).length
  const counts = `tests="${cases.length}" failures="${n('failure')}" errors="${n('error')}" skipped="${n('skipped')}"`
  const lines = cases.map((c) => {
    const head = `    <testcase classname="${escapeXml(c.suite)}" name="${escapeXml(c.name)}" time="${c.seconds.toFixed(3)}"`
    if (c.is === undefined) return `${head}/>\n`
    const [element, message, text] = c.is
    const open = `${head}>\n      <${element} message="${escapeXml(message).replaceAll('\n', '&#10;')}"`
    return `${open}${text === undefined ? '/>' : `>${escapeXml(text)}</${element}>`}\n    </testcase>\n`
  })
  return `  <testsuite name="${escapeXml(name)}" ${counts} time="${seconds.toFixed(3)}">\n${lines.join('')}  </testsuite>\n`
}

function escapeXml(text: string): string {
  const entities: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' }
  return text.replace(/[&<>"]/g, (c) => entities[c] ?? c)
}
