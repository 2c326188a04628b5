package provider_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"errors"
	"hash"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

func atHash(token string) string {
	sum := sha256.Sum256([]byte(token))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// Each row is one change to a good ID token.
func TestIDTokenClaims(t *testing.T) {
	f := newFake(t)
	now := f.clock.Now()
	age := func(e *provider.Expected) { e.MaxAge = ptr(time.Minute) }
	acr := func(e *provider.Expected) { e.ACR = []string{"high"} }
	for _, tt := range []struct {
		name   string
		claims map[string]any
		expect func(*provider.Expected)
		change func(*provider.Settings)
		check  string // "" passes
	}{
		{name: "nothing changed"},
		{name: "an audience in an array", claims: map[string]any{"aud": []string{clientID}}},
		{name: "azp of this client", claims: map[string]any{"azp": clientID}},
		{name: "auth_time of 0, nobody asked", claims: map[string]any{"auth_time": 0}},
		{name: "aggregated claims", claims: map[string]any{
			"_claim_names":   map[string]any{"groups": "src1"},
			"_claim_sources": map[string]any{"src1": map[string]any{"endpoint": "http://169.254.169.254/"}}}},
		{name: "the right at_hash", claims: map[string]any{"at_hash": atHash(theAccess)}},
		{name: "expired within the skew", claims: map[string]any{"exp": now.Unix() - 59}},
		{name: "a trusted further audience", claims: map[string]any{"aud": []string{clientID, "api"}, "azp": clientID},
			change: func(s *provider.Settings) { s.Audiences = []string{"api"} }},
		{name: "a max age that is kept", claims: map[string]any{"auth_time": now.Unix() - 40}, expect: age},
		{name: "an acr that is wished for and absent", change: func(s *provider.Settings) { s.ACRValues = []string{"high"} }},

		{name: "an acr of this login, in place of the settings'", claims: map[string]any{"acr": "high"}, expect: acr,
			change: func(s *provider.Settings) { s.ACRValues, s.RequireACR = []string{"other"}, true }},

		{name: "no nonce", claims: map[string]any{"nonce": nil}, check: "nonce"},
		{name: "another nonce", claims: map[string]any{"nonce": "other"}, check: "nonce"},
		{name: "a nonce array", claims: map[string]any{"nonce": []string{theNonce}}, check: "nonce"},
		{name: "a nonce that is true", claims: map[string]any{"nonce": true}, check: "nonce"},
		{name: "another issuer", claims: map[string]any{"iss": "https://evil.example"}, check: "iss"},
		{name: "an issuer with a slash more", claims: map[string]any{"iss": f.URL + "/"}, check: "iss"},
		{name: "no issuer", claims: map[string]any{"iss": nil}, check: "iss"},
		{name: "another audience", claims: map[string]any{"aud": "other"}, check: "aud"},
		{name: "no audience", claims: map[string]any{"aud": nil}, check: "aud"},
		{name: "an untrusted further audience", claims: map[string]any{"aud": []string{clientID, "x"}, "azp": clientID}, check: "aud"},
		{name: "azp of another client", claims: map[string]any{"azp": "other"}, check: "azp"},
		{name: "no subject", claims: map[string]any{"sub": nil}, check: "sub"},
		{name: "an empty subject", claims: map[string]any{"sub": ""}, check: "sub"},
		{name: "expired", claims: map[string]any{"exp": now.Unix() - 61}, check: "exp"},
		{name: "expired for a smaller skew", claims: map[string]any{"exp": now.Unix() - 5},
			change: func(s *provider.Settings) { s.Skew = time.Second }, check: "exp"},
		{name: "no expiry", claims: map[string]any{"exp": nil}, check: "exp"},
		{name: "no issue time", claims: map[string]any{"iat": nil}, check: "iat"},
		{name: "issued before the login began", claims: map[string]any{"iat": now.Unix() - 3600}, check: "iat"},
		{name: "issued tomorrow", claims: map[string]any{"iat": now.Unix() + 86400, "exp": now.Unix() + 90000}, check: "iat"},
		{name: "an event token", claims: map[string]any{"events": map[string]any{}}, check: "events"},
		{name: "the hash of another access token", claims: map[string]any{"at_hash": atHash("other")}, check: "at_hash"},
		{name: "a max age that is exceeded", claims: map[string]any{"auth_time": now.Unix() - 300}, expect: age, check: "auth_time"},
		{name: "a max age without an answer", expect: age, check: "auth_time"},
		{name: "a max age with auth_time 0", claims: map[string]any{"auth_time": 0}, expect: age, check: "auth_time"},
		{name: "a fixed max age without an answer", change: func(s *provider.Settings) { s.MaxAge = time.Hour }, check: "auth_time"},
		{name: "an acr that was required", claims: map[string]any{"acr": "low"}, expect: acr, check: "acr"},
		{name: "an acr that is required by the settings", claims: map[string]any{"acr": "low"},
			change: func(s *provider.Settings) { s.ACRValues, s.RequireACR = []string{"high"}, true }, check: "acr"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.claims = map[string]any{}
			for k, v := range tt.claims {
				if s, ok := v.(string); k == "iss" && ok && strings.HasSuffix(s, "/") {
					v = f.URL + "/"
				}
				f.claims[k] = v
			}
			p := f.new(t, func(s *provider.Settings) {
				s.UserInfo = provider.UserInfoRequired
				if tt.change != nil {
					tt.change(s)
				}
			})
			e := f.expected()
			if tt.expect != nil {
				tt.expect(&e)
			}
			login, err := p.Complete(context.Background(), &provider.Response{Code: theCode}, e)
			if checked(err) != tt.check || (err == nil) != (tt.check == "") {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
			if err != nil {
				noSecrets(t, err.Error())
				if login != nil {
					t.Error("an unvalidated login was returned")
				}
				// No token is used before the ID token passed (RFC 9700 4.5).
				if n := f.count("/userinfo"); n != 0 {
					t.Errorf("userinfo was asked %d times", n)
				}
			}
			if n := f.count("/token"); n != 1 {
				t.Errorf("the code was sent %d times", n)
			}
		})
	}
}

// Each row makes another token of the same good claims.
func TestIDTokenSignatures(t *testing.T) {
	stranger, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	our := jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: signingKey(), KeyID: "k1"}}
	mac := jose.SigningKey{Algorithm: jose.HS256, Key: jose.JSONWebKey{Key: []byte(strings.Repeat(clientSecret, 2)), KeyID: "k1"}}
	encode := base64.RawURLEncoding.EncodeToString
	for _, tt := range []struct {
		name  string
		token func(payload string) string
		check string
	}{
		{"signed by a stranger under a known kid", func(s string) string {
			return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: "k1"}}, nil, s)
		}, "signature"},
		{"signed by a stranger under a new kid", func(s string) string {
			return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: stranger, KeyID: "k2"}}, nil, s)
		}, "signature"},
		{"the client secret as key", func(s string) string { return signWith(mac, nil, s) }, "alg"},
		{"not signed", func(s string) string { return encode([]byte(`{"alg":"none"}`)) + "." + encode([]byte(s)) + "." }, ""},
		{"not signed, in another spelling", func(s string) string {
			return encode([]byte(`{"alg":"nOnE"}`)) + "." + encode([]byte(s)) + ".AAAA"
		}, "alg"},
		{"a key in the header", func(s string) string {
			return signWith(jose.SigningKey{Algorithm: jose.ES256, Key: stranger}, map[jose.HeaderKey]any{"jwk": jose.JSONWebKey{Key: stranger.Public()}}, s)
		}, "jwk"},
		{"a key address in the header", func(s string) string {
			return signWith(our, map[jose.HeaderKey]any{"jku": "http://169.254.169.254/"}, s)
		}, "jku"},
		{"an access token's type", func(s string) string { return signWith(our, map[jose.HeaderKey]any{"typ": "at+jwt"}, s) }, "typ"},
		{"a logout token's type", func(s string) string { return signWith(our, map[jose.HeaderKey]any{"typ": "logout+jwt"}, s) }, "typ"},
		{"claims changed after signing", func(s string) string {
			parts := strings.Split(signWith(our, nil, s), ".")
			parts[1] = encode([]byte(strings.Replace(s, "alice", "admin", 1)))
			return strings.Join(parts, ".")
		}, "signature"},
		{"a fourth part", func(s string) string { return signWith(our, nil, s) + ".x" }, "serialization"},
		{"five parts", func(string) string { return "a.b.c.d.e" }, "serialization"},
		{"a trailing dot", func(s string) string { return signWith(our, nil, s) + "." }, "serialization"},
		{"white space", func(s string) string { return " " + signWith(our, nil, s) }, "serialization"},
		{"padding", func(s string) string { return signWith(our, nil, s) + "=" }, "serialization"},
		{"the JSON form", func(s string) string {
			return `{"payload":"` + encode([]byte(s)) + `","protected":"e30","signature":"AA"}`
		}, "serialization"},
		{"a megabyte", func(s string) string { return strings.Repeat("a.", 1<<18) }, "size"},
		{"two subjects", func(s string) string { return signWith(our, nil, strings.Replace(s, "{", `{"sub":"admin",`, 1)) }, "json"},
		{"a subject in capitals", func(s string) string { return signWith(our, nil, strings.Replace(s, "{", `{"SUB":"admin",`, 1)) }, "json"},
		{"a subject with a long s", func(s string) string {
			return signWith(our, nil, strings.Replace(s, "{", "{\"\u017fub\":\"admin\",", 1))
		}, "json"},
		{"what go-oidc cannot read", func(s string) string {
			return signWith(our, nil, strings.Replace(s, "{", `{"_claim_names":{"a":"nowhere"},`, 1))
		}, "claims"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			payload, err := json.Marshal(f.idToken())
			if err != nil {
				t.Fatal(err)
			}
			f.answer = map[string]any{"id_token": tt.token(string(payload))}
			_, err = complete(f, f.new(t))
			if !errors.Is(err, provider.ErrInvalid) || (tt.check != "" && checked(err) != tt.check) {
				t.Errorf("got %v; want check %q", err, tt.check)
			}
			if err != nil {
				noSecrets(t, err.Error())
			}
			if n := f.count("/jwks"); n > 2 {
				t.Errorf("keys were fetched %d times for one token", n)
			}
		})
	}
}

