package provider_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const theRefresh = "canary refresh +&%\"'"

// grantOf is a login of alice's, half an hour ago.
func grantOf(f *fake) provider.Grant {
	return provider.Grant{
		Issuer: f.URL, Subject: "alice", Nonce: theNonce, AuthTime: f.clock.Now().Add(-time.Hour).Truncate(time.Second),
		Refresh: theRefresh, Scopes: []string{"openid", "calendar"},
	}
}

func TestRefresh(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	f.answer = map[string]any{"refresh_token": "canary-next", "scope": "openid"}
	tokens, login, err := p.Refresh(context.Background(), grantOf(f), "https://api.example")
	if err != nil {
		t.Fatal(err)
	}
	if tokens.Access != theAccess || tokens.Type != "Bearer" || tokens.Refresh != "canary-next" ||
		!tokens.Expiry.Equal(f.clock.Now().Add(5*time.Minute)) || fmt.Sprint(tokens.Scopes) != "[openid]" || tokens.Key != nil {
		t.Errorf("tokens %+v", tokens)
	}
	if login == nil || login.Subject != "alice" || string(login.Claims["sub"]) != `"alice"` {
		t.Errorf("login %+v", login)
	}
	r := f.requests("/token")[0]
	for name, want := range map[string]string{"grant_type": "refresh_token", "refresh_token": theRefresh, "resource": "https://api.example"} {
		if r.Form.Get(name) != want {
			t.Errorf("%s is %q", name, r.Form.Get(name))
		}
	}
	if _, _, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok || r.Form.Has("scope") || f.count("/token") != 1 {
		t.Errorf("got %+v, %d times", r, f.count("/token"))
	}
}

func TestRefreshLeavesOut(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	f.answer = map[string]any{"id_token": nil, "expires_in": nil}
	tokens, login, err := p.Refresh(context.Background(), grantOf(f), "")
	if err != nil || login != nil {
		t.Fatalf("%v, %v", login, err)
	}
	if tokens.Refresh != theRefresh || !tokens.Expiry.IsZero() || fmt.Sprint(tokens.Scopes) != "[openid calendar]" {
		t.Errorf("tokens %+v", tokens)
	}
	if f.requests("/token")[0].Form.Has("resource") {
		t.Error("a resource was asked for")
	}
}

// Core 12.2.
func TestRefreshedIDToken(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	for name, tc := range map[string]struct {
		claims map[string]any
		check  string // "": accepted
	}{
		"as it was":            {},
		"no nonce":             {claims: map[string]any{"nonce": nil}},
		"another nonce":        {map[string]any{"nonce": "another"}, "nonce"},
		"another issuer":       {map[string]any{"iss": "https://other.example"}, "iss"},
		"another subject":      {map[string]any{"sub": "mallory"}, "sub"},
		"another audience":     {map[string]any{"aud": "client 2"}, "aud"},
		"an untrusted one too": {map[string]any{"aud": []string{clientID, "client 2"}, "azp": clientID}, "aud"},
		"for another party":    {map[string]any{"azp": "client 2"}, "azp"},
		"the same auth_time":   {claims: map[string]any{"auth_time": now.Add(-time.Hour).Unix()}},
		"another auth_time":    {map[string]any{"auth_time": now.Unix()}, "auth_time"},
		"an old one":           {map[string]any{"iat": now.Add(-10 * time.Minute).Unix()}, "iat"},
		"one of the future":    {map[string]any{"iat": now.Add(10 * time.Minute).Unix()}, "iat"},
		"one that expired":     {map[string]any{"exp": now.Add(-10 * time.Minute).Unix()}, "exp"},
		"of another token":     {map[string]any{"at_hash": "AAAAAAAAAAAAAAAAAAAAAA"}, "at_hash"},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.claims = tc.claims
			p := f.new(t, func(s *provider.Settings) { s.RequireACR, s.ACRValues, s.MaxAge = true, []string{"high"}, time.Minute })
			tokens, login, err := p.Refresh(context.Background(), grantOf(f), "")
			if tc.check == "" {
				if err != nil || login == nil {
					t.Fatal(login, err)
				}
				return
			}
			e, ok := errors.AsType[*validate.Error](err)
			if !ok || e.Check != tc.check || !errors.Is(err, provider.ErrInvalid) {
				t.Fatalf("got %v, want a failed %s", err, tc.check)
			}
			if tokens.Access != "" || login != nil {
				t.Errorf("got tokens all the same: %+v", tokens)
			}
			noSecrets(t, err.Error())
		})
	}
}

