package session_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

func TestMemoryStore(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.NewMemoryStore(0)
		in := []byte("one")
		must(t, m.Commit("a", in, time.Now().Add(time.Hour)))
		in[0] = 'X'
		out := find(t, m, "a", "one")
		out[0] = 'Y'
		find(t, m, "a", "one")
		must(t, m.Commit("a", []byte("two"), time.Now().Add(time.Minute)))
		find(t, m, "a", "two")
		time.Sleep(time.Minute)
		find(t, m, "a", "")
		must(t, m.Commit("b", []byte("b"), time.Now().Add(time.Minute)))
		must(t, m.Delete("b"))
		must(t, m.Delete("b"))
		find(t, m, "b", "")
		must(t, m.Commit("c", []byte("c"), time.Now().Add(-time.Minute)))
		find(t, m, "c", "")
	})
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// find wants a value, or none if want is "".
func find(t testing.TB, m *session.MemoryStore, key, want string) []byte {
	t.Helper()
	b, found, err := m.Find(key)
	must(t, err)
	if found != (want != "") || string(b) != want {
		t.Fatalf("%s: got %q, %t, want %q", key, b, found, want)
	}
	return b
}

func TestMemoryStoreAddsOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m, ctx := session.NewMemoryStore(0), context.Background()
		add := func(want bool) {
			t.Helper()
			added, err := m.Add(ctx, "k", []byte("v"), time.Now().Add(time.Minute))
			must(t, err)
			if added != want {
				t.Errorf("added: %t", added)
			}
		}
		add(true)
		add(false)
		time.Sleep(time.Minute)
		add(true)
		must(t, m.Delete("k"))
		add(true)
	})
}

func TestMemoryStoreHeedsItsContext(t *testing.T) {
	m := session.NewMemoryStore(0)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	later := time.Now().Add(time.Hour)
	_, _, find := m.FindCtx(ctx, "k")
	_, add := m.Add(ctx, "k", nil, later)
	for what, err := range map[string]error{"find": find, "add": add, "commit": m.CommitCtx(ctx, "k", nil, later), "delete": m.DeleteCtx(ctx, "k")} {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, found, _ := m.Find("k"); found {
		t.Error("something was stored")
	}
}

func TestMemoryStoreIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.NewMemoryStore(100)
		rnd := rand.New(rand.NewPCG(5, 6))
		for i := range 1000 {
			must(t, m.Commit(fmt.Sprint(i), []byte("v"), time.Now().Add(time.Hour+time.Duration(i)*time.Second)))
			if rnd.IntN(3) == 0 {
				must(t, m.Delete(fmt.Sprint(rnd.IntN(i+1))))
			}
		}
		kept := 0
		for i := range 1000 {
			if _, found, _ := m.Find(fmt.Sprint(i)); found {
				kept++
				if i < 800 {
					t.Errorf("%d is kept, though it expires sooner than others", i)
				}
			}
		}
		if kept > 100 || kept < 50 {
			t.Errorf("%d of at most 100 are kept", kept)
		}
		// What is past takes nobody's room.
		for i := range 100 {
			must(t, m.Commit(fmt.Sprint("full", i), []byte("v"), time.Now().Add(2*time.Hour)))
		}
		must(t, m.Commit("past", []byte("v"), time.Now().Add(-time.Second)))
		for i := range 100 {
			find(t, m, fmt.Sprint("full", i), "v")
		}
		// What expired makes room before what has not.
		time.Sleep(3 * time.Hour)
		must(t, m.Commit("last", []byte("v"), time.Now().Add(time.Second)))
		for i := range 99 {
			must(t, m.Commit(fmt.Sprint("new", i), []byte("v"), time.Now().Add(time.Hour)))
		}
		find(t, m, "last", "v")
	})
}

// The store agrees with a map whatever happens to it.
func TestMemoryStoreProperty(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := session.NewMemoryStore(1000)
		type item struct {
			v      string
			expiry time.Time
		}
		model := make(map[string]item)
		rnd := rand.New(rand.NewPCG(7, 8))
		for range 5000 {
			key := fmt.Sprint(rnd.IntN(50))
			switch rnd.IntN(5) {
			case 0, 1:
				it := item{fmt.Sprint(rnd.Uint32()), time.Now().Add(time.Duration(rnd.IntN(100)) * time.Second)}
				model[key] = it
				must(t, m.Commit(key, []byte(it.v), it.expiry))
			case 2:
				delete(model, key)
				must(t, m.Delete(key))
			case 3:
				time.Sleep(time.Duration(rnd.IntN(2000)) * time.Millisecond)
			}
			want := ""
			if it, ok := model[key]; ok && it.expiry.After(time.Now()) {
				want = it.v
			}
			find(t, m, key, want)
		}
	})
}

func TestMemoryStoreConcurrently(t *testing.T) {
	m := session.NewMemoryStore(20)
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for j := range 200 {
				key, later := fmt.Sprint((i*j)%40), time.Now().Add(time.Hour)
				if err := m.Commit(key, []byte(key), later); err != nil {
					t.Error(err)
				}
				if b, found, _ := m.Find(key); found && string(b) != key {
					t.Errorf("under %s lies %s", key, b)
				}
				if _, err := m.Add(context.Background(), key, []byte(key), later); err != nil {
					t.Error(err)
				}
				if j%7 != 0 {
					continue
				}
				if err := m.Delete(key); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
