// Variables of the certificates: which names, in which namespaces, by which issuer.

import { z } from 'zod'
import { duration, LABEL, namespaces, objectName, strings } from '../../shapes.ts'

const dnsName = z
  .string()
  .max(253)
  .regex(new RegExp(`^(\\*\\.)?(${LABEL}\\.)+[a-z][a-z0-9-]*[a-z0-9]$`), 'expected a DNS name in lower case')

/** As cert-manager's API names them. */
const usage = z.enum(
  [
    'signing, digital signature, content commitment, key encipherment, key agreement, data encipherment, cert sign, crl sign',
    'encipher only, decipher only, any, server auth, client auth, code signing, email protection, s/mime, ipsec end system',
    'ipsec tunnel, ipsec user, timestamping, ocsp signing, microsoft sgc, netscape sgc',
  ].flatMap((line) => line.split(', ')),
)

const certificate = z.strictObject({
  name: objectName,
  namespaces: namespaces.min(1),
  dnsNames: z.array(dnsName).min(1),
  issuer: z.string().default('svc-plus-acme-http01'),
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
      'Certificates: name, namespaces, dnsNames, issuer, secretName, duration, renewBefore, privateKey, usages.',
    ),
  k3s_platform_certificates_wait: z
    .boolean()
    .default(true)
    .describe('Whether a run waits until each certificate is issued; false for nodes whose DNS is not there yet.'),
  k3s_platform_certificates_fallback: z
    .enum(['selfsigned'])
    .optional()
    .describe('Recovery: this run issues self-signed certificates in place of those of an ACME server.'),
}

export type Certificate = z.output<typeof certificate>
