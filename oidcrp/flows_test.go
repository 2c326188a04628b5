package oidcrp_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"html"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// front is a provider of all flows that does to its answers what a test says.
// It signs everybody in at once as its user.
type front struct {
	*httptest.Server
	key *ecdsa.PrivateKey // that is published

	mu     sync.Mutex
	user   string
	wait   bool // answer with a page that a visitor has to leave by hand
	tokens map[string]map[string]any
	count  map[string]int
	last   url.Values        // the latest authorization response
	nonces map[string]string // by state
	claims func(where string, claims map[string]any)
	answer func(url.Values)
	mode   string // of the answer, in place of the one asked for
	now    func() time.Time
	signer *ecdsa.PrivateKey // in place of key
}

func newFront(t *testing.T) *front {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f := &front{key: key, user: "alice", tokens: map[string]map[string]any{}, count: map[string]int{}, nonces: map[string]string{}, now: time.Now}
	f.Server = httptest.NewServer(http.HandlerFunc(f.serve))
	t.Cleanup(f.Close)
	return f
}

// calls is how often an endpoint was called.
func (f *front) calls(path string) int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.count[path]
}

// set changes the provider while it runs.
func (f *front) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// answered is the latest authorization response.
func (f *front) answered() url.Values {
	f.mu.Lock()
	defer f.mu.Unlock()
	return maps.Clone(f.last)
}

