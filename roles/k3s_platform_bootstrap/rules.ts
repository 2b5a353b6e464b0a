// Rules for well-formed variables, as one table. Each rule reads some variables and reports all findings.

import { isIP } from 'node:net'
import { nearest } from '../../src/engine/suggest.ts'
import { dropinFile } from '../k3s/config.ts'
import { choices, components, deprecated, flags, formerChoices, formOf, renamed, secretKeys } from '../k3s/flags.ts'
import type { Finding, Role, Written } from '../role.ts'
import { DNS_NAME, findingsOf, givenIn, hintOf, quoted } from '../rules/rule.ts'
import { paths } from './config.ts'
import { dangerOf } from './reset.ts'
import { networkFindings } from './rules/networks.ts'
import { nodeRules } from './rules/node.ts'
import { portRules } from './rules/ports.ts'
import { registryFindings } from './rules/registries.ts'
import { CONFIG, type VariableRule } from './rules/rule.ts'
import { argument, asSetting, differ, expected, fits, forms, twice } from './rules/values.ts'
import { Settings } from './settings.ts'
import { unused, type vars } from './vars.ts'

const LOST_AT_BOOT = /^\/+(run|tmp|var\/+run)(\/|$)/

const rules: readonly VariableRule[] = [
  // Names that have gone or never were.
  {
    reads: [],
    find: ({ given }) =>
      Object.entries(unused)
        .filter(([name]) => given(name))
        .map(([name, why]) => ({ path: [name], what: `${name} has no effect: ${why}`, warning: true })),
  },
  {
    reads: [...CONFIG, 'k3s_platform_k3s_config_allow'],
    find: ({ v, settings }) =>
      settings.all.flatMap(({ key, adds, own, path }): Finding[] => {
        if (own || v.k3s_platform_k3s_config_allow.includes(key)) return []
        const instead = renamed[key]
        if (instead !== undefined) return [{ path, what: `k3s no longer has the setting "${key}"`, hint: instead }]
        const shape = flags.get(key)
        if (shape === undefined) {
          const newer = `if k3s is newer than this program: k3s_platform_k3s_config_allow: [${key}]`
          return [{ path, what: `k3s has no setting "${key}"`, hint: hintOf(key, flags.keys(), newer) }]
        }
        if (adds && shape !== 'list')
          return [{ path, what: `"${key}" has a single value and cannot be appended to`, hint: `write ${key}` }]
        const better = deprecated[key]
        if (better !== undefined) return [{ path, what: `"${key}" is deprecated in k3s`, hint: better, warning: true }]
        return []
      }),
  },
  {
    reads: CONFIG,
    find: ({ settings }) =>
      settings.all.flatMap(({ key, path }): Finding[] => {
        const instead = secretKeys[key]
        if (instead === undefined) return []
        return [{ path, what: `"${key}" is a secret, but config.yaml is shown in plans`, hint: `use ${instead}` }]
      }),
  },
  // The shape of values, and values that are one of a few.
  {
    reads: CONFIG,
    find: ({ settings }) =>
      settings.all.flatMap(({ key, value, path, own }): Finding[] => {
        const shape = flags.get(key)
        if (own || shape === undefined || secretKeys[key] !== undefined || fits(shape, value)) return []
        return [{ path, what: `${key}: expected ${expected[shape]}, got ${quoted(value)}` }]
      }),
  },
  {
    reads: CONFIG,
    find: ({ settings }) =>
      Object.entries(choices).flatMap(([key, known]): Finding[] => {
        const found = settings.of(key)
        const value = String(found?.value)
        if (found === undefined || known.includes(value)) return []
        const instead = formerChoices[value] ?? nearest(value, known)
        return [
          {
            path: found.path,
            what: `${key}: expected one of ${known.join(', ')}, got ${quoted(found.value)}`,
            ...(instead === undefined ? {} : { hint: `did you mean ${instead}?` }),
          },
        ]
      }),
  },
  {
    reads: CONFIG,
    find: ({ settings }) =>
      Object.entries(formOf).flatMap(([key, form]) =>
        settings
          .list(key, flags.get(key) === 'list')
          .filter(({ text }) => text !== '' && !forms[form].fits(text))
          .map(({ text, path }) => ({ path, what: `${key}: expected ${forms[form].expected}, got "${text}"` })),
      ),
  },
  {
    reads: ['k3s_platform_disable_components', ...CONFIG],
    find: ({ settings }) =>
      settings
        .list('disable')
        .filter(({ text }) => !components.includes(text))
        .map(({ text, path }) => ({
          path,
          what: `k3s has no packaged component "${text}"`,
          hint: hintOf(text, components, `known: ${components.join(', ')}`),
        })),
  },
  // One setting, two values.
  {
    reads: ['k3s_platform_install_dir', 'k3s_platform_data_dir', ...CONFIG],
    find: ({ v, settings, given }) => [
      ...(given('k3s_platform_install_dir') && given('k3s_platform_data_dir') && differ(v)
        ? [
            {
              path: ['k3s_platform_data_dir'],
              what: `k3s_platform_install_dir is ${v.k3s_platform_install_dir}, but k3s_platform_data_dir is ${v.k3s_platform_data_dir}`,
              hint: 'both set the data directory of k3s: remove one',
            },
          ]
        : []),
      ...twice(settings.all.filter((one) => one.given && !one.adds)),
    ],
  },
  {
    reads: ['k3s_platform_k3s_env', 'k3s_platform_datastore_endpoint'],
    find: ({ v, given }) =>
      [
        ['K3S_DATASTORE_ENDPOINT', 'datastore_endpoint'],
        ['HTTP_PROXY', 'http_proxy'],
        ['HTTPS_PROXY', 'https_proxy'],
        ['NO_PROXY', 'no_proxy'],
      ].flatMap(([name, variable]): Finding[] =>
        v.k3s_platform_k3s_env.some((one) => one.name === name) && given(`k3s_platform_${variable}`)
          ? [
              {
                path: ['k3s_platform_k3s_env', name ?? ''],
                what: `${name} is also set by k3s_platform_${variable}`,
                hint: 'remove one',
              },
            ]
          : [],
      ),
  },
  {
    reads: ['k3s_platform_k3s_config_dropins'],
    find: ({ v }) => {
      const names = Object.keys(v.k3s_platform_k3s_config_dropins)
      return names
        .filter((name, i) => names.slice(0, i).some((other) => dropinFile(other) === dropinFile(name)))
        .map((name) => ({
          path: ['k3s_platform_k3s_config_dropins', name],
          what: `"${name}" is the file ${dropinFile(name)} again`,
        }))
    },
  },
  // Arguments of Kubernetes' programs.
  {
    reads: ['k3s_platform_kube_apiserver_args', ...CONFIG],
    find: ({ settings }) =>
      [...flags.keys()]
        .filter((key) => key.endsWith('-arg'))
        .flatMap((key) => {
          const args = settings.list(key, false)
          return [...args.flatMap(argument), ...twice(args.flatMap(asSetting))]
        }),
  },
  ...portRules,
  // Networks.
  {
    reads: ['k3s_platform_cluster_cidr', 'k3s_platform_service_cidr', 'k3s_platform_node_ip', ...CONFIG],
    find: networkFindings,
  },
  {
    reads: ['k3s_platform_tls_sans', ...CONFIG],
    find: ({ settings }) =>
      settings
        .list('tls-san')
        .filter(({ text }) => text !== '' && isIP(text) === 0 && (!DNS_NAME.test(text) || /^[\d.]+$/.test(text)))
        .map(({ text, path }) => ({
          path,
          what: `expected a DNS name or an IP address, got "${text}"`,
          ...(/^\w+:\/\/|:\d+$/.test(text) ? { hint: 'write only the name, without scheme and port' } : {}),
        })),
  },
  {
    reads: ['k3s_platform_no_proxy'],
    find: ({ v }) =>
      v.k3s_platform_no_proxy.flatMap((text, i): Finding[] =>
        /^\w+:\/\/|\s|\/(?!\d+$)/.test(text)
          ? [
              {
                path: ['k3s_platform_no_proxy', i],
                what: `expected a name, an address or a network, got "${text}"`,
                hint: 'such as .example.com, 192.0.2.7 or 192.0.2.0/24',
              },
            ]
          : [],
      ),
  },
  // Files and directories.
  {
    reads: ['k3s_platform_install_dir', 'k3s_platform_data_dir', ...CONFIG],
    find: ({ settings }) => {
      const found = settings.of('data-dir')
      if (found === undefined) return []
      const path = String(found.value)
      const why = /\p{Cc}/u.test(path)
        ? 'its name contains control characters'
        : LOST_AT_BOOT.test(path)
          ? 'its content is lost on every boot'
          : dangerOf(path)
      if (why === null) return []
      const what = `${path} cannot be the data directory of k3s: ${why}`
      return [{ path: found.path, what, hint: 'use a dedicated directory, such as /var/lib/rancher/k3s' }]
    },
  },
  {
    reads: ['k3s_platform_kubeconfig_path', 'k3s_platform_k3s_config_path'],
    find: ({ v }) => {
      const { registries, kubelet } = paths(v)
      return (['k3s_platform_k3s_config_path', 'k3s_platform_kubeconfig_path'] as const).flatMap((name): Finding[] => {
        if (v[name].endsWith('/')) return [{ path: [name], what: `expected a file, got the directory ${v[name]}` }]
        const other = [registries, kubelet, ...(name === 'k3s_platform_kubeconfig_path' ? [paths(v).config] : [])]
        return other.includes(v[name]) ? [{ path: [name], what: `k3s already has another file at ${v[name]}` }] : []
      })
    },
  },
  {
    reads: ['k3s_platform_write_kubeconfig_mode', ...CONFIG],
    find: ({ settings }) => {
      const found = settings.of('write-kubeconfig-mode')
      const mode = String(found?.value).replace(/^0o?/, '')
      if (found === undefined || !found.given) return []
      if (!/^[0-7]{3}$/.test(mode)) {
        const what = `write-kubeconfig-mode: expected an octal mode, got ${quoted(found.value)}`
        return [{ path: found.path, what, hint: 'in quotes, such as "0600"' }]
      }
      if (/[0-3]$/.test(mode)) return []
      const what = `with mode ${mode} every user on the host can read the cluster administrator's key`
      return [
        { path: found.path, what, hint: 'to let a group read it: "0640" and write-kubeconfig-group', warning: true },
      ]
    },
  },
  // The node.
  ...nodeRules,
  {
    reads: ['k3s_platform_kubelet_config'],
    find: ({ v }) =>
      Object.entries({ apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' })
        .filter(([key, value]) => (v.k3s_platform_kubelet_config?.[key] ?? value) !== value)
        .map(([key, value]) => ({
          path: ['k3s_platform_kubelet_config', key],
          what: `${key}: expected ${value}, got ${quoted(v.k3s_platform_kubelet_config?.[key])}`,
        })),
  },
  // The datastore.
  {
    reads: ['k3s_platform_datastore_endpoint', ...CONFIG],
    find: ({ v, settings }) => {
      const init = settings.all.find(({ key, value }) => key === 'cluster-init' && String(value) === 'true')
      if (v.k3s_platform_datastore_endpoint === undefined || init === undefined) return []
      const what = 'cluster-init creates an embedded etcd, but k3s_platform_datastore_endpoint sets another datastore'
      return [{ path: init.path, what, hint: 'remove one' }]
    },
  },
  { reads: ['k3s_platform_registries'], find: registryFindings },
]

/** All findings of all rules. */
export const findings: NonNullable<Role<typeof vars>['rules']> = (v, context, written: Written) => {
  const given = givenIn(written)
  return findingsOf(rules, { v, context, settings: new Settings(v, { given }), given }, written)
}
