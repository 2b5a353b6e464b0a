// Refuses changes that a running cluster does not support, by comparing its live config with the desired one.

import { parse } from 'yaml'
import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { Json } from '../../src/engine/state.ts'
import { isSha256 } from '../../src/files/digest.ts'
import type { Facts } from '../../src/host/facts.ts'
import { type Config, listOf } from '../k3s/config.ts'
import type { RoleContext } from '../role.ts'
import { configOf, paths } from './config.ts'
import type { BootstrapVars } from './vars.ts'

interface Fixed {
  readonly key: string
  /** What k3s takes where config.yaml says nothing. */
  readonly otherwise: string
  readonly why: string
  /** The way out besides leaving it as it is. */
  readonly hint: string
  readonly warning?: true
  /** A change to this value is one that k3s takes. */
  readonly takes?: string
}

/** Settings that k3s reads at its first start, or that its data is made of. */
const fixed: readonly Fixed[] = [
  {
    key: 'data-dir',
    otherwise: '/var/lib/rancher/k3s',
    why: 'k3s would start without data, as a new and empty cluster',
    hint: 'to move the data: systemctl stop k3s, move the directory, set its new path in config.yaml, start k3s, run again',
  },
  {
    key: 'cluster-cidr',
    otherwise: '10.42.0.0/16',
    why: 'nodes and pods keep their addresses from the old network',
    hint: 'k3s-platform reset removes the cluster, apply then creates a new one',
  },
  {
    key: 'service-cidr',
    otherwise: '10.43.0.0/16',
    why: 'Services and the API certificates keep their addresses from the old network',
    hint: 'k3s-platform reset removes the cluster, apply then creates a new one',
  },
  {
    key: 'cluster-init',
    otherwise: 'false',
    why: 'it selects where the data is stored: in the embedded etcd or elsewhere',
    hint: 'to keep it: k3s_platform_k3s_config: {cluster-init: LIVE}; to migrate sqlite to etcd, start k3s once with cluster-init by hand',
  },
  {
    key: 'secrets-encryption',
    otherwise: 'false',
    takes: 'true',
    why: 'without the key, k3s cannot read its encrypted Secrets and does not start',
    hint: 'keep it: k3s_platform_secrets_encryption: true',
  },
  {
    key: 'node-label',
    otherwise: '',
    why: 'k3s sets labels only when a node joins',
    hint: 'kubectl label node',
    warning: true,
  },
  {
    key: 'node-taint',
    otherwise: '',
    why: 'k3s sets taints only when a node joins',
    hint: 'kubectl taint node',
    warning: true,
  },
  {
    key: 'node-name',
    otherwise: '',
    why: 'the node joins a second time; the old Node remains, NotReady, with its pods',
    hint: 'kubectl delete node with its old name',
    warning: true,
  },
]

/** How many things are looked at. */
export const liveCount = fixed.length + 1

export function liveProblems(
  v: BootstrapVars,
  { observations }: Pick<Look<Facts>, 'observations'>,
  context: Pick<RoleContext, 'host' | 'address'>,
  unit: string,
): Problem[] {
  const at = paths(v)
  const wanted = configOf(v, context)
  const actual = (id: string) => observations.get(id)?.actual ?? null
  const service = actual(`service:${unit}`)
  // A hash of inputs is written only after a start that went well.
  const started = service?.active === true || isSha256(String(service?.inputs))
  const file = observations.get(`file:${at.config}`)
  const asWanted = file?.actual?.content === file?.desired?.content
  const live = started && !asWanted ? read(file?.actual?.content) : undefined
  return [
    ...(live === undefined ? [] : fixed.flatMap((one) => changed(one, live, wanted, context.host))),
    ...overrides(actual(`strays:${at.dropins}`)?.foreign, wanted, context.host),
  ]
}

function changed(
  { key, otherwise, why, hint, warning, takes }: Fixed,
  live: Config,
  wanted: Config,
  host: string,
): Problem[] {
  const [from, to] = [live, wanted].map((config) => textOf(config[key] ?? otherwise))
  if (from === to || (takes !== undefined && to === takes)) return []
  if (warning) {
    const what = `${key} changes from ${from || 'nothing'} to ${to || 'nothing'}, but the node has already joined`
    return [{ kind: 'warning', where: `${host} config.yaml`, what, why, hint }]
  }
  return [
    {
      kind: 'failed',
      where: `${host} config.yaml`,
      what: `${key} cannot change from ${from} to ${to}: the cluster is already running`,
      why,
      hint: hint.replace('LIVE', from ?? ''),
    },
  ]
}

/** Files that somebody else put beside ours are read by k3s after ours. */
function overrides(foreign: Json | undefined, wanted: Config, host: string): Problem[] {
  if (typeof foreign !== 'object' || foreign === null || Array.isArray(foreign)) return []
  return Object.entries(foreign).flatMap(([path, keys]) => {
    const ours = listOf(keys)
      .map(String)
      .filter((key) => Object.hasOwn(wanted, key))
    if (ours.length === 0) return []
    const what = `this file overrides ${ours.join(', ')} of the inventory`
    const hint = 'move it into k3s_platform_k3s_config_dropins, or remove it'
    return [
      { kind: 'warning' as const, where: `${host} ${path}`, what, why: 'k3s-platform did not write this file', hint },
    ]
  })
}

function read(content: unknown): Config | undefined {
  if (typeof content !== 'string') return undefined
  try {
    const config: unknown = parse(content)
    return typeof config === 'object' && config !== null ? { ...config } : undefined
  } catch {
    return undefined
  }
}

/** A list and its text with commas are the same to k3s, and a path with a slash at its end. */
function textOf(value: unknown): string {
  return listOf(value)
    .flatMap((one) => String(one).split(','))
    .map((one) => one.trim().replace(/(.)\/+$/, '$1'))
    .join(',')
}
