package slap

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/std-uritemplate/std-uritemplate/go/v2"
)

// Instance is what the HATEOAS interface tells of a root instance.
type Instance struct {
	// Reference is the name under which it was requested: its title.
	Reference string
	// SoftwareRelease is the URL of its software release.
	SoftwareRelease string
	// SoftwareType is its kind, empty if the master does not tell.
	SoftwareType string
	// State is the wanted state, in the words of the master; empty in lists.
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
// is remembered. It is ErrNotFound if there is neither.
func (c *Client) HateoasURL(ctx context.Context) (string, error) {
	const op = "hateoas URL"
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
	c.mu.Lock()
	c.foundHateoas = found
	c.mu.Unlock()
	return found, nil
}

// OpenOrders returns the root instances, sorted by reference
// (getOpenOrderDict).
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
	if err := c.getJSON(ctx, call{op: op, path: target}, &answer); err != nil {
		return "", err
	}
	if answer.AccessToken == "" {
		return "", c.unreadable(op, errors.New("no token in it"))
	}
	return answer.AccessToken, nil
}

// instanceTree reads the document of the root instance with a title.
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
	case float64:
		i.Shared = slave != 0
	}
	var err error
	if i.Parameters, err = connectionOf(nil, fields["text_content"]); err != nil {
		return nil, err
	}
	if len(i.Parameters) == 1 && i.Parameters[serialised] != nil {
		var decoded any
		if err := i.Parameters.JSON(&decoded); err != nil {
			return nil, err
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
		return connectionOf(nil, v)
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

// portalTypes are the spellings of a type of documents: masters have renamed
// some, and each understands its own only.
type portalTypes []string

var (
	treeTypes     = portalTypes{"Instance Tree", "Hosting Subscription"}
	computerTypes = portalTypes{"Compute Node", "Computer"}
)

// row is a search result.
type row map[string]any

func (r row) text(name string) string {
	s, _ := Parameters(r).String(name)
	return s
}

// fields returns what a row tells of the document, without links.
func (r row) fields() Parameters {
	p := Parameters(r).Clone()
	delete(p, "_links")
	return p
}

// searchLimit is the number of rows asked for. Masters that do not know the
// parameter return all.
const searchLimit = 1000

// search returns the documents of a type, of which filter may ask for some. The
// newer spelling of the type is tried first.
func (c *Client) search(ctx context.Context, op string, types portalTypes, filter string, columns ...string) ([]row, error) {
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	var refused error
	understood := false
	for _, name := range types {
		query := fmt.Sprintf(`portal_type:"%s" AND validation_state:validated%s`, name, filter)
		rows, err := c.searchOnce(ctx, op, root, query, columns)
		switch e, _ := errors.AsType[*Error](err); {
		case err == nil && len(rows) > 0:
			return rows, nil
		case err == nil:
			understood = true
		case e == nil || e.Status != 400:
			return nil, err
		case refused == nil:
			refused = err
		}
	}
	if understood {
		return nil, nil
	}
	return nil, refused
}

func (c *Client) searchOnce(ctx context.Context, op string, root *hateoasRoot, query string, columns []string) ([]row, error) {
	target, err := stduritemplate.Expand(root.Links.Search.Href, stduritemplate.Substitutions{
		"query": query, "select_list": columns, "limit": searchLimit,
	})
	if err != nil {
		return nil, c.unreadable(op, fmt.Errorf("template of the search: %w", err))
	}
	var answer struct {
		Embedded struct {
			Contents []row `json:"contents"`
		} `json:"_embedded"`
	}
	err = c.getJSON(ctx, call{op: op, path: target}, &answer)
	return answer.Embedded.Contents, err
}

// traverse reads the fields of a document.
func (c *Client) traverse(ctx context.Context, op, relativeURL string) (Parameters, error) {
	root, err := c.hateoasRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	target, err := stduritemplate.Expand(root.Links.Traverse.Href, stduritemplate.Substitutions{
		"relative_url": relativeURL, "view": "slaposjs_view",
	})
	if err != nil {
		return nil, c.unreadable(op, fmt.Errorf("template of documents: %w", err))
	}
	var document struct {
		Links struct {
			Type struct {
				Name string `json:"name"`
			} `json:"type"`
		} `json:"_links"`
		Embedded struct {
			View map[string]json.RawMessage `json:"_view"`
		} `json:"_embedded"`
	}
	if err := c.getJSON(ctx, call{op: op, path: target}, &document); err != nil {
		return nil, err
	}
	fields := Parameters{"portal_type": document.Links.Type.Name}
	for key, raw := range document.Embedded.View {
		name, ok := fieldName(key)
		if !ok {
			continue
		}
		var field struct {
			Type    string `json:"type"`
			Default any    `json:"default"`
		}
		if json.Unmarshal(raw, &field) == nil && fieldTypes[field.Type] {
			fields[name] = field.Default
		}
	}
	return fields, nil
}

// fieldTypes are the types of the fields of a form that hold values.
var fieldTypes = map[string]bool{
	"StringField": true, "EmailField": true, "IntegerField": true, "FloatField": true, "TextAreaField": true,
}

// fieldName returns the name of what a field of a form shows.
func fieldName(key string) (string, bool) {
	if name, ok := strings.CutPrefix(key, "my_"); ok {
		return name, true
	}
	return strings.CutPrefix(key, "your_")
}

// hateoasRoot is the document from which all others are found.
type hateoasRoot struct {
	Links struct {
		Self     link `json:"self"`
		Search   link `json:"raw_search"`
		Traverse link `json:"traverse"`
	} `json:"_links"`
}

type link struct {
	Href string `json:"href"`
}

// hateoasRoot returns the root document, which is read once.
func (c *Client) hateoasRoot(ctx context.Context, op string) (*hateoasRoot, error) {
	c.mu.Lock()
	root := c.root
	c.mu.Unlock()
	if root != nil {
		return root, nil
	}
	root, err := c.readRoot(ctx, op)
	if err != nil {
		return nil, err
	}
	c.mu.Lock()
	c.root = root
	c.mu.Unlock()
	return root, nil
}

// readRoot reads the root document. A stand-alone master does not tell where
// it is: then it is looked for where such masters have it.
func (c *Client) readRoot(ctx context.Context, op string) (*hateoasRoot, error) {
	where, err := c.HateoasURL(ctx)
	guessed := errors.Is(err, ErrNotFound)
	if guessed {
		where = "hateoas"
	} else if err != nil {
		return nil, err
	}
	root := &hateoasRoot{}
	err = c.getJSON(ctx, call{op: op, path: where, noCache: true}, root)
	if errors.Is(err, ErrNotFound) && strings.HasSuffix(where, "/") {
		// Compat: 1.6.10 knows the address without the final slash only.
		err = c.getJSON(ctx, call{op: op, path: strings.TrimRight(where, "/"), noCache: true}, root)
	}
	if err == nil && (root.Links.Search.Href == "" || root.Links.Traverse.Href == "") {
		err = c.unreadable(op, errors.New("no links to search and documents in it"))
	}
	if e, ok := errors.AsType[*Error](err); ok && (guessed || errors.Is(err, ErrNotFound)) {
		e.Message = "the HATEOAS interface of the master, which is needed for this, was not found: " + e.Message
		e.Hint = "set its address with master_rest_url (slap.WithHateoasURL)"
	}
	if err != nil {
		return nil, err
	}
	return root, nil
}

// getJSON performs a GET and reads the JSON document in the answer.
func (c *Client) getJSON(ctx context.Context, k call, into any) error {
	body, err := c.get(ctx, k)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(body, into); err != nil {
		return c.unreadable(k.op, err)
	}
	return nil
}