func TestRefreshFails(t *testing.T) {
	jsonError := func(status int, code string) http.HandlerFunc {
		return respond(status, "application/json", `{"error":"`+code+`","error_description":"canary refresh +&%"}`)
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		want   error
	}{
		"invalid_grant":          {jsonError(400, "invalid_grant"), provider.ErrRefused},
		"invalid_client":         {jsonError(401, "invalid_client"), provider.ErrMisconfigured},
		"500":                    {jsonError(500, "invalid_grant"), provider.ErrUnavailable},
		"429":                    {jsonError(429, "invalid_grant"), provider.ErrUnavailable},
		"server_error":           {jsonError(400, "server_error"), provider.ErrUnavailable},
		"a page":                 {respond(200, "text/html", "<h1>hello"), provider.ErrUnavailable},
		"half a document":        {respond(200, "application/json", `{"access_token":"x`), provider.ErrUnavailable},
		"no access token":        {respond(200, "application/json", `{"token_type":"Bearer"}`), provider.ErrInvalid},
		"another kind of token":  {respond(200, "application/json", `{"access_token":"x","token_type":"mac"}`), provider.ErrInvalid},
		"a redirect":             {redirectTo(307, "/elsewhere"), provider.ErrUnavailable},
		"a refresh token of one": {respond(200, "application/json", `{"access_token":"x","token_type":"Bearer","refresh_token":1}`), provider.ErrUnavailable},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			p := f.new(t)
			f.handle("/token", tc.answer)
			tokens, _, err := p.Refresh(context.Background(), grantOf(f), "")
			if !errors.Is(err, tc.want) || tokens.Access != "" {
				t.Fatalf("got %v, want %v", err, tc.want)
			}
			if tc.want == provider.ErrUnavailable && errors.Is(err, provider.ErrInvalid) {
				t.Error("taken for an answer that is not to be trusted")
			}
			if tc.want != provider.ErrRefused && errors.Is(err, provider.ErrRefused) {
				t.Error("taken for a refusal")
			}
			noSecrets(t, strings.ReplaceAll(err.Error(), "canary refresh +&%", "")) // cut short it is no secret
			if f.count("/token") != 1 {
				t.Errorf("%d calls", f.count("/token"))
			}
		})
	}
}

// A spent refresh token whose successor is lost would end the grant.
func TestRefreshWhileKeysCannotBeFetched(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	f.answer = map[string]any{"refresh_token": "next"}
	f.handle("/jwks", respond(503, "text/plain", "later"))
	tokens, login, err := p.Refresh(context.Background(), grantOf(f), "")
	if !errors.Is(err, provider.ErrUnavailable) || login != nil {
		t.Fatal(login, err)
	}
	if tokens.Refresh != "next" || tokens.Access != "" {
		t.Errorf("tokens %+v", tokens)
	}
}

func TestRefreshAsksUserInfo(t *testing.T) {
	f := newFake(t)
	p := f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired })
	_, login, err := p.Refresh(context.Background(), grantOf(f), "")
	if err != nil || string(login.Claims["name"]) != `"Alice"` {
		t.Fatal(login, err)
	}
	f.handle("/userinfo", respond(500, "text/plain", "later"))
	tokens, login, err := p.Refresh(context.Background(), grantOf(f), "")
	if err != nil || login != nil || tokens.Access != theAccess {
		t.Fatal(tokens, login, err)
	}
	f.handle("/userinfo", respond(200, "application/json", `{"sub":"mallory"}`))
	if tokens, _, err = p.Refresh(context.Background(), grantOf(f), ""); !errors.Is(err, provider.ErrInvalid) || tokens.Access != "" {
		t.Fatal(tokens, err)
	}
}

// The key goes where the tokens go: another process proves with it.
func TestRefreshWithTheKeyOfTheLogin(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"token_type": "DPoP", "refresh_token": theRefresh}
	first := f.new(t, withDPoP)
	login, err := complete(f, first)
	if err != nil {
		t.Fatal(err)
	}
	g := grantOf(f)
	g.Refresh, g.Key = login.Tokens.Refresh, login.Tokens.Key
	tokens, _, err := f.new(t, withDPoP).Refresh(context.Background(), g, "")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(tokens.Key, g.Key) {
		t.Error("bound to another key")
	}
	keys := map[string]bool{}
	for _, r := range append(f.requests("/token"), f.requests("/userinfo")...) {
		keys[readProof(t, f, r.Header).key] = true
	}
	if len(keys) != 1 || f.count("/token") != 2 || f.count("/userinfo") != 2 {
		t.Errorf("%d keys", len(keys))
	}
	f.set(func(f *fake) { f.answer["token_type"] = "Bearer" })
	if _, _, err := first.Refresh(context.Background(), g, ""); !errors.Is(err, provider.ErrInvalid) {
		t.Errorf("a token bound to nothing was taken: %v", err)
	}
}

