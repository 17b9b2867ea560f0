package slapgrid

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Servers that are silent, drip, or never answer end a download, and so does
// the context.
func TestDownloadsThatDoNotEnd(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/mute" {
			<-r.Context().Done()
			return
		}
		for {
			_, _ = w.Write([]byte("x"))
			_ = http.NewResponseController(w).Flush()
			if r.URL.Path == "/silent" {
				<-r.Context().Done()
			}
			select {
			case <-r.Context().Done():
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	}))
	defer server.Close()
	const short, long = 300 * time.Millisecond, time.Hour
	tests := []struct {
		path           string
		silence, limit time.Duration
		interrupt      bool
		message        string
	}{
		{"/mute", short, long, false, "download: nothing came for 300ms"},
		{"/silent", short, long, false, "download: nothing came for 300ms"},
		{"/drips", long, short, false, "download: not complete after 300ms"},
		{"/drips", long, long, true, "interrupted"},
		{"/mute", long, long, true, "interrupted"},
	}
	for _, tt := range tests {
		t.Run(tt.path[1:]+" "+tt.message, func(t *testing.T) {
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			if tt.interrupt {
				defer time.AfterFunc(short, func() { cancel(errors.New("interrupted")) }).Stop()
			}
			remote, err := url.Parse(server.URL + tt.path)
			require.NoError(t, err)
			transport := &http.Transport{}
			defer transport.CloseIdleConnections()
			b := programBuilder{http: &http.Client{Transport: transport}, silence: tt.silence, limit: tt.limit}
			body, err := b.download(ctx, programSource{remote: remote, sum: "x"})
			if err == nil {
				_, err = io.Copy(io.Discard, body)
				require.NoError(t, body.Close())
			}
			require.EqualError(t, err, tt.message)
		})
	}
}
