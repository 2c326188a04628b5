package provider_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/asn1"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"math/big"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

// remote hides what kind of key it is, as a key service does.
type remote struct{ crypto.Signer }

// readJWT verifies a JWT and decodes its claims.
func readJWT(t *testing.T, jwt, alg string, key any) (jose.Header, map[string]any) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(jwt, []jose.SignatureAlgorithm{jose.SignatureAlgorithm(alg)})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	return jws.Signatures[0].Header, claims
}

func keys(keys ...provider.ClientKey) func(*provider.Settings) {
	return func(s *provider.Settings) { s.Secret, s.ClientKeys = nil, keys }
}

func TestPrivateKeyJWT(t *testing.T) {
	p256, p384, p521, ed := ecKey("client 1", elliptic.P256()), ecKey("client 2", elliptic.P384()), ecKey("client 3", elliptic.P521()), edKey()
	for _, tt := range []struct {
		name   string
		key    crypto.Signer
		alg    string   // setting
		listed []string // metadata
		want   string
	}{
		{"an RSA key", rsaKey(), "", nil, "RS256"},
		{"an RSA key where PS256 is listed", rsaKey(), "", []string{"ES256", "PS256"}, "PS256"},
		{"an RSA key for PS384", rsaKey(), "PS384", nil, "PS384"},
		{"an RSA key for RS512", rsaKey(), "RS512", nil, "RS512"},
		{"a chosen algorithm that is not listed", rsaKey(), "PS256", []string{"RS256"}, "PS256"},
		{"a P-256 key", p256, "", nil, "ES256"},
		{"a P-384 key", p384, "ES384", nil, "ES384"},
		{"a P-521 key", p521, "", []string{"ES512"}, "ES512"},
		{"an Ed25519 key", ed, "", nil, "EdDSA"},
		{"an RSA key elsewhere", remote{rsaKey()}, "PS256", nil, "PS256"},
		{"a P-521 key elsewhere", remote{p521}, "", nil, "ES512"},
		{"an Ed25519 key elsewhere", remote{ed}, "", nil, "EdDSA"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"private_key_jwt"}}
			if tt.listed != nil {
				f.metadata["token_endpoint_auth_signing_alg_values_supported"] = tt.listed
			}
			p := f.new(t, keys(provider.ClientKey{ID: "kid 1", Algorithm: tt.alg, Key: tt.key}))
			seen := map[any]bool{}
			for range 2 {
				if _, err := complete(f, p); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range f.requests("/token") {
				if r.Header.Get("Authorization") != "" || r.Form.Has("client_secret") || r.Form.Get("client_id") != clientID ||
					r.Form.Get("client_assertion_type") != "urn:ietf:params:oauth:client-assertion-type:jwt-bearer" {
					t.Errorf("header %v, form %v", r.Header, r.Form)
				}
				header, claims := readJWT(t, r.Form.Get("client_assertion"), tt.want, tt.key.Public())
				if header.KeyID != "kid 1" || header.ExtraHeaders["typ"] != "JWT" {
					t.Errorf("header %+v", header)
				}
				now := float64(f.clock.Now().Unix())
				if claims["iss"] != clientID || claims["sub"] != clientID || claims["aud"] != f.URL || claims["iat"] != now || claims["exp"] != now+120 || len(claims) != 6 {
					t.Errorf("claims %v", claims)
				}
				if id := claims["jti"]; id == "" || seen[id] {
					t.Errorf("jti %v was used before", id)
				}
				seen[claims["jti"]] = true
			}
		})
	}
}

func TestAssertionAudience(t *testing.T) {
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{Key: rsaKey()}), func(s *provider.Settings) { s.AssertionAudience = f.URL + "/token" })
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	header, claims := readJWT(t, f.requests("/token")[0].Form.Get("client_assertion"), "RS256", rsaKey().Public())
	if claims["aud"] != f.URL+"/token" {
		t.Errorf("aud %v", claims["aud"])
	}
	if want, _ := (&jose.JSONWebKey{Key: rsaKey().Public()}).Thumbprint(crypto.SHA256); len(want) != 32 || len(header.KeyID) != 43 {
		t.Errorf("kid %q of a key without ID is no thumbprint", header.KeyID)
	}
}

