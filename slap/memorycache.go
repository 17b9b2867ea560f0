package slap

import (
	"container/list"
	"sync"
)

// NewMemoryCache returns a cache in memory that holds up to a number of bytes;
// what was not used for longest is dropped first. It may be shared by clients.
func NewMemoryCache(maxBytes int64) Cache {
	return &memoryCache{most: maxBytes, items: map[string]*list.Element{}, order: list.New()}
}

type memoryCache struct {
	most int64

	mu    sync.Mutex
	used  int64
	items map[string]*list.Element
	order *list.List // of *memoryItem, last used first
}

type memoryItem struct {
	key   string
	value []byte
}

// memoryOverhead is about what an item needs besides its key and value, in bytes.
const memoryOverhead = 200

func (i *memoryItem) size() int64 { return int64(len(i.key)+len(i.value)) + memoryOverhead }

func (m *memoryCache) Get(key string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	element := m.items[key]
	if element == nil {
		return nil, false
	}
	m.order.MoveToFront(element)
	return element.Value.(*memoryItem).value, true
}

func (m *memoryCache) Set(key string, value []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.items[key])
	item := &memoryItem{key, value}
	if item.size() > m.most {
		return
	}
	m.items[key] = m.order.PushFront(item)
	m.used += item.size()
	for m.used > m.most {
		m.drop(m.order.Back())
	}
}

func (m *memoryCache) Delete(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.drop(m.items[key])
}

// drop removes an item, if there is one.
func (m *memoryCache) drop(element *list.Element) {
	if element == nil {
		return
	}
	item := m.order.Remove(element).(*memoryItem)
	delete(m.items, item.key)
	m.used -= item.size()
}
