// reset on real nodes: what of k3s goes and what of others stays, twice, and k3s comes back afterwards.

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { TestNode } from '../testbed/node.ts'
import { Testbed } from '../testbed/testbed.ts'
import { pendingOf, told, tree, treeChanges } from './look.ts'
import { cli, said } from './state.ts'

let testbed: Testbed
let node: TestNode
let inventory: string
const DATA = '/srv/data/k3s'

beforeAll(async () => {
  testbed = await Testbed.open()
  node = await testbed.node('edge-1')
  inventory = await testbed.inventory([node], {
    k3s_platform_data_dir: DATA,
    k3s_platform_reset_keep: [`${DATA}/storage/mine`],
  })
})
afterAll(() => testbed?.close())

/** Rules without counters and dates: packets go on while the test runs. */
const RULES = `for t in iptables ip6tables; do $t-save | grep -v '^#' | sed 's/\\[[0-9:]*\\]//'; done; nft list tables | grep mine`

/** What the owner of the machine has made. */
const OWN = `set -e
mkdir -p ${DATA}/storage/mine /opt/cloud-neutral /mnt/other
echo keep >${DATA}/storage/mine/file; echo keep >/opt/cloud-neutral/file; echo keep >/mnt/other/file; echo keep >/usr/local/bin/ctr
ip link add own0 type bridge
iptables -A INPUT -p tcp --dport 2222 -m comment --comment "mine, not -j KUBE-SERVICES" -j ACCEPT
iptables -N MINE; iptables -A FORWARD -s 10.9.0.0/16 -j MINE; iptables -t nat -A POSTROUTING -s 10.9.0.0/16 -j MASQUERADE
ip6tables -A INPUT -p tcp --dport 2222 -j ACCEPT
nft add table ip mine
setsid sleep 2345 >/dev/null 2>&1 </dev/null &`

/** What k3s leaves when it has run pods, which it cannot do here. */
const PODS = `set -e
ip link add cni0 type bridge; ip link add veth9 type veth peer name veth9p; ip link set veth9 master cni0; ip link add flannel.1 type bridge
iptables -N KUBE-FORWARD; iptables -N KUBE-SERVICES; iptables -A KUBE-FORWARD -j KUBE-SERVICES
iptables -A FORWARD -m comment --comment "kubernetes forwarding rules" -j KUBE-FORWARD
iptables -I FORWARD -m comment --comment "KUBE-ROUTER rule to explicitly ACCEPT traffic" -m mark --mark 0x20000/0x20000 -j ACCEPT
iptables -t nat -N CNI-HOSTPORT-MASQ; iptables -t nat -A POSTROUTING -m comment --comment "CNI portfwd" -j CNI-HOSTPORT-MASQ
iptables -t nat -N FLANNEL-POSTRTG; iptables -t nat -A POSTROUTING -m comment --comment "flanneld masq" -j FLANNEL-POSTRTG
ip6tables -N KUBE-FORWARD; ip6tables -A FORWARD -j KUBE-FORWARD
nft add table ip kube-proxy
mkdir -p /var/lib/kubelet/pods/a/volumes '/var/lib/kubelet/pods/a b' /run/k3s/x /run/netns /etc/cni/net.d /opt/cni/bin /var/lib/cni ${DATA}/agent/bind
mount -t tmpfs t /var/lib/kubelet/pods/a/volumes; mount -t tmpfs t '/var/lib/kubelet/pods/a b'
mount -t tmpfs t /run/k3s/x; mkdir /run/k3s/x/deep; mount -t tmpfs t /run/k3s/x/deep; touch /run/netns/cni-1
mount --bind /mnt/other ${DATA}/agent/bind; ln -s /mnt/other ${DATA}/agent/link; mkdir -p ${DATA}/storage/gone
cp /bin/sleep ${DATA}/agent/containerd-shim-runc-v2; cp /bin/sh ${DATA}/agent/shim
setsid ${DATA}/agent/shim -c 'sleep 1234 & wait' >/dev/null 2>&1 </dev/null &
setsid ${DATA}/agent/containerd-shim-runc-v2 999 >/dev/null 2>&1 </dev/null &
ln -s k3s /usr/local/bin/kubectl; mkdir -p /etc/systemd/system/k3s.service.d; echo >/etc/systemd/system/k3s.service.d/own.conf`

