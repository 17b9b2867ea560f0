package softwareschema

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"
)

// Bounds of what is read for a declaration, or for one JSON schema with all it
// refers to.
const (
	maxDocument  = 4 << 20
	maxDocuments = 64
	maxTotal     = 16 << 20
)

// fetchTimeout bounds the fetching of one document by the default client.
const fetchTimeout = 30 * time.Second

// maxRedirects is how many redirects the default client follows, as that of net/http.
const maxRedirects = 10

// ErrUndeclared is a software release that is a directory of programs and
// declares nothing, or a software type without the JSON schema asked for. Both are
// allowed.
var ErrUndeclared = errors.New("the software release has no schema")

// ErrForeign is a document that is neither at the origin of the software release
// nor at one of Loader.Origins.
var ErrForeign = errors.New("the document is at another origin than the software release")

// LoadError is a document that cannot be read.
type LoadError struct {
	// URL is the document, without user and password.
	URL string
	// Err is the reason.
	Err error
}

// Error tells document and reason.
func (e *LoadError) Error() string { return fmt.Sprintf("load JSON %s: %v", e.URL, e.Err) }

// Unwrap returns the reason.
func (e *LoadError) Unwrap() error { return e.Err }

// Loader reads declarations. The zero value reads from HTTP servers only. It may
// be shared by goroutines as long as nobody changes it.
type Loader struct {
	// Client fetches what is at http and https, and decides about redirects,
	// proxies and trust. nil means one that waits 30 seconds at most for each
	// document, and follows no redirect from https to http.
	Client *http.Client
	// Files holds the files of the machine, for software releases that are
	// paths or file URLs: os.DirFS("/"). nil means that none is read.
	Files fs.FS
	// Origins are further origins, such as https://example.org, from which a
	// declaration may take schemas.
	Origins []string
}

// Load reads the declaration of a software release, given by an http, https or
// file URL or an absolute path. What cannot be read is a [LoadError]; it is also
// [fs.ErrNotExist] if there is no declaration, and [ErrUndeclared] if the release
// is a directory without one.
func (l *Loader) Load(ctx context.Context, softwareRelease string) (*Schema, error) {
	release, err := documentURL(softwareRelease)
	if err != nil {
		return nil, &LoadError{URL: redacted(softwareRelease), Err: err}
	}
	base, address, isDirectory := release, release.String()+".json", false
	if release.Scheme == "file" && l.Files != nil {
		if info, err := fs.Stat(l.Files, fileName(release)); err == nil && info.IsDir() {
			base = release.JoinPath("software", "schema.json")
			address, isDirectory = base.String(), true
		}
	}
	d := &documents{loader: l, origins: slices.Concat([]string{origin(release)}, l.Origins)}
	data, err := d.begin(ctx).read(address)
	if isDirectory && errors.Is(err, fs.ErrNotExist) {
		return nil, &LoadError{URL: redacted(address), Err: fmt.Errorf("%w: %w", ErrUndeclared, err)}
	}
	if err != nil {
		return nil, err
	}
	s, err := parse(data, base)
	if err != nil {
		return nil, &LoadError{URL: redacted(address), Err: err}
	}
	s.URL = redacted(address)
	for _, t := range s.Types {
		t.documents = d
	}
	return s, nil
}

// documents is where the documents of one declaration may come from.
type documents struct {
	loader  *Loader
	origins []string
}

// reading reads documents within the bounds.
type reading struct {
	*documents
	ctx         context.Context
	count, size int
}

func (d *documents) begin(ctx context.Context) *reading { return &reading{documents: d, ctx: ctx} }

// read reads a document. Its errors are LoadErrors.
func (r *reading) read(address string) ([]byte, error) {
	data, err := r.bounded(address)
	if err != nil {
		return nil, &LoadError{URL: redacted(address), Err: err}
	}
	return data, nil
}

