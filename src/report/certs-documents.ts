// The shapes of what `certs -o json` prints; docs/schema/certs*.json are made from them.

import { z } from 'zod'
import { problem } from './run-v1.ts'

const count = z.int().nonnegative()
const texts = z.array(z.string()).readonly()
const nullable = z.string().nullable()
const conditionsOf = z
  .array(
    z
      .strictObject({
        type: z.string(),
        status: z.string(),
        reason: nullable,
        message: nullable,
        lastTransitionTime: nullable,
      })
      .readonly(),
  )
  .readonly()

const certificateDetails = z.strictObject({
  certificate: z
    .strictObject({
      issuerRef: z.strictObject({ kind: z.string(), name: z.string(), group: z.string() }),
      commonName: nullable,
      dnsNames: texts,
      ipAddresses: texts,
      uris: texts,
      emailAddresses: texts,
      isCA: z.boolean(),
      duration: nullable,
      renewBefore: nullable,
      renewBeforePercentage: z.number().nullable(),
      usages: texts,
      privateKey: z.strictObject({
        algorithm: nullable,
        size: z.number().nullable(),
        encoding: nullable,
        rotationPolicy: nullable,
      }),
      notBefore: nullable,
      lastFailureTime: nullable,
      failedIssuanceAttempts: count,
      conditions: conditionsOf,
    })
    .nullable(),
  issuer: z.strictObject({ kind: z.string(), name: z.string(), conditions: conditionsOf }).nullable(),
  request: z
    .strictObject({
      name: z.string(),
      usages: texts,
      failureTime: nullable,
      conditions: conditionsOf.describe('Approved and Denied among them'),
    })
    .nullable(),
  order: z
    .strictObject({
      name: z.string(),
      dnsNames: texts,
      ipAddresses: texts,
      url: nullable,
      state: nullable,
      reason: nullable,
      expired: z.boolean(),
    })
    .nullable(),
  challenges: z
    .array(
      z.strictObject({
        name: z.string(),
        type: z.string(),
        dnsName: z.string(),
        wildcard: z.boolean(),
        token: nullable.describe('without the key authorization'),
        url: nullable,
        state: nullable,
        presented: z.boolean(),
        processing: z.boolean(),
        reason: nullable,
        solver: z
          .strictObject({
            pod: z
              .strictObject({ name: z.string(), phase: nullable, ports: z.array(z.number()).readonly() })
              .nullable(),
            service: z
              .strictObject({
                name: z.string(),
                ports: z
                  .array(
                    z.strictObject({
                      port: z.number().nullable(),
                      targetPort: z.union([z.number(), z.string()]).nullable(),
                    }),
                  )
                  .readonly(),
                selectsPod: z.boolean(),
                reachesPod: z.boolean(),
              })
              .nullable(),
            ingress: z
              .strictObject({
                name: z.string(),
                class: nullable,
                host: nullable,
                path: nullable,
                service: nullable,
                reachesService: z.boolean(),
              })
              .nullable(),
          })
          .nullable()
          .describe('of the challenge that is open; what cert-manager made for HTTP-01'),
      }),
    )
    .readonly(),
  secret: z
    .strictObject({
      name: z.string(),
      type: z.string(),
      keys: texts,
      annotations: z.record(z.string(), z.string()),
      faults: texts.describe('what it lacks to be the key pair that the Certificate asks for'),
      pair: z
        .strictObject({
          names: texts,
          notBefore: z.string(),
          notAfter: z.string(),
          issuer: z.string(),
          serial: z.string(),
          selfSigned: z.boolean(),
          keyFits: z.boolean(),
        })
        .nullable(),
      chain: z
        .strictObject({
          length: count,
          isOrdered: z.boolean(),
          endsAt: z.enum(['self', 'ca.crt', 'public root', 'unknown']),
        })
        .nullable(),
    })
    .nullable(),
})

const componentsOf = z.strictObject({
  host: z.string(),
  deployments: z
    .array(
      z.strictObject({
        name: z.string(),
        state: z.enum(['Pending', 'Running', 'Degraded', 'Failed']),
        available: count,
        replicas: count,
        reason: nullable,
      }),
    )
    .readonly(),
  webhooks: z
    .array(
      z.strictObject({
        name: z.string(),
        kind: z.string(),
        failurePolicy: z.string(),
        hasCa: z.boolean(),
        service: z.string(),
        readyEndpoints: count,
      }),
    )
    .readonly(),
  serviceMonitors: z
    .array(z.strictObject({ name: z.string(), services: texts.describe('what its selector matches') }))
    .readonly(),
})