func (f *front) serve(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.count[r.URL.Path]++
	w.Header().Set("Content-Type", "application/json")
	switch r.URL.Path {
	case "/.well-known/openid-configuration":
		json.NewEncoder(w).Encode(map[string]any{
			"issuer": f.URL, "authorization_endpoint": f.URL + "/authorize", "token_endpoint": f.URL + "/token",
			"jwks_uri": f.URL + "/jwks", "userinfo_endpoint": f.URL + "/userinfo", "end_session_endpoint": f.URL + "/end",
		})
	case "/jwks":
		json.NewEncoder(w).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: f.key.Public(), KeyID: "f", Algorithm: "ES256"}}})
	case "/authorize":
		f.authorize(w, r.URL.Query())
	case "/token":
		claims, ok := f.tokens[r.PostFormValue("code")]
		delete(f.tokens, r.PostFormValue("code"))
		if !ok {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"error":"invalid_grant"}`)
			return
		}
		json.NewEncoder(w).Encode(map[string]any{"access_token": "back", "token_type": "Bearer", "id_token": f.sign("back", claims)})
	case "/userinfo":
		json.NewEncoder(w).Encode(map[string]any{"sub": f.user, "name": "Alice " + r.Header.Get("Authorization")})
	default:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, "signed out")
	}
}

func (f *front) authorize(w http.ResponseWriter, q url.Values) {
	now := f.now()
	claims := map[string]any{"iss": f.URL, "sub": f.user, "aud": q.Get("client_id"), "nonce": q.Get("nonce"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix()}
	asked := strings.Fields(q.Get("response_type"))
	v := url.Values{"state": {q.Get("state")}}
	hashes := map[string]any{}
	if slices.Contains(asked, "code") {
		v.Set("code", rand.Text())
		f.tokens[v.Get("code")] = maps.Clone(claims)
		hashes["c_hash"] = half(v.Get("code"))
	}
	if slices.Contains(asked, "token") {
		v.Set("access_token", "front-"+rand.Text())
		v.Set("token_type", "Bearer")
		hashes["at_hash"] = half(v.Get("access_token"))
	}
	if slices.Contains(asked, "id_token") {
		maps.Copy(claims, hashes)
		v.Set("id_token", f.sign("front", claims))
	}
	if f.answer != nil {
		f.answer(v)
	}
	f.last = v
	f.nonces[q.Get("state")] = q.Get("nonce")
	f.deliver(w, q, v)
}

func (f *front) deliver(w http.ResponseWriter, q, v url.Values) {
	mode := q.Get("response_mode")
	switch {
	case f.mode != "":
		mode = f.mode
	case mode == "" && q.Get("response_type") == "code":
		mode = "query"
	case mode == "":
		mode = "fragment"
	}
	separator := map[string]string{"query": "?", "fragment": "#"}[mode]
	switch {
	case mode == "form_post":
		script := "<script>document.forms[0].submit()</script>"
		if f.wait {
			script = ""
		}
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprint(w, postPage(q.Get("redirect_uri"), v), script)
	case f.wait:
		w.Header().Set("Content-Type", "text/html")
		fmt.Fprintf(w, `<a href="%s">go on</a>`, html.EscapeString(q.Get("redirect_uri")+separator+v.Encode()))
	default:
		w.Header().Set("Location", q.Get("redirect_uri")+separator+v.Encode())
		w.WriteHeader(http.StatusSeeOther)
	}
}

// postPage is a page with a form for the callback.
func postPage(action string, v url.Values) string {
	b := &strings.Builder{}
	fmt.Fprintf(b, `<form method="post" action="%s">`, html.EscapeString(action))
	for name, values := range v {
		for _, value := range values {
			fmt.Fprintf(b, `<input type="hidden" name="%s" value="%s">`, name, html.EscapeString(value))
		}
	}
	return b.String() + `<button>go on</button></form>`
}

func half(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func (f *front) sign(where string, claims map[string]any) string {
	if f.claims != nil {
		f.claims(where, claims)
	}
	key := f.key
	if f.signer != nil {
		key = f.signer
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "f"}}, nil)
	if err != nil {
		panic(err)
	}
	b, err := json.Marshal(claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(b)
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// newFrontApp is an application that signs in at f.
func newFrontApp(t *testing.T, f *front, responseType, mode string, change func(*oidcrp.Config)) *app {
	t.Helper()
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers = []oidcrp.Provider{{
			Name: "test", Issuer: f.URL, ClientID: "app", ClientSecret: "a secret",
			ResponseType: responseType, ResponseMode: mode, RolesClaim: "roles",
		}}
		if change != nil {
			change(c)
		}
	})
	f.now, a.front = a.clock.now, f
	return a
}

// kept fails the test if the log repeats what came by the browser.
func (a *app) kept(v url.Values) {
	a.t.Helper()
	for _, name := range []string{"code", "id_token", "access_token", "state"} {
		if value := v.Get(name); value != "" && strings.Contains(a.log.String(), value) {
			a.t.Errorf("%s is in the log: %s", name, a.log)
		}
	}
}

var flows = []string{"code", "code id_token", "id_token", "id_token token", "code id_token token", "code token"}

func TestFlows(t *testing.T) {
	for _, flow := range flows {
		for _, mode := range []string{"", "fragment", "form_post"} {
			t.Run(flow+" by "+mode, func(t *testing.T) {
				f := newFront(t)
				a := newFrontApp(t, f, flow, mode, func(c *oidcrp.Config) {
					if flow != "id_token" {
						c.Providers[0].UserInfo = oidcrp.UserInfoRequired
					}
				})
				b := a.browse()
				page := b.Get(a.URL + "/reports?year=2026")
				a.shows(page, "reports for alice at /reports?year=2026")
				hasCode := strings.Contains(flow, "code")
				if got := f.calls("/token"); (got == 1) != hasCode || got > 1 {
					t.Errorf("the token endpoint was called %d times", got)
				}
				want := map[bool]string{true: `"Alice Bearer back"`, false: `"Alice Bearer front-`}[hasCode]
				if me := b.Get(a.URL + "/auth/me").Body; flow != "id_token" && !strings.Contains(me, want) {
					t.Errorf("UserInfo was asked with another token: %s", me)
				}
				// Only a form of the provider's own comes from another site.
				for _, c := range b.Cookies(a.URL + "/") {
					crosses := mode == "form_post" && strings.Contains(c.Name, "oidcrp_login_")
					if crosses != (c.SameSite == http.SameSiteNoneMode) {
						t.Errorf("cookie %s", c)
					}
				}
				for _, hop := range page.Trail {
					own := strings.HasPrefix(hop.URL.String(), a.URL)
					if own && f.answered().Get("id_token") != "" && strings.Contains(hop.URL.RawQuery+hop.Response.Get("Location"), f.answered().Get("id_token")) {
						t.Errorf("a token is in %s or its answer", hop.URL)
					}
				}
				a.kept(f.answered())
				a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
			})
		}
	}
}

