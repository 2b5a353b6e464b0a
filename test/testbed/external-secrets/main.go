// external-secrets as the k3s stand-in runs it: upstream's commands, where pods have one network and no volumes.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	ctrl "sigs.k8s.io/controller-runtime"

	"github.com/external-secrets/external-secrets/cmd/controller"
)

func main() {
	if len(os.Args) > 1 && (os.Args[1] == "webhook" || os.Args[1] == "certcontroller") {
		for i, arg := range os.Args {
			switch name, value, _ := strings.Cut(arg, "="); {
			case name == "--metrics-addr": // of three pods, the controller's are the metrics that people look at
				os.Args[i] = name + "=:0"
			case name == "--healthz-addr" && os.Args[1] == "certcontroller": // the webhook, ready by its work, has the port
				os.Args[i] = name + "=:0"
			case name == "--dns-name": // it is the Service's, and the Secret has the Service's name
				service, _, _ := strings.Cut(value, ".")
				defer os.RemoveAll(certificates(service))
			}
		}
	}
	controller.Execute()
}

// certificates waits for the Secret that the certificate controller fills, and keeps its files in a directory of our own:
// where the chart mounts it.
func certificates(secret string) string {
	dir, err := os.MkdirTemp("", "external-secrets-webhook-")
	check(err)
	for i, arg := range os.Args {
		if strings.HasPrefix(arg, "--cert-dir=") {
			os.Args[i] = "--cert-dir=" + dir
		}
	}
	client, err := kubernetes.NewForConfig(ctrl.GetConfigOrDie())
	check(err)
	write := func() bool {
		found, err := client.CoreV1().Secrets(os.Getenv("POD_NAMESPACE")).Get(context.Background(), secret, meta.GetOptions{})
		if err != nil || len(found.Data["tls.crt"]) == 0 {
			return false
		}
		for name, content := range found.Data {
			file := filepath.Join(dir, name)
			if old, _ := os.ReadFile(file); string(old) != string(content) {
				check(os.WriteFile(file, content, 0o600))
			}
		}
		return true
	}
	for !write() {
		time.Sleep(200 * time.Millisecond)
	}
	go func() {
		for {
			time.Sleep(5 * time.Second)
			write()
		}
	}()
	return dir
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "external-secrets:", err)
		os.Exit(1)
	}
}
