package proxy

import (
	"context"
	"fmt"
	"net/http"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
)

// call is one call of the slap tool.
type call struct {
	principal Principal
	form      form
	claim     claim
	// here is the URL under which the caller knows this master.
	here string
	// forwardedBy names the masters that forwarded the call.
	forwardedBy []string
}

// answer is the body of a success.
type answer []byte

// done answers plain text unless there was an error.
func done(s string, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	return answer(s), nil
}

// marshalled answers a value, unless there was an error.
func marshalled(v any, err error) (answer, error) {
	if err != nil {
		return nil, err
	}
	return marshal.Marshal(v)
}

// method is one call of the protocol: a function on the master.
type method func(m *master, ctx context.Context, c *call) (answer, error)

// endpoint is a path of the slap tool.
type endpoint struct {
	verb string
	call method
}

// slapTool lists the calls of the slap tool, wire.md section 6.
func slapTool() map[string]endpoint {
	get := func(f method) endpoint { return endpoint{http.MethodGet, f} }
	post := func(f method) endpoint { return endpoint{http.MethodPost, f} }
	return map[string]endpoint{
		"/getHateoasUrl":                             get(absent("This master does not tell its HATEOAS address: configure master_rest_url as this address with /hateoas")),
		"/getFullComputerInformation":                get(getComputer),
		"/getComputerInformation":                    get(getComputer),
		"/registerComputerPartition":                 get(registerPartition),
		"/getComputerStatus":                         get(getComputerStatus),
		"/getComputerPartitionStatus":                get(getPartitionStatus),
		"/getSoftwareInstallationStatus":             get(getReleaseStatus),
		"/getComputerPartitionCertificate":           get(getPartitionCertificate),
		"/getHostingSubscriptionIpList":              get(getHostingAddresses),
		"/getSoftwareReleaseListFromSoftwareProduct": get(getProduct),

		"/supplySupply":                     post(supplySupply),
		"/buildingSoftwareRelease":          post(buildingRelease),
		"/availableSoftwareRelease":         post(availableRelease),
		"/softwareReleaseError":             post(releaseError),
		"/destroyedSoftwareRelease":         post(destroyedRelease),
		"/loadComputerConfigurationFromXML": post(loadConfiguration),
		"/computerBang":                     post(computerBang),
		"/useComputer":                      post(useComputer),
		"/generateComputerCertificate":      post(absent("This master issues no certificates")),
		"/revokeComputerCertificate":        post(absent("This master issues no certificates")),
		"/requestComputer":                  post(absent("This master registers computers by slapos node format only")),

		"/requestComputerPartition":                   post(requestPartition),
		"/startedComputerPartition":                   post(startedPartition),
		"/stoppedComputerPartition":                   post(stoppedPartition),
		"/softwareInstanceError":                      post(instanceError),
		"/destroyedComputerPartition":                 post(destroyedPartition),
		"/softwareInstanceBang":                       post(instanceBang),
		"/softwareInstanceRename":                     post(renameInstance),
		"/setComputerPartitionConnectionXml":          post(setConnection),
		"/updateComputerPartitionRelatedInstanceList": post(setRelated),
	}
}

// serveSlapTool answers one call.
func (s *Server) serveSlapTool(w http.ResponseWriter, r *http.Request, p Principal, e endpoint) error {
	f, err := readForm(r)
	if err != nil {
		return err
	}
	c := &call{principal: p, form: f, claim: readClaim(r.Header.Get("Authorization")), here: origin(r) + prefix(r), forwardedBy: r.Header.Values(pathHeader)}
	body, err := e.call(s.master, r.Context(), c)
	if err != nil {
		return err
	}
	return writeBody(w, "text/html; charset=utf-8", body)
}

// absent is a call that this master does not offer.
func absent(why string) method {
	return func(*master, context.Context, *call) (answer, error) { return nil, notFound("%s", why) }
}

func getComputer(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id")
	if err != nil {
		return nil, err
	}
	return m.computerBody(ctx, c.principal, v[0])
}

func registerPartition(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_reference", "computer_partition_reference")
	if err != nil {
		return nil, err
	}
	return m.partitionBody(ctx, c.principal, v[0], v[1])
}

func getComputerStatus(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id")
	if err != nil {
		return nil, err
	}
	return marshalled(m.computerStatus(ctx, c.principal, v[0]))
}

func getPartitionStatus(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	return marshalled(m.partitionStatus(ctx, c.principal, v[0], v[1]))
}

func getReleaseStatus(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("url", "computer_id")
	if err != nil {
		return nil, err
	}
	return marshalled(m.releaseStatus(ctx, c.principal, v[0], v[1]))
}

// getPartitionCertificate answers empty texts: without authentication there
// are no certificates.
func getPartitionCertificate(*master, context.Context, *call) (answer, error) {
	return marshalled(marshal.NewDict().Set("certificate", "").Set("key", ""), nil)
}

func getHostingAddresses(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	return marshalled(m.hostingAddresses(ctx, c.principal, v[0], v[1]))
}

func getProduct(m *master, _ context.Context, c *call) (answer, error) {
	product, url := c.form["software_product_reference"], c.form["software_release_url"]
	if url != "" || product == "" {
		return nil, badRequest("Give a software_product_reference and no software_release_url: this master knows products by name only")
	}
	return marshalled(m.releasesOf(product), nil)
}

func supplySupply(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("url", "computer_id", "state")
	if err != nil {
		return nil, err
	}
	return done(fmt.Sprintf("Supplied %s to be %s", marshal.Repr(v[0]), v[2]), m.supply(ctx, c.principal, v[0], v[1], v[2]))
}

// ignored is the body of reports: clients do not read it.
const ignored = "Ignored"

