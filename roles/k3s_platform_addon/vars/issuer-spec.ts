// The spec of a ClusterIssuer as cert-manager 1.21 takes it: its API types, and the rules of its webhook.

import { z } from 'zod'
import { objectName } from '../../shapes.ts'

type Fields = Readonly<Record<string, unknown>>
interface Report {
  addIssue(issue: { code: 'custom'; path: PropertyKey[]; message: string }): void
}

const text = z.string().min(1)
const texts = z.array(text)
const labels = z.record(z.string(), z.string())
const flag = z.boolean()
const name = z.strictObject({ name: objectName })
const secretKey = z.strictObject({ name: objectName, key: text })
const secret = z.strictObject({ name: objectName, key: text.optional() })
const serviceAccount = z.strictObject({ name: objectName, audiences: texts.optional() })
/** `caBundle` is base64 of PEM. */
const caBundle = z.string().refine((given) => Buffer.from(given, 'base64').includes('-----BEGIN CERTIFICATE-----'), {
  error: 'expected a CA certificate: PEM, encoded as base64',
})
/** A mount path of Vault. */
const path = text.refine((given) => !given.split('/').includes('..'), { error: "expected a path without '..'" })

/** Exactly one of the fields is set. */
const oneOf =
  (...fields: readonly string[]) =>
  (value: Fields, report: Report) => {
    const set = fields.filter((field) => value[field] !== undefined)
    if (set.length === 1) return
    const message =
      set.length === 0 ? `expected one of ${fields.join(', ')}` : `${set.join(' and ')} exclude each other`
    report.addIssue({ code: 'custom', path: [], message })
  }
/** At most one of the fields is set. */
const atMostOneOf =
  (...fields: readonly string[]) =>
  (value: Fields, report: Report) => {
    if (fields.filter((field) => value[field] !== undefined).length > 1) oneOf(...fields)(value, report)
  }
/** Where one of the fields is set, all are. */
const together =
  (...fields: readonly string[]) =>
  (value: Fields, report: Report) => {
    const missing = fields.filter((field) => value[field] === undefined)
    if (missing.length === 0 || missing.length === fields.length) return
    report.addIssue({ code: 'custom', path: [], message: `lacks ${missing.join(' and ')}` })
  }

const PROVIDERS = {
  acmeDNS: z.strictObject({ host: text, accountSecretRef: secretKey }),
  akamai: z.strictObject({
    serviceConsumerDomain: text,
    clientTokenSecretRef: secretKey,
    clientSecretSecretRef: secretKey,
    accessTokenSecretRef: secretKey,
  }),
  azureDNS: z
    .strictObject({
      clientID: text.optional(),
      clientSecretSecretRef: secretKey.optional(),
      tenantID: text.optional(),
      subscriptionID: text,
      resourceGroupName: text,
      hostedZoneName: text.optional(),
      environment: z
        .enum(['AzurePublicCloud', 'AzureChinaCloud', 'AzureGermanCloud', 'AzureUSGovernmentCloud'])
        .optional(),
      managedIdentity: z
        .strictObject({ clientID: text.optional(), resourceID: text.optional(), tenantID: text.optional() })
        .optional(),
      zoneType: z.enum(['AzurePrivateZone', 'AzurePublicZone']).optional(),
    })
    .superRefine(together('clientID', 'clientSecretSecretRef', 'tenantID'))
    .superRefine(atMostOneOf('clientID', 'managedIdentity')),
  cloudDNS: z.strictObject({
    serviceAccountSecretRef: secretKey.optional(),
    project: text,
    hostedZoneName: text.optional(),
  }),
  cloudflare: z
    .strictObject({
      email: z.email().optional(),
      apiKeySecretRef: secretKey.optional(),
      apiTokenSecretRef: secretKey.optional(),
    })
    .superRefine(oneOf('apiKeySecretRef', 'apiTokenSecretRef'))
    .refine(({ apiKeySecretRef, email }) => apiKeySecretRef === undefined || email !== undefined, {
      error: 'an API key requires the email of its account',
    }),
  digitalocean: z.strictObject({ tokenSecretRef: secretKey }),
  rfc2136: z
    .strictObject({
      nameserver: text,
      tsigSecretSecretRef: secretKey.optional(),
      tsigKeyName: text.optional(),
      tsigAlgorithm: z
        .string()
        .regex(/^HMAC(?:MD5|SHA1|SHA256|SHA512)$/i, 'expected HMACMD5, HMACSHA1, HMACSHA256 or HMACSHA512')
        .optional(),
      protocol: z.enum(['TCP', 'UDP']).optional(),
    })
    .superRefine(together('tsigSecretSecretRef', 'tsigKeyName')),
  route53: z
    .strictObject({
      auth: z.strictObject({ kubernetes: z.strictObject({ serviceAccountRef: serviceAccount }) }).optional(),
      accessKeyID: text.optional(),
      accessKeyIDSecretRef: secretKey.optional(),
      secretAccessKeySecretRef: secret.optional(),
      role: text.optional(),
      hostedZoneID: text.optional(),
      region: text.optional(),
    })
    .superRefine(atMostOneOf('accessKeyID', 'accessKeyIDSecretRef')),
  webhook: z.strictObject({ groupName: text, solverName: text, config: z.json().optional() }),
}

const dns01 = z
  .strictObject({ cnameStrategy: z.enum(['None', 'Follow']).optional(), ...optional(PROVIDERS) })
  .superRefine(oneOf(...Object.keys(PROVIDERS)))

