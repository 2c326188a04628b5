package oidcrptest_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What each response type must bring (Core 3.1.2.5, 3.2.2.5, 3.3.2.5).
func TestResponseTypes(t *testing.T) {
	for _, test := range []struct {
		responseType          string
		code, idToken, access bool
	}{
		{"code", true, false, false},
		{"id_token", false, true, false},
		{"id_token token", false, true, true},
		{"token id_token", false, true, true},
		{"code id_token", true, true, false},
		{"code token", true, false, true},
		{"code id_token token", true, true, true},
		{"token code id_token", true, true, true},
	} {
		t.Run(test.responseType, func(t *testing.T) {
			w := newWire(t)
			var v url.Values
			if test.responseType == "code" {
				v = w.authorize()
			} else {
				v = w.front("response_type", test.responseType)
			}
			if v.Has("code") != test.code || v.Has("id_token") != test.idToken || v.Has("access_token") != test.access ||
				v.Has("token_type") != test.access || v.Has("expires_in") != test.access ||
				v.Get("state") != "the-state" || v.Get("iss") != w.p.Issuer() {
				t.Fatalf("response %v", v)
			}
			if test.idToken {
				w.checkFrontToken(v)
			}
			if test.access {
				if info := w.userInfoBy(v.Get("access_token")).json(t); info["email"] != "alice@example.com" {
					t.Errorf("UserInfo %v", info)
				}
			}
			if test.code {
				body := w.post(oidcrptest.TokenEndpoint, codeForm(v.Get("code"))).json(t)
				back := w.decode(body["id_token"].(string))
				if w.verify(back) != nil || back.claims["sub"] != "alice" || back.claims["nonce"] != "the-nonce" ||
					back.claims["at_hash"] != halfSHA256(body["access_token"].(string)) || back.claims["c_hash"] != nil {
					t.Errorf("ID token of the token endpoint: %v", back.claims)
				}
				if body["access_token"] == v.Get("access_token") {
					t.Error("one access token for both endpoints")
				}
			}
		})
	}
}

// checkFrontToken checks the ID token of an authorization response.
func (w *wire) checkFrontToken(v url.Values) {
	w.t.Helper()
	token := w.decode(v.Get("id_token"))
	if err := w.verify(token); err != nil {
		w.t.Error(err)
	}
	want := map[string]any{"sub": "alice", "nonce": "the-nonce", "s_hash": halfSHA256("the-state"), "c_hash": nil, "at_hash": nil}
	if v.Has("code") {
		want["c_hash"] = halfSHA256(v.Get("code"))
	}
	if v.Has("access_token") {
		want["at_hash"] = halfSHA256(v.Get("access_token"))
	}
	for name, value := range want {
		if token.claims[name] != value {
			w.t.Errorf("%s = %v, want %v", name, token.claims[name], value)
		}
	}
}

func TestResponseModes(t *testing.T) {
	w := newWire(t)
	if v := w.front("response_mode", "fragment"); !v.Has("code") {
		t.Errorf("code by fragment: %v", v)
	}
	if a := w.get(w.authorizeURL("response_type", "code id_token", "response_mode", "form_post")); a.status != 200 ||
		!strings.Contains(a.body, `name="id_token"`) || !strings.Contains(a.body, `name="code"`) {
		t.Errorf("hybrid by form_post: %d %s", a.status, a.body)
	}
}

// Errors go where the tokens would have gone (Multiple Response Types 5).
func TestFrontChannelRequestsRefused(t *testing.T) {
	w := newWire(t)
	for name, test := range map[string]struct {
		changes []string
		want    string
	}{
		"no nonce":            {[]string{"response_type", "id_token", "nonce", ""}, "invalid_request"},
		"no nonce for both":   {[]string{"response_type", "code id_token token", "nonce", ""}, "invalid_request"},
		"tokens in the query": {[]string{"response_type", "id_token", "response_mode", "query"}, "invalid_request"},
		"OAuth's own token":   {[]string{"response_type", "token"}, "unsupported_response_type"},
		"nobody signed in":    {[]string{"response_type", "code token", "prompt", "none"}, "login_required"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.want == "login_required" {
				w.p.SignInAs("")
			}
			v := w.front(test.changes...)
			if v.Get("error") != test.want || v.Get("state") != "the-state" || v.Has("code") || v.Has("id_token") || v.Has("access_token") {
				t.Errorf("answered %v, want %s", v, test.want)
			}
			w.p.SignInAs("alice")
		})
	}
	if v := w.front("response_type", "code token", "nonce", ""); !v.Has("code") {
		t.Errorf("code token needs no nonce: %v", v)
	}
}

// Without an access token nothing but the ID token can hold the claims.
func TestImplicitIDTokenHasTheClaims(t *testing.T) {
	w := newWire(t)
	w.client.UserInfoOnly = true
	w.p.AddClient(w.client)
	for responseType, has := range map[string]bool{"id_token": true, "id_token token": false, "code id_token": false} {
		token := w.decode(w.front("response_type", responseType).Get("id_token"))
		if got := token.claims["email"] != nil; got != has {
			t.Errorf("%s: e-mail %v, want %v", responseType, got, has)
		}
	}
}

func TestCodeUsedTwiceTakesTheFrontAccessTokenToo(t *testing.T) {
	w := newWire(t)
	v := w.front("response_type", "code token")
	w.post(oidcrptest.TokenEndpoint, codeForm(v.Get("code")))
	w.post(oidcrptest.TokenEndpoint, codeForm(v.Get("code")))
	if a := w.userInfoBy(v.Get("access_token")); a.status != http.StatusUnauthorized {
		t.Errorf("UserInfo answered %d", a.status)
	}
}

// A page of the application that reads the fragment gets it in the browser.
func TestBrowserPostsFragments(t *testing.T) {
	page := ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm()
		if r.Method == http.MethodGet {
			w.Header().Set("Content-Type", "text/html")
			w.Write([]byte(page))
			return
		}
		w.Write([]byte(r.PostForm.Encode()))
	}))
	t.Cleanup(server.Close)
	const script = `<script>let f=document.forms[0];f.submit(location.hash)</script>`
	for name, test := range map[string]struct{ page, fragment, want string }{
		"whole in the empty field": {`<form method=post><input type=hidden name=x value=1><input type=hidden name=response></form>` + script, "#code=a%2Bb&state=c", "response=code%3Da%252Bb%26state%3Dc&x=1"},
		"in a field for each":      {`<form method=post></form>` + script, "#code=a%2Bb&state=c", "code=a%2Bb&state=c"},
		"script that does not ask": {`<form method=post><input name=response></form><script>document.forms[0].submit()</script>`, "#code=a", "response="},
		"an empty one":             {`<form method=post><input name=response></form>` + script, "", "response="},
	} {
		t.Run(name, func(t *testing.T) {
			page = test.page
			b := oidcrptest.NewBrowser(t)
			if got := b.Get(server.URL + "/" + test.fragment).Text(); got != test.want {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
}
