// kubelet, kube-proxy and kube-scheduler as they are, in one program; the first argument says which. k3s has them in its one
// binary; here they are apart, because most tests download that binary and run no pods.
package main

import (
	"context"
	"fmt"
	"os"
	_ "unsafe" // for go:linkname

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	component "k8s.io/component-base/version"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

// A Node tells the version of its kubelet: that of the k3s that started it.
//
//go:linkname gitVersion k8s.io/component-base/version.gitVersion
var gitVersion string

func main() {
	programs := map[string]func() *cobra.Command{
		"kubelet":        func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
		"kube-proxy":     proxy.NewProxyCommand,
		"kube-scheduler": func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	}
	if len(os.Args) < 2 || programs[os.Args[1]] == nil {
		fmt.Fprintln(os.Stderr, "usage: kubenode kubelet|kube-proxy|kube-scheduler [FLAG...]")
		os.Exit(2)
	}
	if version := os.Getenv("K3S_VERSION"); version != "" {
		gitVersion = version
		if err := component.SetDynamicVersion(version); err != nil {
			panic(err)
		}
	}
	os.Args = os.Args[1:]
	os.Exit(cli.Run(programs[os.Args[0]]()))
}
