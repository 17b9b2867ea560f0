package jsonapi

import (
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"github.com/santhosh-tekuri/jsonschema/v6/kind"

	"github.com/slapos/slapos-go/internal/marshal"
)

//go:embed page.html
var pageText []byte

//go:embed schema.json
var schemaText []byte

// address names the schema to the compiler; nothing is fetched from it.
const address = "urn:slapos:json-api"

// API is what schema.json tells. It may be used by several goroutines.
type API struct {
	document *marshal.Dict
	methods  map[string]*Method
	names    []string
	refusals map[string]Refusal
}

// Method is one method of the API.
type Method struct {
	// Name is the path of the method after "/slapos.".
	Name              string
	request, response contract
}

// Refusal is what a call that fails is answered.
type Refusal struct {
	// Status is the status of HTTP.
	Status int
	// Title tells what is wrong.
	Title string
}

// contract is a schema, compiled and as it is written.
type contract struct {
	compiled *jsonschema.Schema
	written  *marshal.Dict
	document *marshal.Dict
}

// Load reads the embedded schema, once in a process: it never changes.
func Load() (*API, error) { return loaded() }

var loaded = sync.OnceValues(read)

func read() (*API, error) {
	value, err := Read(schemaText)
	if err != nil {
		return nil, fmt.Errorf("schema of the JSON API: %w", err)
	}
	a := &API{document: value.(*marshal.Dict), methods: map[string]*Method{}, refusals: map[string]Refusal{}}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource(address, native(value)); err != nil {
		return nil, fmt.Errorf("schema of the JSON API: %w", err)
	}
	for name, method := range dict(a.document, "methods").All() {
		m := &Method{Name: name.(string)}
		for part, c := range map[string]*contract{"request": &m.request, "response": &m.response} {
			c.document, c.written = a.document, dict(method.(*marshal.Dict), part)
			if c.compiled, err = compiler.Compile(address + "#/methods/" + m.Name + "/" + part); err != nil {
				return nil, fmt.Errorf("schema of the JSON API: %w", err)
			}
		}
		a.methods[m.Name] = m
		a.names = append(a.names, m.Name)
	}
	for name, refusal := range dict(a.document, "errors").All() {
		r := refusal.(*marshal.Dict)
		status, _ := r.Get("status")
		number, _ := status.(int64)
		a.refusals[name.(string)] = Refusal{Status: int(number), Title: text(r, "title")}
	}
	return a, nil
}

// dict returns a dictionary in a dictionary, empty if there is none.
func dict(d *marshal.Dict, key string) *marshal.Dict {
	value, _ := d.Get(key)
	if found, ok := value.(*marshal.Dict); ok {
		return found
	}
	return marshal.NewDict()
}

func text(d *marshal.Dict, key string) string {
	value, _ := d.Get(key)
	found, _ := value.(string)
	return found
}

// Schema is the schema as a JSON text, for readers.
func (a *API) Schema() []byte { return schemaText }

// Page is a page in HTML that explains the API. It uses no other resource than
// a link to ../slapos.json, where Schema is expected.
func (a *API) Page() []byte { return pageText }

// Names are the names of all methods, in the order of the schema.
func (a *API) Names() []string { return slices.Clone(a.names) }

// Method returns a method by its name, or nil.
func (a *API) Method(name string) *Method { return a.methods[name] }

// Refusal returns what is answered to a call that fails for a reason, given by
// its name in the schema, about some names.
func (a *API) Refusal(reason string, about ...string) Refusal {
	r := a.refusals[reason]
	parts := strings.Split(r.Title, "{}")
	title := parts[0]
	for i, part := range parts[1:] {
		if i < len(about) {
			title += about[i]
		}
		title += part
	}
	r.Title = title
	return r
}

// Request checks the body of a call. The error tells the first thing that is
// wrong, in the order and the words of the reference.
func (m *Method) Request(v any) error { return m.request.check(v) }

// Response checks an answer in the same way.
func (m *Method) Response(v any) error { return m.response.check(v) }

