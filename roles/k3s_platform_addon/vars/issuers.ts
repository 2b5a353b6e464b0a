// Variables of the issuers: the ACME server, its account, and additional issuers.

import { z } from 'zod'
import { objectName, pem, text } from '../../shapes.ts'
import { issuerSpec } from './issuer-spec.ts'

export const issuerVars = {
  k3s_platform_acme_email: text(/^[^\s@,]+@[^\s@,]+\.[^\s@,.]+$/, 'expected an e-mail address')
    .optional()
    .meta({ env: ['CADDY_ACME_EMAIL'] })
    .describe('E-mail address of the ACME account; also the environment variable `CADDY_ACME_EMAIL`.'),
  k3s_platform_acme_server: z
    .string()
    .regex(/^(production|staging|https:\/\/[^\s/]+(\/\S*)?)$/, 'expected production, staging or an https URL')
    .optional()
    .describe(
      "`production` or `staging` of Let's Encrypt, or the URL of another directory; default: `k3s_platform_environment`.",
    ),
  k3s_platform_acme_ca_bundle: pem.optional().describe("CA that signed the ACME server's certificate, PEM."),
  k3s_platform_acme_ingress_class: objectName.default('caddy').describe('Ingress class of the HTTP-01 solvers.'),
  k3s_platform_issuers: z
    .record(objectName, z.union([z.literal('existing'), issuerSpec]))
    .default({})
    .describe('Further ClusterIssuers: name to spec, or to `existing` for one that is only checked.'),
}
