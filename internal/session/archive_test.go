package session_test

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

func archives(t *testing.T) map[string]func(seeds ...byte) *session.Archive {
	c := newClock()
	plain, adding := newPlainStore(c), session.NewMemoryStore(0)
	return map[string]func(seeds ...byte) *session.Archive{
		"plain": func(seeds ...byte) *session.Archive {
			return session.NewArchive(keys(t, seeds...), site(t, "https://app.example"), plain, c.now)
		},
		"with Add": func(seeds ...byte) *session.Archive {
			return session.NewArchive(keys(t, seeds...), site(t, "https://app.example"), adding, c.now)
		},
	}
}

var later = time.Now().Add(1000 * time.Hour)

func replace(t *testing.T, a *session.Archive, name, old, record string) string {
	t.Helper()
	var before []byte
	if old != "" {
		before = []byte(old)
	}
	kept, err := a.Replace(context.Background(), name, before, []byte(record), later)
	if err != nil {
		t.Fatal(err)
	}
	return string(kept)
}

func TestArchive(t *testing.T) {
	for kind, open := range archives(t) {
		t.Run(kind, func(t *testing.T) {
			a, b := open(1), open(1)
			if got, err := a.Read(context.Background(), "x"); got != nil || err != nil {
				t.Fatalf("%q, %v before anything was written", got, err)
			}
			for _, step := range []struct{ node, old, record, want string }{
				{"a", "", "one", "one"},
				{"b", "", "two", "one"}, // too late
				{"b", "one", "two", "two"},
				{"a", "one", "three", "two"}, // too late again
			} {
				node := map[string]*session.Archive{"a": a, "b": b}[step.node]
				if got := replace(t, node, "x", step.old, step.record); got != step.want {
					t.Errorf("%v: %q is kept", step, got)
				}
			}
			if got, err := a.Read(context.Background(), "x"); string(got) != "two" || err != nil {
				t.Errorf("%q, %v", got, err)
			}
			if got, err := a.Read(context.Background(), "y"); got != nil || err != nil {
				t.Errorf("another name has %q, %v", got, err)
			}
			// A rotated key reads on, a dropped one does not, and is written over.
			if got, _ := open(2, 1).Read(context.Background(), "x"); string(got) != "two" {
				t.Errorf("after a rotation: %q", got)
			}
			if got, err := open(2).Read(context.Background(), "x"); got != nil || err != nil {
				t.Errorf("without the key: %q, %v", got, err)
			}
			if got := replace(t, open(2), "x", "", "four"); got != "four" {
				t.Errorf("%q is kept over what cannot be read", got)
			}
		})
	}
}

// Of nodes that write at once one wins, and all hear which.
func TestArchiveRace(t *testing.T) {
	open := archives(t)["with Add"]
	var mu sync.Mutex
	heard := map[string]int{}
	var all sync.WaitGroup
	for i := range 8 {
		all.Go(func() {
			kept, err := open(1).Replace(context.Background(), "x", nil, []byte{'a' + byte(i)}, later)
			mu.Lock()
			defer mu.Unlock()
			if heard[string(kept)]++; err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if len(heard) != 1 {
		t.Errorf("kept are %v", heard)
	}
}

// A record is bound to its name, and says nothing to who reads the store.
func TestArchiveIsSealed(t *testing.T) {
	c := newClock()
	store := newPlainStore(c)
	a := session.NewArchive(keys(t, 1), site(t, "https://app.example"), store, c.now)
	replace(t, a, "x", "", "a secret")
	replace(t, a, "y", "", "another")
	var names []string
	for name, r := range store.records {
		names = append(names, name)
		if bytes.Contains(r.b, []byte("secret")) || len(name) != 43 {
			t.Errorf("%s holds %q", name, r.b)
		}
	}
	x, y := store.records[names[0]], store.records[names[1]]
	store.records[names[0]], store.records[names[1]] = y, x
	for _, name := range []string{"x", "y"} {
		if got, err := a.Read(context.Background(), name); got != nil || err != nil {
			t.Errorf("%s was exchanged and reads %q, %v", name, got, err)
		}
	}
	elsewhere := session.NewArchive(keys(t, 1), site(t, "https://other.example"), store, c.now)
	if got, _ := elsewhere.Read(context.Background(), "x"); got != nil {
		t.Errorf("another site reads %q", got)
	}
}

// What was lost from the store is written again.
func TestArchiveReplacesWhatIsGone(t *testing.T) {
	for kind, open := range archives(t) {
		if got := replace(t, open(1), "x", "one", "two"); got != "two" {
			t.Errorf("%s: %q is kept", kind, got)
		}
	}
}

// Whichever call of the store fails, the caller is told.
func TestNoFailureOfTheArchiveIsSwallowed(t *testing.T) {
	for kind, add := range map[string]bool{"plain": false, "with Add": true} {
		for n := 1; ; n++ {
			c, calls := newClock(), 0
			plain := newPlainStore(c)
			var store session.Store = plain
			if add {
				store = addingStore{plain}
			}
			a := session.NewArchive(keys(t, 1), site(t, "https://app.example"), store, c.now)
			replace(t, a, "x", "", "one")
			plain.before = func(string, string) error {
				if calls++; calls == n {
					return errDown
				}
				return nil
			}
			kept, err := a.Replace(context.Background(), "x", []byte("one"), []byte("two"), later)
			if calls < n {
				if string(kept) != "two" || err != nil {
					t.Errorf("%s, with a store that is well: %q, %v", kind, kept, err)
				}
				break
			}
			if !errors.Is(err, session.ErrStore) || kept != nil {
				t.Errorf("%s, call %d: %q, %v", kind, n, kept, err)
			}
		}
	}
}

func TestArchiveOutage(t *testing.T) {
	for _, broken := range []string{"find", "commit"} {
		c := newClock()
		store := newPlainStore(c)
		store.before = func(op, _ string) error {
			if op == broken {
				return errors.New("down")
			}
			return nil
		}
		a := session.NewArchive(keys(t, 1), site(t, "https://app.example"), store, c.now)
		if _, err := a.Replace(context.Background(), "x", nil, []byte("one"), later); !errors.Is(err, session.ErrStore) {
			t.Errorf("%s: %v", broken, err)
		}
		if _, err := a.Read(context.Background(), "x"); (broken == "find") != errors.Is(err, session.ErrStore) {
			t.Errorf("%s: reading: %v", broken, err)
		}
	}
}
