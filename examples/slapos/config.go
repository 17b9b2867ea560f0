package main

import (
	"errors"
	"fmt"
	"os/user"
	"path/filepath"
	"strings"

	"github.com/slapos/slapos-go/internal/configparser"
)

// cfgOption is the --cfg option and where the file is looked for without it.
type cfgOption struct {
	path     string
	variable string // environment variable
	fallback string
}

// Usage texts of --cfg.
const (
	nodeCfgUsage   = "Configuration file (default: $SLAPOS_CONFIGURATION or /etc/opt/slapos/slapos.cfg)."
	clientCfgUsage = "Configuration file (default: $SLAPOS_CLIENT_CONFIGURATION or ~/.slapos/slapos-client.cfg)."
)

// nodeCfg declares --cfg of a command that works on the node.
func nodeCfg(o options) *cfgOption {
	c := &cfgOption{variable: "SLAPOS_CONFIGURATION", fallback: "/etc/opt/slapos/slapos.cfg"}
	o.text(&c.path, "--cfg", nodeCfgUsage)
	return c
}

// clientCfg declares --cfg of a command that a user runs.
func clientCfg(o options) *cfgOption {
	c := &cfgOption{variable: "SLAPOS_CLIENT_CONFIGURATION", fallback: "~/.slapos/slapos-client.cfg"}
	o.text(&c.path, "--cfg", clientCfgUsage)
	return c
}

// locate returns the path of the configuration file.
func (a *app) locate(c *cfgOption) string {
	for _, path := range []string{c.path, a.getenv(c.variable), c.fallback} {
		if path != "" {
			return a.expandHome(path)
		}
	}
	return ""
}

// load reads the configuration file.
func (a *app) load(c *cfgOption) (*configparser.File, error) {
	path := a.locate(c)
	a.log.Debug("Loading config: " + path)
	file, err := configparser.Load(path)
	if missing, ok := errors.AsType[*configparser.LoadError](err); ok && missing.Missing {
		return nil, fmt.Errorf("%w\nname another with --cfg or $%s; slapos configure local writes one", err, c.variable)
	}
	return file, err
}

// inFile adds to an error about the configuration which file it was read from.
func inFile(path string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w\nconfiguration file: %s", err, path)
}

// expandHome replaces a leading ~ or ~user by the home directory. What cannot be
// resolved stays.
func (a *app) expandHome(path string) string {
	rest, ok := strings.CutPrefix(path, "~")
	if !ok {
		return path
	}
	name, rest, _ := strings.Cut(rest, "/")
	home := ""
	if name == "" {
		home = a.getenv("HOME")
		if home == "" {
			if u, err := user.Current(); err == nil {
				home = u.HomeDir
			}
		}
	} else if u, err := user.Lookup(name); err == nil {
		home = u.HomeDir
	}
	if home == "" {
		return path
	}
	return filepath.Join(home, rest)
}

// optional returns the value of a key, empty if the section or the key is absent.
func optional(file *configparser.File, section, key string) (string, error) {
	value, err := file.Get(section, key)
	if isAbsent(err) {
		return "", nil
	}
	return value, err
}

// isAbsent tells whether an error only says that a section or key is not there.
func isAbsent(err error) bool {
	var noSection *configparser.NoSectionError
	var noOption *configparser.NoOptionError
	return errors.As(err, &noSection) || errors.As(err, &noOption)
}

// sections returns the whole file as maps, for packages that take it so.
func sections(file *configparser.File) (map[string]map[string]string, error) {
	out := make(map[string]map[string]string)
	for _, name := range file.Sections() {
		items, err := file.Items(name)
		if err != nil {
			return nil, err
		}
		values := make(map[string]string, len(items))
		for _, item := range items {
			values[item.Key] = item.Value
		}
		out[name] = values
	}
	return out, nil
}

// requireRoot refuses to go on as another user than root, unless root_check is
// false in the first of the sections that has it; [slapos] if none is given. Both
// dialects of truth values are read: true and false, and what Python's
// configuration files call booleans.
func (a *app) requireRoot(file *configparser.File, sections ...string) error {
	for _, section := range append(sections, "slapos") {
		if !file.Has(section, "root_check") {
			continue
		}
		check, err := boolOr(file, section, "root_check", true)
		if err != nil || !check {
			return err
		}
		break
	}
	if a.euid != 0 {
		return errNotRoot
	}
	return nil
}

// boolOr returns a truth value of the file, or a default if it is absent.
func boolOr(file *configparser.File, section, key string, fallback bool) (bool, error) {
	value, err := file.Bool(section, key)
	switch {
	case isAbsent(err):
		return fallback, nil
	case err != nil:
		text, _ := optional(file, section, key)
		return false, fmt.Errorf("%s is neither True nor False.\n%w", text, err)
	}
	return value, nil
}
