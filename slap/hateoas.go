package slap

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"github.com/slapos/slapos-go/internal/pytext"
)

// Instance is what the HATEOAS interface tells of a root instance.
type Instance struct {
	// Reference is the name under which it was requested: its title.
	Reference string
	// SoftwareRelease is the URL of its software release.
	SoftwareRelease string
	// SoftwareType is its kind, empty in lists and if the master does not tell.
	SoftwareType string
	// State is the wanted state, in the words of the master: the stand-alone one
	// of 1.6.10 says busy of all. It is empty in lists.
	State State
	// Shared tells that it is a share of another instance.
	Shared bool
	// Parameters are its instance parameters, nil in lists. If the only one
	// is "_", its value is decoded from JSON.
	Parameters Parameters
	// ConnectionParameters is what it has published, nil in lists.
	ConnectionParameters Parameters
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

// News returns the latest messages about the instances of the tree
// (getInstanceNews). It is nil if the master does not tell, as the stand-alone one
// does not, and empty if there are none.
func (i *Instance) News() []Status {
	news, _ := i.Fields["news"].(map[string]any)
	list, told := news["instance"].([]any)
	if !told {
		return nil
	}
	all := make([]Status, 0, len(list))
	for _, item := range list {
		if fields, ok := item.(map[string]any); ok {
			all = append(all, statusOf(fields))
		}
	}
	return all
}

// ComputerInformation is what the HATEOAS interface tells of a computer.
type ComputerInformation struct {
	// Reference is its identifier.
	Reference string
	// Title is its name.
	Title string
	// Fields is everything the master tells, under the master's names.
	Fields Parameters
}

// HateoasURL returns the address of the HATEOAS interface of the master: the
// one set by WithHateoasURL, or else the master's answer (getHateoasUrl), which
// is remembered. It is ErrNotFound if there is neither, as with stand-alone masters;
// calls that need the interface then look for it at the URL of the master followed
// by hateoas.
func (c *Client) HateoasURL(ctx context.Context) (string, error) {
	const op = "hateoas URL"
	if err := c.made(op); err != nil {
		return "", err
	}
	if c.hateoasURL != "" {
		return c.hateoasURL, nil
	}
	c.mu.Lock()
	known := c.foundHateoas
	c.mu.Unlock()
	if known != "" {
		return known, nil
	}
	body, err := c.get(ctx, call{op: op, path: "getHateoasUrl"})
	if err != nil {
		return "", err
	}
	found := strings.TrimSpace(string(body))
	if found == "" {
		return "", notFound(op, "the master did not tell it")
	}
	if strings.ContainsFunc(found, func(r rune) bool { return unicode.IsSpace(r) || r == '<' }) {
		return "", c.unreadable(op, fmt.Errorf("an address was expected, not %.60q", found))
	}
	c.mu.Lock()
	c.foundHateoas = found
	c.mu.Unlock()
	return found, nil
}

// OpenOrders returns the root instances, sorted by reference
// (getOpenOrderDict). [OpenOrder.Information] tells more of each.
func (c *Client) OpenOrders(ctx context.Context) ([]*Instance, error) {
	rows, err := c.search(ctx, "list of instances", treeTypes, "", "title", "url_string")
	if err != nil {
		return nil, err
	}
	var all []*Instance
	for _, row := range rows {
		all = append(all, &Instance{
			Reference: row.text("title"), SoftwareRelease: row.text("url_string"), Fields: row.fields(),
		})
	}
	slices.SortStableFunc(all, func(a, b *Instance) int { return cmp.Compare(a.Reference, b.Reference) })
	return all, nil
}

// Computers returns the computers, sorted by reference (getComputerDict).
func (c *Client) Computers(ctx context.Context) ([]*ComputerInformation, error) {
	rows, err := c.search(ctx, "list of computers", computerTypes, "", "title", "reference")
	if err != nil {
		return nil, err
	}
	var all []*ComputerInformation
	for _, row := range rows {
		all = append(all, &ComputerInformation{
			Reference: row.text("reference"), Title: row.text("title"), Fields: row.fields(),
		})
	}
	slices.SortStableFunc(all, func(a, b *ComputerInformation) int { return cmp.Compare(a.Reference, b.Reference) })
	return all, nil
}

// Token returns a token with which one computer can be registered
// (registerToken, and request of what that returns). The stand-alone master
// does not offer this: ErrNotFound.
func (c *Client) Token(ctx context.Context) (string, error) {
	const op = "computer token"
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return "", err
	}
	if root.Links.Self.Href == "" {
		return "", notFound(op, "this master gives no tokens")
	}
	var answer struct {
		AccessToken string `json:"access_token"`
	}
	target := strings.TrimSuffix(root.Links.Self.Href, "/") + "/computer_module/Base_getComputerToken"
	if err := c.getLink(ctx, op, root, target, &answer); err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", c.unreadable(op, errors.New("no token in it"))
	}
	return answer.AccessToken, nil
}

