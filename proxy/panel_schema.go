package proxy

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/slapos/slapos-go/proxy/internal/store"
	"github.com/slapos/slapos-go/slap/softwareschema"
)

// This file reads what a supplied release declares about its parameters, for the
// forms of the panel: the browser itself never talks to another host.

// Bounds of reading a declaration.
const (
	schemaTimeout   = 15 * time.Second
	schemaRedirects = 5
	// schemaReaders is how many declarations are read at the same time.
	schemaReaders = 4
)

// schemaReader reads declarations.
type schemaReader struct {
	public string
	client *http.Client
	slots  chan struct{}
}

func newSchemaReader(c *panelConfig) *schemaReader {
	dialer := &schemaDialer{private: c.schemaHosts}
	transport := &http.Transport{
		DialContext: dialer.dial, DisableKeepAlives: true, TLSHandshakeTimeout: schemaTimeout,
		MaxResponseHeaderBytes: 64 << 10,
	}
	return &schemaReader{
		public: c.publicDirectory,
		client: &http.Client{Transport: transport, Timeout: schemaTimeout, CheckRedirect: sameHost},
		slots:  make(chan struct{}, schemaReaders),
	}
}

// sameHost follows redirects on one host only: a release is trusted where it is.
func sameHost(r *http.Request, via []*http.Request) error {
	if len(via) > schemaRedirects {
		return errors.New("too many redirects")
	}
	if !strings.EqualFold(r.URL.Host, via[0].URL.Host) {
		return errors.New("redirected to another host")
	}
	return nil
}

// schemaDialer connects to public addresses, and to whatever address the named
// hosts have.
type schemaDialer struct{ private []string }

func (d *schemaDialer) dial(ctx context.Context, network, address string) (net.Conn, error) {
	dialer := net.Dialer{Timeout: schemaTimeout}
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(d.private, strings.ToLower(host)) && !slices.Contains(d.private, strings.ToLower(address)) {
		// What is checked is the address that is connected to, not one that
		// the name had before.
		dialer.Control = func(_, address string, _ syscall.RawConn) error { return isPublic(address) }
	}
	return dialer.DialContext(ctx, network, address)
}

// notPublic are networks beyond what net/netip and hidingIPv4 know: shared and
// reserved ones, and others that hide an IPv4 address.
var notPublic = []netip.Prefix{
	netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
	netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("240.0.0.0/4"),
	netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32"), netip.MustParsePrefix("fec0::/10"),
}

// isPublic refuses addresses that only this machine or its network reaches.
func isPublic(address string) error {
	a, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := a.Addr().Unmap()
	within := func(p netip.Prefix) bool { return p.Contains(ip) }
	_, hidden := hiddenAddress(ip)
	if !ip.IsGlobalUnicast() || ip.IsPrivate() || hidden || slices.ContainsFunc(notPublic, within) {
		return fmt.Errorf("%s is no public address: name its host in the schema hosts of this master if it may be read", ip)
	}
	return nil
}

// read reads the declaration of a release, from the public directory or from
// beside the release, and hands it over. The number of readers and their time are
// bounded. What cannot be read is a 404 that tells why.
func (s *schemaReader) read(ctx context.Context, url string, use func(context.Context, *softwareschema.Schema) error) error {
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	ctx, cancel := context.WithTimeout(ctx, schemaTimeout)
	defer cancel()
	schema, err := s.loadPublic(ctx, url)
	if errors.Is(err, fs.ErrNotExist) {
		loader := softwareschema.Loader{Client: s.client}
		schema, err = loader.Load(ctx, url)
	}
	if err == nil {
		err = use(ctx, schema)
	}
	return undeclared(err)
}

// undeclared is a 404 unless an error has a status already.
func undeclared(err error) error {
	if err == nil || errors.As(err, new(*Error)) {
		return err
	}
	return &Error{Status: http.StatusNotFound, Message: "What the software release declares about its parameters cannot be read", Err: err}
}

