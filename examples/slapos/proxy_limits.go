package main

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/slapos/slapos-go/proxy"
)

// operation are the options for TLS, limits and those who watch.
func (s *proxySettings) operation(a *app) ([]proxy.Option, error) {
	var opts []proxy.Option
	switch {
	case s.tlsCertificate != "":
		key := s.tlsKey
		if key == "" {
			key = s.tlsCertificate // both in one file
		}
		opts = append(opts, proxy.WithTLS(a.expandHome(s.tlsCertificate), a.expandHome(key)))
	case s.tlsKey != "":
		return nil, fmt.Errorf("tls_key_file is set, tls_certificate_file is not")
	}
	var limits proxy.Limits
	var body, connections, shutdown, drain, unlinked int64
	for _, number := range []struct {
		key, text string
		into      *int64
	}{
		{"max_body_size", s.maxBody, &body}, {"max_body_memory", s.maxBodies, &limits.Bodies},
		{"max_connections", s.maxConnections, &connections},
		{"shutdown_timeout", s.shutdownTimeout, &shutdown}, {"shutdown_delay", s.shutdownDelay, &drain},
		{"unlinked_age_hours", s.unlinkedHours, &unlinked},
	} {
		if number.text == "" {
			continue
		}
		n, err := strconv.ParseInt(number.text, 10, 32)
		if err != nil || n < 1 {
			return nil, fmt.Errorf("%s is %q: it must be a whole number from 1", number.key, number.text)
		}
		*number.into = n
	}
	limits.Connections = int(connections)
	limits.Shutdown, limits.Drain = time.Duration(shutdown)*time.Second, time.Duration(drain)*time.Second
	opts = append(opts, proxy.WithLimits(limits), proxy.WithUnlinkedAge(time.Duration(unlinked)*time.Hour))
	if body > 0 {
		opts = append(opts, proxy.WithMaxBody(body))
	}
	networks, err := networksOf("metrics_from", s.metricsFrom)
	if err != nil {
		return nil, err
	}
	return append(opts, proxy.WithMetricsFrom(networks...)), nil
}

// networksOf reads a key with addresses and networks such as 192.0.2.0/24.
func networksOf(key, text string) (networks []netip.Prefix, err error) {
	for _, word := range strings.FieldsFunc(text, isSeparator) {
		network, err := netip.ParsePrefix(word)
		if err != nil {
			address, err := netip.ParseAddr(word)
			if err != nil {
				return nil, fmt.Errorf("%s: %q is neither an address nor a network", key, word)
			}
			network = netip.PrefixFrom(address.WithZone(""), address.BitLen())
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// isSeparator tells what stands between the words of a list.
func isSeparator(r rune) bool { return strings.ContainsRune(" \t\r\n,", r) }
