package slap

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/slapos/slapos-go/internal/marshal"
)

// call is one request to the master.
type call struct {
	// op names the operation in errors.
	op string
	// path is resolved against the URL of the master.
	path string
	// fields are the query of a GET or the form of a POST, in order.
	fields []field
	// auth is an Authorization header that replaces the user's credentials.
	auth string
	// noCache asks caches on the way not to answer.
	noCache bool
	// check tells why an answer cannot be understood: it is not kept then. It
	// may be nil.
	check func(body []byte) error
}

type field struct{ name, value string }

// pyNone is how null is written in a field that takes text.
const pyNone = "None"

func orNone(text string) string {
	if text == "" {
		return pyNone
	}
	return text
}

// encode returns fields as application/x-www-form-urlencoded, in order.
func encode(fields []field) string {
	var b strings.Builder
	for i, f := range fields {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(url.QueryEscape(f.name))
		b.WriteByte('=')
		b.WriteString(url.QueryEscape(f.value))
	}
	return b.String()
}

// marshalled returns a value as the text of a field.
func marshalled(op, name string, v any) (string, error) {
	var data []byte
	known, err := plainWithin(v, 0)
	if err == nil {
		data, err = marshal.Marshal(known)
	}
	if err != nil {
		return "", unsendable(op, name, err)
	}
	return string(data), nil
}

// unsendable is the error of a value that cannot be sent. What a codec refuses it
// names by its key.
func unsendable(op, name string, err error) error {
	e := &Error{Op: op, Message: name + " cannot be sent", Err: err}
	if !errors.Is(err, marshal.ErrText) && !errors.Is(err, errDeep) {
		e.Hint = "slap.EncodeParameters and slap.EncodeJSONParameters make parameters of other Go types"
	}
	return e
}

func (c *Client) get(ctx context.Context, k call) ([]byte, error) {
	if err := c.made(k.op); err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodGet, k)
}

func (c *Client) post(ctx context.Context, k call) ([]byte, error) {
	if err := c.made(k.op); err != nil {
		return nil, err
	}
	return c.do(ctx, http.MethodPost, k)
}

// getValue performs a GET and reads the value in the answer.
func (c *Client) getValue(ctx context.Context, k call) (any, error) {
	k.check = func(body []byte) error {
		_, err := marshal.Unmarshal(body)
		return err
	}
	return c.value(k.op)(c.get(ctx, k))
}

// postValue performs a POST and reads the value in the answer.
func (c *Client) postValue(ctx context.Context, k call) (any, error) {
	return c.value(k.op)(c.post(ctx, k))
}

// getObject performs a GET and reads the object of a class in the answer.
func (c *Client) getObject(ctx context.Context, k call, class string) (*marshal.Object, error) {
	return c.object(k.op, class)(c.getValue(ctx, k))
}

// postObject performs a POST and reads the object of a class in the answer.
func (c *Client) postObject(ctx context.Context, k call, class string) (*marshal.Object, error) {
	return c.object(k.op, class)(c.postValue(ctx, k))
}

func (c *Client) value(op string) func([]byte, error) (any, error) {
	return func(body []byte, err error) (any, error) {
		if err != nil {
			return nil, err
		}
		v, err := marshal.Unmarshal(body)
		if err != nil {
			return nil, c.unreadable(op, err)
		}
		return v, nil
	}
}

func (c *Client) object(op, class string) func(any, error) (*marshal.Object, error) {
	return func(v any, err error) (*marshal.Object, error) {
		if err != nil {
			return nil, err
		}
		o, ok := v.(*marshal.Object)
		if !ok || o.Class != class && !(class == marshal.ClassSoftwareInstance && o.Class == marshal.ClassComputerPartition) {
			return nil, c.unreadable(op, fmt.Errorf("an object of class %s was expected, not %s", class, typeOf(v)))
		}
		return o, nil
	}
}

// texts reads a list of texts.
func (c *Client) texts(op string, v any) ([]string, error) {
	list, ok := v.(*marshal.List)
	if !ok {
		return nil, c.unreadable(op, errors.New("a list was expected"))
	}
	var all []string
	for _, item := range list.Items {
		text, ok := item.(string)
		if !ok {
			return nil, c.unreadable(op, errors.New("a list of texts was expected"))
		}
		all = append(all, text)
	}
	return all, nil
}

// unreadable is the error of an answer that cannot be understood.
func (c *Client) unreadable(op string, err error) error {
	return &Error{
		Op: op, URL: c.URL(), Status: http.StatusOK, Message: "the answer cannot be understood", Err: err,
		Hint: "check that the URL is that of a SlapOS master", Kinds: []error{ErrServer},
	}
}
