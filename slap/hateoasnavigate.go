package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/std-uritemplate/std-uritemplate/go/v2"
)

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

// searchLimits are the numbers of rows asked for, one after the other, as long
// as exactly as many come: that there may be more is all that a full answer
// tells. The first is the reference's, which stops there. Masters that do not
// know the parameter return all rows at once.
var searchLimits = []int{40, 1000, 25_000, 500_000}

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
		rows, err := c.searchAll(ctx, op, root, query, columns)
		switch e, _ := errors.AsType[*Error](err); {
		case err == nil && len(rows) > 0:
			return rows, nil
		case err == nil:
			understood = true
		case e == nil || e.Status != http.StatusBadRequest:
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

// searchAll returns all rows that a query finds. A master that gives no more
// than some number of rows, whatever it is asked, is given up on there.
func (c *Client) searchAll(ctx context.Context, op string, root *hateoasRoot, query string, columns []string) ([]row, error) {
	var rows []row
	for _, limit := range searchLimits {
		more, err := c.searchOnce(ctx, op, root, query, columns, limit)
		if err != nil {
			return nil, err
		}
		if len(more) <= len(rows) {
			break
		}
		rows = more
		if len(rows) != limit {
			break
		}
	}
	return rows, nil
}

func (c *Client) searchOnce(ctx context.Context, op string, root *hateoasRoot, query string, columns []string, limit int) ([]row, error) {
	target, err := stduritemplate.Expand(root.Links.Search.Href, stduritemplate.Substitutions{
		"query": query, "select_list": columns, "limit": limit,
	})
	if err != nil {
		return nil, c.unreadable(op, fmt.Errorf("template of the search: %w", err))
	}
	var answer struct {
		Embedded struct {
			Contents []row `json:"contents"`
		} `json:"_embedded"`
	}
	err = c.getLink(ctx, op, root, target, &answer)
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
			Parent link `json:"parent"`
		} `json:"_links"`
		Embedded struct {
			View form `json:"_view"`
		} `json:"_embedded"`
	}
	if err := c.getLink(ctx, op, root, target, &document); err != nil {
		return nil, err
	}
	fields := Parameters{"portal_type": document.Links.Type.Name}
	if parent := strings.Split(document.Links.Parent.Href, "/"); len(parent) > 1 {
		fields["parent_relative_url"] = strings.Join(parent[len(parent)-2:], "/")
	}
	document.Embedded.View.fill(fields)
	return fields, nil
}

// hateoasRoot is the document from which all others are found.
type hateoasRoot struct {
	// where is its own address.
	where *url.URL

	Links struct {
		Self     link `json:"self"`
		Me       link `json:"me"`
		Search   link `json:"raw_search"`
		Traverse link `json:"traverse"`
	} `json:"_links"`
}

type link struct {
	Href string `json:"href"`
}

// hateoasRoot returns the root document, which is read once.
func (c *Client) hateoasRoot(ctx context.Context, op string) (*hateoasRoot, error) {
	if err := c.made(op); err != nil {
		return nil, err
	}
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
	if root.where, err = c.resolve(where); err != nil {
		return nil, &Error{Op: op, Message: "address of the HATEOAS interface", Err: bare(err), Kinds: []error{ErrServer}}
	}
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
	k.check = func(body []byte) error {
		var document any
		return unmarshalJSON(body, &document)
	}
	body, err := c.get(ctx, k)
	if err != nil {
		return err
	}
	if err := unmarshalJSON(body, into); err != nil {
		return c.unreadable(k.op, err)
	}
	return nil
}

// getLink reads the JSON document at an address that the root document told.
func (c *Client) getLink(ctx context.Context, op string, root *hateoasRoot, href string, into any) error {
	u, err := c.trusted(root, href)
	if err != nil {
		return c.unreadable(op, err)
	}
	return c.getJSON(ctx, call{op: op, path: u.String()}, into)
}

// trusted returns the address a link of the root document leads to. It has to be
// at the master, or where the root document itself is: what is asked, and who
// asks, is no one else's business.
func (c *Client) trusted(root *hateoasRoot, href string) (*url.URL, error) {
	ref, err := url.Parse(href)
	if err != nil {
		return nil, fmt.Errorf("address of a link: %w", bare(err))
	}
	u := root.where.ResolveReference(ref)
	u.User = nil
	if root.where.Scheme == "https" && u.Scheme == "http" && u.Hostname() == root.where.Hostname() &&
		(u.Port() == "" || u.Port() == root.where.Port()) {
		// A master behind something that does TLS for it may not know.
		u.Scheme, u.Host = root.where.Scheme, root.where.Host
	}
	if !mayKnow(u, root.where) && !mayKnow(u, c.base) {
		return nil, fmt.Errorf("it links to %q, which is neither the master nor its HATEOAS interface", u.Host)
	}
	return u, nil
}
