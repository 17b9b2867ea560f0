package proxy

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
	"github.com/slapos/slapos-go/proxy/internal/jsonapi"
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

func jsonSupply(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.name("software_release_uri"), c.name("computer_guid")
	if c.err != nil {
		return nil, c.err
	}
	state := cmp.Or(c.text("state"), stateAvailable)
	return success("Supplied "+url+" to be "+state, m.supply(ctx, c.principal, url, computer, state))
}

// registered runs f on a computer that was described.
func (c *jsonCall) registered(ctx context.Context, m *master, f func(store.Reader, *store.Computer) error) error {
	reference := c.text("computer_guid")
	if err := m.authorizer.Authorize(ctx, c.principal, ActionRead, Object{Computer: reference}); err != nil {
		return err
	}
	return m.store.View(ctx, func(r store.Reader) error {
		computer, err := r.Computer(reference)
		if errors.Is(err, store.ErrNotFound) || err == nil && !computer.Formatted {
			return c.refuse("not_registered", reference)
		}
		if err != nil {
			return err
		}
		return f(r, computer)
	})
}

func jsonSupplied(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	list := marshal.NewList()
	err := c.registered(ctx, m, func(r store.Reader, computer *store.Computer) error {
		software, err := r.Software(computer)
		for _, s := range software {
			list.Items = append(list.Items, marshal.NewDict().Set("software_release_uri", s.URL).Set("state", s.State))
		}
		return err
	})
	return resultList(list, err)
}

func jsonReportRelease(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.text("software_release_uri"), c.text("computer_guid")
	var rep report
	switch c.text("reported_state") {
	case stateDestroyed:
		return success("Destroyed", unlessUnknown(m.removed(ctx, c.principal, url, computer)))
	case stateAvailable:
		rep = availableReport(url)
	default:
		rep = buildingReport(url)
	}
	return success(ignored, unlessUnknown(m.reportRelease(ctx, c.principal, url, computer, rep)))
}

func jsonReleaseError(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	url, computer := c.text("software_release_uri"), c.text("computer_guid")
	return success(ignored, unlessUnknown(m.reportRelease(ctx, c.principal, url, computer, failedReport(url, c.log("message")))))
}

func jsonFormat(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	configuration := computerConfiguration{reference: c.name("computer_guid")}
	if configuration.reference == "" {
		return nil, badRequest("computer_guid is empty: a computer has a name")
	}
	for _, item := range listOf(c.in, "compute_partition_list") {
		partition := jsonCall{in: item}
		described := partitionConfiguration{reference: partition.name("partition_id")}
		if described.reference == "" {
			return nil, badRequest("partition_id is empty: a partition has a name")
		}
		for _, item := range listOf(item, "ip_list") {
			address := jsonCall{in: item}
			described.addresses = append(described.addresses, store.Address{
				Interface: address.name("network-interface"), Address: address.name("ip-address"), Netmask: address.name("netmask"),
			})
			c.err = cmp.Or(c.err, address.err)
		}
		c.err = cmp.Or(c.err, partition.err)
		configuration.partitions = append(configuration.partitions, described)
	}
	if c.err != nil {
		return nil, c.err
	}
	return success("Formatted", m.format(ctx, c.principal, configuration))
}

// listOf returns the objects of an optional list.
func listOf(d *marshal.Dict, key string) (dicts []*marshal.Dict) {
	v, _ := d.Get(key)
	if list, ok := v.(*marshal.List); ok {
		for _, item := range list.Items {
			if d, ok := item.(*marshal.Dict); ok {
				dicts = append(dicts, d)
			}
		}
	}
	return dicts
}

func jsonComputerBang(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return success(ignored, unlessUnknown(m.computerBang(ctx, c.principal, c.text("computer_guid"), c.log("message"))))
}

// jsonComputerStatus tells more than the reference, of a computer of which more
// is known.
func jsonComputerStatus(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	status, err := m.computerStatus(ctx, c.principal, c.text("computer_guid"))
	if err := unlessUnknown(err); err != nil {
		return nil, err
	}
	if status != nil {
		if _, silent := status.Get("no_data"); !silent {
			return status, nil
		}
	}
	return marshal.NewDict().Set("text", "Unknown (not implemented)"), nil
}

// jsonUsage keeps a usage report; an empty one says nothing.
func jsonUsage(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	computer, report := c.text("computer_guid"), c.text("tioxml")
	if report == "" {
		return success(ignored, nil)
	}
	err := m.useComputer(ctx, c.principal, computer, report)
	if isAbout(err, somethingUnknown) {
		return nil, c.refuse("not_registered", computer)
	}
	return success("Usage reported", err)
}