func TestPinnedAlgorithm(t *testing.T) {
	f := newFake(t)
	p := f.new(t, func(s *provider.Settings) { s.Algorithms = []string{"RS256"} })
	if _, err := complete(f, p); checked(err) != "alg" {
		t.Errorf("ES256 where RS256 is pinned: %v", err)
	}
	if f.count("/jwks") != 0 {
		t.Error("keys were fetched for it")
	}
}

func TestClientSecretAsKeyByChoice(t *testing.T) {
	secret := strings.Repeat("canary-", 6)
	sign := func(key string, claims map[string]any) string {
		b, _ := json.Marshal(claims)
		return signWith(jose.SigningKey{Algorithm: jose.HS256, Key: []byte(key)}, nil, string(b))
	}
	for _, tt := range []struct {
		name, key, check string
	}{
		{"the client secret", secret, ""},
		{"another secret", strings.Repeat("x", 40), "signature"},
	} {
		f := newFake(t)
		f.answer = map[string]any{"id_token": sign(tt.key, f.idToken())}
		_, err := complete(f, f.new(t, func(s *provider.Settings) {
			s.Algorithms = []string{"HS256"}
			s.Secret = func(context.Context) (string, error) { return secret, nil }
		}))
		if checked(err) != tt.check || (err == nil) != (tt.check == "") {
			t.Errorf("%s: %v; want check %q", tt.name, err, tt.check)
		}
	}
	// It needs no key set.
	f := newFake(t)
	f.metadata = map[string]any{"jwks_uri": nil}
	f.answer = map[string]any{"id_token": sign(secret, f.idToken())}
	p := f.new(t, func(s *provider.Settings) {
		s.Algorithms = []string{"HS256"}
		s.Secret = func(context.Context) (string, error) { return secret, nil }
	})
	if err := p.Ready(context.Background()); err != nil {
		t.Error(err)
	}
	if _, err := complete(f, p); err != nil || f.count("/jwks") != 0 {
		t.Errorf("without a key set: %v", err)
	}
	// And a token of the provider's ordinary key is none of that kind.
	f = newFake(t)
	if _, err := complete(f, f.new(t, func(s *provider.Settings) { s.Algorithms = []string{"HS256"} })); checked(err) != "alg" {
		t.Errorf("ES256 where HS256 is pinned: %v", err)
	}
}