func TestFragmentPage(t *testing.T) {
	f := newFront(t)
	a := newFrontApp(t, f, "code id_token", "", nil)
	b := a.browse()
	b.SetJavaScript(false)
	page := b.Get(a.URL + "/reports")
	a.shows(page, "turn JavaScript on")
	policy := page.Header.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "script-src 'sha256-", "form-action 'self' https: http:", "frame-ancestors 'none'"} {
		if !strings.Contains(policy, want) {
			t.Errorf("the policy lacks %q: %s", want, policy)
		}
	}
	if page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("Referrer-Policy") != "no-referrer" {
		t.Errorf("headers %v", page.Header)
	}
	if f.calls("/token") != 0 {
		t.Error("something was redeemed")
	}
	b.SetJavaScript(true)
	a.shows(b.Reload(), "reports for alice")

	// Somebody comes by without an answer.
	stranger := a.browse()
	a.refused(stranger.Get(a.URL+"/auth/callback/test"), http.StatusBadRequest, "state")
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
}

// A login that took too long starts anew from the page of the fragment: its
// policy lets the form lead to the provider.
func TestExpiredLoginByFragment(t *testing.T) {
	f := newFront(t)
	a := newFrontApp(t, f, "code id_token", "", nil)
	f.wait = true
	b := a.browse()
	page := b.Get(a.URL + "/reports")
	a.clock.advance(11 * time.Minute)
	f.set(func() { f.wait = false })
	a.shows(b.Follow(page.Links()[0].Text), "reports for alice")
	if f.calls("/authorize") != 2 || f.calls("/token") != 1 {
		t.Errorf("%d authorizations, %d codes", f.calls("/authorize"), f.calls("/token"))
	}
}

// The same for flows whose tokens come by the browser.
func parallelTabsByFrontChannel(t *testing.T) {
	for _, flow := range flows[1:] {
		for _, mode := range []string{"fragment", "form_post"} {
			f := newFront(t)
			f.wait = true
			a := newFrontApp(t, f, flow, mode, nil)
			first := a.browse()
			tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab()}
			for i, tab := range tabs {
				tab.Get(fmt.Sprint(a.URL, "/reports/", i))
			}
			for i := len(tabs) - 1; i >= 0; i-- {
				page := goOn(tabs[i])
				a.shows(page, fmt.Sprint("reports for alice at /reports/", i))
			}
		}
	}
}

// goOn leaves a waiting provider's page.
func goOn(b *oidcrptest.Browser) *oidcrptest.Page {
	if len(b.Page().Forms()) > 0 {
		return b.SubmitForm("go on", nil)
	}
	return b.Follow("go on")
}

// What the browser brought is good once, also through Back, and not at
// all after a sign-out.
func frontChannelReplay(t *testing.T) {
	for _, mode := range []string{"fragment", "form_post"} {
		for _, flow := range []string{"id_token", "code id_token"} {
			t.Run(flow+" by "+mode, func(t *testing.T) {
				f := newFront(t)
				f.wait = true
				a := newFrontApp(t, f, flow, mode, nil)
				b := a.browse()
				b.Get(a.URL + "/reports")
				stale := b.Tab()
				replay := func() *oidcrptest.Page {
					if mode == "fragment" {
						return stale.Get(a.URL + "/auth/callback/test#" + f.answered().Encode())
					}
					stale.Show(f.URL+"/form", postPage(a.URL+"/auth/callback/test", f.answered()))
					return stale.SubmitForm("go on", nil)
				}
				a.shows(goOn(b), "reports for alice")
				started, codes := f.calls("/authorize"), f.calls("/token")
				session := a.sessionCookie(b).Value
				// Who is signed in goes where the login led.
				a.shows(replay(), "reports for alice")
				if a.sessionCookie(b).Value != session || f.calls("/authorize") != started {
					t.Error("the session was replaced")
				}
				b.DropCookie(a.sessionName(b, a.URL))
				page := replay()
				if f.calls("/authorize") != started+1 || !strings.HasPrefix(page.URL.String(), f.URL) {
					t.Errorf("without a session: %s", page)
				}
				if len(a.events.of(oidcrp.LoginSucceeded)) != 1 {
					t.Error("a second session")
				}
				a.shows(goOn(stale), "reports for alice")
				if strings.Contains(flow, "code") != (f.calls("/token") == codes+1) {
					t.Errorf("%d codes were redeemed, %d before", f.calls("/token"), codes)
				}
				answer := f.answered()
				b.Get(a.URL + "/")
				b.PostForm(a.URL+"/auth/logout", nil)
				f.set(func() { f.last = answer })
				a.refused(replay(), http.StatusBadRequest, "binding")
			})
		}
	}
}

