package session

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// ErrStore: the store cannot be asked. Whether there is a session is not known
// then, and the visitor's cookie is left alone.
var ErrStore = errors.New("session store unavailable")

// Store keeps records on the server: the methods of an alexedwards/scs store.
// Variants with a context, and Add, are used where a store has them.
type Store interface {
	Find(token string) (b []byte, found bool, err error)
	Commit(token string, b []byte, expiry time.Time) error
	Delete(token string) error
}

// leastLife is the least time to live that a store is asked for: some count in
// whole seconds, and to some of those zero is for ever.
const leastLife = 2 * time.Second

// maxSealed bounds what is committed: MySQL's BLOB ends at 64 KB, and a record is
// read with every request.
const maxSealed = 48 << 10

// maxAsked bounds the calls under way: those to a store that hangs, and heeds
// no context, would pile up. Further callers wait for a place. After
// abandonedTime a call that nobody waits for counts no more: some never return,
// and the store may be well again.
const (
	maxAsked      = 1024
	abandonedTime = time.Minute
)

// backend is a Store with its traps removed: the best variant of each method
// is called, for a bounded time, a panic is an error, every error is ErrStore.
type backend struct {
	prompt bool // it never waits for anything
	asked  chan struct{}
	find   func(ctx context.Context, key string) ([]byte, bool, error)
	commit func(ctx context.Context, key string, b []byte, expiry time.Time) error
	remove func(ctx context.Context, key string) error
	add    func(ctx context.Context, key string, b []byte, expiry time.Time) (bool, error) // nil: it has none
}

func newBackend(s Store) *backend {
	memory, prompt := s.(*MemoryStore)
	b := &backend{
		prompt: prompt,
		asked:  make(chan struct{}, maxAsked),
		find:   func(_ context.Context, key string) ([]byte, bool, error) { return s.Find(key) },
		commit: func(_ context.Context, key string, b []byte, expiry time.Time) error { return s.Commit(key, b, expiry) },
		remove: func(_ context.Context, key string) error { return s.Delete(key) },
	}
	if s, ok := s.(interface {
		FindCtx(ctx context.Context, token string) (b []byte, found bool, err error)
	}); ok {
		b.find = s.FindCtx
	}
	if prompt { // nothing is changed here, so that no copy is needed
		b.find = func(_ context.Context, key string) ([]byte, bool, error) {
			value, found := memory.records.find(key, time.Now().UnixMilli())
			return value, found, nil
		}
	}
	if s, ok := s.(interface {
		CommitCtx(ctx context.Context, token string, b []byte, expiry time.Time) error
	}); ok {
		b.commit = s.CommitCtx
	}
	if s, ok := s.(interface {
		DeleteCtx(ctx context.Context, token string) error
	}); ok {
		b.remove = s.DeleteCtx
	}
	if s, ok := s.(interface {
		Add(ctx context.Context, token string, b []byte, expiry time.Time) (added bool, err error)
	}); ok {
		b.add = s.Add
	}
	return b
}

// Find returns what lies under key. The caller must not change it: a store may
// return its own copy.
func (b *backend) Find(ctx context.Context, key string) (value []byte, found bool, err error) {
	if b.prompt { // without the cost of waiting
		return b.find(ctx, key)
	}
	a := b.call(ctx, "find", b.finding(key))
	return a.value, a.found, a.err
}

// Commit stores value under key. The caller must not use value again: a store
// may keep it.
func (b *backend) Commit(ctx context.Context, key string, value []byte, expiry time.Time) error {
	return b.call(ctx, "commit", func(ctx context.Context) answer {
		return answer{err: b.commit(ctx, key, value, expiry)}
	}).err
}

// Add is Commit where nothing lies under key, and reports whether it did: never
// in a store that has no Add.
func (b *backend) Add(ctx context.Context, key string, value []byte, expiry time.Time) (added bool, err error) {
	if b.add == nil {
		return false, nil
	}
	a := b.call(ctx, "add", func(ctx context.Context) (a answer) {
		a.found, a.err = b.add(ctx, key, value, expiry)
		return a
	})
	return a.found, a.err
}

// Delete removes what lies under key.
func (b *backend) Delete(ctx context.Context, key string) error {
	return b.call(ctx, "delete", func(ctx context.Context) answer {
		return answer{err: b.remove(ctx, key)}
	}).err
}

// FindAll is Find for several keys at once: it waits for the slowest answer, not
// for the sum.
func (b *backend) FindAll(ctx context.Context, keys ...string) []answer {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	waits := make([]func() answer, len(keys))
	for i, key := range keys {
		waits[i] = b.start(ctx, "find", b.finding(key))
	}
	answers := make([]answer, len(keys))
	for i, wait := range waits {
		answers[i] = wait()
	}
	return answers
}

// finding is the question what lies under key.
func (b *backend) finding(key string) func(context.Context) answer {
	return func(ctx context.Context) (a answer) {
		a.value, a.found, a.err = b.find(ctx, key)
		return a
	}
}

// answer is what a store said.
type answer struct {
	value []byte
	found bool
	err   error
}

// call asks the store and waits no longer than storeTime.
func (b *backend) call(ctx context.Context, what string, ask func(context.Context) answer) answer {
	ctx, cancel := context.WithTimeout(ctx, storeTime)
	defer cancel()
	return b.start(ctx, what, ask)()
}

// start asks the store; the returned function waits for the answer, no longer
// than ctx allows. Clients of some stores do not heed a context: go-redis, unless
// told to, waits its own time. Then the answer comes to nobody.
func (b *backend) start(ctx context.Context, what string, ask func(context.Context) answer) (wait func() answer) {
	select {
	case b.asked <- struct{}{}:
	case <-ctx.Done():
		return func() answer {
			return answer{err: fmt.Errorf("%w: %s: %d calls are under way already: %w", ErrStore, what, maxAsked, context.Cause(ctx))}
		}
	}
	free := sync.OnceFunc(func() { <-b.asked })
	came := make(chan answer, 1)
	go func() {
		defer free()
		came <- asked(ctx, what, ask)
	}()
	return func() answer {
		select {
		case a := <-came:
			return a
		case <-ctx.Done():
			time.AfterFunc(abandonedTime, free)
			return answer{err: fmt.Errorf("%w: %s: %w", ErrStore, what, context.Cause(ctx))}
		}
	}
}

// asked makes every failure ErrStore, a panic too.
func asked(ctx context.Context, what string, ask func(context.Context) answer) (a answer) {
	defer func() {
		if p := recover(); p != nil {
			a = answer{err: fmt.Errorf("%w: %s panicked: %v", ErrStore, what, p)}
		}
	}()
	// Not every store knows a context.
	if a.err = ctx.Err(); a.err == nil {
		a = ask(ctx)
	}
	if a.err != nil {
		return answer{err: fmt.Errorf("%w: %s: %w", ErrStore, what, a.err)}
	}
	return a
}
