package slap

import (
	"bytes"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode"
)

// Option changes how a Client works; see [New].
type Option func(*config) error

// config is what the options set.
type config struct {
	keyring     *keyring
	tls         *tls.Config
	insecure    bool
	httpClient  *http.Client
	transport   http.RoundTripper
	timeout     time.Duration
	retries     int
	log         *slog.Logger
	userAgent   string
	hateoasURL  string
	journalRoot string
	netrc       string
	proxy       func(*http.Request) (*url.URL, error)
	maxBody     int64
	cache       Cache
	observers   []Observer
}

// DefaultTimeout is how long a client waits for a connection, for the beginning
// of an answer, and between two pieces of it.
const DefaultTimeout = 60 * time.Second

// DefaultRetries is how often a client repeats a call that failed in a way that
// may pass; see [WithRetry].
const DefaultRetries = 2

// DefaultMaxBody is the size, in bytes, up to which answers are read.
const DefaultMaxBody = 64 << 20

// WithKeyPair presents a client certificate to an https master: the PEM files
// of the certificate, followed by those that lead to its authority, and of its
// key. With an http master they are not read. Files that cannot be used at the
// first call are ErrAuthentication.
//
// When the files change, new connections present the new certificate, and those
// made with the old one are closed as soon as no call uses them; no restart is
// needed. While they cannot be used, because one of them is not written yet,
// the last good ones stay in use, and a warning is logged.
//
// The certificate is presented to the hosts that calls go to: the master, and
// that of its HATEOAS interface. It is not presented to another origin (scheme,
// host and port) that one of them redirects to.
func WithKeyPair(certFile, keyFile string) Option {
	return func(c *config) error {
		if (certFile == "") != (keyFile == "") {
			return fmt.Errorf("a client certificate needs both files, got certificate %q and key %q", certFile, keyFile)
		}
		c.keyring.certFile, c.keyring.keyFile, c.keyring.pair = certFile, keyFile, nil
		return nil
	}
}

// WithKeyPairPEM is [WithKeyPair] with the content of the two files.
func WithKeyPairPEM(certPEM, keyPEM []byte) Option {
	return func(c *config) error {
		pair, err := parsePair(certPEM, keyPEM)
		if err != nil {
			return fmt.Errorf("client certificate: %w", err)
		}
		return WithCertificate(*pair)(c)
	}
}

// WithCertificate is [WithKeyPair] with a certificate in memory, whose key may
// be in a hardware token. The last of these three options counts.
func WithCertificate(certificate tls.Certificate) Option {
	return func(c *config) error {
		if len(certificate.Certificate) == 0 || certificate.PrivateKey == nil {
			return errors.New("the client certificate is empty or has no key")
		}
		c.keyring.certFile, c.keyring.keyFile, c.keyring.pair = "", "", &certificate
		return nil
	}
}

// WithCAFile verifies the certificate of the master against the authorities in
// a PEM file, instead of those of the system. It is read at the first call, and
// again when it changes, as the files of [WithKeyPair] are.
func WithCAFile(path string) Option {
	return func(c *config) error { c.keyring.caFile = path; return nil }
}

// WithCAPEM verifies the certificate of the master against the authorities in
// a PEM text, instead of those of the system, and besides those of other
// options.
func WithCAPEM(authorities []byte) Option {
	return func(c *config) error {
		if err := checkAuthorities(authorities); err != nil {
			return fmt.Errorf("authorities of the master's certificate: %w", err)
		}
		c.keyring.authorities = append(c.keyring.authorities, bytes.Clone(authorities))
		return nil
	}
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

// WithHTTPClient sends requests with a copy of an HTTP client. Its transport,
// cookies and time-outs are used as they are: options about TLS and proxies
// then have no effect. Redirects are followed by the rules of this package.
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

// WithTimeout sets how long the client waits for a connection, until a piece of
// the request is taken, for the beginning of an answer, and between two pieces
// of it, instead of [DefaultTimeout]. The whole of a call is bounded by its
// context only. With [WithTransport] or [WithHTTPClient] it bounds only the
// pauses between two pieces of an answer.
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
// means never. Reads are repeated if there was no connection or it broke before
// an answer came, or if the answer was 502, 503 or 504; calls that change
// something only if the master got nothing of them: no connection was made, it
// was closed before anything was written, or HTTP/2 told that the request was
// not processed. In the last two cases they are first sent once more at once,
// which is not counted. An answer 408 means "not ready" and is never repeated;
// see [WaitReady].
//
// The pauses are random, and grow from 0.2 to 5 seconds. If the master asks for
// a longer one (Retry-After), that is kept; if it asks for more than 30 seconds
// or beyond the end of the context, the call fails at once, and the hint of its
// error has the time.
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
// logs credentials, parameters or other arguments of calls. Each request is
// logged at debug level; certificates that changed at info; files that could
// not be read or written, and stale answers, at warning level.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l != nil {
			c.log = l
		}
		return nil
	}
}

// WithUserAgent sets the User-Agent header, instead of slapos-go.
func WithUserAgent(s string) Option {
	return func(c *config) error {
		if strings.ContainsFunc(s, unicode.IsControl) {
			return errors.New("the User-Agent has a control character")
		}
		c.userAgent = s
		return nil
	}
}

// WithHateoasURL sets the address of the HATEOAS interface. Without it the
// master is asked for it when it is needed; a stand-alone master does not know it,
// and then it is looked for at the master's URL followed by hateoas. Empty means
// unset.
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
// [http.ProxyFromEnvironment] reads them. By default there is no proxy.
func WithProxyFromEnvironment() Option {
	return WithProxy(func(r *http.Request) (*url.URL, error) {
		proxy, err := http.ProxyFromEnvironment(r)
		if err != nil {
			// The text of the error could have the address, with its password.
			return nil, errors.New("the proxy that the environment names cannot be used, for example in a CGI program")
		}
		return proxy, nil
	})
}

// WithProxy goes through the proxy that a function chooses for each request:
// an http, https, socks5 or socks5h URL, or nil for none; [http.ProxyURL] makes
// one that is always the same. A user and password in it are sent to the proxy.
// The last option about proxies counts.
func WithProxy(choose func(*http.Request) (*url.URL, error)) Option {
	return func(c *config) error { c.proxy = choose; return nil }
}

// WithMaxBody sets the size, in bytes, up to which answers are read, instead of
// [DefaultMaxBody]. It counts what is left after decompression, so that a small
// compressed answer cannot fill the memory. A larger one is ErrServer.
func WithMaxBody(n int64) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("largest size of an answer, %d bytes, is not positive", n)
		}
		c.maxBody = n
		return nil
	}
}
