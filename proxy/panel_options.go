package proxy

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
)

// panelConfig is what the panel is configured with.
type panelConfig struct {
	publicDirectory string
	schemaHosts     []string
	// schemas reads declarations with what is set when it is first used.
	schemas func() *schemaReader
}

func panelByDefault() *panelConfig {
	c := &panelConfig{}
	c.schemas = sync.OnceValue(func() *schemaReader { return newSchemaReader(c) })
	return c
}

// WithPublicDirectory sets the directory whose files are served for download at
// /panel/public/: the configuration key public_directory_path. Of a release
// whose URL contains /software/, the declaration of its parameters is looked for
// here first. An empty path means none; a relative one is refused.
func WithPublicDirectory(path string) Option {
	return func(c *config) error {
		if path != "" && !filepath.IsAbs(path) {
			return fmt.Errorf("the public directory %q is not an absolute path", path)
		}
		c.panel.publicDirectory = path
		return nil
	}
}

// WithSchemaHosts names hosts from which the declarations that software releases
// make about their parameters may be read although their addresses are not
// public: git.lan, 127.0.0.1, or host:port for one port. Without this the master
// connects to public addresses only, as whoever can supply a release chooses
// where it is read from.
func WithSchemaHosts(hosts ...string) Option {
	return func(c *config) error {
		for _, host := range hosts {
			if host == "" {
				return errors.New("a schema host is empty")
			}
			c.panel.schemaHosts = append(c.panel.schemaHosts, strings.ToLower(host))
		}
		return nil
	}
}