func TestClientSecretJWT(t *testing.T) {
	const long = "canary-secret-of-sixty-four-bytes-0123456789-0123456789-01234567"
	for _, tt := range []struct {
		name   string
		secret string
		listed []string
		want   string // algorithm; "" is refused
	}{
		{"HS256 where nothing is listed", long[:32], nil, "HS256"},
		{"the listed one", long, []string{"RS256", "HS512"}, "HS512"},
		{"a secret shorter than the hash", long[:31], nil, ""},
		{"a secret shorter than the listed hash", long[:40], []string{"HS384"}, ""},
		{"nothing that fits is listed", long, []string{"RS256"}, ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			f.metadata = map[string]any{"token_endpoint_auth_methods_supported": []string{"client_secret_jwt"}}
			if tt.listed != nil {
				f.metadata["token_endpoint_auth_signing_alg_values_supported"] = tt.listed
			}
			_, err := complete(f, f.new(t, func(s *provider.Settings) {
				s.Secret = func(context.Context) (string, error) { return tt.secret, nil }
			}))
			if tt.want == "" {
				if !errors.Is(err, provider.ErrMisconfigured) || f.count("/token") != 0 {
					t.Errorf("got %v after %d token requests", err, f.count("/token"))
				}
				noSecrets(t, err.Error())
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			form := f.requests("/token")[0].Form
			_, claims := readJWT(t, form.Get("client_assertion"), tt.want, []byte(tt.secret))
			if form.Has("client_secret") || claims["aud"] != f.URL || claims["sub"] != clientID {
				t.Errorf("form %v, claims %v", form, claims)
			}
		})
	}
}

func TestClientAuthIsChosenOnce(t *testing.T) {
	secret := func(s *provider.Settings) {}
	none := func(s *provider.Settings) { s.Secret = nil }
	both := func(s *provider.Settings) { s.ClientKeys = []provider.ClientKey{{Key: rsaKey()}} }
	onlyKeys := keys(provider.ClientKey{Key: rsaKey()})
	for _, tt := range []struct {
		name   string
		with   func(*provider.Settings)
		listed []string // nil: not in the metadata
		want   string   // "": refused
	}{
		{"a secret and no list", secret, nil, "client_secret_basic"},
		{"a secret and both ways", secret, []string{"client_secret_post", "client_secret_basic"}, "client_secret_basic"},
		{"a secret and post", secret, []string{"private_key_jwt", "client_secret_post", "client_secret_jwt"}, "client_secret_post"},
		{"a secret and assertions only", secret, []string{"client_secret_jwt"}, "client_secret_jwt"},
		{"a secret and no way to use it", secret, []string{"private_key_jwt"}, ""},
		{"nothing", none, []string{"client_secret_basic"}, "none"},
		{"a key and no list", onlyKeys, nil, "private_key_jwt"},
		{"a key that is listed", onlyKeys, []string{"client_secret_basic", "private_key_jwt"}, "private_key_jwt"},
		{"a key that is not", onlyKeys, []string{"client_secret_basic"}, ""},
		{"key and secret and no list", both, nil, "client_secret_basic"},
		{"key and secret, both listed", both, []string{"client_secret_basic", "private_key_jwt"}, "private_key_jwt"},
		{"key and secret, only that listed", both, []string{"client_secret_post"}, "client_secret_post"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			if tt.listed != nil {
				f.metadata = map[string]any{"token_endpoint_auth_methods_supported": tt.listed}
			}
			s := f.settings()
			tt.with(&s)
			document, err := json.Marshal(f.document())
			if err != nil {
				t.Fatal(err)
			}
			m, err := provider.ParseMetadata(document, s)
			if tt.want == "" {
				if !errors.Is(err, provider.ErrMisconfigured) || !strings.Contains(err.Error(), "set ClientAuth") {
					t.Errorf("got %+v, %v", m, err)
				}
				return
			}
			if err != nil || m.ClientAuth != tt.want {
				t.Errorf("got %+v, %v; want %q", m, err, tt.want)
			}
		})
	}
}

// What the token endpoint repeats of an assertion is in no error.
func TestAssertionIsInNoError(t *testing.T) {
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{Key: rsaKey()}))
	if _, err := complete(f, p); err != nil {
		t.Fatal(err)
	}
	var sent string
	f.handle("/token", func(w http.ResponseWriter, r *http.Request) {
		got := f.requests("/token")
		sent = got[len(got)-1].Form.Get("client_assertion")
		respond(401, "application/json", `{"error":"invalid_client","error_description":"not `+sent+`"}`)(w, r)
	})
	_, err := complete(f, p)
	if !errors.Is(err, provider.ErrMisconfigured) || sent == "" || strings.Contains(err.Error(), sent[:40]) || !strings.Contains(err.Error(), "[redacted]") {
		t.Errorf("got %v", err)
	}
}

func pemKey(t *testing.T, kind string, key any) []byte {
	t.Helper()
	var der []byte
	var err error
	switch kind {
	case "PRIVATE KEY", "ENCRYPTED PRIVATE KEY":
		der, err = x509.MarshalPKCS8PrivateKey(key)
	case "RSA PRIVATE KEY":
		der = x509.MarshalPKCS1PrivateKey(key.(*rsa.PrivateKey))
	case "EC PRIVATE KEY":
		der, err = x509.MarshalECPrivateKey(key.(*ecdsa.PrivateKey))
	}
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der})
}

