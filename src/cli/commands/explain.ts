// explain: what a variable is for, its type and default, and where it is set for each host, by precedence.

import { stringify } from 'yaml'
import { type Problem, ProblemError } from '../../engine/problem.ts'
import { isSecretName } from '../../engine/secret-names.ts'
import { nearest } from '../../engine/suggest.ts'
import { type Host, maskedValue } from '../../inventory/index.ts'
import type { ExplainDocument } from '../../report/inventory-documents.ts'
import { EXIT } from '../../report/outcome.ts'
import { usage } from '../flag-values.ts'
import type { Io } from '../io.ts'
import type { CliOptions } from '../options.ts'
import { allVariables, type VariableInfo } from '../variable-table.ts'
import { readInventory } from './inventory.ts'

interface ExplainCall extends CliOptions {
  /** Empty: all that there are, in a line each. */
  readonly names: readonly string[]
  /** The document as YAML. */
  readonly yaml: boolean
}

type Explained = ExplainDocument['variables'][number]

export async function explain(options: ExplainCall, io: Io): Promise<number> {
  const table = allVariables()
  const isTable = options.names.length === 0
  const { hosts } = isTable ? { hosts: [] } : await readInventory(options, io, 'hosts', 'has no hosts')
  const names = isTable ? table.map(({ name }) => name) : options.names
  const unknown = names.flatMap((name) => unknownVariable(name, table, hosts))
  if (unknown.length > 0) throw new ProblemError(unknown)
  const variables = names.map((name) => explained(name, table, hosts, io))
  const document: ExplainDocument = { schema: 'k3s-platform/explain/v1', variables }
  if (options.yaml) io.stdout.write(stringify(io.data(document), { lineWidth: 0 }))
  else if (options.output === 'json') io.document(document)
  else if (isTable) io.stdout.write(variables.map(lineOf).join(''))
  else io.stdout.write(io.shown(variables).map(textOf).join('\n'))
  return EXIT.ok
}

function unknownVariable(name: string, table: readonly VariableInfo[], hosts: readonly Host[]): Problem[] {
  if (table.some((one) => one.name === name) || hosts.some(({ written }) => written.has(name))) return []
  const near = nearest(
    name,
    table.map((one) => one.name),
  )
  return [usage(name, 'unknown variable', near ? `did you mean ${near}?` : 'list them: k3s-platform explain')]
}

function explained(name: string, table: readonly VariableInfo[], hosts: readonly Host[], { env }: Io): Explained {
  const info = table.find((one) => one.name === name)
  const masked = (value: unknown) => (info?.secret && value !== null && value !== '' ? '***' : value)
  const groups = new Map<string, { hosts: string[]; value: unknown; origins: Explained['set'][number]['origins'] }>()
  for (const host of hosts) {
    const written = host.origins(name).map(({ where, value }) => ({ where, value: masked(maskedValue(value)) }))
    const source = written.length > 0 ? undefined : info?.environment.find((one) => env[one])
    const taken = isSecretName(name) ? '***' : masked(source && env[source])
    const origins = source === undefined ? written : [{ where: `environment  ${source}`, value: taken }]
    if (origins.length === 0) continue
    const all = host.vars[name]
    const value = source === undefined && all !== undefined ? masked(maskedValue(all)) : taken
    const key = JSON.stringify([value, origins])
    const same = groups.get(key)
    if (same === undefined) groups.set(key, { hosts: [host.name], value, origins })
    else same.hosts.push(host.name)
  }
  const set = [...groups.values()]
  const named = new Set(set.flatMap((one) => one.hosts))
  return {
    name,
    usedBy: info?.usedBy ?? null,
    about: info?.about ?? 'No role of k3s-platform takes this variable; templates can.',
    type: info?.type ?? 'any',
    ...(info?.preset !== undefined && { default: info.preset }),
    environment: info?.environment ?? [],
    set,
    unset: hosts.map((host) => host.name).filter((host) => !named.has(host)),
  }
}

const lineOf = ({ name, about }: Explained) => `${name}  ${about.split(/(?<=[.;]) /)[0]}\n`

function textOf(one: Explained): string {
  const facts = [
    ['used by', one.usedBy ?? 'no role'],
    ['type', one.type],
    ['default', one.default === undefined ? '-' : JSON.stringify(one.default)],
    ...(one.environment.length === 0
      ? []
      : [['environment', `${one.environment.join(', else ')}, if the inventory does not set it`]]),
  ]
  const set = one.set.map(({ hosts, value, origins: [winner, ...others] }) => {
    const overridden = others.map((other) => `    overrides ${JSON.stringify(other.value)} at ${other.where}\n`)
    return `  ${hosts.join(', ')}: ${JSON.stringify(value)}\n    ${winner?.where}\n${overridden.join('')}`
  })
  const unset = one.unset.length === 0 ? '' : `  ${one.unset.join(', ')}: not set\n`
  const hosts = one.set.length + one.unset.length === 0 ? '' : `\n${set.join('')}${unset}`
  return `${one.name}\n  ${one.about}\n\n${facts.map(([name, value]) => `  ${name?.padEnd(11)}  ${value}\n`).join('')}${hosts}`
}
