package slap

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync"
	"time"
)

// keys are the certificates of a client at one moment. They never change.
type keys struct {
	// pair is the client certificate, nil if there is none.
	pair *tls.Certificate
	// roots are the authorities of the master's certificate, nil for those of
	// the system or of the given configuration.
	roots *x509.CertPool
	// identity tells apart who the master sees: the digest of the client
	// certificate, empty if there is none.
	identity string
	// from are the files they were read from.
	from pemFiles
}

// keyring holds the certificates of a client and notices when their files
// change.
type keyring struct {
	certFile, keyFile, caFile string
	// pair and authorities are the certificates that were given in memory.
	pair        *tls.Certificate
	authorities [][]byte
	log         *slog.Logger

	mu     sync.Mutex
	last   *keys
	seen   []stamp   // of the files, at the last reading
	readAt time.Time // when that was
}

// stamp is what changes when a file is written or replaced.
type stamp struct {
	info os.FileInfo
}

// same tells whether a file was not touched between two looks.
func (s stamp) same(other stamp) bool {
	if s.info == nil || other.info == nil {
		return s.info == nil && other.info == nil
	}
	return os.SameFile(s.info, other.info) && s.info.Size() == other.info.Size() && s.info.ModTime().Equal(other.info.ModTime())
}

// settled is the age from which the time of a file tells that it was not
// written again: file systems count in steps of up to two seconds.
const settled = 2 * time.Second

// files names the files in use.
func (r *keyring) files() []string {
	return slices.DeleteFunc([]string{r.certFile, r.keyFile, r.caFile}, func(name string) bool { return name == "" })
}

// load returns the certificates, read anew if their files changed. Files that
// cannot be used are an error at first; later the last good ones stay, because
// whoever renews a certificate writes two files one after the other.
func (r *keyring) load() (*keys, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	files := r.files()
	if r.last != nil && len(files) == 0 {
		return r.last, nil
	}
	now, seen := time.Now(), make([]stamp, len(files))
	for i, name := range files {
		// A file that cannot be looked at is reported by reading it.
		if info, err := os.Stat(name); err == nil {
			seen[i] = stamp{info}
		}
	}
	unchanged := slices.EqualFunc(seen, r.seen, stamp.same)
	if r.last != nil && unchanged && !r.young(seen) {
		return r.last, nil
	}
	next, err := r.read()
	r.seen, r.readAt = seen, now
	switch {
	case err == nil && next == r.last:
	case err == nil:
		if r.last != nil {
			r.log.Info("the certificate files changed: new connections to the master use them")
		}
		r.last = next
	case r.last == nil:
		return nil, err
	case !unchanged:
		r.log.Warn("the certificate files changed but cannot be used, the last good ones stay in use", "error", err)
	}
	return r.last, nil
}

// young tells whether a file was written so shortly before it was read that it
// may have been written once more since, with the same time.
func (r *keyring) young(seen []stamp) bool {
	return slices.ContainsFunc(seen, func(s stamp) bool {
		if s.info == nil {
			return false
		}
		age := r.readAt.Sub(s.info.ModTime())
		return age < settled && age > -settled
	})
}

// pemFiles are the contents of the files of a keyring.
type pemFiles struct{ certificate, key, authority []byte }

func (f pemFiles) equal(other pemFiles) bool {
	return bytes.Equal(f.certificate, other.certificate) && bytes.Equal(f.key, other.key) && bytes.Equal(f.authority, other.authority)
}

// read reads all files. If they are as before, the certificates are the same.
func (r *keyring) read() (*keys, error) {
	files, err := r.readFiles()
	if err != nil {
		return nil, err
	}
	if r.last != nil && files.equal(r.last.from) {
		return r.last, nil
	}
	return r.parse(files)
}

func (r *keyring) readFiles() (files pemFiles, err error) {
	for _, file := range []struct {
		what, path string
		content    *[]byte
	}{
		{"certificate", r.certFile, &files.certificate},
		{"key", r.keyFile, &files.key},
		{"authority", r.caFile, &files.authority},
	} {
		if file.path == "" {
			continue
		}
		if *file.content, err = readKeyFile(file.what, file.path); err != nil {
			return files, err
		}
	}
	return files, nil
}

