// inventory list, graph, vars and check: what the inventory says, without contacting a host.

import { stringify } from 'yaml'
import { eachRole } from '../../../roles/index.ts'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { nearest } from '../../engine/suggest.ts'
import {
  BoundBefore,
  bindVars,
  connectionOf,
  graphLines,
  type Host,
  type Inventory,
  maskedValue,
  selectHosts,
} from '../../inventory/index.ts'
import type {
  InventoryCheckDocument,
  InventoryGraphDocument,
  InventoryListDocument,
  InventoryVarsDocument,
} from '../../report/inventory-documents.ts'
import { EXIT } from '../../report/outcome.ts'
import { usage } from '../flag-values.ts'
import { inventoryOf, requirePasswordFiles } from '../inventory.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { open, patternsOf, reporterFor, stopAt } from '../run.ts'
import { secretsInside } from '../targets.ts'

interface InventoryCall extends CliOptions {
  /** The document as YAML. */
  readonly yaml: boolean
}

interface Written {
  readonly where: string
  readonly value: unknown
}

interface Read {
  readonly inventory: Inventory
  /** Those of the arguments and of --limit. */
  readonly hosts: readonly Host[]
}

/** `absent`: an inventory that was not named and does not exist. Throws ProblemError; from then on no secret of the hosts appears anywhere. */
export async function readInventory(
  options: CliOptions,
  io: Io,
  pattern: 'hosts' | 'all',
  absent: 'is a mistake' | 'has no hosts' = 'is a mistake',
): Promise<Read> {
  requirePasswordFiles(options, io)
  const inventory = await inventoryOf(options, io)
  const isAbsent = options.inventory.length === 0 && inventory.problems.some(({ where }) => where === '-i')
  if (absent === 'has no hosts' && isAbsent) return { inventory, hosts: [] }
  stopAt(inventory.problems)
  const [named, limit] = patternsOf(options)
  const { hosts, problems } = selectHosts(inventory, pattern === 'all' ? undefined : named, limit)
  stopAt([...inventory.problems, ...problems])
  // What a role takes as a secret is one, whatever its name is.
  const bound = { env: io.env, before: new BoundBefore() }
  io.learn(hosts.flatMap((host) => eachRole((role) => secretsInside(bindVars(host, role.vars, bound).sound)).flat()))
  reporterFor([...inventory.problems, ...problems], options, io)
  return { inventory, hosts }
}

function tell(document: () => object, text: () => string, { output, yaml }: InventoryCall, io: Io): number {
  if (yaml) io.stdout.write(stringify(io.data(document()), { lineWidth: 0 }))
  else if (output === 'json') io.document(document())
  else io.stdout.write(text())
  return EXIT.ok
}

export async function list(options: InventoryCall, io: Io): Promise<number> {
  const { inventory, hosts } = await readInventory(options, io, 'hosts')
  const rows = hosts.map((host) => {
    const { value } = connectionOf(host, { cwd: io.cwd, env: io.env })
    const { name, groups } = host
    return { name, address: value?.host ?? name, groups, user: value?.user ?? '-', port: String(value?.port ?? '-') }
  })
  const document = (): InventoryListDocument => ({
    schema: 'k3s-platform/inventory-list/v1',
    hosts: hosts.map((host, i) => ({
      ...{ name: host.name, address: rows[i]?.address ?? host.name, groups: host.groups },
      vars: maskedVars(host),
    })),
    groups: groupsOf(inventory, hosts),
  })
  const text = () =>
    columns([
      ['HOST', 'ADDRESS', 'PORT', 'USER', 'GROUPS'],
      ...io.shown(rows).map((row) => [row.name, row.address, row.port, row.user, row.groups.join(',')]),
    ])
  return tell(document, text, options, io)
}