func (r *reading) bounded(address string) ([]byte, error) {
	if r.documents == nil {
		return nil, errors.New("the software type was not made by a Loader")
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	if !slices.Contains(r.origins, origin(u)) {
		return nil, ErrForeign
	}
	if r.count++; r.count > maxDocuments {
		return nil, fmt.Errorf("more than %d documents", maxDocuments)
	}
	body, err := r.open(u)
	if err != nil {
		return nil, err
	}
	defer body.Close()
	data, err := io.ReadAll(io.LimitReader(body, maxDocument+1))
	if err != nil {
		return nil, err
	}
	if len(data) > maxDocument {
		return nil, fmt.Errorf("larger than %d bytes", maxDocument)
	}
	if r.size += len(data); r.size > maxTotal {
		return nil, fmt.Errorf("more than %d bytes in all documents", maxTotal)
	}
	return data, nil
}

// open opens a document over HTTP or from a file.
func (r *reading) open(u *url.URL) (io.ReadCloser, error) {
	if u.Scheme == "file" {
		return r.openFile(fileName(u))
	}
	client := r.loader.Client
	if client == nil {
		client = &http.Client{Timeout: fetchTimeout, CheckRedirect: follow}
	}
	request, err := http.NewRequestWithContext(r.ctx, http.MethodGet, u.String(), nil)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	request.Header.Set("Accept", "application/json, application/schema+json, */*;q=0.5")
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	switch response.StatusCode {
	case http.StatusOK:
		return response.Body, nil
	case http.StatusNotFound, http.StatusGone:
		err = fmt.Errorf("%s: %w", response.Status, fs.ErrNotExist)
	default:
		err = errors.New(response.Status)
	}
	return nil, errors.Join(err, response.Body.Close())
}

// follow decides on a redirect of the default client.
func follow(r *http.Request, via []*http.Request) error {
	if len(via) >= maxRedirects {
		return fmt.Errorf("more than %d redirects", maxRedirects)
	}
	if via[len(via)-1].URL.Scheme == "https" && r.URL.Scheme != "https" {
		return errors.New("a redirect from https to http")
	}
	return nil
}

// openFile opens a regular file: reading a pipe might never end.
func (r *reading) openFile(name string) (io.ReadCloser, error) {
	files := r.loader.Files
	if files == nil {
		return nil, errors.New("no files are read: the loader has no Files")
	}
	info, err := fs.Stat(files, name)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("not a regular file")
	}
	return files.Open(name)
}

// documentURL returns the URL of a document given by URL or path.
func documentURL(address string) (*url.URL, error) {
	if path.IsAbs(address) {
		return &url.URL{Scheme: "file", Path: path.Clean(address)}, nil
	}
	u, err := url.Parse(address)
	if err != nil {
		return nil, errors.New("the URL cannot be read")
	}
	switch {
	case (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return u, nil
	case u.Scheme == "file" && (u.Host == "" || u.Host == "localhost") && path.IsAbs(u.Path):
		return &url.URL{Scheme: "file", Path: path.Clean(u.Path)}, nil
	}
	return nil, errors.New("neither an http, https or file URL nor an absolute path")
}

// fileName is the name of the file of a file URL in an fs.FS that is the root
// directory.
func fileName(u *url.URL) string {
	if name := strings.TrimPrefix(path.Clean("/"+u.Path), "/"); name != "" {
		return name
	}
	return "."
}

// origin is what documents that may refer to one another have in common.
func origin(u *url.URL) string {
	host := strings.ToLower(u.Hostname())
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	switch port := u.Port(); {
	case port == "", u.Scheme == "http" && port == "80", u.Scheme == "https" && port == "443":
	default:
		host += ":" + port
	}
	return strings.ToLower(u.Scheme) + "://" + host
}

// redacted is an address without user and password.
func redacted(address string) string {
	u, err := url.Parse(address)
	// Without a host, what looks like a scheme may be a user.
	if err != nil || strings.Contains(u.Opaque, "@") {
		return "with an unreadable URL"
	}
	u.User = nil
	return u.String()
}
