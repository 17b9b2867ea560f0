package main

import (
	"context"
	"errors"
	"net"
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

Where releases that are named by a path lie is kept with the database: if another
local_software_release_root is given, they were moved, and their paths change with it.

Host may be unix:PATH, a Unix socket (mode 0600, or socket_mode). Started by systemd with
sockets, it serves those instead; it tells when it is ready and answers the watchdog: the
directory systemd beside the source of this program has units. On SIGTERM, running calls are
finished. These keys of [slapproxy] have no option or are the same as one:

  tls_certificate_file, tls_key_file
                       PEM files, read again when they change
  allowed_hosts        other names that the master is called by
  software_product_list
                       products: on each line a name and the URL of a release
  destroy_in_stopped_trees
                       true: instances of a tree whose root is stopped can be
                       destroyed (false: they are stopped, as with the Python
                       proxy)
  format_as_real_master
                       true: busy partitions that are no longer formatted are
                       kept, hidden, until they are formatted again, and nodes
                       are told full_ip_list (false: they are deleted with
                       their instances, as with the Python proxy)
  unlinked_age_hours   hours after which instances that no instance requests
                       any more, though one did, are destroyed (never)
  public_directory_path
                       absolute directory whose files /panel/public/ serves
  schema_hosts         hosts without public address that the panel reads
                       schemas from
  trusted_proxies      addresses and networks of front proxies, whose
                       X-Forwarded-Proto and X-Forwarded-Prefix are believed
  http_proxy           false: /http_proxy does not show the sites of front ends
  shacache_content_directory, shacache_metadata_directory
                       directories of the network cache; without both there is
                       none
  shacache_upstream_cache_url, shacache_upstream_dir_url
                       network cache that is asked for what is missing
  metrics_from         addresses and networks that may read /metrics, besides
                       this machine
  report_retention_days
                       days that usage reports are kept (396; 0: for ever)
  error_retention_days days that texts of errors and bangs are kept (90)
  backup_retention     backups without a name of their own that stay (10)
  max_body_size        bytes of one call (16777216)
  max_body_memory      bytes of large calls held at once (67108864)
  max_connections      connections at once, idle ones among them (4096);
                       others wait
  shutdown_timeout     seconds that running calls may take at the end (10)
  shutdown_delay       seconds that /readyz is 503 before connections are
                       refused (0); a second signal ends them
  log_file             file to which everything that is logged is appended

Each section [multimaster/URL] names another master, which serves requests whose filter has
that URL as master_url, or whose release is in its list. Its keys:

  software_release_list
                       URLs of releases, one on each line
  key, cert            PEM files of the client certificate; https masters need
                       them
  computer, partition  on whose behalf requests are made there
  master_ca_file       authorities that its certificate is verified against
  master_verify        false: any certificate is accepted

/healthz and /readyz are for balancers, /metrics for Prometheus.

Exit status: 0 interrupted, 1 error.`

// newProxyStart is "slapos proxy start".
func newProxyStart(a *app) *cobra.Command {
	var cfg *cfgOption
	var s proxySettings
	cmd := leaf(otherGroup, "start", "minimalist, stand-alone SlapOS Master", proxyStartLong,
		func(cmd *cobra.Command, _ []string) error { return a.startProxy(cmd.Context(), cfg, s) })
	f := optionsOf(cmd)
	cfg = nodeCfg(f)
	f.text(&s.database, "-u --database-uri", "Database file, which is created if it does not exist, or postgres:// address.")
	f.text(&s.port, "--port", "Port to listen on; 0 chooses a free one.")
	f.text(&s.host, "--host", "Address to listen on, or unix:PATH (default: 127.0.0.1).")
	f.text(&s.softwareRoot, "--local-software-release-root", "Directory of releases that are named by a path (default: /).")
	f.text(&s.tlsCertificate, "--tls-cert", "Certificate chain for https, a PEM file.")
	f.text(&s.tlsKey, "--tls-key", "Its key, a PEM file (default: the same file).")
	return cmd
}

// proxySettings are the keys of the configuration file that the proxy reads.
type proxySettings struct {
	database, host, port string
	computerID           string
	softwareRoot         string
	products             string
	logFile              string
	allowedHosts         string
	publicDirectory      string
	schemaHosts          string
	multimaster          []proxy.OtherMaster
	trustedProxies       string
	noHTTPProxy          bool
	destroyInStopped     bool
	formatAsReal         bool
	shacache             proxy.Shacache
	inherited            []net.Listener
	unknownKeys          []string // of [slapproxy]
	socketMode           string
	tlsCertificate       string
	tlsKey               string
	metricsFrom          string

	maxBody, maxBodies, maxConnections, shutdownTimeout, shutdownDelay, unlinkedHours string
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
			other, err := otherMaster(a, file, section)
			if err != nil {
				return s, err
			}
			s.multimaster = append(s.multimaster, other)
		}
		if section != "slapproxy" && section != "slapos" {
			continue
		}
		if err := s.fill(file, section); err != nil {
			return s, err
		}
	}
	s.unknownKeys = unknownKeys(file)
	s.database = a.expandHome(s.database)
	if s.database == "" {
		return s, inFile(file.Name(), documented("database-uri is required."))
	}
	return s, nil
}

// databaseSettings is proxySettings for commands that need no more than a database:
// for the one of the command line, there need be no configuration file.
func (a *app) databaseSettings(from *cfgOption, database string) (proxySettings, error) {
	s, err := a.proxySettings(from, proxySettings{database: database})
	missing, ok := errors.AsType[*configparser.LoadError](err)
	if ok && missing.Missing && database != "" && from.path == "" && a.getenv(from.variable) == "" {
		return proxySettings{database: a.expandHome(database)}, nil
	}
	return s, err
}

// startProxy opens the database and serves it until the context ends.
func (a *app) startProxy(ctx context.Context, from *cfgOption, given proxySettings) (err error) {
	outliveReaders()
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
	for _, key := range s.unknownKeys {
		a.log.Warn("the proxy has no key " + key + ", which [slapproxy] of " + a.locate(from) + " sets: help proxy start lists them")
	}
	// The port comes first: a second master must not touch the database.
	listeners, err := a.listen(ctx, &s)
	if err != nil {
		return inFile(a.locate(from), err)
	}
	defer func() {
		for _, l := range listeners {
			if closeErr := l.Close(); !errors.Is(closeErr, net.ErrClosed) {
				err = errors.Join(err, closeErr)
			}
		}
	}()
	opts, err := s.options(a)
	if err != nil {
		return inFile(a.locate(from), err)
	}
	server, err := proxy.Open(ctx, s.database, opts...)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, server.Close()) }()
	defer a.saveMemory()()
	for _, l := range listeners {
		a.log.Info("Running on "+urlOf(l, s.tlsCertificate != ""), logfmt.LoggerKey, "werkzeug")
	}
	return a.serveAsService(ctx, server, listeners)
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
		proxy.WithPublicDirectory(a.expandHome(s.publicDirectory)),
		proxy.WithSchemaHosts(strings.FieldsFunc(s.schemaHosts, isSeparator)...),
	}
	if s.softwareRoot != "" {
		opts = append(opts, proxy.WithLocalSoftwareReleaseRoot(a.expandHome(s.softwareRoot)))
	}
	operation, err := s.operation(a)
	if err != nil {
		return nil, err
	}
	others, err := s.others(a)
	if err != nil {
		return nil, err
	}
	opts = append(append(opts, operation...), others...)
	if s.destroyInStopped {
		opts = append(opts, proxy.WithDestroyInStoppedTrees())
	}
	if s.formatAsReal {
		opts = append(opts, proxy.WithFormatAsRealMaster())
	}
	hosts := strings.FieldsFunc(s.allowedHosts, isSeparator)
	for _, host := range s.reachedBy() {
		ip := net.ParseIP(host)
		if host == "localhost" || ip != nil && ip.IsLoopback() {
			continue
		}
		a.log.Warn("host " + host + " is reachable from other machines: this master trusts every caller. " +
			"Whoever reaches it can install and run software on the nodes")
		if ip == nil || !ip.IsUnspecified() {
			hosts = append(hosts, host)
		}
	}
	if len(hosts) > 0 {
		opts = append(opts, proxy.WithAllowedHosts(hosts...))
	}
	return opts, nil
}
