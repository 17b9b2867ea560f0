package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/internal/logfmt"
	"github.com/slapos/slapos-go/proxy"
)

const proxyStartLong = `Serves a stand-alone master until it is interrupted. What is not given here is read from
[slapproxy] or [slapos] of the configuration file; computer_id must be there. Without host
it is reachable from this machine only, as it trusts every caller.

A database of the Python proxy, releases 1.6.10 to 1.26, is imported at the first start: the
file then is this program's, and the original stays beside it under the name that the log
tells. Back to it: stop the master and put the original in its place, or "slapos proxy export".

Exit status: 0 interrupted, 1 error.`

// newProxyStart is "slapos proxy start".
func newProxyStart(a *app) *cobra.Command {
	var cfg *cfgOption
	var s proxySettings
	cmd := leaf(otherGroup, "start", "minimalist, stand-alone SlapOS Master", proxyStartLong,
		func(cmd *cobra.Command, _ []string) error { return a.startProxy(cmd.Context(), cfg, s) })
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&s.database, "-u --database-uri", "Database file; it is created if it does not exist.")
	f.text(&s.port, "--port", "Port to listen on; 0 chooses a free one.")
	f.text(&s.host, "--host", "Address to listen on (default: 127.0.0.1).")
	return cmd
}

// proxySettings are the keys of the configuration file that the proxy reads.
type proxySettings struct {
	database, host, port string
	computerID           string
	products             string
	logFile              string
	allowedHosts         string
	multimaster          []string // sections
	// What is kept, and how long.
	reportDays, errorDays, backups string
}

// proxySettings completes what the command line gave from the two sections, in
// the order in which the file has them.
func (a *app) proxySettings(from *cfgOption, s proxySettings) (proxySettings, error) {
	file, err := a.load(from)
	if err != nil {
		return s, err
	}
	for _, section := range file.Sections() {
		if strings.HasPrefix(section, "multimaster/") {
			s.multimaster = append(s.multimaster, section)
		}
		if section != "slapproxy" && section != "slapos" {
			continue
		}
		if err := s.fill(file, section); err != nil {
			return s, err
		}
	}
	s.database = a.expandHome(s.database)
	if s.database == "" {
		return s, inFile(file.Name(), documented("database-uri is required."))
	}
	return s, nil
}

// fill sets what is still empty from one section.
func (s *proxySettings) fill(file *configparser.File, section string) error {
	for key, p := range map[string]*string{
		"database_uri": &s.database, "host": &s.host, "port": &s.port, "computer_id": &s.computerID,
		"software_product_list": &s.products, "allowed_hosts": &s.allowedHosts,
		"report_retention_days": &s.reportDays, "error_retention_days": &s.errorDays, "backup_retention": &s.backups,
	} {
		value, err := optional(file, section, key)
		if err != nil {
			return err
		}
		if *p == "" {
			*p = value
		}
	}
	if section != "slapproxy" {
		return nil // log_file of [slapos] would be another program's
	}
	var err error
	s.logFile, err = optional(file, section, "log_file")
	return err
}

// startProxy opens the database and serves it until the context ends.
func (a *app) startProxy(ctx context.Context, from *cfgOption, given proxySettings) (err error) {
	s, err := a.proxySettings(from, given)
	if err != nil {
		return err
	}
	if s.computerID == "" {
		return &configparser.NoOptionError{File: a.locate(from), Section: "slapos", Key: "computer_id"}
	}
	closeLog, err := a.alsoLogTo(s.logFile)
	if err != nil {
		return err
	}
	defer closeLog()
	for _, section := range s.multimaster {
		a.log.Warn("section [" + section + "] is not supported by this master and has no effect")
	}
	port, err := strconv.Atoi(s.port)
	if err != nil || port < 0 || port > 65535 {
		return inFile(a.locate(from), documented("invalid literal for int() with base 10: '%s'\n"+
			"port (--port) must be a number from 0 to 65535", s.port))
	}
	opts, err := s.options(a)
	if err != nil {
		return inFile(a.locate(from), err)
	}
	// The port comes first: a second master must not touch the database.
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", net.JoinHostPort(s.address(), strconv.Itoa(port)))
	if err != nil {
		return fmt.Errorf("cannot listen on %s port %d, choose others with --host and --port or in the configuration: %w",
			s.address(), port, err)
	}
	server, err := proxy.Open(ctx, s.database, opts...)
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	defer a.saveMemory()()
	a.log.Info("Running on http://"+listener.Addr().String(), logfmt.LoggerKey, "werkzeug")
	return server.Serve(ctx, listener)
}

// address is where the proxy listens.
func (s *proxySettings) address() string {
	if s.host == "" {
		return "127.0.0.1"
	}
	return strings.Trim(s.host, "[]")
}

// options are the options of the master.
func (s *proxySettings) options(a *app) ([]proxy.Option, error) {
	products, err := proxy.ParseSoftwareProducts(s.products)
	if err != nil {
		return nil, err
	}
	retention, err := s.retention()
	if err != nil {
		return nil, err
	}
	opts := []proxy.Option{
		proxy.WithRetention(retention),
		proxy.WithComputerID(s.computerID),
		proxy.WithSoftwareProducts(products...),
		proxy.WithLogger(a.log.With(logfmt.LoggerKey, "werkzeug")),
	}
	hosts := strings.FieldsFunc(s.allowedHosts, func(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) })
	if ip := net.ParseIP(s.address()); s.address() != "localhost" && (ip == nil || !ip.IsLoopback()) {
		a.log.Warn("host " + s.address() + " is reachable from other machines: this master trusts every caller. " +
			"Whoever reaches it can install and run software on the nodes")
		if ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, s.address())
		}
	}
	if len(hosts) > 0 {
		opts = append(opts, proxy.WithAllowedHosts(hosts...))
	}
	return opts, nil
}
