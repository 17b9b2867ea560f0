package main

import (
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// The public network cache, which the master asks for what it does not have.
const (
	publicCache = "http://shacache.nxdcdn.com"
	publicDir   = "http://shadir.nxdcdn.com"
)

// signingKeyBits is the size of the RSA key that signs entries.
const signingKeyBits = 2048

// networkCache are the keys of the node that name the network cache.
func (s *localSetup) networkCache(escaped func(string) string) string {
	var text strings.Builder
	for _, kind := range []string{"cache", "dir"} {
		for _, key := range []string{"download-" + kind + "-url", "download-binary-" + kind + "-url"} {
			if s.Shacache {
				fmt.Fprintf(&text, "%s = %s/shacache/%s\n", key, escaped(s.MasterURL), kind)
			} else {
				fmt.Fprintf(&text, "#%s =\n", key)
			}
		}
	}
	return text.String()
}

// masterCache are the keys of the master about its network cache. They have
// underscores: the reference, which writes dashes, does not read those.
func (s *localSetup) masterCache(escaped func(string) string) string {
	var text strings.Builder
	for _, line := range []struct{ key, value string }{
		{"content_directory", filepath.Join(s.InstanceRoot, "shacache", "data")},
		{"metadata_directory", filepath.Join(s.InstanceRoot, "shacache", "dir")},
		{"upstream_cache_url", publicCache},
		{"upstream_dir_url", publicDir},
	} {
		if !s.Shacache {
			text.WriteString("#")
		}
		fmt.Fprintf(&text, "shacache_%s = %s\n", line.key, escaped(line.value))
	}
	if s.Shacache {
		fmt.Fprintf(&text, "# For programs that sign what they upload: the master signs nothing.\nshacache_signing_key_path = %s\n",
			escaped(s.signingKey()))
	}
	return text.String()
}

func (s *localSetup) signingKey() string {
	return filepath.Join(s.InstanceRoot, "shacache", "signing-key.pem")
}

// makeSigningKey makes a key for its owner alone, unless there is one.
func makeSigningKey(path string) error {
	if _, err := os.Lstat(path); err == nil {
		return nil
	}
	key, err := rsa.GenerateKey(rand.Reader, signingKeyBits)
	if err != nil {
		return fmt.Errorf("make the signing key of the network cache: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return fmt.Errorf("make the signing key of the network cache: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(path, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600)
}
