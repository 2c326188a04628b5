package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const theFrontAccess = "canary-front-access-token"

// front is the authorization response of a flow, as its parameters; claims
// change the ID token in it.
func (f *fake) front(responseType string, claims map[string]any) url.Values {
	v := url.Values{"state": {"the-state"}}
	token := map[string]any{}
	words := strings.Fields(responseType)
	if slices.Contains(words, "code") {
		v.Set("code", theCode)
		token["c_hash"] = atHash(theCode)
	}
	if slices.Contains(words, "token") {
		v.Set("access_token", theFrontAccess)
		v.Set("token_type", "bearer")
		token["at_hash"] = atHash(theFrontAccess)
	}
	if slices.Contains(words, "id_token") {
		f.mu.Lock()
		all := f.idToken()
		f.mu.Unlock()
		maps.Copy(all, token)
		v.Set("id_token", sign(change(all, claims)))
	}
	return v
}

// finish takes a response through the checks a callback makes.
func finish(t *testing.T, f *fake, p *provider.Provider, mode string, v url.Values) (*provider.Login, error) {
	t.Helper()
	r := post("", urlencoded, v.Encode())
	switch mode {
	case "query":
		r = get(v.Encode())
	case "fragment":
		r = post("", urlencoded, url.Values{provider.FragmentField: {v.Encode()}}.Encode())
	}
	resp, err := provider.ParseResponse(r)
	if err != nil {
		return nil, err
	}
	if err := p.CheckResponse(context.Background(), resp); err != nil {
		return nil, err
	}
	return p.Complete(context.Background(), resp, f.expected())
}

func flowOf(responseType, mode string) func(*provider.Settings) {
	return func(s *provider.Settings) { s.ResponseType, s.ResponseMode = responseType, mode }
}

func TestFlows(t *testing.T) {
	for _, tt := range []struct {
		responseType string
		sent         string // response_type
		code         bool
		access       string // what UserInfo is asked with; "" none
	}{
		{"", "code", true, theAccess},
		{"code", "code", true, theAccess},
		{"code id_token", "code id_token", true, theAccess},
		{"id_token code", "code id_token", true, theAccess},
		{"id_token", "id_token", false, ""},
		{"id_token token", "id_token token", false, theFrontAccess},
		{"token id_token", "id_token token", false, theFrontAccess},
		{"code id_token token", "code id_token token", true, theAccess},
		{"code token", "code token", true, theAccess},
	} {
		for _, mode := range []string{"", "fragment", "form_post"} {
			t.Run(tt.responseType+" by "+mode, func(t *testing.T) {
				f := newFake(t)
				p := f.new(t, flowOf(tt.responseType, mode), func(s *provider.Settings) {
					if tt.access != "" {
						s.UserInfo = provider.UserInfoRequired
					}
				})
				q := sent(t, p, provider.Request{})
				if q.Get("response_type") != tt.sent || q.Get("nonce") != theNonce {
					t.Errorf("sent %v", q)
				}
				if q.Has("code_challenge") != tt.code || q.Has("code_challenge_method") != tt.code {
					t.Errorf("PKCE for a code %v: %v", tt.code, q)
				}
				usual := "fragment"
				if tt.sent == "code" {
					usual = "query"
				}
				if q.Get("response_mode") != mode {
					t.Errorf("response_mode %q, want %q", q.Get("response_mode"), mode)
				}
				if mode == "" {
					mode = usual
				}
				login, err := finish(t, f, p, mode, f.front(tt.sent, nil))
				if err != nil {
					t.Fatal(err)
				}
				if login.Subject != "alice" || login.Issuer != f.URL || login.RawIDToken == "" || !slices.Equal(login.Scopes, []string{"openid", "profile", "email"}) {
					t.Errorf("login %+v", login)
				}
				if got := f.count("/token") == 1; got != tt.code {
					t.Errorf("token endpoint called: %v", got)
				}
				if tt.code {
					if form := f.requests("/token")[0].Form; form.Get("code") != theCode || form.Get("code_verifier") != theVerifier {
						t.Errorf("redeemed with %v", form)
					}
				}
				if tt.access == "" {
					return
				}
				if got := f.requests("/userinfo"); len(got) != 1 || got[0].Header.Get("Authorization") != "Bearer "+tt.access {
					t.Errorf("userinfo asked with %v", got)
				}
			})
		}
	}
}

