// Variables of the certificates: which names, in which namespaces, by which issuer.

import { domainToASCII } from 'node:url'
import { z } from 'zod'
import { duration, LABEL, namespaceName, namespaces, objectName, strings } from '../../shapes.ts'

const DNS_NAME = new RegExp(`^(\\*\\.)?(${LABEL}\\.)+[a-z][a-z0-9-]*[a-z0-9]$`)
const dnsName = z.string().max(253).regex(DNS_NAME, 'expected a DNS name in lowercase')

/** As people and browsers write a domain: in any case, with umlauts, with the dot of the root. */
const domain = z
  .string()
  .transform((given) => {
    const [, wildcard = '', name = ''] = /^(\*\.)?(.*?)\.?$/.exec(given.trim()) ?? []
    return `${wildcard}${domainToASCII(name)}`
  })
  .pipe(z.string().max(253).regex(DNS_NAME, 'expected a domain, such as shop.example.com or *.example.com'))

const service = z
  .string()
  .regex(new RegExp(`^${LABEL}:[1-9]\\d{0,4}$`), 'expected a Service and its port, such as web:80')

/** As cert-manager's API names them. */
const usage = z.enum(
  [
    'signing, digital signature, content commitment, key encipherment, key agreement, data encipherment, cert sign, crl sign',
    'encipher only, decipher only, any, server auth, client auth, code signing, email protection, s/mime, ipsec end system',
    'ipsec tunnel, ipsec user, timestamping, ocsp signing, microsoft sgc, netscape sgc',
  ].flatMap((line) => line.split(', ')),
)

export const certificate = z.strictObject({
  name: objectName,
  namespaces: namespaces.min(1),
  dnsNames: z.array(dnsName).min(1),
  /** Empty: that of k3s_platform_issuer_default. */
  issuer: z.string().default(''),
  secretName: objectName.optional(),
  duration: duration.optional(),
  renewBefore: duration.optional(),
  privateKey: z
    .strictObject({
      algorithm: z.enum(['RSA', 'ECDSA', 'Ed25519']).optional(),
      size: z.number().int().optional(),
      encoding: z.enum(['PKCS1', 'PKCS8']).optional(),
      rotationPolicy: z.enum(['Always', 'Never']).optional(),
    })
    .optional(),
  usages: z.array(usage).min(1).optional(),
  secretTemplate: z.strictObject({ labels: strings.optional(), annotations: strings.optional() }).optional(),
  placeholder: z.boolean().optional(),
  service: service.optional(),
})

/** Of objects of the API. */
const LONGEST_NAME = 253

export const customDomain = z
  .strictObject({
    app: z
      .string()
      .regex(new RegExp(`^${LABEL}$`), 'expected a name of at most 63 lowercase letters, digits and dashes'),
    domains: z.array(domain).min(1),
    namespace: namespaceName.default('default'),
    issuer: z.string().optional(),
    service: service.optional(),
  })
  .refine(({ app, domains: [first = ''] }) => `cert-${app}-${first}`.length <= LONGEST_NAME, {
    path: ['domains', 0],
    message: `expected a name that is shorter: with the application's, it names objects of at most ${LONGEST_NAME} characters`,
  })

export const certificateVars = {
  k3s_platform_certificates: z
    .array(certificate)
    .default([
      {
        name: 'postgresql-tls',
        namespaces: ['platform', 'database'],
        dnsNames: ['postgresql-prod.svc.plus'],
        issuer: 'svc-plus-acme-http01',
      },
    ])
    .describe(
      'Certificates: name, namespaces, dnsNames, issuer, secretName, duration, renewBefore, privateKey, usages, service.',
    ),
  k3s_platform_custom_domains: z
    .array(customDomain)
    .default([])
    .describe(
      'Domains of applications, one certificate for each entry: app, domains, namespace, issuer, service (NAME:PORT, routed by Caddy).',
    ),
  k3s_platform_issuer_default: z
    .string()
    .default('svc-plus-acme-http01')
    .describe('Issuer of certificates and custom domains that name none.'),
  k3s_platform_certificates_wait: z
    .boolean()
    .default(true)
    .describe('Whether a run waits until each certificate is issued; set false for nodes without DNS records.'),
  k3s_platform_certificates_fallback: z
    .enum(['selfsigned'])
    .optional()
    .describe('Fallback: this run issues self-signed certificates instead of ACME certificates.'),
}

export type CertificateEntry = z.output<typeof certificate>
export type CustomDomain = z.output<typeof customDomain>
