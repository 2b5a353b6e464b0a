// Prepares Flux's install manifest: selects controllers, sets the namespace and adds the proxy.

import { placed } from '../../src/cluster/manifests.ts'
import type { Manifest } from '../../src/cluster/object.ts'
import { isMap, type Json, type JsonMap } from '../../src/engine/state.ts'

/** The namespace that a release is made for. */
const HOME = 'flux-system'
const COMPONENT = 'app.kubernetes.io/component'
const NOTIFICATION = 'notification-controller'
const CONTAINER = 'manager'
const KUSTOMIZE = 'kustomize-controller'
/** What is newer ends the wait for the objects of before: https://github.com/fluxcd/kustomize-controller/pull/1520 */
const EAGER = '--feature-gates=CancelHealthCheckOnNewRevision=true'
/** Minor releases of Flux 2 whose kustomize-controller knows it (1.7 to 1.9): another one might end over it. */
const EAGER_MINORS = { from: 7, to: 9 }

export interface Install {
  /** canBeEager() of its version. */
  readonly eager: boolean
  readonly namespace: string
  /** Empty: all that it has. */
  readonly components: readonly string[]
  readonly proxy: ProxyEnvironment | null
}

/** A proxy's URL may hold a password: it stays in the Secret. */
interface ProxyEnvironment {
  readonly secret: string
  /** Keys of the Secret, each of which is the name of a variable. */
  readonly names: readonly string[]
  /** Changes when the Secret does: pods read it only when they start. */
  readonly mark: string
}

const PROXY_MARK = 'k3s-platform/proxy'

/** Throws an Error for a component that the manifest does not have. */
export function installed(
  manifests: readonly Manifest[],
  { eager, namespace, components, proxy }: Install,
): readonly Manifest[] {
  const known = manifests.filter(isController).map(({ metadata }) => metadata.name)
  const unknown = components.find((name) => !known.includes(name))
  if (unknown !== undefined)
    throw new Error(`it does not contain ${unknown}; it contains: ${known.toSorted().join(', ')}`)
  const wanted = components.length === 0 ? known : components
  const kept = manifests.filter((one) => wanted.includes(componentOf(one, known) ?? wanted[0] ?? ''))
  const more = (name: string) => (name === KUSTOMIZE && eager ? [EAGER] : [])
  return placed(kept, namespace, HOME).map((one) =>
    isController(one) ? controller(one, wanted, proxy, more(one.metadata.name)) : one,
  )
}

/** Whether the kustomize-controller of a release is told to let go of what is old. */
export function canBeEager(version: string): boolean {
  const minor = Number(/^v2\.(\d+)\./.exec(version)?.[1] ?? Number.NaN)
  return minor >= EAGER_MINORS.from && minor <= EAGER_MINORS.to
}

const isController = ({ kind }: Manifest) => kind === 'Deployment'

/** undefined: it belongs to all of them. The label may name what is no controller, as in what somebody made of the release. */
function componentOf({ metadata }: Manifest, known: readonly string[]): string | undefined {
  const name = metadata.labels?.[COMPONENT] ?? metadata.name
  return known.find((one) => one === name)
}

function controller(
  manifest: Manifest,
  wanted: readonly string[],
  proxy: ProxyEnvironment | null,
  more: readonly string[],
): Manifest {
  const quiet = wanted.includes(NOTIFICATION) ? [] : ['--events-addr=']
  const edit = (container: JsonMap): JsonMap => ({
    ...container,
    ...(Array.isArray(container.args) && {
      // Without the controller that takes them, events are for nobody.
      args: [
        ...container.args.map((arg: Json) => (String(arg).startsWith('--events-addr=') ? (quiet[0] ?? arg) : arg)),
        // Whoever has made the manifest may have set gates of their own.
        ...(container.args.some((arg: Json) => String(arg).startsWith('--feature-gates')) ? [] : more),
      ],
    }),
    ...(proxy && { env: [...listOf(container.env), ...environment(proxy)] }),
  })
  const template = mapOf(mapOf(manifest.spec).template)
  const pod = mapOf(template.spec)
  const metadata = mapOf(template.metadata)
  const annotations = proxy ? { annotations: { ...mapOf(metadata.annotations), [PROXY_MARK]: proxy.mark } } : {}
  const containers = listOf(pod.containers).map((one) => (mapOf(one).name === CONTAINER ? edit(mapOf(one)) : one))
  return {
    ...manifest,
    spec: {
      ...mapOf(manifest.spec),
      template: { ...template, metadata: { ...metadata, ...annotations }, spec: { ...pod, containers } },
    },
  }
}

function environment({ secret, names }: ProxyEnvironment): Json[] {
  return names.map((name) => ({ name, valueFrom: { secretKeyRef: { name: secret, key: name } } }))
}

const listOf = (value: Json | undefined): readonly Json[] => (Array.isArray(value) ? value : [])

function mapOf(value: Json | undefined): JsonMap {
  return isMap(value) ? value : {}
}
