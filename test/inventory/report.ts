// What a loaded case looks like as text, for snapshots.

import { z } from 'zod'
import type { Problem } from '../../src/engine/problem.ts'
import { bindVars, unknownVars } from '../../src/inventory/bind.ts'
import { connectionNames, connectionOf } from '../../src/inventory/connection.ts'
import type { Host } from '../../src/inventory/host.ts'
import type { Inventory } from '../../src/inventory/load.ts'
import { selectHosts } from '../../src/inventory/pattern.ts'
import type { Case } from './case.ts'

/** A role's variables with what roles use: nesting, lists, enums, unions, secrets, hints. */
const Role = z.object({
  k3s_platform_enabled: z.boolean().default(false),
  k3s_platform_size: z.int().max(100).default(3).meta({ hint: 'a size is a number of nodes' }),
  k3s_platform_ratio: z.number().lt(1).optional(),
  k3s_platform_environment: z.enum(['production', 'staging']).default('production'),
  k3s_platform_tls_sans: z.array(z.string()).default([]),
  k3s_platform_url: z.url().optional(),
  k3s_platform_token: z.string().optional(),
  k3s_platform_download: z
    .strictObject({ from: z.enum(['node', 'workstation']), force: z.boolean().optional() })
    .optional(),
  k3s_platform_certificates: z
    .array(z.object({ name: z.string(), days: z.number().min(1) }))
    .default([])
    .meta({ hint: 'see docs/certificates.md' }),
  k3s_platform_sha256: z.union([z.string(), z.record(z.string(), z.string())]).optional(),
  k3s_platform_k3s_version: z.string().optional(),
})

const known = [...connectionNames, ...Object.keys(Role.shape)]

export function report(given: Case, inventory: Inventory, cwd: string): string {
  const hosts = inventory.hosts.filter((host) => given.hosts?.includes(host.name) ?? true)
  const groups = [...inventory.groups.values()].filter((group) => group.hosts.length > 0)
  const lines = [
    ...told(inventory.problems),
    ...(given.show.includes('vars') ? groups.map((group) => `${group.name}: ${group.hosts.join(' ')}`) : []),
    ...hosts.flatMap((host) => given.show.flatMap((part) => sections[part](host, given, cwd))),
    ...given.patterns.flatMap((pattern) => selected(pattern, selectHosts(inventory, pattern))),
    ...given.limits.flatMap((limit) => selected(`limit ${limit}`, selectHosts(inventory, undefined, limit))),
  ]
  return lines.join('\n').replaceAll(cwd, '/cwd')
}

const sections: Record<Case['show'][number], (host: Host, given: Case, cwd: string) => string[]> = {
  vars: (host) => [
    `${host.name} [${host.groups.join(', ')}] ${host.place}`,
    ...Object.entries(host.vars).map(([name, value]) => `  ${name}: ${JSON.stringify(value)}`),
  ],
  where: (host, given) => given.where.map((path) => `  where ${path}: ${host.where(path)}`),
  templates: (host) => [...host.names()].flatMap((name) => told(host.get(name).problems)),
  connection(host, given, cwd) {
    const { value, problems } = connectionOf(host, { cwd, env: given.env })
    return [`${host.name}: ${JSON.stringify(value)}`, ...told(problems)]
  },
  bind(host) {
    const { value, problems } = bindVars(host, Role)
    return [
      `${host.name}: ${JSON.stringify(value)}`,
      ...told([...problems, ...unknownVars([host], known).flatMap((one) => one.problems)]),
    ]
  },
}

function selected(pattern: string, { hosts, problems }: ReturnType<typeof selectHosts>): string[] {
  return [`${pattern} -> ${hosts.map((host) => host.name).join(' ')}`, ...told(problems)]
}

function told(problems: readonly Problem[]): string[] {
  return problems.map(({ kind, where, what, hint }) => {
    const sign = kind === 'warning' ? 'warning' : kind === 'usage' ? 'x' : kind
    return `${sign} ${where}: ${what}${hint === undefined ? '' : `\n    hint: ${hint}`}`
  })
}
