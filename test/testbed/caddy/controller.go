package main

import (
	"bytes"
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
)

// controller keeps the Ingresses in the order in which they arrived, and loads Caddy's configuration when its text changes.
// A TLS Secret is a file by its name alone: written when the Secret changes, read by Caddy only with a configuration.
type controller struct {
	options
	client                     kubernetes.Interface
	pod                        *core.Pod
	mapNamespace, mapName, dir string
	mu                         sync.Mutex // of the Ingresses
	ingresses                  []*networking.Ingress
	settings                   map[string]string
	events                     chan func()
	secrets                    bool // whether Secrets are watched: from the first Ingress with tls on
	loaded                     []byte
}

func newController(ctx context.Context, client kubernetes.Interface, o options) (*controller, error) {
	namespace, name := os.Getenv("POD_NAMESPACE"), os.Getenv("POD_NAME")
	pod, err := client.CoreV1().Pods(namespace).Get(ctx, name, meta.GetOptions{})
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "caddy-")
	if err != nil {
		return nil, err
	}
	c := &controller{options: o, client: client, pod: pod, dir: dir, mapNamespace: namespace, mapName: o.configMap,
		events: make(chan func(), 1000)}
	if space, name, found := strings.Cut(o.configMap, "/"); found {
		c.mapNamespace, c.mapName = space, name
	}
	return c, os.Mkdir(c.certs(), 0o755)
}

func (c *controller) certs() string { return filepath.Join(c.dir, "certs") }

// watch turns changes of the ConfigMap and of the Ingresses into events, oldest Ingress first as a list comes.
func (c *controller) watch(ctx context.Context) {
	own := informers.NewSharedInformerFactoryWithOptions(c.client, resync, informers.WithNamespace(c.mapNamespace))
	maps := own.Core().V1().ConfigMaps().Informer()
	setMap := func(object any) {
		if m, ok := object.(*core.ConfigMap); ok && m.Name == c.mapName {
			c.events <- func() { c.settings = m.Data }
		}
	}
	maps.AddEventHandler(cache.ResourceEventHandlerFuncs{AddFunc: setMap, UpdateFunc: func(_, object any) { setMap(object) }})
	watched := informers.NewSharedInformerFactoryWithOptions(c.client, resync, informers.WithNamespace(c.namespace))
	ingresses := watched.Networking().V1().Ingresses().Informer()
	add := func(object any) {
		if i := object.(*networking.Ingress); c.serves(i) {
			c.events <- func() { c.add(ctx, i) }
		}
	}
	ingresses.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    add,
		UpdateFunc: func(_, object any) { add(object) }, // one that leaves the class stays, as with the real one
		DeleteFunc: func(object any) {
			if i, ok := object.(*networking.Ingress); ok && c.serves(i) {
				c.events <- func() { c.remove(i.UID) }
			}
		},
	})
	own.Start(ctx.Done())
	watched.Start(ctx.Done())
	own.WaitForCacheSync(ctx.Done())
	watched.WaitForCacheSync(ctx.Done())
}

// work handles events one after the other; after each, the configuration is loaded if it is another one.
func (c *controller) work(ctx context.Context) {
	status := time.NewTicker(30 * time.Second)
	c.events <- func() { c.syncStatus(ctx) } // after what was there before; without any of it, the first load
	for {
		select {
		case <-ctx.Done():
			return
		case event := <-c.events:
			event()
		case <-status.C:
			c.syncStatus(ctx)
		}
		if err := c.reload(); err != nil {
			log.Println("could not reload caddy:", err)
		}
	}
}

func (c *controller) reload() error {
	text, err := c.config()
	if err != nil {
		return err
	}
	if bytes.Equal(text, c.loaded) {
		return nil
	}
	if c.verbose {
		log.Println("reloading caddy with config", string(text))
	}
	if os.Remove(blockFile) == nil {
		log.Println("caddy does not come back from loading its configuration")
		select {}
	}
	if err := caddy.Load(text, false); err != nil {
		return err
	}
	c.loaded = text
	return nil
}

// serves compares the class as text: no IngressClass object is looked for, and the old annotation wins over the field.
func (c *controller) serves(i *networking.Ingress) bool {
	class := i.Annotations["kubernetes.io/ingress.class"]
	if class == "" && i.Spec.IngressClassName != nil {
		class = *i.Spec.IngressClassName
	}
	return class == c.class || (class == "" && !c.classRequired)
}

func (c *controller) add(ctx context.Context, i *networking.Ingress) {
	log.Printf("Ingress created or updated (%s/%s)", i.Namespace, i.Name)
	c.mu.Lock()
	at := slices.IndexFunc(c.ingresses, func(one *networking.Ingress) bool { return one.UID == i.UID })
	if at < 0 {
		c.ingresses = append(c.ingresses, i)
	} else {
		c.ingresses[at] = i
	}
	c.mu.Unlock()
	if len(i.Spec.TLS) > 0 && !c.secrets {
		c.secrets = true
		c.watchSecrets(ctx)
	}
}

