// Shapes that the built-in addons and custom charts share: a version, a repository, the name of a release.

import { z } from 'zod'

const VERSION = /^v?\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?(\+[0-9A-Za-z.-]+)?$/
const URL_FORM = /^(https?|oci):\/\/[^\s/@?#]+(\/[^\s@?#]*)?$/

/** `example`: one that fits. */
export const chartVersion = (example: string) =>
  z.string().regex(VERSION, `expected an exact version such as ${example}`)

export const chartRepo = z
  .string()
  .regex(URL_FORM, 'expected an https, http or oci URL without credentials')
  .transform((given) => given.replace(/\/+$/, ''))

/** https://helm.sh/docs/chart_template_guide/getting_started/: of a release, and of the objects that are named after it. */
export const RELEASE_NAME = {
  form: /^[a-z0-9]([a-z0-9-]{0,51}[a-z0-9])?$/,
  message: 'expected a release name: lowercase letters, digits and dashes, at most 53',
} as const