// loadPublic reads a declaration from the public directory, where that of a
// release .../software/web/software.cfg is software/web/software.cfg.json.
func (s *schemaReader) loadPublic(ctx context.Context, url string) (*softwareschema.Schema, error) {
	_, rest, found := strings.Cut(url, "/software/")
	if !found || s.public == "" {
		return nil, fs.ErrNotExist
	}
	loader := softwareschema.Loader{Files: publicFiles(s.public)}
	return loader.Load(ctx, "/software/"+rest)
}

// publicFiles are the regular files of the public directory.
type publicFiles string

func (d publicFiles) Open(name string) (fs.File, error) {
	file, _, err := openPublic(string(d), name)
	return file, err
}

// shownEntry is one form of a declaration.
type shownEntry struct {
	ID            string  `json:"id"`
	Type          string  `json:"type"`
	Shared        bool    `json:"shared"`
	Title         string  `json:"title"`
	Description   string  `json:"description"`
	Index         float64 `json:"index"`
	Serialisation string  `json:"serialisation"`
}

// shownSchemaView is a declaration, with the JSON schema of one entry if one was
// asked for.
type shownSchemaView struct {
	Name        string          `json:"name"`
	Description string          `json:"description"`
	Entries     []shownEntry    `json:"entries"`
	Request     json.RawMessage `json:"request,omitempty"`
}

// schemaView tells what a supplied release declares.
func (s *Server) schemaView(ctx context.Context, p Principal, q url.Values) (any, error) {
	var v shownSchemaView
	err := s.declaration(ctx, p, q.Get("release"), func(ctx context.Context, schema *softwareschema.Schema) (err error) {
		v = shownSchemaView{Name: schema.Name, Description: schema.Description, Entries: []shownEntry{}}
		for _, t := range schema.Types {
			v.Entries = append(v.Entries, shownEntry{
				ID: t.ID, Type: t.SoftwareType, Shared: t.Shared, Title: t.Title, Description: t.Description,
				Index: t.Index, Serialisation: string(t.Serialisation),
			})
			if q.Has("entry") && t.ID == q.Get("entry") {
				if v.Request, err = t.RequestSchema(ctx); err != nil {
					return err
				}
			}
		}
		return nil
	})
	return v, err
}

// declaration reads what a release declares, if it is supplied on any computer.
func (s *Server) declaration(ctx context.Context, p Principal, url string, use func(context.Context, *softwareschema.Schema) error) error {
	if err := s.config.authorizer.Authorize(ctx, p, ActionRead, Object{}); err != nil {
		return err
	}
	err := s.master.store.View(ctx, func(r store.Reader) error {
		computers, err := r.Computers()
		if err != nil {
			return err
		}
		for _, c := range computers {
			if _, err = r.SoftwareByURL(c, url); !errors.Is(err, store.ErrNotFound) {
				return err
			}
		}
		return lacking(somethingUnknown, "Release %q is not supplied on any computer", url)
	})
	if err != nil {
		return err
	}
	return s.config.panel.schemas().read(ctx, url, use)
}

// validatedByPanel is the body of the action validate: parameters as JSON before
// they are serialised.
type validatedByPanel struct {
	Release    string          `json:"release"`
	Entry      string          `json:"entry"`
	Parameters json.RawMessage `json:"parameters"`
}

// shownFinding is one thing that is wrong with parameters.
type shownFinding struct {
	Path    string `json:"path"`
	Message string `json:"message"`
}

// panelValidate checks parameters against what the release declares.
func (s *Server) panelValidate(r *http.Request, p Principal, b validatedByPanel) (any, error) {
	d := json.NewDecoder(bytes.NewReader(b.Parameters))
	d.UseNumber()
	var parameters any
	if err := d.Decode(&parameters); err != nil {
		return nil, badRequest("The parameters are not JSON: %v", err)
	}
	findings := []shownFinding{}
	err := s.declaration(r.Context(), p, b.Release, func(ctx context.Context, schema *softwareschema.Schema) error {
		i := slices.IndexFunc(schema.Types, func(t *softwareschema.Type) bool { return t.ID == b.Entry })
		if i < 0 {
			return notFound("The release declares no entry %q", b.Entry)
		}
		found, err := schema.Types[i].ValidateRequest(ctx, parameters)
		for _, f := range found {
			findings = append(findings, shownFinding(f))
		}
		return err
	})
	return map[string]any{"findings": findings}, err
}
