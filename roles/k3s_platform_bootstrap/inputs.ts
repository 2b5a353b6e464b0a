// Lists the files that k3s starts with, besides its binary and its unit, with their content.

import { isIP } from 'node:net'
import { Secret } from '../../src/engine/secret.ts'
import type { FileSpec } from '../../src/host/kinds/file.ts'
import environment from '../../templates/environment.hbs'
import { type Config, dropins, listOf } from '../k3s/config.ts'
import type { RoleContext } from '../role.ts'
import { canonical, configOf, configText, meaningOfConfig, OURS, paths, wholeConfigOf } from './config.ts'
import { environmentValue } from './unit-quoting.ts'
import type { BootstrapVars } from './vars.ts'

/** config.yaml is the first. */
export function inputFiles(v: BootstrapVars, context: RoleContext, envFile: string): FileSpec[] {
  const at = paths(v)
  const yaml = (path: string, config: Config): FileSpec => {
    const content = configText(config)
    return { path, content, meaning: (text) => (text === content ? canonical(config) : meaningOfConfig(text)) }
  }
  const { k3s_platform_registries: registries, k3s_platform_kubelet_config: kubelet } = v
  return [
    yaml(at.config, configOf(v, context)),
    ...dropins(v).map(([name, content]) => yaml(`${at.dropins}/${name}`, content)),
    ...(kubelet === undefined ? [] : [yaml(at.kubelet, { ...KUBELET, ...kubelet })]),
    ...(registries === undefined
      ? []
      : [
          // Masked even without a password: what it replaces may have had one.
          { path: at.registries, content: new Secret(configText(registriesOf(registries, at.directory))) },
          ...authorities(registries, at.directory),
        ]),
    { path: envFile, content: new Secret(environment({ variables: environmentOf(v, context) })) },
  ]
}

/** Where files of ours may lie that are not wanted any more, as shell patterns below a directory. */
export function inputPlaces(v: BootstrapVars): { readonly directory: string; readonly pattern: string }[] {
  const at = paths(v)
  return [
    { directory: at.dropins, pattern: '*.y*ml' },
    ...['registries.yaml', 'registries-*.crt', 'kubelet.yaml'].map((pattern) => ({ directory: at.directory, pattern })),
  ]
}

const KUBELET = { apiVersion: 'kubelet.config.k8s.io/v1beta1', kind: 'KubeletConfiguration' }

type Registries = NonNullable<BootstrapVars['k3s_platform_registries']>

/** An own CA lies beside registries.yaml: `ca_file` is all that containerd knows. */
function caFile(directory: string, registry: string): string {
  return `${directory}/registries-${registry.replace(/[^\w.-]/g, '_')}.crt`
}

function authorities({ configs = {} }: Registries, directory: string): FileSpec[] {
  return Object.entries(configs).flatMap(([registry, { tls }]) =>
    tls?.ca === undefined ? [] : { path: caFile(directory, registry), content: `${OURS}\n${tls.ca.trim()}\n` },
  )
}

function registriesOf(registries: Registries, directory: string): Config {
  const configs = Object.entries(registries.configs ?? {}).map(([registry, { auth, tls }]) => {
    const { ca, ...rest } = tls ?? {}
    const files = ca === undefined ? rest : { ...rest, ca_file: caFile(directory, registry) }
    return [registry, { ...(auth && { auth: revealed(auth) }), ...(tls && { tls: files }) }]
  })
  return { ...registries, ...(registries.configs && { configs: Object.fromEntries(configs) }) }
}

function revealed(of: Readonly<Record<string, unknown>>): Config {
  return Object.fromEntries(
    Object.entries(of).map(([k, value]) => [k, value instanceof Secret ? value.reveal() : value]),
  )
}

function environmentOf(v: BootstrapVars, context: RoleContext): { name: string; value: string }[] {
  const own: [string, string | undefined][] = [
    ['K3S_DATASTORE_ENDPOINT', v.k3s_platform_datastore_endpoint?.reveal()],
    ['HTTP_PROXY', v.k3s_platform_http_proxy?.reveal()],
    ['HTTPS_PROXY', v.k3s_platform_https_proxy?.reveal()],
    ['NO_PROXY', noProxy(v, context)],
  ]
  return [
    ...own.flatMap(([name, value]) => (value === undefined ? [] : { name, value })),
    ...v.k3s_platform_k3s_env.map(({ name, value }) => ({ name, value: value.reveal() })),
  ].map(({ name, value }) => ({ name, value: environmentValue(value) }))
}

/** Without the cluster's own networks and names in it, a proxy cuts k3s off from itself. The cluster's domain is the last. */
export function noProxy(v: BootstrapVars, context: Pick<RoleContext, 'address'>): string | undefined {
  const given = v.k3s_platform_no_proxy
  if (!v.k3s_platform_http_proxy && !v.k3s_platform_https_proxy && given.length === 0) return undefined
  const config = wholeConfigOf(v, context)
  const networks = ['cluster-cidr', 'service-cidr', 'node-ip'].flatMap((key) =>
    listOf(config[key]).flatMap((value) => String(value).split(',')),
  )
  const node = isIP(context.address) ? [context.address] : []
  const domain = `.${String(config['cluster-domain'] ?? 'cluster.local')}`
  return [...new Set([...given, 'localhost', '127.0.0.0/8', ...networks, ...node, '.svc', domain])].join(',')
}
