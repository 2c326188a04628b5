package oidcrptest

import (
	"bytes"
	"context"
	"fmt"
	"sync"
)

// adds tries the optional Add.
func (s *storeTest) adds() {
	store, ok := s.store.(adder)
	if !ok {
		return
	}
	add := func(ctx context.Context, token, value string) (bool, error) {
		return store.Add(ctx, token, []byte(value), soon())
	}
	expect := func(token, value string, want bool, why string) {
		s.report.Helper()
		added, err := add(context.Background(), token, value)
		if err != nil {
			s.fatalf("Add: %v", err)
		}
		if added != want {
			s.fatalf("Add returned %t: %s", added, why)
		}
	}
	token := s.token()
	expect(token, "first", true, "nothing was there")
	s.want(token, []byte("first"), "Add commits")
	expect(token, "second", false, "something was there, and a login could be finished twice")
	s.want(token, []byte("first"), "Add must not replace what is there")

	committed := s.token()
	s.put(committed, []byte("value"), soon())
	expect(committed, "second", false, "something had been committed there")
	if err := s.remove(committed); err != nil {
		s.fatalf("%s: %v", s.face.remove, err)
	}
	expect(committed, "second", true, "what was there had been deleted")

	given := []byte("given")
	kept := s.token()
	if _, err := store.Add(context.Background(), kept, given, soon()); err != nil {
		s.fatalf("Add: %v", err)
	}
	clear(given)
	s.want(kept, []byte("given"), "the caller changed the slice it had added, and the store had kept it: copy it")

	s.race(add)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	cancelled := s.token()
	if added, err := add(ctx, cancelled, "value"); err == nil {
		if !added {
			s.errorf("Add with a cancelled context says that something was there already, and no error: a good login would be refused; return the context's error")
		}
		s.wantDone(cancelled, added, "Add with a cancelled context returned no error, and did not do what it said")
	}
}

// race wants one of many that add the same token to win.
func (s *storeTest) race(add func(ctx context.Context, token, value string) (bool, error)) {
	for range 5 {
		token := s.token()
		var mu sync.Mutex
		var winners []string
		var failed error
		begin := make(chan struct{})
		var wg sync.WaitGroup
		for i := range 16 {
			wg.Go(func() {
				<-begin
				value := fmt.Sprint("value ", i)
				added, err := func() (added bool, err error) {
					defer func() {
						if p := recover(); p != nil {
							err = fmt.Errorf("the store panicked: %v", p)
						}
					}()
					return add(context.Background(), token, value)
				}()
				mu.Lock()
				defer mu.Unlock()
				if err != nil {
					failed = err
				}
				if added {
					winners = append(winners, value)
				}
			})
		}
		close(begin)
		wg.Wait()
		if failed != nil {
			s.fatalf("Add, 16 at once: %v", failed)
		}
		if len(winners) != 1 {
			s.fatalf("of 16 that called Add for one token at once, %d were told that they added it: it must be one, or a login could be finished twice", len(winners))
		}
		s.want(token, []byte(winners[0]), "it is what the winner added")
	}
}

// concurrency has many requests at once, on tokens of their own and on one
// that they share.
func (s *storeTest) concurrency() {
	const workers, rounds = 12, 12
	shared := s.token()
	own := make([]string, workers)
	for i := range own {
		own[i] = s.token()
	}
	s.put(shared, pattern(0, 0), soon())
	var mu sync.Mutex
	var problem string
	fail := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		if problem == "" {
			problem = fmt.Sprintf(format, args...)
		}
	}
	var wg sync.WaitGroup
	for i, mine := range own {
		wg.Go(func() {
			defer func() {
				if p := recover(); p != nil {
					fail("the store panicked: %v", p)
				}
			}()
			for j := range rounds {
				b := pattern(i, j)
				for _, token := range []string{mine, shared} {
					if err := s.commit(token, bytes.Clone(b), soon()); err != nil {
						fail("%s, %d at once: %v", s.face.commit, workers, err)
						return
					}
				}
				got, found, err := s.find(mine)
				if err != nil || !found || !bytes.Equal(got, b) {
					fail("%s, %d at once, returned %s, %t, %v instead of the %s just committed: a visitor would get somebody else's session, or none", s.face.find, workers, shape(got), found, err, shape(b))
					return
				}
				got, found, err = s.find(shared)
				if err != nil || !found || !isPattern(got) {
					fail("%s, %d at once on one token, returned %s, %t, %v, which nobody committed", s.face.find, workers, shape(got), found, err)
					return
				}
			}
			if err := s.remove(mine); err != nil {
				fail("%s, %d at once: %v", s.face.remove, workers, err)
			}
			if _, found, err := s.find(mine); found || err != nil {
				fail("%s, %d at once, after the delete: %t, %v", s.face.find, workers, found, err)
			}
		})
	}
	wg.Wait()
	if problem != "" {
		s.fatalf("%s", problem)
	}
}

// pattern is a value that shows whether it is whole: its length is in it, and
// every other byte is the same.
func pattern(worker, round int) []byte {
	n := 16 + (worker*7919+round*104729)%4000
	b := bytes.Repeat([]byte{byte(worker*16 + round)}, n)
	b[0], b[1] = byte(n>>8), byte(n)
	return b
}

func isPattern(b []byte) bool {
	if len(b) < 16 || len(b) != int(b[0])<<8|int(b[1]) {
		return false
	}
	return bytes.Count(b[2:], b[2:3]) == len(b)-2
}
