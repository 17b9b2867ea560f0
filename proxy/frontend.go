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

// fakeFrontend answers a shared request for a front end, or returns nil if the
// request is an ordinary one. Nothing is stored.
func fakeFrontend(q instanceRequest) *marshal.Object {
	switch {
	case q.Release == apacheFrontend && (q.Type == "" || q.Type == defaultType || q.Type == "RootSoftwareInstance"):
		return webFrontend(q)
	case q.Release == kvmFrontend && q.Type == "frontend":
		return consoleFrontend(q)
	}
	return nil
}

func webFrontend(q instanceRequest) *marshal.Object {
	target := parameterText(q, "url")
	if target == "" {
		return nil
	}
	domain := ""
	if u, err := url.Parse(target); err == nil {
		domain = u.Host
	}
	return frontendObject("Fake frontend for "+target,
		marshal.NewDict().Set("domain", domain).Set("secure_access", target))
}

func consoleFrontend(q instanceRequest) *marshal.Object {
	host, port := parameterText(q, "host"), parameterText(q, "port")
	if host == "" || port == "" {
		return nil
	}
	if strings.Contains(host, ":") && !strings.HasPrefix(host, "[") {
		host = "[" + host + "]"
	}
	target := "https://" + host + ":" + port + "/"
	return frontendObject("Fake KVM VNC frontend for "+target,
		marshal.NewDict().Set("url", target).Set("domainname", host).Set("port", port).Set("path", "/"))
}

// parameterText is a parameter as text; null and a missing one are empty.
func parameterText(q instanceRequest, key string) string {
	v, ok := q.Parameters.Get(key)
	if !ok || v == nil {
		return ""
	}
	return marshal.Str(v)
}

func frontendObject(name string, connection *marshal.Dict) *marshal.Object {
	o := marshal.NewObject(marshal.ClassComputerPartition, "", name, nil)
	o.State.Set("_computer_id", "").Set("_connection_dict", connection).Set("_parameter_dict", marshal.NewDict()).
		Set("_partition_id", name).Set("_request_dict", nil).
		Set("slap_computer_id", "").Set("slap_computer_partition_id", "")
	return o
}
