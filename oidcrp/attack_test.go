package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func sjoin(p *oidcrptest.Page) string { return fmt.Sprint(p.Status, " ", p.URL, " ", p.Text()) }

// R1
func TestReviewTenantLoginCSRFByCallback(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://op.example", ClientID: "x"})
	})
	oidcrp.MarkTenant(a.rp, "test")
	attacker := a.browse()
	callback := a.stopAtCallback(attacker, "/auth/login?provider=test&return_to=/reports")
	victim := a.browse()
	evil := "http://127.0.0.1:" + mustParse(t, a.op.Issuer()).Port() + "/sign-in"
	victim.Show(evil, `<a href="`+a.URL+`/auth/login?provider=test">look</a>`)
	t.Log("direct:", sjoin(victim.Follow("look")))
	victim = a.browse()
	victim.Show(evil, `<a href="`+callback+`">look</a>`)
	a.op.SignInAs("bob") // whoever the hostile provider says
	page := victim.Follow("look")
	if strings.Contains(page.Text(), "reports for bob") {
		t.Error("signed in at the tenant's provider without being asked: ", sjoin(page))
	}
}

// R2
func TestReviewLogoutTicketCSRF(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	mux := http.NewServeMux()
	h := a.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.rp.Logout(w, r, oidcrp.LogoutOptions{}) }))
	mux.Handle("/", h)
	w := httptest.NewRecorder()
	mux.ServeHTTP(w, httptest.NewRequest("POST", a.URL+"/bye", nil)) // the attacker, anonymous
	ticket := w.Header().Get("Location")
	victim := a.signIn()
	evil := "http://127.0.0.1:" + mustParse(t, a.op.Issuer()).Port() + "/x"
	victim.Show(evil, `<a href="`+ticket+`">look</a>`)
	victim.Follow("look")
	if n := op.Calls(oidcrptest.EndSessionEndpoint); n > 0 {
		q := op.Requests(oidcrptest.EndSessionEndpoint)[0].Query
		t.Errorf("a cross-site GET signed the victim out at the provider, id_token_hint %d bytes", len(q.Get("id_token_hint")))
	}
	if who := a.whoHas(a.sessionCookie(victim)); who == "alice" {
		t.Log("and the session here lives on")
	}
}

// R3
func TestReviewFormPostReplacesSession(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				formPost(c)
				if store != nil {
					store(c)
				}
			})
			b := a.signInAs("bob")
			old := a.sessionCookie(b)
			a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for alice")
			if who := a.whoHas(old); who != "nobody" {
				t.Errorf("bob's replaced session still works: %s; ended events %v", who, len(a.events.of(oidcrp.SessionEnded)))
			}
		})
	}
}

// R4
func TestReviewPausedSurvivesLogout(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	t.Log(sjoin(b.Get(p.URL + "/reports")))
	b.PostForm(p.URL+"/auth/logout", url.Values{})
	page := p.accept(b)
	if who := b.Get(p.URL + "/"); strings.Contains(who.Text(), "page of alice") {
		t.Errorf("signed in by Resume after sign-out: %s", sjoin(page))
	}
}

func (a *app) whoHasIf(b *oidcrptest.Browser) string {
	for _, c := range b.Cookies(a.URL + "/") {
		if strings.Contains(c.Name, "oidcrp_s_") {
			return a.whoHas(c)
		}
	}
	return "nobody"
}

// R4b: another user signs in meanwhile.
func TestReviewPausedSurvivesAnotherLogin(t *testing.T) {
	p := newPausing(t, oidcrptest.NewProvider(t), "", nil)
	b := p.browse()
	b.Get(p.URL + "/reports")
	p.onLogin.set(func(*oidcrp.Login) error { return nil })
	p.op.SignInAs("bob")
	b.Get(p.URL + "/auth/login?return_to=/reports")
	t.Log("now", b.Get(p.URL+"/").Text())
	p.accept(b)
	if who := b.Get(p.URL + "/"); strings.Contains(who.Text(), "page of alice") {
		t.Error("bob's session was exchanged for alice's stale paused login")
	}
}

func hops(h http.Handler, start string) (n int, last string, status int) {
	u := start
	for n = 0; n < 15; n++ {
		r := httptest.NewRequest("GET", u, nil)
		r.Header.Set("Accept", "text/html")
		r.Header.Set("Sec-Fetch-Mode", "navigate")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != 302 && w.Code != 303 {
			return n, u, w.Code
		}
		u = w.Header().Get("Location")
	}
	return n, u, 0
}