/** All that is k3s's or ours on a node, as paths, units, processes, interfaces and mounts. */
const TRACES = `ls -d /usr/local/bin/k3s* /usr/local/bin/kubectl /etc/systemd/system/k3s* /etc/systemd/system/*/k3s* /etc/rancher /var/lib/kubelet \\
  /var/lib/k3s-platform /run/k3s /etc/cni /opt/cni /var/lib/cni /etc/*/*k3s-platform.conf /run/netns/cni-* 2>/dev/null
systemctl show -p LoadState --value k3s; pgrep -a '^(k3s|containerd-shim|shim)'; pgrep -fa '^sleep 1234'
ip -o link | grep -E ' (cni0|veth9|flannel.1)'; grep -E 'kubelet|/run/k3s|${DATA}' /proc/mounts; iptables-save | grep -E '(^:|-[Aj] )(KUBE|CNI|FLANNEL)-' | grep -v mine; :`

test('without a host, and without a terminal to ask on, nothing is spoken to', async () => {
  for (const args of [['--yes'], ['-l', 'edge-1'], ['edge-1', '-e', 'k3s_platform_data_dir=/usr', '--yes']]) {
    const done = await cli(testbed, 64, ['reset', '-i', inventory, ...args])
    expect(said(done)).toContain('Nothing was changed')
  }
})

test('a bare machine has nothing to reset', async () => {
  expect(said(await cli(testbed, 0, ['reset', '-i', inventory, '-l', 'edge-1', '--yes']))).toContain('changed=0')
})

test('--check shows what there is and touches nothing', async () => {
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  await cli(testbed, 0, ['kubeconfig', 'edge-1', '-i', inventory])
  await node.ask(OWN)
  const before = await node.ask(RULES)
  await node.ask(PODS)
  await node.ask(`cat >/root/rules`.replace('cat', `printf '%s' '${Buffer.from(before).toString('base64')}'`))
  const atFirst = await tree(node)
  const { document, code } = await told(testbed, ['reset', '-i', inventory, '-l', 'edge-1', '-C'])
  expect(code).toBe(2)
  expect(pendingOf(document).map((line) => line.replace(/\(\d+\)/g, '(N)'))).toMatchInlineSnapshot(`
    [
      "action stop k3s.service",
      "action kill k3s (N), k3s (N), k3s (N), shim (N) and 2 more",
      "action unmount /var/lib/kubelet/pods/a b, /var/lib/kubelet/pods/a/volumes, /srv/data/k3s/agent/bind, /run/k3s/x/deep and 2 more",
      "action remove cni0, veth9, flannel.1",
      "action remove iptables rule of kube-router in FORWARD, iptables KUBE-FORWARD, iptables KUBE-SERVICES, iptables CNI-HOSTPORT-MASQ and 3 more",
      "delete /etc/cni",
      "delete /opt/cni",
      "delete /var/lib/cni",
      "action remove /srv/data/k3s",
      "delete /var/lib/kubelet",
      "delete /run/k3s",
      "delete /usr/local/bin/kubectl",
      "delete /usr/local/bin/k3s",
      "delete /etc/systemd/system/k3s.service.d",
      "delete /etc/systemd/system/k3s.service.env",
      "delete /etc/systemd/system/k3s.service",
      "delete /etc/sysctl.d/90-k3s-platform.conf",
      "delete /etc/modules-load.d/k3s-platform.conf",
      "delete /var/lib/k3s-platform",
      "delete /etc/rancher/k3s",
      "delete /etc/rancher/node",
      "delete /etc/rancher",
    ]
  `)
  const here = new RegExp(
    `^/(var/log|run|root|tmp|var/lib/systemd|var/lib/sudo|var/lib/private)(/|$)|^${DATA}/(server|agent)`,
  )
  expect(treeChanges(atFirst, await tree(node), [here])).toEqual([])
})

test('reset takes away what is of k3s, and leaves the rest byte for byte', async () => {
  await cli(testbed, 0, ['reset', '-i', inventory, '-l', 'edge-1', '--yes'])
  expect(await node.ask(TRACES)).toBe('not-found')
  const before = Buffer.from(await node.ask('cat /root/rules'), 'base64').toString()
  expect(await node.ask(RULES)).toBe(before)
  expect(await node.ask(`find ${DATA} /opt -type f; cat /mnt/other/file /usr/local/bin/ctr`)).toBe(
    `${DATA}/storage/mine/file\n/opt/cloud-neutral/file\nkeep\nkeep`,
  )
  expect(await node.ask("pgrep -fa '^sleep 2345' | wc -l; ip -o link show own0 | wc -l")).toBe('1\n1')
  expect(await readFile(join(testbed.home, '.kube/config'), 'utf8')).not.toContain('edge-1')
  await expect(readFile(join(testbed.home, '.kube/k3s-platform/edge-1.yaml'))).rejects.toThrow('ENOENT')
})

