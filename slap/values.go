package slap

import (
	"errors"
	"fmt"
	"slices"

	"github.com/slapos/slapos-go/internal/instancexml"
	"github.com/slapos/slapos-go/internal/marshal"
)

// Certificate is a TLS client certificate and its private key, in PEM. Both
// are empty from a stand-alone master.
type Certificate struct {
	Key, Certificate string
}

// NetworkAddress is an address of a partition with the name of what carries
// it: an interface or a partition.
type NetworkAddress struct {
	Name, Address string
}

// RoutedAddress is an address of a partition with all that is needed to use it
// in a network of its own: texts, as the computer reported them when it was
// formatted.
type RoutedAddress struct {
	NetworkAddress

	Gateway, Netmask, Network string
}

// SharedInstance is a share of an instance, as its host sees it: a slave.
type SharedInstance struct {
	// Reference identifies it in calls about it.
	Reference string
	// Title is the name its requester gave it.
	Title string
	// SoftwareType is the software type that was requested.
	SoftwareType string
	// Parameters are its instance parameters, with all else the master says
	// of it apart from the fields above: a real master puts its connection
	// parameters there too, its timestamp, and connection-parameter-hash.
	Parameters Parameters
}

// Status is the latest message about a computer, a software release or an
// instance. A master that has none makes one up, whose text begins with
// "#error no data found".
type Status struct {
	// User is who reported it.
	User string
	// CreatedAt is when, as the master writes it: as in an HTTP date.
	CreatedAt string
	// Since is since when the beginning of the text is the same.
	Since string
	// State is the state that was reported, empty if none was.
	State State
	// Text is the message; it starts with #access, #building or #error.
	Text string
	// Fields is all the master says, the above included.
	Fields Parameters
}

// textOf returns an attribute of an object as text, empty if it is null, missing,
// or no single value: the text of a list that is referred to often would be long each
// time.
func textOf(o *marshal.Object, name string) string {
	v, _ := o.Get(name)
	switch v.(type) {
	case nil, *marshal.List, marshal.Tuple, *marshal.Set, *marshal.Dict, *marshal.Object:
		return ""
	}
	return marshal.Str(v)
}

// listOf returns the elements of an attribute, which must be a list, but may be
// null or missing.
func listOf(o *marshal.Object, name string) ([]any, error) {
	switch v, _ := o.Get(name); v.(type) {
	case nil:
		return nil, nil
	case *marshal.List, marshal.Tuple:
		return itemsOf(v), nil
	}
	return nil, fmt.Errorf("the attribute %s is no list", name)
}

func itemsOf(v any) []any {
	switch v := v.(type) {
	case *marshal.List:
		return v.Items
	case marshal.Tuple:
		return v
	case []any:
		return v
	}
	return nil
}

// parametersOf turns a dictionary read from the wire into Parameters; nil
// stands for an empty one.
func parametersOf(natives *marshal.Natives, v any) (Parameters, error) {
	if v == nil {
		return Parameters{}, nil
	}
	if _, ok := v.(*marshal.Dict); !ok {
		// The value itself may be a key, or a password.
		return nil, fmt.Errorf("a dictionary of parameters was expected, not %s", typeOf(v))
	}
	n, err := natives.Native(v)
	if err != nil {
		return nil, err
	}
	m, _ := n.(map[string]any)
	return m, nil
}

// addressesOf reads a list of (name, address) pairs; longer tuples are allowed
// and anything else is left out.
func addressesOf(v any) []NetworkAddress {
	var all []NetworkAddress
	for _, item := range itemsOf(v) {
		pair := itemsOf(item)
		if len(pair) < 2 {
			continue
		}
		name, _ := pair[0].(string)
		address, _ := pair[1].(string)
		all = append(all, NetworkAddress{Name: name, Address: address})
	}
	return all
}

// routedOf reads a list of (name, address, gateway, netmask, network) tuples.
// What is shorter than that is left out.
func routedOf(v any) []RoutedAddress {
	var all []RoutedAddress
	for _, item := range itemsOf(v) {
		tuple := itemsOf(item)
		if len(tuple) < 5 {
			continue
		}
		text := func(i int) string {
			s, _ := tuple[i].(string)
			return s
		}
		all = append(all, RoutedAddress{NetworkAddress{text(0), text(1)}, text(2), text(3), text(4)})
	}
	return all
}

// added are the parameters that masters put beside those requested; the first just
// for shares, as the host sees them.
var added = []string{
	"connection-parameter-hash", "full_address_list", "full_ip_list", "instance_title", "ip_list", "root_instance_short_title", "root_instance_title",
	"slap_computer_id", "slap_computer_partition_id", "slap_software_release_url", "slap_software_type",
	"slave_instance_list", "timestamp",
}

func addedByMaster(key string) bool { return slices.Contains(added, key) }

// attributesOf returns the added parameters that the answer of a request has as
// attributes.
func attributesOf(natives *marshal.Natives, o *marshal.Object) (Parameters, error) {
	all := marshal.NewDict()
	for _, name := range added {
		if v, ok := o.Get(name); ok {
			all.Set(name, v)
		}
	}
	return parametersOf(natives, all)
}

// sharedOf reads the parameter slave_instance_list.
func sharedOf(v any) []SharedInstance {
	var all []SharedInstance
	for _, item := range itemsOf(v) {
		fields, ok := item.(map[string]any)
		if !ok {
			continue
		}
		p := Parameters(fields).Clone()
		take := func(key string) string {
			text, _ := p.String(key)
			delete(p, key)
			return text
		}
		all = append(all, SharedInstance{
			Reference:    take("slave_reference"),
			Title:        take("slave_title"),
			SoftwareType: take("slap_software_type"),
			Parameters:   p,
		})
	}
	return all
}

// connectionOf reads connection parameters: a dictionary, or else the
// `<instance>` document that old masters send instead.
func connectionOf(natives *marshal.Natives, dictionary, document any) (Parameters, error) {
	if dictionary != nil {
		return parametersOf(natives, dictionary)
	}
	p, err := instanceOf(document)
	if err != nil {
		return nil, fmt.Errorf("connection parameters: %w", err)
	}
	return p, nil
}

// instanceOf reads an `<instance>` document; anything but text is an empty one.
func instanceOf(document any) (Parameters, error) {
	text, _ := document.(string)
	if text == "" {
		return Parameters{}, nil
	}
	return instancexml.Decode(text)
}

func readStatus(v any) Status {
	p, err := parametersOf(&marshal.Natives{}, v)
	if err != nil {
		// The stand-alone master answers with a plain text.
		return Status{Text: marshal.Str(v), Fields: Parameters{}}
	}
	return statusOf(p)
}

func statusOf(p Parameters) Status {
	text := func(key string) string {
		s, _ := p.String(key)
		return s
	}
	return Status{
		User: text("user"), CreatedAt: text("created_at"), Since: text("since"), State: State(text("state")),
		Text: text("text"), Fields: p,
	}
}

func readCertificate(c *Client, op string, v any) (Certificate, error) {
	p, err := parametersOf(&marshal.Natives{}, v)
	if err != nil {
		return Certificate{}, c.unreadable(op, err)
	}
	key, okKey := p["key"].(string)
	certificate, okCertificate := p["certificate"].(string)
	if !okKey || !okCertificate {
		return Certificate{}, c.unreadable(op, errors.New("no key or certificate in it"))
	}
	return Certificate{Key: key, Certificate: certificate}, nil
}
