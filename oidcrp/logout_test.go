package oidcrp_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// tokens collects the ID tokens a provider issues.
type tokens struct {
	mu  sync.Mutex
	all []string
}

func (k *tokens) fault() oidcrptest.Fault {
	return oidcrptest.Fault{Name: "collect", TokenResponse: func(m map[string]any) {
		k.mu.Lock()
		defer k.mu.Unlock()
		k.all = append(k.all, m["id_token"].(string))
	}}
}

func (k *tokens) last() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.all[len(k.all)-1]
}

// asked are the parameters of the latest request for the provider's sign-out.
func (a *app) asked() url.Values {
	a.t.Helper()
	all := a.op.Requests(oidcrptest.EndSessionEndpoint)
	if len(all) == 0 {
		a.t.Fatalf("the provider was not asked\nlog: %s", a.log)
	}
	last := all[len(all)-1]
	if last.Method == http.MethodPost {
		return last.Form
	}
	return last.Query
}

func (a *app) logout(b *oidcrptest.Browser, returnTo string) *oidcrptest.Page {
	values := url.Values{}
	if returnTo != "" {
		values.Set("return_to", returnTo)
	}
	b.Show(a.URL+"/", "")
	return b.PostForm(a.URL+"/auth/logout", values)
}

func TestLogout(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			var issued tokens
			op := oidcrptest.NewProvider(t, issued.fault())
			a := newApp(t, op, func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
			b := a.signIn()
			c := a.sessionCookie(b)
			binding := cookieNamed(b, a, a.bindingName(b))
			page := a.logout(b, "/goodbye?x=1")
			a.shows(page, "home of nobody")
			if page.URL.RequestURI() != "/goodbye?x=1" {
				t.Errorf("ended at %s", page.URL)
			}
			q := a.asked()
			if q.Get("id_token_hint") != issued.last() || q.Get("client_id") != op.Clients()[0].ID && q.Get("client_id") != op.Clients()[len(op.Clients())-1].ID ||
				q.Get("post_logout_redirect_uri") != a.URL+"/auth/logout" || len(q.Get("state")) < 16 || q.Get("ui_locales") != "en" {
				t.Errorf("%v", q)
			}
			if who := a.whoHas(c); who != "nobody" {
				t.Errorf("a copy of the cookie is still %s", who)
			}
			for _, left := range b.Cookies(a.URL + "/auth/logout") {
				if !strings.Contains(left.Name, "oidcrp_login_") {
					t.Errorf("left behind: %s", left)
				}
				if left.Value == binding {
					t.Error("the binding was not replaced")
				}
			}
			if ended := a.events.of(oidcrp.SessionEnded); len(ended) != 1 || ended[0].Reason != "logout" || ended[0].Subject != "alice" {
				t.Errorf("events %+v", ended)
			}
			op.SignInAs("") // the provider has forgotten her too
			if page := b.Get(a.URL + "/reports"); page.Form("alice") == nil {
				t.Errorf("%v", page)
			}
		})
	}
}