func jsonComputers(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	if err := m.authorizer.Authorize(ctx, c.principal, ActionRead, Object{}); err != nil {
		return nil, err
	}
	var references []string
	err := m.store.View(ctx, func(r store.Reader) error {
		computers, err := r.Computers()
		for _, computer := range computers {
			if computer.Formatted {
				references = append(references, computer.Reference)
			}
		}
		return err
	})
	slices.Sort(references)
	list := marshal.NewList()
	for _, reference := range references {
		list.Items = append(list.Items, marshal.NewDict().Set("computer_guid", reference))
	}
	return resultList(list, err)
}

func jsonInstancesOf(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	list := marshal.NewList()
	err := c.registered(ctx, m, func(r store.Reader, computer *store.Computer) error {
		partitions, err := r.Shown(computer)
		for _, p := range partitions {
			if i := p.Instance; i != nil {
				list.Items = append(list.Items, marshal.NewDict().
					Set("title", i.Title).
					Set("instance_guid", jsonGUID(i.Title, i.Tree, false)).
					Set("state", i.State).
					Set("compute_partition_id", p.Reference).
					Set("software_release_uri", i.Release))
			}
		}
		return err
	})
	return resultList(list, err)
}

func jsonRequest(m *master, ctx context.Context, c *jsonCall) (answer *marshal.Dict, err error) {
	shared, _ := c.in.Get("shared")
	q := instanceRequest{
		Release: c.name("software_release_uri"), Type: c.name("software_type"), Reference: c.name("title"),
		Parameters: c.dict("parameters"), Filter: c.dict("sla_parameters"),
		State: cmp.Or(c.text("state"), stateStarted), Shared: shared == true,
		Claim: c.claim, Here: c.here, ForwardedBy: c.forwardedBy,
	}
	if c.err != nil {
		return nil, c.err
	}
	if q.Text, err = encodeParameters(q.Parameters); err != nil {
		return nil, err
	}
	err = m.grant(ctx, c.principal, q, func(g granted) error {
		tree := ""
		if g.frontEnd != nil || g.forwarded != nil {
			if tree, err = m.askingTree(ctx, q); err != nil {
				return err
			}
		}
		if answer, err = g.obtained(q, tree); err != nil {
			return err
		}
		return c.check(answer)
	})
	switch {
	case isAbout(err, noHost), isAbout(err, somethingUnknown) && q.Shared:
		return nil, c.refuse("no_host", marshal.Repr(m.soughtHost(q)))
	case isAbout(err, nothingFree), isAbout(err, somethingUnknown):
		return nil, c.refuse("nothing_free", q.Reference)
	case isAbout(err, anotherMaster):
		return nil, notHere(err)
	}
	return answer, err
}

// askingTree is the title of the root on whose behalf a request comes, for what
// is not kept here.
func (m *master) askingTree(ctx context.Context, q instanceRequest) (tree string, err error) {
	err = m.store.View(ctx, func(r store.Reader) error {
		by, err := m.whoAsks(r, q)
		tree = by.tree
		return err
	})
	return tree, err
}

// notHere is the refusal of another master as this API tells it: that it has
// nothing, or nothing yet, is 403.
func notHere(err error) error {
	status, message := statusOf(err)
	if status == http.StatusRequestTimeout {
		status = http.StatusForbidden
	}
	return &Error{Status: status, Message: message}
}

// soughtHost is what a host of a shared instance has to fit.
func (m *master) soughtHost(q instanceRequest) []string {
	computer := cmp.Or(q.filterText("computer_guid"), m.computerID)
	sought := []string{q.Release, computer}
	if q.Type != "" {
		sought = append(sought, q.Type)
	}
	if partition := partitionOf(computer, q.filterText("instance_guid")); partition != "" {
		sought = append(sought, partition)
	}
	return sought
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

// withAddresses shows the instance of a partition after reading its addresses.
func withAddresses(r store.Reader, p *store.Partition) (_ *marshal.Dict, err error) {
	if p.Addresses, err = r.Addresses(p); err != nil {
		return nil, err
	}
	return placed(p)
}

func jsonGetInstance(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		s, err := c.sharedInstance(r, g)
		switch {
		case err != nil:
			return nil, err
		case s != nil:
			return hosted(r, s)
		case g.shared:
			return nil, c.refuse("no_shared_instance", g.text)
		}
		p, err := c.instance(r, g)
		switch {
		case err != nil:
			return nil, err
		case p == nil:
			return nil, c.refuse("no_software_instance", g.text)
		}
		return withAddresses(r, p)
	})
}

func jsonGetPartition(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	computer, partition := c.text("computer_guid"), c.text("compute_partition_id")
	return c.read(ctx, m, Object{computer, partition}, func(r store.Reader) (*marshal.Dict, error) {
		p, err := r.Occupied(computer, partition)
		if errors.Is(err, store.ErrNotFound) || err == nil && p.Instance == nil {
			return nil, c.refuse("empty_partition", partition)
		}
		if err != nil {
			return nil, err
		}
		return withAddresses(r, p)
	})
}

