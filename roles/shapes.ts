// Shapes that several variables share: names of objects, texts that may be empty, secrets, PEM.

import { z } from 'zod'
import { Secret } from '../src/engine/secret.ts'

export const LABEL = '[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?'

export const objectName = z
  .string()
  .max(253)
  .regex(new RegExp(`^${LABEL}(\\.${LABEL})*$`), 'expected a name of lower case letters, digits, dots and dashes')
const namespaceName = z
  .string()
  .regex(new RegExp(`^${LABEL}$`), 'expected a namespace: at most 63 lower case letters, digits and dashes')
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

export const pem = text(
  /-----BEGIN CERTIFICATE-----[\s\S]+-----END CERTIFICATE-----/,
  'expected a certificate as PEM text',
)

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

/** As Go prints it: a controller that writes the object back does not change it then. */
export function goDuration(seconds: number): string {
  const [hours, minutes] = [Math.floor(seconds / 3600), Math.floor((seconds % 3600) / 60)]
  const tail = `${minutes}m${seconds % 60}s`
  return hours > 0 ? `${hours}h${tail}` : minutes > 0 ? tail : `${seconds}s`
}

export const base64 = (given: string) => Buffer.from(given).toString('base64')
