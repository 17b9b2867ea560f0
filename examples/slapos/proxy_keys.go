package main

import (
	"slices"

	"github.com/slapos/slapos-go/internal/configparser"
)

// ofBoth are the values that either section may have.
func (s *proxySettings) ofBoth() map[string]*string {
	return map[string]*string{
		"database_uri": &s.database, "host": &s.host, "port": &s.port, "computer_id": &s.computerID,
		"local_software_release_root": &s.softwareRoot,
		"software_product_list":       &s.products, "allowed_hosts": &s.allowedHosts,
		"report_retention_days": &s.reportDays, "error_retention_days": &s.errorDays, "backup_retention": &s.backups,
	}
}

// ofProxy are the values of [slapproxy] alone: log_file of [slapos] would be another
// program's, and so on.
func (s *proxySettings) ofProxy() map[string]*string {
	return map[string]*string{
		"public_directory_path": &s.publicDirectory, "schema_hosts": &s.schemaHosts,
		"trusted_proxies":            &s.trustedProxies,
		"shacache_content_directory": &s.shacache.Content, "shacache-content-directory": &s.shacache.Content,
		"shacache_metadata_directory": &s.shacache.Metadata, "shacache-metadata-directory": &s.shacache.Metadata,
		"shacache_upstream_cache_url": &s.shacache.UpstreamCache, "shacache-upstream-cache-url": &s.shacache.UpstreamCache,
		"shacache_upstream_dir_url": &s.shacache.UpstreamDir, "shacache-upstream-dir-url": &s.shacache.UpstreamDir,
		"log_file": &s.logFile, "socket_mode": &s.socketMode, "metrics_from": &s.metricsFrom,
		"tls_certificate_file": &s.tlsCertificate, "tls_key_file": &s.tlsKey,
		"max_body_size": &s.maxBody, "max_body_memory": &s.maxBodies, "max_connections": &s.maxConnections,
		"shutdown_timeout": &s.shutdownTimeout, "shutdown_delay": &s.shutdownDelay,
		"unlinked_age_hours": &s.unlinkedHours,
	}
}

// httpProxyKey is true unless it is set.
const httpProxyKey = "http_proxy"

// ofUploaders are the spellings of a key of programs that sign what they put into the
// network cache; the master signs nothing.
var ofUploaders = []string{"shacache_signing_key_path", "shacache-signing-key-path"}

// switches are the keys of [slapproxy] that are false unless they are set.
func (s *proxySettings) switches() map[string]*bool {
	return map[string]*bool{"destroy_in_stopped_trees": &s.destroyInStopped, "format_as_real_master": &s.formatAsReal}
}

// fill sets what is still empty from one section.
func (s *proxySettings) fill(file *configparser.File, section string) error {
	err := fillFrom(file, section, s.ofBoth())
	if err != nil || section != "slapproxy" {
		return err
	}
	shows, err := boolOr(file, section, httpProxyKey, true)
	if err != nil {
		return err
	}
	s.noHTTPProxy = !shows
	for key, on := range s.switches() {
		if *on, err = boolOr(file, section, key, false); err != nil {
			return err
		}
	}
	return fillFrom(file, section, s.ofProxy())
}

// fillFrom sets those of some values that are empty from the keys of a section.
func fillFrom(file *configparser.File, section string, values map[string]*string) error {
	for key, p := range values {
		value, err := optional(file, section, key)
		if err != nil {
			return err
		}
		if *p == "" {
			*p = value
		}
	}
	return nil
}

// unknownKeys are those keys of [slapproxy] that no program reads: misspelt ones. Keys of
// [DEFAULT] are for all programs.
func unknownKeys(file *configparser.File) []string {
	keys, err := file.Keys("slapproxy")
	if err != nil {
		return nil // there is no such section
	}
	general, err := file.Keys("DEFAULT")
	if err != nil {
		return nil
	}
	var s proxySettings
	ofBoth, ofProxy, switches := s.ofBoth(), s.ofProxy(), s.switches()
	return slices.DeleteFunc(keys, func(key string) bool {
		return ofBoth[key] != nil || ofProxy[key] != nil || switches[key] != nil || key == httpProxyKey ||
			slices.Contains(ofUploaders, key) || slices.Contains(general, key)
	})
}
