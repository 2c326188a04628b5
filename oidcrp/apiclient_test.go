package oidcrp_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// inside runs f in a handler of the application, for the visitor of b.
func (a *app) inside(b *oidcrptest.Browser, f func(ctx context.Context)) {
	a.t.Helper()
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	r.AddCookie(a.sessionCookie(b))
	ran := false
	a.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		ran = true
		f(r.Context())
	})).ServeHTTP(httptest.NewRecorder(), r)
	if !ran {
		a.t.Fatal("the handler did not run")
	}
}

// echo is an API that says which token it was called with, and redirects
// where the query says.
func echo(t *testing.T) *httptest.Server {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if to := r.URL.Query().Get("to"); to != "" {
			http.Redirect(w, r, to, http.StatusTemporaryRedirect)
			return
		}
		scheme, _, _ := strings.Cut(r.Header.Get("Authorization"), " ")
		io.WriteString(w, "token: "+scheme)
	}))
	t.Cleanup(srv.Close)
	return srv
}

func TestTokensGoToListedAPIsOnly(t *testing.T) {
	op, api, other := oidcrptest.NewProvider(t), echo(t), echo(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].APIs = []oidcrp.API{{URL: api.URL + "/v1"}, {URL: api.URL + "/v2/"}}
	})
	a.inside(a.signIn(), func(ctx context.Context) {
		c := a.rp.Client(ctx)
		through := func(path string, hops ...string) string {
			for i := len(hops) - 1; i >= 0; i-- {
				path = hops[i] + "?to=" + url.QueryEscape(path)
			}
			return path
		}
		for _, tt := range []struct {
			address, want string // "": refused
		}{
			{api.URL + "/v1", "token: Bearer"},
			{api.URL + "/v1/", "token: Bearer"},
			{api.URL + "/v1/things?x=1", "token: Bearer"},
			{api.URL + "/v2/things", "token: Bearer"},
			{strings.Replace(api.URL, "http://", "HTTP://", 1) + "/v1", "token: Bearer"},
			{api.URL + "/v10", ""},
			{api.URL + "/", ""},
			{api.URL + "/v1/../admin", ""},
			{api.URL + "/v1/%2e%2e/admin", ""},
			{api.URL + "/v1%2fthings", ""},
			{other.URL + "/v1", ""},
			{strings.Replace(api.URL, "127.0.0.1", "localhost", 1) + "/v1", ""},
			{through(api.URL+"/v1/next", api.URL+"/v1"), "token: Bearer"},
			{through(api.URL+"/elsewhere", api.URL+"/v1"), "token: "},
			{through(other.URL+"/v1", api.URL+"/v1"), "token: "},
			{through(api.URL+"/v1/next", api.URL+"/v1", other.URL+"/v1"), "token: "},
		} {
			resp, err := c.Get(tt.address)
			if tt.want == "" {
				if !errors.Is(err, oidcrp.ErrMisconfigured) {
					t.Errorf("%s: %v", tt.address, err)
				}
				continue
			}
			if err != nil {
				t.Errorf("%s: %v", tt.address, err)
				continue
			}
			body, _ := io.ReadAll(resp.Body)
			resp.Body.Close()
			if string(body) != tt.want {
				t.Errorf("%s: got %q, want %q", tt.address, body, tt.want)
			}
		}
		// Another name at the same address may be another server.
		r, _ := http.NewRequest("GET", api.URL+"/v1", nil)
		r.Host = "admin.example"
		if _, err := c.Do(r); !errors.Is(err, oidcrp.ErrMisconfigured) {
			t.Errorf("another host: %v", err)
		}
	})
}

func TestClientWithoutToken(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	api := op.URL(oidcrptest.ResourceEndpoint)
	if _, err := a.rp.Client(context.Background()).Post(api, "text/plain", strings.NewReader("x")); !errors.Is(err, oidcrp.ErrNoToken) || !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("outside: %v", err)
	}
	if _, err := a.rp.TokenSource(context.Background(), api).Token(); !errors.Is(err, oidcrp.ErrNoToken) {
		t.Errorf("outside: %v", err)
	}
	// A session from before tokens were kept.
	b := a.browse()
	b.SetCookie(a.URL, oidcrptest.Cookie(a.rp, "", oidcrptest.User{Subject: "alice"}).String())
	a.fails(b, oidcrp.ErrNoToken)
	if n := op.Calls(oidcrptest.ResourceEndpoint); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func TestTokenSource(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	var first string
	a.inside(b, func(ctx context.Context) {
		token, err := a.rp.TokenSource(ctx, op.URL(oidcrptest.ResourceEndpoint)).Token()
		if err != nil || token.AccessToken == "" || token.TokenType != "Bearer" || token.RefreshToken != "" || !token.Expiry.After(a.clock.now()) {
			t.Fatalf("got %+v, %v", token, err)
		}
		first = token.AccessToken
		if _, err := a.rp.TokenSource(ctx, "https://other.example").Token(); !errors.Is(err, oidcrp.ErrMisconfigured) {
			t.Errorf("another API: %v", err)
		}
	})
	a.expire()
	a.inside(b, func(ctx context.Context) {
		token, err := a.rp.TokenSource(ctx, op.URL(oidcrptest.ResourceEndpoint)).Token()
		if err != nil || token.AccessToken == first {
			t.Errorf("got %+v, %v", token, err)
		}
	})
}

