package oidcrp_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// newTokenApp starts an application that keeps tokens for the API of op.
func newTokenApp(t *testing.T, op *oidcrptest.Provider, change func(*oidcrp.Config)) *app {
	t.Helper()
	a := newApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Store = oidcrp.NewMemoryStore()
		p := &cfg.Providers[0]
		p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: op.URL(oidcrptest.ResourceEndpoint)}}
		if change != nil {
			change(cfg)
		}
	})
	op.SetNow(a.clock.now)
	t.Cleanup(func() { a.rp.Shutdown(context.Background()) })
	return a
}

// tokenPages are those that need more than a session.
func (a *app) tokenPages(mux *http.ServeMux) {
	// Calls an API with the visitor's token.
	mux.Handle("/call", a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := a.rp.Client(r.Context()).Get(r.URL.Query().Get("api"))
		if err != nil {
			w.WriteHeader(http.StatusBadGateway)
			for _, kind := range []error{oidcrp.ErrNoToken, oidcrp.ErrConsentNeeded, oidcrp.ErrInvalidToken, oidcrp.ErrMisconfigured, oidcrp.ErrProviderUnavailable, oidcrp.ErrStoreUnavailable} {
				if errors.Is(err, kind) {
					fmt.Fprintf(w, "[%v] ", kind)
				}
			}
			fmt.Fprint(w, err)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})))
	mux.Handle("/scoped", a.rp.Require(oidcrp.HasScope("calendar"))(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, "calendar of ", name(r))
	})))
	mux.HandleFunc("/more", func(w http.ResponseWriter, r *http.Request) {
		a.rp.Login(w, r, oidcrp.LoginOptions{Scopes: []string{r.URL.Query().Get("scope")}, ReturnTo: "/scoped"})
	})
	mux.HandleFunc("/terms", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html")
		io.WriteString(w, `<form method="post" action="/accept"><button>terms</button></form>`)
	})
	mux.HandleFunc("/accept", func(w http.ResponseWriter, r *http.Request) {
		a.rp.Resume(w, r, func(l *oidcrp.Login) error {
			if a.resumed != nil {
				return a.resumed(l)
			}
			return nil
		})
	})
	mux.HandleFunc("/update", func(w http.ResponseWriter, r *http.Request) {
		if err := a.rp.Update(w, r, map[string]string{"seen": "yes"}); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		io.WriteString(w, "updated")
	})
}

// call has the application call the API for the visitor.
func (a *app) call(b *oidcrptest.Browser) *oidcrptest.Page {
	return b.Get(a.URL + "/call?api=" + url.QueryEscape(a.op.URL(oidcrptest.ResourceEndpoint)))
}

// fails has the application call the API, in vain.
func (a *app) fails(b *oidcrptest.Browser, kind error) {
	a.t.Helper()
	a.answers(a.call(b), http.StatusBadGateway, "["+kind.Error()+"]")
}

// refreshes are the refresh requests so far.
func refreshes(op *oidcrptest.Provider) (n int) {
	for _, r := range op.Requests(oidcrptest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" {
			n++
		}
	}
	return n
}

// expire lets the access token end, and the session go on.
func (a *app) expire() { a.clock.advance(2 * time.Hour) }

func TestClientCallsAPI(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	for range 3 {
		a.shows(a.call(b), `"sub":"alice"`)
	}
	if n := refreshes(op); n != 0 {
		t.Errorf("%d refreshes of a fresh token", n)
	}
	for range 2 { // the refresh token comes anew each time
		a.expire()
		a.shows(a.call(b), `"sub":"alice"`)
	}
	if n := refreshes(op); n != 2 {
		t.Errorf("%d refreshes", n)
	}
	if got := a.events.of(oidcrp.TokensRefreshed); len(got) != 2 || got[0].Session == "" || got[0].Subject != "alice" {
		t.Errorf("events %+v", got)
	}
	if strings.Contains(a.log.String(), op.Requests(oidcrptest.ResourceEndpoint)[0].Header.Get("Authorization")[7:]) {
		t.Error("a token is in the log")
	}
}