func cookieNamed(b *oidcrptest.Browser, a *app, name string) string {
	for _, c := range b.Cookies(a.URL + "/") {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

func logoutFromElsewhere(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	form := `<form method="post" action="` + a.URL + `/auth/logout"><button>win</button></form>`
	neighbour := a.URL[:strings.LastIndex(a.URL, ":")] + ":1"
	for _, from := range []string{"https://evil.example/", neighbour, "http://evil.localhost/"} {
		b.Show(from, form)
		a.answers(b.SubmitForm("win", nil), http.StatusForbidden, "another site")
		a.shows(b.Get(a.URL+"/"), "home of alice")
	}
	for _, header := range [][]string{
		nil, {"Origin", "null"}, {"Origin", "https://evil.example"}, {"Referer", a.URL + "/"}, {"Sec-Fetch-Site", "cross-site"}, {"Sec-Fetch-Site", "same-site"},
		{"Sec-Fetch-Site", "same-site", "Origin", neighbour}, {"Origin", neighbour}, {"Sec-Fetch-Site", "same-site", "Origin", "http://evil.localhost"},
	} {
		if res := a.with(b, "POST", "/auth/logout", header...); res.StatusCode != http.StatusForbidden || len(res.Header.Values("Set-Cookie")) != 0 {
			t.Errorf("%v: %d %v", header, res.StatusCode, res.Header)
		}
	}
	evil(b, `<a href="`+a.URL+`/auth/logout">look</a> <img src="`+a.URL+`/auth/logout">`)
	a.shows(b.Follow("look"), "Sign out?")
	a.shows(b.Get(a.URL+"/"), "home of alice")
	a.calls(oidcrptest.EndSessionEndpoint, 0)
}

// A script cannot follow a redirect to the provider, and is told where to go:
// to an address of ours, since the provider's would give it the ID token.
func TestSignOutByFetch(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	for _, by := range []struct{ method, path, ends string }{
		{"POST", "/auth/logout", "signed out"},
		{"POST", "/leave", "home of nobody"}, // from code
	} {
		b := a.signIn()
		a.op.ResetCalls()
		var answer struct{ Location string }
		page := b.Fetch(by.method, by.path, nil)
		if err := page.JSON(&answer); err != nil || page.Status != http.StatusOK || !strings.HasPrefix(answer.Location, a.URL+"/auth/logout?ticket=") {
			t.Fatalf("%s: %d %s", by.path, page.Status, page.Body)
		}
		a.calls(oidcrptest.EndSessionEndpoint, 0)
		a.shows(b.Get(a.URL+"/"), "home of nobody")
		a.shows(b.Get(answer.Location), by.ends)
		a.calls(oidcrptest.EndSessionEndpoint, 1)
		if a.asked().Get("id_token_hint") == "" {
			t.Errorf("%s: the provider was not told whose session it is", by.path)
		}
	}

	local := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true })
	b := local.signIn()
	var answer struct{ Location string }
	if err := b.Fetch("POST", "/auth/logout", nil).JSON(&answer); err != nil {
		t.Fatal(err)
	}
	local.shows(b.Get(answer.Location), "signed out")
	local.calls(oidcrptest.EndSessionEndpoint, 0)
}

func TestLogoutPage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	before := a.sessionCookie(b).Value
	for range 2 {
		page := b.Get(a.URL + "/auth/logout")
		a.shows(page, "Alice Archer")
		if len(page.Header.Values("Set-Cookie")) != 0 || a.sessionCookie(b).Value != before {
			t.Error("looking at it changed something")
		}
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	b.Get(a.URL + "/auth/logout")
	page := b.SubmitForm("Sign out", nil) // obeys form-action through the provider
	a.shows(page, "You are signed out")
	if page.URL.Path != "/auth/logout" {
		t.Errorf("ended at %s", page.URL)
	}
	a.calls(oidcrptest.EndSessionEndpoint, 1)
	a.shows(b.Get(a.URL+"/auth/logout"), "You are signed out") // and nothing to sign out of
	if len(b.Page().Forms()) != 0 {
		t.Error("a stranger is asked to sign out")
	}
}

// The provider's pages, or a provider behind it, are at an origin of their own
// that nothing announces: Ory Hydra is made that way.
func TestLogoutPageOfAProviderThatLeadsOn(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, r.URL.Query().Get("post_logout_redirect_uri"), http.StatusSeeOther)
	}))
	defer elsewhere.Close()
	var asked string // by which method
	endSession := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.Method
		if err := r.ParseForm(); err != nil {
			t.Error(err)
		}
		http.Redirect(w, r, elsewhere.URL+"?post_logout_redirect_uri="+url.QueryEscape(r.Form.Get("post_logout_redirect_uri")), http.StatusSeeOther)
	}))
	defer endSession.Close()
	for method, endpoint := range map[string]string{"GET": endSession.URL, "POST": endSession.URL + "/" + strings.Repeat("x", 1500)} {
		t.Run(method, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].Endpoints.EndSession = endpoint })
			b := a.signIn()
			b.Get(a.URL + "/auth/logout")
			page := b.SubmitForm("Sign out", nil)
			a.shows(page, "You are signed out")
			if asked != method || !strings.HasPrefix(page.URL.String(), a.URL+"/auth/logout") {
				t.Errorf("asked by %s, ended at %v", asked, page.URL)
			}
		})
	}
}

