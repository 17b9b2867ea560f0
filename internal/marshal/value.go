package marshal

import (
	"errors"
	"fmt"
	"iter"
	"math"
	"math/big"
	"strconv"
)

// List is a list on the wire. Its identity is the identity of the pointer: the
// same *List met twice in one document is written once and then referred to.
type List struct {
	// Items are the elements, in order.
	Items []any
}

// NewList returns a list of the given elements.
func NewList(items ...any) *List { return &List{Items: items} }

// Set is a set on the wire. The protocol does not use it; it is kept so that
// every document of the reference can be read.
type Set struct {
	// Items are the elements, without duplicates, in document order.
	Items []any
}

// Made is a value that is made when it is written, and forgotten then: a list of
// many large ones is never in memory as a whole. Nothing in what it makes is
// written as a reference to something outside, or referred to from there.
type Made func() (any, error)

// Tuple is a tuple on the wire. Tuples have no identity.
type Tuple []any

// Pair is one entry of a Dict.
type Pair struct {
	Key, Value any
}

// Dict is a dictionary on the wire: pairs in insertion order, at most one per
// key. Keys are null, booleans, numbers, text, or tuples of those; in the
// protocol they are always text. The zero value is an empty dictionary. A Dict
// may be read by several goroutines as long as none of them changes it.
type Dict struct {
	pairs []Pair
	// index finds the position of a key; it exists only once there are
	// enough pairs for a scan to be slower.
	index map[string]int
}

// indexFrom is the number of pairs from which a Dict keeps an index.
const indexFrom = 32

// NewDict returns an empty dictionary.
func NewDict() *Dict { return &Dict{} }

// Len returns the number of pairs. A nil Dict is empty.
func (d *Dict) Len() int {
	if d == nil {
		return 0
	}
	return len(d.pairs)
}

// Set stores a value under a text key, replacing the value of an equal key in
// place, and returns d.
func (d *Dict) Set(key string, value any) *Dict {
	if i := d.find(key); i >= 0 {
		d.pairs[i].Value = value
		return d
	}
	id := ""
	if d.index != nil {
		id = "s" + key
	}
	d.add(key, id, value)
	return d
}

// SetAny is Set for a key of any type. It fails if the key is of a type that
// cannot be a key (lists, dictionaries, sets, objects). Keys are equal as in
// Python: 1, 1.0 and true are one key.
func (d *Dict) SetAny(key, value any) error {
	if text, ok := key.(string); ok {
		d.Set(text, value)
		return nil
	}
	id, err := keyID(key)
	if err != nil {
		return err
	}
	if i := d.findID(id); i >= 0 {
		d.pairs[i].Value = value
		return nil
	}
	d.add(key, id, value)
	return nil
}

// Get returns the value stored under a text key.
func (d *Dict) Get(key string) (any, bool) {
	if d == nil {
		return nil, false
	}
	if i := d.find(key); i >= 0 {
		return d.pairs[i].Value, true
	}
	return nil, false
}

// All yields the pairs in insertion order.
func (d *Dict) All() iter.Seq2[any, any] {
	return func(yield func(any, any) bool) {
		if d == nil {
			return
		}
		for _, p := range d.pairs {
			if !yield(p.Key, p.Value) {
				return
			}
		}
	}
}

// add appends a pair. Its id is needed once there is an index.
func (d *Dict) add(key any, id string, value any) {
	d.pairs = append(d.pairs, Pair{key, value})
	switch {
	case d.index != nil:
		d.index[id] = len(d.pairs) - 1
	case len(d.pairs) >= indexFrom:
		d.makeIndex()
	}
}

func (d *Dict) makeIndex() {
	d.index = make(map[string]int, 2*len(d.pairs))
	for i, p := range d.pairs {
		// Keys that are in the dictionary have an id.
		if id, err := keyID(p.Key); err == nil {
			d.index[id] = i
		}
	}
}

func (d *Dict) find(key string) int {
	if d.index != nil {
		if i, ok := d.index["s"+key]; ok {
			return i
		}
		return -1
	}
	for i := range d.pairs {
		if text, ok := d.pairs[i].Key.(string); ok && text == key {
			return i
		}
	}
	return -1
}

// findID finds a key that may be no text, for which an index is made: to turn
// large keys into their ids again and again is slow.
func (d *Dict) findID(id string) int {
	if d.index == nil {
		d.makeIndex()
	}
	if i, ok := d.index[id]; ok {
		return i
	}
	return -1
}

// keyID returns a text that is equal for equal keys and for no others.
func keyID(key any) (string, error) {
	if text, ok := key.(string); ok {
		return "s" + text, nil
	}
	id, err := appendKeyID(nil, key, 0)
	return string(id), err
}

// appendKeyID appends the id of a key. Inside a tuple, ids follow each other and
// none may be the beginning of another one.
func appendKeyID(b []byte, key any, depth int) ([]byte, error) {
	if depth > MaxDepth {
		return nil, errTooDeep
	}
	switch k := key.(type) {
	case nil:
		return append(b, 'n'), nil
	case string:
		b = append(strconv.AppendInt(append(b, 's'), int64(len(k)), 10), ':')
		return append(b, k...), nil
	case bool:
		if k {
			return append(b, "i1;"...), nil
		}
		return append(b, "i0;"...), nil
	case int:
		return append(strconv.AppendInt(append(b, 'i'), int64(k), 10), ';'), nil
	case int64:
		return append(strconv.AppendInt(append(b, 'i'), k, 10), ';'), nil
	case *big.Int:
		return append(k.Append(append(b, 'i'), 10), ';'), nil
	case float64:
		if k == math.Trunc(k) && !math.IsInf(k, 0) {
			whole, _ := big.NewFloat(k).Int(nil)
			return append(whole.Append(append(b, 'i'), 10), ';'), nil
		}
		return append(strconv.AppendFloat(append(b, 'f'), k, 'g', -1, 64), ';'), nil
	case complex128:
		return fmt.Appendf(b, "c%v;", k), nil
	case Tuple:
		b = append(strconv.AppendInt(append(b, 't'), int64(len(k)), 10), ':')
		for _, item := range k {
			var err error
			if b, err = appendKeyID(b, item, depth+1); err != nil {
				return nil, err
			}
		}
		return b, nil
	}
	return nil, fmt.Errorf("a value of type %s cannot be a dictionary key", typeName(key))
}

