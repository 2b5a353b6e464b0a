// A plan as people read it: by host, role and stage, in the order of the role, closed by one sentence.

import { type Op, pending } from '../engine/plan.ts'
import { type ChangeStyle, type ChangeText, changeText, SIGNS } from './change-text.ts'
import type { ToldChange, ToldOf, ToldPlan, ToldStage } from './serialize.ts'
import { plural, tally } from './words.ts'

const STAGE_WIDTH = 12
const TITLE_WIDTH = 36

/** One block a host; hosts with the same plan share one. Each block is a list of lines. */
export function planBlocks(plans: readonly ToldOf<'plan'>[], style: ChangeStyle): string[][] {
  const blocks = new Map<string, { hosts: string[]; about: string; lines: string[] }>()
  for (const { host, about, checks, plan } of plans) {
    const lines = planLines(plan, checks, style)
    const key = [about, ...lines].join('\n')
    const same = blocks.get(key)
    if (same) same.hosts.push(host)
    else blocks.set(key, { hosts: [host], about, lines })
  }
  return [...blocks.values()].map(({ hosts, about, lines }) => [
    `${style.paint('bold', hosts.join(', '))}${about && `  ${about}`}`,
    ...lines,
  ])
}

function planLines(plan: ToldPlan, checks: number, style: ChangeStyle): string[] {
  const stages = plan.stages.map((stage) => ({ ...stage, texts: stageTexts(stage, style) }))
  const texts = stages.flatMap((stage) => stage.texts)
  const width = Math.max(STAGE_WIDTH, ...plan.stages.map((stage) => stage.name.length))
  const title = Math.min(TITLE_WIDTH, Math.max(0, ...texts.filter((t) => t.tail).map((t) => t.title.length)))
  const lines: string[] = []
  let role: string | undefined
  for (const stage of stages) {
    if (stage.role !== role) {
      lines.push(`  ${stage.role}`)
      if (role === undefined && checks > 0) {
        const passed: ChangeText = {
          sign: style.paint('dim', '='),
          title: `${plural(checks, 'check')} passed`,
          tail: '',
          body: [],
        }
        lines.push(...columns('preflight', [passed], width, title))
      }
      role = stage.role
    }
    lines.push(...columns(stage.name, stage.texts, width, title))
  }
  return lines
}

function columns(stage: string, texts: readonly ChangeText[], width: number, titleWidth: number): string[] {
  return texts.flatMap(({ sign, title, tail, body }, i) => [
    `    ${(i === 0 ? stage : '').padEnd(width)} ${sign} ${tail ? `${title.padEnd(titleWidth)}  ${tail}` : title}`,
    ...body.map((line) => `${' '.repeat(width + 7)}${line}`.trimEnd()),
  ])
}

/** What is fine, or another's, is one line for all; `full` shows each. */
function stageTexts({ changes }: ToldStage, given: ChangeStyle): ChangeText[] {
  const style = { ...given, ahead: true }
  const rest = ['owned', 'none'] as const
  if (style.full) return changes.map((change) => changeText(change, style))
  const quiet = ({ op, deltas }: ToldChange) => op === 'none' || (op === 'owned' && deltas.length === 0)
  return [
    ...changes.filter((change) => !quiet(change)).map((change) => changeText(change, style)),
    ...rest.flatMap((op) =>
      together(
        op,
        changes.filter((change) => change.op === op && quiet(change)),
        style,
      ),
    ),
  ]
}

function together(op: 'none' | 'owned', changes: readonly ToldChange[], style: ChangeStyle): ChangeText[] {
  const [first, ...more] = changes
  if (first === undefined) return []
  if (more.length === 0) return [changeText(first, style)]
  const [sign, colour] = SIGNS[op]
  const base = { sign: style.paint(colour, sign), tail: '', body: [] }
  if (op === 'none') return [{ ...base, title: `${changes.length} unchanged` }]
  const owners = tally(changes.map((change) => change.note ?? 'another tool'))
  return [...owners].map(([owner, n]) => ({ ...base, title: `${n} owned by ${owner}` }))
}

/** `Plan: 3 to create, 1 to update, 1 restart on 1 host; 27 unchanged, 6 owned by Flux.` */
export function planSentence(plans: readonly ToldPlan[]): string {
  const all = plans.flatMap((plan) => plan.stages.flatMap((stage) => stage.changes))
  const of = (op: Op) => all.filter((change) => change.op === op)
  const actions = tally(of('action').map((change) => (change.note ?? 'action').split(' ')[0] ?? 'action'))
  const owners = tally(of('owned').map((change) => (change.note ?? 'another tool').replace(/ \(.*/, '')))
  const todo = [
    ...(['create', 'update', 'delete'] as const).map((op) => [of(op).length, `${of(op).length} to ${op}`] as const),
    ...[...actions].map(([verb, n]) => [n, plural(n, verb)] as const),
    [of('deferred').length, `${of('deferred').length} known later`] as const,
  ]
  const rest = [
    ...(of('none').length > 0 ? [`${of('none').length} unchanged`] : []),
    ...[...owners].map(([owner, n]) => `${n} owned by ${owner}`),
  ]
  const changes = todo.flatMap(([n, words]) => (n > 0 ? [words] : []))
  const on = ` on ${plural(plans.length, 'host')}`
  if (changes.length === 0) return `Plan: no changes; ${rest.join(', ') || 'no resources'}${on}.`
  return `Plan: ${changes.join(', ')}${on}${rest.length > 0 ? `; ${rest.join(', ')}` : ''}.`
}

/** `One at a time: s1, s2, s3 (servers of one cluster)`, for each group of hosts that have something to change. */
export function oneAtATime(plans: readonly ToldOf<'plan'>[]): readonly string[] {
  const groups = new Map<string, Set<string>>()
  for (const { host, exclusive = [], plan } of plans) {
    if (!plan.stages.some(({ changes }) => changes.some(pending))) continue
    const known = exclusive.map((key) => groups.get(key)).find((group) => group !== undefined) ?? new Set()
    known.add(host)
    for (const key of exclusive) groups.set(key, known)
  }
  return [...new Set(groups.values())]
    .filter((hosts) => hosts.size > 1)
    .map((hosts) => `One at a time: ${[...hosts].join(', ')} (servers of one cluster)`)
}
