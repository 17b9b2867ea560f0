package proxy

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"
)

// Product names the release that a product stands for.
type Product struct {
	Name, URL string
}

// Option changes how a Server works.
type Option func(*config) error

type config struct {
	computerID    string
	softwareRoot  string
	allowedHosts  []string
	frontProxies  []netip.Prefix
	noHTTPProxy   bool
	shacache      Shacache
	products      []Product
	multimaster   []OtherMaster
	logger        *slog.Logger
	clock         func() time.Time
	maxBody       int64
	cacheSize     int
	limits        Limits
	retention     Retention
	authenticator Authenticator
	authorizer    Authorizer
	panel         *panelConfig
	certificate   *certificate
	metricsFrom   []netip.Prefix
	// destroyInStopped lets instances of stopped trees be destroyed.
	destroyInStopped bool
	// formatAsReal keeps what is busy and not listed, and reads routes.
	formatAsReal bool
	// unlinkedAge is zero if unlinked instances stay.
	unlinkedAge time.Duration
}

// Defaults.
const (
	// DefaultComputerID is the reference of the computer that needs no format.
	DefaultComputerID = "computer"
	// DefaultMaxBody is the largest body that a call may have, in bytes.
	DefaultMaxBody = 16 << 20
	// defaultCacheSize bounds the kept answers, in bytes: those about some 60 nodes of
	// 100 instances, or 6 of 1,000.
	defaultCacheSize = 12 << 20
)

func defaults() config {
	return config{
		computerID: DefaultComputerID, softwareRoot: defaultSoftwareRoot,
		logger:    slog.New(slog.DiscardHandler),
		clock:     time.Now,
		maxBody:   DefaultMaxBody,
		cacheSize: defaultCacheSize,
		limits:    limitsByDefault(),

		authenticator: open{},
		authorizer:    open{},
		panel:         panelByDefault(),
	}
}

// WithComputerID sets the reference of the configured computer: requests
// without a computer_guid go to it, and it is known before its first format.
// The default is DefaultComputerID.
func WithComputerID(reference string) Option {
	return func(c *config) error {
		if reference == "" {
			return errors.New("computer_id is empty")
		}
		c.computerID = reference
		return nil
	}
}

// WithAllowedHosts adds names under which the master may be called besides the
// loopback ones: host names or addresses, without port. The address on which a
// connection arrived is always allowed.
func WithAllowedHosts(hosts ...string) Option {
	return func(c *config) error {
		for _, host := range hosts {
			if host == "" {
				return errors.New("an allowed host is empty")
			}
			c.allowedHosts = append(c.allowedHosts, host)
		}
		return nil
	}
}

// WithSoftwareProducts sets the releases behind product names. The last of
// equal names counts.
func WithSoftwareProducts(products ...Product) Option {
	return func(c *config) error {
		c.products = append(c.products, products...)
		return nil
	}
}

// WithDestroyInStoppedTrees lets an instance be destroyed though the root of its tree
// is stopped. By default the state of a root that is not started replaces all others,
// as with the reference's proxy.
func WithDestroyInStoppedTrees() Option {
	return func(c *config) error {
		c.destroyInStopped = true
		return nil
	}
}

// WithFormatAsRealMaster makes a format do what it does with a real master. Busy
// partitions that the node no longer lists are kept, hidden until it lists them again:
// nodes are not told of them, and nothing new is put there. Addresses with a route of
// their own, those of taps or with a gateway, are told in full_ip_list. By default
// such partitions are deleted with their instances, and routes are not read, as with
// the reference's proxy.
func WithFormatAsRealMaster() Option {
	return func(c *config) error {
		c.formatAsReal = true
		return nil
	}
}

// WithUnlinkedAge sets how long instances may be unlinked, that is, no longer be
// requested by the instance that had requested them
// (updateComputerPartitionRelatedInstanceList) nor by another one: they are then
// destroyed, and what they requested is unlinked. In a tree whose root is not started
// they wait for it, but see WithDestroyInStoppedTrees. By default, or with zero, they
// stay. Serve looks for them every hour.
func WithUnlinkedAge(age time.Duration) Option {
	return func(c *config) error {
		if age < 0 {
			return fmt.Errorf("the age of unlinked instances is %v", age)
		}
		c.unlinkedAge = age
		return nil
	}
}

// WithMultimaster adds masters to which requests are forwarded: those for new
// instances whose filter has the master's URL as master_url, or whose release is
// in its list. The first master that has a release counts.
func WithMultimaster(masters ...OtherMaster) Option {
	return func(c *config) error {
		c.multimaster = append(c.multimaster, masters...)
		return nil
	}
}

// WithLogger sets where accesses and failures are logged. By default nothing
// is.
func WithLogger(l *slog.Logger) Option {
	return func(c *config) error {
		if l == nil {
			return errors.New("the logger is nil")
		}
		c.logger = l
		return nil
	}
}

// WithClock sets the source of the time, for tests.
func WithClock(now func() time.Time) Option {
	return func(c *config) error {
		if now == nil {
			return errors.New("the clock is nil")
		}
		c.clock = now
		return nil
	}
}

// WithMaxBody sets the largest body that a call may have, in bytes.
func WithMaxBody(n int64) Option {
	return func(c *config) error {
		if n <= 0 {
			return fmt.Errorf("the largest body is %d bytes", n)
		}
		c.maxBody = n
		return nil
	}
}

// WithAuthenticator sets how callers are identified. By default everybody is
// the anonymous principal of the open mode.
func WithAuthenticator(a Authenticator) Option {
	return func(c *config) error {
		if a == nil {
			return errors.New("the authenticator is nil")
		}
		c.authenticator = a
		return nil
	}
}

// WithAuthorizer sets who may do what. By default everybody may do everything.
func WithAuthorizer(a Authorizer) Option {
	return func(c *config) error {
		if a == nil {
			return errors.New("the authorizer is nil")
		}
		c.authorizer = refusals{a}
		return nil
	}
}

// ParseSoftwareProducts reads the configuration key software_product_list:
// lines of a name and a URL.
func ParseSoftwareProducts(text string) ([]Product, error) {
	var products []Product
	for line := range strings.Lines(text) {
		fields := strings.Fields(line)
		switch len(fields) {
		case 0:
		case 2:
			products = append(products, Product{Name: fields[0], URL: fields[1]})
		default:
			return nil, fmt.Errorf("software_product_list: %q is not a name and a URL", strings.TrimSpace(line))
		}
	}
	return products, nil
}