// remove puts the last one in the place of the one that goes.
func (c *controller) remove(uid types.UID) {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.IndexFunc(c.ingresses, func(one *networking.Ingress) bool { return one.UID == uid })
	if at < 0 {
		return
	}
	last := len(c.ingresses) - 1
	c.ingresses[at] = c.ingresses[last]
	c.ingresses = c.ingresses[:last]
}

func (c *controller) watchSecrets(ctx context.Context) {
	factory := informers.NewSharedInformerFactoryWithOptions(c.client, resync, informers.WithNamespace(c.namespace))
	informer := factory.Core().V1().Secrets().Informer()
	file := func(s *core.Secret) string { return filepath.Join(c.certs(), s.Name+".pem") }
	write := func(object any) {
		s := object.(*core.Secret)
		if s.Type != core.SecretTypeTLS || !c.refers(s) {
			return
		}
		go func() { // the queue may be full
			c.events <- func() {
				log.Printf("TLS secret created or updated (%s/%s)", s.Namespace, s.Name)
				content := slices.Concat(s.Data[core.TLSCertKey], s.Data[core.TLSPrivateKeyKey])
				if err := os.WriteFile(file(s), content, 0o600); err != nil {
					log.Println(err)
				}
			}
		}()
	}
	informer.AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc:    write,
		UpdateFunc: func(_, object any) { write(object) },
		DeleteFunc: func(object any) {
			if s, ok := object.(*core.Secret); ok && s.Type == core.SecretTypeTLS {
				go func() { c.events <- func() { os.Remove(file(s)) } }()
			}
		},
	})
	factory.Start(ctx.Done())
}

// refers says whether an Ingress names the Secret by now: one that comes before its Ingress is not written, until it changes.
func (c *controller) refers(s *core.Secret) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.ContainsFunc(c.ingresses, func(i *networking.Ingress) bool {
		return i.Namespace == s.Namespace && slices.ContainsFunc(i.Spec.TLS, func(t networking.IngressTLS) bool { return t.SecretName == s.Name })
	})
}

// syncStatus publishes the address of every Service in the pod's namespace whose selector is a subset of the pod's labels:
// one without a selector is, too.
func (c *controller) syncStatus(ctx context.Context) {
	services, err := c.client.CoreV1().Services(c.pod.Namespace).List(ctx, meta.ListOptions{})
	if err != nil {
		log.Println(err)
		return
	}
	var addresses []networking.IngressLoadBalancerIngress
	for _, s := range services.Items {
		subset := true
		for key, value := range s.Spec.Selector {
			subset = subset && c.pod.Labels[key] == value
		}
		if address := addressOf(&s); subset && address.IP+address.Hostname != "" {
			addresses = append(addresses, address)
		}
	}
	slices.SortFunc(addresses, func(a, b networking.IngressLoadBalancerIngress) int {
		return strings.Compare(a.IP+a.Hostname, b.IP+b.Hostname)
	})
	c.setStatus(ctx, addresses)
}

func addressOf(s *core.Service) (found networking.IngressLoadBalancerIngress) {
	switch s.Spec.Type {
	case core.ServiceTypeClusterIP:
		if s.Spec.ClusterIP != core.ClusterIPNone {
			found.IP = s.Spec.ClusterIP
		}
	case core.ServiceTypeExternalName:
		found.Hostname = s.Spec.ExternalName
	case core.ServiceTypeLoadBalancer:
		if all := s.Status.LoadBalancer.Ingress; len(all) > 0 {
			found.IP, found.Hostname = all[0].IP, all[0].Hostname
		}
	}
	return found
}

func (c *controller) setStatus(ctx context.Context, addresses []networking.IngressLoadBalancerIngress) {
	for _, i := range c.ingresses {
		live, err := c.client.NetworkingV1().Ingresses(i.Namespace).Get(ctx, i.Name, meta.GetOptions{})
		if err != nil || fmt.Sprint(live.Status.LoadBalancer.Ingress) == fmt.Sprint(addresses) {
			continue
		}
		live.Status.LoadBalancer.Ingress = addresses
		if _, err := c.client.NetworkingV1().Ingresses(i.Namespace).UpdateStatus(ctx, live, meta.UpdateOptions{}); err != nil {
			log.Println("error updating ingress status:", err)
		}
	}
}

// clearStatus takes the addresses back when the pod ends.
func (c *controller) clearStatus() {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	c.setStatus(ctx, nil)
}