func TestKeyFile(t *testing.T) {
	ec := ecKey("client 4", elliptic.P256())
	small, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	certificate := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: []byte("x")})
	for _, tt := range []struct {
		name    string
		content []byte // nil: no file
		alg     string // of the assertion
		key     crypto.Signer
		want    error
		says    string
	}{
		{"PKCS 8", pemKey(t, "PRIVATE KEY", ec), "ES256", ec, nil, ""},
		{"PKCS 1", pemKey(t, "RSA PRIVATE KEY", rsaKey()), "RS256", rsaKey(), nil, ""},
		{"SEC 1", pemKey(t, "EC PRIVATE KEY", ec), "ES256", ec, nil, ""},
		{"a certificate before the key", append(slices.Clone(certificate), pemKey(t, "PRIVATE KEY", ec)...), "ES256", ec, nil, ""},
		{"no file", nil, "", nil, provider.ErrUnavailable, "no such file"},
		{"an empty file", []byte{}, "", nil, provider.ErrUnavailable, "neither a private key"},
		{"a certificate alone", certificate, "", nil, provider.ErrUnavailable, "neither a private key"},
		{"an encrypted key", pemKey(t, "ENCRYPTED PRIVATE KEY", ec), "", nil, provider.ErrUnavailable, "encrypted"},
		{"half a key", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte("canary")}), "", nil, provider.ErrUnavailable, "cannot be parsed"},
		{"words", []byte("canary canary"), "", nil, provider.ErrUnavailable, "neither a private key"},
		{"a large file", []byte(strings.Repeat("a", 64<<10+1)), "", nil, provider.ErrUnavailable, "larger"},
		{"a short RSA key", pemKey(t, "RSA PRIVATE KEY", small), "", nil, provider.ErrMisconfigured, "2048"},
		{"a curve of long ago", pemKey(t, "PRIVATE KEY", ecKey("client 5", elliptic.P224())), "", nil, provider.ErrMisconfigured, "curve"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), "key")
			if tt.content != nil {
				if err := os.WriteFile(file, tt.content, 0o600); err != nil {
					t.Fatal(err)
				}
			}
			f := newFake(t)
			_, err := complete(f, f.new(t, keys(provider.ClientKey{File: file})))
			if tt.want != nil {
				if !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) || f.count("/token") != 0 {
					t.Fatalf("got %v after %d token requests; want %v", err, f.count("/token"), tt.want)
				}
				noSecrets(t, err.Error())
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			readJWT(t, f.requests("/token")[0].Form.Get("client_assertion"), tt.alg, tt.key.Public())
		})
	}
}

// A file is replaced while the process runs, and may be so with the same size
// and time.
func TestKeyFileIsReadAgain(t *testing.T) {
	file := filepath.Join(t.TempDir(), "key")
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{File: file}))
	at := time.Now()
	for i, key := range []*ecdsa.PrivateKey{ecKey("client 6", elliptic.P256()), ecKey("client 7", elliptic.P256())} {
		if err := os.WriteFile(file, pemKey(t, "EC PRIVATE KEY", key), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
		readJWT(t, f.requests("/token")[i].Form.Get("client_assertion"), "ES256", key.Public())
	}
	// What is no key, or not there, leaves the last good one.
	if err := os.WriteFile(file, []byte("-----BEGIN EC PRIV"), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := 2; i < 4; i++ {
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
		readJWT(t, f.requests("/token")[i].Form.Get("client_assertion"), "ES256", ecKey("client 7", elliptic.P256()).Public())
		os.Remove(file)
	}
}

// A platform signs for its workload (RFC 7523 2.2): the file's text is sent
// as it is, and is no key of ours.
func TestKeyFileWithAnAssertion(t *testing.T) {
	file := filepath.Join(t.TempDir(), "token")
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{File: file}))
	for i, sub := range []string{"workload", "workload again"} {
		assertion := sign(map[string]any{"sub": sub})
		if err := os.WriteFile(file, []byte(assertion+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
		if got := f.requests("/token")[i].Form.Get("client_assertion"); got != assertion {
			t.Errorf("sent %q", got)
		}
	}
	if public, err := p.PublicKeys(context.Background()); err != nil || len(public) != 0 {
		t.Errorf("public keys %s, %v", public, err)
	}
}

func TestKeyFunc(t *testing.T) {
	vault := errors.New("vault is sealed")
	for _, tt := range []struct {
		name string
		alg  string
		key  crypto.Signer
		err  error
		want error
	}{
		{"a key that cannot be had", "", nil, vault, vault},
		{"an unavailable key", "", nil, vault, provider.ErrUnavailable},
		{"no key", "", nil, nil, provider.ErrMisconfigured},
		{"a key of another kind", "PS256", edKey(), nil, provider.ErrMisconfigured},
		{"a key that will not sign", "", broken{edKey(), vault}, nil, provider.ErrUnavailable},
		{"a key that signs nonsense", "", broken{ecKey("client 8", elliptic.P256()), nil}, nil, provider.ErrUnavailable},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := newFake(t)
			_, err := complete(f, f.new(t, keys(provider.ClientKey{Algorithm: tt.alg, Func: func(context.Context) (crypto.Signer, error) { return tt.key, tt.err }})))
			if !errors.Is(err, tt.want) || f.count("/token") != 0 {
				t.Errorf("got %v after %d token requests; want %v", err, f.count("/token"), tt.want)
			}
		})
	}
	n := 0
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{Func: func(context.Context) (crypto.Signer, error) { n++; return rsaKey(), nil }}))
	for range 2 {
		if _, err := complete(f, p); err != nil {
			t.Fatal(err)
		}
	}
	if n != 2 {
		t.Errorf("the key was asked for %d times at two logins", n)
	}
}

