package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

// The subcommands that k3s has for certificates and the token, as in pkg/cli/cert and pkg/cli/token of v1.36.3. None of them
// reads config.yaml: what is not on the command line is the default, whatever the server was started with.

var errNotAuthorized = errors.New("not authorized")

// login is what each subcommand that asks the server does first: the token of the data directory unless another is given, whose
// hash has to be that of the authority that the server shows, and which the server has to take.
func login(server, data, token string) error {
	if token == "" {
		raw, err := os.ReadFile(filepath.Join(data, "token"))
		if err != nil {
			return err
		}
		token = strings.TrimSpace(string(raw))
	}
	if !strings.HasPrefix(server, "https://") {
		return fmt.Errorf("only https:// URLs are supported, invalid scheme: %s", server)
	}
	server = strings.TrimRight(server, "/")
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, server+"/version", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token[strings.LastIndex(token, ":")+1:])
	client := http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	answer, err := client.Do(request)
	var failed *url.Error
	if errors.As(err, &failed) {
		return fmt.Errorf("failed to get CA certs: Get %q: %w", server+"/cacerts", failed.Err)
	} else if err != nil {
		return err
	}
	answer.Body.Close()
	if err := checkCA(server, token); err != nil {
		return err
	}
	if answer.StatusCode == http.StatusUnauthorized {
		return errNotAuthorized
	}
	return nil
}

// running is what a server says of itself to the subcommands that ask it: theirs are not its directories.
type running struct{ Data, Snapshots string }

func runningFile(port string) string { return "/run/k3s-standin-" + port + ".json" }

func (r running) write(port string) error {
	raw, err := json.Marshal(r)
	return errors.Join(err, put(runningFile(port), raw, 0o600))
}

func runningAt(server string) (r running, err error) {
	address, err := url.Parse(server)
	if err != nil {
		return r, err
	}
	raw, err := os.ReadFile(runningFile(address.Port()))
	if err != nil {
		return r, err
	}
	return r, json.Unmarshal(raw, &r)
}

// subcommand parses as k3s does: the flags of one subcommand alone, after its name.
func subcommand(name string, define func(*flag.FlagSet), args []string) error {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(io.Discard)
	define(flags)
	if err := flags.Parse(args); err != nil {
		fmt.Printf("Incorrect Usage: %s\n\n", err)
		return err
	}
	return nil
}

// both names a flag by its long and its short name.
func both(flags *flag.FlagSet, to *string, long, short, otherwise string) {
	flags.StringVar(to, long, otherwise, "")
	flags.StringVar(to, short, otherwise, "")
}

func dataDirOf() string {
	if dir := os.Getenv("K3S_DATA_DIR"); dir != "" {
		return dir
	}
	return defaultDataDir
}

func serverURL() string {
	if server := os.Getenv("K3S_URL"); server != "" {
		return server
	}
	return "https://127.0.0.1:6443"
}

// service is one of pkg/util/services, with the files that the stand-in has of it.
type service struct {
	name  string
	files []string
}

var services = []service{
	{"api-server", []string{"serving-kube-apiserver"}},
	{"admin", []string{"client-admin"}},
	{"auth-proxy", []string{"client-auth-proxy"}},
	{"cloud-controller", nil},
	{"controller-manager", nil},
	{"etcd", []string{"etcd/client", "etcd/server-client", "etcd/peer-server-client"}},
	{"scheduler", nil},
	{"supervisor", nil},
	{"k3s-server", nil},
	{"kube-proxy", nil},
	{"kubelet", nil},
	{"k3s-controller", nil},
}

func certificate(args []string) error {
	if len(args) == 0 {
		fmt.Println("NAME:\n   k3s certificate - Manage K3s certificates")
		return nil
	}
	verb := args[0]
	if verb != "check" && verb != "rotate" {
		return fmt.Errorf("No help topic for '%s'", verb)
	}
	var data, output, ignored string
	var no bool
	var wanted []string
	err := subcommand(verb, func(flags *flag.FlagSet) {
		both(flags, &data, "data-dir", "d", dataDirOf())
		both(flags, &ignored, "config", "c", "")
		both(flags, &ignored, "log", "l", "")
		flags.BoolVar(&no, "debug", false, "")
		flags.BoolVar(&no, "alsologtostderr", false, "")
		list := func(value string) error {
			wanted = append(wanted, strings.Split(value, ",")...)
			return nil
		}
		flags.Func("service", "", list)
		flags.Func("s", "", list)
		if verb == "check" {
			both(flags, &output, "output", "o", "text")
		}
	}, args[1:])
	if err != nil {
		return err
	}
	for _, name := range wanted {
		if !slices.ContainsFunc(services, func(s service) bool { return s.name == name }) {
			return fmt.Errorf("service %s is not recognized", name)
		}
	}
	var files []string
	for _, s := range services {
		if len(wanted) == 0 || slices.Contains(wanted, s.name) {
			files = append(files, s.files...)
		}
	}
	who := "Server detected, %s agent and server certificates"
	if _, err := os.Stat(filepath.Join(data, "server")); os.IsNotExist(err) {
		who = "Agent detected, %s agent certificates"
	}
	info(who, map[string]string{"check": "checking", "rotate": "rotating"}[verb])
	keys := pki{filepath.Join(data, "server", "tls")}
	if verb == "check" {
		return checkCertificates(keys, files, output)
	}
	backup := filepath.Join(data, "server", fmt.Sprintf("tls-%d", time.Now().Unix()))
	if err := os.CopyFS(backup, os.DirFS(keys.dir)); err != nil {
		return err
	}
	if err := os.WriteFile(keys.file("dynamic-cert-regenerate"), nil, 0o600); err != nil {
		return err
	}
	for _, name := range files {
		os.Remove(keys.file(name + ".crt"))
		os.Remove(keys.file(name + ".key"))
	}
	info("Successfully backed up certificates to %s, please restart k3s server or agent to rotate certificates", backup)
	return nil
}

