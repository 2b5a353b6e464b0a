// From an inventory to what the engine runs: each host's connection, variables and stages, with all mistakes at once.

import type { z } from 'zod'
import { eachRole } from '../../roles/index.ts'
import { bootstrap } from '../../roles/k3s_platform_bootstrap/role.ts'
import type { ChartCheck, Finding, Membership, Met, RepositoryCheck, Role, RoleContext } from '../../roles/role.ts'
import type { PlatformFacts, PlatformResource } from '../cluster/backend.ts'
import type { Emit } from '../engine/events.ts'
import { type Problem, ProblemError, type ProblemKind } from '../engine/problem.ts'
import type { Look, Stage } from '../engine/resource.ts'
import type { RunTarget } from '../engine/runner.ts'
import { Secret } from '../engine/secret.ts'
import type { Handover } from '../gitops/handover.ts'
import { aboutHost } from '../host/facts.ts'
import type { AskSecret } from '../host/ssh/identities.ts'
import { keyFileFault } from '../host/ssh/key-file.ts'
import {
  type BoundBefore,
  bindVars,
  type Connection,
  type ConnectionDefaults,
  connectionNames,
  connectionOf,
  type Host,
  type HostProblems,
  PRIVATE_KEY_VARIABLES,
  unknownVars,
} from '../inventory/index.ts'
import type { Asset } from '../supply/asset.ts'
import { type Cached, fetchAsset } from '../supply/cache.ts'
import type { Supply } from '../supply/supply.ts'
import type { Terminal } from '../vault/key-storage.ts'
import { openCache } from './cache.ts'
import type { HostChart } from './charts.ts'
import { clusterPlaces } from './clusters.ts'
import type { HostRepository } from './git.ts'
import type { Io } from './io.ts'
import type { CliOptions } from './options.ts'
import { type HostSession, session } from './session.ts'
import { tagged } from './tags.ts'
import { isInteractive } from './terminal.ts'
import { base64Of, workstation } from './workstation.ts'

export interface HostTarget extends RunTarget<PlatformResource, PlatformFacts> {
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
  readonly before: BoundBefore
  /** The hosts that were looked at, by name: two of them may be one too many. */
  readonly met: Map<string, Met>
  readonly emit: Emit
  /** undefined: nothing is installed. */
  readonly supply: Supply | undefined
  readonly terminal: Terminal
  /** What is wrong with the file of a private key. */
  readonly keyFault: (path: string) => Pick<Problem, 'what' | 'hint'> | undefined
  /** For the passphrases of keys: hosts that share a key share the question. */
  readonly askSecret: AskSecret
  /** An asset that several hosts get is fetched once. */
  readonly fetch: (asset: Asset, signal: AbortSignal) => Promise<Cached>
}

export interface Prepared {
  readonly host: Host
  /** That SSH goes to. */
  readonly address: string
  readonly target: HostTarget | undefined
  readonly memberships: readonly Membership[]
  readonly problems: readonly Problem[]
  readonly secrets: readonly Secret[]
  /** What tags may name, in order. */
  readonly tags: readonly string[]
  /** What is to be installed from charts. */
  readonly charts: readonly HostChart[]
  /** What GitOps is to read. */
  readonly repositories: readonly HostRepository[]
}

const knownNames = [...connectionNames, ...eachRole((role) => Object.keys(role.vars.shape)).flat()]

/** The variables with our prefix that nobody knows. */
export function unknownIn(hosts: readonly Host[]): readonly HostProblems[] {
  return unknownVars(hosts, knownNames)
}

export function prepare(host: Host, shared: Shared): Prepared {
  const { options, io } = shared
  const problems: Problem[] = []
  const connection = connectionOf(host, { cwd: io.cwd, env: io.env, defaults: shared.defaults })
  problems.push(...connection.problems)
  problems.push(...keyProblems(host, connection.value, shared))
  const address = connection.value?.host ?? host.name
  const context: RoleContext = {
    host: host.name,
    address,
    boundSeconds: options.timeoutMs === null ? undefined : Math.ceil(options.timeoutMs / 1000),
    workstation: workstation(io),
    interactive: isInteractive(io),
    env: io.env,
    terminal: shared.terminal,
    supply: shared.supply,
    fetch: shared.fetch,
    chartContent: base64Of,
    deleteCrds: options.deleteCrds,
    noSnapshot: options.noSnapshot,
    deleteSnapshots: options.deleteSnapshots,
    handing: options.handing ?? undefined,
    roles: options.roles,
    handover: () => treeOf(host, context, shared),
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
    return {
      host,
      address,
      target: undefined,
      memberships: [],
      problems,
      secrets,
      tags: [],
      charts: [],
      repositories: [],
    }
  const { value } = connection
  const stages = bound.flatMap((one) => one.stages)
  const wanted = tagged(options)
  const kubeconfig = () => kubeconfigOf(host, context, shared)
  return {
    host,
    address,
    memberships: bound.flatMap((one) => one.memberships),
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
      exclusive: (look) => bound.flatMap((one) => one.exclusive(look)),
      checks: bound.reduce((sum, one) => sum + one.checks, 0),
      about: aboutHost,
    },
  }
}

/** The targets, one at a time those of one cluster; `founderFirst`: those that join it after the one that founded it. */
export function targetsOf(prepared: readonly Prepared[], founderFirst: boolean): readonly HostTarget[] {
  const usable = prepared.flatMap(({ target, memberships }) =>
    target ? [{ target, host: target.host, memberships }] : [],
  )
  const places = clusterPlaces(usable)
  return usable.map(({ host, target }) => {
    const place = places.get(host)
    if (place === undefined) return target
    return {
      ...target,
      exclusive: (look) => [...(target.exclusive?.(look) ?? []), ...place.keys],
      after: founderFirst ? place.after : [],
    }
  })
}