// What the browser brought is validated before anything is redeemed or used,
// whatever is wrong with it.
func TestFrontChannelIDToken(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := []string{"id_token", "id_token token", "code id_token", "code id_token token"}
	withCode, withToken := all[2:], []string{all[1], all[3]}
	for _, tt := range []struct {
		name   string
		types  []string
		claims map[string]any
		change func(url.Values)
		check  string
	}{
		{"another issuer", all, map[string]any{"iss": "https://evil.example"}, nil, "iss"},
		{"no subject", all, map[string]any{"sub": nil}, nil, "sub"},
		{"another audience", all, map[string]any{"aud": clientID + "1"}, nil, "aud"},
		{"no issue time", all, map[string]any{"iat": nil}, nil, "iat"},
		{"expired", all, map[string]any{"exp": 1}, nil, "exp"},
		{"no nonce", all, map[string]any{"nonce": nil}, nil, "nonce"},
		{"a nonce that is null", all, map[string]any{"nonce": json.RawMessage("null")}, nil, "nonce"},
		{"a nonce array", all, map[string]any{"nonce": []string{theNonce}}, nil, "nonce"},
		{"the nonce of another login", all, map[string]any{"nonce": theNonce[:42] + "1"}, nil, "nonce"},
		{"no c_hash", withCode, map[string]any{"c_hash": nil}, nil, "c_hash"},
		{"a wrong c_hash", withCode, map[string]any{"c_hash": atHash(theCode) + "1"}, nil, "c_hash"},
		{"a c_hash for another alg", withCode, map[string]any{"c_hash": atHash(theCode)[:20]}, nil, "c_hash"},
		{"another code", withCode, nil, func(v url.Values) { v.Set("code", "canary-injected") }, "c_hash"},
		{"no at_hash", withToken, map[string]any{"at_hash": nil}, nil, "at_hash"},
		{"a wrong at_hash", withToken, map[string]any{"at_hash": atHash(theFrontAccess) + "1"}, nil, "at_hash"},
		{"another's access token", withToken, nil, func(v url.Values) { v.Set("access_token", "canary-of-bob") }, "at_hash"},
		{"the hash of another state", all, map[string]any{"s_hash": atHash("x")}, nil, "s_hash"},
		{"a broken signature", all, nil, func(v url.Values) { v.Set("id_token", v.Get("id_token")[:len(v.Get("id_token"))-6]+"AAAAAA") }, "signature"},
		{"a stranger's signature", all, nil, func(v url.Values) {
			payload := strings.Split(v.Get("id_token"), ".")[1]
			v.Set("id_token", resign(payload, stranger))
		}, "signature"},
		{"no signature", all, nil, func(v url.Values) {
			v.Set("id_token", "eyJhbGciOiJub25lIn0."+strings.Split(v.Get("id_token"), ".")[1]+".")
		}, ""},
		{"no ID token", all, nil, func(v url.Values) { v.Del("id_token") }, "id_token"},
		{"an empty ID token", all, nil, func(v url.Values) { v.Set("id_token", "") }, "id_token"},
		{"no code", withCode, nil, func(v url.Values) { v.Del("code") }, "code"},
		{"no access token", withToken, nil, func(v url.Values) { v.Del("access_token") }, "access_token"},
		{"an access token of another type", withToken, nil, func(v url.Values) { v.Set("token_type", "mac") }, "token_type"},
		{"an error beside it", all, nil, func(v url.Values) { v.Set("error", "access_denied") }, "response_type"},
		{"a wrong iss beside it", all, nil, func(v url.Values) { v.Set("iss", "https://evil.example") }, "iss"},
		{"a code nobody asked for", all[:2], nil, func(v url.Values) { v.Set("code", theCode) }, "response_type"},
		{"an access token nobody asked for", []string{all[0], all[2]}, nil, func(v url.Values) { v.Set("access_token", "canary") }, "response_type"},
		{"a JWT response beside it", all, nil, func(v url.Values) { v.Set("response", "canary") }, "duplicate"},
	} {
		for _, responseType := range tt.types {
			t.Run(responseType+": "+tt.name, func(t *testing.T) {
				f := newFake(t)
				p := f.new(t, flowOf(responseType, "form_post"), func(s *provider.Settings) {
					if responseType != "id_token" {
						s.UserInfo = provider.UserInfoOptional
					}
				})
				v := f.front(responseType, tt.claims)
				if tt.change != nil {
					tt.change(v)
				}
				login, err := finish(t, f, p, "form_post", v)
				if !errors.Is(err, provider.ErrInvalid) || tt.check != "" && checked(err) != tt.check || login != nil {
					t.Errorf("got %+v, %v; want check %q", login, err, tt.check)
				}
				if err != nil {
					noSecrets(t, err.Error())
				}
				if f.count("/token")+f.count("/userinfo") != 0 {
					t.Error("something was redeemed or used")
				}
			})
		}
	}
}

