package slap

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Cache keeps answers of the master; see [WithCache]. Its methods may be called
// by several goroutines at once, do not fail, and may forget anything at any
// time. Neither side changes a value after it was handed over. A value that was
// damaged is recognised and ignored.
type Cache interface {
	// Get returns what was last set for a key.
	Get(key string) (value []byte, found bool)
	// Set keeps a value for a key, a text in hexadecimal digits.
	Set(key string, value []byte)
	// Delete forgets a key.
	Delete(key string)
}

// WithCache keeps answers to reads and uses them again, by the rules of RFC 9111
// for private caches, which the headers of a master were written for. Without
// it each read asks the master, as with the reference since 1.17.1.
//
//   - An answer is used without asking as long as Cache-Control max-age, or
//     Expires, says that it is fresh; 1 or 60 seconds with a master of ERP5. After
//     a call of this client that changes something, it asks in any case.
//   - Else the master is asked with If-None-Match or If-Modified-Since if it gave
//     an Etag or a Last-Modified that is older than the answer, and the answer is
//     used again if that is told not to have changed (304).
//   - If the master cannot be reached, breaks its answer off, or answers 500, 502,
//     503 (also while it prepares its own cache) or 504, after the retries of
//     [WithRetry], the last answer is used as long as stale-if-error allows: with a
//     master of ERP5 for a week. A warning is logged, and an [Observer] is told.
//     Failures of TLS, an end of the context and other statuses are errors as
//     always.
//   - Answers that cannot be understood, such as the page of a login or one that
//     was cut, are not kept; what was kept before stays.
//   - no-store is not kept, no-cache and must-revalidate are never used without
//     asking, and Vary is obeyed. Answers with a key of a partition
//     (getComputerPartitionCertificate), those after a redirect, and those of calls
//     that change something are never kept.
//
// A cache may be shared by clients, and a directory by processes: answers are
// found by who asks as well as by the URL, that is, by client certificate, user
// and password, and by whether the master was verified. With [WithTransport],
// [WithHTTPClient] or a [WithTLSConfig] that chooses a certificate the client
// does not know who asks: then it only finds what it kept itself.
//
// Answers hold the parameters of instances, passwords among them.
func WithCache(cache Cache) Option {
	return func(c *config) error { c.cache = cache; return nil }
}

// uncached are the last parts of the paths of calls whose answers hold private
// keys.
var uncached = []string{"getComputerPartitionCertificate"}

// cached performs a read with the cache.
func (c *Client) cached(ctx context.Context, stack *httpStack, u *url.URL, k call) ([]byte, error) {
	identity, err := c.identity()
	if err != nil {
		return nil, &Error{Op: k.op, URL: c.URL(), Err: err, Kinds: []error{ErrAuthentication}}
	}
	key := c.cacheKey(identity, stack.basic, u)
	headers := c.headers(stack, http.MethodGet, u, k)
	stored := c.lookup(key, headers)
	if stored != nil && !k.noCache && stored.fresh(time.Now()) && stored.Asked.UnixNano() > c.lastWrite.Load() {
		c.fromCache(ctx, k.op, public(u), len(stored.body))
		return stored.body, nil
	}
	a, err := c.fetch(ctx, stack, http.MethodGet, u, k, stored.conditions())
	switch {
	case err != nil:
		if stored != nil && !k.noCache && stored.helps(time.Now()) && mayPass(ctx, err) {
			c.log.WarnContext(ctx, "the master does not answer, an earlier answer is used", "op", k.op, "url", public(u),
				"age", stored.age(time.Now()).Round(time.Second), "error", err)
			c.fromCache(ctx, k.op, public(u), len(stored.body))
			return stored.body, nil
		}
		return nil, err
	case a.status == http.StatusNotModified && stored != nil:
		if a.identity == identity && stored.confirmed(a, headers) {
			c.store(key, stored)
			return stored.body, nil
		}
		// The answer is about something else than what was stored.
		c.cache.Delete(key)
		if a, err = c.fetch(ctx, stack, http.MethodGet, u, k, nil); err != nil {
			return nil, err
		}
	}
	if a.identity == identity && (k.check == nil || k.check(a.body) == nil) {
		c.keep(key, u, a, headers)
	}
	return a.body, nil
}

// mayPass tells whether the failure of a read is one in whose place an earlier
// answer may be used.
func mayPass(ctx context.Context, err error) bool {
	e, ok := errors.AsType[*Error](err)
	if !ok || ctx.Err() != nil || errors.Is(err, ErrAuthentication) {
		return false
	}
	switch e.Status {
	case 0:
		return errors.Is(err, ErrConnection)
	case http.StatusInternalServerError, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// lookup returns what is stored, if it is about the same request.
func (c *Client) lookup(key string, headers http.Header) *cacheEntry {
	value, found := c.cache.Get(key)
	if !found {
		return nil
	}
	e, err := decodeEntry(value)
	if err != nil || e.Key != key {
		c.log.Warn("a damaged answer in the cache is dropped")
		c.cache.Delete(key)
		return nil
	}
	if e.Asked.After(time.Now()) || e.VaryDigest != varyDigest(e.Vary, headers) {
		return nil // of a time when the clock was wrong, or of another request
	}
	return e
}

// keep stores an answer if that is allowed and of use; otherwise what was stored
// before is forgotten, because it is no longer what the master says.
func (c *Client) keep(key string, u *url.URL, a *answer, headers http.Header) {
	e := newEntry(key, a, headers)
	if e == nil || isUncached(u) {
		c.cache.Delete(key)
		return
	}
	c.store(key, e)
}

func (c *Client) store(key string, e *cacheEntry) {
	value, err := e.encode()
	if err != nil {
		c.log.Warn("an answer cannot be kept in the cache", "error", err)
		return
	}
	c.cache.Set(key, value)
}

func isUncached(u *url.URL) bool {
	for _, name := range uncached {
		if strings.HasSuffix(u.Path, "/"+name) {
			return true
		}
	}
	return false
}

// wrote notes that a call changed something, so that no read which began before
// is taken for the present state.
func (c *Client) wrote() {
	now := time.Now().UnixNano()
	for {
		last := c.lastWrite.Load()
		if now <= last || c.lastWrite.CompareAndSwap(last, now) {
			return
		}
	}
}

// identity returns whom the client certificate names.
func (c *Client) identity() (string, error) {
	if c.knowsIdentity() {
		k, err := c.keyring.load()
		if err != nil {
			return "", err
		}
		return k.identity, nil
	}
	return "", nil
}

// knowsIdentity tells whether the client certificate, if there is one, is one
// of the keyring.
func (c *Client) knowsIdentity() bool {
	if c.transport != nil || c.httpClient != nil {
		return false
	}
	return c.tls == nil || len(c.tls.Certificates) == 0 && c.tls.GetClientCertificate == nil
}

// cacheKey is where the answer to a read is stored: a digest, so that it shows
// neither the URL nor who asks.
func (c *Client) cacheKey(identity, basic string, u *url.URL) string {
	if !c.knowsIdentity() {
		c.nonceOnce.Do(func() { c.nonce = rand.Text() })
	}
	// Whoever verifies the master must not be given what someone got who does not.
	trust := "verified"
	if c.insecure || c.tls != nil && c.tls.InsecureSkipVerify {
		trust = "not verified"
	}
	digest := sha256.New()
	for _, part := range []string{"slap 1", trust, c.nonce, identity, basic, u.String()} {
		sum := sha256.Sum256([]byte(part))
		digest.Write(sum[:])
	}
	return hex.EncodeToString(digest.Sum(nil))
}