function optional<T extends Readonly<Record<string, z.ZodType>>>(shapes: T) {
  return z.strictObject(shapes).partial().shape
}

const podTemplate = z.strictObject({
  metadata: z.strictObject({ annotations: labels.optional(), labels: labels.optional() }).optional(),
  spec: z.record(z.string(), z.json()).optional(),
})
const serviceType = z.enum(['ClusterIP', 'NodePort'])
const http01 = z
  .strictObject({
    ingress: z
      .strictObject({
        serviceType: serviceType.optional(),
        ingressClassName: objectName.optional(),
        class: text.optional(),
        name: text.optional(),
        podTemplate: podTemplate.optional(),
        ingressTemplate: podTemplate.omit({ spec: true }).optional(),
      })
      .superRefine(oneOf('ingressClassName', 'class', 'name'))
      .optional(),
    gatewayHTTPRoute: z
      .strictObject({
        serviceType: serviceType.optional(),
        labels: labels.optional(),
        parentRefs: z.array(z.record(z.string(), z.json())).optional(),
        podTemplate: podTemplate.optional(),
      })
      .optional(),
  })
  .superRefine(oneOf('ingress', 'gatewayHTTPRoute'))

const acme = z
  .strictObject({
    server: z.string().regex(/^https:\/\/[^\s/]+/, 'expected the https URL of an ACME directory'),
    email: z.email().optional(),
    privateKeySecretRef: secret,
    preferredChain: text.optional(),
    profile: text.optional(),
    caBundle: caBundle.optional(),
    skipTLSVerify: flag.optional(),
    externalAccountBinding: z
      .strictObject({
        keyID: text,
        keySecretRef: secretKey,
        keyAlgorithm: z.enum(['HS256', 'HS384', 'HS512']).optional(),
      })
      .optional(),
    disableAccountKeyGeneration: flag.optional(),
    enableDurationFeature: flag.optional(),
    solvers: z
      .array(
        z
          .strictObject({
            selector: z
              .strictObject({ matchLabels: labels.optional(), dnsNames: texts.optional(), dnsZones: texts.optional() })
              .optional(),
            http01: http01.optional(),
            dns01: dns01.optional(),
            waitInsteadOfSelfCheck: z
              .string()
              .regex(/^(?:\d+(?:\.\d+)?(?:h|m|s|ms))+$/, 'expected a duration such as 1m30s')
              .optional(),
          })
          .superRefine(oneOf('http01', 'dns01')),
      )
      .min(1, 'no solver: no name can be validated; set http01 or dns01'),
  })
  .superRefine(atMostOneOf('caBundle', 'skipTLSVerify'))

const vault = z
  .strictObject({
    server: z.string().regex(/^https?:\/\/[^\s/]+/, 'expected the URL of Vault'),
    serverName: text.optional(),
    path,
    namespace: text.optional(),
    caBundle: caBundle.optional(),
    caBundleSecretRef: secret.optional(),
    clientCertSecretRef: secret.optional(),
    clientKeySecretRef: secret.optional(),
    auth: z
      .strictObject({
        tokenSecretRef: secret.optional(),
        appRole: z.strictObject({ path, roleId: text, secretRef: secretKey }).optional(),
        clientCertificate: z
          .strictObject({ mountPath: path.optional(), secretName: objectName.optional(), name: text.optional() })
          .optional(),
        kubernetes: z
          .strictObject({
            mountPath: path.optional(),
            role: text,
            secretRef: secret.optional(),
            serviceAccountRef: serviceAccount.optional(),
          })
          .superRefine(oneOf('secretRef', 'serviceAccountRef'))
          .optional(),
        aws: z
          .strictObject({
            mountPath: path.optional(),
            role: text,
            region: text.optional(),
            serviceAccountRef: serviceAccount.optional(),
            iamRoleArn: text.optional(),
            vaultHeaderValue: text.optional(),
          })
          .superRefine(together('serviceAccountRef', 'iamRoleArn'))
          .optional(),
      })
      .superRefine(oneOf('tokenSecretRef', 'appRole', 'clientCertificate', 'kubernetes', 'aws')),
  })
  .superRefine(atMostOneOf('caBundle', 'caBundleSecretRef'))
  .superRefine(together('clientCertSecretRef', 'clientKeySecretRef'))

const venafi = z
  .strictObject({
    zone: text,
    tpp: z
      .strictObject({
        url: text,
        credentialsRef: name,
        caBundle: caBundle.optional(),
        caBundleSecretRef: secret.optional(),
      })
      .superRefine(atMostOneOf('caBundle', 'caBundleSecretRef'))
      .optional(),
    cloud: z.strictObject({ url: text.optional(), apiTokenSecretRef: secret }).optional(),
    ngts: z
      .strictObject({
        url: text.optional(),
        tokenEndpoint: text.optional(),
        tsgID: text,
        credentialsRef: name,
      })
      .optional(),
  })
  .superRefine(oneOf('tpp', 'cloud', 'ngts'))

const TYPES = {
  acme,
  ca: z.strictObject({
    secretName: objectName,
    crlDistributionPoints: texts.optional(),
    ocspServers: texts.optional(),
    issuingCertificateURLs: texts.optional(),
  }),
  selfSigned: z.strictObject({ crlDistributionPoints: texts.optional() }),
  vault,
  venafi,
}

export const issuerSpec = z.strictObject(optional(TYPES)).superRefine(oneOf(...Object.keys(TYPES)))