func (c contract) check(v any) error {
	err := c.compiled.Validate(native(v))
	if err == nil {
		return nil
	}
	invalid, ok := errors.AsType[*jsonschema.ValidationError](err)
	if !ok {
		return err
	}
	s := search{contract: c, value: v, positions: map[*marshal.Dict]map[string]int{}}
	s.look(invalid)
	return errors.New(s.first.message)
}

// finding is one thing that is wrong. The one that is told has the lowest rank.
type finding struct {
	rank    []int
	message string
}

// Ranks of findings about one value. Those about what it holds come after them.
const (
	rankRequired = iota
	rankAdditional
	rankEnum
	rankType
	rankLength
	rankOther
	rankInside
)

// search looks for the first thing that is wrong with a value. There may be as many
// as the value has parts.
type search struct {
	contract
	value any
	first *finding
	// positions are those of the keys of dictionaries in the value.
	positions map[*marshal.Dict]map[string]int
}

func (s *search) look(e *jsonschema.ValidationError) {
	for _, cause := range e.Causes {
		s.look(cause)
	}
	if len(e.Causes) > 0 {
		return
	}
	rank, value := s.locate(e.InstanceLocation)
	kindRank, message := explain(e.ErrorKind, value)
	if rank = append(rank, kindRank); s.first == nil || slices.Compare(rank, s.first.rank) < 0 {
		s.first = &finding{rank, message}
	}
}

// locate goes to a place in the value. Its rank follows the order of the
// properties in the schema, then that of the keys in the value.
func (s *search) locate(place []string) (rank []int, value any) {
	schema, v := s.resolve(s.written), s.value
	for _, step := range place {
		var position int
		var inner any
		switch holder := v.(type) {
		case *marshal.Dict:
			properties := dict(schema, "properties")
			v, _ = holder.Get(step)
			if position = index(properties, step); position >= 0 {
				inner, _ = properties.Get(step)
			} else {
				position = properties.Len() + s.position(holder, step)
				inner, _ = schema.Get("additionalProperties")
			}
		case *marshal.List:
			position, _ = strconv.Atoi(step) //nolint:errcheck // the validator counted
			v = holder.Items[position]
			inner, _ = schema.Get("items")
		}
		rank = append(rank, rankInside, position)
		next, _ := inner.(*marshal.Dict)
		schema = s.resolve(next)
	}
	return rank, v
}

// position is index for a dictionary that may have many keys, all of them wrong.
func (s *search) position(d *marshal.Dict, key string) int {
	all := s.positions[d]
	if all == nil {
		all = make(map[string]int, d.Len())
		for k := range d.All() {
			all[marshal.Str(k)] = len(all)
		}
		s.positions[d] = all
	}
	return all[key]
}

// index is the position of a key, or -1.
func index(d *marshal.Dict, key string) int {
	position := 0
	for k := range d.All() {
		if k == key {
			return position
		}
		position++
	}
	return -1
}

// resolve follows a $ref.
func (c contract) resolve(schema *marshal.Dict) *marshal.Dict {
	if name, ok := strings.CutPrefix(text(schema, "$ref"), "#/$defs/"); ok {
		return dict(dict(c.document, "$defs"), name)
	}
	return schema
}

// explain words a finding as the reference does: values the Python way.
func explain(k jsonschema.ErrorKind, value any) (rank int, message string) {
	shown := marshal.Repr
	switch k := k.(type) {
	case *kind.Required:
		return rankRequired, shown(k.Missing[0]) + " is a required property"
	case *kind.AdditionalProperties:
		names := slices.Sorted(slices.Values(k.Properties))
		list, verb := shown(names), "were"
		if len(names) == 1 {
			verb = "was"
		}
		return rankAdditional, "Additional properties are not allowed (" + list[1:len(list)-1] + " " + verb + " unexpected)"
	case *kind.Enum:
		return rankEnum, shown(value) + " is not one of " + shown(k.Want)
	case *kind.Type:
		list := shown(k.Want)
		return rankType, shown(value) + " is not of type " + list[1:len(list)-1]
	case *kind.MaxLength:
		return rankLength, shown(value) + " is too long"
	case *kind.MinLength:
		return rankLength, shown(value) + " is too short"
	}
	return rankOther, shown(value) + " does not fit " + strings.Join(k.KeywordPath(), "/")
}
