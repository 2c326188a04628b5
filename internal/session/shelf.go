package session

import (
	"container/heap"
	"sync"
	"sync/atomic"
)

// shelf keeps entries until they expire, and never more than its limit: when
// it is full the entry that would expire first makes room. Times are in
// milliseconds since 1970, and told by the caller.
type shelf[K comparable, V any] struct {
	limit  int
	filled atomic.Bool // whether a look is worth taking the lock

	mu      sync.RWMutex
	entries map[K]*entry[K, V]
	queue   queue[K, V]
}

type entry[K comparable, V any] struct {
	key     K
	value   V
	expires int64
	index   int // in the queue
}

func newShelf[K comparable, V any](limit int) *shelf[K, V] {
	return &shelf[K, V]{limit: limit, entries: make(map[K]*entry[K, V])}
}

// find returns what lies under key at time now.
func (s *shelf[K, V]) find(key K, now int64) (value V, ok bool) {
	if !s.filled.Load() {
		return value, false
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if e := s.entries[key]; e != nil && e.expires > now {
		return e.value, true
	}
	return value, false
}

// put lays value under key, in place of what lies there.
func (s *shelf[K, V]) put(key K, value V, expires, now int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.set(key, value, expires, now)
}

// add lays value under key unless something lies there.
func (s *shelf[K, V]) add(key K, value V, expires, now int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && e.expires > now {
		return false
	}
	s.set(key, value, expires, now)
	return true
}

func (s *shelf[K, V]) drop(key K) { s.dropIf(key, func(V) bool { return true }) }

// dropIf removes what lies under key if that is what may.
func (s *shelf[K, V]) dropIf(key K, may func(V) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if e := s.entries[key]; e != nil && may(e.value) {
		s.remove(e)
	}
}

func (s *shelf[K, V]) set(key K, value V, expires, now int64) {
	for len(s.queue) > 0 && s.queue[0].expires <= now {
		s.remove(s.queue[0])
	}
	if e := s.entries[key]; e != nil {
		s.remove(e)
	}
	if expires <= now {
		return
	}
	if len(s.queue) >= s.limit {
		s.remove(s.queue[0])
	}
	e := &entry[K, V]{key: key, value: value, expires: expires}
	s.entries[key] = e
	heap.Push(&s.queue, e)
	s.filled.Store(true)
}

func (s *shelf[K, V]) remove(e *entry[K, V]) {
	heap.Remove(&s.queue, e.index)
	delete(s.entries, e.key)
	s.filled.Store(len(s.queue) > 0)
}

// queue is a heap with the entry that expires first at its front.
type queue[K comparable, V any] []*entry[K, V]

func (q queue[K, V]) Len() int           { return len(q) }
func (q queue[K, V]) Less(i, j int) bool { return q[i].expires < q[j].expires }
func (q queue[K, V]) Swap(i, j int) {
	q[i], q[j] = q[j], q[i]
	q[i].index, q[j].index = i, j
}

func (q *queue[K, V]) Push(x any) {
	e := x.(*entry[K, V])
	e.index = len(*q)
	*q = append(*q, e)
}

func (q *queue[K, V]) Pop() any {
	last := len(*q) - 1
	e := (*q)[last]
	(*q)[last] = nil
	*q = (*q)[:last]
	return e
}