test('a second reset finds nothing, and apply brings k3s back', async () => {
  const again = await told(testbed, ['reset', '-i', inventory, 'edge-1', '--yes'])
  expect([again.code, pendingOf(again.document)]).toEqual([0, []])
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  expect(await node.ask('k3s kubectl get --raw /readyz')).toBe('ok')
})

test('a reset that was killed goes on with the next one, and another data directory on the node is found', async () => {
  const moved = await testbed.inventory([node]) // by its variables the data is elsewhere
  const killed = testbed.spawnCli(['reset', '-i', moved, '-l', 'edge-1', '--yes'])
  let heard = ''
  killed.stderr?.on('data', (chunk: Buffer) => {
    heard += chunk.toString()
    if (heard.includes('stop k3s')) killed.kill('SIGKILL')
  })
  expect((await killed).signal).toBe('SIGKILL')
  await cli(testbed, 0, ['reset', '-i', moved, '-l', 'edge-1', '--yes'])
  expect(await node.ask(`${TRACES}; ls -d ${DATA} 2>/dev/null; :`)).toBe('not-found')
})

test('what the official script has installed is reset, its own script is not run', async () => {
  await cli(testbed, 0, ['apply', 'k3s_platform_bootstrap', '-i', inventory])
  // Its unit: the data directory is an argument, there is no config.yaml.
  await node.ask(`systemctl stop k3s; rm -rf /etc/rancher/k3s /var/lib/k3s-platform /etc/sysctl.d/* /etc/modules-load.d/*
printf '#!/bin/sh\\ntouch /root/was-run\\n' >/usr/local/bin/k3s-uninstall.sh; chmod 755 /usr/local/bin/k3s-uninstall.sh; ln -s k3s /usr/local/bin/crictl
sed -i "s|^ExecStart=.*|ExecStart=/usr/local/bin/k3s \\\\\\\\\\n    server \\\\\\\\\\n\\t'--data-dir' \\\\\\\\\\n\\t'${DATA}' \\\\\\\\\\n|" /etc/systemd/system/k3s.service
systemctl daemon-reload; systemctl start k3s`)
  const moved = await testbed.inventory([node])
  await cli(testbed, 0, ['reset', '-i', moved, '-l', 'edge-1', '--yes'])
  expect(await node.ask(`${TRACES}; ls -d ${DATA} /root/was-run /usr/local/bin/crictl 2>/dev/null; :`)).toBe(
    'not-found',
  )
})

test('a data directory that is a link, or holds what is not of k3s, is refused before anything is touched', async () => {
  await node.ask('mkdir -p /srv/real/server /srv/photos; echo x >/srv/photos/a.jpg; ln -s /srv/real /srv/link')
  for (const [path, why] of [
    ['/srv/link', 'and resolves to /srv/real'],
    ['/srv/photos', 'it contains files that are not from k3s: a.jpg'],
  ] as const) {
    const args = ['reset', '-i', inventory, '-l', 'edge-1', '--yes', '-e', `k3s_platform_data_dir=${path}`]
    expect(said(await cli(testbed, 1, args))).toContain(why)
  }
  expect(await node.ask('ls /srv/real /srv/photos')).toContain('a.jpg')
})

test('on a terminal it shows the plan and asks; only yes is taken', async () => {
  await node.ask('mkdir -p /etc/rancher/k3s')
  const command = `${process.execPath} ${new URL('../../dist/k3s-platform.js', import.meta.url).pathname} reset -i ${inventory} -l edge-1`
  const onTerminal = async (answer: string) =>
    testbed.spawn(['sh', '-c', `{ sleep 6; printf '${answer}\\r'; sleep 8; } | script -qec '${command}' /dev/null`], {
      env: { TERM: 'dumb' },
    })
  const no = await onTerminal('no')
  expect(no.stdout).toContain('- /etc/rancher/k3s')
  expect(no.stdout).toContain('not confirmed; nothing was touched')
  expect(await node.ask('ls -d /etc/rancher/k3s')).toBe('/etc/rancher/k3s')
  const yes = await onTerminal('yes')
  expect(yes.stdout).toContain('changed=2')
  expect((await node.run('ls -d /etc/rancher')).code).not.toBe(0)
})
