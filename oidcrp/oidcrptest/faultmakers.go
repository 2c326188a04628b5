package oidcrptest

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"sync"
	"time"
)

// What faults are made of: each returns a fault that sets one hook.

func set(m map[string]any, name string, value any) {
	if value == nil {
		delete(m, name)
		return
	}
	m[name] = value
}

func onToken(name string, f func(*IDToken)) Fault { return Fault{Name: name, IDToken: f} }

func claim(name, claim string, value any) Fault {
	return onToken(name, func(t *IDToken) { set(t.Claims, claim, value) })
}

func header(name, field string, value any) Fault {
	return onToken(name, func(t *IDToken) { set(t.Header, field, value) })
}

func times(name, claim string, d time.Duration) Fault {
	return onToken(name, func(t *IDToken) { t.Claims[claim] = t.Now.Add(d).Unix() })
}

func rewrite(name string, f func([]byte) []byte) Fault {
	return onToken(name, func(t *IDToken) { t.Rewrite = f })
}

func limited(name string, f Fault, front bool) Fault {
	change := f.IDToken
	f.Name, f.IDToken = name, func(t *IDToken) {
		if t.Front == front {
			change(t)
		}
	}
	return f
}

// asIDToken lets a fault of ID tokens change another JWT.
func asIDToken(f Fault, t *JWT) {
	wrapped := &IDToken{JWT: *t}
	f.IDToken(wrapped)
	*t = wrapped.JWT
}

func tokenField(name, field string, value any) Fault {
	return Fault{Name: name, TokenResponse: func(m map[string]any) { set(m, field, value) }}
}

func metadataField(name, field string, value any) Fault {
	return Fault{Name: name, Metadata: func(m map[string]any) { set(m, field, value) }}
}

func userInfo(name, claim string, value any) Fault {
	return Fault{Name: name, UserInfo: func(claims map[string]any) { set(claims, claim, value) }}
}

func onResponse(name string, f func(*Response)) Fault { return Fault{Name: name, Response: f} }

func onEndSession(name string, f func(url.Values)) Fault { return Fault{Name: name, EndSession: f} }

func replace(name, endpoint string, h http.HandlerFunc) Fault {
	return Fault{Name: name, Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, _ http.Handler) { h(w, r) }}
}

func statusOnly(name, endpoint string, status int) Fault {
	return replace(name+" "+strconv.Itoa(status), endpoint, func(w http.ResponseWriter, r *http.Request) {
		http.Error(w, http.StatusText(status), status)
	})
}

func oauthFailure(name, endpoint, code string) Fault {
	return replace(name+" "+code, endpoint, func(w http.ResponseWriter, r *http.Request) {
		status := http.StatusBadRequest
		if code == "invalid_client" {
			status = http.StatusUnauthorized
		}
		writeOAuthError(w, &oauthError{code, "this is a fault", status})
	})
}

func redirect(name, endpoint, to string, status int) Fault {
	return replace(name+" "+to, endpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Location", to)
		w.WriteHeader(status)
	})
}

func rubbish(name, endpoint string) Fault {
	return replace(name, endpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Write([]byte(`{"issuer":"http`))
	})
}

func webPage(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.Write([]byte("<!doctype html><title>Welcome</title><p>This is a captive portal.</p>"))
}

// hang waits until the caller gives up or the provider stops.
func hang(name, endpoint string) Fault {
	return replace(name, endpoint, func(w http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
		panic(http.ErrAbortHandler)
	})
}

// contentType answers rightly under another content type.
func contentType(name, endpoint, value string) Fault {
	return Fault{Name: name, Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&relabelled{w, value}, r)
	}}
}

type relabelled struct {
	http.ResponseWriter
	contentType string
}

func (w *relabelled) WriteHeader(status int) {
	w.Header().Set("Content-Type", w.contentType)
	w.ResponseWriter.WriteHeader(status)
}

// huge answers rightly after much white space, so that only a size limit
// refuses it.
func huge(name, endpoint string) Fault {
	return Fault{Name: name, Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		next.ServeHTTP(&padded{ResponseWriter: w}, r)
	}}
}

