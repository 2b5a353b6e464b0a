// vault as the tests run it: the real core and API over http, files for storage, real init and unseal; no dev mode, no UI,
// no plugins, no clustering.
//
//	vault -data DIR -listen 127.0.0.1:8200 [-cert FILE -key FILE]
package main

import (
	"flag"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/hashicorp/go-hclog"
	kv "github.com/hashicorp/vault-plugin-secrets-kv"
	"github.com/hashicorp/vault/helper/testhelpers/corehelpers"
	vaulthttp "github.com/hashicorp/vault/http"
	"github.com/hashicorp/vault/internalshared/configutil"
	"github.com/hashicorp/vault/sdk/logical"
	"github.com/hashicorp/vault/sdk/physical/file"
	"github.com/hashicorp/vault/vault"
)

func main() {
	data := flag.String("data", "", "directory of the storage")
	listen := flag.String("listen", "127.0.0.1:8200", "address of the API")
	cert := flag.String("cert", "", "certificate, for https")
	key := flag.String("key", "", "its key")
	flag.Parse()

	logger := hclog.New(&hclog.LoggerOptions{Name: "vault", Level: hclog.Info, Output: os.Stderr})
	storage, err := file.NewFileBackend(map[string]string{"path": *data}, logger)
	check(err)
	core, err := vault.NewCore(&vault.CoreConfig{
		Physical:        storage,
		StorageType:     "file",
		LogicalBackends: map[string]logical.Factory{"kv": kv.Factory},
		BuiltinRegistry: corehelpers.NewMockBuiltinRegistry(),
		DisableMlock:    true,
		Logger:          logger,
	})
	check(err)

	socket, err := net.Listen("tcp", *listen)
	check(err)
	server := &http.Server{Handler: vaulthttp.Handler.Handler(&vault.HandlerProperties{
		Core:           core,
		ListenerConfig: &configutil.Listener{Type: "tcp", Address: *listen},
	})}
	fmt.Println("vault listens on", socket.Addr())
	if *cert != "" {
		check(server.ServeTLS(socket, *cert, *key))
	}
	check(server.Serve(socket))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vault:", err)
		os.Exit(1)
	}
}