// roots returns the roots of trees, or those of one title: instances, and shared
// instances that are not destroyed.
func roots(r store.Reader, title string) (instances []*store.Partition, shared []*store.Shared, err error) {
	if instances, err = r.Roots(title); err != nil {
		return nil, nil, err
	}
	if title == "" {
		shared, err = r.SharedOfTree("")
	} else {
		shared, err = r.SharedByKey("_" + title)
	}
	shared = slices.DeleteFunc(shared, func(s *store.Shared) bool { return s.Tree != "" || s.State == stateDestroyed })
	return instances, shared, err
}

func jsonGetTree(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	title := c.text("title")
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		instances, shared, err := roots(r, title)
		switch {
		case err != nil:
			return nil, err
		case len(instances)+len(shared) != 1:
			return nil, c.refuse("no_tree", title)
		case len(shared) == 1:
			return hosted(r, shared[0])
		}
		return withAddresses(r, instances[0])
	})
}

func jsonTrees(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		list := marshal.NewList()
		instances, shared, err := roots(r, "")
		for _, p := range instances {
			list.Items = append(list.Items, marshal.NewDict().Set("title", p.Instance.Title))
		}
		for _, s := range shared {
			_, title := namesOf(s)
			list.Items = append(list.Items, marshal.NewDict().Set("title", title))
		}
		return resultList(list, err)
	})
}

func jsonHosted(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	return c.read(ctx, m, Object{}, func(r store.Reader) (*marshal.Dict, error) {
		host, err := c.instance(r, g)
		if err != nil {
			return nil, err
		}
		if host == nil {
			return nil, c.refuse("no_software_instance", g.text)
		}
		if host, err = r.Partition(host.Computer, host.Reference); err != nil {
			return nil, err
		}
		list := marshal.NewList()
		for _, s := range host.Shared {
			parameters, kind, err := sharedParameters(s)
			if err != nil {
				return nil, err
			}
			tree, title := namesOf(s)
			list.Items = append(list.Items, marshal.NewDict().
				Set("title", title).
				Set("instance_guid", jsonGUID(title, tree, true)).
				Set("software_type", kind).
				Set("state", stateStarted).
				Set("parameters", jsonapi.Plain(parameters)).
				Set("compute_partition_id", host.Reference))
		}
		return resultList(list, nil)
	})
}

func jsonReportInstance(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	state := c.text("reported_state")
	if state != stateDestroyed {
		return c.keep(ctx, m, correctly(state))
	}
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	if g.shared {
		return success(ignored, nil)
	}
	var left []string
	err = c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return c.refuse("no_software_instance", g.text)
		}
		left, err = m.destroy(t, p)
		return err
	})
	if err == nil && len(left) > 0 {
		// That the children are asked to go is kept, though this is refused.
		err = c.refuse("not_yet", strings.Join(left, ", "))
	}
	return success("Destroyed", err)
}

// keep keeps a report about an instance, if there is one of that guid: any text
// is accepted.
func (c *jsonCall) keep(ctx context.Context, m *master, rep report) (*marshal.Dict, error) {
	g, ok := readGUID(c.text("instance_guid"))
	if !ok || g.shared {
		return success(ignored, nil)
	}
	return success(ignored, c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return m.keepReport(t, p, rep)
	}))
}

func jsonInstanceError(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	return c.keep(ctx, m, erred(c.log("message")))
}

// changing reads the guid of an instance that is to be changed: a shared one
// cannot be.
func (c *jsonCall) changing() (instanceGUID, error) {
	g, err := c.guid()
	if err == nil && g.shared {
		err = c.refuse("not_implemented")
	}
	return g, err
}

func jsonBang(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.changing()
	if err != nil {
		return nil, err
	}
	return success("Bang handled", c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return m.bangTree(t, p, c.log("message"))
	}))
}

func jsonRename(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.changing()
	if err != nil {
		return nil, err
	}
	title := c.name("title")
	if c.err != nil {
		return nil, c.err
	}
	return success("Renamed", c.onInstance(ctx, m, ActionRequest, g, func(t store.Tx, p *store.Partition) error {
		if p == nil {
			return nil
		}
		return retitle(t, p, title)
	}))
}

func jsonConnect(m *master, ctx context.Context, c *jsonCall) (*marshal.Dict, error) {
	g, err := c.guid()
	if err != nil {
		return nil, err
	}
	text, err := encodeParameters(c.dict("connection_parameter_dict"))
	if err != nil {
		return nil, err
	}
	return success("Updated", c.onInstance(ctx, m, ActionReport, g, func(t store.Tx, p *store.Partition) error {
		if p != nil {
			return m.publish(t, p, text)
		}
		s, err := c.sharedInstance(t, g)
		if err != nil || s == nil {
			return err
		}
		return m.connectShared(t, s.Key, text)
	}))
}