/** Commands that log in nowhere. */
const KEYLESS = ['render', 'inventory']

/** Only of a key that a login of this run would use. */
function keyProblems(host: Host, connection: Connection | undefined, { options, keyFault }: Shared): Problem[] {
  const file = connection?.connection === 'ssh' ? connection.privateKeyFile : undefined
  if (file === undefined || KEYLESS.includes(options.command) || options.listHosts || options.listTags) return []
  const fault = keyFault(file)
  if (fault === undefined) return []
  const name = PRIVATE_KEY_VARIABLES.find((one) => host.get(one).value?.data)
  return [{ kind: 'usage', where: name === undefined ? '--private-key' : host.where([name]), ...fault }]
}

/** Reads each file once, however many hosts use it. */
export function sharedKeyFault(): Shared['keyFault'] {
  const known = new Map<string, ReturnType<typeof keyFileFault>>()
  return (path) => {
    if (!known.has(path)) known.set(path, keyFileFault(path))
    return known.get(path)
  }
}

interface BoundRole {
  readonly role: string
  readonly problems: readonly Problem[]
  readonly stages: readonly Stage<PlatformResource>[]
  readonly secrets: readonly Secret[]
  readonly memberships: readonly Membership[]
  readonly checks: number
  readonly charts: readonly ChartCheck[]
  repository?(): RepositoryCheck | undefined
  preflight(look: Look<PlatformFacts>): readonly Problem[]
  exclusive(look: Look<PlatformFacts>): readonly string[]
}

function bind<V extends z.ZodObject>(
  role: Role<V>,
  host: Host,
  context: RoleContext,
  { stagesOf, before, io: { env } }: Shared,
): BoundRole {
  const { value, sound, broken, ...bound } = bindVars(host, role.vars, { env, before })
  const findings =
    (sound &&
      role.rules?.(sound, context, { given: (name) => host.written.has(name), broken: (name) => broken.has(name) })) ??
    []
  const needed = findings.filter(({ missing }) => !missing || context.supply !== undefined)
  const located =
    (kind: ProblemKind) =>
    ({ path, what, hint, warning }: Finding): Problem => ({
      kind: warning ? 'warning' : kind,
      where: host.where(path),
      what: host.hiding(path, what),
      ...(hint === undefined ? {} : { hint: host.hiding(path, hint) }),
    })
  const told = needed.map(located('usage'))
  const problems = [...bound.problems, ...told]
  if (value === undefined)
    return {
      role: role.name,
      problems,
      stages: [],
      secrets: [],
      memberships: [],
      checks: 0,
      charts: [],
      preflight: () => [],
      exclusive: () => [],
    }
  const refused: Problem[] = []
  const stages = refusing(() => stagesOf(role)(value, context), refused) ?? []
  return {
    role: role.name,
    problems: [...problems, ...refused],
    stages,
    secrets: secretsInside(value),
    memberships: role.membership === undefined ? [] : [role.membership(value, context)],
    checks: role.checks,
    charts: context.supply === undefined ? [] : (role.charts?.(value, context) ?? []),
    ...(context.supply !== undefined && { repository: () => role.repository?.(value, context) }),
    preflight: (look) => [
      ...role.preflight(value, look, context),
      ...(role.findings?.(value, look, context) ?? []).map(located('failed')),
    ],
    exclusive: (look) => role.exclusive?.(value, look, context) ?? [],
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
  const names = knownNames.filter((name) => name.startsWith('k3s_platform_') && host.written.has(name))
  const values = names.filter((name) => /^k3s_platform_((.*_)?values|charts)$/.test(name))
  const vars = values.length === 0 ? {} : host.vars
  return [...names.flatMap((name) => host.hidden(name)), ...values.flatMap((name) => secretsInside(vars[name]))]
}

/** Each Secret in a value that a schema has made. */
export function secretsInside(value: unknown): Secret[] {
  if (value instanceof Secret) return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(secretsInside) : []
}

/** Where k3s writes the key to its API: the role that installs k3s knows. */
function kubeconfigOf(host: Host, context: RoleContext, { before, io: { env } }: Shared): string {
  const ask = <V extends z.ZodObject>(role: Role<V>) => {
    const { sound } = bindVars(host, role.vars, { env, before })
    return sound && role.access?.(sound, context).source
  }
  return ask(bootstrap) ?? ''
}

/** What GitOps shall own: the addons' role knows, whether it is in this run or not. */
function treeOf(host: Host, context: RoleContext, { before, io: { env } }: Shared): Handover | undefined {
  return eachRole((role) => {
    const { sound } = role.tree === undefined ? { sound: undefined } : bindVars(host, role.vars, { env, before })
    return sound && role.tree?.(sound, context)
  }).find((tree) => tree !== undefined)
}

/** Fetches each asset once in a run, however many hosts ask for it. */
export function sharedFetch(io: Pick<Io, 'env' | 'onExit'>): Shared['fetch'] {
  let cache: Promise<string> | undefined
  const under = new Map<string, Promise<Cached>>()
  return (asset, signal) => {
    const key = asset.file ?? asset.sha256 ?? asset.urls.join(' ')
    cache ??= openCache(io)
    const found = under.get(key) ?? cache.then((directory) => fetchAsset(asset, directory, signal))
    under.set(key, found)
    return found
  }
}