func TestRoundTripWithDPoP(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"token_type": "DPoP"}
	p := f.new(t, withDPoP)
	login, err := complete(f, p)
	if err != nil {
		t.Fatal(err)
	}
	a, b := &demander{nonce: "a", status: http.StatusUnauthorized}, &demander{nonce: "b", status: http.StatusUnauthorized}
	var bodies []string
	api := func(d *demander) *httptest.Server {
		srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			proof := readProof(t, f, r.Header)
			sum := sha256.Sum256([]byte(theAccess))
			if proof.Method != "POST" || proof.Address != "http://"+r.Host+"/things" || proof.Token != base64.RawURLEncoding.EncodeToString(sum[:]) {
				t.Errorf("proof %+v", proof)
			}
			if d.refuses(t, f, w, r) {
				return
			}
			bodies = append(bodies, string(body)+" with "+r.Header.Get("Authorization"))
		}))
		t.Cleanup(srv.Close)
		return srv
	}
	first, second := api(a), api(b)
	send := func(to string, body io.Reader) int {
		t.Helper()
		r, err := http.NewRequest("POST", to+"/things?x=1", body)
		if err != nil {
			t.Fatal(err)
		}
		resp, err := p.RoundTrip(r, login.Tokens)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if r.Header.Get("Authorization")+r.Header.Get("DPoP") != "" {
			t.Error("the request was changed")
		}
		return resp.StatusCode
	}
	// What cannot be sent again is not, but the nonce is known then.
	if status := send(first.URL, io.MultiReader(strings.NewReader("once"))); status != http.StatusUnauthorized {
		t.Errorf("status %d", status)
	}
	for _, to := range []string{first.URL, second.URL, first.URL, second.URL} {
		if status := send(to, strings.NewReader("all of it")); status != http.StatusOK {
			t.Errorf("status %d", status)
		}
	}
	for _, body := range bodies {
		if body != "all of it with DPoP "+theAccess {
			t.Errorf("got %q", body)
		}
	}
	if len(bodies) != 4 {
		t.Errorf("%d requests served", len(bodies))
	}
}

func TestRevoke(t *testing.T) {
	f := newFake(t)
	f.handle("/revoke", respond(200, "text/plain", ""))
	if err := f.new(t).Revoke(context.Background(), theRefresh); err != nil || f.count("/revoke") != 0 {
		t.Fatalf("without an endpoint: %v", err)
	}
	f.metadata = map[string]any{"revocation_endpoint": f.URL + "/revoke"}
	p := f.new(t)
	if err := p.Revoke(context.Background(), theRefresh); err != nil {
		t.Fatal(err)
	}
	r := f.requests("/revoke")[0]
	if _, _, ok := (&http.Request{Header: r.Header}).BasicAuth(); !ok || r.Form.Get("token") != theRefresh || r.Form.Get("token_type_hint") != "refresh_token" {
		t.Errorf("got %+v", r)
	}
	f.handle("/revoke", respond(503, "text/plain", ""))
	if err := p.Revoke(context.Background(), theRefresh); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("got %v", err)
	}
	if err := p.Revoke(context.Background(), ""); err != nil {
		t.Errorf("nothing to revoke: %v", err)
	}
}

func TestOfflineAccessIsAskedFor(t *testing.T) {
	for name, tc := range map[string]struct {
		supported any
		want      bool
	}{
		"nothing listed": {nil, true},
		"listed":         {[]string{"openid", "offline_access"}, true},
		"left out":       {[]string{"openid", "email"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = map[string]any{"scopes_supported": tc.supported}
			address, err := f.new(t, func(s *provider.Settings) { s.Offline = true }).AuthorizationURL(context.Background(),
				provider.Request{State: "s", Nonce: "n", Challenge: "c", Scopes: []string{"calendar"}})
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(address, "offline_access") != tc.want || !strings.Contains(address, "+calendar&") {
				t.Errorf("got %s", address)
			}
		})
	}
}