// T053, T054, too: tokens of one login posted with the state of another.
func tokensOfOthers(t *testing.T) {
	for _, tt := range []struct {
		name, flow string
		take       []string // from the other's answer
		reason     string
	}{
		{"another's ID token", "id_token", []string{"id_token"}, "nonce"},
		{"another's ID token beside one's own code", "code id_token", []string{"id_token"}, "nonce"},
		{"another's code beside one's own ID token", "code id_token", []string{"code"}, "c_hash"},
		{"another's code and ID token", "code id_token", []string{"code", "id_token"}, "nonce"},
		{"another's access token", "id_token token", []string{"access_token"}, "at_hash"},
		{"another's access token and ID token", "id_token token", []string{"access_token", "id_token"}, "nonce"},
		{"another's access token beside a code", "code id_token token", []string{"access_token"}, "at_hash"},
		{"another's state", "id_token", []string{"state"}, "binding"},
		{"another's answer whole", "code id_token", []string{"state", "code", "id_token"}, "binding"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t)
			f.wait = true
			a := newFrontApp(t, f, tt.flow, "form_post", func(c *oidcrp.Config) {
				if strings.Contains(tt.flow, " token") {
					c.Providers[0].UserInfo = oidcrp.UserInfoOptional
				}
			})
			a.browse().Get(a.URL + "/reports")
			victim := f.answered()
			f.set(func() { f.user = "mallory" })
			b := a.browse()
			b.Get(a.URL + "/reports")
			mixed := f.answered()
			for _, name := range tt.take {
				mixed[name] = victim[name]
			}
			b.Show(f.URL+"/form", postPage(a.URL+"/auth/callback/test", mixed))
			a.refused(b.SubmitForm("go on", nil), http.StatusBadRequest, tt.reason)
			if f.calls("/token")+f.calls("/userinfo") != 0 {
				t.Error("something was redeemed or used")
			}
			a.kept(mixed)
			// The state is spent, or the other's login is as it was.
			b.Show(f.URL+"/form", postPage(a.URL+"/auth/callback/test", f.answered()))
			if page := b.SubmitForm("go on", nil); tt.reason != "binding" && !strings.HasPrefix(page.URL.String(), f.URL) {
				t.Errorf("after the refusal: %s", page)
			}
		})
	}
}

