package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy"
)

// settingsOf reads a configuration file as "proxy start" does.
func settingsOf(t *testing.T, text string) (proxySettings, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "proxy.cfg")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return (&app{log: slog.New(slog.DiscardHandler)}).proxySettings(&cfgOption{path: path}, proxySettings{})
}

func TestOtherServersOfTheProxy(t *testing.T) {
	s, err := settingsOf(t, `[slapproxy]
database_uri = p.db
trusted_proxies = 127.0.0.1 10.0.0.0/8
http_proxy = false
format_as_real_master = true
shacache-content-directory = /cache/data
shacache_metadata_directory = /cache/dir
shacache-upstream-cache-url = http://a.example/cache
shacache_upstream_dir_url = http://a.example/dir
[multimaster/https://a.example/]
key = /k.pem
cert = /c.pem
master_ca_file = /ca.pem
master_verify = no
computer = COMP-1
partition = slappart0
software_release_list =
  http://sr.example/a.cfg

  http://sr.example/b.cfg
[multimaster/http://b.example:5000]
`)
	require.NoError(t, err)
	require.Empty(t, cmp.Diff([]proxy.OtherMaster{
		{
			URL: "https://a.example/", KeyFile: "/k.pem", CertFile: "/c.pem", CAFile: "/ca.pem", Unverified: true,
			Computer: "COMP-1", Partition: "slappart0", Releases: []string{"http://sr.example/a.cfg", "http://sr.example/b.cfg"},
		},
		{URL: "http://b.example:5000"},
	}, s.multimaster))
	require.Empty(t, cmp.Diff(proxy.Shacache{
		Content: "/cache/data", Metadata: "/cache/dir", UpstreamCache: "http://a.example/cache", UpstreamDir: "http://a.example/dir",
	}, s.shacache))
	require.True(t, s.noHTTPProxy)
	require.True(t, s.formatAsReal)
	opts, err := s.others(&app{})
	require.NoError(t, err)
	require.Len(t, opts, 4)

	_, err = settingsOf(t, "[slapproxy]\ndatabase_uri = p.db\n[multimaster/http://a/]\nmaster_verify = perhaps\n")
	require.ErrorContains(t, err, "perhaps")
	s, err = settingsOf(t, "[slapproxy]\ndatabase_uri = p.db\ntrusted_proxies = nginx\n")
	require.NoError(t, err)
	_, err = s.others(&app{})
	require.ErrorContains(t, err, `trusted_proxies: "nginx"`)
}
