// Formats the status of hosts for people: what is not well first, in as much detail as fits one screen.

import { span } from '../engine/duration.ts'
import { shortRevision } from '../engine/revision.ts'
import type { HostStatus, NodeStatusV1 } from './status-v1.ts'
import { type Paint, withoutOurs } from './style.ts'
import { plural, tally } from './words.ts'

export interface StatusView {
  /** Width and height of the screen in characters. */
  readonly columns: number
  readonly rows: number
  readonly paint: Paint
  readonly now: Date
  /** Of the command that explains a host further: `k3s-platform status`. */
  readonly again: string
}

const LABEL = 14
const GAP = 2

/** The most detailed lines that fit the screen; a single host is never cut short. `hosts` are as `io.shown` made them. */
export function statusLines(hosts: readonly HostStatus[], view: StatusView): string[] {
  const sorted = [...hosts.filter(isNotWell), ...hosts.filter((host) => !isNotWell(host))]
  const width = Math.max(0, ...hosts.map(({ name }) => name.length)) + GAP
  const unwell = sorted.filter(isNotWell)
  const well = (cell: Cell) => compact(sorted.slice(unwell.length), cell, view)
  const findings = unwell.flatMap((host) => findingLines(host, width, view))
  const short = unwell.map((host) => oneLine(host, width, view))
  const half = { ...view, columns: Math.floor((view.columns - GAP) / 2) }
  const layouts = [
    () => sorted.flatMap((host) => block(host, width, view)),
    ...CELLS.map((cell) => () => [...findings, ...well(cell)]),
    ...CELLS.map((cell) => () => [...short, ...well(cell)]),
    () => [
      ...inColumns(
        unwell.map((host) => oneLine(host, width, half)),
        view,
      ),
      ...well(NAME_ONLY),
    ],
  ]
  const room = view.rows - 2
  const all = layouts.map((layout) => layout())
  const [full = []] = all
  if (hosts.length === 1) return full
  const lines = all.find((one) => rowsOf(one, view) <= room) ?? all.at(-1) ?? []
  return [...lines, summary(hosts, lines === full ? '' : view.again)]
}

export const isNotWell = ({ status }: HostStatus): boolean => status !== 'ok'

/** `40 hosts: 37 well, 2 not well, 1 failed` */
function summary(hosts: readonly HostStatus[], again: string): string {
  const words = { ok: 'well', warnings: 'not well', failed: 'failed' } as const
  const counts = tally(hosts.map(({ status }) => words[status]))
  const parts = Object.values(words).flatMap((word) => (counts.has(word) ? [`${counts.get(word)} ${word}`] : []))
  const more = again === '' ? '' : `. Details of one: ${again} HOST`
  return `${plural(hosts.length, 'host')}: ${parts.join(', ')}${more}`
}

/** Everything about one host. */
function block(host: HostStatus, width: number, view: StatusView): string[] {
  const { node, cluster } = host
  const row = (label: string, text: string) => `  ${label.padEnd(LABEL)}${text}`
  const why = host.notWell.flatMap((one, i) => {
    const sign = view.paint(one.kind === 'warning' ? 'yellow' : 'red', (i === 0 ? 'not well' : '').padEnd(LABEL))
    const hint = one.hint === undefined ? [] : one.hint.split('\n').map((line) => row('', view.paint('dim', line)))
    return [`  ${sign}${textOf(host, one)}`, ...hint]
  })
  if (node === null) return findingLines(host, width, view)
  const { k3s, k3sCertificates, snapshots } = node
  const newest = k3s.newestLocked !== null && k3s.newestLocked !== k3s.version ? ` (${k3s.newestLocked} is locked)` : ''
  const state = k3s.ready ? 'ready' : 'not ready'
  const running = k3s.version === null ? 'k3s is not installed' : `k3s ${k3s.version}${newest}, ${state}`
  const up = node.uptimeSeconds === null ? '' : `, up ${span(node.uptimeSeconds)}`
  const head = `${host.name.padEnd(width)}${running}${up} · ${node.about.split(',')[0]} · ${usage(node)}`
  const left = (at: string) => (Date.parse(at) - view.now.getTime()) / 1000
  const first = k3sCertificates.toSorted((a, b) => left(a.notAfter) - left(b.notAfter))[0]
  const backup = snapshots.newest === null ? 'none' : `${snapshots.count}, newest ${span(-left(snapshots.newest))} ago`
  return [
    head,
    ...why,
    ...(cluster === null
      ? []
      : [
          row('addons', addonsText(cluster)),
          row('gitops', handoffText(cluster, view.now)),
          row('certificates', certificatesText(cluster, left)),
        ]),
    ...(first === undefined ? [] : [row('k3s TLS', `${expiry(left(first.notAfter))} (${first.name})`)]),
    ...(k3s.version === null ? [] : [row('snapshots', backup)]),
  ]
}

type Cluster = NonNullable<HostStatus['cluster']>

function addonsText({ addons }: Cluster): string {
  // What k3s brings itself has the version of k3s.
  const shown = addons.filter(({ version, state }) => version !== null || state !== 'Running')
  const texts = shown.map(({ name, version, state }) =>
    [name, version?.replace(/^v/, ''), ...(state === 'Running' ? [] : [`(${state})`])].filter(Boolean).join(' '),
  )
  return texts.join(', ') || 'none'
}

