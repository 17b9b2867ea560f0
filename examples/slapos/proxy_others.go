package main

import (
	"strings"

	"github.com/slapos/slapos-go/internal/configparser"
	"github.com/slapos/slapos-go/proxy"
)

// This file has the part of the configuration that is about other servers: other
// masters, front proxies, the sites of front ends, and the network cache above.

// otherMaster reads a section [multimaster/URL].
func otherMaster(a *app, file *configparser.File, section string) (proxy.OtherMaster, error) {
	o := proxy.OtherMaster{URL: strings.TrimPrefix(section, "multimaster/")}
	var releases string
	err := fillFrom(file, section, map[string]*string{
		"key": &o.KeyFile, "cert": &o.CertFile, "master_ca_file": &o.CAFile,
		"software_release_list": &releases, "computer": &o.Computer, "partition": &o.Partition,
	})
	if err != nil {
		return o, err
	}
	for release := range strings.Lines(releases) {
		if release = strings.TrimSpace(release); release != "" {
			o.Releases = append(o.Releases, release)
		}
	}
	for _, path := range []*string{&o.KeyFile, &o.CertFile, &o.CAFile} {
		*path = a.expandHome(*path)
	}
	verified, err := boolOr(file, section, "master_verify", true)
	o.Unverified = !verified
	return o, err
}

// others are the options about other servers.
func (s *proxySettings) others(a *app) ([]proxy.Option, error) {
	fronts, err := networksOf("trusted_proxies", s.trustedProxies)
	if err != nil {
		return nil, err
	}
	cache := s.shacache
	cache.Content, cache.Metadata = a.expandHome(cache.Content), a.expandHome(cache.Metadata)
	opts := []proxy.Option{proxy.WithMultimaster(s.multimaster...), proxy.WithTrustedProxies(fronts...), proxy.WithShacache(cache)}
	if s.noHTTPProxy {
		opts = append(opts, proxy.WithoutHTTPProxy())
	}
	return opts, nil
}
