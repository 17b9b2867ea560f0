package softwareschema

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"

	"github.com/slapos/slapos-go/slap"
)

// unindexed is the place in a menu of a type that declares none.
const unindexed = 999

// Names of the same software type: the first is documented, the second is what
// old releases and old masters say.
const (
	defaultType       = slap.DefaultSoftwareType
	legacyDefaultType = "RootSoftwareInstance"
)

// ErrUnknownType is a software type that the software release does not declare.
var ErrUnknownType = errors.New("no schema defined")

// Schema is what a software release declares. It does not change and may be
// shared by goroutines.
type Schema struct {
	// URL is where the declaration is, without user and password.
	URL string
	// Name and Description are for people.
	Name, Description string
	// Serialisation is that of all types that declare none; empty if it is
	// not declared, and not necessarily one that is known.
	Serialisation slap.Serialisation
	// Types are the software types in the order of a menu: by Index, then ID.
	Types []*Type
}

// Type is one entry of the declaration: a software type, or one of several
// forms for the same one.
type Type struct {
	// ID is the name of the entry.
	ID string
	// SoftwareType is what to request: the ID unless the entry names another.
	SoftwareType string
	// Shared tells that the entry is for shared instances.
	Shared bool
	// Title and Description are for people.
	Title, Description string
	// Index orders a menu; 999 if it is not declared.
	Index float64
	// Serialisation is how parameters travel, both requested and published:
	// what the entry declares, or else the whole; empty if neither does.
	Serialisation slap.Serialisation
	// Request and Response are the URLs of the JSON schemas of what is
	// requested and published; empty if they are not declared.
	Request, Response string

	documents *documents
}

// declaration is the JSON document.
type declaration struct {
	Name          string             `json:"name"`
	Description   string             `json:"description"`
	Serialisation slap.Serialisation `json:"serialisation"`
	Types         map[string]struct {
		Title         string             `json:"title"`
		Description   string             `json:"description"`
		Serialisation slap.Serialisation `json:"serialisation"`
		SoftwareType  string             `json:"software-type"`
		Request       string             `json:"request"`
		Response      string             `json:"response"`
		Shared        bool               `json:"shared"`
		Index         *float64           `json:"index"`
	} `json:"software-type"`
}

// parse reads a declaration. The URLs in it are relative to base.
func parse(data []byte, base *url.URL) (*Schema, error) {
	var d declaration
	if err := json.Unmarshal(data, &d); err != nil {
		return nil, declarationError(err)
	}
	s := &Schema{URL: base.Redacted(), Name: d.Name, Description: d.Description, Serialisation: d.Serialisation}
	for id, entry := range d.Types {
		t := &Type{
			ID: id, SoftwareType: cmp.Or(entry.SoftwareType, id), Shared: entry.Shared,
			Title: entry.Title, Description: entry.Description, Index: unindexed,
			Serialisation: cmp.Or(entry.Serialisation, d.Serialisation),
		}
		if entry.Index != nil {
			t.Index = *entry.Index
		}
		var err error
		if t.Request, err = resolve(base, entry.Request); err == nil {
			t.Response, err = resolve(base, entry.Response)
		}
		if err != nil {
			return nil, fmt.Errorf("software type %q: %w", id, err)
		}
		s.Types = append(s.Types, t)
	}
	slices.SortFunc(s.Types, func(a, b *Type) int {
		return cmp.Or(cmp.Compare(a.Index, b.Index), cmp.Compare(a.ID, b.ID))
	})
	return s, nil
}

// declarationError tells what is wrong with a declaration in its own terms.
func declarationError(err error) error {
	e, ok := errors.AsType[*json.UnmarshalTypeError](err)
	if !ok {
		return err
	}
	got, _, _ := strings.Cut(e.Value, " ") // a number follows
	if e.Field == "" {
		return fmt.Errorf("the declaration is not an object but of the type %s", got)
	}
	return fmt.Errorf("%s in the declaration cannot be of the type %s", e.Field, got)
}

// resolve returns a reference as an absolute URL; the empty one stays empty.
func resolve(base *url.URL, reference string) (string, error) {
	if reference == "" {
		return "", nil
	}
	u, err := base.Parse(reference)
	if err != nil {
		return "", errors.New("the URL of a schema cannot be read")
	}
	return u.String(), nil
}

// Default returns the type that a menu offers first, nil if there are none. It need
// not be the one called default, for which a request without a type asks: that is
// Type("", false).
func (s *Schema) Default() *Type {
	if len(s.Types) == 0 {
		return nil
	}
	return s.Types[0]
}

// Type returns the entry for a request of a software type, shared or not. An
// entry that declares just this comes before one of the same software type that
// differs in shared, and that before one that only has the name. The empty type,
// "default" and "RootSoftwareInstance" are the same. The error is ErrUnknownType
// if there is no entry, and another one if several declare the same.
func (s *Schema) Type(softwareType string, shared bool) (*Type, error) {
	names := []string{softwareType}
	switch softwareType {
	case "", defaultType:
		names = []string{defaultType, legacyDefaultType}
	case legacyDefaultType:
		names = []string{legacyDefaultType, defaultType}
	}
	for _, name := range names {
		for _, fits := range []func(*Type) bool{
			func(t *Type) bool { return t.SoftwareType == name && t.Shared == shared },
			func(t *Type) bool { return t.SoftwareType == name },
			func(t *Type) bool { return t.ID == name },
		} {
			t, err := s.only(name, fits)
			if t != nil || err != nil {
				return t, err
			}
		}
	}
	return nil, fmt.Errorf("%w for software type %q in %s", ErrUnknownType, softwareType, s.URL)
}

// only returns the entry that fits, or of several the one with the name.
func (s *Schema) only(name string, fits func(*Type) bool) (*Type, error) {
	var found []*Type
	for _, t := range s.Types {
		if fits(t) {
			found = append(found, t)
		}
	}
	switch {
	case len(found) == 0:
		return nil, nil
	case len(found) == 1:
		return found[0], nil
	}
	if i := slices.IndexFunc(found, func(t *Type) bool { return t.ID == name }); i >= 0 {
		return found[i], nil
	}
	return nil, fmt.Errorf("%s declares the software type %q several times, as %q and %q", s.URL, name, found[0].ID, found[1].ID)
}

// Encode returns a struct or a map as parameters of the type, serialised as it
// declares. A serialisation that is not declared or not known is an error; see
// [slap.Serialisation.Encode] for the others.
func (t *Type) Encode(v any) (slap.Parameters, error) { return t.Serialisation.Encode(v) }

// Decode stores the parameters of an instance of the type, or what it has
// published, in what into points to, as [slap.Serialisation.Decode] does. Of a
// type without a declared serialisation it is [slap.Parameters.Decode].
func (t *Type) Decode(p slap.Parameters, into any) error {
	if t.Serialisation == "" {
		return p.Decode(into)
	}
	return t.Serialisation.Decode(p, into)
}
