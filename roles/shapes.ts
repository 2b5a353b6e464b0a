// zod schemas that several variables share: object names, optional strings, secrets, PEM.

import { z } from 'zod'
import { Secret } from '../src/engine/secret.ts'

export const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

export const objectName = z
  .string()
  .max(253)
  .regex(new RegExp(`^${LABEL}(\\.${LABEL})*$`), 'expected a name of lowercase letters, digits, dots and dashes')
export const namespaceName = z
  .string()
  .regex(new RegExp(`^${LABEL}$`), 'expected a namespace: at most 63 lowercase letters, digits and dashes')
export const namespaces = z.array(namespaceName)

/** Empty is the same as not set: a lookup of an environment variable gives that. */
export const text = (form: RegExp, message: string) =>
  z
    .string()
    .regex(new RegExp(`^\\s*$|${form.source}`), message)
    .transform((given) => given.trim() || undefined)

/** Without the newline at the end that a file of one line has. */
export const hidden = z
  .string()
  .meta({ secret: true })
  .transform((given) => (given.trim() === '' ? undefined : new Secret(given.trim())))

const CERTIFICATE = [
  /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/,
  'expected a certificate as PEM text',
] as const

/** Passed on byte for byte. */
export const certificatePem = z.string().regex(...CERTIFICATE)

/** Empty is the same as not set. */
export const pem = text(...CERTIFICATE)

export const baseUrl = z
  .url({ protocol: /^https?$/, error: 'expected an http or https URL' })
  .transform((url) => url.replace(/\/+$/, ''))

/** Labels or annotations. */
export const strings = z.record(z.string(), z.string())

const SECONDS: Readonly<Record<string, number>> = { d: 86_400, h: 3600, m: 60, s: 1 }

/** To whole seconds; `d` is 24 hours, which Go does not know. */
export const duration = z
  .string()
  .regex(/^(?=.)(\d+d)?(\d+h)?(\d+m)?(\d+s)?$/, 'expected a duration such as 90d, 2160h or 1h30m')
  .transform((given) =>
    [...given.matchAll(/(\d+)(.)/g)].reduce(
      (sum, [, count, unit = '']) => sum + Number(count) * (SECONDS[unit] ?? 0),
      0,
    ),
  )

export const base64 = (given: string) => Buffer.from(given).toString('base64')
