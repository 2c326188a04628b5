package main

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"math/big"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-jose/go-jose/v4"
)

// byHand is the least that a login takes on net/http alone, for one provider
// whose metadata never changes: one random value from which state, nonce and
// verifier come, sealed in a cookie; one call; one signature; one cookie.
func byHand(op *fakeProvider, baseURL string) http.Handler {
	key := make([]byte, 32)
	rand.Read(key)
	aead := must(cipher.NewGCM(must(aes.NewCipher(key))))
	seal := func(b []byte) string {
		nonce := make([]byte, aead.NonceSize(), aead.NonceSize()+len(b)+aead.Overhead())
		rand.Read(nonce)
		return base64.RawURLEncoding.EncodeToString(aead.Seal(nonce, nonce, b, nil))
	}
	open := func(r *http.Request, name string) []byte {
		b := must(base64.RawURLEncoding.DecodeString(must(r.Cookie(name)).Value))
		return must(aead.Open(nil, b[:aead.NonceSize()], b[aead.NonceSize():], nil))
	}
	derived := func(secret []byte, what string) string {
		sum := sha256.Sum256(append([]byte(what), secret...))
		return base64.RawURLEncoding.EncodeToString(sum[:])
	}
	var keys jose.JSONWebKeySet
	res := must(http.Get(op.URL + "/jwks"))
	check(json.NewDecoder(res.Body).Decode(&keys))
	res.Body.Close()
	public := keys.Keys[0].Key.(*ecdsa.PublicKey)
	redirect := baseURL + "/callback"
	address := op.URL + "/authorize?response_type=code&scope=openid&client_id=app&code_challenge_method=S256&redirect_uri=" + url.QueryEscape(redirect)

	login := func(w http.ResponseWriter) {
		secret := make([]byte, 32)
		rand.Read(secret)
		h := w.Header()
		h["Set-Cookie"] = []string{"login=" + seal(secret) + "; Path=/; HttpOnly; SameSite=Lax; Max-Age=600"}
		h["Location"] = []string{address + "&state=" + derived(secret, "state") + "&nonce=" + derived(secret, "nonce") +
			"&code_challenge=" + derived([]byte(derived(secret, "verifier")), "")}
		w.WriteHeader(http.StatusFound)
	}
	callback := func(w http.ResponseWriter, r *http.Request) {
		secret, q := open(r, "login"), r.URL.Query()
		if q.Get("state") != derived(secret, "state") {
			panic("state")
		}
		res := must(http.PostForm(op.URL+"/token", url.Values{"grant_type": {"authorization_code"}, "code": {q.Get("code")}, "redirect_uri": {redirect},
			"client_id": {"app"}, "client_secret": {"secret"}, "code_verifier": {derived(secret, "verifier")}}))
		defer res.Body.Close()
		var answer struct {
			IDToken string `json:"id_token"`
		}
		check(json.Unmarshal(must(io.ReadAll(res.Body)), &answer))
		parts := strings.Split(answer.IDToken, ".")
		sum := sha256.Sum256([]byte(parts[0] + "." + parts[1]))
		signature := must(base64.RawURLEncoding.DecodeString(parts[2]))
		if !ecdsa.Verify(public, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:])) {
			panic("signature")
		}
		var claims struct {
			Iss, Sub, Aud, Nonce, Name, Email string
			Iat, Exp                          int64
		}
		payload := must(base64.RawURLEncoding.DecodeString(parts[1]))
		check(json.Unmarshal(payload, &claims))
		if claims.Iss != op.URL || claims.Aud != "app" || claims.Nonce != derived(secret, "nonce") || claims.Exp < time.Now().Unix() {
			panic("claims")
		}
		h := w.Header()
		h["Set-Cookie"] = []string{"session=" + seal([]byte(claims.Iss+"\x00"+claims.Sub+"\x00"+claims.Name+"\x00"+claims.Email)) + "; Path=/; HttpOnly; SameSite=Lax",
			"login=; Path=/; Max-Age=0"}
		h["Location"] = []string{"/"}
		w.WriteHeader(http.StatusFound)
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/login":
			login(w)
		case "/callback":
			callback(w, r)
		default:
			if !strings.Contains(string(open(r, "session")), "\x00alice\x00") {
				w.WriteHeader(http.StatusUnauthorized)
			}
		}
	})
}