// resign signs a payload with another key under the provider's kid.
func resign(payload string, key *ecdsa.PrivateKey) string {
	claims, err := base64.RawURLEncoding.DecodeString(payload)
	if err != nil {
		panic(err)
	}
	return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k1"}}, nil, string(claims))
}

// Both ID tokens of a hybrid flow are about one person, and both are for this
// login (Core 3.3.3.6).
func TestHybridPair(t *testing.T) {
	for _, tt := range []struct {
		name   string
		claims map[string]any // of the one from the token endpoint
		check  string
	}{
		{"another subject", map[string]any{"sub": "bob"}, "sub"},
		{"another issuer", map[string]any{"iss": "https://evil.example"}, "iss"},
		{"a nonce that is right in the first only", map[string]any{"nonce": "other"}, "nonce"},
		{"no nonce in the second", map[string]any{"nonce": nil}, "nonce"},
		{"a wrong at_hash in the second", map[string]any{"at_hash": atHash("x")}, "at_hash"},
		{"a wrong c_hash in the second", map[string]any{"c_hash": atHash("x")}, "c_hash"},
		{"the first one's at_hash", map[string]any{"at_hash": atHash(theFrontAccess)}, "at_hash"},
		{"the right hashes", map[string]any{"at_hash": atHash(theAccess), "c_hash": atHash(theCode)}, ""},
	} {
		for _, responseType := range []string{"code id_token", "code id_token token"} {
			t.Run(responseType+": "+tt.name, func(t *testing.T) {
				f := newFake(t)
				p := f.new(t, flowOf(responseType, "form_post"), func(s *provider.Settings) { s.UserInfo = provider.UserInfoRequired })
				v := f.front(responseType, nil)
				f.set(func(f *fake) { f.claims = tt.claims })
				login, err := finish(t, f, p, "form_post", v)
				if checked(err) != tt.check || (err == nil) != (tt.check == "") {
					t.Errorf("got %v; want check %q", err, tt.check)
				}
				if err != nil && (login != nil || f.count("/userinfo") != 0) {
					t.Error("a token was used")
				}
				if n := f.count("/token"); n != 1 {
					t.Errorf("the code was sent %d times", n)
				}
			})
		}
	}
}