// broken has a key and does not sign with it.
type broken struct {
	crypto.Signer
	err error
}

func (b broken) Sign(io.Reader, []byte, crypto.SignerOpts) ([]byte, error) {
	if b.err != nil {
		return nil, b.err
	}
	return asn1.Marshal(struct{ R, S *big.Int }{new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1)})
}

// The first key that the provider can verify signs.
func TestSeveralKeys(t *testing.T) {
	ec := ecKey("client 9", elliptic.P256())
	all := []provider.ClientKey{{ID: "new", Key: ec}, {ID: "old", Key: rsaKey()}}
	for _, tt := range []struct {
		name, listed, kid string
	}{
		{"the newest", "ES256", "new"},
		{"the one that fits", "PS256", "old"},
		{"none", "HS256", ""},
	} {
		f := newFake(t)
		f.metadata = map[string]any{"token_endpoint_auth_signing_alg_values_supported": []string{tt.listed}}
		_, err := complete(f, f.new(t, keys(all...)))
		if tt.kid == "" {
			if !errors.Is(err, provider.ErrMisconfigured) || f.count("/token") != 0 {
				t.Errorf("%s: %v", tt.name, err)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		jws, err := jose.ParseSignedCompact(f.requests("/token")[0].Form.Get("client_assertion"), []jose.SignatureAlgorithm{jose.SignatureAlgorithm(tt.listed)})
		if err != nil || jws.Signatures[0].Header.KeyID != tt.kid {
			t.Errorf("%s: %v, %v", tt.name, jws, err)
		}
	}
}

func TestPublicKeys(t *testing.T) {
	ed := edKey()
	f := newFake(t)
	p := f.new(t, keys(provider.ClientKey{ID: "a", Algorithm: "PS256", Key: rsaKey()}, provider.ClientKey{Key: remote{ed}}))
	public, err := p.PublicKeys(context.Background())
	if err != nil || len(public) != 2 {
		t.Fatalf("%s, %v", public, err)
	}
	for i, want := range []jose.JSONWebKey{{KeyID: "a", Algorithm: "PS256", Key: rsaKey().Public()}, {Key: ed.Public()}} {
		var got jose.JSONWebKey
		if err := got.UnmarshalJSON(public[i]); err != nil {
			t.Fatal(err)
		}
		if !got.IsPublic() || got.Use != "sig" || got.Algorithm != want.Algorithm || (want.KeyID != "" && got.KeyID != want.KeyID) || got.KeyID == "" ||
			!got.Key.(interface{ Equal(crypto.PublicKey) bool }).Equal(want.Key) {
			t.Errorf("key %d: %s", i, public[i])
		}
		if strings.Contains(string(public[i]), `"d"`) {
			t.Errorf("key %d is private", i)
		}
	}
	p = f.new(t, keys(provider.ClientKey{Key: ed}, provider.ClientKey{File: filepath.Join(t.TempDir(), "none")}))
	if public, err := p.PublicKeys(context.Background()); !errors.Is(err, provider.ErrUnavailable) || public != nil {
		t.Errorf("half a set: %s, %v", public, err)
	}
}

// FuzzKeyFile: whatever a file holds, it is one of key, assertion and error.
func FuzzKeyFile(f *testing.F) {
	f.Add([]byte("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"))
	f.Add([]byte("e30.e30.e30"))
	f.Add([]byte(""))
	f.Fuzz(func(t *testing.T, b []byte) {
		signer, assertion, err := provider.ParseKeyFile(b)
		given := 0
		for _, ok := range []bool{signer != nil, assertion != "", err != nil} {
			if ok {
				given++
			}
		}
		if given != 1 {
			t.Errorf("signer %v, assertion %q, error %v", signer, assertion, err)
		}
		if strings.ContainsAny(assertion, " \r\n") {
			t.Errorf("assertion %q", assertion)
		}
	})
}
