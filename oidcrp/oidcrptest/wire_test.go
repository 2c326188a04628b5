package oidcrptest_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

const (
	callback  = "http://localhost:1/callback" // nobody listens there
	signedOut = "http://localhost:1/signed-out"
	verifier  = "a-verifier-of-at-least-forty-three-characters-as-asked"
)

// wire speaks to a provider as a relying party without any opinion, to show
// what the provider sends.
type wire struct {
	t      testing.TB
	p      *oidcrptest.Provider
	client oidcrptest.Client
	http   *http.Client
}

func newWire(t testing.TB, faults ...oidcrptest.Fault) *wire {
	t.Helper()
	p := oidcrptest.NewProvider(t, faults...)
	p.SignInAs("alice")
	c := p.AddClient(oidcrptest.Client{RedirectURLs: []string{callback}, PostLogoutRedirectURLs: []string{signedOut}})
	return &wire{t: t, p: p, client: c, http: &http.Client{
		Transport:     &http.Transport{DisableKeepAlives: true},
		Timeout:       20 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

func challenge() string {
	sum := sha256.Sum256([]byte(verifier))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// request returns an authorization request with changes: an empty value
// leaves a parameter out.
func (w *wire) request(changes ...string) url.Values {
	v := url.Values{
		"client_id": {w.client.ID}, "redirect_uri": {callback}, "response_type": {"code"},
		"scope": {"openid profile email"}, "state": {"the-state"}, "nonce": {"the-nonce"},
		"code_challenge": {challenge()}, "code_challenge_method": {"S256"},
	}
	for i := 0; i < len(changes); i += 2 {
		v.Set(changes[i], changes[i+1])
		if changes[i+1] == "" {
			v.Del(changes[i])
		}
	}
	return v
}

func (w *wire) authorizeURL(changes ...string) string {
	return w.p.URL(oidcrptest.AuthorizeEndpoint) + "?" + w.request(changes...).Encode()
}

type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) json(t testing.TB) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal([]byte(a.body), &m); err != nil {
		t.Fatalf("%d %s is no JSON object: %v", a.status, a.body, err)
	}
	return m
}

func (w *wire) do(r *http.Request) (answer, error) {
	res, err := w.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return answer{res.StatusCode, res.Header, string(b)}, err
}

func (w *wire) get(rawURL string) answer {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, rawURL, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func (w *wire) postRequest(endpoint string, form url.Values) *http.Request {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodPost, w.p.URL(endpoint), strings.NewReader(form.Encode()))
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.SetBasicAuth(url.QueryEscape(w.client.ID), url.QueryEscape(w.client.Secret))
	return r
}

func (w *wire) post(endpoint string, form url.Values) answer {
	w.t.Helper()
	a, err := w.do(w.postRequest(endpoint, form))
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

// authorize returns what comes back to the callback by redirect.
func (w *wire) authorize(changes ...string) url.Values {
	w.t.Helper()
	a := w.get(w.authorizeURL(changes...))
	u, err := url.Parse(a.header.Get("Location"))
	if err != nil || a.status != http.StatusSeeOther || !strings.HasPrefix(u.String(), callback) {
		w.t.Fatalf("authorization answered %d to %q: %s", a.status, u, a.body)
	}
	return u.Query()
}

// front returns what comes back by redirect in the fragment, where the query
// must be empty.
func (w *wire) front(changes ...string) url.Values {
	w.t.Helper()
	a := w.get(w.authorizeURL(changes...))
	target, fragment, _ := strings.Cut(a.header.Get("Location"), "#")
	v, err := url.ParseQuery(fragment)
	if err != nil || a.status != http.StatusSeeOther || target != callback {
		w.t.Fatalf("authorization answered %d to %q: %s", a.status, a.header.Get("Location"), a.body)
	}
	return v
}

// hybrid returns both answers to "code id_token token".
func (w *wire) hybrid() (front url.Values, frontToken, backToken idToken) {
	w.t.Helper()
	front = w.front("response_type", "code id_token token")
	body := w.post(oidcrptest.TokenEndpoint, codeForm(front.Get("code"))).json(w.t)
	back, _ := body["id_token"].(string)
	return front, w.decode(front.Get("id_token")), w.decode(back)
}

func codeForm(code string) url.Values {
	return url.Values{"grant_type": {"authorization_code"}, "code": {code}, "redirect_uri": {callback}, "code_verifier": {verifier}}
}

func (w *wire) token(changes ...string) answer {
	w.t.Helper()
	return w.post(oidcrptest.TokenEndpoint, codeForm(w.authorize(changes...).Get("code")))
}

// tokens returns a token response that must be one.
func (w *wire) tokens(changes ...string) map[string]any {
	w.t.Helper()
	a := w.token(changes...)
	if a.status != http.StatusOK {
		w.t.Fatalf("token endpoint answered %d: %s", a.status, a.body)
	}
	return a.json(w.t)
}

type idToken struct {
	raw             string
	header, claims  map[string]any
	payload         string
	signatureLength int
}

func (w *wire) idToken(changes ...string) idToken {
	w.t.Helper()
	raw, _ := w.tokens(changes...)["id_token"].(string)
	return w.decode(raw)
}

func (w *wire) decode(raw string) idToken {
	w.t.Helper()
	parts := strings.Split(raw, ".")
	if len(parts) != 3 {
		w.t.Fatalf("%q has %d parts", raw, len(parts))
	}
	out := idToken{raw: raw}
	decoded := make([][]byte, 3)
	for i, part := range parts {
		var err error
		if decoded[i], err = base64.RawURLEncoding.DecodeString(part); err != nil {
			w.t.Fatal(err)
		}
	}
	out.payload, out.signatureLength = string(decoded[1]), len(decoded[2])
	if err := json.Unmarshal(decoded[0], &out.header); err != nil {
		w.t.Fatal(err)
	}
	json.NewDecoder(strings.NewReader(out.payload)).Decode(&out.claims)
	return out
}

// verify checks the signature by the published key set.
func (w *wire) verify(token idToken) error {
	w.t.Helper()
	var set jose.JSONWebKeySet
	if err := json.Unmarshal([]byte(w.get(w.p.URL(oidcrptest.JWKSEndpoint)).body), &set); err != nil {
		w.t.Fatal(err)
	}
	jws, err := jose.ParseSignedCompact(token.raw, []jose.SignatureAlgorithm{"RS256", "PS256", "ES256", "EdDSA"})
	if err != nil {
		return err
	}
	_, err = jws.Verify(set)
	return err
}

func (w *wire) metadata() map[string]any {
	w.t.Helper()
	return w.get(w.p.URL(oidcrptest.DiscoveryEndpoint)).json(w.t)
}

func (w *wire) jwks() []any {
	w.t.Helper()
	return w.get(w.p.URL(oidcrptest.JWKSEndpoint)).json(w.t)["keys"].([]any)
}

func (w *wire) userInfo() answer {
	w.t.Helper()
	token, _ := w.tokens()["access_token"].(string)
	return w.userInfoBy(token)
}

func (w *wire) userInfoBy(token string) answer {
	w.t.Helper()
	r, err := http.NewRequest(http.MethodGet, w.p.URL(oidcrptest.UserInfoEndpoint), nil)
	if err != nil {
		w.t.Fatal(err)
	}
	r.Header.Set("Authorization", "Bearer "+token)
	a, err := w.do(r)
	if err != nil {
		w.t.Fatal(err)
	}
	return a
}

func halfSHA256(s string) string {
	sum := sha256.Sum256([]byte(s))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

func hmacMatches(token, secret string) bool {
	i := strings.LastIndexByte(token, '.')
	m := hmac.New(sha256.New, []byte(secret))
	m.Write([]byte(token[:i]))
	return base64.RawURLEncoding.EncodeToString(m.Sum(nil)) == token[i+1:]
}

func b64(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func sha256of(s string) string {
	sum := sha256.Sum256([]byte(s))
	return b64(sum[:])
}