// RFC 7518 3.2. What such a secret signs is not verified, nor taken for forged:
// go-jose would sign with none, so this does it.
func TestClientSecretTooShortToBeAKey(t *testing.T) {
	for alg, size := range map[string]int{"HS256": 32, "HS384": 48, "HS512": 64} {
		f := newFake(t)
		secret := strings.Repeat("s", size-1)
		b, _ := json.Marshal(f.idToken())
		encode := base64.RawURLEncoding.EncodeToString
		input := encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode(b)
		mac := hmac.New(map[string]func() hash.Hash{"HS256": sha256.New, "HS384": sha512.New384, "HS512": sha512.New}[alg], []byte(secret))
		mac.Write([]byte(input))
		f.answer = map[string]any{"id_token": input + "." + encode(mac.Sum(nil))}
		_, err := complete(f, f.new(t, func(s *provider.Settings) {
			s.Algorithms = []string{alg}
			s.Secret = func(context.Context) (string, error) { return secret, nil }
		}))
		if !errors.Is(err, provider.ErrMisconfigured) || errors.Is(err, provider.ErrInvalid) || !strings.Contains(err.Error(), "too short") {
			t.Errorf("%s: %v", alg, err)
		}
	}
}

// One HMAC is not another, also where go-oidc does not look.
func TestLogoutTokenByAnotherMAC(t *testing.T) {
	f, secret := newFake(t), []byte(strings.Repeat("s", 64))
	p := f.new(t, func(s *provider.Settings) {
		s.Algorithms = []string{"HS256"}
		s.Secret = func(context.Context) (string, error) { return string(secret), nil }
	})
	b, err := json.Marshal(f.logoutToken(nil))
	if err != nil {
		t.Fatal(err)
	}
	for alg, check := range map[string]string{"HS256": "", "HS512": "alg"} {
		encode := base64.RawURLEncoding.EncodeToString
		signed := encode([]byte(`{"alg":"`+alg+`"}`)) + "." + encode(b)
		_, err := p.LogoutToken(t.Context(), signed+"."+encode(makeSignature(t, alg, secret, signed)))
		if (err == nil) != (check == "") || err != nil && !failsAt(err, check) {
			t.Errorf("%s: %v; want check %q", alg, err, check)
		}
	}
}

