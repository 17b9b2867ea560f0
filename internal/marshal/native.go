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
// Python's str would. It fails with ErrCycle if the value contains itself.
func Native(v any) (any, error) {
	c := converter{open: map[any]bool{}, budget: maxNative}
	return c.convert(v)
}

// maxNative bounds the number of values Native returns: a small document can
// refer many times to the same list.
const maxNative = 1 << 22

type converter struct {
	open   map[any]bool
	budget int
}

func (c *converter) convert(v any) (any, error) {
	if c.budget--; c.budget < 0 {
		return nil, errors.New("value too large")
	}
	if isNil(v) {
		return nil, nil
	}
	switch v := v.(type) {
	case *List:
		return c.container(v, func() (any, error) { return c.items(v.Items) })
	case *Set:
		return c.container(v, func() (any, error) { return c.items(v.Items) })
	case Tuple:
		return c.items(v)
	case *Dict:
		return c.container(v, func() (any, error) { return c.dict(v) })
	}
	return v, nil
}

func (c *converter) container(key any, convert func() (any, error)) (any, error) {
	if c.open[key] {
		return nil, ErrCycle
	}
	if len(c.open) > MaxDepth {
		return nil, errTooDeep
	}
	c.open[key] = true
	defer delete(c.open, key)
	return convert()
}

func (c *converter) items(items []any) (any, error) {
	out := make([]any, 0, len(items))
	for i, item := range items {
		n, err := c.convert(item)
		if err != nil {
			return nil, fmt.Errorf("element %d: %w", i, err)
		}
		out = append(out, n)
	}
	return out, nil
}

func (c *converter) dict(d *Dict) (any, error) {
	out := make(map[string]any, d.Len())
	for k, v := range d.All() {
		name, ok := k.(string)
		if !ok {
			name = Str(k)
		}
		n, err := c.convert(v)
		if err != nil {
			return nil, fmt.Errorf("key %q: %w", name, err)
		}
		out[name] = n
	}
	return out, nil
}
