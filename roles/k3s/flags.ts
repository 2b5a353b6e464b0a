// The flags of `k3s server` as data: keys by the type of their values, and the replacements of deprecated keys.

export type Shape = 'text' | 'number' | 'true or false' | 'list'

const byShape: Readonly<Record<Shape, string>> = {
  text: `advertise-address agent-token apiserver-bind-address agent-token-file bind-address cluster-domain cluster-reset-restore-path
    container-runtime-endpoint data-dir datastore-cafile datastore-certfile datastore-endpoint datastore-keyfile
    default-local-storage-path default-runtime egress-selector-mode etcd-s3-access-key etcd-s3-bucket
    etcd-s3-bucket-lookup-type etcd-s3-config-secret etcd-s3-endpoint etcd-s3-endpoint-ca etcd-s3-folder etcd-s3-proxy
    etcd-s3-region etcd-s3-secret-key etcd-s3-session-token etcd-s3-timeout etcd-snapshot-dir etcd-snapshot-name
    etcd-snapshot-reconcile-interval etcd-snapshot-schedule-cron flannel-backend flannel-cni-conf flannel-conf flannel-iface
    helm-job-image image-credential-provider-bin-dir image-credential-provider-config image-service-endpoint
    log node-name pause-image private-registry resolv-conf secrets-encryption-provider server
    service-node-port-range servicelb-namespace snapshotter system-default-registry token token-file vmodule vpn-auth
    vpn-auth-file write-kubeconfig write-kubeconfig-group write-kubeconfig-mode write-kubeconfig-name`,
  number: `advertise-port apiserver-port etcd-s3-retention etcd-snapshot-retention https-listen-port lb-server-port
    supervisor-port v`,
  'true or false': `alsologtostderr cluster-init cluster-reset debug disable-agent disable-apiserver disable-cloud-controller
    disable-controller-manager disable-default-registry-endpoint disable-etcd disable-helm-controller disable-kube-proxy
    disable-network-policy disable-scheduler docker embedded-registry enable-pprof etcd-disable-snapshots
    etcd-expose-metrics etcd-s3 etcd-s3-insecure etcd-s3-skip-ssl-verify etcd-snapshot-compress flannel-external-ip
    flannel-ipv6-masq kine-tls nonroot-devices prefer-bundled-bin protect-kernel-defaults rootless secrets-encryption
    selinux supervisor-metrics tls-san-security with-node-id`,
  list: `airgap-extra-registry cluster-cidr cluster-dns disable etcd-arg helm-controller-arg kube-apiserver-arg kube-cloud-controller-arg
    kube-cloud-controller-manager-arg kube-controller-arg kube-controller-manager-arg kube-proxy-arg kube-scheduler-arg kubelet-arg node-external-dns
    node-external-ip node-internal-dns node-ip node-label node-taint service-cidr tls-san`,
}

export const flags: ReadonlyMap<string, Shape> = new Map(
  (['text', 'number', 'true or false', 'list'] as const).flatMap((shape) =>
    byShape[shape].split(/\s+/).map((name): [string, Shape] => [name, shape]),
  ),
)

/** Short names that k3s takes in config.yaml, too. */
const aliases: Readonly<Record<string, string>> = {
  d: 'data-dir',
  i: 'node-ip',
  l: 'log',
  o: 'write-kubeconfig',
  s: 'server',
  t: 'token',
}

/** `data-dir` for `d`. */
export const longName = (key: string) => (Object.hasOwn(aliases, key) ? (aliases[key] ?? key) : key)

/** Those that `k3s server --help` does not show (pkg/cli/cmds/server.go, agent.go and log.go: Hidden). */
export const hidden: readonly string[] = [
  ...['disable-agent', 'disable-apiserver', 'disable-controller-manager', 'disable-etcd', 'airgap-extra-registry'],
  ...['supervisor-port', 'apiserver-port', 'apiserver-bind-address', 'kine-tls', 'v'],
  ...['kube-controller-arg', 'kube-cloud-controller-arg'],
]

