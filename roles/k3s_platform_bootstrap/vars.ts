// The role's variables: each with its shape, its default and one sentence.

import { z } from 'zod'
import { Secret } from '../../src/engine/secret.ts'
import { digest } from '../../src/files/digest.ts'
import { sourceVars, treeVars } from '../handoff/vars.ts'
import { configMap, k3sVars, line, words } from '../k3s/vars.ts'
import { baseUrl, certificatePem } from '../shapes.ts'
import { network } from './networks.ts'

const absolute = line.regex(/^\//, 'expected an absolute path')
const octal = z
  .union([z.string(), z.number().transform(String)])
  .pipe(z.string().regex(/^0?[0-7]{3}$/, 'expected an octal mode in quotes, such as "0600"'))
const digests = z.union([digest, z.record(z.enum(['amd64', 'arm64', 'arm']), digest.optional())])
const cidr = z
  .string()
  .refine(isCidrList, 'expected a network such as 10.42.0.0/16, or an IPv4 and an IPv6 one with a comma')
const scalar = z.union([line, z.number(), z.boolean()]).transform(String)
/** An environment file takes line breaks inside quotes. */
const envValue = z
  .union([z.string().regex(/^[\t\n\P{Cc}]*$/u, 'expected no control characters'), z.number(), z.boolean()])
  .transform(String)

const word = z.union([line, words]).transform((given) => listOf(given))
const secret = z.string().meta({ secret: true })
const hidden = secret.transform((text) => new Secret(text))
/** Empty is the same as not set: a lookup of an environment variable gives that. */
const hiddenUrl = (form: RegExp, message: string) =>
  secret
    .regex(/^\P{Cc}*$/u, message)
    .regex(new RegExp(`^$|${form.source}`), message)
    .transform((text) => (text === '' ? undefined : new Secret(text)))
const proxy = hiddenUrl(/^(https?|socks5h?):\/\/[^\s/]+\/?$/, 'expected a proxy such as http://proxy.example:3128')
const registries = z.strictObject({
  mirrors: z
    .record(
      z.string(),
      z
        .strictObject({
          endpoint: z.array(z.string()).optional(),
          rewrite: z.record(z.string(), z.string()).optional(),
        })
        .nullable(),
    )
    .optional(),
  configs: z
    .record(
      z.string(),
      z.strictObject({
        auth: z
          .strictObject({
            username: z.string().optional(),
            password: hidden.optional(),
            auth: hidden.optional(),
            identity_token: hidden.optional(),
          })
          .optional(),
        tls: z
          .strictObject({
            ca: certificatePem.optional(),
            ca_file: absolute.optional(),
            cert_file: absolute.optional(),
            key_file: absolute.optional(),
            insecure_skip_verify: z.boolean().optional(),
          })
          .optional(),
      }),
    )
    .optional(),
})

/** Names of the original roles that have no effect here, with the reason; they are accepted and reported. */
export const unused: Readonly<Record<string, string>> = {
  k3s_platform_k3s_install_script_url:
    'k3s is installed from its pinned and verified binary, without an install script',
  k3s_platform_k3s_install_script_path:
    'k3s is installed from its pinned and verified binary, without an install script',
  k3s_platform_k3s_install_log_path: 'there is no installer and therefore no installer log; use --events FILE',
  k3s_platform_k3s_install_timeout_seconds: 'there is no installer; --timeout bounds all waits',
}

export const vars = z.object({
  k3s_platform_k3s_version: z
    .string()
    .regex(/^v\d+\.\d+\.\d+(-[a-z0-9.]+)?\+k3s\d+$/, 'expected a k3s release such as v1.36.5+k3s1')
    .default('v1.36.5+k3s1')
    .describe('k3s release to install.'),
  k3s_platform_k3s_mirror_url: baseUrl
    .default('https://github.com/k3s-io/k3s/releases/download')
    .describe(
      'Base URL of the releases; it serves `<version, + as %2B>/k3s`, `sha256sum-amd64.txt` and the other assets.',
    ),
  k3s_platform_k3s_sha256: digests
    .optional()
    .describe(
      'Digest of the binary, or a map from architecture to digest; default: the one in `k3s-platform.lock`, else the one that the release publishes.',
    ),
  k3s_platform_k3s_file: z
    .string()
    .optional()
    .describe('Path of the binary on the workstation, which is uploaded; `~` or relative to the inventory.'),
  k3s_platform_airgap_images: z
    .boolean()
    .default(false)
    .describe("Install the release's air-gap image archive on the node, for nodes that cannot reach a registry."),
  k3s_platform_k3s_images_file: z
    .string()
    .optional()
    .describe('Path of that archive on the workstation; if set, the archive is installed.'),
  k3s_platform_k3s_images_sha256: digests
    .optional()
    .describe('Digest of that archive, in the format of `k3s_platform_k3s_sha256`.'),
  k3s_platform_download: z
    .enum(['node', 'workstation'])
    .default('node')
    .describe('Where downloads happen; `workstation` downloads once and uploads over the SSH connection.'),
  k3s_platform_k3s_config: k3sVars.k3s_platform_k3s_config,
  k3s_platform_k3s_config_dropins: k3sVars.k3s_platform_k3s_config_dropins,
  k3s_platform_k3s_config_allow: words
    .default([])
    .describe('Keys of k3s newer than this program: not checked in `k3s_platform_k3s_config` and the drop-ins.'),
  k3s_platform_k3s_env: z
    .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_]*$/, 'expected a variable name'), envValue)
    .default({})
    .transform((env) => Object.entries(env).map(([name, value]) => ({ name, value: new Secret(value) })))
    .describe('Environment of the k3s service; values are never shown.'),
  k3s_platform_cluster_cidr: cidr.default('10.42.0.0/16').describe('Pod network in CIDR notation.'),
  k3s_platform_service_cidr: cidr.default('10.43.0.0/16').describe('Service network in CIDR notation.'),
  k3s_platform_disable_components: k3sVars.k3s_platform_disable_components,
  k3s_platform_write_kubeconfig_mode: octal.default('0600').describe('Mode of the kubeconfig on the node.'),
  k3s_platform_tls_sans: words
    .default([])
    .describe('Additional names and addresses in the API certificate; the SSH address is always included.'),
  k3s_platform_kube_apiserver_args: words
    .default(['service-node-port-range=0-50000'])
    .describe('Arguments of kube-apiserver, without leading dashes.'),
  k3s_platform_kubeconfig_path: absolute
    .default('/etc/rancher/k3s/k3s.yaml')
    .describe('Path where k3s writes its kubeconfig on the node.'),
  k3s_platform_k3s_config_path: absolute
    .default('/etc/rancher/k3s/config.yaml')
    .describe('Path of config.yaml on the node.'),
  k3s_platform_install_dir: absolute.default('/opt/rancher/k3s').describe('Data directory of k3s (data-dir).'),
  k3s_platform_data_dir: absolute.optional().describe('Data directory of k3s; wins over `k3s_platform_install_dir`.'),
  k3s_platform_registries: registries
    .optional()
    .describe(
      'registries.yaml: `mirrors` and `configs` with `auth` and `tls`; `tls.ca` accepts a private CA as PEM text.',
    ),
  k3s_platform_kubelet_config: configMap
    .optional()
    .describe('KubeletConfiguration: fields that differ from the defaults, in a kubelet configuration file.'),
  k3s_platform_node_labels: z
    .union([z.record(z.string(), scalar), words])
    .default({})
    .transform((given) => entriesOf(given, (name, value) => `${name}=${value}`))
    .describe('Labels of the node, map or list of `name=value`; k3s sets them when the node joins.'),
  k3s_platform_node_taints: z
    .union([z.record(z.string(), z.string()), words])
    .default([])
    .transform((given) => entriesOf(given, (name, rest) => `${name}${rest.includes(':') ? '=' : ':'}${rest}`))
    .describe('Taints of the node, list of `name=value:Effect` or map from name to `value:Effect` or `Effect`.'),
  k3s_platform_node_name: z
    .string()
    .regex(/^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$/, 'expected a name of lowercase letters, digits, dots and dashes')
    .optional()
    .describe('Node name in the cluster; default: the host name.'),
  k3s_platform_node_ip: word
    .default([])
    .describe('Address of the node, or an IPv4 and an IPv6 address; default: the address of the default route.'),
  k3s_platform_flannel_iface: z
    .string()
    .regex(/^[\w.:-]{1,15}$/, 'expected the name of a network interface')
    .optional()
    .describe('Network interface for the traffic between pods.'),
  k3s_platform_secrets_encryption: z
    .boolean()
    .default(false)
    .describe('Encrypt Secrets in the datastore; this cannot be disabled later.'),
  k3s_platform_datastore_endpoint: hiddenUrl(
    /^(mysql|postgres|postgresql|https?|nats|sqlite|unix):\/\/\S+$/,
    'expected a datastore such as postgres://user:password@db.example:5432/k3s',
  )
    .optional()
    .describe('External datastore instead of the embedded etcd; never shown, passed to k3s in its environment.'),
  k3s_platform_http_proxy: proxy.optional().describe('HTTP proxy of k3s and containerd.'),
  k3s_platform_https_proxy: proxy.optional().describe('HTTPS proxy of k3s and containerd.'),
  k3s_platform_no_proxy: word
    .default([])
    .describe(
      'Addresses reached without a proxy; the pod and service networks, the node and `.svc` are always included.',
    ),
  k3s_platform_packages: words
    .default(['ca-certificates', 'curl', 'tar'])
    .describe('Distribution packages that the node requires.'),
  k3s_platform_kernel_modules: words
    .default(['br_netfilter', 'overlay'])
    .describe('Kernel modules to load now and on every boot.'),
  k3s_platform_sysctls: z
    .record(
      z.string().regex(/^[a-z0-9_]+(\.[A-Za-z0-9_-]+)+$/, 'expected a sysctl name such as net.ipv4.ip_forward'),
      scalar,
    )
    .default({ 'net.ipv4.ip_forward': '1', 'net.bridge.bridge-nf-call-iptables': '1' })
    .describe('Kernel settings to apply now and on every boot.'),
  k3s_platform_kubeconfig_fetch: z
    .boolean()
    .optional()
    .describe(
      'Whether `apply` writes the kubeconfig to the workstation; default: only on a terminal, not in CI or a pipeline.',
    ),
  k3s_platform_kubeconfig_dest: line
    .optional()
    .describe('Path of the kubeconfig on the workstation; default `~/.kube/k3s-platform/<host>.yaml`.'),
  k3s_platform_reset_keep: z
    .array(absolute.refine((path) => !/(^|\/)\.{1,2}(\/|$)/.test(path), 'expected a path without . and ..'))
    .default([])
    .describe('Paths on the node that `reset` keeps with everything below them; /opt/cloud-neutral is always kept.'),
  k3s_platform_cluster_name: k3sVars.k3s_platform_cluster_name,
  k3s_platform_deployment_mode: z.string().optional().describe('Accepted for old inventories; has no effect.'),
  ...treeVars,
  ...sourceVars,
  ...Object.fromEntries(Object.keys(unused).map((name) => [name, z.unknown().optional().describe('No longer used.')])),
})

/** What a list says, or a map by `write`; `at` is the index or the key. */
function entriesOf(
  given: readonly string[] | Readonly<Record<string, string>>,
  write: (key: string, value: string) => string,
): { readonly at: PropertyKey; readonly text: string }[] {
  return isList(given)
    ? given.map((text, at) => ({ at, text }))
    : Object.entries(given).map(([at, value]) => ({ at, text: write(at, value) }))
}

const isList = (given: unknown): given is readonly string[] => Array.isArray(given)

/** A list, or a text with commas. */
function listOf(given: string | readonly string[]): string[] {
  return (typeof given === 'string' ? given.split(',') : given).map((one) => one.trim()).filter((one) => one !== '')
}

export type BootstrapVars = z.output<typeof vars>

function isCidrList(text: string): boolean {
  return text.split(',').every((part) => network(part)?.text === part)
}
