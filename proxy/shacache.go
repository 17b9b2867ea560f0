package proxy

import (
	"context"
	"crypto/sha512"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/singleflight"

	"github.com/slapos/slapos-go/internal/atomicfile"
)

// This file is the network cache (web.md 7): shacache keeps content under its
// SHA-512, shadir keeps under a key what was said about content, as signed entries.
// Signatures are for those who read: none is made or verified here.

// Shacache configures the network cache below /shacache.
type Shacache struct {
	// Content and Metadata are the directories of the two parts. Without one of
	// them the cache is off: 503.
	Content, Metadata string
	// UpstreamCache and UpstreamDir are the URLs of another network cache, which is
	// asked for what is missing here; either may be empty.
	UpstreamCache, UpstreamDir string
	// MaxContent is the largest content that is taken, in bytes; zero means
	// DefaultMaxContent.
	MaxContent int64
}

// DefaultMaxContent is the largest content that the network cache takes, in bytes.
const DefaultMaxContent = 8 << 30

// Limits of the network cache.
const (
	shacachePrefix = "/shacache/"
	maxDirectory   = 16 << 20 // of the entries of one key, in bytes
	maxEntries     = 1000     // of one key
	// transferTimeout bounds getting one content from above.
	transferTimeout = time.Hour
)

// WithShacache switches the network cache on.
func WithShacache(c Shacache) Option {
	return func(to *config) error {
		if c.MaxContent < 0 {
			return fmt.Errorf("the largest content is %d bytes", c.MaxContent)
		}
		if c.MaxContent == 0 {
			c.MaxContent = DefaultMaxContent
		}
		for _, upstream := range []string{c.UpstreamCache, c.UpstreamDir} {
			u, err := url.Parse(upstream)
			if upstream != "" && (err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https") {
				return fmt.Errorf("the network cache above, %q, must be a URL of http or https", loggedRelease(upstream))
			}
		}
		to.shacache = c
		return nil
	}
}

// shacache is the network cache of a Server.
type shacache struct {
	Shacache
	client *http.Client
	log    *slog.Logger
	// writing guards the entries, which are read and then written.
	writing  sync.Mutex
	fetching singleflight.Group
	// open ends with close.
	open  context.Context //nolint:containedctx // of what no single call is for
	close context.CancelFunc
}

func newShacache(c Shacache, log *slog.Logger) *shacache {
	if (c.Content == "") != (c.Metadata == "") {
		log.Warn("the network cache needs both directories and is off", "content", c.Content, "metadata", c.Metadata)
	}
	open, stop := context.WithCancel(context.Background())
	return &shacache{Shacache: c, log: log, open: open, close: stop, client: &http.Client{
		Transport: &http.Transport{
			Proxy: nil, TLSHandshakeTimeout: 30 * time.Second, ResponseHeaderTimeout: time.Minute, DisableKeepAlives: true, DisableCompression: true,
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// uploads tells whether a call brings content, which is larger than other bodies
// and never held.
func uploads(r *http.Request) bool {
	return strings.HasPrefix(r.URL.Path, shacachePrefix+"cache") && (r.Method == http.MethodPost || r.Method == http.MethodPut)
}

// serveShacache answers below shacachePrefix.
func (s *Server) serveShacache(w http.ResponseWriter, r *http.Request, p Principal) error {
	action := ActionReport
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		action = ActionRead
	}
	if err := s.config.authorizer.Authorize(r.Context(), p, action, Object{}); err != nil {
		return withStatus(err, http.StatusForbidden)
	}
	c := s.shacache
	if c.Content == "" || c.Metadata == "" {
		return &Error{Status: http.StatusServiceUnavailable, Message: "Shacache not configured"}
	}
	part, name, named := strings.Cut(strings.TrimPrefix(r.URL.Path, shacachePrefix), "/")
	verb, answer := http.MethodGet, func() error { return c.content(w, r, name) }
	switch {
	case part == "cache" && name == "":
		verb, answer = http.MethodPost, func() error { return c.upload(w, r, "") }
	case part == "cache" && isDigest(name) && r.Method == http.MethodPut:
		return c.upload(w, r, name)
	case part == "cache" && isDigest(name):
	case part == "dir" && isKey(name) && r.Method == http.MethodPut:
		return c.index(w, r, name)
	case part == "dir" && isKey(name):
		answer = func() error { return c.entries(w, r, name) }
	case part == "update" && !named:
		verb, answer = http.MethodPost, func() error { return c.update(w, r) }
	default:
		return notFound("There is nothing at %s", r.URL.Path)
	}
	if answered, err := allow(w, r, verb); answered || err != nil {
		return err
	}
	return answer()
}

// isDigest tells whether a name is a SHA-512 as it is written here: no other name
// reaches the disk.
func isDigest(name string) bool {
	return len(name) == hex.EncodedLen(sha512.Size) && strings.Trim(name, "0123456789abcdef") == ""
}

// isKey tells whether a name can be that of a file with entries. Names that begin
// with a dot are those of files being written.
func isKey(name string) bool {
	return name != "" && len(name) <= 200 && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return r == '/' || r == '\\' || r < ' ' || r == 0x7f
	})
}

// content answers with content, getting it from above if it is missing.
func (c *shacache) content(w http.ResponseWriter, r *http.Request, digest string) error {
	path := filepath.Join(c.Content, digest)
	f, info, err := openRegular(path)
	if errors.Is(err, os.ErrNotExist) && c.UpstreamCache != "" {
		if err := c.await(w, r, path, digest); err != nil {
			return err
		}
		f, info, err = openRegular(path)
	}
	if errors.Is(err, os.ErrNotExist) || errors.Is(err, errNotRegular) {
		return notFound("There is no content %s", digest)
	}
	if err != nil {
		return err
	}
	defer f.Close()
	h := w.Header()
	h.Set("Content-Type", "application/octet-stream")
	h.Set("Content-Disposition", "attachment; filename="+digest)
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("ETag", `"`+digest+`"`)
	http.ServeContent(pacedWriter{w, http.NewResponseController(w)}, r, "", info.ModTime(), f)
	return nil
}

// errChecksum tells that content is not what its name says.
var errChecksum = errors.New("checksum mismatch")

// store writes content under its digest, unless it is another.
func (c *shacache) store(path, digest string, body io.Reader) error {
	return atomicfile.WriteFunc(path, 0o644, func(to io.Writer) error {
		sum := sha512.New()
		n, err := io.Copy(io.MultiWriter(to, sum), io.LimitReader(body, c.MaxContent+1))
		switch {
		case err != nil:
			return err
		case n > c.MaxContent:
			return tooLarge("Content of more than %d bytes is not taken", c.MaxContent)
		case hex.EncodeToString(sum.Sum(nil)) != digest:
			return errChecksum
		}
		return nil
	})
}

// upload takes content. Its name, if there is one, must be its digest.
func (c *shacache) upload(w http.ResponseWriter, r *http.Request, digest string) error {
	if err := os.MkdirAll(c.Content, 0o755); err != nil {
		return err
	}
	control := http.NewResponseController(w)
	body := pacedReader{r.Body, control}
	var err error
	if digest == "" {
		digest, err = c.receive(body)
	} else {
		err = c.store(filepath.Join(c.Content, digest), digest, body)
	}
	// A disk may take long for the last of it.
	if late := extend(control.SetWriteDeadline); err == nil && late != nil {
		return late
	}
	if err != nil {
		return uploadRefusal(err)
	}
	return writeCreated(w, digest)
}

func uploadRefusal(err error) error {
	switch {
	case errors.Is(err, errChecksum):
		return badRequest("Checksum mismatch")
	case errors.As(err, new(*os.PathError)), errors.As(err, new(*Error)):
		return err
	}
	return bodyError(err)
}

// receive writes content whose digest is not known before its end.
func (c *shacache) receive(body io.Reader) (digest string, err error) {
	f, err := os.CreateTemp(c.Content, ".upload-*")
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, ignoreMissing(os.Remove(f.Name()))) }()
	sum := sha512.New()
	n, err := io.Copy(io.MultiWriter(f, sum), io.LimitReader(body, c.MaxContent+1))
	if err == nil && n > c.MaxContent {
		err = tooLarge("Content of more than %d bytes is not taken", c.MaxContent)
	}
	if errClose := f.Close(); err == nil {
		err = errClose
	}
	if err != nil {
		return "", err
	}
	digest = hex.EncodeToString(sum.Sum(nil))
	return digest, atomicfile.Place(f.Name(), filepath.Join(c.Content, digest), 0o644, true)
}

