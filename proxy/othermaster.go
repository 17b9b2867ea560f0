package proxy

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/slap"
)

// OtherMaster is a master to which requests are forwarded: one section
// [multimaster/URL] of the configuration (wire.md 7.9, 9.1).
type OtherMaster struct {
	// URL is where it is, and its name: the filter key master_url must be equal
	// to it, final slash included.
	URL string
	// KeyFile and CertFile are the PEM files of the client certificate that is
	// presented to it. Requests for an https master without them are refused.
	KeyFile, CertFile string
	// CAFile holds the authorities that its certificate is verified against,
	// in PEM, instead of those of the system.
	CAFile string
	// Unverified accepts any certificate of it, as the reference does.
	Unverified bool
	// Releases are the URLs of the releases whose new instances are requested
	// from it.
	Releases []string
	// Computer and Partition name the partition of that master on whose behalf
	// requests are made. Without them a person's are made.
	Computer, Partition string
}

// Limits of forwarding.
const (
	// forwardTimeout bounds one request to another master, from beginning to end.
	forwardTimeout = 60 * time.Second
	// probeTimeout bounds the question whether another master is this one.
	probeTimeout = 5 * time.Second
	// maxForwarded is the largest answer that is taken from another master, in
	// bytes.
	maxForwarded = 16 << 20
	// maxHops is how many masters may forward a request, one after the other.
	maxHops = 8
	// pathHeader names the masters that forwarded a request, by their run ids,
	// so that a ring of masters is found out.
	pathHeader = "X-Slapos-Forwarded-By"
)

// otherMaster is an OtherMaster that can be asked.
type otherMaster struct {
	OtherMaster
	client    *slap.Client
	transport *forwardTransport
}

// shown is its URL for people and programs, without a password.
func (o *OtherMaster) shown() string {
	u, err := url.Parse(o.URL)
	if err != nil || u.User == nil {
		return o.URL
	}
	return u.Redacted()
}

// newOtherMaster makes the client of another master; no request is made.
func newOtherMaster(o OtherMaster, log *slog.Logger) (*otherMaster, error) {
	u, err := url.Parse(o.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return nil, fmt.Errorf("section [multimaster/%s]: the name must be the URL of a master, http or https", loggedRelease(o.URL))
	}
	if (o.Computer == "") != (o.Partition == "") {
		log.Warn("computer and partition have no effect without each other", "section", "multimaster/"+o.shown())
	}
	transport := &forwardTransport{base: &http.Transport{
		TLSClientConfig: &tls.Config{
			MinVersion:           tls.VersionTLS12,
			InsecureSkipVerify:   o.Unverified, //nolint:gosec // the operator asked for it
			GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return o.certificate() },
		},
		ResponseHeaderTimeout: forwardTimeout,
		IdleConnTimeout:       forwardTimeout,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	}}
	if o.CAFile != "" {
		if transport.base.TLSClientConfig.RootCAs, err = authorities(o.CAFile); err != nil {
			return nil, fmt.Errorf("section [multimaster/%s]: %w", o.shown(), err)
		}
	}
	client, err := slap.New(o.URL, slap.WithTransport(transport), slap.WithTimeout(forwardTimeout),
		slap.WithMaxBody(maxForwarded), slap.WithRetry(0), slap.WithLogger(log))
	if err != nil {
		return nil, fmt.Errorf("section [multimaster/%s]: %w", o.shown(), err)
	}
	transport.scheme, transport.host = u.Scheme, u.Host
	return &otherMaster{o, client, transport}, nil
}

// newOtherMasters makes the clients of all other masters.
func newOtherMasters(configured []OtherMaster, log *slog.Logger) ([]*otherMaster, error) {
	var all []*otherMaster
	for _, c := range configured {
		o, err := newOtherMaster(c, log)
		if err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}

// close ends the connections that no request uses.
func (o *otherMaster) close() { o.transport.base.CloseIdleConnections() }

// certificate reads the client certificate at each connection, so that a renewed
// one needs no restart.
func (o *OtherMaster) certificate() (*tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(o.CertFile, o.KeyFile)
	return &pair, err
}

func authorities(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s holds no certificate", file)
	}
	return pool, nil
}

// credentials tells whether it can be asked with what is configured.
func (o *otherMaster) credentials() error {
	if strings.HasPrefix(o.URL, "https:") && (o.KeyFile == "" || o.CertFile == "") {
		return elsewhere(http.StatusNotFound, "External master "+o.shown()+" configuration did not specify key or certificate.", nil)
	}
	return nil
}

