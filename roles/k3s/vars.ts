// Variables of k3s that several roles read: each with its shape, its default and one sentence.

import { z } from 'zod'

/** For files that are read line by line, and for the shell: a line break in a value would begin a line of its own. */
export const line = z.string().regex(/^[^\p{Cc}\u2028\u2029]*$/u, 'expected one line without control characters')
export const words = z.array(line)
export const configMap = z.record(z.string(), z.json())

export const k3sVars = {
  k3s_platform_disable_components: words
    .default(['traefik', 'servicelb'])
    .describe('Packaged components of k3s to disable.'),
  k3s_platform_k3s_config: configMap
    .default({})
    .describe("Map merged into config.yaml: any key of k3s; `key+` appends to the role's list."),
  k3s_platform_k3s_config_dropins: z
    .record(z.string().regex(/^[A-Za-z0-9][\w.-]*$/, 'expected the name of a file, without a directory'), configMap)
    .default({})
    .describe('Additional files for `<config>.d/`, name to map; a file that is no longer listed is removed.'),
  k3s_platform_cluster_name: z
    .string()
    .optional()
    .describe("Cluster name, used for external-dns's owner ID; the kubeconfig uses the host name."),
}

const all = z.object(k3sVars)
export type K3sVars = z.output<typeof all>