function handoffText({ handoff }: Cluster, now: Date): string {
  if (handoff === null) return 'none'
  const { by, root, ready, revision, since, objects, drift } = handoff
  const age = since === null ? [] : [`${span((now.getTime() - Date.parse(since)) / 1000)} ago`]
  const title = { flux: 'Flux', argocd: 'Argo CD' }[by]
  const at = revision === null ? 'no revision yet' : shortRevision(revision)
  const state = ready ? [] : ['not ready']
  return [
    `${title} ${root} ${at}`,
    ...age,
    `owns ${plural(objects, 'object')}`,
    ...state,
    ...(drift ? ['drift'] : []),
  ].join(', ')
}

function certificatesText({ certificates }: Cluster, left: (at: string) => number): string {
  if (certificates.length === 0) return 'none'
  const counts = [...tally(certificates.map(({ state }) => state))].map(([state, n]) => `${n} ${state}`).join(', ')
  const [first] = certificates
    .flatMap(({ notAfter, namespace, name }) =>
      notAfter === null ? [] : [{ notAfter, title: `${namespace}/${name}` }],
    )
    .toSorted((a, b) => left(a.notAfter) - left(b.notAfter))
  return first === undefined ? counts : `${counts}; next ${expiry(left(first.notAfter))} (${first.title})`
}

const expiry = (seconds: number) => (seconds > 0 ? `expiry in ${span(seconds)}` : `expired ${span(-seconds)} ago`)

function usage({ disk, memory, rebootRequired }: NodeStatusV1): string {
  return [
    ...(disk === null ? [] : [`disk ${disk.usedPercent} %`]),
    ...(memory === null ? [] : [`memory ${memory.usedPercent} %`]),
    ...(rebootRequired ? ['reboot pending'] : []),
  ].join(', ')
}

/** A host that cannot be reached is one line; otherwise each finding is one, with its command below. */
function findingLines(host: HostStatus, width: number, view: StatusView): string[] {
  if (host.notWell.some(({ kind }) => kind === 'unreachable')) return [oneLine(host, width, view)]
  return host.notWell.flatMap((one, i) => [
    `${(i === 0 ? host.name : '').padEnd(width)}${sign(one.kind, view)}  ${textOf(host, one)}`,
    ...(one.hint ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => `${' '.repeat(width + 6)}${view.paint('dim', line)}`),
  ])
}

/** The first finding, how many there are besides, and its command as far as it fits. */
function oneLine(host: HostStatus, width: number, view: StatusView): string {
  const [first, ...more] = host.notWell
  if (first === undefined) return host.name
  const rest = more.length === 0 ? '' : ` (+${more.length})`
  const hint = first.hint === undefined ? '' : `: ${first.hint.split('\n')[0]}`
  const room = view.columns - width - 6
  const text = textOf(host, first)
  const whole = `${text}${rest}${hint}`
  const fits = whole.length <= room ? whole : `${cut(text, room - rest.length)}${rest}`
  return `${host.name.padEnd(width)}${sign(first.kind, view)}  ${fits}`
}

const sign = (kind: string, { paint }: StatusView) =>
  kind === 'warning' ? paint('yellow', 'warn') : paint('red', 'FAIL')

type Finding = HostStatus['notWell'][number]

/** Without the host's name, which stands before it. */
export function textOf({ name }: Pick<HostStatus, 'name'>, { where, what, why }: Finding): string {
  const place = where === name ? '' : `${where.startsWith(`${name} `) ? where.slice(name.length + 1) : where}: `
  return `${place}${what}${why === undefined ? '' : `: ${why.split('\n')[0]}`}`
}

type Cell = (node: NodeStatusV1) => readonly (string | null | false)[]

const NAME_ONLY: Cell = () => []

/** What is told of a host that is well: the less, the more of them are beside each other. */
const CELLS: readonly Cell[] = [
  (node) => [...release(node), ...percentages(node), node.uptimeSeconds !== null && `up ${span(node.uptimeSeconds)}`],
  (node) => [...release(node), ...percentages(node)],
  (node) => release(node),
  NAME_ONLY,
]

const release = ({ k3s }: NodeStatusV1) => [k3s.version]
const percentages = ({ disk, memory }: NodeStatusV1) => [
  disk !== null && `disk ${disk.usedPercent} %`,
  memory !== null && `mem ${memory.usedPercent} %`,
]

/** As many hosts beside each other as fit. */
function compact(hosts: readonly HostStatus[], cell: Cell, view: StatusView): string[] {
  const names = Math.max(0, ...hosts.map(({ name }) => name.length))
  const cells = hosts.map(({ name, node }) =>
    [name.padEnd(names), ...(node === null ? [] : cell(node)).filter(Boolean)].join('  '),
  )
  return inColumns(cells, view)
}

/** Read downwards, as `ls` does it. */
function inColumns(cells: readonly string[], { columns }: StatusView): string[] {
  const lengths = cells.map((text) => withoutOurs(text).length)
  const width = Math.max(1, ...lengths) + GAP
  const beside = Math.max(1, Math.floor((columns + GAP) / width))
  const height = Math.ceil(cells.length / beside)
  return Array.from({ length: height }, (_, row) =>
    cells
      .map((text, i) => `${text}${' '.repeat(width - (lengths[i] ?? 0))}`)
      .filter((_, i) => i % height === row)
      .join('')
      .trimEnd(),
  )
}

/** A terminal wraps what is wider. */
function rowsOf(lines: readonly string[], { columns }: StatusView): number {
  return lines.reduce((sum, line) => sum + Math.max(1, Math.ceil(withoutOurs(line).length / columns)), 0)
}

function cut(text: string, width: number): string {
  return text.length <= width ? text : `${text.slice(0, Math.max(0, width - 1))}…`
}