// Both tokens are of one session, whatever they tell of it.
func TestHybridTokensOfDifferentSessions(t *testing.T) {
	for _, claim := range []struct {
		name           string
		first, another any
	}{
		{"sid", "s1", "s2"}, {"acr", "gold", "bronze"}, {"auth_time", 1_700_000_000, 1_700_000_001},
	} {
		for _, tt := range []struct {
			name        string
			front, back any
			check       string
		}{
			{"the same", claim.first, claim.first, ""},
			{"in the first alone", claim.first, nil, ""},
			{"in the second alone", nil, claim.first, ""},
			{"different", claim.first, claim.another, claim.name},
			{"nothing in the second", claim.first, map[string]any{"auth_time": 0}[claim.name], ""},
			{"nothing in the first", map[string]any{"auth_time": 0}[claim.name], claim.first, ""},
		} {
			t.Run(claim.name+" "+tt.name, func(t *testing.T) {
				f := newFake(t)
				p := f.new(t, flowOf("code id_token", "form_post"))
				v := f.front("code id_token", map[string]any{claim.name: tt.front})
				f.set(func(f *fake) { f.claims = map[string]any{claim.name: tt.back} })
				login, err := finish(t, f, p, "form_post", v)
				if checked(err) != tt.check || (err == nil) != (tt.check == "") {
					t.Fatalf("got %v; want check %q", err, tt.check)
				}
				if err == nil && claim.name == "sid" && login.SID != "s1" {
					t.Errorf("sid is %q", login.SID)
				}
				if err == nil && claim.name == "auth_time" && login.AuthTime.Unix() != 1_700_000_000 {
					t.Errorf("auth_time is %v", login.AuthTime)
				}
			})
		}
	}
}

// A front-channel access token of "code token" has nothing that binds it to
// the login: it is never used, not even when the code brings none.
func TestAccessTokenBesideACodeIsNotUsed(t *testing.T) {
	f := newFake(t)
	f.answer = map[string]any{"access_token": nil}
	p := f.new(t, flowOf("code token", "form_post"), func(s *provider.Settings) { s.UserInfo = provider.UserInfoOptional })
	login, err := finish(t, f, p, "form_post", f.front("code token", nil))
	if err != nil || login.Warning == nil || f.count("/userinfo") != 0 {
		t.Errorf("got %+v, %v", login, err)
	}
}

// The two tokens complete each other; where they differ, the one from the
// token endpoint counts. No pair is made of two documents.
func TestClaimsOfAHybridLogin(t *testing.T) {
	f := newFake(t)
	p := f.new(t, flowOf("code id_token", "form_post"))
	v := f.front("code id_token", map[string]any{"name": "Front", "groups": []string{"a"}, "sid": "s1", "email_verified": true, "session_expiry": 4e9})
	f.set(func(f *fake) { f.claims = map[string]any{"name": "Back", "email": "alice@op.example"} })
	login, err := finish(t, f, p, "form_post", v)
	if err != nil {
		t.Fatal(err)
	}
	if string(login.Claims["name"]) != `"Back"` || string(login.Claims["groups"]) != `["a"]` || login.SID != "s1" || login.SessionExpiry.IsZero() {
		t.Errorf("login %+v", login)
	}
	if _, ok := login.Claims["email_verified"]; ok {
		t.Error("the second's address is vouched for by the first")
	}
	if _, ok := login.Claims["c_hash"]; ok {
		t.Error("claims about the first token are taken for the second's")
	}
}

// A provider whose default is not that of the specification is told the mode
// once somebody names it, which the error says.
func TestDefaultModeOfItsOwn(t *testing.T) {
	f := newFake(t)
	_, err := finish(t, f, f.new(t, flowOf("code id_token", "")), "query", f.front("code id_token", nil))
	if checked(err) != "response_mode" || !strings.Contains(err.Error(), "name it in ResponseMode") {
		t.Errorf("%v", err)
	}
	_, err = finish(t, f, f.new(t, flowOf("code id_token", "fragment")), "query", f.front("code id_token", nil))
	if checked(err) != "response_mode" || strings.Contains(err.Error(), "name it") {
		t.Errorf("named already: %v", err)
	}
}

