// Builds the GitOps tree of the platform in the order in which it is applied, and reports what prevents the handoff.

import { type Manifest, refOf } from '../../src/cluster/object.ts'
import { caSecret } from '../../src/gitops/flux.ts'
import { AGE_SECRET, type GivenSecret, type Handover, type HandoverPart } from '../../src/gitops/handover.ts'
import { handoffBy } from '../handoff/vars.ts'
import type { Finding, RoleContext, Written } from '../role.ts'
import { reloadManifests } from './caddy-reload.ts'
import { certificateManifests } from './certificates.ts'
import { CHARTS_VARIABLE } from './custom-charts.ts'
import { issuerManifests } from './issuers.ts'
import { CERT_MANAGER, certManagerOn } from './materials.ts'
import { monitoringManifests } from './monitoring.ts'
import { fluxSecret, type Release, type ReleaseContext, releaseManifests } from './release.ts'
import { groupedReleases, releasesOf } from './releases.ts'
import { givenSecrets, namespacesOf } from './secrets.ts'
import { isMap, mapsIn, type Values } from './values.ts'
import type { AddonVars } from './vars.ts'
import { vaultManifests } from './vault.ts'

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
const MONITORING = 'platform-monitoring'
const SECONDS = 300
/** A label of every object that Flux applies holds the name of its Kustomization. */
const LABEL_VALUE = 63

/** Certificates are those of the inventory also in a recovery: self-signed ones are for one run, not for Git. */
export function handover(given: AddonVars, context: ReleaseContext): Handover {
  const v: AddonVars = { ...given, k3s_platform_certificates_fallback: undefined }
  return {
    cluster: context.host,
    by: handoffBy(v),
    root: v.k3s_platform_flux_root_path ?? `clusters/${context.host}`,
    gitUrl: v.k3s_platform_git_url,
    gitBranch: v.k3s_platform_git_branch,
    fluxNamespace: v.k3s_platform_flux_namespace,
    fluxSource: v.k3s_platform_flux_source_name,
    parts: partsOf(v, context),
    given: givenOf(v, context),
    sopsRecipients: v.k3s_platform_sops_age_recipients,
    decrypts: decrypts(v),
  }
}

const decrypts = (v: AddonVars) =>
  v.k3s_platform_sops_age_recipients.length > 0 || v.k3s_platform_sops_age_key !== undefined

function partsOf(v: AddonVars, context: ReleaseContext): HandoverPart[] {
  const all = groupedReleases(v, context)
  const released = (some: readonly Release[]) => (v.k3s_platform_handoff_addons ? some : [])
  const [first, others] = [released(all.first), released(all.others)]
  const custom = released([...all.custom.early, ...all.custom.late].flat())
  const { stores, secrets } = vaultManifests(v)
  const namespaces = [
    ...new Set([...[...first, ...others, ...custom].map((one) => one.namespace), ...namespacesOf(v)]),
  ].toSorted()
  const boundSeconds = SECONDS
  // Where Caddy is not in Git, it stays with the run, as Caddy does.
  const reload = v.k3s_platform_handoff_addons ? reloadManifests(v, context) : []
  const monitoring = monitoringManifests(v, context)
  const releases = (some: readonly Release[]) => ({
    files: some.map((one) => ({ name: one.name, manifests: releaseManifests(one, v) })),
    waitsFor: 'all' as const,
    boundSeconds: Math.max(0, ...some.map((one) => one.boundSeconds)),
  })
  return [
    {
      name: NAMESPACES,
      folder: 'namespaces',
      about: 'the namespaces of the other objects; they are never deleted',
      files: namespaces.map((name) => ({ name, manifests: [namespace(name, handoffBy(v))] })),
      ...{ after: [], waitsFor: 'all' as const, boundSeconds },
    },
    {
      name: CONTROLLERS,
      folder: 'controllers',
      about: 'the addons that install the CRDs of the other objects, as Helm releases',
      after: [NAMESPACES],
      ...releases(first),
    },
    {
      name: SECRETS,
      folder: 'secrets',
      about: 'the stores through which external-secrets reads Vault, and the ExternalSecrets',
      files: [
        ...stores.map((one) => ({ name: fileOf('store', one), manifests: [one] })),
        ...secrets.map((one) => ({ name: fileOf(one.metadata.name, one), manifests: [one] })),
      ],
      ...{ after: [NAMESPACES, CONTROLLERS], waitsFor: 'all' as const, boundSeconds },
    },
    {
      name: ADDONS,
      folder: 'addons',
      about: 'the other addons, as Helm releases',
      after: [NAMESPACES, CONTROLLERS, SECRETS],
      ...releases(others),
    },
    ...(reload.length > 0
      ? [
          {
            name: 'caddy-reload',
            folder: 'caddy-reload',
            about: 'the CronJob that makes Caddy load renewed certificates',
            files: [{ name: 'caddy-reload', manifests: reload }],
            ...{ after: [NAMESPACES, ADDONS], waitsFor: 'all' as const, boundSeconds },
          },
        ]
      : []),
    // Not the last part: workloads of others in the repository depend on the last one.
    ...(monitoring.length > 0
      ? [
          {
            name: MONITORING,
            folder: 'monitoring',
            about: 'what Prometheus scrapes and alerts on, and the dashboard',
            files: monitoring.map((one) => ({ name: one.kind.toLowerCase(), manifests: [one] })),
            after: [NAMESPACES, CONTROLLERS, ...custom.map(({ name }) => partOf(name))],
            ...{ waitsFor: 'all' as const, boundSeconds },
          },
        ]
      : []),
    ...(certManagerOn(v) ? issuance(v, context) : []),
    ...custom.map(
      (one): HandoverPart => ({
        name: partOf(one.name),
        folder: `charts/${one.name}`,
        about: `the chart ${one.name}`,
        after: [
          ...new Set([
            NAMESPACES,
            SECRETS,
            ...one.needs.map(brings),
            ...one.certificates.map((name) => `${name}-${one.namespace}`),
          ]),
        ],
        ...releases([one]),
      }),
    ),
  ]

  function brings(name: string): string {
    if (first.some((one) => one.name === name)) return CONTROLLERS
    return others.some((one) => one.name === name) ? ADDONS : partOf(name)
  }
}

