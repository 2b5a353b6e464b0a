// Rules about labels and taints, wherever they are said.

import type { Finding } from '../../role.ts'
import type { Element, Settings } from '../settings.ts'
import type { Vars } from '../vars.ts'
import { CONFIG, DNS_NAME, hintOf, type Rule } from './rule.ts'

type Placed = Pick<Element, 'text' | 'path'>

const LABEL_NAME = /^[A-Za-z0-9]([\w.-]{0,61}[A-Za-z0-9])?$/
const EFFECTS = ['NoSchedule', 'PreferNoSchedule', 'NoExecute']

/** Of these the kubelet lets a node label itself, and no other below kubernetes.io and k8s.io. */
const ALLOWED_LABELS =
  /^(([^/]+\.)?(kubelet|node)\.kubernetes\.io\/|(beta\.)?kubernetes\.io\/(arch|os)$|kubernetes\.io\/hostname$|(topology|failure-domain\.beta)\.kubernetes\.io\/(region|zone)$|beta\.kubernetes\.io\/instance-type$)/

/** `name` or `prefix/name`. */
function badLabelKey(key: string): string | undefined {
  const [name = '', prefix, ...rest] = key.split('/').toReversed()
  if (
    !LABEL_NAME.test(name) ||
    rest.length > 0 ||
    (prefix !== undefined && (!DNS_NAME.test(prefix) || prefix.length > 253))
  )
    return `"${key}" is no name of a label or taint`
  return undefined
}

function label({ text, path }: Placed): Finding[] {
  const [key = '', value, ...rest] = text.split('=')
  const hint = 'letters, digits, dots, dashes and underscores, at most 63; before the name may be a domain and a slash'
  if (value === undefined || rest.length > 0) return [{ path, what: `expected name=value, got "${text}"` }]
  const bad = badLabelKey(key)
  if (bad !== undefined) return [{ path, what: bad, hint }]
  if (value !== '' && !LABEL_NAME.test(value)) return [{ path, what: `"${value}" is no value of a label`, hint }]
  if (!/(^|\.)(kubernetes|k8s)\.io\//.test(key) || ALLOWED_LABELS.test(key)) return []
  return [
    {
      path,
      what: `the kubelet refuses to start with the label ${key}`,
      hint: `a node may not label itself so; afterwards: kubectl label node NAME ${text}`,
    },
  ]
}

function taint({ text, path }: Placed): Finding[] {
  const [, key = '', , value = '', effect = ''] = /^([^=:]*)(=([^:]*))?:(.*)$/.exec(text) ?? []
  if (effect === '') return [{ path, what: `expected name=value:Effect, got "${text}"` }]
  if (!EFFECTS.includes(effect)) {
    const hint = hintOf(effect, EFFECTS, `there are: ${EFFECTS.join(', ')}`)
    return [{ path, what: `"${effect}" is no effect of a taint`, hint }]
  }
  const bad =
    badLabelKey(key) ?? (value === '' || LABEL_NAME.test(value) ? undefined : `"${value}" is no value of a taint`)
  return bad === undefined ? [] : [{ path, what: bad }]
}

/** Elements of a variable that may be a map, each with its own place. */
const named = (v: Vars, variable: 'k3s_platform_node_labels' | 'k3s_platform_node_taints'): Placed[] =>
  v[variable].map(({ at, text }) => ({ text, path: [variable, at] }))

/** Elements of a list that the map and the drop-ins make. */
const mapped = (settings: Settings, key: string): Placed[] =>
  settings.list(key).filter(({ path }) => CONFIG.some((name) => name === path[0]))

export const nodeRules: readonly Rule[] = [
  { reads: ['k3s_platform_node_labels'], find: ({ v }) => named(v, 'k3s_platform_node_labels').flatMap(label) },
  { reads: ['k3s_platform_node_taints'], find: ({ v }) => named(v, 'k3s_platform_node_taints').flatMap(taint) },
  { reads: CONFIG, find: ({ settings }) => mapped(settings, 'node-label').flatMap(label) },
  { reads: CONFIG, find: ({ settings }) => mapped(settings, 'node-taint').flatMap(taint) },
]
