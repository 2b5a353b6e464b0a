// From an inventory to what the engine runs: each host's connection, variables and stages, with all mistakes at once.

import type { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import { bootstrap } from '../../roles/k3s_platform_bootstrap/role.ts'
import type { ChartCheck, Met, RepositoryCheck, Role, RoleContext } from '../../roles/role.ts'
import type { PlatformFacts, PlatformResource } from '../cluster/backend.ts'
import type { Emit } from '../engine/events.ts'
import { type Problem, ProblemError } from '../engine/problem.ts'
import type { Look, Stage } from '../engine/resource.ts'
import type { Target } from '../engine/runner.ts'
import { Secret } from '../engine/secret.ts'
import { nearest } from '../engine/suggest.ts'
import type { Handover } from '../gitops/handover.ts'
import { aboutHost } from '../host/facts.ts'
import {
  bindVars,
  type ConnectionDefaults,
  connectionNames,
  connectionOf,
  type Host,
  unknownVars,
} from '../inventory/index.ts'
import type { Asset } from '../supply/asset.ts'
import { type Cached, cacheIn, fetchAsset } from '../supply/cache.ts'
import type { Supply } from '../supply/supply.ts'
import type { Terminal } from '../vault/keeping.ts'
import type { HostChart } from './charts.ts'
import type { HostRepository } from './git.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { type HostSession, session } from './session.ts'
import { base64Of, workstation } from './workstation.ts'

export interface HostTarget extends Target<PlatformResource, PlatformFacts> {
  connect(signal: AbortSignal): Promise<HostSession>
}

/** Which stages of a role this command is about. */
export type StagesOf = <V extends z.ZodObject>(role: Role<V>) => Role<V>['stages']

/** What a run shares between its hosts. */
export interface Shared {
  readonly options: CliOptions
  readonly io: Io
  readonly stagesOf: StagesOf
  readonly defaults: ConnectionDefaults
  /** The hosts that were looked at, by name: two of them may be one too many. */
  readonly met: Map<string, Met>
  readonly emit: Emit
  /** undefined: nothing is installed. */
  readonly supply: Supply | undefined
  readonly terminal: Terminal
  /** An asset that several hosts get is fetched once. */
  readonly fetch: (asset: Asset, signal: AbortSignal) => Promise<Cached>
}

export interface Prepared {
  readonly host: Host
  /** That SSH goes to. */
  readonly address: string
  readonly target: HostTarget | undefined
  readonly problems: readonly Problem[]
  readonly secrets: readonly Secret[]
  /** What tags may name, in order. */
  readonly tags: readonly string[]
  /** What is to be installed from charts. */
  readonly charts: readonly HostChart[]
  /** What GitOps is to read. */
  readonly repositories: readonly HostRepository[]
}

export function prepare(host: Host, shared: Shared): Prepared {
  const { options, io } = shared
  const problems: Problem[] = []
  problems.push(...unknownVars(host, [...connectionNames, ...eachRole((role) => Object.keys(role.vars.shape)).flat()]))
  const connection = connectionOf(host, { cwd: io.cwd, env: io.env, defaults: shared.defaults })
  problems.push(...connection.problems)
  const address = connection.value?.host ?? host.name
  const context: RoleContext = {
    host: host.name,
    address,
    boundSeconds: options.timeoutMs === null ? undefined : Math.ceil(options.timeoutMs / 1000),
    workstation: workstation(io),
    env: io.env,
    terminal: shared.terminal,
    supply: shared.supply,
    fetch: shared.fetch,
    chartContent: base64Of,
    deleteCrds: options.deleteCrds,
    handing: options.handing ?? undefined,
    roles: options.roles,
    handover: () => treeOf(host, context, io.env),
    meet: (self) => {
      const others = [...shared.met.values()].filter((one) => one.host !== self.host)
      shared.met.set(self.host, self)
      return others
    },
  }
  const bound = eachRole((role) =>
    options.roles.includes(role.name) ? [bind(role, host, context, shared)] : [],
  ).flat()
  problems.push(...bound.flatMap((one) => one.problems))
  const secrets = secretValues(host)
  if (connection.value === undefined || problems.some(({ kind }) => kind !== 'warning'))
    return { host, address, target: undefined, problems, secrets, tags: [], charts: [], repositories: [] }
  const { value } = connection
  const stages = bound.flatMap((one) => one.stages)
  const wanted = tagged(options)
  const kubeconfig = () => kubeconfigOf(host, context, io.env)
  return {
    host,
    address,
    problems,
    charts: bound
      .flatMap(({ role, charts }) => charts.filter(({ name }) => wanted({ role, name, resources: [] })))
      .map((check) => ({ host, check })),
    repositories: bound
      .filter(({ role }) => wanted({ role, name: 'source', resources: [] }))
      .flatMap(({ repository }) => repository?.() ?? [])
      .map((check) => ({ host, check })),
    tags: [...new Set(stages.flatMap((stage) => [stage.role, stage.name]))],
    secrets: [value.password, value.becomePassword, ...bound.flatMap((one) => one.secrets), ...secrets].filter(
      (s) => s !== undefined,
    ),
    target: {
      host: host.name,
      stages: stages.filter(
        (stage) => wanted(stage) || (stage.always && stages.some((one) => one.role === stage.role && wanted(one))),
      ),
      connect: (signal) => session(host.name, value, kubeconfig, shared, signal),
      preflight: (look) => bound.flatMap((one) => one.preflight(look)),
      checks: bound.reduce((sum, one) => sum + one.checks, 0),
      about: aboutHost,
    },
  }
}

interface BoundRole {
  readonly role: string
  readonly problems: readonly Problem[]
  readonly stages: readonly Stage<PlatformResource>[]
  readonly secrets: readonly Secret[]
  readonly checks: number
  readonly charts: readonly ChartCheck[]
  repository?(): RepositoryCheck | undefined
  preflight(look: Look<PlatformFacts>): readonly Problem[]
}

function bind<V extends z.ZodObject>(
  role: Role<V>,
  host: Host,
  context: RoleContext,
  { stagesOf, io: { env } }: Shared,
): BoundRole {
  const { value, sound, broken, ...bound } = bindVars(host, role.vars, { env })
  const written = new Set(host.names())
  const findings =
    (sound &&
      role.rules?.(sound, context, { given: (name) => written.has(name), broken: (name) => broken.has(name) })) ??
    []
  const needed = findings.filter(({ missing }) => !missing || context.supply !== undefined)
  const told = needed.map(
    ({ path, what, hint, warning }): Problem => ({
      kind: warning ? 'warning' : 'usage',
      where: host.where(path),
      what: host.hiding(path, what),
      ...(hint === undefined ? {} : { hint: host.hiding(path, hint) }),
    }),
  )
  const problems = [...bound.problems, ...told]
  if (value === undefined)
    return { role: role.name, problems, stages: [], secrets: [], checks: 0, charts: [], preflight: () => [] }
  const refused: Problem[] = []
  const stages = refusing(() => stagesOf(role)(value, context), refused) ?? []
  return {
    role: role.name,
    problems: [...problems, ...refused],
    stages,
    secrets: secretsIn(value),
    checks: role.checks,
    charts: context.supply === undefined ? [] : (role.charts?.(value, context) ?? []),
    ...(context.supply !== undefined && { repository: () => role.repository?.(value, context) }),
    preflight: (look) => role.preflight(value, look, context),
  }
}

/** A role may refuse what it is asked for before any host is spoken to. */
function refusing<T>(make: () => T, problems: Problem[]): T | undefined {
  try {
    return make()
  } catch (error) {
    if (!(error instanceof ProblemError)) throw error
    problems.push(...error.problems)
    return undefined
  }
}

/** Of variables that roles see plain: what is from an encrypted file, and in values of charts what is secret by its name. */
function secretValues(host: Host): Secret[] {
  const names = [...host.names()].filter((name) => name.startsWith('k3s_platform_'))
  const values = names.filter((name) => /^k3s_platform_(.*_)?values$/.test(name))
  const vars = values.length === 0 ? {} : host.vars
  return [...names.flatMap((name) => host.hidden(name)), ...values.flatMap((name) => secretsIn(vars[name]))]
}

function secretsIn(value: unknown): Secret[] {
  if (value instanceof Secret) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsIn) : []
}