/** The Kustomization of a custom chart. */
const partOf = (name: string) => `chart-${name}`

function issuance(v: AddonVars, context: ReleaseContext): HandoverPart[] {
  const issuers = issuerManifests(v)
  return [
    {
      name: ISSUERS,
      folder: 'issuers',
      about: 'the issuers of certificates',
      files: issuers.map(({ manifest }) => ({ name: manifest.metadata.name, manifests: [manifest] })),
      after: [NAMESPACES, CONTROLLERS, SECRETS],
      waitsFor: issuers.filter(({ needed }) => needed).map(({ manifest }) => refOf(manifest)),
      boundSeconds: SECONDS,
    },
    ...certificateManifests(v, context).map(({ certificate, namespace: space, placeholder }): HandoverPart => {
      const { name } = certificate.metadata
      // A placeholder has a Service of its own, the route to an application has not.
      const isRoute = placeholder.length === 1
      const beside = placeholder.length === 0 ? '' : ` and its ${isRoute ? 'Ingress' : 'placeholder Ingress for Caddy'}`
      return {
        name: `${name}-${space}`,
        folder: `certificates/${space}/${name}`,
        about: `the certificate ${space}/${name}${beside}`,
        files: [
          { name: 'certificate', manifests: [certificate] },
          ...(placeholder.length > 0 ? [{ name: isRoute ? 'ingress' : 'placeholder', manifests: placeholder }] : []),
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

function givenOf(v: AddonVars, context: ReleaseContext): GivenSecret[] {
  const own = givenSecrets(v).flatMap(({ title, name, namespaces, keys }) =>
    namespaces.map((one) => ({ namespace: one, name, keys, title })),
  )
  const issuers = issuerManifests(v).flatMap(({ manifest }) => refsIn(manifest, v))
  const charts = v.k3s_platform_handoff_addons ? releasesOf(v, context) : []
  const cas = charts.flatMap(({ name, release, source }): GivenSecret[] => {
    if (source.ca === undefined) return []
    const title = `the CA of the chart repository of ${name}`
    return [{ namespace: v.k3s_platform_flux_namespace, name: caSecret(release), keys: ['ca.crt'], title }]
  })
  const age = {
    ...{ namespace: v.k3s_platform_flux_namespace, name: AGE_SECRET, keys: ['age.agekey'] },
    title: 'the age private key',
  }
  const values = charts.flatMap((one) => fluxSecret(one, v))
  const all = [...own, ...issuers, ...cas, ...values, ...(handoffBy(v) === 'flux' && decrypts(v) ? [age] : [])]
  const same = (a: GivenSecret, b: GivenSecret) => a.namespace === b.namespace && a.name === b.name
  return all.filter((one, i) => all.findIndex((other) => same(one, other)) === i)
}

/** Secrets that an issuer of the inventory's own names; cert-manager reads them from its own namespace. */
function refsIn({ metadata, spec }: Manifest, v: AddonVars): GivenSecret[] {
  if (v.k3s_platform_issuers[metadata.name] === undefined) return []
  const found: GivenSecret[] = []
  const walk = (value: Values, at: string) => {
    const { name, key, secretName } = value
    if (at === 'ca' && typeof secretName === 'string') {
      const title = `the CA of the issuer ${metadata.name}`
      found.push({ namespace: CERT_MANAGER, name: secretName, keys: ['tls.crt', 'tls.key'], title })
    }
    // A webhook's `config` calls its Secrets as it likes, `applicationKeyRef` for one.
    const isSecretRef = /SecretRef$/i.test(at) || (/Ref$/.test(at) && typeof key === 'string')
    if (isSecretRef && typeof name === 'string' && !/^privateKeySecretRef$/.test(at)) {
      const keys = typeof key === 'string' ? [key] : []
      found.push({ namespace: CERT_MANAGER, name, keys, title: `the secret that the issuer ${metadata.name} requires` })
    }
    for (const [field, inner] of Object.entries(value)) {
      if (isMap(inner)) walk(inner, field)
      else if (Array.isArray(inner)) for (const one of mapsIn(inner)) walk(one, field)
    }
  }
  if (isMap(spec)) walk(spec, 'spec')
  return found
}

/** What the tree cannot be made of. */
export function handoffFindings(v: AddonVars, context: RoleContext, written: Written): Finding[] {
  const said = written.given('k3s_platform_handoff') ? 'k3s_platform_handoff' : 'k3s_platform_handoff_addons'
  return [
    ...(handoffBy(v) === 'argocd' && v.k3s_platform_git_url === undefined && !written.broken('k3s_platform_git_url')
      ? [
          {
            path: ['k3s_platform_handoff'],
            what: 'Argo CD requires the URL of the repository',
            hint: 'set k3s_platform_git_url, or GITOPS_REPO in the environment',
          },
        ]
      : []),
    ...(v.k3s_platform_handoff_addons && handoffBy(v) !== 'flux'
      ? [
          {
            path: [said],
            what: 'the addons can only be handed over to Flux: no other controller adopts an existing Helm release',
            hint: 'k3s_platform_handoff: flux, or k3s_platform_handoff_addons: false',
          },
        ]
      : []),
    ...(v.k3s_platform_handoff_addons ? releasesOf(v, context) : []).flatMap(
      ({ name, source, filePlace }): Finding[] => {
        if (source.file === undefined) return []
        const hint = `k3s_platform_handoff_addons: false, or ${source.settings.url}`
        return [
          { path: filePlace, what: `Flux cannot fetch the chart of ${name}: it is a file on the workstation`, hint },
        ]
      },
    ),
    ...names(v),
    ...generatedValues(v),
  ]
}

/** Kustomizations of Flux that would have one name, or one that is too long. */
function names(v: AddonVars): Finding[] {
  if (handoffBy(v) !== 'flux') return []
  const charts = v.k3s_platform_handoff_addons ? v.k3s_platform_charts.map(({ name }) => partOf(name)) : []
  const taken = new Map<string, string>(
    [NAMESPACES, CONTROLLERS, ADDONS, SECRETS, ISSUERS, MONITORING, ...charts].map((one) => [one, one]),
  )
  return v.k3s_platform_certificates.flatMap(({ name, namespaces }, i) =>
    namespaces.flatMap((space): Finding[] => {
      const one = `${name}-${space}`
      const path = ['k3s_platform_certificates', i, 'name']
      const other = taken.get(one)
      taken.set(one, `${space}/${name}`)
      const hint = 'rename it; set secretName to keep the name of its Secret'
      if (other !== undefined && other !== `${space}/${name}`)
        return [{ path, what: `the Kustomizations of ${other} and ${space}/${name} would both be ${one}`, hint }]
      if (one.length <= LABEL_VALUE) return []
      return [{ path, what: `its Kustomization ${one} would be longer than ${LABEL_VALUE} characters`, hint }]
    }),
  )
}

/** Flux reads values from its own namespace, and one generated there would be another one. */
function generatedValues(v: AddonVars): Finding[] {
  if (handoffBy(v) !== 'flux' || !v.k3s_platform_handoff_addons) return []
  return v.k3s_platform_charts.flatMap(({ secret_values: secrets }, i) =>
    (secrets?.generated ?? []).map(({ path }) => ({
      path: [CHARTS_VARIABLE, i, 'secret_values', ...path],
      what: 'a generated value cannot be handed over to Flux: the cluster keeps it for k3s alone',
      hint: 'set the value from an encrypted file, or k3s_platform_handoff_addons: false',
    })),
  )
}
