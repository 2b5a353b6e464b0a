package main

import (
	"fmt"
	"log"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/rewrite"
	core "k8s.io/api/core/v1"
	discovery "k8s.io/api/discovery/v1"
	"k8s.io/apimachinery/pkg/labels"
	corelisters "k8s.io/client-go/listers/core/v1"
	discoverylisters "k8s.io/client-go/listers/discovery/v1"
)

// lookup is what Caddy's module finds Services by: Caddy makes its modules from text alone.
var lookup struct {
	services corelisters.ServiceLister
	slices   discoverylisters.EndpointSliceLister
	turn     atomic.Uint64
}

// Service hands a request to one ready endpoint of a Service: a testbed has neither cluster DNS nor kube-proxy.
type Service struct {
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
	Port      int32  `json:"port"`
}

func init() { caddy.RegisterModule(Service{}) }

func (Service) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "http.handlers.service", New: func() caddy.Module { return new(Service) }}
}

func (s *Service) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	address, err := s.endpoint()
	host, _, _ := strings.Cut(r.Host, ":")
	log.Printf("%s %s%s -> %s/%s %s %v (%s)", r.Method, host, r.URL.Path, s.Namespace, s.Name, address, err, r.UserAgent())
	if err != nil {
		return caddyhttp.Error(http.StatusBadGateway, err)
	}
	proxy := &httputil.ReverseProxy{Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(&url.URL{Scheme: "http", Host: address})
		p.SetXForwarded()
		p.Out.Host = p.In.Host
	}}
	proxy.ServeHTTP(w, r)
	return nil
}

func (s *Service) endpoint() (string, error) {
	service, err := lookup.services.Services(s.Namespace).Get(s.Name)
	if err != nil {
		return "", err
	}
	var port *core.ServicePort
	for i := range service.Spec.Ports {
		if service.Spec.Ports[i].Port == s.Port {
			port = &service.Spec.Ports[i]
		}
	}
	if port == nil {
		return "", fmt.Errorf("service %s/%s has no port %d", s.Namespace, s.Name, s.Port)
	}
	slices, err := lookup.slices.EndpointSlices(s.Namespace).List(labels.SelectorFromSet(labels.Set{discovery.LabelServiceName: s.Name}))
	if err != nil {
		return "", err
	}
	var addresses []string
	for _, slice := range slices {
		for _, p := range slice.Ports {
			if p.Port == nil || p.Name == nil || *p.Name != port.Name {
				continue
			}
			for _, e := range slice.Endpoints {
				if e.Conditions.Ready == nil || *e.Conditions.Ready {
					addresses = append(addresses, fmt.Sprintf("%s:%d", e.Addresses[0], *p.Port))
				}
			}
		}
	}
	if len(addresses) == 0 {
		return "", fmt.Errorf("service %s/%s has no ready endpoint", s.Namespace, s.Name)
	}
	return addresses[int(lookup.turn.Add(1))%len(addresses)], nil
}
