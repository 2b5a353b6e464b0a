// What a cluster that has started once cannot be told any more: the config that it runs with against the one that is wanted.

import { parse } from 'yaml'
import type { Problem } from '../../src/engine/problem.ts'
import type { Look } from '../../src/engine/resource.ts'
import type { Json } from '../../src/engine/state.ts'
import type { Facts } from '../../src/host/facts.ts'
import type { RoleContext } from '../role.ts'
import { type Config, configOf, listOf, paths } from './config.ts'
import type { Vars } from './vars.ts'

interface Fixed {
  readonly key: string
  /** What k3s takes where config.yaml says nothing. */
  readonly otherwise: string
  readonly why: string
  /** The way out besides leaving it as it is. */
  readonly hint: string
  readonly warning?: true
}

/** Settings that k3s reads at its first start, or that its data is made of. */
const fixed: readonly Fixed[] = [
  {
    key: 'data-dir',
    otherwise: '/var/lib/rancher/k3s',
    why: 'k3s would start with no data: a new and empty cluster',
    hint: 'to move the data: systemctl stop k3s, move the directory, write its new place into config.yaml, start k3s, run again',
  },
  {
    key: 'cluster-cidr',
    otherwise: '10.42.0.0/16',
    why: 'nodes and pods keep their addresses of the old network',
    hint: 'k3s-platform reset removes the cluster, apply then makes a new one',
  },
  {
    key: 'service-cidr',
    otherwise: '10.43.0.0/16',
    why: 'services and the certificates of the API keep their addresses of the old network',
    hint: 'k3s-platform reset removes the cluster, apply then makes a new one',
  },
  {
    key: 'cluster-init',
    otherwise: 'false',
    why: 'it decides where the data is: in the embedded etcd or elsewhere',
    hint: 'to stay as it is: k3s_platform_k3s_config: {cluster-init: LIVE}; sqlite becomes etcd when k3s is started once with cluster-init by hand',
  },
  {
    key: 'secrets-encryption',
    otherwise: 'false',
    why: 'k3s heeds it at its first start only',
    hint: 'k3s secrets-encrypt status on the host says how it is; k3s secrets-encrypt enable (or disable), then reencrypt, changes it; then write it into config.yaml and run again',
  },
  {
    key: 'node-label',
    otherwise: '',
    why: 'k3s sets labels when a node joins, and not again',
    hint: 'kubectl label node',
    warning: true,
  },
  {
    key: 'node-taint',
    otherwise: '',
    why: 'k3s sets taints when a node joins, and not again',
    hint: 'kubectl taint node',
    warning: true,
  },
  {
    key: 'node-name',
    otherwise: '',
    why: 'the node joins a second time; the old one stays, not ready, with its pods',
    hint: 'kubectl delete node, with its old name',
    warning: true,
  },
]

/** How many things are looked at. */
export const liveCount = fixed.length + 1

export function liveProblems(
  v: Vars,
  { observations }: Pick<Look<Facts>, 'observations'>,
  context: Pick<RoleContext, 'host' | 'address'>,
  unit: string,
): Problem[] {
  const at = paths(v)
  const wanted = configOf(v, context)
  const actual = (id: string) => observations.get(id)?.actual ?? null
  const service = actual(`service:${unit}`)
  // A hash of inputs is written only after a start that went well.
  const started = service?.active === true || /^[0-9a-f]{64}$/.test(String(service?.inputs))
  const file = observations.get(`file:${at.config}`)
  const asWanted = file?.actual?.content === file?.desired?.content
  const live = started && !asWanted ? read(file?.actual?.content) : undefined
  return [
    ...(live === undefined ? [] : fixed.flatMap((one) => changed(one, live, wanted, context.host))),
    ...overrides(actual(`strays:${at.dropins}`)?.foreign, wanted, context.host),
  ]
}

function changed({ key, otherwise, why, hint, warning }: Fixed, live: Config, wanted: Config, host: string): Problem[] {
  const [from, to] = [live, wanted].map((config) => textOf(config[key] ?? otherwise))
  if (from === to) return []
  if (warning) {
    const what = `${key} changes from ${from || 'nothing'} to ${to || 'nothing'}, but the node has joined already`
    return [{ kind: 'warning', where: `${host} config.yaml`, what, why, hint }]
  }
  return [
    {
      kind: 'failed',
      where: `${host} config.yaml`,
      what: `${key} cannot change from ${from} to ${to}: the cluster runs already`,
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
    const what = `overrides ${ours.join(', ')} of the inventory`
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
