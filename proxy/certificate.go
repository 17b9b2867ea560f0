package proxy

import (
	"crypto/tls"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"
)

// WithTLS makes Serve speak TLS 1.2 and newer, and HTTP/2, with the certificate
// chain and the key of two PEM files, which may be the same. They are read again
// when they change; while what is there does not fit together, the last good
// certificate is used and a warning is logged. It fails if they cannot be read.
//
// TLS hides what is said; it does not tell who calls.
func WithTLS(certificateFile, keyFile string) Option {
	return func(c *config) error {
		loaded := &certificate{chain: certificateFile, key: keyFile}
		if err := loaded.load(); err != nil {
			return err
		}
		c.certificate = loaded
		return nil
	}
}

// certificatePeriod is how often the files are looked at, at most.
const certificatePeriod = time.Second

// certificate is a certificate in files that may change.
type certificate struct {
	chain, key string
	log        *slog.Logger

	mu      sync.Mutex
	current *tls.Certificate
	looked  time.Time
	// seen are the files as they were when they were last read.
	seen [2]stamp
}

// stamp tells one state of a file from the next.
type stamp struct {
	changed time.Time
	size    int64
}

func (c *certificate) tlsConfig() *tls.Config {
	return &tls.Config{
		MinVersion:     tls.VersionTLS12,
		GetCertificate: func(*tls.ClientHelloInfo) (*tls.Certificate, error) { return c.get(), nil },
	}
}

// get returns the certificate, after a look at the files.
func (c *certificate) get() *tls.Certificate {
	c.mu.Lock()
	defer c.mu.Unlock()
	if time.Since(c.looked) < certificatePeriod {
		return c.current
	}
	if c.looked = time.Now(); c.stamps() == c.seen {
		return c.current
	}
	if err := c.load(); err != nil {
		c.log.Warn("the new certificate cannot be used, the last one stays", "error", err)
	} else {
		c.log.Info("a new certificate is used", "file", c.chain, "until", c.current.Leaf.NotAfter)
	}
	return c.current
}

// load reads both files. What was seen is noted before, so that a change that
// comes meanwhile is found later.
func (c *certificate) load() error {
	c.looked, c.seen = time.Now(), c.stamps()
	loaded, err := tls.LoadX509KeyPair(c.chain, c.key)
	if err != nil {
		return fmt.Errorf("certificate %s, key %s: %w", c.chain, c.key, err)
	}
	c.current = &loaded
	return nil
}

// stamps looks at both files; one that is not there has a zero stamp.
func (c *certificate) stamps() (all [2]stamp) {
	for i, path := range []string{c.chain, c.key} {
		if info, err := os.Stat(path); err == nil {
			all[i] = stamp{info.ModTime(), info.Size()}
		}
	}
	return all
}

// expires is when the certificate that is used ends.
func (c *certificate) expires() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.current.Leaf.NotAfter
}