type padded struct {
	http.ResponseWriter
	done bool
}

func (w *padded) Write(b []byte) (int, error) {
	if !w.done {
		w.done = true
		space := bytes.Repeat([]byte{' '}, 1<<20)
		for range 32 {
			if _, err := w.ResponseWriter.Write(space); err != nil {
				return 0, err
			}
		}
	}
	return w.ResponseWriter.Write(b)
}

func (k *key) publicPEM() []byte {
	der, err := x509.MarshalPKIXPublicKey(k.private.Public())
	if err != nil {
		panic(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

// weakKey is one key for all providers, made when first needed.
var weakKey = sync.OnceValue(func() key {
	private, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		panic(err)
	}
	return key{id: rand.Text()[:12], algs: []string{"RS256"}, private: private}
})

// strangersKey is a fresh public key of the same kind.
func strangersKey(like any) any {
	if _, ok := like.(*rsa.PublicKey); ok {
		return newKey("RS256").private.Public()
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return private.Public()
}

// decoys are signing keys that never sign, for all providers.
var decoys = sync.OnceValue(func() []any {
	var keys []key
	for range 2 {
		keys = append(keys, newKey("RS256"), newKey("ES256"), newKey("EdDSA"))
	}
	return publicKeys(keys)
})

// foreignKeys are those of a suite's key set that do not sign: secp256k1, and
// two for encryption. None has a "kid".
func foreignKeys() []any {
	encryption := decoys()
	rsaKey, ecKey := maps.Clone(encryption[0].(map[string]any)), maps.Clone(encryption[1].(map[string]any))
	rsaKey["use"], rsaKey["alg"] = "enc", "RSA-OAEP"
	ecKey["use"], ecKey["alg"] = "enc", "ECDH-ES"
	return []any{
		map[string]any{"kty": "EC", "use": "sig", "crv": "secp256k1",
			"x": "eb5mfvncu6xVoGKVzocLBwKb_NstzijZWfKBWxb4F5g", "y": "SDradyajxGVdpPv8DhEIqP0XtEimhVQZnEfQj_sQ1Lg"},
		rsaKey, ecKey,
	}
}

// nameless takes "kid" and "alg" off keys, which the caller owns.
func nameless(keys []any) []any {
	out := make([]any, len(keys))
	for i, k := range keys {
		m := maps.Clone(k.(map[string]any))
		delete(m, "kid")
		if m["use"] == "sig" {
			delete(m, "alg")
		}
		out[i] = m
	}
	return out
}

func unsupportedKeys() []any {
	secret := b64([]byte("not a secret at all, as it is published"))
	return []any{
		"not an object",
		map[string]any{},
		map[string]any{"kty": "PQC", "kid": "unknown-type", "pub": "AAAA"},
		map[string]any{"kty": "EC", "crv": "P-257", "kid": "unknown-curve", "x": "AAAA", "y": "AAAA"},
		map[string]any{"kty": "EC", "crv": "P-256", "kid": "not-on-the-curve", "x": "AQ", "y": "AQ"},
		map[string]any{"kty": "RSA", "kid": "malformed", "n": "%%%", "e": "AQAB"},
		map[string]any{"kty": "OKP", "crv": "X25519", "kid": "key-agreement", "use": "enc", "x": b64(make([]byte, 32))},
		map[string]any{"kty": "oct", "kid": "symmetric", "alg": "HS256", "k": secret},
		map[string]any{"kty": "OKP", "crv": "Ed25519", "kid": "private", "x": b64(make([]byte, 32)), "d": b64(make([]byte, 32))},
	}
}

// addTokens adds what belongs into an answer to "code id_token token" only.
func (r *Response) addTokens() {
	code := r.Params.Get("code")
	if code == "" {
		return
	}
	r.provider.mu.Lock()
	g := r.provider.codes[code]
	r.provider.mu.Unlock()
	access := random()
	r.Params.Set("access_token", access)
	r.Params.Set("token_type", "Bearer")
	token, err := r.provider.idToken(context.Background(), r.request.client, g, tokenFor{accessToken: access, code: code, front: true})
	if err == nil {
		r.Params.Set("id_token", token)
	}
}