// A provider that refuses a refresh token's second use ends everything then.
func manyRequestsRefreshOnce(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	a.expire()
	cookie := a.sessionCookie(b)
	var failed atomic.Int32
	var wg sync.WaitGroup
	for range 100 {
		wg.Go(func() {
			r, _ := http.NewRequest("GET", a.URL+"/call?api="+url.QueryEscape(op.URL(oidcrptest.ResourceEndpoint)), nil)
			r.AddCookie(cookie)
			resp, err := http.DefaultClient.Do(r)
			if err != nil {
				failed.Add(1)
				return
			}
			defer resp.Body.Close()
			if resp.StatusCode != http.StatusOK {
				failed.Add(1)
			}
		})
	}
	wg.Wait()
	if n := refreshes(op); n != 1 || failed.Load() != 0 {
		t.Errorf("%d refreshes, %d requests failed\nlog: %s", n, failed.Load(), a.log)
	}
	a.shows(a.call(b), `"sub":"alice"`)
}

// nodeLocker is a Locker of two nodes in one process.
type nodeLocker struct {
	mu    sync.Mutex
	locks map[string]chan struct{}
	taken atomic.Int32
}

func (l *nodeLocker) Lock(ctx context.Context, key string) (func(), error) {
	l.mu.Lock()
	if l.locks == nil {
		l.locks = map[string]chan struct{}{}
	}
	if l.locks[key] == nil {
		l.locks[key] = make(chan struct{}, 1)
	}
	lock := l.locks[key]
	l.mu.Unlock()
	select {
	case lock <- struct{}{}:
		l.taken.Add(1)
		return func() { <-lock }, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// onOtherNode has another node with the same configuration call the API.
func (a *app) onOtherNode(rp *oidcrp.RelyingParty, cookie *http.Cookie) int {
	w := httptest.NewRecorder()
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	r.AddCookie(cookie)
	rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		resp, err := rp.Client(r.Context()).Get(a.op.URL(oidcrptest.ResourceEndpoint))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
	})).ServeHTTP(w, r)
	return w.Code
}

func twoNodesRefreshOnce(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	locker := &nodeLocker{}
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Locker = locker })
	b := a.signIn()
	other := a.later(func(*oidcrp.Config) {})
	for round := 1; round <= 3; round++ {
		a.expire()
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				rp := a.rp
				if i%2 == 0 {
					rp = other
				}
				if status := a.onOtherNode(rp, a.sessionCookie(b)); status != http.StatusOK {
					t.Errorf("status %d", status)
				}
			})
		}
		wg.Wait()
		if n := refreshes(op); n != round {
			t.Fatalf("%d refreshes after %d rounds", n, round)
		}
	}
	if locker.taken.Load() == 0 {
		t.Error("the lock was not used")
	}
}

// Nobody waits for a lock to be given up: the tokens are there. Shutdown does.
func TestSlowUnlock(t *testing.T) {
	release, released := make(chan bool), make(chan bool)
	locker := &brokenLocker{unlock: func() { <-release; close(released) }}
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Locker = locker })
	b := a.signIn()
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := a.rp.Shutdown(ctx); err == nil {
		t.Error("shut down with a lock held")
	}
	close(release)
	if err := a.rp.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	select {
	case <-released:
	default:
		t.Error("the lock is still held")
	}
}

// Without a lock the node that was slower is told that the refresh token is
// spent, and finds the other's.
func lostRaceOnAnotherNode(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	other := a.later(func(*oidcrp.Config) {})
	a.expire()
	hold, entered := make(chan struct{}), make(chan struct{})
	first := true
	var mu sync.Mutex
	op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.Fault{Name: "slower, and refused", Endpoint: oidcrptest.TokenEndpoint,
		Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			mu.Lock()
			slow := first
			first = false
			mu.Unlock()
			if !slow {
				next.ServeHTTP(w, r)
				return
			}
			close(entered)
			<-hold
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusBadRequest)
			w.Write([]byte(`{"error":"invalid_grant"}`))
		}}))
	status := make(chan int)
	go func() { status <- a.onOtherNode(other, a.sessionCookie(b)) }()
	<-entered
	a.shows(a.call(b), `"sub":"alice"`)
	close(hold)
	if got := <-status; got != http.StatusOK {
		t.Errorf("the slower node got %d\nlog: %s", got, a.log)
	}
	a.shows(a.call(b), `"sub":"alice"`)
}

