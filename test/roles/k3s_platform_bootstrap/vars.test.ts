// The variables: their defaults, and what is refused with which words.

import { expect, test } from 'vitest'
import { z } from 'zod'
import { vars } from '../../../roles/k3s_platform_bootstrap/vars.ts'
import { Secret } from '../../../src/engine/secret.ts'

test('the defaults', () => {
  expect(vars.parse({})).toMatchInlineSnapshot(`
    {
      "k3s_platform_airgap_images": false,
      "k3s_platform_cluster_cidr": "10.42.0.0/16",
      "k3s_platform_disable_components": [
        "traefik",
        "servicelb",
      ],
      "k3s_platform_download": "node",
      "k3s_platform_flux_components": [
        "source-controller",
        "kustomize-controller",
        "helm-controller",
        "notification-controller",
      ],
      "k3s_platform_flux_mirror_url": "https://github.com/fluxcd/flux2/releases/download",
      "k3s_platform_flux_namespace": "flux-system",
      "k3s_platform_flux_source_name": "platform-config",
      "k3s_platform_flux_version": "v2.9.5",
      "k3s_platform_git_auth_mode": "public",
      "k3s_platform_git_branch": "main",
      "k3s_platform_git_check": true,
      "k3s_platform_git_generate_key": false,
      "k3s_platform_git_known_hosts_scan": false,
      "k3s_platform_handoff_addons": false,
      "k3s_platform_install_dir": "/opt/rancher/k3s",
      "k3s_platform_k3s_config": {},
      "k3s_platform_k3s_config_allow": [],
      "k3s_platform_k3s_config_dropins": {},
      "k3s_platform_k3s_config_path": "/etc/rancher/k3s/config.yaml",
      "k3s_platform_k3s_env": [],
      "k3s_platform_k3s_mirror_url": "https://github.com/k3s-io/k3s/releases/download",
      "k3s_platform_k3s_version": "v1.36.5+k3s1",
      "k3s_platform_kernel_modules": [
        "br_netfilter",
        "overlay",
      ],
      "k3s_platform_kube_apiserver_args": [
        "service-node-port-range=0-50000",
      ],
      "k3s_platform_kubeconfig_path": "/etc/rancher/k3s/k3s.yaml",
      "k3s_platform_no_proxy": [],
      "k3s_platform_node_ip": [],
      "k3s_platform_node_labels": [],
      "k3s_platform_node_taints": [],
      "k3s_platform_packages": [
        "ca-certificates",
        "curl",
        "tar",
      ],
      "k3s_platform_reset_keep": [],
      "k3s_platform_secrets_encryption": false,
      "k3s_platform_service_cidr": "10.43.0.0/16",
      "k3s_platform_sops_age_recipients": [],
      "k3s_platform_sysctls": {
        "net.bridge.bridge-nf-call-iptables": "1",
        "net.ipv4.ip_forward": "1",
      },
      "k3s_platform_tls_sans": [],
      "k3s_platform_write_kubeconfig_mode": "0600",
    }
  `)
})

test('each variable has its one sentence', () => {
  const without = Object.entries(vars.shape).filter(
    ([, shape]) => !/^.{12,}\.$/s.test(z.globalRegistry.get(shape)?.description ?? ''),
  )
  expect(without.map(([name]) => name)).toEqual([])
})

const SHA = 'a'.repeat(64)
const GOOD: readonly (readonly [string, unknown, unknown])[] = [
  ['k3s_version', 'v1.30.6+k3s1', 'v1.30.6+k3s1'],
  ['k3s_version', 'v1.37.0-rc1+k3s1', 'v1.37.0-rc1+k3s1'],
  ['k3s_mirror_url', 'http://mirror.example/k3s//', 'http://mirror.example/k3s'],
  ['k3s_sha256', SHA, SHA],
  ['k3s_sha256', { amd64: SHA }, { amd64: SHA }],
  ['cluster_cidr', '10.42.0.0/16,fd00:42::/56', '10.42.0.0/16,fd00:42::/56'],
  ['write_kubeconfig_mode', '0644', '0644'],
  ['write_kubeconfig_mode', '600', '600'],
  ['sysctls', { 'net.ipv4.ip_forward': 1, 'vm.x': true }, { 'net.ipv4.ip_forward': '1', 'vm.x': 'true' }],
  ['git_auth_mode', 'public', 'public'],
]

test.each(GOOD)('%s takes %j', (name, value, taken) => {
  expect(vars.parse({ [`k3s_platform_${name}`]: value })).toHaveProperty(`k3s_platform_${name}`, taken)
})

const BAD: readonly (readonly [string, unknown, string])[] = [
  ['k3s_version', '1.30.6', 'expected a k3s release such as v1.'],
  ['k3s_version', 'v1.30.6', 'expected a k3s release such as v1.'],
  ['k3s_version', 'latest', 'expected a k3s release'],
  ['k3s_mirror_url', 'ftp://x', 'expected an http or https URL'],
  ['k3s_mirror_url', 'mirror.example', 'expected an http or https URL'],
  ['k3s_sha256', 'ABC', ''],
  ['k3s_sha256', { sparc: SHA }, ''],
  ['download', 'nowhere', 'node'],
  ['cluster_cidr', '10.42.0.0', 'expected a network'],
  ['cluster_cidr', '10.42.0.0/33', 'expected a network'],
  ['cluster_cidr', '300.0.0.0/8', 'expected a network'],
  ['service_cidr', '', 'expected a network'],
  ['write_kubeconfig_mode', 'u=rw', 'octal'],
  ['write_kubeconfig_mode', '999', 'octal'],
  ['k3s_config_path', 'etc/config.yaml', 'expected an absolute path'],
  ['install_dir', './x', 'expected an absolute path'],
  ['disable_components', 'traefik', 'expected array'],
  ['sysctls', { ip_forward: 1 }, 'sysctl'],
  ['sysctls', { 'a.b;rm': 1 }, 'sysctl'],
  ['k3s_env', { 'A B': 'x' }, 'expected a variable name'],
]

test.each(BAD)('%s refuses %j', (name, value, words) => {
  const { error } = vars.safeParse({ [`k3s_platform_${name}`]: value })
  expect(error?.issues[0]?.path[0]).toBe(`k3s_platform_${name}`)
  expect(JSON.stringify(error?.issues)).toContain(words)
})

test('values of the environment are secrets', () => {
  const { k3s_platform_k3s_env: env } = vars.parse({ k3s_platform_k3s_env: { K3S_TOKEN: 's3cret', N: 1 } })
  expect(env.map(({ name, value }) => [name, value instanceof Secret && value.reveal()])).toEqual([
    ['K3S_TOKEN', 's3cret'],
    ['N', '1'],
  ])
  expect(JSON.stringify(env)).not.toContain('s3cret')
})
