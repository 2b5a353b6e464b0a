package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strings"

	"sigs.k8s.io/yaml"
)

type registriesFile struct {
	Mirrors map[string]registryMirror
	Configs map[string]struct {
		Auth struct{ Username, Password string }
		TLS  struct {
			CAFile             string `json:"ca_file"`
			InsecureSkipVerify bool   `json:"insecure_skip_verify"`
		}
	}
}

type registryMirror struct{ Endpoint []string }

// writeRegistries makes containerd's directories of hosts from registries.yaml, as k3s does.
func (c *containers) writeRegistries() error {
	certs := c.path("etc/containerd/certs.d")
	if err := os.RemoveAll(certs); err != nil {
		return err
	}
	raw, err := os.ReadFile(c.settings.one("private-registry", "/etc/rancher/k3s/registries.yaml"))
	if os.IsNotExist(err) {
		return nil
	} else if err != nil {
		return err
	}
	var file registriesFile
	if err := yaml.Unmarshal(raw, &file); err != nil {
		return fmt.Errorf("failed to load registry configuration: %w", err)
	}
	mirrors := map[string]registryMirror{}
	for registry := range file.Configs { // one that is only described is its own mirror
		mirrors[registry] = registryMirror{[]string{"https://" + registry}}
	}
	maps.Copy(mirrors, file.Mirrors)
	for registry, mirror := range mirrors {
		var text strings.Builder
		for _, endpoint := range mirror.Endpoint {
			u, err := url.Parse(endpoint)
			if err != nil {
				return err
			}
			config := file.Configs[u.Host]
			fmt.Fprintf(&text, "[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n  skip_verify = %t\n", u.JoinPath("v2").String(), config.TLS.InsecureSkipVerify)
			if config.TLS.CAFile != "" {
				fmt.Fprintf(&text, "  ca = [%q]\n", config.TLS.CAFile)
			}
			if config.Auth.Username != "" {
				login := base64.StdEncoding.EncodeToString([]byte(config.Auth.Username + ":" + config.Auth.Password))
				fmt.Fprintf(&text, "  [host.%q.header]\n    Authorization = %q\n", u.JoinPath("v2").String(), "Basic "+login)
			}
		}
		if registry == "*" {
			registry = "_default"
		}
		if err := os.MkdirAll(filepath.Join(certs, registry), 0o700); err != nil {
			return err
		}
		if err := put(filepath.Join(certs, registry, "hosts.toml"), []byte(text.String()), 0o600); err != nil {
			return err
		}
	}
	return nil
}