/** Stages by name; a role's name stands for all of its stages. */
function tagged({ tags, skipTags }: CliOptions): (stage: Stage) => boolean {
  const has = (list: readonly string[], stage: Stage) => list.includes(stage.name) || list.includes(stage.role)
  return (stage) => (tags.length === 0 || tags.includes('all') || has(tags, stage)) && !has(skipTags, stage)
}

/** A problem for every tag that no stage bears. */
export function unknownTags(options: CliOptions, known: readonly string[]): Problem[] {
  const list = (flag: string, tags: readonly string[]) =>
    tags
      .filter((tag) => tag !== 'all' && !known.includes(tag))
      .map((tag): Problem => {
        const near = nearest(tag, known)
        const hint = near === undefined ? `there are: ${known.join(', ')}` : `did you mean ${near}?`
        return { kind: 'usage', where: flag, what: `no stage is called "${tag}"`, hint }
      })
  return [...list('--tags', options.tags), ...list('--skip-tags', options.skipTags)]
}

/** Where k3s writes the key to its API: the role that installs k3s knows. */
function kubeconfigOf(host: Host, context: RoleContext, env: Io['env']): string {
  const ask = <V extends z.ZodObject>(role: Role<V>) => {
    const { sound } = bindVars(host, role.vars, { env })
    return sound && role.access?.(sound, context).source
  }
  return ask(bootstrap) ?? ''
}

/** What GitOps shall own: the addons' role knows, whether it is in this run or not. */
function treeOf(host: Host, context: RoleContext, env: Io['env']): Handover | undefined {
  return eachRole((role) => {
    const { sound } = role.tree === undefined ? { sound: undefined } : bindVars(host, role.vars, { env })
    return sound && role.tree?.(sound, context)
  }).find((tree) => tree !== undefined)
}

/** Fetches each asset once in a run, however many hosts ask for it. */
export function sharedFetch(env: Io['env']): Shared['fetch'] {
  const cache = cacheIn(env)
  const under = new Map<string, Promise<Cached>>()
  return (asset, signal) => {
    const key = asset.file ?? asset.sha256 ?? asset.urls.join(' ')
    const found = under.get(key) ?? fetchAsset(asset, cache, signal)
    under.set(key, found)
    return found
  }
}
