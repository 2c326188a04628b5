package stores

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/alexedwards/scs/goredisstore"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// It wakes who waits: the lease alone would take an hour.
func TestRedisLockerWakes(t *testing.T) {
	server := startRedis(t)
	a, b := &RedisLocker{server.client(t), time.Hour}, &RedisLocker{server.client(t), time.Hour}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	held, most := 0, 0
	var mu sync.Mutex
	count := func(n int) {
		mu.Lock()
		defer mu.Unlock()
		held += n
		most = max(most, held)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		locker := a
		if i%2 == 0 {
			locker = b
		}
		wg.Go(func() {
			unlock, err := locker.Lock(ctx, "alice")
			if err != nil {
				t.Error(err)
				return
			}
			count(1)
			count(-1)
			unlock()
		})
	}
	wg.Wait()
	if most != 1 {
		t.Errorf("%d held the lock at once", most)
	}
}

func TestRedisLockerLeases(t *testing.T) {
	server := startRedis(t)
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	client := server.client(t)
	l := &RedisLocker{client, 500 * time.Millisecond}
	// A node that died held it.
	if err := client.Set(ctx, "lock:alice", "dead", 50*time.Millisecond).Err(); err != nil {
		t.Fatal(err)
	}
	unlock, err := l.Lock(ctx, "alice")
	if err != nil {
		t.Fatal(err)
	}
	// It is renewed: what is left of the lease grows again.
	for before := l.Lease; ; {
		left, err := client.PTTL(ctx, "lock:alice").Result()
		if err != nil || left <= 0 {
			t.Fatalf("%v left: %v", left, err)
		}
		if left > before {
			break
		}
		before = left
	}
	// Who does not wait any longer is told.
	short, stop := context.WithCancel(ctx)
	stop()
	if _, err := l.Lock(short, "alice"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	unlock()
	if n, err := client.Exists(ctx, "lock:alice").Result(); n != 0 || err != nil {
		t.Errorf("still held: %v", err)
	}
}

// Two nodes, with sessions and locks in one Redis, refresh a token once.
func TestTwoNodesRefreshOnce(t *testing.T) {
	server := startRedis(t)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("Authorization"))
	}))
	t.Cleanup(api.Close)
	var nodes []http.Handler
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: api.URL}}
		for range 2 {
			client := server.client(t)
			rp, err := oidcrp.New(oidcrp.Config{
				BaseURL: baseURL, CookieKeys: keys, Providers: []oidcrp.Provider{p},
				Store: goredisstore.New(client), Locker: &RedisLocker{Client: client},
			})
			if err != nil {
				return nil, err
			}
			nodes = append(nodes, rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				res, err := rp.Client(r.Context()).Get(api.URL)
				if err != nil {
					http.Error(w, err.Error(), http.StatusBadGateway)
					return
				}
				defer res.Body.Close()
				io.Copy(w, res.Body)
			})))
		}
		return nodes[0], nil
	})
	a.Provider.SetTokenLifetime(0) // it has ended when it comes
	a.SignIn("alice", "/auth/login")
	a.Provider.SetTokenLifetime(time.Hour)
	a.Provider.ResetCalls()
	var wg sync.WaitGroup
	var mu sync.Mutex
	answers := map[string]int{}
	for i := range 100 {
		wg.Go(func() {
			w, r := httptest.NewRecorder(), httptest.NewRequest("GET", a.URL+"/", nil)
			for _, c := range a.Browser.Cookies(a.URL) {
				r.AddCookie(c)
			}
			nodes[i%2].ServeHTTP(w, r)
			mu.Lock()
			defer mu.Unlock()
			answers[w.Body.String()]++
		})
	}
	wg.Wait()
	if n := a.Provider.Calls(oidcrptest.TokenEndpoint); n != 1 || len(answers) != 1 {
		t.Errorf("%d refreshes; answers: %v", n, answers)
	}
}
