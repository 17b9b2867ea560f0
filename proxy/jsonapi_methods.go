package proxy

import (
	"context"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/store"
)

// jsonMethods lists the methods of the JSON API, web.md section 4.6.
func jsonMethods() map[string]jsonMethod {
	return map[string]jsonMethod{
		"get.v0.hateoas_url": jsonHateoasURL,

		"post.v0.software_installation":                      jsonSupply,
		"allDocs.v0.compute_node_software_installation_list": jsonSupplied,
		"put.v0.software_installation_reported_state":        jsonReportRelease,
		"put.v0.software_installation_error":                 jsonReleaseError,

		"put.v0.compute_node_format":            jsonFormat,
		"put.v0.compute_node_bang":              jsonComputerBang,
		"get.v0.compute_node_status":            jsonComputerStatus,
		"post.v0.compute_node_usage":            jsonUsage,
		"post.v0.compute_node_certificate":      jsonCertificate,
		"remove.v0.compute_node_certificate":    jsonIgnored,
		"get.v0.software_instance_certificate":  jsonCertificate,
		"allDocs.WIP.compute_node_list":         jsonComputers,
		"allDocs.v0.compute_node_instance_list": jsonInstancesOf,

		"post.v0.software_instance":                     jsonRequest,
		"get.v0.software_instance":                      jsonGetInstance,
		"get.v0.compute_partition":                      jsonGetPartition,
		"get.v0.instance_tree":                          jsonGetTree,
		"allDocs.v0.instance_tree_list":                 jsonTrees,
		"allDocs.v0.instance_node_instance_list":        jsonHosted,
		"put.v0.software_instance_reported_state":       jsonReportInstance,
		"put.v0.software_instance_bang":                 jsonBang,
		"put.v0.software_instance_title":                jsonRename,
		"put.v0.software_instance_connection_parameter": jsonConnect,
		"put.v0.software_instance_error":                jsonInstanceError,
	}
}

// success is the answer of methods that only do something.
func success(title string, err error) (*marshal.Dict, error) {
	if err != nil {
		return nil, err
	}
	return marshal.NewDict().Set("type", "success").Set("title", title), nil
}

// unlessUnknown drops the refusal of a report about something that does not
// exist: in this API such reports are accepted, and nothing comes of them.
func unlessUnknown(err error) error {
	if isAbout(err, somethingUnknown) {
		return nil
	}
	return err
}

// resultList is the answer of methods that list something.
func resultList(list *marshal.List, err error) (*marshal.Dict, error) {
	if err != nil {
		return nil, err
	}
	return marshal.NewDict().Set("result_list", list), nil
}

func jsonIgnored(*master, context.Context, *jsonCall) (*marshal.Dict, error) {
	return success(ignored, nil)
}

func jsonHateoasURL(_ *master, _ context.Context, c *jsonCall) (*marshal.Dict, error) {
	return marshal.NewDict().Set("hateoas_url", c.here+"/hateoas/"), nil
}

// jsonCertificate answers empty texts: without authentication there are no
// certificates.
func jsonCertificate(*master, context.Context, *jsonCall) (*marshal.Dict, error) {
	return marshal.NewDict().Set("key", "").Set("certificate", ""), nil
}

// read runs f on a snapshot and returns what it finds.
func (c *jsonCall) read(ctx context.Context, m *master, o Object, f func(store.Reader) (*marshal.Dict, error)) (found *marshal.Dict, err error) {
	if err := m.authorizer.Authorize(ctx, c.principal, ActionRead, o); err != nil {
		return nil, err
	}
	err = m.store.View(ctx, func(r store.Reader) error {
		found, err = f(r)
		return err
	})
	return found, err
}