// T032: what a flow does not have is refused, by whatever way it comes.
func TestModes(t *testing.T) {
	modes := []string{"query", "fragment", "form_post"}
	for _, responseType := range []string{"code", "code id_token", "id_token", "id_token token", "code id_token token", "code token"} {
		for _, asked := range modes {
			if asked == "query" && responseType != "code" {
				continue
			}
			for _, came := range modes {
				f := newFake(t)
				p := f.new(t, flowOf(responseType, asked))
				_, err := finish(t, f, p, came, f.front(responseType, nil))
				if came == asked && err != nil || came != asked && checked(err) != "response_mode" {
					t.Errorf("%s asked for by %s, came by %s: %v", responseType, asked, came, err)
				}
				if came != asked && f.count("/token") != 0 {
					t.Errorf("%s by %s was redeemed", responseType, came)
				}
				if came != asked && responseType != "code" && strings.Contains(err.Error(), `set ResponseMode to "query"`) {
					t.Errorf("the error advises what New refuses: %v", err)
				}
				resp, err := provider.ParseResponse(get("state=s&error=access_denied&iss=" + url.QueryEscape(f.URL)))
				if err != nil {
					t.Fatal(err)
				}
				if err := p.CheckResponse(context.Background(), resp); err != nil {
					t.Errorf("%s by %s: an error by query: %v", responseType, asked, err)
				}
			}
		}
	}
}

// A certified provider leaves iss out where an ID token names it.
func TestIssBesideAnIDToken(t *testing.T) {
	for responseType, want := range map[string]string{
		"code": "iss", "code token": "iss", "code id_token": "", "id_token": "", "id_token token": "", "code id_token token": "",
	} {
		for _, required := range []bool{false, true} {
			f := newFake(t)
			f.metadata = map[string]any{"authorization_response_iss_parameter_supported": !required}
			p := f.new(t, flowOf(responseType, "form_post"), func(s *provider.Settings) { s.RequireIss = required })
			_, err := finish(t, f, p, "form_post", f.front(responseType, nil))
			if checked(err) != want || (err == nil) != (want == "") {
				t.Errorf("%s, required %v: %v; want check %q", responseType, required, err, want)
			}
			v := f.front(responseType, nil)
			v.Set("error", "access_denied")
			v.Del("code")
			v.Del("id_token")
			v.Del("access_token")
			if _, err := finish(t, f, p, "form_post", v); checked(err) != "iss" {
				t.Errorf("%s, required %v: an error without iss: %v", responseType, required, err)
			}
		}
	}
}

// Without a code there is no token endpoint, and nothing to authenticate with.
func TestImplicitNeedsNoTokenEndpoint(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"token_endpoint": nil, "token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}
	p := f.new(t, flowOf("id_token", ""))
	if _, err := finish(t, f, p, "fragment", f.front("id_token", nil)); err != nil {
		t.Error(err)
	}
	if err := f.new(t, flowOf("code id_token", "")).Ready(context.Background()); !errors.Is(err, provider.ErrMisconfigured) {
		t.Errorf("with a code: %v; want ErrMisconfigured", err)
	}
	p = f.new(t, flowOf("id_token", ""), func(s *provider.Settings) {
		s.Endpoints = provider.Endpoints{Authorization: f.URL + "/authorize", JWKS: f.URL + "/jwks", Token: "-"}
	})
	before := f.count(discoveryPath)
	if _, err := finish(t, f, p, "fragment", f.front("id_token", nil)); err != nil || f.count(discoveryPath) != before {
		t.Errorf("endpoints by hand: %v", err)
	}
}

func TestScopesOfAnImplicitResponse(t *testing.T) {
	f := newFake(t)
	p := f.new(t, flowOf("id_token token", ""))
	v := f.front("id_token token", nil)
	v.Set("scope", "openid email")
	login, err := finish(t, f, p, "fragment", v)
	if err != nil || !slices.Equal(login.Scopes, []string{"openid", "email"}) {
		t.Errorf("got %+v, %v", login, err)
	}
}