func checkCertificates(keys pki, files []string, output string) error {
	type row struct {
		Filename, Subject, Issuer string
		Usages                    []string
		ExpiryTime                time.Time
		ResidualTime              time.Duration
		Status                    string
	}
	var rows []row
	now := time.Now()
	for _, name := range files {
		raw, err := os.ReadFile(keys.file(name + ".crt"))
		if err != nil {
			continue // k3s says so only with --debug
		}
		for _, cert := range certificatesIn(raw) {
			status := "OK"
			switch {
			case now.After(cert.NotAfter):
				status = "EXPIRED"
			case now.AddDate(0, 0, 120).After(cert.NotAfter):
				status = "WARNING"
			}
			rows = append(rows, row{filepath.Base(name) + ".crt", cert.Subject.CommonName, cert.Issuer.CommonName, usagesOf(cert), cert.NotAfter, cert.NotAfter.Sub(now), status})
		}
	}
	switch output {
	case "text":
		for _, r := range rows {
			how := map[string]string{"OK": "is ok, expires", "WARNING": "will expire within 120 days", "EXPIRED": "expired"}[r.Status]
			info("%s: certificate %s (%s) %s at %s", r.Filename, r.Subject, strings.Join(r.Usages, ","), how, r.ExpiryTime.Format(time.RFC3339))
		}
	case "table":
		w := tabwriter.NewWriter(os.Stdout, 0, 0, 3, ' ', 0)
		fmt.Fprint(w, "\nFILENAME\tSUBJECT\tUSAGES\tEXPIRES\tRESIDUAL TIME\tSTATUS\n--------\t-------\t------\t-------\t-------------\t------\n")
		for _, r := range rows {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d days\t%s\n", r.Filename, r.Subject, strings.Join(r.Usages, ","), r.ExpiryTime.Format("Jan 02, 2006 15:04 MST"), int(r.ResidualTime.Hours()/24), r.Status)
		}
		return w.Flush()
	case "json":
		return json.NewEncoder(os.Stdout).Encode(map[string]any{"Certificates": rows})
	default:
		return fmt.Errorf("invalid output format %s", output)
	}
	return nil
}

func usagesOf(cert *x509.Certificate) (usages []string) {
	if cert.KeyUsage&x509.KeyUsageCertSign != 0 {
		usages = append(usages, "CertSign")
	}
	for _, usage := range cert.ExtKeyUsage {
		switch usage {
		case x509.ExtKeyUsageServerAuth:
			usages = append(usages, "ServerAuth")
		case x509.ExtKeyUsageClientAuth:
			usages = append(usages, "ClientAuth")
		}
	}
	if len(usages) == 0 {
		return []string{"Unknown"}
	}
	return usages
}

// token does `token rotate`. Its data directory is the default one, whatever -d says, as in k3s: elsewhere it needs --token.
func token(args []string) error {
	if len(args) == 0 {
		fmt.Println("NAME:\n   k3s token - Manage tokens")
		return nil
	}
	if args[0] != "rotate" {
		return fmt.Errorf("No help topic for '%s'", args[0])
	}
	var old, server, fresh, ignored string
	err := subcommand("rotate", func(flags *flag.FlagSet) {
		both(flags, &ignored, "data-dir", "d", "")
		both(flags, &old, "token", "t", os.Getenv("K3S_TOKEN"))
		both(flags, &server, "server", "s", serverURL())
		flags.StringVar(&fresh, "new-token", "", "")
		flags.StringVar(&ignored, "kubeconfig", "", "")
	}, args[1:])
	if err != nil {
		return err
	}
	fmt.Println("\033[33mWARNING\033[0m: Recommended to keep a record of the old token. If restoring from a snapshot, you must use the token associated with that snapshot.")
	if err := login(server, filepath.Join(defaultDataDir, "server"), old); err != nil {
		return err
	}
	at, err := runningAt(server)
	if err != nil {
		return err
	}
	if fresh == "" {
		fresh = randomHex(16)
	}
	hash, err := pki{filepath.Join(at.Data, "tls")}.hash("server-ca")
	if err != nil {
		return err
	}
	// What the API server takes is what it was started with: until its restart the new token is not authorized.
	if err := put(filepath.Join(at.Data, "token"), []byte("K10"+hash+"::server:"+fresh+"\n"), 0o600); err != nil {
		return err
	}
	fmt.Println("Token rotated, restart k3s nodes with new token")
	return nil
}

func info(format string, values ...any) {
	fmt.Fprintf(os.Stderr, "time=%q level=info msg=%q\n", now(), fmt.Sprintf(format, values...))
}
