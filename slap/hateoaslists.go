package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/slapos/slapos-go/internal/instancexml"
)

// TreeInstance is what the HATEOAS interface tells of one of the instances of a
// tree: of the root instance, and of those it requested.
type TreeInstance struct {
	// Reference is the name under which it was requested: its title.
	Reference string
	// SoftwareRelease is the URL of its software release.
	SoftwareRelease string
	// Shared tells that it is a share of another instance.
	Shared bool
	// Parameters are its instance parameters.
	Parameters Parameters
	// ConnectionParameters is what it has published.
	ConnectionParameters Parameters
	// News is the latest message about it.
	News Status
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

// SoftwareInstallation is what the HATEOAS interface tells of a software release
// on a computer.
type SoftwareInstallation struct {
	// SoftwareRelease is the URL of the software release.
	SoftwareRelease string
	// News is the latest message about it.
	News Status
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

// noNews is the message where there is none, in the words of masters.
const noNews = "#error no data found"

// TreeInstances returns the instances of the tree whose root instance has a
// reference (getInstanceTreeInstanceList, once
// getHostingSubscriptionInstanceList), in the order of the master. The
// stand-alone master does not offer this: ErrServer, with status 400.
func (c *Client) TreeInstances(ctx context.Context, reference string) ([]*TreeInstance, error) {
	const op = "list of the instances of a tree"
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	query := fmt.Sprintf(`portal_type:("Software Instance", "Slave Instance") AND validation_state:validated AND default_specialise_title:="%s"`, reference)
	rows, err := c.searchAll(ctx, op, root, query, []string{
		"uid", "title", "relative_url", "portal_type", "url_string", "text_content",
		"getConnectionXmlAsDict", "SoftwareInstance_getNewsDict",
	})
	if err != nil {
		return nil, unoffered(err)
	}
	var all []*TreeInstance
	for _, row := range rows {
		i, err := row.treeInstance()
		if err != nil {
			return nil, c.unreadable(op, err)
		}
		all = append(all, i)
	}
	return all, nil
}

// unoffered says of the refusal of a list why it likely is.
func unoffered(err error) error {
	if e, ok := errors.AsType[*Error](err); ok && e.Status == http.StatusBadRequest {
		e.Hint = "stand-alone masters have no such list; slap.Computer tells what a computer has"
	}
	return err
}

func (r row) treeInstance() (*TreeInstance, error) {
	i := &TreeInstance{
		Reference: r.text("title"), SoftwareRelease: r.text("url_string"),
		Shared:     r.text("portal_type") == "Slave Instance",
		Parameters: Parameters{}, ConnectionParameters: Parameters{},
		News: r.news("SoftwareInstance_getNewsDict"), Fields: r.fields(),
	}
	if text := r.text("text_content"); text != "" {
		p, err := instancexml.Decode(text)
		if err != nil {
			return nil, fmt.Errorf("parameters of %q: %w", i.Reference, err)
		}
		i.Parameters = p
	}
	if published, ok := r["getConnectionXmlAsDict"].(map[string]any); ok {
		i.ConnectionParameters = published
	}
	return i, nil
}

// news returns a column that has a message.
func (r row) news(column string) Status {
	fields, _ := r[column].(map[string]any)
	if fields == nil {
		return Status{Text: noNews, Fields: Parameters{}}
	}
	return statusOf(fields)
}

// SoftwareInstallations returns the software releases of a computer, or of all
// computers if its identifier is empty (getSoftwareInstallationList), in the
// order of the master. The stand-alone master does not offer this: ErrServer,
// with status 400.
func (c *Client) SoftwareInstallations(ctx context.Context, computerGUID string) ([]*SoftwareInstallation, error) {
	const op = "list of software installations"
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	query := `portal_type:"Software Installation" AND validation_state:validated`
	if computerGUID != "" {
		query += fmt.Sprintf(` AND default_aggregate_reference:="%s"`, computerGUID)
	}
	rows, err := c.searchAll(ctx, op, root, query,
		[]string{"uid", "relative_url", "url_string", "SoftwareInstallation_getNewsDict"})
	if err != nil {
		return nil, unoffered(err)
	}
	var all []*SoftwareInstallation
	for _, row := range rows {
		all = append(all, &SoftwareInstallation{
			SoftwareRelease: row.text("url_string"),
			News:            row.news("SoftwareInstallation_getNewsDict"), Fields: row.fields(),
		})
	}
	return all, nil
}

// News returns the latest message about the software release on its computer
// (getSoftwareInstallationNews), as the HATEOAS interface tells it. If there is
// none, its text is "#error no data found". The stand-alone master does not
// offer this: ErrServer, with status 400.
func (r *SoftwareRelease) News(ctx context.Context) (Status, error) {
	if err := r.placed("software release news"); err != nil {
		return Status{}, err
	}
	all, err := r.client.SoftwareInstallations(ctx, r.computerID)
	if err != nil {
		return Status{}, err
	}
	for _, installation := range all {
		if installation.SoftwareRelease == r.uri {
			return installation.News, nil
		}
	}
	return Status{Text: noNews, Fields: Parameters{}}, nil
}

// News returns the latest message about the computer (getComputerNews), as the
// HATEOAS interface tells it. If there is none, as at the stand-alone master, its
// text is "#error no data found". An unknown computer is ErrNotFound.
func (c *Computer) News(ctx context.Context) (Status, error) {
	return c.client.news(ctx, c.guid, "computer")
}

// News returns the latest message about the instance in the partition
// (getComputerPartitionNews), as the HATEOAS interface tells it. If there is
// none, as at the stand-alone master, its text is "#error no data found". An
// unknown computer is ErrNotFound.
func (p *ComputerPartition) News(ctx context.Context) (Status, error) {
	s := p.told()
	if s.partitionID == "" {
		return Status{}, notReady("partition", "the identifier is not known yet")
	}
	return p.client.news(ctx, s.computerID, "partition", s.partitionID)
}

// news returns a message in the news of a computer.
func (c *Client) news(ctx context.Context, computerGUID string, path ...string) (Status, error) {
	information, err := c.computerInformation(ctx, computerGUID)
	if err != nil {
		return Status{}, err
	}
	at, _ := information.Fields["news"].(map[string]any)
	for _, key := range path {
		at, _ = at[key].(map[string]any)
	}
	if at == nil {
		return Status{Text: noNews, Fields: Parameters{}}, nil
	}
	return statusOf(at), nil
}
