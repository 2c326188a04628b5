package oidcrptest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// callbackServer is an application that shows what comes back to it, at
// http://localhost, another site than the provider's.
func callbackServer(t *testing.T) (callback string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		w.Header().Set("Content-Type", "text/plain")
		w.Write([]byte(r.Method + " " + r.Form.Encode()))
	}))
	t.Cleanup(server.Close)
	return localhost(server) + "/callback"
}

func localhost(s *httptest.Server) string {
	return strings.Replace(s.URL, "127.0.0.1", "localhost", 1)
}

// visitor is a browser about to sign in at a provider for an application.
type visitor struct {
	*oidcrptest.Browser
	w        *wire
	callback string
}

func newVisitor(t *testing.T, faults ...oidcrptest.Fault) *visitor {
	w := newWire(t, faults...)
	w.p.SignInAs("")
	v := &visitor{Browser: oidcrptest.NewBrowser(t), w: w, callback: callbackServer(t)}
	w.client.RedirectURLs = []string{v.callback}
	w.client.PostLogoutRedirectURLs = []string{v.callback + "/out"}
	w.p.AddClient(w.client)
	return v
}

func (v *visitor) authorize(changes ...string) *oidcrptest.Page {
	v.w.t.Helper()
	return v.Get(v.w.authorizeURL(append([]string{"redirect_uri", v.callback}, changes...)...))
}

// back returns what the application got; nil if the browser is not there.
func (v *visitor) back(page *oidcrptest.Page) url.Values {
	v.w.t.Helper()
	if !strings.HasPrefix(page.URL.String(), v.callback) {
		return nil
	}
	_, query, _ := strings.Cut(page.Body, " ")
	values, err := url.ParseQuery(query)
	if err != nil {
		v.w.t.Fatal(err)
	}
	return values
}

func (v *visitor) mustBeBack(page *oidcrptest.Page, want string) {
	v.w.t.Helper()
	if values := v.back(page); values == nil || !values.Has(want) && values.Get("error") != want {
		v.w.t.Errorf("want %s at the callback: %v", want, page)
	}
}

func (v *visitor) mustSeeSignIn(page *oidcrptest.Page) {
	v.w.t.Helper()
	if page.Status != 200 || page.Form("alice") == nil {
		v.w.t.Errorf("want the sign-in page: %v", page)
	}
}

func TestSignInPage(t *testing.T) {
	v := newVisitor(t)
	page := v.authorize("login_hint", "somebody")
	v.mustSeeSignIn(page)
	text := page.Text()
	for _, want := range []string{"For development only", "Alice Archer", "carol@example.com", "e-mail not verified", "Cancel"} {
		if !strings.Contains(text, want) {
			t.Errorf("page lacks %q: %s", want, text)
		}
	}
	if strings.Contains(page.Body, "<script") || !strings.Contains(page.Body, `value="somebody"`) {
		t.Errorf("page has a script, or no login_hint: %s", page.Body)
	}
	origin, _, _ := strings.Cut(v.callback, "/callback")
	csp := page.Header.Get("Content-Security-Policy")
	if !strings.Contains(csp, "default-src 'none'") || !strings.Contains(csp, "form-action 'self' "+origin) || strings.Contains(csp, "unsafe") {
		t.Errorf("policy %s", csp)
	}
	v.mustBeBack(v.SubmitForm("alice", nil), "code")
}

func TestSignInByUserName(t *testing.T) {
	v := newVisitor(t)
	v.authorize()
	page := v.SubmitForm("Sign in", url.Values{"user": {"nobody<b>"}})
	if page.Status != 422 || !strings.Contains(page.Text(), "There is no such user.") || strings.Contains(page.Body, "nobody<b>") {
		t.Errorf("unknown user: %v", page)
	}
	v.mustBeBack(v.SubmitForm("Sign in", url.Values{"user": {" BOB@example.com "}}), "code")
}

func TestCancel(t *testing.T) {
	v := newVisitor(t)
	v.authorize()
	page := v.SubmitForm("Cancel", nil)
	v.mustBeBack(page, "access_denied")
	if v.back(page).Get("state") != "the-state" {
		t.Errorf("no state: %v", page)
	}
}