// R5
func TestReviewSignInPathLoops(t *testing.T) {
	for _, path := range []string{"/auth/login", "/auth/signin", "/auth/callback/a"} {
		cfg := oidcrp.Config{BaseURL: "http://localhost:1", SignInPath: path, CookieKeys: [][]byte{key(1)}, Logger: slog.New(slog.DiscardHandler),
			Providers: []oidcrp.Provider{{Name: "a", Issuer: "https://a.example", ClientID: "c"}, {Name: "b", Issuer: "https://b.example", ClientID: "c"}}}
		rp, err := oidcrp.New(cfg)
		if err != nil {
			t.Log(path, "refused:", err)
			continue
		}
		n, last, status := hops(rp.Protect(http.NotFoundHandler()), "http://localhost:1/reports")
		t.Errorf("SignInPath %s accepted by New: %d hops, last %s, status %d", path, n, last, status)
	}
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:1", SignInPath: "/signin", CookieKeys: [][]byte{key(1)}, Logger: slog.New(slog.DiscardHandler),
		Providers: []oidcrp.Provider{{Name: "a", Issuer: "https://a.example", ClientID: "c"}, {Name: "b", Issuer: "https://b.example", ClientID: "c"}}})
	if err != nil {
		t.Fatal(err)
	}
	n, last, status := hops(rp.Load(rp.RequireLogin(http.NotFoundHandler())), "http://localhost:1/reports")
	if status == 0 {
		t.Errorf("RequireLogin around the sign-in page: endless, %d hops, last %s", n, last)
	}
}

// R6
func TestReviewTryLoginDeadEnd(t *testing.T) {
	for _, code := range []string{"access_denied", "server_error", "invalid_request", "temporarily_unavailable"} {
		op := oidcrptest.NewProvider(t)
		a := newApp(t, op, nil)
		silent := newSilentApp(t, a)
		op.SetFaults(oidcrptest.AuthorizationError(code, ""))
		b := a.browse()
		for i := range 3 {
			p := b.Get(silent + "/")
			if p.Status != 200 || !strings.Contains(p.Text(), "home of") {
				t.Errorf("%s visit %d of a public page: %s", code, i, sjoin(p))
			}
		}
	}
}

func TestReviewTryLoginRefused(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	base := "http://localhost:" + port
	op.SignInAs("alice")
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, CookieKeys: [][]byte{key(2)}, Providers: []oidcrp.Provider{op.Config("test", base)},
		Logger:  slog.New(slog.DiscardHandler),
		OnLogin: func(context.Context, *oidcrp.Login) error { return &oidcrp.Refusal{Message: "staff only"} }})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(rp.TryLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "public page") })))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	defer srv.Close()
	b := oidcrptest.NewBrowser(t)
	for i := range 3 {
		if p := b.Get(base + "/"); p.Status != 200 {
			t.Errorf("visit %d of a public page: %s", i, sjoin(p))
		}
	}
}

// R7
func TestReviewTwoRelyingParties(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	base := "http://localhost:" + port
	mk := func(prefix string) *oidcrp.RelyingParty {
		p := op.Config("test", base)
		p.RedirectPath = prefix + "/cb"
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, Prefix: prefix, CookieKeys: [][]byte{key(2)}, Providers: []oidcrp.Provider{p}, Logger: slog.New(slog.DiscardHandler)})
		if err != nil {
			t.Fatal(err)
		}
		return rp
	}
	one, two := mk("/one"), mk("/two")
	for _, c := range op.Clients() {
		c.RedirectURLs = append(c.RedirectURLs, base+"/one/cb", base+"/two/cb")
		op.AddClient(c)
	}
	srv := httptest.NewUnstartedServer(one.Load(two.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "in") }))))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	defer srv.Close()
	b := oidcrptest.NewBrowser(t)
	p := b.Get(base + "/x")
	if p.Status != 200 {
		t.Errorf("status %d err %v, %d hops, %d authorize calls", p.Status, p.Err, len(p.Trail), op.Calls(oidcrptest.AuthorizeEndpoint))
	}
}

// R8
func TestReviewStillAllowedErrors(t *testing.T) {
	for _, e := range []error{oidcrp.ErrForbidden, oidcrp.ErrLoginExpired, oidcrp.ErrMisconfigured, errors.New("x")} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			c.StillAllowed = func(context.Context, *oidcrp.Session) error { return fmt.Errorf("db: %w", e) }
		})
		b := a.signIn()
		a.clock.advance(6 * 60e9)
		if p := b.Get(a.URL + "/reports"); p.Status != 503 {
			t.Errorf("%v: %d, documented 503", e, p.Status)
		}
	}
}

// R9
func TestReviewFreshCrossSite(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports") // another tab, at the provider
	evil := "http://127.0.0.1:" + mustParse(t, a.op.Issuer()).Port() + "/x"
	tab := b.Tab()
	tab.Show(evil, `<a href="`+a.URL+`/auth/login?provider=test&fresh=1">look</a>`)
	a.op.SignInAs("")
	tab.Follow("look")
	if p := b.Get(callback); p.Status != 200 {
		t.Errorf("a cross-site link broke the login in another tab: %s", sjoin(p))
	}
}

// R11
func TestReviewMeOnlyRounds(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	for i := range 3 {
		p := b.Get(a.URL + "/auth/login?return_to=/static-of-a-cdn")
		_ = p
		t.Log(i, p.Status)
	}
}

