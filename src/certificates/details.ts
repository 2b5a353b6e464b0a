// Collects what the API says of each object of a certificate's chain, for programs; no key and no key authorization is in it.

import type { Bundle, Condition, Ingress, Pod, Service } from './bundle.ts'
import { factsOf } from './facts.ts'

const conditionsOf = (conditions: readonly Condition[]) =>
  conditions.map(({ type, status, reason = null, message = null, lastTransitionTime = null }) => ({
    ...{ type, status, reason, message, lastTransitionTime },
  }))

/** The objects of `explain`'s tree with their fields as cert-manager's API names them; null: absent. */
export function details(bundle: Bundle) {
  const { certificate, issuer, request, order, challenges, secret, open, faults } = factsOf(bundle)
  return {
    certificate: certificate === undefined ? null : certificateOf(certificate),
    issuer:
      issuer === undefined
        ? null
        : { kind: issuer.kind, name: issuer.metadata.name, conditions: conditionsOf(issuer.status.conditions) },
    request:
      request === undefined
        ? null
        : {
            name: request.metadata.name,
            usages: request.spec.usages,
            failureTime: request.status.failureTime ?? null,
            conditions: conditionsOf(request.status.conditions),
          },
    order:
      order === undefined
        ? null
        : {
            name: order.metadata.name,
            dnsNames: order.spec.dnsNames,
            ipAddresses: order.spec.ipAddresses,
            url: order.status.url ?? null,
            state: order.status.state ?? null,
            reason: order.status.reason ?? null,
            expired: order.status.state === 'expired',
          },
    challenges: challenges.map(({ metadata, spec, status }) => ({
      name: metadata.name,
      type: spec.type,
      dnsName: spec.dnsName,
      wildcard: spec.wildcard ?? false,
      token: spec.token ?? null,
      url: spec.url ?? null,
      state: status.state ?? null,
      presented: status.presented ?? false,
      processing: status.processing ?? false,
      reason: status.reason ?? null,
      solver: metadata.name === open?.metadata.name ? solverOf(bundle, metadata.name) : null,
    })),
    secret:
      secret === undefined
        ? null
        : {
            name: secret.name,
            type: secret.type,
            keys: secret.keys,
            annotations: Object.fromEntries(
              Object.entries(secret.annotations).filter(([key]) => key.startsWith('cert-manager.io/')),
            ),
            faults,
            pair:
              secret.pair === undefined
                ? null
                : {
                    ...secret.pair,
                    notBefore: secret.pair.notBefore.toISOString(),
                    notAfter: secret.pair.notAfter.toISOString(),
                  },
            chain: secret.chain() ?? null,
          },
  }
}

export type CertificateDetails = ReturnType<typeof details>

function certificateOf({ spec, status }: Bundle['certificates'][number]) {
  const { issuerRef, privateKey } = spec
  return {
    issuerRef: { kind: issuerRef.kind, name: issuerRef.name, group: issuerRef.group ?? 'cert-manager.io' },
    commonName: spec.commonName ?? null,
    dnsNames: spec.dnsNames,
    ipAddresses: spec.ipAddresses,
    uris: spec.uris,
    emailAddresses: spec.emailAddresses,
    isCA: spec.isCA ?? false,
    duration: spec.duration ?? null,
    renewBefore: spec.renewBefore ?? null,
    renewBeforePercentage: spec.renewBeforePercentage ?? null,
    usages: spec.usages,
    privateKey: {
      algorithm: privateKey?.algorithm ?? null,
      size: privateKey?.size ?? null,
      encoding: privateKey?.encoding ?? null,
      rotationPolicy: privateKey?.rotationPolicy ?? null,
    },
    notBefore: status.notBefore ?? null,
    lastFailureTime: status.lastFailureTime ?? null,
    failedIssuanceAttempts: status.failedIssuanceAttempts ?? 0,
    conditions: conditionsOf(status.conditions),
  }
}

/** What cert-manager has made for an HTTP-01 challenge, and whether its parts lead to each other. */
function solverOf(bundle: Bundle, challenge: string) {
  const isOwn = ({ metadata }: Ingress | Pod | Service) =>
    metadata.ownerReferences.some(({ kind, name }) => kind === 'Challenge' && name === challenge)
  const [pod, service, ingress] = [bundle.pods.find(isOwn), bundle.services.find(isOwn), bundle.ingresses.find(isOwn)]
  const [rule] = ingress?.spec.rules ?? []
  const [path] = rule?.http?.paths ?? []
  const backend = path?.backend?.service
  const ports =
    pod?.spec.containers.flatMap((one) => one.ports.flatMap(({ containerPort }) => containerPort ?? [])) ?? []
  return {
    pod: pod === undefined ? null : { name: pod.metadata.name, phase: pod.status.phase ?? null, ports },
    service:
      service === undefined
        ? null
        : {
            name: service.metadata.name,
            ports: service.spec.ports.map(({ port = null, targetPort = null }) => ({ port, targetPort })),
            selectsPod: pod !== undefined && selects(service, pod),
            reachesPod: service.spec.ports.some(({ port, targetPort = port }) =>
              ports.some((one) => one === targetPort),
            ),
          },
    ingress:
      ingress === undefined
        ? null
        : {
            name: ingress.metadata.name,
            class: ingress.spec.ingressClassName ?? ingress.metadata.annotations['kubernetes.io/ingress.class'] ?? null,
            host: rule?.host ?? null,
            path: path?.path ?? null,
            service: backend?.name ?? null,
            reachesService: service !== undefined && backend?.name === service.metadata.name,
          },
  }
}

function selects({ spec }: Service, { metadata }: Pod): boolean {
  const selector = Object.entries(spec.selector)
  return selector.length > 0 && selector.every(([key, value]) => metadata.labels[key] === value)
}