func providerDoesNotAnswerRefresh(t *testing.T) {
	for name, fault := range map[string]oidcrptest.Fault{
		"500":      oidcrptest.TokenStatus(500),
		"a page":   oidcrptest.TokenHTML,
		"redirect": oidcrptest.TokenRedirect("/elsewhere"),
		"hanging":  oidcrptest.TokenHang,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			op := oidcrptest.NewProvider(t)
			a := newTokenApp(t, op, nil)
			b := a.signIn()
			a.clock.stop()
			op.SetFaults(oidcrptest.OnlyRefreshed(fault))
			// Nearly expired: the old one serves, at once.
			a.clock.advance(time.Hour - 40*time.Second)
			a.shows(a.call(b), `"sub":"alice"`)
			a.rp.Shutdown(context.Background())
			if n := refreshes(op); n != 1 {
				t.Errorf("%d refreshes", n)
			}
			// About to expire: it is waited for, and the old one serves.
			a.clock.advance(35 * time.Second)
			a.shows(a.call(b), `"sub":"alice"`)
			a.clock.advance(time.Minute)
			for range 3 {
				a.fails(b, oidcrp.ErrProviderUnavailable)
			}
			if n := refreshes(op); n != 3 {
				t.Errorf("%d refreshes: a provider that is down is not left alone", n)
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice") // nobody is signed out
			if got := a.events.reason(oidcrp.ProviderFailed); got != "provider_unavailable" {
				t.Errorf("reason %q", got)
			}
			op.SetFaults()
			a.clock.advance(time.Minute)
			a.shows(a.call(b), `"sub":"alice"`)
		})
	}
}

func TestProviderRefusesRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	op.RevokeTokens()
	a.expire()
	for range 3 {
		a.fails(b, oidcrp.ErrNoToken)
	}
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes with a token that was refused", n)
	}
	if got := a.events.reason(oidcrp.RefreshFailed); got != "no_token" {
		t.Errorf("reason %q", got)
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	// A new login brings new tokens.
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
	a.shows(a.call(b), `"sub":"alice"`)
}

func TestClientIsRefusedAtRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.TokenError("invalid_client")))
	a.expire()
	a.fails(b, oidcrp.ErrMisconfigured)
	op.SetFaults() // the operator has put it right
	a.shows(a.call(b), `"sub":"alice"`)
}

// Who is refused at a refresh is refused in the background too, and asked about
// wherever the session is kept.
func TestRefusedAtRefresh(t *testing.T) {
	refuse := &oidcrp.Refusal{Message: "no"}
	for name, hook := range map[string]func(*oidcrp.Config){
		"by OnRefresh": func(cfg *oidcrp.Config) {
			cfg.OnRefresh = func(context.Context, *oidcrp.Login) error { return refuse }
		},
		"by StillAllowed": func(cfg *oidcrp.Config) {
			cfg.StillAllowedEvery = 100 * time.Hour
			cfg.StillAllowed = func(context.Context, *oidcrp.Session) error { return refuse }
		},
	} {
		for _, cookies := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, cookie sessions %v", name, cookies), func(t *testing.T) {
				op := oidcrptest.NewProvider(t)
				a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
					cfg.CookieSessions, cfg.Providers[0].KeepOffline = cookies, true
					hook(cfg)
				})
				b := a.signIn()
				c := a.sessionCookie(b)
				a.expire()
				if page := a.call(b); page.Status != http.StatusBadGateway {
					t.Errorf("the call: %v", page)
				}
				if who := a.whoHas(c); who != "nobody" {
					t.Errorf("the session is %s's", who)
				}
				u := oidcrp.Identity{Provider: "test", Issuer: op.Issuer(), Subject: "alice"}
				if res, err := a.rp.ClientFor(t.Context(), u).Get(op.URL(oidcrptest.ResourceEndpoint)); !errors.Is(err, oidcrp.ErrNoToken) {
					t.Errorf("a job: %v, %v", res, err)
				}
			})
		}
	}
}

