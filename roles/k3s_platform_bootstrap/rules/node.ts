// Rules for labels and taints, in every variable that sets them.

import type { Finding } from '../../role.ts'
import { DNS_NAME, hintOf } from '../../rules/rule.ts'
import type { Element, Settings } from '../settings.ts'
import type { BootstrapVars } from '../vars.ts'
import { CONFIG, type VariableRule } from './rule.ts'

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
    return `"${key}" is not a valid label or taint name`
  return undefined
}

function label({ text, path }: Placed): Finding[] {
  const [key = '', value, ...rest] = text.split('=')
  const hint =
    'use letters, digits, dots, dashes and underscores, at most 63; an optional prefix is a domain and a slash'
  if (value === undefined || rest.length > 0) return [{ path, what: `expected name=value, got "${text}"` }]
  const bad = badLabelKey(key)
  if (bad !== undefined) return [{ path, what: bad, hint }]
  if (value !== '' && !LABEL_NAME.test(value)) return [{ path, what: `"${value}" is not a valid label value`, hint }]
  if (!/(^|\.)(kubernetes|k8s)\.io\//.test(key) || ALLOWED_LABELS.test(key)) return []
  return [
    {
      path,
      what: `the kubelet refuses to start with the label ${key}`,
      hint: `a node may not set this label on itself; set it after the node joined: kubectl label node NAME ${text}`,
    },
  ]
}

function taint({ text, path }: Placed): Finding[] {
  const [, key = '', , value = '', effect = ''] = /^([^=:]*)(=([^:]*))?:(.*)$/.exec(text) ?? []
  if (effect === '') return [{ path, what: `expected name=value:Effect, got "${text}"` }]
  if (!EFFECTS.includes(effect)) {
    const hint = hintOf(effect, EFFECTS, `known: ${EFFECTS.join(', ')}`)
    return [{ path, what: `"${effect}" is not a taint effect`, hint }]
  }
  const bad =
    badLabelKey(key) ?? (value === '' || LABEL_NAME.test(value) ? undefined : `"${value}" is not a valid taint value`)
  return bad === undefined ? [] : [{ path, what: bad }]
}

/** Elements of a variable that may be a map, each with its own place. */
const named = (v: BootstrapVars, variable: 'k3s_platform_node_labels' | 'k3s_platform_node_taints'): Placed[] =>
  v[variable].map(({ at, text }) => ({ text, path: [variable, at] }))

/** Elements of a list that the map and the drop-ins make. */
const mapped = (settings: Settings, key: string): Placed[] =>
  settings.list(key).filter(({ path }) => CONFIG.some((name) => name === path[0]))

export const nodeRules: readonly VariableRule[] = [
  { reads: ['k3s_platform_node_labels'], find: ({ v }) => named(v, 'k3s_platform_node_labels').flatMap(label) },
  { reads: ['k3s_platform_node_taints'], find: ({ v }) => named(v, 'k3s_platform_node_taints').flatMap(taint) },
  { reads: CONFIG, find: ({ settings }) => mapped(settings, 'node-label').flatMap(label) },
  { reads: CONFIG, find: ({ settings }) => mapped(settings, 'node-taint').flatMap(taint) },
]
