package proxy

import (
	"container/list"
	"fmt"
	"sync"
)

// bodyCache keeps answers by the version of what they show. It holds at most a
// given number of bytes and drops the answers that were not used for longest.
type bodyCache struct {
	mu    sync.Mutex
	limit int
	size  int
	byKey map[cacheKey]*list.Element
	order list.List // of *cached, most recently used first
	// hits and misses count the look-ups.
	hits, misses int64
}

// cacheKey names an answer: a computer's, or a partition's.
type cacheKey struct{ computer, partition string }

// at is one text for an answer and its version.
func (k cacheKey) at(version uint64) string {
	return fmt.Sprintf("%d %q %q", version, k.computer, k.partition)
}

type cached struct {
	key     cacheKey
	version uint64
	body    []byte
}

// overhead is what an entry costs besides its bodies.
const overhead = 256

func newBodyCache(limit int) *bodyCache {
	return &bodyCache{limit: limit, byKey: map[cacheKey]*list.Element{}}
}

// get returns the body kept for a version. The caller must not change it.
func (c *bodyCache) get(key cacheKey, version uint64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	body, ok := c.kept(key, version)
	if ok {
		c.hits++
	} else {
		c.misses++
	}
	return body, ok
}

// again is get for a call that was counted already.
func (c *bodyCache) again(key cacheKey, version uint64) ([]byte, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.kept(key, version)
}

// kept returns a body and makes it the one used last. The cache is locked.
func (c *bodyCache) kept(key cacheKey, version uint64) ([]byte, bool) {
	e := c.byKey[key]
	if e == nil || e.Value.(*cached).version != version {
		return nil, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*cached).body, true
}

// usage returns the counted look-ups and the bytes that are kept.
func (c *bodyCache) usage() (hits, misses int64, bytes int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits, c.misses, c.size
}

// put keeps a body, unless a newer one is kept.
func (c *bodyCache) put(key cacheKey, version uint64, body []byte) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.byKey[key]; e != nil {
		if e.Value.(*cached).version > version {
			return
		}
		c.remove(e)
	}
	if cap(body)+overhead > c.limit {
		return
	}
	c.byKey[key] = c.order.PushFront(&cached{key: key, version: version, body: body})
	c.size += cap(body) + overhead
	for c.size > c.limit {
		c.remove(c.order.Back())
	}
}

func (c *bodyCache) remove(e *list.Element) {
	entry := c.order.Remove(e).(*cached)
	delete(c.byKey, entry.key)
	c.size -= cap(entry.body) + overhead
}
