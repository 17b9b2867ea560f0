package tio

import "crypto/sha256"

// references remembers texts by their digests, so that its memory depends on
// their number alone, and that number is bounded.
type references struct {
	limit int
	full  bool
	told  bool
	seen  map[[16]byte]int
}

// add remembers a text together with a number, unless it is known, and then
// returns the number that was given first.
func (r *references) add(text string, number int) (int, bool) {
	whole := sha256.Sum256([]byte(text))
	digest := [16]byte(whole[:])
	if first, known := r.seen[digest]; known {
		return first, true
	}
	if len(r.seen) >= r.limit {
		r.full = true
		return 0, false
	}
	if r.seen == nil {
		r.seen = make(map[[16]byte]int)
	}
	r.seen[digest] = number
	return 0, false
}

// justFilled is true once, when a text could not be remembered.
func (r *references) justFilled() bool {
	if !r.full || r.told {
		return false
	}
	r.told = true
	return true
}
