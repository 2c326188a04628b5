package oidcrp_test

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// newSigningApp is newApp for a client that signs with keys and is known at
// the provider by its jwks_uri; register may change how.
func newSigningApp(t *testing.T, op *oidcrptest.Provider, register func(*oidcrptest.Client), change func(*oidcrp.Provider)) *app {
	t.Helper()
	a := newApp(t, op, func(c *oidcrp.Config) { change(&c.Providers[0]) })
	client := op.Clients()[0]
	client.JWKSURL = a.rp.RedirectURLs()[0].JWKS
	if register != nil {
		register(&client)
	}
	op.AddClient(client)
	return a
}

func TestLoginWithAssertions(t *testing.T) {
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		method, alg string
		key         crypto.Signer
	}{
		{"private_key_jwt", "RS256", rsaKey},
		{"private_key_jwt", "PS256", rsaKey},
		{"private_key_jwt", "ES256", newKey(t)},
		{"private_key_jwt", "EdDSA", edKey},
		{"client_secret_jwt", "HS256", nil},
	} {
		t.Run(tt.method+" "+tt.alg, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newSigningApp(t, op, func(c *oidcrptest.Client) {
				c.AuthMethod, c.AuthAlgorithm, c.AssertionAudience = tt.method, tt.alg, op.Issuer()
				if tt.key == nil {
					c.Secret = "a secret of more than thirty-two bytes"
				}
			}, func(p *oidcrp.Provider) {
				p.ClientAuth = tt.method
				if tt.key == nil {
					p.ClientSecret = "a secret of more than thirty-two bytes"
					return
				}
				p.ClientSecret, p.ClientKeys = "", []oidcrp.ClientKey{{Algorithm: tt.alg, Key: tt.key}}
			})
			a.signIn()
			a.calls(oidcrptest.TokenEndpoint, 1)
		})
	}
}

// Ory Hydra and others want their token endpoint.
func TestAssertionAudience(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	wanted := op.URL(oidcrptest.TokenEndpoint)
	login := func(audience string) (*app, *oidcrptest.Page) {
		a := newSigningApp(t, op, func(c *oidcrptest.Client) { c.AuthMethod, c.AssertionAudience = "private_key_jwt", wanted }, func(p *oidcrp.Provider) {
			p.ClientSecret, p.ClientKeys, p.AssertionAudience = "", []oidcrp.ClientKey{{Key: newKey(t)}}, audience
		})
		return a, a.browse().Get(a.URL + "/reports")
	}
	a, page := login(wanted)
	a.shows(page, "reports for alice")
	a, page = login("")
	a.refused(page, http.StatusInternalServerError, "misconfigured")
}

func TestLoginWithRequestObject(t *testing.T) {
	for _, tt := range []struct {
		kind   oidcrp.RequestObject
		alg    string // registered
		par    oidcrp.Usage
		param  string // at the authorization endpoint
		pushed int
	}{
		{oidcrp.RequestByValue, "ES256", oidcrp.Refused, "request", 0},
		{oidcrp.RequestByReference, "ES256", oidcrp.Refused, "request_uri", 0},
		{oidcrp.RequestByValue, "ES256", oidcrp.WhenAdvertised, "request_uri", 1},
		{oidcrp.RequestByReference, "ES256", oidcrp.Required, "request_uri", 1},
		{oidcrp.UnsignedRequestByValue, "none", oidcrp.Refused, "request", 0},
		{oidcrp.UnsignedRequestByReference, "none", oidcrp.Refused, "request_uri", 0},
	} {
		t.Run(string(tt.kind)+" "+tt.param, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newSigningApp(t, op, func(c *oidcrptest.Client) { c.RequireRequestObject, c.RequestObjectAlgorithm = true, tt.alg }, func(p *oidcrp.Provider) {
				p.RequestObject, p.PAR = tt.kind, tt.par
				p.MaxAge, p.ClaimsRequest = time.Hour, `{"id_token":{"email":null}}`
				if tt.alg != "none" {
					p.ClientAuth, p.ClientKeys = "client_secret_basic", []oidcrp.ClientKey{{Key: newKey(t)}}
				}
			})
			a.signIn()
			a.calls(oidcrptest.PAREndpoint, tt.pushed)
			q := op.Requests(oidcrptest.AuthorizeEndpoint)[0].Query
			if !q.Has(tt.param) || q.Has("state") || q.Has("nonce") || q.Has("redirect_uri") {
				t.Errorf("query %v", q)
			}
		})
	}
}

// What a provider fetches is only what this application referred to, for as
// long as a login may need it.
func TestRequestAddress(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newSigningApp(t, op, nil, func(p *oidcrp.Provider) {
		p.RequestObject, p.PAR, p.ClientAuth = oidcrp.RequestByReference, oidcrp.Refused, "client_secret_basic"
		p.ClientKeys = []oidcrp.ClientKey{{Key: newKey(t)}}
	})
	a.signIn()
	uri := op.Requests(oidcrptest.AuthorizeEndpoint)[0].Query.Get("request_uri")
	if !strings.HasPrefix(uri, a.rp.RedirectURLs()[0].Request+"?") || len(uri) > 512 {
		t.Fatalf("request_uri %s", uri)
	}
	get := func(uri string) *http.Response {
		t.Helper()
		res, err := http.Get(uri)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		return res
	}
	res := get(uri)
	if res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "application/oauth-authz-req+jwt" || res.Header.Get("Cache-Control") != "no-store" || len(res.Cookies()) != 0 {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
	for _, tt := range []struct{ name, uri string }{
		{"a changed reference", uri[:len(uri)-2] + "xx"},
		{"half a reference", uri[:len(uri)/2]},
		{"no reference", strings.TrimSuffix(uri[:strings.Index(uri, "?")+1], "?")},
		{"another provider's address", strings.Replace(uri, "/test?", "/other?", 1)},
		{"the state as reference", a.URL + "/auth/request/test?" + url.QueryEscape(strings.Repeat("A", 128))},
	} {
		if res := get(tt.uri); res.StatusCode != http.StatusNotFound {
			t.Errorf("%s: %d", tt.name, res.StatusCode)
		}
	}
	a.clock.advance(5*time.Minute + time.Second)
	if res := get(uri); res.StatusCode != http.StatusNotFound {
		t.Errorf("after five minutes: %d", res.StatusCode)
	}
}

// A provider that was told to expect signatures takes nothing else.
func TestRequestObjectThatIsRefused(t *testing.T) {
	for _, tt := range []struct {
		name string
		kind oidcrp.RequestObject
	}{
		{"no object", ""},
		{"an unsigned one", oidcrp.UnsignedRequestByValue},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			a := newSigningApp(t, op, func(c *oidcrptest.Client) { c.RequireRequestObject, c.RequestObjectAlgorithm = true, "ES256" }, func(p *oidcrp.Provider) {
				p.RequestObject = tt.kind
			})
			a.refused(a.browse().Get(a.URL+"/reports"), http.StatusInternalServerError, "misconfigured") // said so when it was pushed
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
		})
	}
}