// T007: nothing follows a failed check.
func TestFrontChannelChecks(t *testing.T) {
	for _, tt := range []struct {
		name, flow, where string
		change            func(claims map[string]any)
		reason            string
		codes             int
	}{
		{"wrong nonce", "id_token", "front", func(c map[string]any) { c["nonce"] = "x" }, "nonce", 0},
		{"wrong nonce", "code id_token", "front", func(c map[string]any) { c["nonce"] = "x" }, "nonce", 0},
		{"no nonce", "id_token token", "front", func(c map[string]any) { delete(c, "nonce") }, "nonce", 0},
		{"nonce null", "id_token", "front", func(c map[string]any) { c["nonce"] = nil }, "nonce", 0},
		{"another issuer", "code id_token", "front", func(c map[string]any) { c["iss"] = "https://evil.example" }, "iss", 0},
		{"wrong nonce", "code token", "back", func(c map[string]any) { c["nonce"] = "x" }, "nonce", 1},
	} {
		for _, mode := range []string{"fragment", "form_post"} {
			t.Run(tt.flow+" by "+mode+": "+tt.name, func(t *testing.T) {
				f := newFront(t)
				f.claims = func(where string, claims map[string]any) {
					if where == tt.where {
						tt.change(claims)
					}
				}
				a := newFrontApp(t, f, tt.flow, mode, func(c *oidcrp.Config) {
					if tt.flow != "id_token" {
						c.Providers[0].UserInfo = oidcrp.UserInfoOptional
					}
				})
				a.refused(a.browse().Get(a.URL+"/reports"), http.StatusBadRequest, tt.reason)
				if f.calls("/token") != tt.codes || f.calls("/userinfo") != 0 {
					t.Errorf("%d codes redeemed, UserInfo asked %d times", f.calls("/token"), f.calls("/userinfo"))
				}
				a.kept(f.answered())
			})
		}
	}
}

func responseModeConfusion(t *testing.T) {
	for _, tt := range []struct {
		name, flow, mode, came string
		answer                 func(url.Values)
		reason                 string
	}{
		{"a query where a form was asked for", "code id_token", "form_post", "query", nil, "response_mode"},
		{"a fragment where a form was asked for", "code id_token", "form_post", "fragment", nil, "state"},
		// To a form of another site the browser gives no Lax cookie.
		{"a form where a fragment was asked for", "code id_token", "fragment", "form_post", nil, "no_binding"},
		{"a query where a fragment was asked for", "code id_token", "fragment", "query", nil, "response_mode"},
		{"a query in the implicit flow", "id_token", "", "query", nil, "response_mode"},
		{"an ID token in the code flow", "code", "form_post", "", func(v url.Values) { v.Set("id_token", "canary") }, "response_type"},
		{"an access token in the code flow", "code", "", "", func(v url.Values) { v.Set("access_token", "canary") }, "response_type"},
		{"an access token in the hybrid flow", "code id_token", "", "", func(v url.Values) { v.Set("access_token", "canary") }, "response_type"},
		{"a code in the implicit flow", "id_token", "form_post", "", func(v url.Values) { v.Set("code", "canary") }, "response_type"},
		{"two ID tokens", "id_token", "form_post", "", func(v url.Values) { v.Add("id_token", "canary") }, "duplicate"},
		{"two ID tokens in a fragment", "id_token", "", "", func(v url.Values) { v.Add("id_token", "canary") }, "duplicate"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFront(t)
			a := newFrontApp(t, f, tt.flow, tt.mode, nil)
			b := a.signIn()
			f.set(func() { f.mode, f.answer = tt.came, tt.answer })
			a.rejected(b, rejection{reason: tt.reason}, func() *oidcrptest.Page { return b.Get(a.URL + "/auth/login?return_to=/reports") })
			if strings.Contains(a.log.String(), "canary") {
				t.Errorf("a token is in the log: %s", a.log)
			}
			right := f.answered()
			a.kept(right)
			if tt.reason == "state" || tt.reason == "no_binding" {
				return // nobody could tell which login it was for
			}
			for name, values := range right {
				if right[name] = slices.DeleteFunc(values, func(v string) bool { return v == "canary" }); len(right[name]) == 0 {
					right.Del(name)
				}
			}
			callback, form := a.rightly("form_post", right)
			switch {
			case tt.mode == "" && tt.flow == "code":
				callback, form = a.rightly("query", right)
			case tt.mode != "form_post":
				form = url.Values{"response_fragment": {right.Encode()}}
			}
			a.usedUp(b, callback, form)
		})
	}
}

