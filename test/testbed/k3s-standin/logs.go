package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// logsPort is where the API server asks for logs. The kubelet's own 10250 belongs to a webhook: pods share the node's network.
const logsPort = 10299

// serveLogs is the one part of the kubelet's API that `kubectl logs` needs.
func (k *kubelet) serveLogs(ctx context.Context) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().AddDate(1, 0, 0), IPAddresses: []net.IP{net.ParseIP(k.address)}}
	certificate, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /containerLogs/{namespace}/{pod}/{container}", k.log)
	server := &http.Server{Addr: net.JoinHostPort(k.address, strconv.Itoa(logsPort)), Handler: mux,
		TLSConfig: &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{certificate}, PrivateKey: key}}}}
	go func() {
		<-ctx.Done()
		server.Close()
	}()
	return server.ListenAndServeTLS("", "")
}

// log answers with the file of a program's container, or that of a chart's job, which has one for the pod.
func (k *kubelet) log(w http.ResponseWriter, r *http.Request) {
	name := r.PathValue("namespace") + "_" + r.PathValue("pod")
	for _, file := range []string{name + "_" + r.PathValue("container") + ".log", name + ".log"} {
		content, err := os.ReadFile(filepath.Join(k.work, "logs", filepath.Base(file)))
		if err != nil {
			continue
		}
		lines := strings.SplitAfter(string(content), "\n")
		if tail, err := strconv.Atoi(r.URL.Query().Get("tailLines")); err == nil && tail+1 < len(lines) {
			lines = lines[len(lines)-tail-1:]
		}
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(strings.Join(lines, "")))
	}
}