// However many tokens strangers bring to the callback, keys for those from
// the token endpoint can still be learned (T061).
func TestFrontChannelTokensPayForTheirOwnKeys(t *testing.T) {
	f := newFake(t)
	p := f.new(t, flowOf("code id_token", "form_post"))
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	v := f.front("code id_token", nil)
	for range 20 {
		forged := maps.Clone(v)
		forged["id_token"] = []string{signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: rand.Text()}}, nil, `{"sub":"x"}`)}
		if _, err := finish(t, f, p, "form_post", forged); checked(err) != "signature" {
			t.Fatal(err)
		}
	}
	if n := f.count("/jwks"); n > 2 {
		t.Errorf("keys were fetched %d times for forged tokens", n)
	}
	// The provider rotates; the second token of this login shows it.
	f.handle("/jwks", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{
			{Key: signingKey().Public(), KeyID: "k1", Algorithm: "ES256"}, {Key: key.Public(), KeyID: "k2", Algorithm: "ES256"}}})
	})
	claims, _ := json.Marshal(f.idToken())
	f.set(func(f *fake) {
		f.answer = map[string]any{"id_token": signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: key, KeyID: "k2"}}, nil, string(claims))}
	})
	if _, err := finish(t, f, p, "form_post", v); err != nil {
		t.Errorf("after rotation: %v", err)
	}
}

func TestInFragment(t *testing.T) {
	f := newFake(t)
	fragment, query := f.new(t, flowOf("code id_token", "")), f.new(t)
	for _, tt := range []struct {
		name string
		p    *provider.Provider
		r    *http.Request
		want bool
	}{
		{"nothing in the query", fragment, get(""), true},
		{"something else in the query", fragment, get("utm=1"), true},
		{"an error in the query", fragment, get("error=access_denied"), false},
		{"a state in the query", fragment, get("state="), false},
		{"a broken query", fragment, get("%zz"), false},
		{"a form", fragment, post("", urlencoded, ""), false},
		{"a provider that answers by query", query, get(""), false},
	} {
		if got := tt.p.InFragment(tt.r); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// A client that agreed on encryption gets both tokens encrypted, and nothing
// else is taken.
func TestEncryptedFrontChannelIDToken(t *testing.T) {
	encrypted := func(v url.Values) url.Values {
		v.Set("id_token", encrypt("RSA-OAEP-256", jose.A128GCM, rsaKey().Public(), "", v.Get("id_token")))
		return v
	}
	for _, responseType := range []string{"id_token", "code id_token"} {
		f := newFake(t)
		f.answer = map[string]any{"id_token": encrypt("RSA-OAEP-256", jose.A128GCM, rsaKey().Public(), "", sign(f.idToken()))}
		p := f.new(t, flowOf(responseType, "form_post"), keys(provider.ClientKey{Key: rsaKey(), Algorithm: "RSA-OAEP-256"}), func(s *provider.Settings) {
			s.ClientAuth, s.Secret = "client_secret_basic", f.settings().Secret
		})
		login, err := finish(t, f, p, "form_post", encrypted(f.front(responseType, nil)))
		if err != nil || login.Subject != "alice" || strings.Count(login.RawIDToken, ".") != 2 {
			t.Errorf("%s: %+v, %v", responseType, login, err)
		}
		calls := f.count("/token")
		if _, err := finish(t, f, p, "form_post", f.front(responseType, nil)); checked(err) != "encryption" {
			t.Errorf("%s, not encrypted: %v", responseType, err)
		}
		if _, err := finish(t, f, p, "form_post", encrypted(f.front(responseType, map[string]any{"nonce": "x"}))); checked(err) != "nonce" {
			t.Errorf("%s, another nonce: %v", responseType, err)
		}
		if f.count("/token") != calls {
			t.Error("something was redeemed")
		}
	}
}

// A pushed request authenticates the client, also where there is no code.
func TestImplicitRequestIsPushed(t *testing.T) {
	f := newFake(t)
	f.metadata = map[string]any{"pushed_authorization_request_endpoint": f.URL + "/par"}
	f.handle("/par", respond(http.StatusCreated, "application/json", `{"request_uri":"urn:x","expires_in":60}`))
	if q := sent(t, f.new(t, flowOf("id_token", "form_post")), provider.Request{}); q.Get("request_uri") != "urn:x" {
		t.Errorf("sent %v", q)
	}
	got := f.requests("/par")
	if len(got) != 1 || got[0].Header.Get("Authorization") == "" || got[0].Form.Get("response_type") != "id_token" {
		t.Errorf("pushed %v", got)
	}
}