// A provider may send errors by the query, whatever was asked for.
func TestErrorsOfTheFrontChannelFlows(t *testing.T) {
	for _, mode := range []string{"query", "fragment", "form_post"} {
		for _, came := range []string{"query", mode} {
			f := newFront(t)
			flow := "code id_token"
			if mode == "query" {
				flow = "code"
			}
			f.mode = came
			f.answer = func(v url.Values) {
				for _, name := range []string{"code", "id_token"} {
					v.Del(name)
				}
				v.Set("error", "access_denied")
			}
			a := newFrontApp(t, f, flow, mode, nil)
			a.refused(a.browse().Get(a.URL+"/reports"), http.StatusBadRequest, "cancelled")
		}
	}
}

// T083, and T075's half: whose session it is, the token's issuer says.
func TestSeveralIssuers(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims map[string]any
		reason string // "" passes
	}{
		{"a tenant", map[string]any{"iss": "OP/t1", "tid": "t1"}, ""},
		{"a listed issuer", map[string]any{"iss": "https://two.example"}, ""},
		{"the usual one", nil, ""},
		{"another's tid", map[string]any{"iss": "OP/t1", "tid": "t2"}, "tid"},
		{"no tid", map[string]any{"iss": "OP/t1"}, "tid"},
		{"a tenant that may not", map[string]any{"iss": "OP/t3", "tid": "t3"}, "iss"},
		{"another provider", map[string]any{"iss": "https://evil.example/t1", "tid": "t1"}, "iss"},
	} {
		for _, flow := range []string{"code", "code id_token"} {
			t.Run(tt.name+" by "+flow, func(t *testing.T) {
				f := newFront(t)
				f.claims = func(_ string, claims map[string]any) {
					maps.Copy(claims, tt.claims)
					if iss, ok := tt.claims["iss"].(string); ok {
						claims["iss"] = strings.ReplaceAll(iss, "OP", f.URL)
					}
				}
				a := newFrontApp(t, f, flow, "form_post", func(c *oidcrp.Config) {
					c.Providers[0].IssuerTemplate, c.Providers[0].Tenants = f.URL+"/{tenantid}", []string{"t1", "t2"}
					c.Providers[0].Issuers = []string{"https://two.example"}
				})
				b := a.browse()
				page := b.Get(a.URL + "/reports")
				if tt.reason != "" {
					a.refused(page, http.StatusBadRequest, tt.reason)
					return
				}
				a.shows(page, "reports for alice")
				issuer := f.URL
				if iss, ok := tt.claims["iss"].(string); ok {
					issuer = strings.ReplaceAll(iss, "OP", f.URL)
				}
				if me := b.Get(a.URL + "/auth/me").Body; !strings.Contains(me, `"iss":"`+issuer+`"`) {
					t.Errorf("the session's issuer is not %s: %s", issuer, me)
				}
			})
		}
	}
}

// And at the development provider, which is written apart from this package: tabs finished in reverse order, and Back over what they brought.
func parallelTabsOfAllFlows(t *testing.T) {
	for _, flow := range flows {
		for _, mode := range []string{"fragment", "form_post"} {
			t.Run(flow+" by "+mode, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers[0].ResponseType, c.Providers[0].ResponseMode = flow, mode
				})
				a.op.SignInAs("")
				first := a.browse()
				tabs := []*oidcrptest.Browser{first, first.Tab(), first.Tab()}
				for i, tab := range tabs {
					tab.Get(fmt.Sprint(a.URL, "/reports/", i))
				}
				for i := len(tabs) - 1; i >= 0; i-- {
					a.shows(tabs[i].SubmitForm("alice", nil), fmt.Sprint("reports for alice at /reports/", i))
				}
				redeemed, sessions := a.op.Calls(oidcrptest.TokenEndpoint), len(a.events.of(oidcrp.LoginSucceeded))
				if strings.Contains(flow, "code") != (redeemed == len(tabs)) || redeemed%len(tabs) != 0 {
					t.Errorf("%d codes were redeemed", redeemed)
				}
				first.Back()
				if page := first.Get(a.URL + "/reports"); page.Status != http.StatusOK || a.op.Calls(oidcrptest.TokenEndpoint) != redeemed || len(a.events.of(oidcrp.LoginSucceeded)) != sessions {
					t.Errorf("after Back: %s", page)
				}
			})
		}
	}
}
