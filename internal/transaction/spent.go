package transaction

import (
	"sync"
	"time"
)

// maxSpent bounds the memory of spent transactions to a few megabytes. Whoever
// overflows it signs in a hundred times a second, and can then replay answers
// of his own, which the provider's single use of codes stops.
const maxSpent = 65536

// spent remembers transactions until they expire, the latest limit of them.
type spent struct {
	limit int

	mu    sync.Mutex
	ids   map[[12]byte]struct{}
	queue []spentEntry // in order of expiry; those before head are gone
	head  int
}

type spentEntry struct {
	id    [12]byte
	until time.Time
}

func newSpent(limit int) *spent {
	return &spent{limit: limit, ids: make(map[[12]byte]struct{})}
}

// add reports whether id was not there yet.
func (s *spent) add(id [12]byte, now, until time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.head < len(s.queue) && s.queue[s.head].until.Before(now) {
		s.drop()
	}
	// Before room is made: a replay must not push out what it replays.
	if _, there := s.ids[id]; there {
		return false
	}
	if len(s.ids) >= s.limit {
		s.drop()
	}
	s.compact()
	s.ids[id] = struct{}{}
	s.queue = append(s.queue, spentEntry{id, until})
	return true
}

// drop forgets the oldest.
func (s *spent) drop() {
	delete(s.ids, s.queue[s.head].id)
	s.head++
}

// remove forgets id.
func (s *spent) remove(id [12]byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.ids, id)
	for i := len(s.queue) - 1; i >= s.head; i-- {
		if s.queue[i].id == id {
			s.queue = append(s.queue[:i], s.queue[i+1:]...)
			return
		}
	}
}

// compact moves the queue to the front once half of it is gone.
func (s *spent) compact() {
	if s.head > len(s.queue)/2 {
		n := copy(s.queue, s.queue[s.head:])
		s.queue, s.head = s.queue[:n], 0
	}
}