func TestLanguages(t *testing.T) {
	v := newVisitor(t)
	if page := v.authorize("ui_locales", "fr th"); !strings.Contains(page.Text(), "เข้าสู่ระบบ") || page.Header.Get("Content-Language") != "th" || !strings.Contains(page.Body, `<html lang="th">`) {
		t.Errorf("not in Thai: %v", page)
	}
	if page := v.Follow("English"); !strings.Contains(page.Text(), "Sign in") {
		t.Errorf("not in English: %v", page)
	}
	v.SetLanguage("th-TH,th;q=0.9,en;q=0.8")
	if page := v.authorize(); !strings.Contains(page.Text(), "เข้าสู่ระบบ") {
		t.Errorf("not in Thai by Accept-Language: %v", page)
	}
}

// A form across sites shows who may send cookies; it must also work where no
// script runs.
func TestFormPost(t *testing.T) {
	v := newVisitor(t)
	v.authorize("response_mode", "form_post")
	page := v.SubmitForm("alice", nil)
	v.mustBeBack(page, "code")
	last := page.Trail[len(page.Trail)-1]
	if last.Method != "POST" || last.Request.Get("Origin") != v.w.p.Issuer() || last.Request.Get("Sec-Fetch-Site") != "cross-site" || last.Request.Get("Sec-Fetch-User") != "" {
		t.Errorf("%s with %v", last.Method, last.Request)
	}
	v.SetJavaScript(false)
	page = v.authorize("response_mode", "form_post")
	if page.Form("Continue") == nil {
		t.Fatalf("no button without JavaScript: %v", page)
	}
	v.mustBeBack(v.SubmitForm("Continue", nil), "code")
}

func TestSingleSignOn(t *testing.T) {
	v := newVisitor(t)
	now := time.Now()
	v.w.p.SetNow(func() time.Time { return now })
	v.mustBeBack(v.authorize("prompt", "none"), "login_required")
	v.mustSeeSignIn(v.authorize())
	v.SubmitForm("alice", nil)
	now = now.Add(10 * time.Minute)
	for name, test := range map[string]struct {
		changes []string
		want    string // "": the sign-in page
	}{
		"nothing asked":               {nil, "code"},
		"prompt none":                 {[]string{"prompt", "none"}, "code"},
		"prompt login":                {[]string{"prompt", "login"}, ""},
		"prompt consent":              {[]string{"prompt", "consent"}, ""},
		"prompt select_account":       {[]string{"prompt", "select_account"}, ""},
		"max_age not reached":         {[]string{"max_age", "3600"}, "code"},
		"max_age passed":              {[]string{"max_age", "60"}, ""},
		"max_age zero":                {[]string{"max_age", "0"}, ""},
		"max_age passed, prompt none": {[]string{"max_age", "60", "prompt", "none"}, "login_required"},
		"acr of the session":          {[]string{"acr_values", "2 1"}, "code"},
		"stronger acr":                {[]string{"acr_values", "2"}, ""},
		"essential acr by claims":     {[]string{"claims", `{"id_token":{"acr":{"essential":true,"values":["2"]}}}`}, ""},
		"login_hint of the user":      {[]string{"login_hint", "alice@example.com"}, "code"},
		"login_hint of another":       {[]string{"login_hint", "bob"}, ""},
		"login_hint of nobody":        {[]string{"login_hint", "nobody"}, "code"},
		"rubbish for id_token_hint":   {[]string{"id_token_hint", "x", "prompt", "none"}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			page := v.Tab().Get(v.w.authorizeURL(append([]string{"redirect_uri", v.callback}, test.changes...)...))
			if test.want == "" {
				v.mustSeeSignIn(page)
			} else {
				v.mustBeBack(page, test.want)
			}
		})
	}
	v.w.p.EndSessions()
	v.mustBeBack(v.authorize("prompt", "none"), "login_required")
}

func (v *visitor) idToken(code string) idToken {
	v.w.t.Helper()
	form := codeForm(code)
	form.Set("redirect_uri", v.callback)
	raw, _ := v.w.post(oidcrptest.TokenEndpoint, form).json(v.w.t)["id_token"].(string)
	return v.w.decode(raw)
}

