package xmlscan

import "hash/maphash"

// Bounds of an Interner: how many texts it holds, how long they may be, and how many
// it forgets before it takes memory for them, as a short document has none to save.
const (
	internedTexts  = 1 << 8
	internedLength = 48
	internedFrom   = 64
)

// Interner turns bytes into texts and remembers short ones, so that the many
// equal texts of a document are one in memory. The zero value is ready for use.
type Interner struct {
	seed  maphash.Seed
	texts []any
	met   int
}

// Text returns the bytes as a string. It is returned as an interface value
// because to make one from a string costs memory, too.
func (in *Interner) Text(b []byte) any {
	if len(b) > internedLength {
		return string(b)
	}
	if in.met < internedFrom {
		in.met++
		return string(b)
	}
	if in.texts == nil {
		in.seed = maphash.MakeSeed()
		in.texts = make([]any, internedTexts)
	}
	// Each text has one place, where it may replace another one.
	place := &in.texts[maphash.Bytes(in.seed, b)%internedTexts]
	if text, ok := (*place).(string); ok && text == string(b) {
		return *place
	}
	*place = string(b)
	return *place
}