// Each resource has an access token of its own, and all one refresh token.
func TestTokenForEachResource(t *testing.T) {
	op, mail, files := oidcrptest.NewProvider(t), echo(t), echo(t)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].APIs = []oidcrp.API{
			{URL: mail.URL, Resource: "https://mail.example"}, {URL: files.URL, Resource: "https://files.example"},
			{URL: op.URL(oidcrptest.ResourceEndpoint)},
		}
	})
	b := a.signIn()
	a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
	op.ResetCalls()
	// What is granted for a resource is not all that is granted.
	op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.TokenField("scope", "openid")))
	get := func(api string) {
		t.Helper()
		a.shows(b.Get(a.URL+"/call?api="+url.QueryEscape(api)), "token: Bearer")
	}
	for range 2 {
		get(mail.URL)
		get(files.URL)
		a.shows(a.call(b), "alice")
	}
	var asked []string
	tokens := map[string]bool{}
	for _, r := range op.Requests(oidcrptest.TokenEndpoint) {
		if r.Form.Get("grant_type") == "refresh_token" {
			asked = append(asked, r.Form.Get("resource"))
			tokens[r.Form.Get("refresh_token")] = true
		}
	}
	if strings.Join(asked, " ") != "https://mail.example https://files.example" || len(tokens) != 2 {
		t.Errorf("asked for %v with %d tokens", asked, len(tokens))
	}
	a.shows(b.Get(a.URL+"/scoped"), "calendar of alice")
	if n := op.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
		t.Errorf("%d times asked for the scope again", n)
	}
}

// A refresh for one resource is of no use to who wants another.
func TestTokensForResourcesAtOnce(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	apis := []oidcrp.API{{URL: "https://mail.example", Resource: "https://mail.example"}, {URL: "https://files.example", Resource: "https://files.example"}}
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) { cfg.Providers[0].APIs = apis })
	var mu sync.Mutex
	tokens := map[string]map[string]int{}
	a.inside(a.signIn(), func(ctx context.Context) {
		var wg sync.WaitGroup
		for i := range 20 {
			wg.Go(func() {
				api := apis[i%2].URL
				token, err := a.rp.TokenSource(ctx, api).Token()
				if err != nil {
					t.Error(err)
					return
				}
				mu.Lock()
				defer mu.Unlock()
				if tokens[api] == nil {
					tokens[api] = map[string]int{}
				}
				tokens[api][token.AccessToken]++
			})
		}
		wg.Wait()
	})
	if n := refreshes(op); n != 2 || len(tokens[apis[0].URL]) != 1 || len(tokens[apis[1].URL]) != 1 {
		t.Errorf("%d refreshes, tokens %v", n, tokens)
	}
	for token := range tokens[apis[0].URL] {
		if tokens[apis[1].URL][token] != 0 {
			t.Error("the same token for both")
		}
	}
}

func TestTokensBoundByDPoP(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.DPoPNonces)
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].DPoP = true
		for _, c := range op.Clients() {
			if c.ID == cfg.Providers[0].ClientID {
				c.RequireDPoP = true
				op.AddClient(c)
			}
		}
	})
	b := a.signIn()
	a.shows(a.call(b), `"sub":"alice"`)
	// A process that drew another key goes on with the key of the tokens.
	other := a.later(func(*oidcrp.Config) {})
	if status := a.onOtherNode(other, a.sessionCookie(b)); status != http.StatusOK {
		t.Errorf("another node: %d", status)
	}
	a.expire()
	if status := a.onOtherNode(other, a.sessionCookie(b)); status != http.StatusOK {
		t.Errorf("another node, after a refresh: %d", status)
	}
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(op); n == 0 {
		t.Error("no refresh")
	}
	for _, r := range op.Requests(oidcrptest.ResourceEndpoint) {
		if !strings.HasPrefix(r.Header.Get("Authorization"), "DPoP ") || r.Header.Get("DPoP") == "" {
			t.Errorf("called with %v", r.Header)
		}
	}
}

func TestTokensBoundToACertificate(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	if err := op.StartTLS(); err != nil {
		t.Fatal(err)
	}
	mine := newCertificate(t)
	leaf, err := x509.ParseCertificate(mine.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	jwks, err := json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: leaf.PublicKey, KeyID: "c", Certificates: []*x509.Certificate{leaf}}}})
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: op.CertPool(), Certificates: []tls.Certificate{mine}}}}
	a := newTokenApp(t, op, func(cfg *oidcrp.Config) {
		p := &cfg.Providers[0]
		p.ClientAuth, p.HTTPClient = "self_signed_tls_client_auth", client
		p.ClientSecret = ""
		p.APIs = []oidcrp.API{{URL: op.TLSURL(oidcrptest.ResourceEndpoint)}}
		for _, c := range op.Clients() {
			if c.ID == p.ClientID {
				c.AuthMethod, c.BindCertificate, c.JWKS = "self_signed_tls_client_auth", true, jwks
				op.AddClient(c)
			}
		}
	})
	b := a.signIn()
	api := a.URL + "/call?api=" + url.QueryEscape(op.TLSURL(oidcrptest.ResourceEndpoint))
	a.shows(b.Get(api), `"sub":"alice"`)
	a.expire()
	a.shows(b.Get(api), `"sub":"alice"`)
	b.Get(a.URL + "/leave")
	a.rp.Shutdown(context.Background())
	for _, endpoint := range []string{oidcrptest.TokenEndpoint, oidcrptest.ResourceEndpoint, oidcrptest.RevokeEndpoint} {
		requests := op.Requests(endpoint)
		if len(requests) == 0 {
			t.Errorf("%s was not called", endpoint)
		}
		for _, r := range requests {
			if r.Certificate == nil || !r.Certificate.Equal(leaf) {
				t.Errorf("%s was called without the certificate", endpoint)
			}
		}
	}
}
