// Package stores shows sessions in every kind of storage: none, memory, SQLite
// and Redis. The stores are those of alexedwards/scs, as they are.
package stores

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/alexedwards/scs/goredisstore"
	"github.com/alexedwards/scs/sqlite3store"
	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// keys are those of every node.
var keys = [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}

// app greets whoever is signed in.
func app(store oidcrp.Store) apptest.Build {
	return func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		rp, err := oidcrp.New(oidcrp.Config{
			BaseURL:    baseURL,
			CookieKeys: keys,
			Providers:  []oidcrp.Provider{p},
			Store:      store,
		})
		if err != nil {
			return nil, err
		}
		mux := http.NewServeMux()
		mux.Handle("GET /private", rp.RequireLogin(http.HandlerFunc(greet)))
		mux.HandleFunc("GET /", greet)
		return rp.Load(mux), nil
	}
}

func greet(w http.ResponseWriter, r *http.Request) {
	s := oidcrp.FromContext(r.Context())
	if s == nil {
		fmt.Fprint(w, "Hello stranger")
		return
	}
	fmt.Fprintf(w, "Hello %s", s.Name())
}

// works signs in, looks, and signs out.
func works(t *testing.T, store oidcrp.Store) {
	t.Helper()
	a := apptest.Start(t, app(store))
	if page := a.SignIn("alice", "/private"); page.Status != http.StatusOK || page.Body != "Hello Alice Archer" {
		t.Fatalf("after signing in at %v: %d %q", page.URL, page.Status, page.Body)
	}
	if page := a.Browser.Get(a.URL + "/"); page.Body != "Hello Alice Archer" {
		t.Errorf("the next request: %q", page.Body)
	}
	a.Browser.Get(a.URL + "/auth/logout") // asks first
	a.Browser.SubmitForm("", nil)
	if page := a.Browser.Get(a.URL + "/"); page.Body != "Hello stranger" {
		t.Errorf("after signing out: %q", page.Body)
	}
}

func TestNoStore(t *testing.T) { works(t, nil) }

func TestMemoryStore(t *testing.T) {
	t.Parallel() // records take some seconds to expire
	works(t, oidcrp.NewMemoryStore())
	oidcrptest.TestStore(t, oidcrp.NewMemoryStore())
}

func TestSQLiteStore(t *testing.T) {
	t.Parallel()
	store := sqlite3store.New(openSQLite(t))
	t.Cleanup(store.StopCleanup)
	works(t, store)
	oidcrptest.TestStore(t, store)
}

func openSQLite(t *testing.T) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(t.TempDir(), "sessions.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(WAL)")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	_, err = db.Exec(`CREATE TABLE sessions (token TEXT PRIMARY KEY, data BLOB NOT NULL, expiry REAL NOT NULL)`)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func TestRedisStore(t *testing.T) {
	t.Parallel()
	store := goredisstore.New(startRedis(t).client(t))
	works(t, store)
	oidcrptest.TestStore(t, store)
}

// Nothing of a session can be read in the store, and nothing in it opens one.
func TestRecordsAreSealed(t *testing.T) {
	client := startRedis(t).client(t)
	a := apptest.Start(t, app(goredisstore.New(client)))
	a.SignIn("alice", "/private")

	ctx := context.Background()
	names, err := client.Keys(ctx, "*").Result()
	if err != nil {
		t.Fatal(err)
	}
	if len(names) == 0 {
		t.Fatal("nothing is stored")
	}
	for _, name := range names {
		record, err := client.Get(ctx, name).Result()
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{"alice", "Alice", "example.com"} {
			if strings.Contains(name+record, text) {
				t.Errorf("record %q shows %q", name, text)
			}
		}
	}
}

// Two nodes share a Redis and the keys: what one starts, the other knows.
func TestTwoNodes(t *testing.T) {
	client := startRedis(t).client(t)
	var nodes [2]http.Handler
	var requests atomic.Int64
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		for i := range nodes {
			var err error
			if nodes[i], err = app(goredisstore.New(client))(baseURL, p); err != nil {
				return nil, err
			}
		}
		// Every request goes to the other node than the one before.
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			nodes[requests.Add(1)%2].ServeHTTP(w, r)
		}), nil
	})
	if page := a.SignIn("bob", "/private"); page.Body != "Hello Bob Baker" {
		t.Fatalf("after signing in: %d %q", page.Status, page.Body)
	}
	for range 2 {
		if page := a.Browser.Get(a.URL + "/private"); page.Body != "Hello Bob Baker" {
			t.Errorf("after %d requests: %d %q", requests.Load(), page.Status, page.Body)
		}
	}
}

// A store that is gone is never taken for "not signed in": visitors get 503,
// keep their cookie, and are signed in as soon as it is back.
func TestRedisStoppedUnderASignedInVisitor(t *testing.T) {
	server := startRedis(t)
	client := server.client(t)
	a := apptest.Start(t, app(goredisstore.New(client)))
	a.SignIn("alice", "/private")

	out := func(t *testing.T) {
		t.Helper()
		for _, path := range []string{"/private", "/"} {
			page := a.Browser.Get(a.URL + path)
			if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" {
				t.Errorf("%s while Redis is out: %d, Retry-After %q", path, page.Status, page.Header.Get("Retry-After"))
			}
			if page.URL.Path != path {
				t.Errorf("%s while Redis is out ended at %v", path, page.URL)
			}
			if set := page.Header.Values("Set-Cookie"); len(set) > 0 {
				t.Errorf("%s while Redis is out set %q", path, set)
			}
		}
	}
	back := func(t *testing.T) {
		t.Helper()
		page := a.Browser.Get(a.URL + "/private")
		if page.Status != http.StatusOK || page.Body != "Hello Alice Archer" {
			t.Errorf("with Redis back: %d %q", page.Status, page.Body)
		}
	}
	t.Run("ended and started again", func(t *testing.T) {
		server.stop(t)
		out(t)
		server.start(t)
		back(t)
	})
	t.Run("hanging and going on", func(t *testing.T) {
		server.hang(t)
		out(t)
		server.goOn(t)
		back(t)
	})
	t.Run("a stranger", func(t *testing.T) {
		server.stop(t)
		stranger := oidcrptest.NewBrowser(t)
		if page := stranger.Get(a.URL + "/"); page.Status != http.StatusOK || page.Body != "Hello stranger" {
			t.Errorf("a public page while Redis is out: %d %q", page.Status, page.Body)
		}
		server.start(t)
	})
}
