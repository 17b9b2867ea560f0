package main

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"path/filepath"
	"regexp"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/slapos/slapos-go/proxy/proxytest"
	"github.com/slapos/slapos-go/slap"
)

// output is what the program tells.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// start runs the program until stop is called.
func start(t *testing.T, database string) (url string, stop func() error) {
	ctx, cancel := context.WithCancel(t.Context())
	out, done := &output{}, make(chan error, 1)
	go func() {
		done <- run(ctx, []string{"-listen", "127.0.0.1:0", "-database", database, "-computer", "node1"}, out)
	}()
	address := regexp.MustCompile(`url=(http://\S+)`)
	require.Eventually(t, func() bool {
		match := address.FindStringSubmatch(out.String())
		if match != nil {
			url = match[1]
		}
		return match != nil
	}, time.Minute, 10*time.Millisecond)
	return url, func() error { cancel(); return <-done }
}

func page(t *testing.T, url string) string {
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, url, nil)
	require.NoError(t, err)
	answer, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	require.NoError(t, err)
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	return string(text)
}

func TestMasterIsPartOfAServer(t *testing.T) {
	database := filepath.Join(t.TempDir(), "master.db")
	url, stop := start(t, database)
	require.Equal(t, "node1: 0 partitions, 0 of them free\n", page(t, url+"status"))
	client, err := slap.New(url)
	require.NoError(t, err)
	defer client.CloseIdleConnections()
	(&proxytest.Master{Client: client}).Format(t, "node1", 3)
	_, err = client.OpenOrder().Request(t.Context(), slap.Request{
		SoftwareRelease: "https://example.org/web/software.cfg", Reference: "site",
	})
	require.NoError(t, err)
	require.NoError(t, stop())

	url, stop = start(t, database)
	require.Equal(t, "node1: 3 partitions, 2 of them free\n", page(t, url+"status"), "nothing is forgotten")
	require.NoError(t, stop())
}

func TestWhatIsWrongIsSaid(t *testing.T) {
	require.Error(t, run(t.Context(), []string{"-nonsense"}, io.Discard))
	require.Error(t, run(t.Context(), []string{"-listen", "127.0.0.1:99999"}, io.Discard))
	require.Error(t, run(t.Context(), []string{"-database", t.TempDir()}, io.Discard))
}