// Me returns what the master tells of the person whom the client certificate or
// the password names (getMeDocument), under the master's names. The stand-alone
// master knows no persons: ErrNotFound.
func (c *Client) Me(ctx context.Context) (Parameters, error) {
	const op = "person information"
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	relative, ok := strings.CutPrefix(root.Links.Me.Href, "urn:jio:get:")
	if !ok {
		return nil, notFound(op, "this master does not tell who asks")
	}
	return c.traverse(ctx, op, relative)
}

// instanceTree reads the document of the root instance with a title. Titles and
// references stand between quotes as they are, as the reference writes them:
// masters know no way to escape, and refuse a quotation mark with 400. What a
// strange title finds besides is left out below.
func (c *Client) instanceTree(ctx context.Context, title string) (*Instance, error) {
	const op = "instance information"
	rows, err := c.search(ctx, op, treeTypes, fmt.Sprintf(` AND title:="%s"`, title), "title", "relative_url")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		// A master may search by resemblance.
		if row.text("title") != title {
			continue
		}
		fields, err := c.traverse(ctx, op, row.text("relative_url"))
		if err != nil {
			return nil, err
		}
		instance, err := readTree(title, fields)
		if err != nil {
			return nil, c.unreadable(op, err)
		}
		return instance, nil
	}
	return nil, notFound(op, "instance %q is not known to the master", title)
}

// computerInformation reads the document of a computer.
func (c *Client) computerInformation(ctx context.Context, reference string) (*ComputerInformation, error) {
	const op = "computer information"
	if reference == "" {
		return nil, notFound(op, "the computer has no identifier")
	}
	rows, err := c.search(ctx, op, computerTypes, fmt.Sprintf(` AND reference:="%s"`, reference), "reference", "relative_url")
	if err != nil {
		return nil, err
	}
	for _, row := range rows {
		if row.text("reference") != reference {
			continue
		}
		fields, err := c.traverse(ctx, op, row.text("relative_url"))
		if err != nil {
			return nil, err
		}
		title, _ := fields.String("title")
		return &ComputerInformation{Reference: reference, Title: title, Fields: fields}, nil
	}
	return nil, notFound(op, "computer %q is not known to the master", reference)
}

// readTree reads the fields of the document of a root instance.
func readTree(title string, fields Parameters) (*Instance, error) {
	text := func(name string) string {
		s, _ := fields.String(name)
		return s
	}
	i := &Instance{
		Reference:       title,
		SoftwareRelease: text("url_string"),
		SoftwareType:    text("source_reference"),
		State:           State(text("slap_state")),
		Fields:          fields,
	}
	switch slave := fields["root_slave"].(type) {
	case bool:
		i.Shared = slave
	case int64:
		i.Shared = slave != 0
	}
	var err error
	if i.Parameters, err = instanceOf(fields["text_content"]); err != nil {
		return nil, err
	}
	if text, ok := i.Parameters[serialised].(string); ok && len(i.Parameters) == 1 {
		decoded, err := pytext.ParseJSON(text)
		if err != nil {
			return nil, fmt.Errorf("parameter %q: %w", serialised, err)
		}
		i.Parameters[serialised] = decoded
	}
	i.ConnectionParameters, err = readConnectionList(fields["connection_parameter_list"])
	return i, err
}

// readConnectionList reads connection parameters as a list of pairs, which a
// real master writes, or as an `<instance>` document.
func readConnectionList(v any) (Parameters, error) {
	list, ok := v.([]any)
	if !ok {
		return instanceOf(v)
	}
	p := Parameters{}
	for _, item := range list {
		pair, ok := item.(map[string]any)
		if !ok {
			continue
		}
		if key, ok := pair["connection_key"].(string); ok {
			p[key] = pair["connection_value"]
		}
	}
	return p, nil
}