func ignoreMissing(err error) error {
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	return err
}

// writeCreated answers 201 with a text.
func writeCreated(w http.ResponseWriter, text string) error {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, text) //nolint:errcheck // the caller may be gone
	return nil
}

// upstream asks the network cache above.
func (c *shacache) upstream(ctx context.Context, base, name string) (*http.Response, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(base, "/")+"/"+url.PathEscape(name), nil)
	if err != nil {
		return nil, err
	}
	response, err := c.client.Do(r)
	if err != nil {
		return nil, &Error{Status: http.StatusBadGateway, Message: "Upstream error", Err: causeOf(err)}
	}
	if response.StatusCode == http.StatusOK {
		return response, nil
	}
	if err := response.Body.Close(); err != nil {
		return nil, err
	}
	if response.StatusCode == http.StatusNotFound {
		return nil, notFound("The network cache above does not have %s", name)
	}
	return nil, &Error{Status: http.StatusBadGateway, Message: fmt.Sprintf("Upstream returned %d", response.StatusCode)}
}

// await waits for content from above, which those share who want it at the same time.
// It goes on when they are gone, until the master is closed.
func (c *shacache) await(w http.ResponseWriter, r *http.Request, path, digest string) error {
	fetched := c.fetching.DoChan("cache/"+digest, func() (any, error) { return nil, c.fetchContent(c.open, path, digest) })
	control := http.NewResponseController(w)
	beat := time.NewTicker(pieceTimeout / 3)
	defer beat.Stop()
	for {
		select {
		case result := <-fetched:
			return errors.Join(result.Err, extend(control.SetWriteDeadline))
		case <-r.Context().Done():
			return r.Context().Err()
		case <-beat.C:
			// The limits of calls are not for those who wait for much.
			if err := errors.Join(extend(control.SetReadDeadline), extend(control.SetWriteDeadline)); err != nil {
				return err
			}
		}
	}
}

// fetchContent gets content from above.
func (c *shacache) fetchContent(ctx context.Context, path, digest string) error {
	ctx, cancel := context.WithTimeout(ctx, transferTimeout)
	defer cancel()
	response, err := c.upstream(ctx, c.UpstreamCache, digest)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if err := os.MkdirAll(c.Content, 0o755); err != nil {
		return err
	}
	err = c.store(path, digest, newPatient(response.Body, pieceTimeout))
	if err != nil && !errors.As(err, new(*os.PathError)) {
		return &Error{Status: http.StatusBadGateway, Message: "Upstream error", Err: err}
	}
	return err
}
