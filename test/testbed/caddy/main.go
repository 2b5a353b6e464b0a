// An ingress controller around the real Caddy server, for end-to-end tests on machines that can run no container.
//
// It stands in for the image caddy/ingress: the same flags, ConfigMap, routes and traits, from the description of what was
// seen on the real controller (README.md). The server itself is upstream's.
package main

import (
	"context"
	"flag"
	"fmt"
	"log"
	"net"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/caddyserver/caddy/v2"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls"
	_ "github.com/caddyserver/caddy/v2/modules/caddytls/standardstek"
	_ "github.com/caddyserver/caddy/v2/modules/filestorage"
	_ "github.com/caddyserver/caddy/v2/modules/metrics"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	resync = time.Hour
	// hangFile holds how many of the next starts shall hang as v0.2.1 does.
	hangFile = "/run/caddy-standin-hang"
	// blockFile makes the next load of a running Caddy block for ever.
	blockFile = "/run/caddy-standin-block"
)

type options struct {
	configMap, namespace, class, lease, plugins string
	classRequired, verbose                      bool
}

func main() {
	o := options{}
	flag.StringVar(&o.namespace, "namespace", "", "namespace of the Ingresses, all by default")
	flag.StringVar(&o.class, "class-name", "caddy", "class of the Ingresses that it serves")
	flag.BoolVar(&o.classRequired, "class-name-required", false, "whether Ingresses without a class are left alone")
	flag.StringVar(&o.configMap, "config-map", "", "ConfigMap of the global options: NAME, or NAMESPACE/NAME")
	flag.StringVar(&o.lease, "lease-id", "", "accepted, and ignored here")
	flag.StringVar(&o.plugins, "plugins-order", "", "accepted, and ignored here")
	flag.BoolVar(&o.verbose, "verbose", false, "log each reload")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if err := run(ctx, o); err != nil && ctx.Err() == nil {
		log.Fatal(err)
	}
}

func run(ctx context.Context, o options) error {
	config, err := clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG"))
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	c, err := newController(ctx, client, o)
	if err != nil {
		return err
	}
	defer os.RemoveAll(c.dir)
	os.WriteFile("/proc/self/comm", []byte("ingress-controller"), 0) // the name of the image's program
	// All pods of a testbed share one network, and Caddy's listeners share a port with whoever has it.
	for _, port := range []int{80, 443, 9765} {
		if err := waitForPort(ctx, port); err != nil {
			return err
		}
	}
	services := informers.NewSharedInformerFactory(client, resync)
	lookup.services = services.Core().V1().Services().Lister()
	lookup.slices = services.Discovery().V1().EndpointSlices().Lister()
	services.Start(ctx.Done())
	services.WaitForCacheSync(ctx.Done())
	c.watch(ctx)
	if hangs() {
		log.Println("panic: non-positive interval for NewTicker")
		c.ingresses = nil
		if err := c.reload(); err != nil {
			return err
		}
	} else {
		go c.work(ctx)
	}
	<-ctx.Done()
	c.clearStatus()
	return caddy.Stop()
}

// hangs counts down the starts that shall hang.
func hangs() bool {
	text, err := os.ReadFile(hangFile)
	left, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || left <= 0 {
		return false
	}
	os.WriteFile(hangFile, []byte(strconv.Itoa(left-1)), 0o644)
	return true
}

func waitForPort(ctx context.Context, port int) error {
	for said := false; ; said = true {
		probe, err := net.Listen("tcp", fmt.Sprintf(":%d", port))
		if err == nil {
			return probe.Close()
		}
		if !said {
			log.Printf("waiting for port %d: %v", port, err)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
	}
}
