package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"time"

	"github.com/gorilla/securecookie"
	"golang.org/x/oauth2"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// strictEndpoint is a token endpoint that takes 20 ms and refuses a refresh
// token's second use. Tokens are so short-lived that each round begins with an
// expired one.
type strictEndpoint struct {
	*httptest.Server
	op     *fakeProvider
	mu     sync.Mutex
	valid  string
	issued int
	calls  atomic.Int64
}

func newStrictEndpoint() *strictEndpoint {
	e := &strictEndpoint{op: newProvider()}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		id, lifetime := "", 3600
		switch r.FormValue("grant_type") {
		case "authorization_code":
			id, lifetime = fmt.Sprintf(`, "id_token": %q`, e.op.idToken(r.FormValue("code"))), 1
			e.mu.Lock()
		default:
			e.calls.Add(1)
			time.Sleep(20 * time.Millisecond)
			e.mu.Lock()
			if r.FormValue("refresh_token") != e.valid {
				e.mu.Unlock()
				w.WriteHeader(http.StatusBadRequest)
				io.WriteString(w, `{"error": "invalid_grant"}`)
				return
			}
		}
		e.issued++
		e.valid = fmt.Sprint("refresh-", e.issued)
		answer := fmt.Sprintf(`{"access_token": "access-%d", "token_type": "Bearer", "expires_in": %d, "refresh_token": %q%s}`, e.issued, lifetime, e.valid, id)
		e.mu.Unlock()
		io.WriteString(w, answer)
	}))
	return e
}

func (e *strictEndpoint) close() {
	e.Close()
	e.op.Close()
}

// crowd is 100 requests for a token: 50 at once, 50 more 60 ms later.
func crowd(token func() error) (failed int64, took time.Duration) {
	var failures atomic.Int64
	var wg sync.WaitGroup
	begun := time.Now()
	for range 2 {
		for range 50 {
			wg.Go(func() {
				if token() != nil {
					failures.Add(1)
				}
			})
		}
		if rest := 60*time.Millisecond - time.Since(begun); rest > 0 {
			time.Sleep(rest)
		}
	}
	wg.Wait()
	return failures.Load(), time.Since(begun)
}

// stampede is E.
func stampede(r *run) {
	fmt.Print("\nE: 100 requests of one user whose access token has expired, at an endpoint of 20 ms\n\n")
	var ours, kept, locked []time.Duration
	most, failures := int64(0), int64(0)
	for range max(3, r.rounds/3) {
		calls, failed, took := crowdOfOurs(1, nil)
		most, failures, ours = max(most, calls), failures+failed, append(ours, took)
		calls, failed, took = crowdOfOurs(2, &localLocker{held: map[string]chan struct{}{}})
		most, failures, locked = max(most, calls), failures+failed, append(locked, took)
		calls, failed, took = crowdOf(true)
		if calls != 1 || failed != 0 {
			panic("the kept source of x/oauth2 called more than once")
		}
		kept = append(kept, took)
	}
	calls, failed, _ := crowdOf(false)
	fmt.Printf("oidcrp: %d token call, %d failed, %s\n", most, failures, median(ours).Round(time.Millisecond))
	fmt.Printf("oidcrp, two nodes with a Locker: %s\n", median(locked).Round(time.Millisecond))
	fmt.Printf("x/oauth2, one kept source: 1 token call, 0 failed, %s\n", median(kept).Round(time.Millisecond))
	fmt.Printf("x/oauth2, a source for each request: %d token calls, %d failed\n", calls, failed)
	r.target("E, token calls of 100 requests: 1", fmt.Sprint(most), most == 1)
	r.target("E, failed requests: 0", fmt.Sprint(failures), failures == 0)
	r.atMost("E, x one kept source", float64(median(ours))/float64(median(kept)), 1.1)
	r.atMost("E with a shared lock, x one kept source", float64(median(locked))/float64(median(kept)), 2)
}

// crowdOf is x/oauth2, as it is mostly used or with one source for a session.
func crowdOf(keep bool) (calls, failed int64, took time.Duration) {
	e := newStrictEndpoint()
	defer e.close()
	e.valid = "refresh-0"
	config := oauth2.Config{ClientID: "app", ClientSecret: "secret", Endpoint: oauth2.Endpoint{TokenURL: e.URL, AuthStyle: oauth2.AuthStyleInParams}}
	old := &oauth2.Token{AccessToken: "old", RefreshToken: "refresh-0", Expiry: time.Now().Add(-time.Minute)}
	source := config.TokenSource(context.Background(), old)
	failed, took = crowd(func() error {
		s := source
		if !keep {
			s = config.TokenSource(context.Background(), old)
		}
		_, err := s.Token()
		return err
	})
	return e.calls.Load(), failed, took
}

// crowdOfOurs is ours on so many nodes, which share a store in memory.
func crowdOfOurs(nodes int, locker oidcrp.Locker) (calls, failed int64, took time.Duration) {
	e := newStrictEndpoint()
	defer e.close()
	api := "https://api.example"
	config := oidcrp.Config{
		BaseURL: "http://localhost:3000", CookieKeys: [][]byte{securecookie.GenerateRandomKey(32)}, Store: oidcrp.NewMemoryStore(), Locker: locker, LoginPath: "/login",
		Providers: []oidcrp.Provider{{Issuer: e.op.URL, ClientID: "app", ClientSecret: "secret", RedirectPath: "/callback", Algorithms: []string{"ES256"},
			Endpoints: oidcrp.Endpoints{Token: e.URL}, KeepTokens: true, APIs: []oidcrp.API{{URL: api}}}},
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
	rp := must(oidcrp.New(config))
	begun := page(rp, "/login")
	back := page(rp, signsIn(begun.Header.Get("Location")), begun.Cookies()...)
	var all []http.Handler
	for range nodes {
		rp := must(oidcrp.New(config))
		all = append(all, rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if t, err := rp.TokenSource(r.Context(), api).Token(); err != nil || t.AccessToken == "access-1" {
				w.WriteHeader(http.StatusBadGateway)
			}
		})))
	}
	var turn atomic.Int64
	time.Sleep(1100 * time.Millisecond) // the access token expires
	failed, took = crowd(func() error {
		if res := page(all[int(turn.Add(1))%nodes], "/", back.Cookies()...); res.StatusCode != http.StatusOK {
			return fmt.Errorf("status %d", res.StatusCode)
		}
		return nil
	})
	return e.calls.Load(), failed, took
}

// localLocker is a lock that nodes in one process share.
type localLocker struct {
	mu   sync.Mutex
	held map[string]chan struct{}
}

// Lock implements [oidcrp.Locker].
func (l *localLocker) Lock(ctx context.Context, key string) (func(), error) {
	for {
		l.mu.Lock()
		waiting, taken := l.held[key]
		if !taken {
			free := make(chan struct{})
			l.held[key] = free
			l.mu.Unlock()
			return func() {
				l.mu.Lock()
				delete(l.held, key)
				l.mu.Unlock()
				close(free)
			}, nil
		}
		l.mu.Unlock()
		select {
		case <-waiting:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}
