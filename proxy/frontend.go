package proxy

import (
	"net/url"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
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
}

// fakeFrontend answers a shared request for a front end, or returns nil if the
// request is an ordinary one. Nothing is stored.
func fakeFrontend(q instanceRequest) *frontEnd {
	switch {
	case q.Release == apacheFrontend && (q.Type == "" || q.Type == defaultType || q.Type == "RootSoftwareInstance"):
		return webFrontend(q)
	case q.Release == kvmFrontend && q.Type == "frontend":
		return consoleFrontend(q)
	}
	return nil
}

func webFrontend(q instanceRequest) *frontEnd {
	target := parameterText(q, "url")
	if target == "" {
		return nil
	}
	domain := ""
	if u, err := url.Parse(target); err == nil {
		domain = u.Host
	}
	return &frontEnd{"Fake frontend for " + target, marshal.NewDict().Set("secure_access", target).Set("domain", domain)}
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