export async function graph(options: InventoryCall & { readonly group: string }, io: Io): Promise<number> {
  const { inventory, hosts } = await readInventory(options, io, 'all')
  const { group } = options
  if (!inventory.groups.has(group)) throw new ProblemError(unknown('group', group, inventory.groups.keys()))
  const document = (): InventoryGraphDocument => ({
    schema: 'k3s-platform/inventory-graph/v1',
    groups: groupsOf(inventory, hosts),
  })
  const names = new Set(hosts.map(({ name }) => name))
  const text = () =>
    io
      .shown(graphLines(inventory, group, names))
      .map((line) => `${line}\n`)
      .join('')
  return tell(document, text, options, io)
}

export async function vars(options: InventoryCall & { readonly origin: boolean }, io: Io): Promise<number> {
  const [name = ''] = options.hosts
  const { inventory } = await readInventory(options, io, 'all')
  const host = inventory.hosts.find((one) => one.name === name)
  if (host === undefined)
    throw new ProblemError(
      unknown(
        'host',
        name,
        inventory.hosts.map((one) => one.name),
      ),
    )
  const shown = maskedVars(host)
  const origins = Object.fromEntries(
    [...host.names()].map((one) => [
      one,
      host.origins(one).map(({ where, value }) => ({ where, value: maskedValue(value) })),
    ]),
  )
  const document = (): InventoryVarsDocument => ({
    schema: 'k3s-platform/inventory-vars/v1',
    ...{ host: host.name, groups: host.groups, vars: shown },
    ...(options.origin && { origins }),
  })
  const text = () =>
    options.origin ? originText(io.shown(shown), io.shown(origins)) : stringify(io.data(shown), { lineWidth: 0 })
  return tell(document, text, options, io)
}

/** Everything that plan finds before it contacts a host or a server: all problems at once. */
export async function check(options: CliOptions, io: Io): Promise<number> {
  const opened = await open(options, io, (role) => role.stages)
  const hosts = opened.prepared.length
  const groups = opened.groups
  const document: InventoryCheckDocument = {
    schema: 'k3s-platform/inventory-check/v1',
    ...{ exitCode: 0, hosts, groups, warnings: opened.warnings },
  }
  if (options.output === 'json') io.document(document)
  else if (options.output === 'text')
    io.stdout.write(`${counted(hosts, 'host')} in ${counted(groups, 'group')}: no problems\n`)
  return EXIT.ok
}

function maskedVars({ vars: all }: Host): Readonly<Record<string, unknown>> {
  return Object.fromEntries(Object.entries(all).map(([name, value]) => [name, maskedValue(value)]))
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`

function groupsOf({ groups }: Inventory, hosts: readonly Host[]): InventoryGraphDocument['groups'] {
  const names = new Set(hosts.map(({ name }) => name))
  return [...groups.values()].map(({ name, children, members }) => ({
    ...{ name, children },
    hosts: members.filter((host) => names.has(host)),
  }))
}

function unknown(kind: 'host' | 'group', name: string, known: Iterable<string>): Problem {
  const near = nearest(name, known)
  const hint = near === undefined ? 'list them: k3s-platform inventory graph' : `did you mean ${near}?`
  return usage(name === '' ? kind : name, `the inventory has no such ${kind}`, hint)
}

/** Each variable with its value; below it the places, the one that wins first. */
function originText(
  values: Readonly<Record<string, unknown>>,
  origins: Readonly<Record<string, readonly Written[]>>,
): string {
  return Object.entries(origins)
    .map(([name, [winner, ...others]]) => {
      const overridden = others.map(({ where, value }) => `  overrides ${JSON.stringify(value)} at ${where}\n`)
      return `${name}: ${JSON.stringify(values[name])}\n  ${winner?.where}\n${overridden.join('')}`
    })
    .join('')
}

/** Left-aligned, two spaces between them. */
function columns(rows: readonly (readonly string[])[]): string {
  const widths = rows[0]?.map((_, i) => Math.max(...rows.map((row) => row[i]?.length ?? 0))) ?? []
  return rows
    .map(
      (row) =>
        `${row
          .map((cell, i) => cell.padEnd(widths[i] ?? 0))
          .join('  ')
          .trimEnd()}\n`,
    )
    .join('')
}