/** Keys that k3s still takes, and what to write instead. */
export const deprecated: Readonly<Record<string, string>> = {
  'helm-job-image': 'use helm-controller-arg: default-job-image=IMAGE',
  'kube-controller-arg': 'use kube-controller-manager-arg',
  'kube-cloud-controller-arg': 'use kube-cloud-controller-manager-arg',
}

/** Keys that k3s has no more, or only to complain about them, and what to write instead. */
export const renamed: Readonly<Record<string, string>> = {
  'no-deploy': 'use k3s_platform_disable_components',
  'no-flannel': 'use flannel-backend: none',
  'cluster-secret': 'use K3S_TOKEN in k3s_platform_k3s_env',
  'disable-selinux': 'use selinux: false',
  'multi-cluster-cidr': 'k3s has no replacement',
  'http-listen-port': 'k3s listens on https-listen-port only',
  'storage-backend': 'use k3s_platform_datastore_endpoint',
  'storage-endpoint': 'use k3s_platform_datastore_endpoint',
}

export type Form = 'address' | 'name' | 'duration' | 'schedule' | 'registry' | 'server'

/** How each text of a key has to look, where k3s or the kubelet ends over another one, or never uses it. */
export const formOf: Readonly<Record<string, Form>> = {
  'advertise-address': 'address',
  'apiserver-bind-address': 'address',
  'bind-address': 'address',
  'node-external-ip': 'address',
  'cluster-domain': 'name',
  'node-name': 'name',
  'etcd-s3-timeout': 'duration',
  'etcd-snapshot-reconcile-interval': 'duration',
  'etcd-snapshot-schedule-cron': 'schedule',
  'airgap-extra-registry': 'registry',
  'etcd-s3-endpoint': 'registry',
  'system-default-registry': 'registry',
  server: 'server',
}

/** Values of keys that take one of a few. */
export const choices: Readonly<Record<string, readonly string[]>> = {
  'flannel-backend': ['none', 'vxlan', 'host-gw', 'wireguard-native', 'tailscale'],
  'egress-selector-mode': ['disabled', 'agent', 'pod', 'cluster'],
  'secrets-encryption-provider': ['aescbc', 'secretbox'],
  'etcd-s3-bucket-lookup-type': ['auto', 'dns', 'path'],
}

/** Values of those that k3s took once. */
export const formerChoices: Readonly<Record<string, string>> = {
  wireguard: 'wireguard-native',
  ipsec: 'wireguard-native',
}

/** config.yaml is shown in diffs: what is secret goes into the environment of the service, which is not. */
export const secretKeys: Readonly<Record<string, string>> = {
  token: 'K3S_TOKEN in k3s_platform_k3s_env',
  'agent-token': 'K3S_AGENT_TOKEN in k3s_platform_k3s_env',
  'datastore-endpoint': 'k3s_platform_datastore_endpoint',
  'etcd-s3-access-key': 'AWS_ACCESS_KEY_ID in k3s_platform_k3s_env',
  'etcd-s3-secret-key': 'AWS_SECRET_ACCESS_KEY in k3s_platform_k3s_env',
  'etcd-s3-session-token': 'AWS_SESSION_TOKEN in k3s_platform_k3s_env',
  'vpn-auth': 'K3S_VPN_AUTH in k3s_platform_k3s_env',
}

/** What k3s brings along and `disable` takes. */
export const components: readonly string[] = [
  'coredns',
  'servicelb',
  'traefik',
  'local-storage',
  'metrics-server',
  'runtimes',
]

/** Arguments of Kubernetes' programs that may be given several times. */
export const repeatable: ReadonlySet<string> = new Set([
  'feature-gates',
  'runtime-config',
  'oidc-required-claim',
  'service-account-issuer',
  'service-account-key-file',
  'tls-sni-cert-key',
])
