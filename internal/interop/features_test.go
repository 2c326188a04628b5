package interop_test

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// feature is a row of the matrix: a way of signing in.
type feature struct {
	name string

	// adjust makes client and relying party use it. Nil: they do already.
	adjust func(c *interop.Client, p *oidcrp.Provider)

	// used checks that a sign-in truly used it.
	used func(t *testing.T, in *signIn)
}

// signIn is a sign-in that succeeded.
type signIn struct {
	*app
	browser  *oidcrptest.Browser
	request  url.Values // the authorization request as the browser carried it
	response callback
	me       whoami
}

// try signs in with a feature at a provider.
func (f feature) try(t *testing.T, op *running) {
	in := newApp(t, op, f.adjust).signIn(t)
	f.used(t, in)
}

// signIn signs in whoever the provider likes.
func (a *app) signIn(t *testing.T) *signIn {
	t.Helper()
	return a.signInWith(t, oidcrptest.NewBrowser(t))
}

func (a *app) signInWith(t *testing.T, b *oidcrptest.Browser) *signIn {
	t.Helper()
	page := b.Get(a.url + "/whoami")
	in := &signIn{app: a, browser: b}
	for _, hop := range page.Trail {
		if hop.URL.Query().Has("client_id") {
			in.request = hop.URL.Query()
			break
		}
	}
	if in.request == nil {
		t.Fatalf("no authorization request was sent: %v", page)
	}
	if a.op.signIn != nil && page.URL.Host != mustParse(t, a.url).Host {
		a.op.signIn(t, b)
	}
	in.me = a.whoami(t, b.Page())
	in.response = a.onlyCallback(t)
	if in.me.Issuer != a.op.issuer || in.me.Subject == "" || a.op.subject != "" && in.me.Subject != a.op.subject {
		t.Errorf("signed in as %+v", in.me)
	}
	return in
}

// features are the rows, in order.
var features = slices.Concat(flows(), responseModes, clientAuthentication, requests, answers, []feature{refresh}, logouts)

// flows are the six, each in its default response mode, and those that have a
// fragment by form_post too.
func flows() []feature {
	var rows []feature
	for _, responseType := range []string{"code", "code id_token", "id_token", "id_token token", "code id_token token", "code token"} {
		rows = append(rows, flow(responseType, ""))
	}
	for _, responseType := range []string{"code id_token", "id_token", "id_token token", "code id_token token", "code token"} {
		rows = append(rows, flow(responseType, "form_post"))
	}
	return rows
}

func flow(responseType, mode string) feature {
	name, comes := responseType, mode
	switch {
	case mode != "":
		name += ", " + mode
	case responseType == "code":
		comes = "query"
	default:
		comes = "fragment"
	}
	parts := strings.Fields(responseType)
	return feature{
		name: name,
		adjust: func(c *interop.Client, p *oidcrp.Provider) {
			c.ResponseTypes = []string{responseType}
			p.ResponseType, p.ResponseMode = responseType, mode
			c.GrantTypes = grantTypes(parts)
			if responseType == "id_token" {
				p.UserInfo = oidcrp.UserInfoOff // no access token to ask with
			}
		},
		used: func(t *testing.T, in *signIn) {
			if in.response.mode != comes {
				t.Errorf("answered by %s, want %s", in.response.mode, comes)
			}
			for part, param := range map[string]string{"code": "code", "id_token": "id_token", "token": "access_token"} {
				if in.response.params.Has(param) != slices.Contains(parts, part) {
					t.Errorf("the response has %v", sortedNames(in.response.params))
				}
			}
			if !slices.Contains(parts, "code") {
				if n := len(in.tokenRequests()); n != 0 {
					t.Errorf("%d token requests", n)
				}
				return
			}
			if in.requested().Get("code_challenge_method") != "S256" || len(in.tokenRequest(t).form.Get("code_verifier")) < 43 {
				t.Error("no PKCE")
			}
		},
	}
}

// grantTypes are those a client with a response type needs (Registration 2).
func grantTypes(responseType []string) []string {
	var types []string
	if slices.Contains(responseType, "code") {
		types = append(types, "authorization_code")
	}
	if slices.Contains(responseType, "id_token") || slices.Contains(responseType, "token") {
		types = append(types, "implicit")
	}
	return types
}

// responseModes are asked for by name.
var responseModes = []feature{responseMode("query"), responseMode("fragment"), responseMode("form_post")}

func responseMode(mode string) feature {
	return feature{
		name:   "response_mode " + mode,
		adjust: func(_ *interop.Client, p *oidcrp.Provider) { p.ResponseMode = mode },
		used: func(t *testing.T, in *signIn) {
			if got := in.requested().Get("response_mode"); got != mode && mode != "query" {
				t.Errorf("asked for response_mode %q", got)
			}
			if in.response.mode != mode {
				t.Errorf("answered by %s", in.response.mode)
			}
		},
	}
}

// requested is the authorization request, pushed or not.
func (in *signIn) requested() url.Values {
	if pushed := in.pushed(); len(pushed) == 1 {
		return pushed[0].form
	}
	return in.request
}

// pushed are the pushed authorization requests (RFC 9126).
func (a *app) pushed() []exchange {
	return a.sent.find(func(e exchange) bool {
		return e.method == http.MethodPost && e.form.Get("grant_type") == "" && e.status == http.StatusCreated
	})
}

// tokenRequests are those that redeem a code.
func (a *app) tokenRequests() []exchange {
	return a.sent.find(func(e exchange) bool { return e.form.Get("grant_type") == "authorization_code" })
}

// tokenRequest is the one there was.
func (in *signIn) tokenRequest(t *testing.T) exchange {
	t.Helper()
	requests := in.tokenRequests()
	if len(requests) != 1 {
		t.Fatalf("%d token requests, want one", len(requests))
	}
	return requests[0]
}

// userInfo is the one answer of the UserInfo endpoint.
func (in *signIn) userInfo(t *testing.T) exchange {
	t.Helper()
	answers := in.sent.find(func(e exchange) bool {
		scheme, _, _ := strings.Cut(e.header.Get("Authorization"), " ")
		return e.form.Get("grant_type") == "" && (scheme == "Bearer" || scheme == "DPoP")
	})
	if len(answers) != 1 {
		t.Fatalf("UserInfo was asked %d times, want once", len(answers))
	}
	return answers[0]
}

// tokenAnswer is what the token endpoint said.
func (in *signIn) tokenAnswer(t *testing.T) (answer struct {
	TokenType string `json:"token_type"`
	IDToken   string `json:"id_token"`
}) {
	t.Helper()
	if err := json.Unmarshal([]byte(in.tokenRequest(t).answer), &answer); err != nil {
		t.Fatal(err)
	}
	return answer
}

// joseHeader is the header of a JWT, which must have so many parts.
func joseHeader(t *testing.T, token string, parts int) (header struct{ Alg, Typ string }) {
	t.Helper()
	split := strings.Split(token, ".")
	if len(split) != parts {
		t.Fatalf("a JWT has %d parts, want %d: %.40s", len(split), parts, token)
	}
	raw, err := base64.RawURLEncoding.DecodeString(split[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	return header
}

func sortedNames(v url.Values) []string {
	var names []string
	for name := range v {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