func refreshedTokenOfAnother(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	for name, tt := range map[string]struct {
		fault oidcrptest.Fault
		ended bool
	}{
		"issuer":         {oidcrptest.IDTokenSuffix("iss", "1"), true},
		"subject":        {oidcrptest.IDTokenSuffix("sub", "1"), true},
		"audience":       {oidcrptest.WrongAudience, true},
		"nonce":          {oidcrptest.WrongNonce, true},
		"auth_time":      {oidcrptest.StaleAuthTime, true},
		"signature":      {oidcrptest.ScrambledSignature, false},
		"expired":        {oidcrptest.ExpiredToken, false},
		"access token":   {oidcrptest.WrongATHash, false},
		"kind of token":  {oidcrptest.TokenField("token_type", "mac"), false},
		"no access left": {oidcrptest.TokenField("access_token", nil), false},
	} {
		t.Run(name, func(t *testing.T) {
			op.SetFaults()
			op.ResetCalls()
			a := newTokenApp(t, op, nil)
			b := a.signIn()
			op.SetFaults(oidcrptest.OnlyRefreshed(tt.fault))
			op.SignInAs("") // whoever is signed out stays so
			a.expire()
			calls := op.Calls(oidcrptest.ResourceEndpoint)
			a.fails(b, oidcrp.ErrInvalidToken)
			if op.Calls(oidcrptest.ResourceEndpoint) != calls {
				t.Error("the API was called")
			}
			if ended := len(a.events.of(oidcrp.SessionEnded)) == 1; ended != tt.ended {
				t.Errorf("session ended: %v", ended)
			}
			if me := b.Fetch("GET", "/auth/me", nil); (me.Status == http.StatusUnauthorized) != tt.ended {
				t.Errorf("me: %d", me.Status)
			}
			if !tt.ended {
				a.fails(b, oidcrp.ErrNoToken)
				if n := refreshes(op); n != 1 {
					t.Errorf("%d refreshes", n)
				}
			}
		})
	}
}

func TestRefreshTokenThatStays(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.RefreshTokenStays)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	for range 3 {
		a.expire()
		a.shows(a.call(b), `"sub":"alice"`)
	}
	if n := refreshes(op); n != 3 {
		t.Errorf("%d refreshes", n)
	}
}

// What became of a refresh token is of use for a moment, and holds tokens.
func TestSpentTokensAreNotKept(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	for range 5 {
		a.expire()
		a.shows(a.call(b), `"sub":"alice"`)
	}
	if n := oidcrp.SpentKnown(a.rp); n != 1 {
		t.Errorf("%d are remembered", n)
	}
}

// R21: the visitor closes the tab while the refresh is under way.
func tabClosedDuringRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	a.expire()
	entered, hold := make(chan struct{}, 1), make(chan struct{})
	op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.Fault{Name: "wait", Endpoint: oidcrptest.TokenEndpoint,
		Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			entered <- struct{}{}
			<-hold
			next.ServeHTTP(w, r)
		}}))
	ctx, cancel := context.WithCancel(context.Background())
	r := httptest.NewRequest("GET", a.URL+"/", nil).WithContext(ctx)
	r.AddCookie(a.sessionCookie(b))
	got := make(chan error)
	go a.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		_, err := a.rp.Client(r.Context()).Get(op.URL(oidcrptest.ResourceEndpoint))
		got <- err
	})).ServeHTTP(httptest.NewRecorder(), r)
	<-entered
	cancel()
	if err := <-got; !errors.Is(err, context.Canceled) {
		t.Fatalf("got %v", err)
	}
	close(hold)
	if err := a.rp.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	op.SetFaults()
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

// holdRefresh lets the provider answer the next refresh, and keeps the answer
// back until it is released. The channel gets what was answered.
func (a *app) holdRefresh() (entered chan map[string]any, release func()) {
	entered, hold := make(chan map[string]any, 1), make(chan struct{})
	a.op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.Fault{Name: "wait with the answer", Endpoint: oidcrptest.TokenEndpoint,
		Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
			answer := httptest.NewRecorder()
			next.ServeHTTP(answer, r)
			var body map[string]any
			if err := json.Unmarshal(answer.Body.Bytes(), &body); err != nil {
				a.t.Error(err)
			}
			entered <- body
			<-hold
			maps.Copy(w.Header(), answer.Header())
			w.Write(answer.Body.Bytes())
		}}))
	return entered, func() { close(hold) }
}

