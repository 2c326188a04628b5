package oidcrp_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/proptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// TestProperty states what holds whatever happens. Those of tokens, JSON and
// sealed values are in the rooms that keep them.
func TestProperty(t *testing.T) {
	t.Run("a session for each spent transaction", sessionsAreTransactions)
	t.Run("a return URL is ours", returnURLsAreOurs)
	t.Run("a session is one cookie or none", sessionsAreOneCookie)
	t.Run("a logout is final", logoutsAreFinal)
	t.Run("a request makes few calls", callsAreBounded)
}

// begun is a login under way.
type begun struct {
	browser      int // which of them began it
	state, nonce string
	over         bool // its answer was brought, or its browser signed out
}

// sessionsAreTransactions: browsers begin logins and bring answers, right ones
// and wrong ones, their own and others', once and again, and sign out between.
// A session starts just when a right answer comes first, to who asked for it.
func sessionsAreTransactions(t *testing.T) {
	r := proptest.New(t)
	e := newErrand(t, "")
	jars := make([]map[string]*http.Cookie, 3)
	var all []*begun
	sessions, users := 0, 0
	for range 400 {
		who := r.IntN(len(jars))
		e.jar = jars[who]
		switch step := r.IntN(10); {
		case step < 4:
			w := e.get("/auth/login?return_to=/x")
			if w.Code != http.StatusFound {
				t.Fatalf("no login: %d %s", w.Code, w.Body)
			}
			q := e.atOP(w)
			all = append(all, &begun{browser: who, state: q.Get("state"), nonce: q.Get("nonce")})
		case step < 9 && len(all) > 0:
			l := all[r.IntN(len(all))]
			if r.IntN(3) > 0 { // rather one of the latest, by its own browser
				l = all[max(0, len(all)-1-r.IntN(3))]
				who, e.jar = l.browser, jars[l.browser]
			}
			users++
			now := time.Now()
			claims := map[string]any{"iss": e.op.URL, "sub": fmt.Sprint("user", users), "aud": "app", "nonce": l.nonce, "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
			answer := url.Values{"state": {l.state}}
			wrong := r.IntN(5)
			switch wrong {
			case 0:
				claims["nonce"] = "another"
			case 1:
				claims["aud"] = "another"
			}
			if answer.Set("id_token", e.op.sign("front", claims)); wrong == 2 {
				answer = url.Values{"state": {l.state}, "error": {"access_denied"}}
			}
			w := e.bring(answer)
			got, want := startsSession(w), who == l.browser && !l.over && wrong > 2
			if got != want {
				t.Fatalf("a session: %v, want %v: %+v, wrong %d, by browser %d: %d %s", got, want, l, wrong, who, w.Code, w.Body)
			}
			if l.over = l.over || who == l.browser; got {
				sessions++
			}
			if e.get("/x"); got && e.get("/auth/me").Code != http.StatusOK {
				t.Fatal("the session is none")
			}
		default:
			e.send("POST", "/auth/logout", url.Values{}, nil)
			for _, l := range all {
				l.over = l.over || l.browser == who
			}
		}
		jars[who] = e.jar
	}
	if sessions < 10 {
		t.Errorf("only %d sessions of %d logins", sessions, len(all))
	}
}

func startsSession(w *httptest.ResponseRecorder) bool {
	for _, c := range w.Result().Cookies() {
		if strings.Contains(c.Name, "oidcrp_s_") && c.MaxAge >= 0 && c.Value != "" {
			return true
		}
	}
	return false
}

// randomURL is made of what browsers and parsers disagree about.
func randomURL(r *rand.Rand) string {
	parts := []string{
		"/", "/", "//", `\`, ".", "..", "%2e", "%2f", "%5c", "%", "%00", "%0a", "\t", "\n", "\r", "\x00", "\v", " ", "?", "#", "@", ":", ";", "&", "=", "a", "evil.example", "app.example",
		"https:", "https://", "javascript:", "data:", "[::1]", "\u00a0", "\u3000", "\ufeff", "／", "。", "\u2028", "\xc0\xaf", "\xff", "127.1", "auth/login", errandOrigin,
	}
	var b strings.Builder
	for range 1 + r.IntN(8) {
		if r.IntN(8) == 0 {
			b.WriteByte(byte(r.Uint32()))
			continue
		}
		b.WriteString(parts[r.IntN(len(parts))])
	}
	return b.String()
}

func returnURLsAreOurs(t *testing.T) {
	r := proptest.New(t)
	for _, path := range []string{"", "/app"} {
		e := newErrand(t, path)
		for range 4000 {
			raw := randomURL(r)
			if r.IntN(2) == 0 {
				raw = path + "/" + raw
			}
			if to := byLogout(e, raw); leavesUs(errandOrigin, path, to) != "" {
				t.Fatalf("%q led to %q: %s", raw, to, leavesUs(errandOrigin, path, to))
			}
		}
	}
}

// sessionsAreOneCookie: however much there is to keep, it is in one cookie that
// browsers take, or the login fails and says so.
func sessionsAreOneCookie(t *testing.T) {
	r := proptest.New(t)
	fits, fails := 0, 0
	e := newErrand(t, "")
	for range 150 {
		e.jar = nil
		q := e.atOP(e.get("/auth/login"))
		now := time.Now()
		name := make([]byte, r.IntN(6000))
		for i := range name {
			name[i] = "abcdefghijklmnopqrstuvwxyz0123456789"[r.IntN(36)]
		}
		w := e.bring(url.Values{"state": q["state"], "id_token": {e.op.sign("front", map[string]any{
			"iss": e.op.URL, "sub": "alice", "aud": "app", "nonce": q.Get("nonce"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "name": string(name),
		})}})
		n := 0
		for _, line := range w.Result().Header["Set-Cookie"] {
			pair, _, _ := strings.Cut(line, ";")
			if strings.Contains(pair, "oidcrp_s_") {
				n++
			}
			if size := len(pair) - len("="); size > 4096 { // of name and value (RFC 6265bis 5.6)
				t.Errorf("a cookie of %d bytes", size)
			}
		}
		switch {
		case w.Code == http.StatusSeeOther && n == 1:
			fits++
			if me := e.get("/auth/me").Body.String(); !strings.Contains(me, `"name":"`+string(name)+`"`) {
				t.Errorf("%d bytes did not come back: %s", len(name), me)
			}
		case w.Code == http.StatusInternalServerError && n == 0:
			fails++
		default:
			t.Errorf("%d bytes: %d with %d cookies", len(name), w.Code, n)
		}
	}
	if fits == 0 || fails == 0 {
		t.Errorf("%d fit, %d did not", fits, fails)
	}
}

// logoutsAreFinal: while pages are asked for, the session is renewed and its
// tokens are refreshed, the visitor signs out. Of all the cookies there were none
// has a session then, and none gets a token.
func logoutsAreFinal(t *testing.T) {
	r := proptest.New(t)
	for mode, change := range map[string]func(*oidcrp.Config){
		"store": nil, "cookie beside a store": logoutModes["cookie"],
		"cookie": func(c *oidcrp.Config) { c.Store, c.Providers[0].KeepTokens, c.Providers[0].APIs = nil, false, nil },
	} {
		store := newPlain()
		// A token is over before the next step.
		a := newTokenApp(t, oidcrptest.NewProvider(t, oidcrptest.TokenField("expires_in", 2)), func(c *oidcrp.Config) {
			c.Store, c.IdleTimeout = store, time.Minute // requests extend it
			c.OnRefresh = func(_ context.Context, l *oidcrp.Login) error { l.Set("note", "refreshed"); return nil }
			if change != nil {
				change(c)
			}
		})
		h := a.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			switch r.URL.Path {
			case "/update":
				a.rp.Update(w, r, map[string]string{"note": "x"})
			case "/call":
				if res, err := a.rp.Client(r.Context()).Get(a.op.URL(oidcrptest.ResourceEndpoint)); err == nil {
					res.Body.Close()
				}
			}
			fmt.Fprint(w, name(r))
		}))
		visit := func(method, path string, c *http.Cookie) *httptest.ResponseRecorder {
			req := httptest.NewRequest(method, path, nil)
			req.Header.Set("Sec-Fetch-Site", "same-origin")
			req.AddCookie(c)
			w := httptest.NewRecorder()
			h.ServeHTTP(w, req)
			return w
		}
		for range 12 {
			var mu sync.Mutex
			records := store.sealed()
			pool := []*http.Cookie{a.sessionCookie(a.signIn())}
			latest := func() *http.Cookie {
				mu.Lock()
				defer mu.Unlock()
				return pool[len(pool)-1]
			}
			keep := func(w *httptest.ResponseRecorder) {
				mu.Lock()
				defer mu.Unlock()
				for _, c := range w.Result().Cookies() {
					if strings.Contains(c.Name, "oidcrp_s_") && c.MaxAge >= 0 && c.Value != "" {
						pool = append(pool, c)
					}
				}
			}
			var busy sync.WaitGroup
			var steps atomic.Int32
			leave := 1 + r.Int32N(11) // after so many steps, beside what follows
			for range 3 {
				paths := make([]string, 4+r.IntN(6))
				for i := range paths {
					paths[i] = []string{"/x", "/auth/me", "/update", "/call", "/call"}[r.IntN(5)]
				}
				busy.Go(func() {
					for _, path := range paths {
						if steps.Add(1) == leave {
							busy.Go(func() { visit("POST", "/auth/logout", latest()) })
						}
						a.clock.advance(2 * time.Second)
						keep(visit("GET", path, latest()))
					}
				})
			}
			busy.Wait()
			before := refreshes(a.op)
			for i, c := range pool {
				if who := visit("GET", "/call", c).Body.String(); who != "nobody" {
					t.Errorf("%s: cookie %d of %d is still %s's", mode, i, len(pool), who)
				}
			}
			if n := refreshes(a.op) - before; n != 0 {
				t.Errorf("%s: %d refreshes after the sign-out", mode, n)
			}
			// Nor is anything left, but tokens that nobody can use where the cookie
			// that signed out was renewed meanwhile.
			a.rp.Shutdown(context.Background())
			ended := a.events.of(oidcrp.SessionEnded)
			if n := store.sealed() - records; n != 0 && (n != 1 || ended[len(ended)-1].Provider != "") {
				t.Errorf("%s: %d records are left", mode, n)
			}
		}
		if n := refreshes(a.op); (n == 0) != (mode == "cookie") {
			t.Errorf("%s: %d refreshes", mode, n)
		}
	}
}

// callsAreBounded: whatever comes in, and whatever the provider answers, one
// request asks the provider a handful of times.
func callsAreBounded(t *testing.T) {
	r := proptest.New(t)
	a := newTokenApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoOptional })
	faults := []oidcrptest.Fault{
		{}, oidcrptest.WrongNonce, oidcrptest.WrongSignature, oidcrptest.UnknownKey, oidcrptest.IDTokenHeader("kid", "unknown"), oidcrptest.TokenStatus(500), oidcrptest.TokenError("invalid_grant"), oidcrptest.TokenHTML,
		oidcrptest.JWKSRubbish, oidcrptest.JWKSEmpty, oidcrptest.UserInfoStatus(500), oidcrptest.PARError("invalid_request"), oidcrptest.RotatesBeforeSigning, oidcrptest.AuthorizationError("server_error", ""),
	}
	calls := func() (n int) {
		for _, c := range a.asks() {
			n += c
		}
		return n
	}
	b := a.browse()
	for range 120 {
		a.op.SetFaults(faults[r.IntN(len(faults))])
		a.clock.advance(time.Duration(r.IntN(120)) * time.Second)
		path := []string{
			"/reports", "/auth/login", "/auth/login?provider=test", "/auth/callback/test?code=x&state=y", "/auth/callback/test?error=x", "/auth/initiate?iss=" + url.QueryEscape(a.op.Issuer()), "/auth/initiate?iss=https://x.example",
			"/auth/me", "/auth/logout", "/call?api=" + url.QueryEscape(a.op.URL(oidcrptest.ResourceEndpoint)), "/again?age=0s",
		}[r.IntN(11)]
		before := calls()
		page := b.Get(a.URL + path)
		ours := 0
		for _, hop := range page.Trail {
			if strings.HasPrefix(hop.URL.String(), a.URL) {
				ours++
			}
		}
		if n := calls() - before; n > 6*ours {
			t.Fatalf("%d calls for %d requests: %s", n, ours, page)
		}
	}
}