func reportRelease(m *master, ctx context.Context, c *call, make func(url string) report) (answer, error) {
	v, err := c.form.need("url", "computer_id")
	if err != nil {
		return nil, err
	}
	return done(ignored, m.reportRelease(ctx, c.principal, v[0], v[1], make(v[0])))
}

func buildingRelease(m *master, ctx context.Context, c *call) (answer, error) {
	return reportRelease(m, ctx, c, func(url string) report {
		return buildingReport(url)
	})
}

func availableRelease(m *master, ctx context.Context, c *call) (answer, error) {
	return reportRelease(m, ctx, c, func(url string) report {
		return availableReport(url)
	})
}

func releaseError(m *master, ctx context.Context, c *call) (answer, error) {
	return reportRelease(m, ctx, c, func(url string) report {
		return failedReport(url, c.form.log("error_log"))
	})
}

func destroyedRelease(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("url", "computer_id")
	if err != nil {
		return nil, err
	}
	return done("OK", m.removed(ctx, c.principal, v[0], v[1]))
}

func loadConfiguration(m *master, ctx context.Context, c *call) (answer, error) {
	if _, err := c.form.need("xml"); err != nil {
		return nil, err
	}
	d, err := c.form.dict("xml")
	if err != nil {
		return nil, err
	}
	configuration, err := readConfiguration(d, m.formatAsReal)
	if err != nil {
		return nil, err
	}
	return done("done", m.format(ctx, c.principal, configuration))
}

func computerBang(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id")
	if err != nil {
		return nil, err
	}
	return marshalled("", m.computerBang(ctx, c.principal, v[0], c.form.log("message")))
}

func useComputer(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "use_string")
	if err != nil {
		return nil, err
	}
	return done("OK", m.useComputer(ctx, c.principal, v[0], v[1]))
}

func requestPartition(m *master, ctx context.Context, c *call) (answer, error) {
	q, err := readRequest(c)
	if err != nil {
		return nil, err
	}
	return marshalled(m.request(ctx, c.principal, q))
}

// readRequest reads the form of requestComputerPartition.
func readRequest(c *call) (q instanceRequest, err error) {
	v, err := c.form.need("software_release", "software_type", "partition_reference", "state")
	if err != nil {
		return q, err
	}
	q = instanceRequest{
		Release: v[0], Type: v[1], Reference: v[2],
		Claim: c.claim, Computer: c.form["computer_id"], Partition: c.form["computer_partition_id"], Here: c.here, ForwardedBy: c.forwardedBy,
	}
	state, err := c.form.value("state")
	if err != nil {
		return q, err
	}
	switch state := state.(type) {
	case nil:
	case string:
		q.State = state
	default:
		return q, badRequest("The field %q is not text", "state")
	}
	shared, err := c.form.value("shared_xml")
	if err != nil {
		return q, err
	}
	q.Shared = marshal.Truth(shared)
	if q.Filter, err = c.form.dict("filter_xml"); err != nil {
		return q, err
	}
	if q.Parameters, err = c.form.dict("partition_parameter_xml"); err != nil {
		return q, err
	}
	q.Text, err = encodeParameters(q.Parameters)
	return q, err
}

func reportPartition(m *master, ctx context.Context, c *call, rep report) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	return done(ignored, m.reportPartition(ctx, c.principal, v[0], v[1], rep))
}

func startedPartition(m *master, ctx context.Context, c *call) (answer, error) {
	return reportPartition(m, ctx, c, correctly(stateStarted))
}

func stoppedPartition(m *master, ctx context.Context, c *call) (answer, error) {
	return reportPartition(m, ctx, c, correctly(stateStopped))
}

func instanceError(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	return done(ignored, m.instanceError(ctx, c.principal, v[0], v[1], sharedKey(c.form), c.form.log("error_log")))
}

// sharedKey is the field slave_reference; none in any case stands for none.
func sharedKey(f form) string {
	if key := f["slave_reference"]; !strings.EqualFold(key, "none") {
		return key
	}
	return ""
}

func destroyedPartition(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	body, err := m.destroyed(ctx, c.principal, v[0], v[1])
	return done(body, err)
}

func instanceBang(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id")
	if err != nil {
		return nil, err
	}
	return done("OK", m.bang(ctx, c.principal, v[0], v[1], c.form.log("message")))
}

func renameInstance(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id", "new_name")
	if err != nil {
		return nil, err
	}
	if v[2] == "" {
		return nil, badRequest("The field %q is empty: without a title the instances of a tree would lose their root", "new_name")
	}
	return done("done", m.rename(ctx, c.principal, v[0], v[1], v[2]))
}

func setConnection(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id", "connection_xml")
	if err != nil {
		return nil, err
	}
	parameters, err := c.form.dict("connection_xml")
	if err != nil {
		return nil, err
	}
	return done("done", m.connect(ctx, c.principal, v[0], v[1], sharedKey(c.form), parameters))
}

func setRelated(m *master, ctx context.Context, c *call) (answer, error) {
	v, err := c.form.need("computer_id", "computer_partition_id", "instance_reference_xml")
	if err != nil {
		return nil, err
	}
	value, err := c.form.value("instance_reference_xml")
	if err != nil {
		return nil, err
	}
	list, ok := value.(*marshal.List)
	if !ok {
		return nil, badRequest("The field %q is not a list", "instance_reference_xml")
	}
	titles := make([]string, 0, len(list.Items))
	for _, item := range list.Items {
		title, ok := scalarText(item)
		if !ok {
			return nil, badRequest("The field %q holds a title that is not text", "instance_reference_xml")
		}
		titles = append(titles, title)
	}
	return done("", m.relate(ctx, c.principal, v[0], v[1], titles))
}