// R28: a logout during a refresh wins, and nothing is left of the tokens.
func logoutDuringRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	a.expire()
	cookie := a.sessionCookie(b)
	entered, release := a.holdRefresh()
	status := make(chan int)
	go func() { status <- a.onOtherNode(a.rp, cookie) }()
	<-entered
	b.Get(a.URL + "/leave")
	release()
	if got := <-status; got != http.StatusBadGateway {
		t.Errorf("got %d", got)
	}
	a.rp.Shutdown(context.Background())
	if calls := op.Calls(oidcrptest.ResourceEndpoint); calls != 0 {
		t.Errorf("%d calls to the API", calls)
	}
	revoked := op.Requests(oidcrptest.RevokeEndpoint)
	if len(revoked) != 2 || revoked[0].Form.Get("token") == revoked[1].Form.Get("token") {
		t.Errorf("revoked %d tokens: want the old one and the new one", len(revoked))
	}
	if n := len(op.Requests(oidcrptest.TokenEndpoint)); n != 2 {
		t.Errorf("%d token requests", n)
	}
}

func TestSignOutRevokesTokens(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	b.Get(a.URL + "/leave")
	a.rp.Shutdown(context.Background())
	r := op.Requests(oidcrptest.RevokeEndpoint)
	if len(r) != 1 || r[0].Form.Get("token") == "" || r[0].Header.Get("Authorization") == "" {
		t.Fatalf("revocations %+v", r)
	}
	// The same user's next login in place of the session revokes nothing: that
	// could end the new grant too.
	b = a.signIn()
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 1 {
		t.Errorf("%d revocations", n)
	}
	a.shows(a.call(b), `"sub":"alice"`)
}

// The visitor sends the sign-out and closes the tab: all of it happens.
func TestSignOutOfWhoGoesAway(t *testing.T) {
	op, store := oidcrptest.NewProvider(t), newPlain()
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Store = store })
	b, other := a.signIn(), a.signIn()
	ctx, goAway := context.WithCancel(context.Background())
	r := httptest.NewRequestWithContext(ctx, "POST", a.URL+"/auth/logout", strings.NewReader("everywhere=1"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Origin", a.URL)
	r.AddCookie(a.sessionCookie(b))
	store.fail(func() error { goAway(); return nil }, "Find") // the first question to the store
	a.rp.ServeHTTP(httptest.NewRecorder(), r)
	store.fail(nil)
	if ctx.Err() == nil {
		t.Fatal("the store was not asked")
	}
	for i, cookie := range []*http.Cookie{a.sessionCookie(b), a.sessionCookie(other)} {
		if who := a.whoHas(cookie); who != "nobody" {
			t.Errorf("session %d is still %s's\nlog: %s", i, who, a.log)
		}
	}
	a.rp.Shutdown(context.Background())
	if n := op.Calls(oidcrptest.RevokeEndpoint); n != 2 {
		t.Errorf("%d revocations\nlog: %s", n, a.log)
	}
}

// R16: the store does not take the new tokens, when the old ones are spent.
func storeFailsDuringRefresh(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	store := newPlain()
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Store = store })
	b := a.signIn()
	a.expire()
	store.fail(breakages["error"], "Commit")
	for range 2 {
		a.fails(b, oidcrp.ErrStoreUnavailable)
	}
	store.fail(nil)
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
}

func TestTokenStatus(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	status := func() oidcrp.TokenStatus { return a.tokenStatus(b) }
	if s := status(); s.State != "active" || !s.HasRefresh || !strings.Contains(fmt.Sprint(s.Scopes), "offline_access") || s.Expiry.IsZero() {
		t.Errorf("got %+v", s)
	}
	a.expire()
	if s := status(); s.State != "expired" || !s.HasRefresh {
		t.Errorf("got %+v", s)
	}
	op.RevokeTokens()
	a.fails(b, oidcrp.ErrNoToken)
	if s := status(); s.State != "expired" || s.HasRefresh {
		t.Errorf("got %+v", s)
	}
	if _, err := a.rp.TokenStatus(context.Background()); !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("got %v", err)
	}
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
	bare := newApp(t, oidcrptest.NewProvider(t), func(cfg *oidcrp.Config) { cfg.Store = oidcrp.NewMemoryStore() })
	a, b = bare, bare.signIn()
	if s := status(); s.State != "none" || s.HasRefresh {
		t.Errorf("got %+v", s)
	}
}
