package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	core "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	kubenode = "/usr/local/lib/k3s-standin/kubenode" // kubelet, kube-proxy and kube-scheduler
	podTools = "/usr/lib/testbed/pods"               // Debian's containerd, runc and CNI plugins, which k3s brings itself
	state    = "/run/k3s/containerd"
	socket   = state + "/containerd.sock"
)

// runsContainers tells whether this machine can: cgroup v2 has the controllers, and the programs are there.
func runsContainers() bool {
	controllers, _ := os.ReadFile("/sys/fs/cgroup/cgroup.controllers")
	return slices.Contains(strings.Fields(string(controllers)), "cpu") && exists(kubenode)
}

// containers is a node as k3s has it: containerd, the real kubelet and kube-proxy, over k3s's directories and sockets.
type containers struct {
	*kubelet
	failed chan<- error
}

func (c *containers) run(ctx context.Context) error {
	os.Setenv("PATH", podTools+":"+os.Getenv("PATH"))
	os.Setenv("K3S_VERSION", version)
	if err := c.prepare(ctx); err != nil {
		return err
	}
	child(c.failed, filepath.Join(podTools, "containerd"), "--config", c.path("etc/containerd/config.toml"))
	for c.ctr("version") != nil {
		if !pause(ctx, 100*time.Millisecond) {
			return nil
		}
	}
	imported := map[string]time.Time{}
	c.importImages(imported, c.path("images/*.tar*"))
	go func() { // the testbed's, in place of a registry: pods wait for them as for a download
		for ok := true; ok; ok = pause(ctx, time.Second) {
			c.importImages(imported, images+"/*.tar", c.path("images/*.tar*"))
		}
	}()
	child(c.failed, kubenode, append([]string{"kubelet"}, c.kubeletArgs()...)...)
	if !c.settings.is("disable-kube-proxy") {
		child(c.failed, kubenode, append([]string{"kube-proxy", "--kubeconfig=" + c.kubeconfig, "--proxy-mode=iptables", "--hostname-override=" + c.node,
			"--cluster-cidr=" + c.clusterCIDR(), "--conntrack-max-per-core=0", "--healthz-bind-address=127.0.0.1"}, userArgs(c.settings, "kube-proxy-arg")...)...)
	}
	for registered := false; ; {
		err := c.connect(ctx)
		if err == nil && !registered {
			err = c.mark(ctx)
			registered = err == nil
		}
		if c.controlPlane && err == nil {
			err = c.syncServiceLB(ctx)
		}
		if err != nil && ctx.Err() == nil && !apierrors.IsNotFound(err) {
			fmt.Fprintln(os.Stderr, "standin node:", err)
		}
		if !pause(ctx, time.Second) {
			return nil
		}
	}
}

func pause(ctx context.Context, duration time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(duration):
		return true
	}
}

func (c *containers) path(relative string) string { return filepath.Join(c.work, relative) }

func (c *containers) clusterCIDR() string { return c.settings.one("cluster-cidr", "10.42.0.0/16") }

func (c *containers) ctr(args ...string) error {
	out, err := exec.Command(filepath.Join(podTools, "ctr"), append([]string{"--address", socket, "--namespace", "k8s.io"}, args...)...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("ctr %s: %w: %s", args[0], err, out)
	}
	return nil
}

// prepare writes what containerd and the kubelet read.
func (c *containers) prepare(ctx context.Context) error {
	for _, dir := range []string{"etc/containerd", "etc/cni/net.d", "etc/kubelet.conf.d", "images"} {
		if err := os.MkdirAll(c.path(dir), 0o700); err != nil {
			return err
		}
	}
	for _, name := range []string{"ipv4/ip_forward", "bridge/bridge-nf-call-iptables"} {
		if err := os.WriteFile("/proc/sys/net/"+name, []byte("1"), 0o644); err != nil {
			return err
		}
	}
	var authority string
	for authority == "" { // the API server makes it a moment after its start
		if found, err := c.client.CoreV1().ConfigMaps("kube-system").Get(ctx, "extension-apiserver-authentication", meta.GetOptions{}); err == nil {
			authority = found.Data["client-ca-file"]
		} else if !pause(ctx, 100*time.Millisecond) {
			return ctx.Err()
		}
	}
	for name, content := range map[string]string{
		"client-ca.crt": authority,
		"etc/containerd/config.toml": fmt.Sprintf(`version = 2
root = %q
state = %q
[grpc]
  address = %q
[plugins."io.containerd.grpc.v1.cri"]
  enable_unprivileged_icmp = true
  enable_unprivileged_ports = true
  sandbox_image = "docker.io/rancher/mirrored-pause:3.6"
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = %q
    conf_dir = %q
  [plugins."io.containerd.grpc.v1.cri".registry]
    config_path = %q
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = true
`, c.path("containerd"), state, socket, podTools+"/cni", c.path("etc/cni/net.d"), c.path("etc/containerd/certs.d")),
		"etc/kubelet.conf.d/00-k3s-defaults.conf": fmt.Sprintf(`apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: %q}}
authorization: {mode: Webhook}
cgroupDriver: systemd
clusterDNS: [%q]
clusterDomain: %q
containerRuntimeEndpoint: unix://%s
evictionHard: {imagefs.available: 5%%, nodefs.available: 5%%}
evictionMinimumReclaim: {imagefs.available: 10%%, nodefs.available: 10%%}
failSwapOn: false
resolvConf: %q
serializeImagePulls: false
`, c.path("client-ca.crt"), c.settings.clusterDNS(),
			c.settings.one("cluster-domain", "cluster.local"), socket, c.resolvConf()),
	} {
		if err := put(c.path(name), []byte(content), 0o600); err != nil {
			return err
		}
	}
	return c.writeRegistries()
}