func TestLogoutFromCode(t *testing.T) {
	var issued tokens
	a := serving(t, oidcrptest.NewProvider(t, issued.fault()), "", nil, func(a *app) http.Handler {
		leave := func(o oidcrp.LogoutOptions) http.HandlerFunc {
			return func(w http.ResponseWriter, r *http.Request) { a.rp.Logout(w, r, o) }
		}
		return a.pages(map[string]http.HandlerFunc{
			"/leave": leave(oidcrp.LogoutOptions{ReturnTo: "/bye"}), "/local": leave(oidcrp.LogoutOptions{LocalOnly: true}),
			"/plain": leave(oidcrp.LogoutOptions{}), "/astray": leave(oidcrp.LogoutOptions{ReturnTo: "https://evil.example/"}),
		})
	})
	for path, want := range map[string]string{"/leave": "/bye", "/local": "/auth/logout", "/plain": "/auth/logout", "/astray": "/"} {
		a.op.ResetCalls()
		b := a.signIn()
		c := a.sessionCookie(b)
		page := b.Get(a.URL + path)
		if page.Status != 200 || page.URL.Path != want {
			t.Errorf("%s led to %v", path, page)
		}
		if who := a.whoHas(c); who != "nobody" {
			t.Errorf("%s: a copy of the cookie is still %s", path, who)
		}
		if path == "/local" {
			a.calls(oidcrptest.EndSessionEndpoint, 0)
		} else if a.asked().Get("id_token_hint") != issued.last() {
			t.Errorf("%s: id_token_hint %q", path, a.asked().Get("id_token_hint"))
		}
	}

	if n := strings.Count(a.log.String(), `msg="return URL replaced by the home page"`); n != 1 {
		t.Errorf("%d warnings about the way astray\n%s", n, a.log)
	}

	// Whose session has ended already.
	b := a.signIn()
	a.clock.advance(13 * time.Hour)
	a.op.SetNow(a.clock.now)
	a.op.ResetCalls()
	a.shows(b.Get(a.URL+"/leave"), "home of nobody")
	if a.asked().Get("id_token_hint") == "" {
		t.Error("the provider was not told whose session it is")
	}
}

// ticket ends a session from code and returns the way to our own address.
func (a *app) ticket(b *oidcrptest.Browser, path string) string {
	a.t.Helper()
	res := a.with(b, "GET", path)
	to := res.Header.Get("Location")
	if !strings.HasPrefix(to, a.URL+"/auth/logout?ticket=") {
		a.t.Fatalf("%d %q", res.StatusCode, to)
	}
	return to
}

func TestTicketsOfOthers(t *testing.T) {
	a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
		return a.pages(map[string]http.HandlerFunc{"/leave": func(w http.ResponseWriter, r *http.Request) { a.rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: "/"}) }})
	})
	good := a.ticket(a.signIn(), "/leave")
	anonymous := a.ticket(nil, "/leave")
	b := a.signInAs("bob")
	a.op.ResetCalls()
	for _, forged := range []string{good[:len(good)-1], flip(good), a.URL + "/auth/logout?ticket=x", a.URL + "/auth/logout?ticket=" + strings.Repeat("A", 4000)} {
		if mustParse(t, forged).Query().Has("ticket") {
			a.shows(b.Get(forged), "Sign out?")
		}
	}
	a.calls(oidcrptest.EndSessionEndpoint, 0)

	// A link that somebody else made does not sign bob out, here or there.
	for name, ticket := range map[string]string{"of alice": good, "of nobody": anonymous} {
		a.op.ResetCalls()
		b := a.signInAs("bob")
		evil(b, `<a href="`+strings.ReplaceAll(ticket, "&", "&amp;")+`">look</a>`)
		b.Follow("look")
		if name == "of nobody" {
			a.calls(oidcrptest.EndSessionEndpoint, 0) // his cookie there would be enough
		}
		for _, r := range a.op.Requests(oidcrptest.EndSessionEndpoint) {
			if r.Query.Get("id_token_hint") != "" {
				t.Errorf("ticket %s: the provider got bob's ID token", name)
			}
		}
		a.shows(b.Get(a.URL+"/"), "home of bob")
		a.logout(b, "")
		if a.asked().Get("id_token_hint") == "" {
			t.Errorf("ticket %s: bob's own sign-out lost his ID token", name)
		}
	}

	a.clock.advance(time.Minute + time.Second)
	a.op.SetNow(a.clock.now)
	late := a.signInAs("bob")
	a.op.ResetCalls()
	a.shows(late.Get(good), "Sign out?")
	a.calls(oidcrptest.EndSessionEndpoint, 0)
}

func TestLogoutAfterTheSessionExpired(t *testing.T) {
	var issued tokens
	a := newApp(t, oidcrptest.NewProvider(t, issued.fault()), nil)
	b := a.signIn()
	a.clock.advance(20 * time.Hour)
	a.shows(b.Get(a.URL+"/"), "home of nobody")
	a.shows(a.logout(b, "/bye"), "home of nobody")
	if got := a.asked().Get("id_token_hint"); got != issued.last() {
		t.Errorf("id_token_hint %q", got)
	}
}