// parse returns the certificates of the files and those in memory.
func (r *keyring) parse(files pemFiles) (*keys, error) {
	k := &keys{pair: r.pair, from: files}
	if r.certFile != "" {
		pair, err := parsePair(files.certificate, files.key)
		if err != nil {
			return nil, &certificateFileError{"certificate and key", r.certFile + " " + r.keyFile, err}
		}
		k.pair = pair
	}
	authorities := r.authorities
	if r.caFile != "" {
		if err := checkAuthorities(files.authority); err != nil {
			return nil, &certificateFileError{"authority", r.caFile, err}
		}
		authorities = append(slices.Clip(authorities), files.authority)
	}
	if len(authorities) > 0 {
		k.roots = x509.NewCertPool()
		for _, authority := range authorities {
			k.roots.AppendCertsFromPEM(authority)
		}
	}
	if k.pair != nil {
		k.identity = fingerprint(k.pair)
	}
	return k, nil
}

// maxKeyFile bounds the size of a certificate or key file, in bytes.
const maxKeyFile = 16 << 20

// readKeyFile reads a PEM file.
func readKeyFile(what, path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &certificateFileError{what, path, err}
	}
	defer file.Close()
	data, err := readBounded(file, maxKeyFile, 0)
	if err != nil {
		return nil, &certificateFileError{what, path, err}
	}
	return data, nil
}

// parsePair reads a certificate, with those that lead to its authority, and
// its key.
func parsePair(certificate, key []byte) (*tls.Certificate, error) {
	if err := checkWhole(certificate); err != nil {
		return nil, err
	}
	pair, err := tls.X509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	return &pair, nil
}

// checkAuthorities tells why a PEM text does not name authorities.
func checkAuthorities(text []byte) error {
	if err := checkWhole(text); err != nil {
		return err
	}
	if !x509.NewCertPool().AppendCertsFromPEM(text) {
		return errors.New("no certificate in it")
	}
	return nil
}

// checkWhole tells whether a PEM text was cut, which the functions that read it
// do not: they ignore what is no block.
func checkWhole(text []byte) error {
	blocks, rest := 0, text
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			break
		}
		blocks++
	}
	if bytes.Count(text, []byte("-----BEGIN ")) != blocks {
		return errors.New("a PEM block in it is incomplete")
	}
	return nil
}

// fingerprint is the digest of a certificate.
func fingerprint(pair *tls.Certificate) string {
	digest := sha256.New()
	for _, der := range pair.Certificate[:min(1, len(pair.Certificate))] {
		digest.Write(der)
	}
	return hex.EncodeToString(digest.Sum(nil))
}

// tlsConfig returns the TLS configuration of connections that show a client
// certificate, or of those that must not.
func (c *Client) tlsConfig(k *keys, own bool) *tls.Config {
	t := c.tls.Clone()
	if t == nil {
		t = &tls.Config{}
	}
	if c.insecure {
		t.InsecureSkipVerify = true
	}
	if k.roots != nil && !c.insecure {
		t.RootCAs = k.roots
	}
	if t.ClientSessionCache != nil {
		// A resumed session would keep the certificate it began with.
		t.ClientSessionCache = tls.NewLRUClientSessionCache(0)
	}
	switch {
	case !own:
		t.Certificates, t.GetClientCertificate = nil, nil
	case k.pair != nil:
		// Unlike Certificates, this shows the certificate also to a master
		// that does not name its authority.
		t.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return k.pair, nil }
	}
	return t
}

// certificateFileError is a certificate or key file that cannot be used.
type certificateFileError struct {
	what, path string
	err        error
}

func (e *certificateFileError) Error() string {
	if path, ok := errors.AsType[*os.PathError](e.err); ok {
		return fmt.Sprintf("TLS %s file %s: %v", e.what, e.path, path.Err)
	}
	return fmt.Sprintf("TLS %s file %s: %v", e.what, e.path, e.err)
}

func (e *certificateFileError) Unwrap() error { return e.err }