func TestStepUpContinuesTheSession(t *testing.T) {
	v := newVisitor(t)
	now := time.Unix(2_000_000_000, 0)
	v.w.p.SetNow(func() time.Time { return now })
	v.authorize()
	before := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	now = now.Add(time.Hour)
	v.authorize("acr_values", "2")
	after := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	if after.claims["acr"] != "2" || after.claims["auth_time"] != before.claims["auth_time"].(float64)+3600 || after.claims["sid"] != before.claims["sid"] {
		t.Errorf("before %v, after %v", before.claims, after.claims)
	}
	v.authorize("prompt", "login")
	if other := v.idToken(v.back(v.SubmitForm("bob", nil)).Get("code")); other.claims["sid"] == before.claims["sid"] {
		t.Error("another user continues the session")
	}
	v.mustBeBack(v.authorize("prompt", "none", "id_token_hint", before.raw), "login_required")
}

func TestEndSession(t *testing.T) {
	signIn := func(t *testing.T) (*visitor, idToken) {
		v := newVisitor(t)
		v.authorize()
		return v, v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	}
	signOut := func(v *visitor, params url.Values) *oidcrptest.Page {
		return v.Get(v.w.p.URL(oidcrptest.EndSessionEndpoint) + "?" + params.Encode())
	}
	gone := func(v *visitor, want bool) {
		v.w.t.Helper()
		_, still := v.back(v.Tab().Get(v.w.authorizeURL("redirect_uri", v.callback, "prompt", "none")))["code"]
		if still == want {
			v.w.t.Errorf("session at the provider: %v", still)
		}
	}
	t.Run("hint", func(t *testing.T) {
		v, token := signIn(t)
		page := signOut(v, url.Values{"id_token_hint": {token.raw}, "post_logout_redirect_uri": {v.callback + "/out"}, "state": {"s&t"}})
		if v.back(page).Get("state") != "s&t" || page.URL.Path != "/callback/out" {
			t.Errorf("came back %v", page)
		}
		gone(v, true)
	})
	t.Run("expired hint of dropped keys", func(t *testing.T) {
		v, token := signIn(t)
		v.w.p.RotateKeys()
		v.w.p.DropOldKeys()
		v.w.p.SetNow(func() time.Time { return time.Now().Add(2 * time.Hour) })
		if page := signOut(v, url.Values{"id_token_hint": {token.raw}}); !strings.Contains(page.Text(), "You are signed out") {
			t.Errorf("ended at %v", page)
		}
	})
	t.Run("no hint asks", func(t *testing.T) {
		v, _ := signIn(t)
		page := signOut(v, url.Values{"client_id": {v.w.client.ID}, "post_logout_redirect_uri": {v.callback + "/out"}, "state": {"s"}})
		if !strings.Contains(page.Text(), "Sign out?") {
			t.Fatalf("did not ask: %v", page)
		}
		gone(v, false)
		if page := v.SubmitForm("confirm", nil); v.back(page).Get("state") != "s" {
			t.Errorf("came back %v", page)
		}
		gone(v, true)
	})
	t.Run("hint of another user asks", func(t *testing.T) {
		v, token := signIn(t)
		v.authorize("prompt", "login")
		v.SubmitForm("bob", nil)
		if page := signOut(v, url.Values{"id_token_hint": {token.raw}}); page.Form("confirm") == nil {
			t.Errorf("did not ask: %v", page)
		}
		gone(v, false)
	})
	t.Run("confirmation of another site", func(t *testing.T) {
		v, _ := signIn(t)
		v.Show("http://evil.localhost/", `<form method=post action="`+v.w.p.URL(oidcrptest.EndSessionEndpoint)+`"><input name=confirm value=1><button>Win</button></form>`)
		if page := v.SubmitForm("Win", nil); page.Status != 403 {
			t.Errorf("answered %v", page)
		}
		gone(v, false)
	})
	t.Run("refused", func(t *testing.T) {
		v, token := signIn(t)
		other := v.w.p.AddClient(oidcrptest.Client{})
		for name, params := range map[string]url.Values{
			"unregistered return URL":      {"id_token_hint": {token.raw}, "post_logout_redirect_uri": {v.callback}},
			"return URL of no client":      {"post_logout_redirect_uri": {v.callback + "/out"}},
			"unknown client":               {"client_id": {"nobody"}},
			"hint for another client":      {"id_token_hint": {token.raw}, "client_id": {other.ID}},
			"forged hint":                  {"id_token_hint": {token.raw[:len(token.raw)-8] + "AAAAAAAA"}},
			"hint that is no token at all": {"id_token_hint": {"x"}},
			"a parameter twice":            {"state": {"a", "b"}},
		} {
			if page := signOut(v, params); page.Status != 400 || page.URL.Path != oidcrptest.EndSessionEndpoint {
				t.Errorf("%s: answered %v", name, page)
			}
		}
		gone(v, false)
	})
	t.Run("tokens", func(t *testing.T) {
		v := newVisitor(t)
		tokens := map[string]map[string]any{}
		for _, scope := range []string{"openid", "openid offline_access"} {
			page := v.authorize("scope", scope)
			if v.back(page) == nil {
				page = v.SubmitForm("alice", nil)
			}
			form := codeForm(v.back(page).Get("code"))
			form.Set("redirect_uri", v.callback)
			tokens[scope] = v.w.post(oidcrptest.TokenEndpoint, form).json(t)
		}
		signOut(v, url.Values{"id_token_hint": {tokens["openid"]["id_token"].(string)}})
		if a := v.w.userInfoBy(tokens["openid"]["access_token"].(string)); a.status != 401 {
			t.Errorf("online token answered %d", a.status)
		}
		if a := v.w.userInfoBy(tokens["openid offline_access"]["access_token"].(string)); a.status != 200 {
			t.Errorf("offline token answered %d", a.status)
		}
	})
}

