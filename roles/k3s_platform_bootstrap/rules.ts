// What well-formed variables may still not say, as one table: each rule reads some variables and tells of all it finds.

import { isIP } from 'node:net'
import { nearest } from '../../src/engine/suggest.ts'
import type { Finding, Role, Written } from '../role.ts'
import { dropinFile, paths } from './config.ts'
import { choices, components, flags, formerChoices, formOf, renamed, secretKeys } from './k3s-flags.ts'
import { dangerOf } from './reset.ts'
import { networkFindings } from './rules/networks.ts'
import { nodeRules } from './rules/node.ts'
import { portRules } from './rules/ports.ts'
import { registryFindings } from './rules/registries.ts'
import { type Asked, CONFIG, DNS_NAME, hintOf, quoted, type Rule } from './rules/rule.ts'
import { argument, asSetting, differ, expected, fits, forms, twice } from './rules/values.ts'
import { Settings } from './settings.ts'
import { unused, type vars } from './vars.ts'

const LOST_AT_BOOT = /^\/+(run|tmp|var\/+run)(\/|$)/

const rules: readonly Rule[] = [
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
        if (instead !== undefined) return [{ path, what: `k3s has no setting "${key}" any more`, hint: instead }]
        const shape = flags.get(key)
        if (shape === undefined) {
          const newer = `if k3s is newer than this program: k3s_platform_k3s_config_allow: [${key}]`
          return [{ path, what: `k3s has no setting "${key}"`, hint: hintOf(key, flags.keys(), newer) }]
        }
        if (adds && shape !== 'list')
          return [{ path, what: `"${key}" takes one value, nothing can be added to it`, hint: `write ${key}` }]
        return []
      }),
  },
  {
    reads: CONFIG,
    find: ({ settings }) =>
      settings.all.flatMap(({ key, path }): Finding[] => {
        const instead = secretKeys[key]
        if (instead === undefined) return []
        return [{ path, what: `"${key}" is a secret, and config.yaml is shown in plans`, hint: `use ${instead}` }]
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
          what: `k3s brings no component "${text}" along`,
          hint: hintOf(text, components, `there are: ${components.join(', ')}`),
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
              what: `k3s_platform_install_dir says ${v.k3s_platform_install_dir} and k3s_platform_data_dir ${v.k3s_platform_data_dir}`,
              hint: 'both are the data directory of k3s: remove one',
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
                what: `${name} is what k3s_platform_${variable} sets`,
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
          what: `"${name}" is the file ${dropinFile(name)} once more`,
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
          ...(/^\w+:\/\/|:\d+$/.test(text) ? { hint: 'the name alone, without scheme and port' } : {}),
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
      const why = LOST_AT_BOOT.test(path) ? 'it is lost at every boot' : dangerOf(path)
      if (why === null) return []
      const what = `the data of k3s cannot be in ${path}: ${why}`
      return [{ path: found.path, what, hint: 'give it a directory of its own, such as /var/lib/rancher/k3s' }]
    },
  },
  {
    reads: ['k3s_platform_kubeconfig_path', 'k3s_platform_k3s_config_path'],
    find: ({ v }) => {
      const { registries, kubelet } = paths(v)
      return (['k3s_platform_k3s_config_path', 'k3s_platform_kubeconfig_path'] as const).flatMap((name): Finding[] => {
        if (v[name].endsWith('/')) return [{ path: [name], what: `expected a file, got the directory ${v[name]}` }]
        const other = [registries, kubelet, ...(name === 'k3s_platform_kubeconfig_path' ? [paths(v).config] : [])]
        return other.includes(v[name]) ? [{ path: [name], what: `another file of k3s is at ${v[name]}` }] : []
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
      const what = `with mode ${mode} everybody on the host reads the key of the cluster's administrator`
      return [{ path: found.path, what, hint: '"0640" and write-kubeconfig-group let a group read it', warning: true }]
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
      const what = 'cluster-init makes an embedded etcd, k3s_platform_datastore_endpoint names another datastore'
      return [{ path: init.path, what, hint: 'remove one' }]
    },
  },
  { reads: ['k3s_platform_registries'], find: registryFindings },
]

/** All findings of all rules. */
export const findings: NonNullable<Role<typeof vars>['rules']> = (v, context, written: Written) => {
  const given = (name: string) => written.given(name) && !written.broken(name)
  const asked: Asked = { v, context, settings: new Settings(v, { given }), given }
  return rules.filter(({ reads }) => !reads.some((name) => written.broken(name))).flatMap(({ find }) => find(asked))
}