// forwarding is a request on its way to another master.
type forwarding struct {
	// path are the run ids of the masters that forwarded it, this one last.
	path []string
	// body is the answer as it came.
	body []byte
}

type forwardingKey struct{}

// request asks the other master, and returns the attributes that it answers.
func (o *otherMaster) request(ctx context.Context, r slap.Request, path []string) (*marshal.Object, error) {
	ctx, cancel := context.WithTimeout(ctx, forwardTimeout)
	defer cancel()
	f := &forwarding{path: path}
	ctx = context.WithValue(ctx, forwardingKey{}, f)
	var by slap.IRequester = o.client.OpenOrder()
	if o.asPartition() {
		by = o.client.PartitionReference(o.Computer, o.Partition)
	}
	if _, err := by.Request(ctx, r); err != nil {
		return nil, o.refusal(err)
	}
	answer, err := marshal.Unmarshal(f.body)
	if err != nil {
		return nil, o.refusal(err)
	}
	object, ok := answer.(*marshal.Object)
	if !ok {
		return nil, o.refusal(errors.New("the answer is no instance"))
	}
	return object, nil
}

func (o *otherMaster) asPartition() bool { return o.Computer != "" && o.Partition != "" }

// refusal turns the failure of another master into an answer of this one.
func (o *otherMaster) refusal(err error) error {
	switch {
	case errors.Is(err, slap.ErrNotReady):
		return elsewhere(http.StatusRequestTimeout, "The master "+o.shown()+" has not allocated the instance yet, ask again later", err)
	case errors.Is(err, slap.ErrNotFound):
		return elsewhere(http.StatusNotFound, "The master "+o.shown()+" cannot serve the request", err)
	case errors.Is(err, slap.ErrConnection):
		return elsewhere(statusUnreachable, "The master "+o.shown()+" cannot be reached: check its section in the configuration", err)
	}
	if e, ok := errors.AsType[*slap.Error](err); ok && e.Status == http.StatusLoopDetected {
		return elsewhere(http.StatusLoopDetected, "The master "+o.shown()+" forwards in a ring", err)
	}
	return elsewhere(http.StatusBadGateway, "The master "+o.shown()+" failed", err)
}

// statusUnreachable is what the reference answers when another master cannot be
// reached.
const statusUnreachable = 523

// elsewhere is a refusal about another master.
func elsewhere(status int, message string, err error) error {
	return &Error{Status: status, Message: message, Err: err, about: anotherMaster}
}

// is tells whether a run id is that of the other master: it is then this one.
// A master that does not tell is another one.
func (o *otherMaster) is(ctx context.Context, runID string) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	root, err := url.Parse(o.URL)
	if err != nil {
		return false
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, root.ResolveReference(&url.URL{Path: "/getRunId"}).String(), nil)
	if err != nil {
		return false
	}
	response, err := o.transport.RoundTrip(r)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, int64(len(runID))+1))
	return err == nil && response.StatusCode == http.StatusOK && string(text) == runID
}

// forwardTransport carries requests to another master: to its host only, by the scheme
// of its URL, whatever it redirects to, with the path that the request came, and keeping the answer.
type forwardTransport struct {
	base         *http.Transport
	scheme, host string
}

// RoundTrip sends a request.
func (t *forwardTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Host != t.host || r.URL.Scheme != t.scheme {
		return nil, fmt.Errorf("redirected to another host, %s://%s", r.URL.Scheme, r.URL.Host)
	}
	f, ok := r.Context().Value(forwardingKey{}).(*forwarding)
	if !ok {
		return t.base.RoundTrip(r)
	}
	r = r.Clone(r.Context())
	r.Header.Set(pathHeader, strings.Join(f.path, ", "))
	response, err := t.base.RoundTrip(r)
	if err != nil {
		return response, err
	}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxForwarded+1))
	if err = errors.Join(err, response.Body.Close()); err != nil {
		return nil, err
	}
	f.body = body
	response.Body = io.NopCloser(bytes.NewReader(body))
	return response, nil
}

// passedOn reads the run ids of the masters that forwarded a request, and adds
// that of this one. A request that came round is refused.
func passedOn(header []string, runID string) ([]string, error) {
	var path []string
	for _, line := range header {
		for id := range strings.SplitSeq(line, ",") {
			path = append(path, strings.TrimSpace(id))
		}
	}
	if len(path) >= maxHops || slices.Contains(path, runID) {
		return nil, elsewhere(http.StatusLoopDetected, "The request was forwarded in a ring of masters: check the multimaster sections of all of them", nil)
	}
	return append(path, runID), nil
}