// The page of a stranger must not sign anybody in here.
func TestSignInFormOfAnotherSite(t *testing.T) {
	v := newVisitor(t)
	v.Show("http://evil.localhost/", `<form method=post action="`+v.w.p.URL(oidcrptest.SignInEndpoint)+`">
		<input name=request value="`+url.Values(v.w.request("redirect_uri", v.callback)).Encode()+`"><button name=user value=bob></form>`)
	if page := v.SubmitForm("bob", nil); page.Status != 403 {
		t.Errorf("answered %v", page)
	}
}

func TestHome(t *testing.T) {
	p := oidcrptest.NewProvider(t)
	page := oidcrptest.NewBrowser(t).Get(p.Issuer())
	if page.Status != 200 || !strings.Contains(page.Text(), p.Issuer()) || !strings.Contains(page.Text(), "For development only") {
		t.Errorf("home is %v", page)
	}
}

// Both languages must say everything, and every control must have a name.
func TestPagesAreAccessible(t *testing.T) {
	v := newVisitor(t)
	v.SetJavaScript(false)
	v.authorize()
	pages := []*oidcrptest.Page{v.Page(), v.SubmitForm("Sign in", url.Values{"user": {"x"}})}
	v.SubmitForm("alice", nil)
	pages = append(pages, v.authorize("response_mode", "form_post"), v.Get(v.w.p.URL(oidcrptest.EndSessionEndpoint)), v.Get(v.w.p.Issuer()), v.authorize("client_id", "x"))
	v.SetLanguage("th")
	pages = append(pages, v.authorize("prompt", "login"), v.Get(v.w.p.Issuer()))
	for _, page := range pages {
		for _, want := range []string{"<!doctype html>", `<html lang="`, `name="viewport"`, "<main>", "<h1>", `role="note"`} {
			if !strings.Contains(page.Body, want) {
				t.Errorf("%s lacks %s", page.URL, want)
			}
		}
		if page.Title() == "" || strings.Contains(page.Body, "ZgotmplZ") || regexp.MustCompile(`<h1></h1>|<p></p>`).MatchString(page.Body) {
			t.Errorf("%s lacks text: %s", page.URL, page.Body)
		}
		for _, f := range page.Forms() {
			for _, b := range f.Buttons {
				if b.Text == "" {
					t.Errorf("%s has a button without text: %v", page.URL, b)
				}
			}
		}
	}
}