func TestLogoutOfNobody(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.shows(a.logout(a.browse(), ""), "You are signed out")
	a.shows(a.logout(a.browse(), "/bye"), "home of nobody")
	a.calls(oidcrptest.EndSessionEndpoint, 0)
	if len(a.events.of(oidcrp.SessionEnded)) != 0 {
		t.Error("a session ended")
	}
}

// The hint is the ID token of the session that ends, not of one before.
func TestHintAfterAnotherUsersLogin(t *testing.T) {
	var issued tokens
	a := newApp(t, oidcrptest.NewProvider(t, issued.fault()), nil)
	b := a.signIn()
	a.op.SignInAs("bob")
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports"), "reports for bob")
	a.logout(b, "")
	if got := a.asked().Get("id_token_hint"); got != issued.last() {
		t.Error("not bob's")
	}
}

func backAfterLogout(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
			a.op.SignInAs("")
			b := a.browse()
			b.Get(a.URL + "/reports")
			callback := ""
			page := b.SubmitForm("alice", nil)
			a.shows(page, "reports for alice")
			for _, hop := range page.Trail {
				if strings.Contains(hop.URL.Path, "/callback/") {
					callback = hop.URL.String()
				}
			}
			a.shows(b.Get(a.URL+"/admin"), "admin page")
			b.Get(a.URL + "/auth/logout")
			a.shows(b.SubmitForm("Sign out", nil), "You are signed out")
			succeeded := len(a.events.of(oidcrp.LoginSucceeded))
			a.shows(b.Back(), "You are signed out") // instead of the question
			for range 2 {
				page := b.Back()
				if page.Restored || strings.Contains(page.Body, "admin page") || strings.Contains(page.Body, "reports for") {
					t.Errorf("%v", page)
				}
			}
			if page := b.Get(callback); page.Status == 200 && strings.Contains(page.Body, "alice at") {
				t.Errorf("the answer worked again: %v", page)
			}
			a.shows(b.Get(a.URL+"/"), "home of nobody")
			if n := len(a.events.of(oidcrp.LoginSucceeded)); n != succeeded {
				t.Error("somebody was signed in")
			}
		})
	}
}

// A login begun before the sign-out does not end after it.
func TestLogoutEndsLoginsUnderWay(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
	a.logout(b, "")
	a.refused(b.Get(callback), http.StatusBadRequest, "binding")
	a.shows(b.Get(a.URL+"/"), "home of nobody")
}

// wordy is a user whose ID token has about so many bytes.
func wordy(op *oidcrptest.Provider, bytes int) {
	claims := map[string]any{}
	for i := range bytes / 80 {
		claims[fmt.Sprintf("claim_%03d", i)] = strings.Repeat("x", 45)
	}
	op.AddUser(oidcrptest.User{Subject: "wordy", Email: "wordy@example.com", Claims: claims})
	op.SignInAs("wordy")
}

func TestLongEndSessionURL(t *testing.T) {
	for _, scripts := range []bool{true, false} {
		t.Run(fmt.Sprintf("scripts %v", scripts), func(t *testing.T) {
			var issued tokens
			op := oidcrptest.NewProvider(t, issued.fault())
			a := newApp(t, op, nil)
			wordy(op, 1100)
			b := a.browse()
			b.SetJavaScript(scripts)
			b.Get(a.URL + "/reports")
			if n := len(issued.last()); n < 1800 || n > 3000 {
				t.Fatalf("the ID token has %d bytes", n)
			}
			page := a.logout(b, "/bye")
			if !scripts {
				a.shows(page, "signed out at test as well")
				if page.URL.Path != "/auth/logout" {
					t.Errorf("ended at %s", page.URL)
				}
				a.calls(oidcrptest.EndSessionEndpoint, 0)
				page = b.SubmitForm("Continue", nil)
			}
			a.shows(page, "home of nobody")
			if all := op.Requests(oidcrptest.EndSessionEndpoint); len(all) != 1 || all[0].Method != http.MethodPost || len(all[0].Query) != 0 {
				t.Errorf("%+v", all)
			}
			q := a.asked()
			if q.Get("id_token_hint") != issued.last() || q.Get("client_id") == "" || q.Get("post_logout_redirect_uri") != a.URL+"/auth/logout" || q.Get("state") == "" {
				t.Errorf("%v", q)
			}
			for _, hop := range page.Trail {
				if len(hop.URL.String()) > 2048 {
					t.Errorf("an address of %d bytes", len(hop.URL.String()))
				}
			}
		})
	}
}

