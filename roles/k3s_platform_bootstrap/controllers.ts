// Installs Flux's controllers from the install manifest of a release, and verifies where the manifest comes from.

import { FIELD_MANAGER } from '../../src/cluster/cluster.ts'
import { markOf } from '../../src/cluster/kinds/applied-bundle.ts'
import { bundle, type Want } from '../../src/cluster/kinds/bundle.ts'
import { running } from '../../src/cluster/kinds/running.ts'
import { secret } from '../../src/cluster/kinds/secret.ts'
import { space } from '../../src/cluster/kinds/space.ts'
import { readManifests } from '../../src/cluster/manifests.ts'
import { idOf, type Manifest, type Ref } from '../../src/cluster/object.ts'
import type { ClusterResource } from '../../src/cluster/resource.ts'
import { type Problem, ProblemError } from '../../src/engine/problem.ts'
import { Secret } from '../../src/engine/secret.ts'
import type { Asset } from '../../src/supply/asset.ts'
import type { LockEntry } from '../../src/supply/lock.ts'
import { fetchManifest } from '../../src/supply/manifest.ts'
import type { Lockable } from '../../src/supply/resolve.ts'
import type { Supply } from '../../src/supply/supply.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Finding, RoleContext } from '../role.ts'
import { plainMirror } from '../rules/plain-http.ts'
import { noProxy } from './inputs.ts'
import { canBeEager, installed } from './install.ts'
import type { BootstrapVars } from './vars.ts'

const NAME = 'flux'
const VARIABLES = 'k3s_platform_flux'
/** On every object of a release. */
const LABEL = ['app.kubernetes.io/part-of', 'flux'] as const
const LABELS = LABEL.join('=')
const PROXY = 'flux-proxy'
const READY_SECONDS = 300

/** A kind of each controller: Flux can be spoken to once they are served. */
const KINDS: Readonly<Record<string, Pick<Ref, 'apiVersion' | 'kind'>>> = {
  'source-controller': { apiVersion: 'source.toolkit.fluxcd.io/v1', kind: 'GitRepository' },
  'kustomize-controller': { apiVersion: 'kustomize.toolkit.fluxcd.io/v1', kind: 'Kustomization' },
  'helm-controller': { apiVersion: 'helm.toolkit.fluxcd.io/v2', kind: 'HelmRelease' },
  'notification-controller': { apiVersion: 'notification.toolkit.fluxcd.io/v1', kind: 'Receiver' },
}

/** What the tree is of no use without, and why. */
const NEEDED: readonly (readonly [controller: string, does: string, when: (v: BootstrapVars) => boolean])[] = [
  ['source-controller', 'nothing reads the repository', () => true],
  ['kustomize-controller', 'nothing applies the tree', () => true],
  ['helm-controller', "nothing reconciles the addons' releases", (v) => v.k3s_platform_handoff_addons],
]

interface Supplied {
  readonly supply?: Supply | undefined
}

const entryOf = (v: BootstrapVars): LockEntry => ['manifests', NAME, v.k3s_platform_flux_version]

/** A pin in the inventory wins over the lock file, that over what the release publishes. */
function assetOf(v: BootstrapVars, { supply }: Supplied): Asset {
  const version = v.k3s_platform_flux_version
  const base = `${v.k3s_platform_flux_mirror_url}/${version}`
  const pinned = v.k3s_platform_flux_sha256
  const known = pinned ?? supply?.locked(entryOf(v)) ?? null
  const by = pinned !== undefined ? 'pinned' : known !== null ? 'locked' : null
  const file = fileOf(v, supply)
  if (file !== undefined) {
    const sha256 = known ?? supply?.digestOf(file) ?? null
    return { urls: [], sums: null, file, sha256, by: by ?? 'from the file', variables: VARIABLES }
  }
  const sums = { url: `${base}/flux_${version.slice(1)}_checksums.txt`, name: 'install.yaml' }
  return { urls: [`${base}/install.yaml`], sums, sha256: known, by: by ?? 'as published', variables: VARIABLES }
}

/** The stage `flux`: the Secret with the proxy where there is one, the controllers, and the proof that they run. */
export function controllerResources(v: BootstrapVars, context: RoleContext): ClusterResource[] {
  const version = v.k3s_platform_flux_version
  const namespace = v.k3s_platform_flux_namespace
  const components = v.k3s_platform_flux_components
  const asset = assetOf(v, context)
  const proxy = proxyOf(v, context)
  const read = new Map<string, readonly Manifest[]>()
  const controllers = bundle({
    name: NAME,
    title: 'Flux controllers',
    version,
    namespace,
    labels: LABELS,
    sha256: asset.sha256,
    by: asset.by ?? '',
    inputs: proxy === null ? [] : [proxy.id],
    also: proxy === null ? [] : [proxy.ref],
    want: async (cluster): Promise<Want> => {
      const { apiVersion, kind, name } = proxyRef(namespace)
      const listing = { apiVersion, kind, namespace, fields: `metadata.name=${name}`, metadataOnly: true }
      const [there] = proxy === null ? [] : await cluster.list(listing)
      const made = {
        eager: canBeEager(version),
        namespace,
        components,
        proxy: proxy && { ...proxy.environment, mark: there ? markOf(there) : '' },
      }
      return {
        settings: JSON.stringify(made),
        objects: async (sha256, signal) => {
          const { fetch } = context
          if (fetch === undefined) throw new Error('nothing is fetched by this run')
          const { text, sha256: got } = await fetchManifest({ ...asset, sha256 }, fetch, signal)
          const manifests = read.get(got) ?? understood(asset, version, () => readManifests(text))
          read.set(got, manifests)
          return { sha256: got, manifests: understood(asset, version, () => installed(manifests, made)) }
        },
      }
    },
    installers: {
      // `flux install`, and `kubectl apply` of its manifest.
      managers: ['flux', 'kubectl-client-side-apply', 'kubectl'],
      hint: `take them over once with: kubectl apply --server-side --force-conflicts --field-manager=${FIELD_MANAGER} -f ${asset.file ?? asset.urls[0]}, then run apply again`,
    },
  })
  const ready = running({
    name: NAME,
    title: 'Flux',
    namespace,
    labels: LABELS,
    controllers: components,
    kinds: components.flatMap((name) => KINDS[name] ?? []),
    inputs: [controllers.id],
    boundSeconds: READY_SECONDS,
  })
  return [...(proxy?.resources ?? []), controllers, ready]
}

