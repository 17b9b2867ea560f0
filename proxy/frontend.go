package proxy

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// Releases whose shared instances need no instance: the stand-alone master has
// no front ends, so a request for one is answered with the address behind it.
const (
	apacheFrontend = "http://git.erp5.org/gitweb/slapos.git/blob_plain/HEAD:/software/apache-frontend/software.cfg"
	kvmFrontend    = "http://git.erp5.org/gitweb/slapos.git/blob_plain/refs/tags/slapos-0.92:/software/kvm/software.cfg"
)

// frontEnd is a front end that needs no instance: where it is said to be, and
// what it publishes.
type frontEnd struct {
	name       string
	connection *marshal.Dict
	// origin is the origin of a web site, which the HTTP proxy may show while
	// the front end is requested; empty if there is nothing to show.
	origin string
}

// fakeFrontend answers a shared request for a front end, or returns nil if the
// request is an ordinary one. The HTTP proxy, if it relays, is the way to web sites
// for callers that come by https.
func fakeFrontend(q instanceRequest, relays bool) *frontEnd {
	switch {
	case q.Release == apacheFrontend && (q.Type == "" || q.Type == defaultType || q.Type == "RootSoftwareInstance"):
		return webFrontend(q, relays)
	case q.Release == kvmFrontend && q.Type == "frontend":
		return consoleFrontend(q)
	}
	return nil
}

func webFrontend(q instanceRequest, relays bool) *frontEnd {
	target := parameterText(q, "url")
	if target == "" {
		return nil
	}
	access, domain, origin := target, "", ""
	if u, err := url.Parse(target); err == nil {
		domain, origin = u.Host, originOf(u)
	}
	// Whoever comes by https cannot use what is behind it: this master shows it.
	if here, err := url.Parse(q.Here); relays && err == nil && here.Scheme == "https" && origin != "" {
		access, domain = q.Here+relayPrefix+relayPath(target), here.Host
	}
	return &frontEnd{"Fake frontend for " + target, marshal.NewDict().Set("secure_access", access).Set("domain", domain), origin}
}

// relayPath is the path below relayPrefix that shows a URL of http or https.
func relayPath(target string) string {
	scheme, rest, _ := strings.Cut(target, "://")
	end := strings.IndexAny(rest, "/?#")
	if end < 0 {
		end = len(rest)
	}
	return strings.ToLower(scheme) + "/" + url.PathEscape(rest[:end]) + rest[end:]
}

// originOf is scheme, host and port of a URL in one form only, or empty for a URL
// that is not of the web or that holds a password.
func originOf(u *url.URL) string {
	port := map[string]string{"http": "80", "https": "443"}[u.Scheme]
	host := strings.ToLower(strings.TrimSuffix(u.Hostname(), "."))
	if port == "" || host == "" || u.User != nil {
		return ""
	}
	if u.Port() != "" {
		port = u.Port()
	}
	if address, err := netip.ParseAddr(host); err == nil {
		host = address.String()
	}
	return u.Scheme + "://" + net.JoinHostPort(host, port)
}

// noteFrontEnd keeps which front ends are requested.
func (m *master) noteFrontEnd(ctx context.Context, q instanceRequest, f *frontEnd) error {
	wanted := f.origin != "" && q.State != stateDestroyed && q.State != stateStopped
	var now, before store.FrontEnd
	look := func(r store.Reader) error {
		by, err := m.whoAsks(r, q)
		if err != nil {
			return err
		}
		now = store.FrontEnd{Reference: by.tree + "_" + q.Reference, Requester: by.instance(), Origin: f.origin}
		before, err = r.FrontEnd(now.Reference)
		if errors.Is(err, store.ErrNotFound) {
			before, err = store.FrontEnd{}, nil
		}
		return err
	}
	// Programs ask again and again: that is no reason to write.
	if err := m.store.View(ctx, look); err != nil {
		return err
	}
	if wanted && now == before || !wanted && before == (store.FrontEnd{}) {
		return nil
	}
	return m.store.Update(ctx, func(t store.Tx) error {
		if err := look(t); err != nil {
			return err
		}
		if !wanted {
			return t.DeleteFrontEnd(now.Reference)
		}
		return t.SaveFrontEnd(now)
	})
}

func consoleFrontend(q instanceRequest) *frontEnd {
	host, port := parameterText(q, "host"), parameterText(q, "port")
	if host == "" || port == "" {
		return nil
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	target := "https://" + host + ":" + port + "/"
	return &frontEnd{
		"Fake KVM VNC frontend for " + target,
		marshal.NewDict().Set("url", target).Set("domainname", host).Set("port", port).Set("path", "/"),
		"",
	}
}

// parameterText is a parameter as text; null and a missing one are empty.
func parameterText(q instanceRequest, key string) string {
	v, ok := q.Parameters.Get(key)
	if !ok || v == nil {
		return ""
	}
	return marshal.Str(v)
}

// object is the ComputerPartition that stands for the front end.
func (f *frontEnd) object() *marshal.Object {
	o := marshal.NewObject(marshal.ClassComputerPartition, "", f.name, nil)
	o.State.Set("_computer_id", "").Set("_connection_dict", f.connection).Set("_parameter_dict", marshal.NewDict()).
		Set("_partition_id", f.name).Set("_request_dict", nil).
		Set("slap_computer_id", "").Set("slap_computer_partition_id", "")
	return o
}