// A forged token and keys that cannot be had are different events.
func TestKeysThatCannotBeFetched(t *testing.T) {
	f := newFake(t)
	f.handle("/jwks", respond(500, "text/plain", "canary"))
	_, err := complete(f, f.new(t))
	if !errors.Is(err, provider.ErrUnavailable) || errors.Is(err, provider.ErrInvalid) {
		t.Errorf("got %v; want ErrUnavailable", err)
	}
	noSecrets(t, err.Error())
}

// The key of one issuer is worth nothing at another, whatever its name (T027).
func TestKeysBelongToOneIssuer(t *testing.T) {
	a, b := newFake(t), newFake(t)
	other, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	b.handle("/jwks", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: other.Public(), KeyID: "k1", Algorithm: "ES256"}}})
	})
	pb := b.new(t)
	if err := pb.Ready(context.Background()); err != nil {
		t.Fatal(err)
	}
	claims, _ := json.Marshal(a.idToken())
	a.answer = map[string]any{"id_token": signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: other, KeyID: "k1"}}, nil, string(claims))}
	if _, err := complete(a, a.new(t)); checked(err) != "signature" {
		t.Errorf("got %v; want check signature", err)
	}
}

// Metadata that names another provider's token endpoint gains nothing: what
// comes from there is the other's (T026).
func TestMixedUpMetadata(t *testing.T) {
	a, b := newFake(t), newFake(t)
	b.metadata = map[string]any{"token_endpoint": a.URL + "/token", "jwks_uri": a.URL + "/jwks"}
	if _, err := complete(b, b.new(t)); checked(err) != "iss" {
		t.Errorf("got %v; want check iss", err)
	}
}

// A code that was injected brings an ID token with another's nonce (T010).
func TestInjectedCode(t *testing.T) {
	f := newFake(t)
	f.claims = map[string]any{"nonce": "of the victim's login", "sub": "victim"}
	login, err := complete(f, f.new(t, func(s *provider.Settings) { s.UserInfo = provider.UserInfoOptional }))
	if checked(err) != "nonce" || login != nil || f.count("/userinfo") != 0 {
		t.Errorf("got %+v, %v after %d calls of userinfo", login, err, f.count("/userinfo"))
	}
}

func TestRotationInsideOneLogin(t *testing.T) {
	f := newFake(t)
	p := f.new(t)
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	next, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	f.handle("/jwks", func(w http.ResponseWriter, r *http.Request) {
		writeJSON(w, jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: next.Public(), KeyID: "k2", Algorithm: "ES256"}}})
	})
	claims, _ := json.Marshal(f.idToken())
	f.set(func(f *fake) {
		f.answer = map[string]any{"id_token": signWith(jose.SigningKey{Algorithm: jose.ES256, Key: jose.JSONWebKey{Key: next, KeyID: "k2"}}, nil, string(claims))}
	})
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	if n := f.count("/jwks"); n != 2 {
		t.Errorf("keys were fetched %d times", n)
	}
}
