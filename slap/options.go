package slap

import (
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"
)

// Option changes how a Client works; see [New].
type Option func(*config) error

// config is what the options set.
type config struct {
	certFile, keyFile string
	caFile            string
	tls               *tls.Config
	insecure          bool
	httpClient        *http.Client
	transport         http.RoundTripper
	timeout           time.Duration
	retries           int
	log               *slog.Logger
	userAgent         string
	hateoasURL        string
	journalRoot       string
	netrc             string
	environmentProxy  bool
}

// DefaultTimeout is how long a client waits for a connection, for the beginning
// of an answer, and between two pieces of it.
const DefaultTimeout = 60 * time.Second

// DefaultRetries is how often a client repeats a call that failed in a way that
// may pass; see [WithRetry].
const DefaultRetries = 2

// WithKeyPair presents a client certificate to an https master: the PEM files
// of the certificate and of its key. They are read for each connection, so that
// a renewed certificate is used without a restart. With an http master they
// are not read.
func WithKeyPair(certFile, keyFile string) Option {
	return func(c *config) error {
		if (certFile == "") != (keyFile == "") {
			return fmt.Errorf("a client certificate needs both files, got certificate %q and key %q", certFile, keyFile)
		}
		c.certFile, c.keyFile = certFile, keyFile
		return nil
	}
}

// WithCAFile verifies the certificate of the master against the authorities in
// a PEM file, instead of those of the system. It is read at the first call.
func WithCAFile(path string) Option {
	return func(c *config) error { c.caFile = path; return nil }
}

// WithoutVerification accepts any certificate of the master, as the reference
// does. Whoever is on the way can then read and change everything.
func WithoutVerification() Option {
	return func(c *config) error { c.insecure = true; return nil }
}

// WithTLSConfig starts from a TLS configuration, to which the other TLS options
// are applied. It is cloned.
func WithTLSConfig(t *tls.Config) Option {
	return func(c *config) error { c.tls = t.Clone(); return nil }
}

// WithHTTPClient sends requests with a copy of an HTTP client. Its transport
// and time-outs are used as they are: options about TLS and proxies then have
// no effect.
func WithHTTPClient(h *http.Client) Option {
	return func(c *config) error {
		if h == nil {
			return errors.New("no HTTP client given")
		}
		c.httpClient = h
		return nil
	}
}

// WithTransport sends requests through a round tripper, as tests do. Options
// about TLS and proxies then have no effect.
func WithTransport(t http.RoundTripper) Option {
	return func(c *config) error { c.transport = t; return nil }
}

// WithTimeout sets how long the client waits for a connection, for the
// beginning of an answer, and between two pieces of it, instead of
// [DefaultTimeout]. The whole of a call is bounded by its context only.
func WithTimeout(d time.Duration) Option {
	return func(c *config) error {
		if d <= 0 {
			return fmt.Errorf("time-out %v is not positive", d)
		}
		c.timeout = d
		return nil
	}
}

// WithRetry sets how often a call is repeated, instead of [DefaultRetries]; 0
// means never. Reads are repeated if there was no connection or the answer was
// 502, 503 or 504; calls that change something only if no connection was made.
func WithRetry(n int) Option {
	return func(c *config) error {
		if n < 0 {
			return fmt.Errorf("number of retries %d is negative", n)
		}
		c.retries = n
		return nil
	}
}

// WithLogger logs what the client does. It says nothing by default, and never
// logs parameters or credentials.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l != nil {
			c.log = l
		}
		return nil
	}
}

// WithUserAgent sets the User-Agent header.
func WithUserAgent(s string) Option {
	return func(c *config) error { c.userAgent = s; return nil }
}

// WithHateoasURL sets the address of the HATEOAS interface. Without it the
// master is asked for it when it is needed; a stand-alone master does not know
// it: there it is the master's URL followed by hateoas. Empty means unset.
func WithHateoasURL(url string) Option {
	return func(c *config) error { c.hateoasURL = url; return nil }
}

// WithRequestJournal keeps, under the root of the instances of a computer, the
// file of each partition that lists the references it requested. The agent
// reads it to unlink those that are no longer requested. Failures to write it
// are logged and otherwise ignored.
func WithRequestJournal(instanceRoot string) Option {
	return func(c *config) error { c.journalRoot = instanceRoot; return nil }
}

// WithNetrc takes user and password from a file in the format of ~/.netrc, if
// it has an entry for the host of the master; they win over those in its URL.
// A missing file is no error. It is read at the first call.
func WithNetrc(path string) Option {
	return func(c *config) error { c.netrc = path; return nil }
}

// WithProxyFromEnvironment goes through the proxy that the environment
// variables HTTP_PROXY, HTTPS_PROXY and NO_PROXY name, as
// [http.ProxyFromEnvironment] reads them.
func WithProxyFromEnvironment() Option {
	return func(c *config) error { c.environmentProxy = true; return nil }
}
