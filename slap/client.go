package slap

import (
	"context"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"sync/atomic"
)

// Client talks to one master (slap). Make it with [New]. It may be shared by
// goroutines; two clients share nothing.
type Client struct {
	given string
	base  *url.URL
	user  *url.Userinfo
	config

	mu           sync.Mutex
	http         *httpStack
	foundHateoas string
	root         *hateoasRoot

	// lastWrite is when a call that changes something last ended, in
	// nanoseconds, and nonce stands for who asks if that is not known; both are
	// for the cache.
	lastWrite atomic.Int64
	nonceOnce sync.Once
	nonce     string
}

// New returns a client of the master at a URL (initializeConnection). It does
// no I/O: files named by options are read, and connections made, by the first
// call that needs them. The URL may have a path, with or without a final
// slash, an IPv6 address without brackets, and a user and password.
func New(masterURL string, opts ...Option) (*Client, error) {
	base, user, err := parseMasterURL(masterURL)
	if err != nil {
		return nil, err
	}
	c := &Client{given: masterURL, base: base, user: user, config: config{
		keyring:   &keyring{},
		timeout:   DefaultTimeout,
		maxBody:   DefaultMaxBody,
		retries:   DefaultRetries,
		log:       slog.New(slog.DiscardHandler),
		userAgent: "slapos-go",
	}}
	for _, option := range opts {
		if err := option(&c.config); err != nil {
			return nil, fmt.Errorf("slap client of %s: %w", base, err)
		}
	}
	c.keyring.log = c.log
	if base.Scheme != "https" {
		c.keyring = &keyring{} // no certificate is of use, nor read
	}
	return c, nil
}

// made fails if the client was not made with New, but is a zero value or that of
// one.
func (c *Client) made(op string) error {
	if c == nil || c.base == nil {
		return notFound(op, "there is no master: the client was not made with slap.New")
	}
	return nil
}

// URL returns the address of the master, with a final slash and without
// credentials; it is empty if the client was not made with New.
func (c *Client) URL() string {
	if c.made("") != nil {
		return ""
	}
	return c.base.String()
}

// Computer returns the computer with an identifier, known to the master or not
// (registerComputer).
func (c *Client) Computer(guid string) *Computer {
	return &Computer{client: c, guid: guid, turn: make(chan struct{}, 1)}
}

// ComputerPartition reads a partition of a computer
// (registerComputerPartition). An unknown one, or an empty identifier, is
// ErrNotFound.
func (c *Client) ComputerPartition(ctx context.Context, computerGUID, partitionID string) (*ComputerPartition, error) {
	s, err := c.fetchPartition(ctx, computerGUID, partitionID)
	if err != nil {
		return nil, err
	}
	return newPartition(c, s), nil
}

// PartitionReference returns a partition of a computer without asking the
// master: until it is refreshed only its identifiers are known. It is the lazy
// form of [Client.ComputerPartition], for programs that only send.
func (c *Client) PartitionReference(computerGUID, partitionID string) *ComputerPartition {
	return newPartition(c, &snapshot{
		computerID: computerGUID, partitionID: partitionID,
		parameters: Parameters{}, connection: Parameters{}, filter: Parameters{},
	})
}

// SoftwareRelease returns the software release with a URL
// (registerSoftwareRelease).
func (c *Client) SoftwareRelease(uri string) *SoftwareRelease {
	return &SoftwareRelease{client: c, uri: uri}
}

// OpenOrder returns the way to request root instances (registerOpenOrder).
func (c *Client) OpenOrder() *OpenOrder { return &OpenOrder{client: c} }

// Supply returns the way to supply software releases (registerSupply).
func (c *Client) Supply() *Supply { return &Supply{client: c} }

// SoftwareReleasesOfProduct returns the URLs of the software releases of a
// product, the best first (getSoftwareReleaseListFromSoftwareProduct with
// software_product_reference). An unknown product has none.
func (c *Client) SoftwareReleasesOfProduct(ctx context.Context, product string) ([]string, error) {
	return c.softwareReleases(ctx, "software_product_reference", product)
}

// SoftwareReleasesLike returns the URLs of the software releases of the product
// that a given one belongs to, the best first
// (getSoftwareReleaseListFromSoftwareProduct with software_release_url).
func (c *Client) SoftwareReleasesLike(ctx context.Context, softwareRelease string) ([]string, error) {
	return c.softwareReleases(ctx, "software_release_url", softwareRelease)
}

// SoftwareProduct returns the URL of the best software release of a product
// (SoftwareProductCollection.get). It is ErrNotFound if there is none.
func (c *Client) SoftwareProduct(ctx context.Context, product string) (string, error) {
	releases, err := c.SoftwareReleasesOfProduct(ctx, product)
	if err != nil {
		return "", err
	}
	if len(releases) == 0 {
		return "", notFound("software product", "no software release corresponds to the product %q", product)
	}
	return releases[0], nil
}

func (c *Client) softwareReleases(ctx context.Context, by, value string) ([]string, error) {
	const op = "software releases of product"
	if value == "" {
		return nil, notFound(op, "no %s was given", by)
	}
	v, err := c.getValue(ctx, call{
		op: op, path: "getSoftwareReleaseListFromSoftwareProduct", fields: []field{{by, value}},
	})
	if err != nil {
		return nil, err
	}
	return c.texts(op, v)
}

// CloseIdleConnections closes the connections that no call uses. The client
// stays usable.
func (c *Client) CloseIdleConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.http != nil {
		if idle, ok := c.http.base.(interface{ CloseIdleConnections() }); ok {
			idle.CloseIdleConnections()
		}
	}
}
