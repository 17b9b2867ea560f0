package marshal

import (
	"errors"
	"fmt"
)

// ErrCycle is returned by Native for a value that contains itself.
var ErrCycle = errors.New("value contains itself")

// Native turns a value read from the wire into ordinary Go values: lists, sets
// and tuples become []any, dictionaries map[string]any, recursively. Scalars
// and objects stay what they are. A key that is not text is written the way
// Python's str would. It fails with ErrCycle if the value contains itself, and on
// values of more than a million parts.
func Native(v any) (any, error) {
	c := converter{open: map[any]bool{}, made: new(int), most: maxValues}
	return c.convert(v, 0)
}

// Natives is [Native] for several values of one document, with a bound for all of
// them together: each may be the same large one, which the document has only once.
// It is beyond what a document without references can hold. The zero value is ready
// for use.
type Natives struct{ made int }

// maxNatives bounds the parts of all values of one document. An element with its
// text is longer than this many bytes.
const maxNatives = MaxBytes / 16

// Native is the function of this name, but for objects and complex numbers, which
// are no parameters: they are refused.
func (n *Natives) Native(v any) (any, error) {
	c := converter{open: map[any]bool{}, made: &n.made, most: min(n.made+maxValues, maxNatives), parameters: true}
	return c.convert(v, 0)
}

type converter struct {
	open map[any]bool
	// parameters tells that there may be nothing but what they can be.
	parameters bool
	// made counts the values, of which most may be made.
	made *int
	most int
}

func (c *converter) convert(v any, depth int) (any, error) {
	if *c.made++; *c.made > c.most {
		return nil, errors.New("value too large")
	}
	if depth > MaxDepth {
		return nil, errTooDeep
	}
	if isNil(v) {
		return nil, nil
	}
	switch v := v.(type) {
	case *List:
		return c.once(v, func() (any, error) { return c.items(v.Items, depth) })
	case *Set:
		return c.once(v, func() (any, error) { return c.items(v.Items, depth) })
	case Tuple:
		return c.items(v, depth)
	case *Dict:
		return c.once(v, func() (any, error) { return c.dict(v, depth) })
	case *Object, complex128:
		if c.parameters {
			return nil, fmt.Errorf("a value of type %s is no parameter", typeName(v))
		}
	}
	return v, nil
}

// once converts a container unless it is being converted.
func (c *converter) once(key any, convert func() (any, error)) (any, error) {
	if c.open[key] {
		return nil, ErrCycle
	}
	c.open[key] = true
	defer delete(c.open, key)
	return convert()
}

func (c *converter) items(items []any, depth int) (any, error) {
	out := make([]any, 0, len(items))
	for i, item := range items {
		n, err := c.convert(item, depth+1)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out = append(out, n)
	}
	return out, nil
}

func (c *converter) dict(d *Dict, depth int) (any, error) {
	out := make(map[string]any, d.Len())
	for k, v := range d.All() {
		name, ok := k.(string)
		if !ok {
			name = Str(k)
		}
		n, err := c.convert(v, depth+1)
		if err != nil {
			return nil, fmt.Errorf("key %.60q: %w", name, err)
		}
		out[name] = n
	}
	return out, nil
}
