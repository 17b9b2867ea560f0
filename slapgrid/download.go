package slapgrid

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Limits of a download: how long a server may be silent, and how long all of it
// may take. At a megabit per second a few gigabytes fit.
const (
	downloadSilence = time.Minute
	downloadLimit   = 6 * time.Hour
)

// download opens an archive of a web server. Reading ends with the context, and
// with an error when the server is silent or slow for too long.
func (b *programBuilder) download(ctx context.Context, source programSource) (io.ReadCloser, error) {
	client := *b.http
	client.CheckRedirect = func(req *http.Request, via []*http.Request) error {
		if source.sum == "" && req.URL.Scheme != "https" {
			return errors.New("redirected from https to " + req.URL.Scheme)
		}
		if len(via) >= 10 {
			return errors.New("too many redirects")
		}
		return nil
	}
	d := newTransfer(ctx, b.silence, b.limit)
	req, err := http.NewRequestWithContext(d.ctx, http.MethodGet, source.remote.String(), nil)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	res, err := client.Do(req)
	if err != nil {
		return nil, errors.Join(d.explain(err), d.Close())
	}
	d.body = res.Body
	if res.StatusCode != http.StatusOK {
		return nil, errors.Join(fmt.Errorf("download: %s", res.Status), d.Close())
	}
	return d, nil
}

// transfer is the body of an answer that has to go on arriving.
type transfer struct {
	ctx     context.Context //nolint:containedctx // of one download
	cancel  context.CancelCauseFunc
	body    io.ReadCloser
	silence time.Duration
	quiet   *time.Timer // ends the transfer after a silence
	whole   *time.Timer // ends it anyway
}

func newTransfer(ctx context.Context, silence, limit time.Duration) *transfer {
	d := &transfer{silence: silence}
	d.ctx, d.cancel = context.WithCancelCause(ctx)
	d.quiet = time.AfterFunc(silence, func() { d.cancel(fmt.Errorf("download: nothing came for %v", silence)) })
	d.whole = time.AfterFunc(limit, func() { d.cancel(fmt.Errorf("download: not complete after %v", limit)) })
	return d
}

// Read implements [io.Reader].
func (d *transfer) Read(p []byte) (int, error) {
	n, err := d.body.Read(p)
	if n > 0 {
		d.quiet.Reset(d.silence)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = d.explain(err)
	}
	return n, err
}

// explain replaces an error by the reason why the transfer was ended.
func (d *transfer) explain(err error) error {
	if cause := context.Cause(d.ctx); cause != nil {
		return cause
	}
	return err
}

// Close ends the transfer.
func (d *transfer) Close() error {
	d.quiet.Stop()
	d.whole.Stop()
	d.cancel(context.Canceled)
	if d.body == nil {
		return nil
	}
	return d.body.Close()
}
