package store

import "sync"

// versions counts changes per computer and per partition.
type versions struct {
	mu     sync.RWMutex
	counts map[place]uint64
}

// place names a computer, or a partition of it.
type place struct{ computer, partition string }

func (v *versions) get(computer, partition string) uint64 {
	v.mu.RLock()
	defer v.mu.RUnlock()
	return v.counts[place{computer, partition}]
}

// raise counts a change of each place.
func (v *versions) raise(places map[place]struct{}) {
	if len(places) == 0 {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.counts == nil {
		v.counts = map[place]uint64{}
	}
	for p := range places {
		v.counts[p]++
	}
}