/** What cannot be understood will not be by the next host: the file is another one than its name says. */
function understood<T>(asset: Asset, version: string, how: () => T): T {
  try {
    return how()
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const where = asset.file ?? asset.urls[0] ?? ''
    const hint = `check ${VARIABLES}_version, ${VARIABLES}_components and the source; nothing was applied`
    const what = `it is not an install manifest of Flux ${version} with the requested components`
    throw new ProblemError({ kind: 'failed', where, what, why: error.message, hint })
  }
}

const proxyRef = (namespace: string): Ref => ({ apiVersion: 'v1', kind: 'Secret', namespace, name: PROXY })

/** The way out that the node has; without it the controllers reach no repository. */
function proxyOf(v: BootstrapVars, context: RoleContext) {
  const { k3s_platform_http_proxy: http, k3s_platform_https_proxy: https, k3s_platform_flux_namespace: namespace } = v
  if (http === undefined && https === undefined) return null
  // Flux's controllers call each other by names with a dot at the end.
  const without = noProxy(v, context)?.replace(/(\.[^,]*)$/, '$1,$1.')
  const data = {
    ...(http && { HTTP_PROXY: http }),
    ...(https && { HTTPS_PROXY: https }),
    ...(without !== undefined && { NO_PROXY: new Secret(without) }),
  }
  const ref = proxyRef(namespace)
  return {
    ref,
    id: idOf(ref),
    environment: { secret: PROXY, names: Object.keys(data) },
    resources: [space(namespace), secret({ namespace, name: PROXY, data, labels: { [LABEL[0]]: LABEL[1] } })],
  }
}

/** What is known to be wrong before any host is spoken to. */
export function controllerFindings(v: BootstrapVars, { supply }: Supplied): readonly Finding[] {
  if (handoffBy(v) !== 'flux') return []
  const missing = NEEDED.filter(
    ([name, , when]) =>
      v.k3s_platform_flux_components.length > 0 && when(v) && !v.k3s_platform_flux_components.includes(name),
  )
  const needed = missing.map(([name, does]): Finding => {
    return {
      path: [`${VARIABLES}_components`],
      what: `without ${name} ${does}`,
      hint: `add ${name}; or leave the variable out`,
    }
  })
  return supply === undefined
    ? needed
    : [...needed, ...mirrorFindings(v, supply), ...fileFindings(v, supply), ...lockFindings(v, supply)]
}

function mirrorFindings(v: BootstrapVars, supply: Supply): Finding[] {
  if (assetOf(v, { supply }).by !== 'as published') return []
  return plainMirror(`${VARIABLES}_mirror_url`, v.k3s_platform_flux_mirror_url, supply)
}

function fileFindings(v: BootstrapVars, supply: Supply): Finding[] {
  const { file, sha256, by } = assetOf(v, { supply })
  if (file === undefined) return []
  const path = [`${VARIABLES}_manifest_file`]
  const got = supply.digestOf(file)
  if (got === undefined)
    return [{ path, what: `${file} cannot be read`, hint: 'relative paths start at the inventory' }]
  if (got === sha256) return []
  const what = `${file} is not install.yaml of ${v.k3s_platform_flux_version}: ${by} has the digest ${sha256}, expected ${got}`
  return [{ path, what, hint: 'download the file of that version, or correct the digest' }]
}

function lockFindings(v: BootstrapVars, supply: Supply): Finding[] {
  const version = v.k3s_platform_flux_version
  if (!supply.strict || (v.k3s_platform_flux_sha256 ?? supply.locked(entryOf(v))) !== undefined) return []
  const { lock, lockShown } = supply
  const words: Pick<Problem, 'what' | 'hint'> = {
    what: `the install manifest of Flux ${version} is not locked`,
    hint: `${lock.text === null ? 'there is no' : 'no entry in'} ${lockShown}: run k3s-platform lock -e ${VARIABLES}_version=${version} and commit the file (only what is locked or pinned is installed with --locked, and where CI is set)`,
  }
  return [{ path: [`${VARIABLES}_version`], ...words }]
}

/** What `lock` writes down. */
export function controllerLocks(v: BootstrapVars): readonly Lockable[] {
  if (handoffBy(v) !== 'flux' || v.k3s_platform_flux_sha256 !== undefined) return []
  const { sums } = assetOf({ ...v, k3s_platform_flux_manifest_file: undefined }, {})
  return sums === null ? [] : [{ entry: entryOf(v), sums, variables: VARIABLES }]
}

function fileOf(
  { k3s_platform_flux_manifest_file: given }: BootstrapVars,
  supply: Supply | undefined,
): string | undefined {
  return given === undefined ? undefined : (supply?.locate(given) ?? given)
}