export const certsDocument = z.strictObject({
  schema: z.literal('k3s-platform/certs/v1'),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  certificates: z
    .array(
      z
        .strictObject({
          host: z.string(),
          namespace: z.string(),
          name: z.string(),
          status: z
            .enum(['issued', 'pending', 'failed'])
            .describe('tls_status: whether there is a key pair that clients accept'),
          state: z
            .enum(['Ready', 'Renewing', 'RenewalFailing', 'Issuing', 'Pending', 'Error', 'Expired'])
            .describe('Renewing, RenewalFailing: the previous key pair is valid and in use'),
          issuer: z.string(),
          issuerKind: z.string(),
          names: z.array(z.string()).readonly(),
          secretName: z.string(),
          createdAt: z.string().nullable().describe('RFC 3339, as all times'),
          notBefore: z.string().nullable(),
          notAfter: z.string().nullable().describe('RFC 3339; null: not issued yet'),
          renewalTime: z.string().nullable(),
          owner: z
            .string()
            .nullable()
            .describe('what manages it: Flux (platform-root), k3s-platform, Ingress shop; null: nothing known'),
          consumers: z
            .array(z.string())
            .readonly()
            .optional()
            .describe('list: what uses its Secret: Deployment/web, Ingress/shop'),
          tree: z
            .array(z.strictObject({ depth: count, object: z.string(), state: z.string() }).readonly())
            .readonly()
            .optional()
            .describe('explain: its related objects, from top to bottom'),
          because: z
            .strictObject({
              rule: z.string(),
              cause: z.string(),
              evidence: z.array(z.string()).readonly(),
              fix: z.string(),
              after: z.string(),
            })
            .readonly()
            .nullable()
            .optional()
            .describe('explain; null: no problem'),
          details: certificateDetails.optional().describe('explain: what the API says of each object; null: absent'),
        })
        .readonly(),
    )
    .readonly(),
  certManager: z
    .array(componentsOf.readonly())
    .readonly()
    .optional()
    .describe('explain: how cert-manager itself is, on each host'),
  problems: z.array(problem).readonly(),
})

const shown = z
  .strictObject({
    state: z
      .enum(['Current', 'Outdated', 'Different', 'Unreachable'])
      .describe('Outdated: the server has not loaded the Secret since it was issued'),
    notAfter: z.string().nullable().describe('RFC 3339; null: no certificate was shown'),
    why: z.string().nullable(),
  })
  .readonly()

export const certsCheckDocument = z.strictObject({
  schema: z.literal('k3s-platform/certs-check/v1'),
  exitCode: z.union([z.literal(0), z.literal(1), z.literal(2)]),
  served: z
    .array(
      z
        .strictObject({
          host: z.string(),
          namespace: z.string(),
          name: z.string().describe('of the Certificate'),
          servername: z.string(),
          node: shown.describe('asked from the node, at Caddy'),
          outside: shown.nullable().describe('asked from the workstation, where DNS leads; null: a wildcard'),
        })
        .readonly(),
    )
    .readonly(),
  problems: z.array(problem).readonly(),
})

export const certsEnsureDocument = z.strictObject({
  schema: z.literal('k3s-platform/certs-ensure/v1'),
  exitCode: z
    .union([z.literal(0), z.literal(1), z.literal(2), z.literal(130)])
    .describe('2: only with --check, changes are pending'),
  domains: z
    .array(
      z
        .strictObject({
          host: z.string(),
          app: z.string(),
          namespace: z.string(),
          certificate: z.string(),
          domain: z.string().describe('in lowercase ASCII, as in DNS'),
          tls_status: z.enum(['issued', 'pending', 'failed']),
          dns_configured: z
            .boolean()
            .nullable()
            .describe('whether all addresses of the domain are those of the host; null: DNS did not answer'),
          expires: nullable.describe('RFC 3339; null: not issued yet'),
          secret: z.string(),
        })
        .readonly(),
    )
    .readonly(),
  problems: z.array(problem).readonly(),
})

export type CertsEnsureDocument = z.output<typeof certsEnsureDocument>
export type CertsCheckDocument = z.output<typeof certsCheckDocument>
export type CertsDocument = z.output<typeof certsDocument>