// Module is the module of every object of the protocol.
const Module = "slapos.slap.slap"

// Classes of the objects of the protocol.
const (
	ClassComputer          = "Computer"
	ClassComputerPartition = "ComputerPartition"
	ClassSoftwareRelease   = "SoftwareRelease"
	ClassSoftwareInstance  = "SoftwareInstance"
)

// Object is an object on the wire. Only the four classes of the protocol are
// written or read. Its identity is the identity of the pointer.
type Object struct {
	// Module and Class name the class.
	Module, Class string
	// Args are the arguments of its constructor.
	Args Tuple
	// State holds its attributes, by name; nil means none.
	State *Dict
}

// NewObject returns an object of a class of the protocol, without attributes.
func NewObject(class string, args ...any) *Object {
	return &Object{Module: Module, Class: class, Args: args, State: NewDict()}
}

// Get returns an attribute: the one in the state or else the one that the
// constructor sets from its arguments.
func (o *Object) Get(name string) (any, bool) {
	if o == nil {
		return nil, false
	}
	if v, ok := o.State.Get(name); ok {
		return v, true
	}
	for i, attribute := range constructors[o.Class].attributes {
		if attribute != name {
			continue
		}
		if i < len(o.Args) {
			return o.Args[i], true
		}
		return nil, true
	}
	return nil, false
}

// Attributes returns all attributes: those set by the constructor, overridden
// and followed by those of the state.
func (o *Object) Attributes() *Dict {
	all := NewDict()
	c := constructors[o.Class]
	for i, attribute := range c.attributes {
		var v any
		if i < len(o.Args) {
			v = o.Args[i]
		}
		all.Set(attribute, v)
	}
	if o.Class == ClassSoftwareRelease {
		all.Set("_software_instance_list", &List{})
	}
	for k, v := range o.State.All() {
		if name, ok := k.(string); ok {
			all.Set(name, v)
		}
	}
	return all
}

// constructor tells what the constructor of a class takes.
type constructor struct {
	min        int      // mandatory arguments
	attributes []string // attribute set by each argument
}

var constructors = map[string]constructor{
	ClassComputer:          {1, []string{"_computer_id"}},
	ClassComputerPartition: {0, []string{"_computer_id", "_partition_id", "_request_dict"}},
	ClassSoftwareRelease:   {0, []string{"_software_release", "_computer_guid"}},
	ClassSoftwareInstance:  {0, nil},
}

// travels tells whether objects of a class may travel, and returns the name of
// the class as a constant, so that the text it came from need not be kept.
func travels(module, class string) (string, bool) {
	if module != Module {
		return "", false
	}
	switch class {
	case ClassComputer:
		return ClassComputer, true
	case ClassComputerPartition:
		return ClassComputerPartition, true
	case ClassSoftwareRelease:
		return ClassSoftwareRelease, true
	case ClassSoftwareInstance:
		return ClassSoftwareInstance, true
	}
	return "", false
}

// checkArgs applies the rules of the constructors of the protocol's classes.
func (o *Object) checkArgs() error {
	c := constructors[o.Class]
	if len(o.Args) < c.min || len(o.Args) > len(c.attributes) {
		return fmt.Errorf("object of class %s has %d constructor arguments", o.Class, len(o.Args))
	}
	if o.Class == ClassComputerPartition {
		arg := func(i int) bool { return i < len(o.Args) && o.Args[i] != nil }
		located, requested := arg(0) && arg(1), arg(2)
		if !located && !requested {
			// An instance that is not ready, from a forwarding master of
			// 1.6.10, which the reference's own reader refuses.
			request, _ := o.State.Get("_request_dict")
			requested = request != nil
		}
		if located == requested {
			return errors.New("object of class ComputerPartition needs a computer and a partition, or a request")
		}
	}
	return nil
}

// isNil tells whether a value is a nil pointer of this package.
func isNil(v any) bool {
	switch v := v.(type) {
	case *List:
		return v == nil
	case *Set:
		return v == nil
	case *Dict:
		return v == nil
	case *Object:
		return v == nil
	case Made:
		return v == nil
	}
	return false
}

// Truth tells whether a value counts as true in Python: everything except
// null, false, zero and what is empty.
func Truth(v any) bool {
	switch v := v.(type) {
	case nil:
		return false
	case bool:
		return v
	case string:
		return v != ""
	case []byte:
		return len(v) > 0
	case int:
		return v != 0
	case int64:
		return v != 0
	case float64:
		return v != 0
	case *big.Int:
		return v.Sign() != 0
	case *List:
		return len(v.Items) > 0
	case *Set:
		return len(v.Items) > 0
	case []any:
		return len(v) > 0
	case Tuple:
		return len(v) > 0
	case *Dict:
		return v.Len() > 0
	case map[string]any:
		return len(v) > 0
	}
	return true
}
