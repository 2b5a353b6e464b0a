// What GitOps shall own of the platform, in the order in which it is applied, and what keeps it from that.

import { type Manifest, refOf } from '../../src/cluster/object.ts'
import { caSecret } from '../../src/gitops/flux.ts'
import { AGE_SECRET, type GivenSecret, type Handover, type Part } from '../../src/gitops/handover.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { type Addon, type AddonContext, enabled, releaseManifests, settingOf } from './addon.ts'
import { certificateManifests } from './certificates.ts'
import { issuerManifests } from './issuers.ts'
import { CERT_MANAGER, certManagerOn } from './materials.ts'
import { givenSecrets, namespacesOf } from './secrets.ts'
import { isMap, type Values } from './values.ts'
import type { Vars } from './vars.ts'
import { vaultManifests } from './vault.ts'

export interface Addons {
  /** What the rest stands on. */
  readonly first: readonly Addon[]
  readonly others: readonly Addon[]
}

/** A namespace takes everything in it along: neither of them deletes one. */
const KEPT = {
  flux: { 'kustomize.toolkit.fluxcd.io/prune': 'disabled' },
  argocd: { 'argocd.argoproj.io/sync-options': 'Prune=false' },
  none: undefined,
}
const NAMESPACES = 'platform-namespaces'
const CONTROLLERS = 'platform-controllers'
const SECRETS = 'platform-secrets'
const ADDONS = 'platform-addons'
const ISSUERS = 'cert-manager-issuer'
const SECONDS = 300
/** A label of every object that Flux applies holds the name of its Kustomization. */
const LABEL_VALUE = 63

/** Certificates are those of the inventory also in a recovery: self-signed ones are for one run, not for Git. */
export function handover(given: Vars, addons: Addons, context: AddonContext): Handover {
  const v: Vars = { ...given, k3s_platform_certificates_fallback: undefined }
  return {
    cluster: context.host,
    by: handoffBy(v),
    root: v.k3s_platform_flux_root_path ?? `clusters/${context.host}`,
    gitUrl: v.k3s_platform_git_url,
    gitBranch: v.k3s_platform_git_branch,
    fluxNamespace: v.k3s_platform_flux_namespace,
    fluxSource: v.k3s_platform_flux_source_name,
    parts: partsOf(v, addons, context),
    given: givenOf(v, addons, context),
    sopsRecipients: v.k3s_platform_sops_age_recipients,
    decrypts: decrypts(v),
  }
}

const decrypts = (v: Vars) => v.k3s_platform_sops_age_recipients.length > 0 || v.k3s_platform_sops_age_key !== undefined

function partsOf(v: Vars, addons: Addons, context: AddonContext): Part[] {
  const released = (some: readonly Addon[]) => (v.k3s_platform_handoff_addons ? enabled(some, v, context) : [])
  const [first, others] = [released(addons.first), released(addons.others)]
  const { stores, secrets } = vaultManifests(v)
  const namespaces = [...new Set([...[...first, ...others].map((one) => one.namespace), ...namespacesOf(v)])].toSorted()
  const boundSeconds = SECONDS
  const releases = (some: readonly Addon[]) => ({
    files: some.map((addon) => ({ name: addon.name, manifests: releaseManifests(addon, v, context) })),
    waitsFor: 'all' as const,
    boundSeconds: Math.max(0, ...some.map((addon) => addon.boundSeconds)),
  })
  return [
    {
      name: NAMESPACES,
      folder: 'namespaces',
      about: 'the namespaces that the rest is in; none is ever deleted',
      files: namespaces.map((name) => ({ name, manifests: [namespace(name, handoffBy(v))] })),
      ...{ after: [], waitsFor: 'all' as const, boundSeconds },
    },
    {
      name: CONTROLLERS,
      folder: 'controllers',
      about: 'what brings the kinds that the rest is made of, as releases of Helm',
      after: [NAMESPACES],
      ...releases(first),
    },
    {
      name: SECRETS,
      folder: 'secrets',
      about: 'where external-secrets reads Vault, and the Secrets that it makes',
      files: [
        ...stores.map((one) => ({ name: fileOf('store', one), manifests: [one] })),
        ...secrets.map((one) => ({ name: fileOf(one.metadata.name, one), manifests: [one] })),
      ],
      ...{ after: [NAMESPACES, CONTROLLERS], waitsFor: 'all' as const, boundSeconds },
    },
    {
      name: ADDONS,
      folder: 'addons',
      about: 'the other addons, as releases of Helm',
      after: [NAMESPACES, CONTROLLERS, SECRETS],
      ...releases(others),
    },
    ...(certManagerOn(v) ? issuance(v, context) : []),
  ]
}

function issuance(v: Vars, context: AddonContext): Part[] {
  const issuers = issuerManifests(v)
  return [
    {
      name: ISSUERS,
      folder: 'issuers',
      about: 'who issues certificates',
      files: issuers.map(({ manifest }) => ({ name: manifest.metadata.name, manifests: [manifest] })),
      after: [NAMESPACES, CONTROLLERS, SECRETS],
      waitsFor: issuers.filter(({ needed }) => needed).map(({ manifest }) => refOf(manifest)),
      boundSeconds: SECONDS,
    },
    ...certificateManifests(v, context).map(({ certificate, namespace: space, placeholder }): Part => {
      const { name } = certificate.metadata
      return {
        name: `${name}-${space}`,
        folder: `certificates/${space}/${name}`,
        about: `the certificate ${space}/${name}${placeholder.length > 0 ? ' and what holds its host at Caddy' : ''}`,
        files: [
          { name: 'certificate', manifests: [certificate] },
          ...(placeholder.length > 0 ? [{ name: 'placeholder', manifests: placeholder }] : []),
        ],
        after: [ISSUERS, ADDONS],
        waitsFor: v.k3s_platform_certificates_wait ? 'all' : 'none',
        boundSeconds: SECONDS,
      }
    }),
  ]
}

