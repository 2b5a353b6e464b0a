// external-dns as the k3s stand-in runs it: with the administrator's kubeconfig, for its pods have no ServiceAccount token.
package main

import (
	"os"

	"sigs.k8s.io/external-dns/controller"
)

func main() {
	os.Setenv("EXTERNAL_DNS_KUBECONFIG", os.Getenv("KUBECONFIG"))
	controller.Execute()
}