// R13
func TestReviewProviderNameReused(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, nil)
	c := a.sessionCookie(a.signIn())
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: a.URL, CookieKeys: [][]byte{key(1)}, Logger: slog.New(slog.DiscardHandler),
		Providers: []oidcrp.Provider{{Name: "test", Issuer: "https://new.example", ClientID: "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	r.AddCookie(c)
	w := httptest.NewRecorder()
	rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := oidcrp.FromContext(r.Context()); s != nil {
			t.Errorf("a session of %s counts as one of the provider now called %s", s.Issuer(), s.Provider())
		}
	})).ServeHTTP(w, r)
}

// R15
func TestReviewMeIgnoresRemovedProvider(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) { p := c.Providers[0]; p.Name = "gone"; c.Providers = append(c.Providers, p) })
	b := a.browse()
	b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	c := a.sessionCookie(b)
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: a.URL, CookieKeys: [][]byte{key(1)}, Logger: slog.New(slog.DiscardHandler),
		Providers: []oidcrp.Provider{{Name: "new", Issuer: "https://new.example", ClientID: "n"}}})
	if err != nil {
		t.Fatal(err)
	}
	r := httptest.NewRequest("GET", a.URL+"/auth/me", nil)
	r.AddCookie(c)
	w := httptest.NewRecorder()
	rp.ServeHTTP(w, r)
	if w.Code != 401 {
		t.Errorf("me says %d %s", w.Code, w.Body)
	}
}

// R16: a refused visitor can never choose another account.
func TestReviewRefusedRetry(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(context.Context, *oidcrp.Login) error { return &oidcrp.Refusal{Message: "staff only"} }
	})
	b := a.browse()
	b.Get(a.URL + "/reports")
	b.Follow("Use another account")
	r := a.requests()
	if prompt := r[len(r)-1].Get("prompt"); prompt != "select_account" {
		t.Errorf("retry asks with prompt %q", prompt)
	}
}

// R17: a front end that asks only "me" is told that its logins loop.
func TestReviewMeCountsAsLoaded(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	ln, _ := net.Listen("tcp", "127.0.0.1:0")
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	base := "http://localhost:" + port
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, CookieKeys: [][]byte{key(2)}, Providers: []oidcrp.Provider{op.Config("test", base)}, Logger: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	mux := http.NewServeMux()
	mux.Handle("/auth/", rp)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "static page") })
	srv := httptest.NewUnstartedServer(mux)
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	defer srv.Close()
	b := oidcrptest.NewBrowser(t)
	for i := range 3 {
		p := b.Get(base + "/auth/login?return_to=/")
		if p.Status != 200 {
			t.Errorf("login %d: %s", i, sjoin(p))
		}
		if p := b.Get(base + "/auth/me"); i < 2 && p.Status != 200 {
			t.Errorf("me %d", p.Status)
		}
	}
}

// R18: with cookies blocked the page must say so (T102).
func TestReviewBlockedCookiesAreNamed(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SignInAs("alice")
	n := 0
	client := &http.Client{CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		r.Header.Set("Accept", "text/html")
		n++
		return nil
	}}
	req, _ := http.NewRequest(http.MethodGet, a.URL+"/reports", nil)
	req.Header.Set("Accept", "text/html")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	body, _ := io.ReadAll(res.Body)
	if !strings.Contains(string(body), "cookie") {
		t.Errorf("cookies are not mentioned: %s", body[strings.Index(string(body), "<h1>"):][:200])
	}
}

// R19: cross-site POST with a stranger's state over a live session.
func TestReviewCrossSitePostOverSession(t *testing.T) {
	op2 := oidcrptest.NewProvider(t)
	var base string
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		base = c.BaseURL
		c.Providers = append(c.Providers, op2.Config("second", base))
	})
	op2.SignInAs("bob")
	callback := mustParse(t, a.stopAtCallback(a.browse(), "/auth/login?provider=second&return_to=/reports"))
	victim := a.browse()
	victim.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	victim.DropCookie(a.bindingName(victim)) // ten minutes later
	q := callback.Query()
	form := `<form method="post" action="` + a.URL + callback.Path + `">`
	for k := range q {
		form += `<input type="hidden" name="` + k + `" value="` + q.Get(k) + `">`
	}
	victim.Show("http://127.0.0.1:"+mustParse(t, op2.Issuer()).Port()+"/x", form+`<button>go</button></form>`)
	p := victim.SubmitForm("go", nil)
	t.Log(sjoin(p))
	if who := victim.Get(a.URL + "/reports").Text(); !strings.Contains(who, "alice") {
		t.Errorf("alice's session was exchanged without a question: %s", who)
	}
}

// R20: a link elsewhere to a guarded page, the only provider being a tenant's.
func TestReviewTenantLoginCSRFByGuard(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	oidcrp.MarkTenant(a.rp, "test")
	b := a.browse()
	b.Show("http://127.0.0.1:"+mustParse(t, a.op.Issuer()).Port()+"/x", `<a href="`+a.URL+`/reports">look</a>`)
	if p := b.Follow("look"); strings.Contains(p.Text(), "reports for alice") {
		t.Errorf("signed in without being asked: %s", sjoin(p))
	}
}