// An ID token that fits no cookie is left out; then the provider asks.
func TestIDTokenTooLongToKeep(t *testing.T) {
	var issued tokens
	op := oidcrptest.NewProvider(t, issued.fault())
	a := newApp(t, op, nil)
	wordy(op, 4000)
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports"), "reports for wordy")
	page := a.logout(b, "/bye")
	q := a.asked()
	if q.Has("id_token_hint") || q.Get("client_id") == "" || q.Get("post_logout_redirect_uri") == "" {
		t.Errorf("%v", q)
	}
	if page.URL.Host == mustParse(t, a.URL).Host {
		t.Errorf("%v", page)
	}
	a.shows(b.SubmitForm("", nil), "home of nobody")
	if refused := b.RefusedCookies(); len(refused) != 0 {
		t.Errorf("%v", refused)
	}
}

// Where nothing is sent to the provider at the sign-out, the browser does not
// keep an ID token for it.
func TestIDTokenOfNoUseIsNotKept(t *testing.T) {
	kept := func(a *app) (bytes int) {
		for _, c := range a.signIn().Cookies(a.URL + "/auth/logout") {
			if strings.Contains(c.Name, "_hint_") {
				bytes += len(c.Value)
			}
		}
		return bytes
	}
	whole := kept(newApp(t, oidcrptest.NewProvider(t), nil))
	for name, a := range map[string]*app{
		"no endpoint": newApp(t, oidcrptest.NewProvider(t, oidcrptest.NoEndSession), nil),
		"local only":  newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true }),
	} {
		if n := kept(a); n == 0 || n > whole/2 {
			t.Errorf("%s: %d bytes are kept, where the ID token is %d", name, n, whole)
		}
	}
}

func TestEndSessionEndpointWithAQuery(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SetFaults(oidcrptest.MetadataField("end_session_endpoint", op.URL(oidcrptest.EndSessionEndpoint)+"?tenant=a%26b"))
	a := newApp(t, op, nil)
	a.shows(a.logout(a.signIn(), "/bye"), "home of nobody")
	if q := a.asked(); q.Get("tenant") != "a&b" || q.Get("id_token_hint") == "" {
		t.Errorf("%v", q)
	}
}

func TestOwnPostLogoutAddress(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers[0].PostLogoutRedirectURL = c.BaseURL + "/farewell"
	})
	client := a.op.Clients()[0]
	client.PostLogoutRedirectURLs = []string{a.URL + "/farewell"}
	a.op.AddClient(client)
	page := a.logout(a.signIn(), "")
	a.shows(page, "home of nobody")
	if page.URL.Path != "/farewell" {
		t.Errorf("ended at %s", page.URL)
	}
	want := []oidcrp.Addresses{{Provider: "test", Redirect: a.URL + "/auth/callback/test", PostLogout: a.URL + "/farewell", Initiate: a.URL + "/auth/initiate"}}
	if got := a.rp.RedirectURLs(); !slices.Equal(got, want) {
		t.Errorf("to be registered: %+v", got)
	}
}

// Who signs out here only is told so, and where.
func TestSignedOutHereOnly(t *testing.T) {
	for name, change := range map[string]func(*oidcrp.Config){
		"as configured":                  func(c *oidcrp.Config) { c.Providers[0].LocalLogoutOnly = true },
		"no end-session at the provider": func(c *oidcrp.Config) { c.Providers[0].Endpoints.EndSession = oidcrp.NoEndpoint },
	} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				change(c)
				c.Providers[0].DisplayName = "Contoso"
			})
			b := a.signIn()
			a.shows(b.PostForm(a.URL+"/auth/logout", nil), "may still be signed in at Contoso")
			a.shows(b.Get(a.URL+"/auth/logout"), "signed out")
		})
	}
}

func TestUnreadableSignOutForm(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	page := b.Fetch("POST", "/auth/logout", &oidcrptest.FetchOptions{
		Header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, Body: "return_to=%zz",
	})
	if page.Status != http.StatusBadRequest || problem(t, []byte(page.Body)).Reason != "bad_request" {
		t.Errorf("%d %s", page.Status, page.Body)
	}
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
}