const fileOf = (name: string, { metadata }: Manifest) =>
  metadata.namespace === undefined ? name : `${metadata.namespace}-${name}`

function namespace(name: string, handoff: Handover['by']): Manifest {
  const annotations = KEPT[handoff]
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name, ...(annotations && { annotations }) } }
}

function givenOf(v: Vars, { first, others }: Addons, context: AddonContext): GivenSecret[] {
  const own = givenSecrets(v).flatMap(({ title, name, namespaces, keys }) =>
    namespaces.map((one) => ({ namespace: one, name, keys, title })),
  )
  const issuers = issuerManifests(v).flatMap(({ manifest }) => refsIn(manifest, v))
  const charts = v.k3s_platform_handoff_addons ? enabled([...first, ...others], v, context) : []
  const cas = charts.flatMap((addon): GivenSecret[] => {
    const { release, source } = settingOf(addon, v, context)
    if (source.ca === undefined) return []
    const title = `the CA of where the chart of ${addon.name} is`
    return [{ namespace: v.k3s_platform_flux_namespace, name: caSecret(release), keys: ['ca.crt'], title }]
  })
  const age = {
    ...{ namespace: v.k3s_platform_flux_namespace, name: AGE_SECRET, keys: ['age.agekey'] },
    title: 'the private age key',
  }
  const all = [...own, ...issuers, ...cas, ...(handoffBy(v) === 'flux' && decrypts(v) ? [age] : [])]
  const same = (a: GivenSecret, b: GivenSecret) => a.namespace === b.namespace && a.name === b.name
  return all.filter((one, i) => all.findIndex((other) => same(one, other)) === i)
}

/** Secrets that an issuer of the inventory's own names; cert-manager reads them from its own namespace. */
function refsIn({ metadata, spec }: Manifest, v: Vars): GivenSecret[] {
  if (v.k3s_platform_issuers[metadata.name] === undefined) return []
  const found: GivenSecret[] = []
  const walk = (value: Values, at: string) => {
    const { name, key, secretName } = value
    if (at === 'ca' && typeof secretName === 'string') {
      const title = `the CA of the issuer ${metadata.name}`
      found.push({ namespace: CERT_MANAGER, name: secretName, keys: ['tls.crt', 'tls.key'], title })
    }
    if (/SecretRef$/i.test(at) && typeof name === 'string' && !/^privateKeySecretRef$/.test(at)) {
      const keys = typeof key === 'string' ? [key] : []
      found.push({ namespace: CERT_MANAGER, name, keys, title: `what the issuer ${metadata.name} needs` })
    }
    for (const [field, inner] of Object.entries(value)) {
      if (isMap(inner)) walk(inner, field)
      else if (Array.isArray(inner)) for (const one of inner) if (isMap(one)) walk(one, field)
    }
  }
  if (isMap(spec)) walk(spec, 'spec')
  return found
}

/** What the tree cannot be made of. */
export function handoffFindings(v: Vars, addons: Addons, context: RoleContext, written: Written): Finding[] {
  const said = written.given('k3s_platform_handoff') ? 'k3s_platform_handoff' : 'k3s_platform_handoff_addons'
  const all = [...addons.first, ...addons.others]
  return [
    ...(handoffBy(v) === 'argocd' && v.k3s_platform_git_url === undefined && !written.broken('k3s_platform_git_url')
      ? [
          {
            path: ['k3s_platform_handoff'],
            what: 'Argo CD needs the URL of the repository',
            hint: 'set k3s_platform_git_url, or GITOPS_REPO in the environment',
          },
        ]
      : []),
    ...(v.k3s_platform_handoff_addons && handoffBy(v) !== 'flux'
      ? [
          {
            path: [said],
            what: 'the addons can only be handed to Flux: nobody else goes on with a release of Helm',
            hint: 'k3s_platform_handoff: flux, or k3s_platform_handoff_addons: false',
          },
        ]
      : []),
    ...(v.k3s_platform_handoff_addons ? enabled(all, v, context) : []).flatMap(({ key, name }): Finding[] => {
      const file = `k3s_platform_${key}_chart_file` as const
      if (v[file] === undefined) return []
      const hint = `k3s_platform_handoff_addons: false, or k3s_platform_${key}_chart_repo_url`
      return [{ path: [file], what: `Flux cannot fetch the chart of ${name}: it is a file of the workstation`, hint }]
    }),
    ...names(v),
  ]
}

/** Kustomizations of Flux that would have one name, or one that is too long. */
function names(v: Vars): Finding[] {
  if (handoffBy(v) !== 'flux') return []
  const taken = new Map<string, string>([NAMESPACES, CONTROLLERS, ADDONS, SECRETS, ISSUERS].map((one) => [one, one]))
  return v.k3s_platform_certificates.flatMap(({ name, namespaces }, i) =>
    namespaces.flatMap((space): Finding[] => {
      const one = `${name}-${space}`
      const path = ['k3s_platform_certificates', i, 'name']
      const other = taken.get(one)
      taken.set(one, `${space}/${name}`)
      const hint = 'give it another name; its Secret keeps its own by secretName'
      if (other !== undefined && other !== `${space}/${name}`)
        return [{ path, what: `the Kustomizations of ${other} and ${space}/${name} would both be ${one}`, hint }]
      if (one.length <= LABEL_VALUE) return []
      return [{ path, what: `its Kustomization ${one} would be longer than ${LABEL_VALUE} characters`, hint }]
    }),
  )
}
