package main

import (
	"encoding/json"
	"slices"
	"strings"

	networking "k8s.io/api/networking/v1"
)

type (
	object = map[string]any
	list   = []any
)

const prefix = "caddy.ingress.kubernetes.io/"

// route is one of Caddy's; path is what smart sort goes by.
type route struct {
	Match  list   `json:"match,omitempty"`
	Handle list   `json:"handle"`
	path   string `json:"-"`
}

// config is Caddy's configuration for the Ingresses and the ConfigMap as they are. Of an Ingress only what is in here makes
// Caddy load anything: an annotation that it does not know does not.
func (c *controller) config() ([]byte, error) {
	routes := []route{}
	hosts := []string{}
	for _, i := range c.ingresses {
		for _, rule := range i.Spec.Rules {
			if rule.HTTP == nil {
				continue
			}
			for _, path := range rule.HTTP.Paths {
				routes = append(routes, routeOf(i, rule.Host, path))
			}
		}
		for _, entry := range i.Spec.TLS {
			for _, host := range entry.Hosts {
				if !slices.Contains(hosts, host) {
					hosts = append(hosts, host)
				}
			}
		}
	}
	if c.settings["experimentalSmartSort"] == "true" {
		slices.SortStableFunc(routes, bySpecificity)
	}
	tls, automatic := object{}, object{}
	if len(hosts) > 0 {
		tls["certificates"] = object{"load_folders": list{c.certs()}}
		automatic["skip_certificates"] = hosts
	}
	if ca, email := c.settings["acmeCA"], c.settings["email"]; ca != "" || email != "" {
		issuer := object{"module": "acme"}
		for key, value := range map[string]string{"ca": ca, "email": email} {
			if value != "" {
				issuer[key] = value
			}
		}
		tls["automation"] = object{"policies": list{object{"issuers": list{issuer}, "on_demand": c.settings["onDemandTLS"] == "true"}}}
	}
	operator := list{object{"match": list{object{"path": list{"/healthz"}}}, "handle": list{object{"handler": "static_response", "status_code": 200}}}}
	if c.settings["metrics"] == "true" {
		operator = append(operator, object{"match": list{object{"path": list{"/metrics"}}}, "handle": list{object{"handler": "metrics"}}})
	}
	return json.Marshal(object{
		"admin":   object{"disabled": true},
		"storage": object{"module": "file_system", "root": c.dir + "/storage"},
		"apps": object{
			"tls": tls,
			"http": object{"servers": object{
				// Both ports on one server: what no route takes on 80 is sent to https by automatic HTTPS, whatever its host.
				"ingress_server": object{"listen": list{":80", ":443"}, "tls_connection_policies": list{object{}},
					"automatic_https": automatic, "routes": routes},
				"metrics_server": object{"listen": list{":9765"}, "automatic_https": object{"disable": true}, "routes": operator},
			}},
		},
	})
}

func routeOf(i *networking.Ingress, host string, path networking.HTTPIngressPath) route {
	match := object{}
	if i.Annotations[prefix+"disable-ssl-redirect"] != "true" {
		match["protocol"] = "https"
	}
	if host != "" {
		match["host"] = list{host}
	}
	pattern := path.Path
	if pattern != "" {
		if path.PathType != nil && *path.PathType == networking.PathTypePrefix {
			pattern += "*"
		}
		match["path"] = list{pattern}
	}
	r := route{Match: list{match}, path: pattern}
	if to := i.Annotations[prefix+"rewrite-to"]; to != "" {
		r.Handle = append(r.Handle, object{"handler": "rewrite", "uri": to})
	}
	backend := object{"handler": "service", "namespace": i.Namespace}
	if path.Backend.Service != nil { // a named port is 0 to it
		backend["name"], backend["port"] = path.Backend.Service.Name, path.Backend.Service.Port.Number
	}
	r.Handle = append(r.Handle, backend)
	return r
}

// bySpecificity: exact paths, then prefixes, then no path; the longer first.
func bySpecificity(a, b route) int {
	rank := func(r route) int {
		switch {
		case r.path == "":
			return 2
		case strings.HasSuffix(r.path, "*"):
			return 1
		}
		return 0
	}
	if order := rank(a) - rank(b); order != 0 {
		return order
	}
	return len(b.path) - len(a.path)
}