// resolvConf is the node's, or one with a name server that answers nothing where the node has none: k3s names a public one.
func (c *containers) resolvConf() string {
	const own = "/etc/resolv.conf"
	if text, err := os.ReadFile(own); err == nil && strings.Contains(string(text), "nameserver") {
		return own
	}
	file := c.path("etc/resolv.conf")
	os.WriteFile(file, []byte("nameserver 192.0.2.1\n"), 0o644)
	return file
}

// kubeletArgs are k3s's: a configuration of the user's goes over the defaults, labels and taints count when the node is registered.
func (c *containers) kubeletArgs() []string {
	args := []string{"--kubeconfig=" + c.kubeconfig, "--hostname-override=" + c.node, "--node-ip=" + c.address, "--config-dir=" + c.path("etc/kubelet.conf.d")}
	if labels := c.settings["node-label"]; len(labels) > 0 {
		args = append(args, "--node-labels="+strings.Join(labels, ","))
	}
	if taints := c.settings["node-taint"]; len(taints) > 0 {
		args = append(args, "--register-with-taints="+strings.Join(taints, ","))
	}
	own := c.path("etc/kubelet.conf.d/10-cli-config.conf")
	os.Remove(own)
	for _, arg := range userArgs(c.settings, "kubelet-arg") {
		if file, ok := strings.CutPrefix(arg, "--config="); ok {
			os.Symlink(file, own)
			continue
		}
		args = append(args, arg)
	}
	return args
}

// importImages takes archives that are new, or newer than before.
func (c *containers) importImages(done map[string]time.Time, patterns ...string) {
	for _, pattern := range patterns {
		files, _ := filepath.Glob(pattern)
		for _, file := range files {
			info, err := os.Stat(file)
			if err != nil || info.ModTime().Equal(done[file]) {
				continue
			}
			done[file] = info.ModTime()
			if err := c.ctr("images", "import", file); err != nil {
				fmt.Fprintf(os.Stderr, "time=%q level=error msg=%q\n", now(), fmt.Sprintf("Error encountered while importing %s: %v", file, err))
			}
		}
	}
}

// mark gives the node what k3s's controllers give it, once the kubelet has registered it.
func (c *containers) mark(ctx context.Context) error {
	labels, annotations := map[string]string{"node.kubernetes.io/instance-type": "k3s"}, map[string]string{}
	if c.controlPlane {
		c.markControlPlane(labels, annotations)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"labels": labels, "annotations": annotations}})
	if err != nil {
		return err
	}
	_, err = c.client.CoreV1().Nodes().Patch(ctx, c.node, types.MergePatchType, patch, meta.PatchOptions{})
	return err
}

// connect is flannel's part: the node's pods get a bridge with its range of addresses, those of other nodes a route, and the
// world behind the cluster sees this node's address.
func (c *containers) connect(ctx context.Context) error {
	nodes, err := c.client.CoreV1().Nodes().List(ctx, meta.ListOptions{ResourceVersion: "0"})
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		if node.Spec.PodCIDR == "" {
			continue
		}
		if node.Name != c.node {
			for _, a := range node.Status.Addresses {
				if a.Type == core.NodeInternalIP && a.Address != c.address {
					exec.Command("ip", "route", "replace", node.Spec.PodCIDR, "via", a.Address).Run()
				}
			}
			continue
		}
		network := fmt.Sprintf(`{"name":"cbr0","cniVersion":"1.0.0","plugins":[{"type":"bridge","bridge":"cni0","isDefaultGateway":true,"hairpinMode":true,`+
			`"ipam":{"type":"host-local","ranges":[[{"subnet":%q}]]}},{"type":"portmap","capabilities":{"portMappings":true}}]}`, node.Spec.PodCIDR)
		file := c.path("etc/cni/net.d/10-flannel.conflist")
		if written, _ := os.ReadFile(file); string(written) == network {
			continue
		}
		if err := exec.Command("sh", "-c", `iptables -w -t nat -N FLANNEL-POSTRTG
iptables -w -t nat -F FLANNEL-POSTRTG
iptables -w -t nat -A FLANNEL-POSTRTG -s "$0" ! -d "$0" -j MASQUERADE --random-fully
iptables -w -t nat -C POSTROUTING -m comment --comment 'flanneld masq' -j FLANNEL-POSTRTG ||
iptables -w -t nat -A POSTROUTING -m comment --comment 'flanneld masq' -j FLANNEL-POSTRTG`, c.clusterCIDR()).Run(); err != nil {
			return fmt.Errorf("iptables: %w", err)
		}
		if err := put(file, []byte(network), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// writeAgentKubeconfig gives kubelet and kube-proxy the agent's own way in.
func writeAgentKubeconfig(file string, config *rest.Config) error {
	all := clientcmdapi.NewConfig()
	all.Clusters["local"] = &clientcmdapi.Cluster{Server: config.Host, InsecureSkipTLSVerify: true}
	all.AuthInfos["user"] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	all.Contexts["Default"] = &clientcmdapi.Context{Cluster: "local", AuthInfo: "user"}
	all.CurrentContext = "Default"
	return clientcmd.WriteToFile(*all, file)
}
