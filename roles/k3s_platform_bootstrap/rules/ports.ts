// Rules for ports: of the API, and the range for Services of type NodePort.

import type { Finding } from '../../role.ts'
import { quoted } from '../../rules/rule.ts'
import type { Element } from '../settings.ts'
import { CONFIG, type VariableRule } from './rule.ts'
import { fits } from './values.ts'

/** Ports of a server that are taken by something else than the one that listens for the API. */
const TAKEN: Readonly<Record<number, string>> = {
  22: 'SSH',
  2379: 'etcd',
  2380: 'etcd',
  6444: "k3s's load balancer",
  10248: 'the kubelet',
  10249: 'kube-proxy',
  10250: 'the kubelet',
  10256: 'kube-proxy',
  10257: 'kube-controller-manager',
  10259: 'kube-scheduler',
}

const numberIn = (value: unknown) => (/^\d+$/.test(String(value)) ? Number(value) : Number.NaN)
const isPort = (value: unknown) => numberIn(value) >= 1 && numberIn(value) <= 65_535

export const portRules: readonly VariableRule[] = [
  {
    reads: ['k3s_platform_kube_apiserver_args', ...CONFIG],
    find: ({ settings }) => {
      const flag = settings.of('service-node-port-range')
      const inArgs = settings
        .list('kube-apiserver-arg', false)
        .filter(({ text }) => text.startsWith('service-node-port-range='))
        .map(({ text, ...at }): Element => ({ ...at, text: text.slice(text.indexOf('=') + 1) }))
      const inConfig = flag === undefined ? [] : [{ ...flag, text: String(flag.value) }]
      const [first] = inArgs
      return [
        ...[...inArgs, ...inConfig].filter(({ text }) => !isPortRange(text)).map(badRange),
        ...inConfig
          .filter(({ text }) => first !== undefined && text !== first.text && isPortRange(text))
          .map(({ path, text }) => ({
            path,
            what: `two values for service-node-port-range: ${first?.text} in k3s_platform_kube_apiserver_args wins over ${text} here`,
            hint: 'set the range in one place; k3s_platform_kube_apiserver_args: [] removes the default',
          })),
      ]
    },
  },
  {
    reads: CONFIG,
    find: ({ settings }) =>
      settings.all
        .filter(({ key, value }) => key.endsWith('-port') && fits('number', value) && !isPort(value))
        .map(({ key, value, path }) => ({
          path,
          what: `${key}: expected a port from 1 to 65535, got ${quoted(value)}`,
        })),
  },
  {
    reads: CONFIG,
    find: ({ settings }) => {
      const found = settings.of('https-listen-port')
      const taken = found && TAKEN[numberIn(found.value)]
      return taken ? [{ path: found.path, what: `https-listen-port: ${found.value} is the port of ${taken}` }] : []
    },
  },
]

function isPortRange(text: string): boolean {
  const [, from, to] = /^(\d+)-(\d+)$/.exec(text) ?? []
  return from !== undefined && Number(from) <= Number(to) && Number(to) <= 65_535
}

function badRange({ text, path }: Element): Finding {
  return { path, what: `service-node-port-range: expected a range such as 30000-32767, got "${text}"` }
}
