package oidcrp_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func formPost(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post" }

func TestLoginByRedirect(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports?year=2026&q=a%20b"), "reports for alice at /reports?year=2026&q=a%20b")
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
	a.calls(oidcrptest.TokenEndpoint, 1)
	a.calls(oidcrptest.UserInfoEndpoint, 0)

	q := a.requests()[0]
	want := map[string]string{
		"response_type": "code", "scope": "openid profile email", "code_challenge_method": "S256",
		"redirect_uri": a.URL + "/auth/callback/test", "ui_locales": "en",
	}
	for name, value := range want {
		if q.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, q.Get(name), value)
		}
	}
	for _, name := range []string{"nonce", "code_challenge"} {
		if !regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`).MatchString(q.Get(name)) {
			t.Errorf("%s is %q", name, q.Get(name))
		}
	}
	if !regexp.MustCompile(`^[A-Za-z0-9_-]{16,128}$`).MatchString(q.Get("state")) {
		t.Errorf("state is %q", q.Get("state"))
	}
	if q.Has("response_mode") || q.Has("prompt") {
		t.Errorf("sent what is the default: %v", q)
	}
	if v := a.op.Requests(oidcrptest.TokenEndpoint)[0].Form.Get("code_verifier"); len(v) != 43 {
		t.Errorf("code_verifier has %d characters", len(v))
	}
}

func onlyNavigationsStartLogins(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	b.Get(a.URL + "/")
	for _, method := range []string{"GET", "POST", "DELETE"} {
		page := b.Fetch(method, "/reports", nil)
		if page.Status != http.StatusUnauthorized || page.Header.Get("Content-Type") != "application/problem+json" {
			t.Fatalf("%s: %d %s", method, page.Status, page.Body)
		}
		doc := problem(t, []byte(page.Body))
		if doc.Status != 401 || doc.Reason != "login_required" || doc.Login != a.URL+"/auth/login" || doc.ID == "" || doc.Title == "" || doc.Type != "about:blank" {
			t.Errorf("%s: %+v", method, doc)
		}
	}
	b.Get(a.URL + "/page?x=1")
	if doc := problem(t, []byte(b.Fetch("GET", "/reports", nil).Body)); doc.Login != a.URL+"/auth/login?return_to=%2Fpage%3Fx%3D1" {
		t.Errorf("login is %s", doc.Login)
	}
	if cookies := b.Cookies(a.URL + "/"); len(cookies) != 0 {
		t.Errorf("cookies %v", cookies)
	}
	if page := b.Fetch("GET", "/auth/login", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("a script started a login: %s", page)
	}
	if a.reports.Load() != 0 {
		t.Error("the protected handler ran")
	}
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
}

// A form sent after the session ended comes back to the form, not to a second
// sending of it.
func interruptedPostComesBackToItsPage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	b.Get(a.URL + "/form?id=7")
	page := b.PostForm(a.URL+"/reports", url.Values{"a": {"b"}})
	a.shows(page, "home of alice")
	if !strings.HasSuffix(page.URL.String(), "/") && !strings.HasSuffix(page.URL.String(), "/form?id=7") {
		t.Errorf("ended at %s", page.URL)
	}
	if a.reports.Load() != 0 {
		t.Error("the form was sent on")
	}
}

func parallelTabs(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
			a.op.SignInAs("")
			first := a.browse()
			tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab(), first.Tab()}
			for i, tab := range tabs {
				tab.Get(a.URL + "/reports/" + string(rune('a'+i)))
			}
			for i := len(tabs) - 1; i >= 0; i-- {
				a.shows(tabs[i].SubmitForm("alice", nil), "at /reports/"+string(rune('a'+i)))
			}
		})
	}
}

// Three tabs that arrive at the callback together each reach their own page, and
// share one session.
func tabsThatFinishTogether(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for storage, store := range stores {
			t.Run(mode+" "+storage, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers[0].ResponseMode = mode
					if store != nil {
						store(c)
					}
				})
				a.op.SignInAs("")
				first := a.browse()
				tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab()}
				pages := make([]*oidcrptest.Page, len(tabs))
				for i, tab := range tabs {
					tab.Get(a.URL + "/reports/" + string(rune('a'+i)))
				}
				var wg sync.WaitGroup
				for i, tab := range tabs {
					wg.Go(func() { pages[i] = tab.SubmitForm("alice", nil) })
				}
				wg.Wait()
				for i, page := range pages {
					a.shows(page, "reports for alice at /reports/"+string(rune('a'+i)))
				}
			})
		}
	}
}

func cookiesDoNotGrow(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SignInAs("")
	b := a.browse()
	for range 50 {
		b.Get(a.URL + "/reports?" + strings.Repeat("x", 500))
	}
	size := 0
	for _, c := range b.Cookies(a.URL + "/auth/callback/test") {
		size += len(c.Name) + len(c.Value)
	}
	if size == 0 || size > 8000 {
		t.Errorf("%d bytes of cookies", size)
	}
}

func TestLongReturnURL(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
		long := "/reports?" + strings.Repeat("x", 2000-len("/reports?"))
		page := a.browse().Get(a.URL + long)
		a.shows(page, "reports for alice")
		if page.URL.RequestURI() != long {
			t.Errorf("%s: ended at %d bytes of address, want %d", mode, len(page.URL.RequestURI()), len(long))
		}
		page = a.browse().Get(a.URL + long + "x")
		a.shows(page, "home of alice")
	}
}

func TestLostCookieRestarts(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SignInAs("")
	b := a.browse()
	b.Get(a.URL + "/reports?a=b")
	b.DropCookie(a.bindingName(b))
	a.shows(b.SubmitForm("alice", nil), "reports for alice at /reports?a=b")
	a.calls(oidcrptest.TokenEndpoint, 1)
	a.calls(oidcrptest.AuthorizeEndpoint, 2)
}

// What cannot be finished restarts only where the visitor wanted a login, here,
// and the provider did not refuse it.
func TestWhatDoesNotRestart(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers = append(c.Providers, other.Config("other", c.BaseURL)) })
	callback := a.stopAtCallback(a.browse(), "/auth/login?provider=test&return_to=/reports")
	answer := mustParse(t, callback).Query()
	failed := url.Values{"state": answer["state"], "iss": answer["iss"], "error": {"login_required"}}
	only := a.later(func(c *oidcrp.Config) { c.Providers = c.Providers[:1] })
	silent := ask(only, only.TryLogin(http.NotFoundHandler()), nil, "GET", "/", append(navigate, "Sec-Fetch-Dest", "document")...)
	if silent.Code != http.StatusFound {
		t.Fatalf("no silent login: %d", silent.Code)
	}
	pushed := a.op.Requests(oidcrptest.PAREndpoint)
	quiet := url.Values{"state": {pushed[len(pushed)-1].Form.Get("state")}, "iss": answer["iss"], "code": {"x"}}
	for name, address := range map[string]string{
		"an error of the provider":       a.URL + "/auth/callback/test?" + failed.Encode(),
		"at another provider's callback": strings.Replace(callback, "/callback/test", "/callback/other", 1),
		"a silent login":                 a.URL + "/auth/callback/test?" + quiet.Encode(),
	} {
		started := len(a.events.of(oidcrp.LoginStarted))
		page := a.browse().Get(address)
		a.refused(page, http.StatusBadRequest, "no_binding")
		if n := len(a.events.of(oidcrp.LoginStarted)) - started; n != 0 {
			t.Errorf("%s: %d logins started", name, n)
		}
	}
}

// A configuration may change between the two halves of a login or sign-out:
// where the visitor comes back to is judged by the new one.
func TestReturnURLIsJudgedAgain(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	callback := a.stopAtCallback(a.browse(), "/auth/login?return_to=/welcome")
	a.logout(a.signIn(), "/welcome")
	session := cookieHeader(a.sessionCookie(a.signIn()))
	later := a.later(func(c *oidcrp.Config) { c.SignInPath = "/welcome" })
	for name, w := range map[string]*httptest.ResponseRecorder{
		"signed in already": ask(later, later, nil, "GET", callback, append(navigate, "Cookie", session)...),
		"signed out":        ask(later, later, nil, "GET", a.URL+"/auth/logout?state="+a.asked().Get("state"), navigate...),
	} {
		if to := w.Header().Get("Location"); to != a.URL+"/" {
			t.Errorf("%s: %d %q", name, w.Code, to)
		}
	}
}

// Whatever drops the session cookie, the third round is a page.
func lostSessionsDoNotLoop(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	for range 2 {
		a.shows(b.Get(a.URL+"/"), "home of nobody")
		page := b.Get(a.URL + "/auth/login?return_to=/")
		for _, c := range page.Trail[len(page.Trail)-2].Response.Values("Set-Cookie") {
			b.DropCookie(strings.SplitN(c, "=", 2)[0])
			if strings.Contains(c, "oidcrp_login_") {
				b.SetCookie(a.URL+"/", c) // keep the binding, as a browser would that drops the session's
			}
		}
	}
	page := b.Get(a.URL + "/reports")
	a.refused(page, http.StatusBadRequest, "loop")
	a.calls(oidcrptest.AuthorizeEndpoint, 2)
	a.shows(b.Follow("Try again"), "reports for alice")
}

func flip(s string) string {
	b := []byte(s)
	i := len(b) / 2
	if b[i] == 'A' {
		b[i] = 'B'
	} else {
		b[i] = 'A'
	}
	return string(b)
}

func mustParse(t *testing.T, raw string) *url.URL {
	t.Helper()
	u, err := url.Parse(raw)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestSignInPage(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		p, hidden := other.Config("other", c.BaseURL), other.Config("hidden", c.BaseURL)
		p.DisplayName, hidden.Hidden, hidden.DisplayName = "Fabrikam <b>", true, "Concealed"
		c.Providers = append(c.Providers, p, hidden)
	})
	b := a.browse()
	page := b.Get(a.URL + "/reports?a=b")
	a.shows(page, "Fabrikam <b>")
	if strings.Contains(page.Body, "Fabrikam <b>") || strings.Contains(page.Text(), "Concealed") {
		t.Error(page.Body)
	}
	a.shows(b.Follow("Sign in with Fabrikam <b>"), "reports for bob at /reports?a=b")
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=hidden"), "home of bob") // links keep working
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=gone"), "Fabrikam")      // and so do those that outlived theirs
	b = a.browse()
	b.SetLanguage("th-TH,th;q=0.9")
	if page := b.Get(a.URL + "/auth/login"); !strings.Contains(page.Body, `lang="th"`) || !strings.ContainsRune(page.Text(), 'เ') {
		t.Errorf("not Thai: %s", page)
	}
}

func loginParameters(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		p := &c.Providers[0]
		p.Scopes = []string{"email", "groups,offline_access"}
		p.ACRValues = []string{"gold", "silver"}
		p.LoginHint, p.MaxAge = "alice", time.Hour
		p.Resource = []string{"https://api.example"}
		p.ClaimsRequest = `{"userinfo":{"email":null}}`
		p.AuthParams = map[string]string{"audience": "x"}
		p.DynamicParams = []string{"domain_hint", "audience"}
	})
	query := url.Values{
		"prompt": {"login"}, "login_hint": {"mallory"}, "domain_hint": {"corp.example"}, "audience": {"evil"}, "unlisted": {"x"},
		"state": {"evil"}, "nonce": {"evil"}, "redirect_uri": {"https://evil.example"}, "response_type": {"token"}, "code_challenge": {"evil"},
		"client_id": {"evil"}, "scope": {"evil"}, "request": {"evil"},
	}
	a.op.SignInAs("alice")
	a.browse().Get(a.URL + "/auth/login?" + query.Encode())
	got := a.requests()[0]
	want := map[string]string{
		"scope": "openid email groups offline_access", "acr_values": "gold silver", "login_hint": "alice", "max_age": "3600",
		"resource": "https://api.example", "claims": `{"userinfo":{"email":null}}`, "audience": "x", "domain_hint": "corp.example", "prompt": "login",
	}
	for name, value := range want {
		if got.Get(name) != value {
			t.Errorf("%s is %q, want %q", name, got.Get(name), value)
		}
	}
	for name, values := range got {
		if len(values) != 1 || strings.Contains(values[0], "evil") || name == "unlisted" || name == "request" {
			t.Errorf("%s is %q", name, values)
		}
	}
}

// Trying again after a loop must not end the logins of other tabs.
func TestTryingAgainKeepsLoginsUnderWay(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports") // in another tab
	a.op.SignInAs("")
	tab := b.Tab()
	evil(tab, `<a href="`+a.URL+`/auth/login?provider=test&fresh=1">look</a>`)
	tab.Follow("look")
	a.shows(b.Get(callback), "reports for alice")
}

// The application's answer may come from a cookie, and so from a visitor.
func TestLanguageOfPagesAndProvider(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.SiteName = "Reports & More"
		c.Language = func(r *http.Request) string { return r.URL.Query().Get("lang") }
	})
	for lang, want := range map[string]string{"th": "th", "de-AT": "de-AT", "": "en", "th\" x": "en", "../../x": "en"} {
		a.op.ResetCalls()
		b := a.browse()
		b.Get(a.URL + "/auth/login?lang=" + url.QueryEscape(lang))
		if got := a.requests()[0].Get("ui_locales"); got != want {
			t.Errorf("%q: ui_locales is %q, want %q", lang, got, want)
		}
	}
	page := a.browse().Get(a.URL + "/auth/nowhere?lang=th")
	if !strings.Contains(page.Body, `lang="th"`) || !strings.Contains(page.Text(), "Reports & More") {
		t.Errorf("the page is %s", page.Body)
	}
}

// A page that always begins a login is not where the login leads for ever.
func TestLoginFromItsOwnPage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn() // the provider asks nothing from now on
	a.op.ResetCalls()
	a.shows(b.Get(a.URL+"/enter"), "home of alice")
	a.shows(a.browse().Get(a.URL+"/enter"), "home of alice")
	if n := a.op.Calls(oidcrptest.TokenEndpoint); n != 3 { // the second browser comes back to the page once
		t.Errorf("%d logins", n)
	}
}
