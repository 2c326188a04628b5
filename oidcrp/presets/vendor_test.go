package presets_test

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const app = "https://app.example.com"

var (
	rsaKey, ecKey = keys()
	cookieKey     = randomKey()
)

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key)
	return key
}

func keys() (*rsa.PrivateKey, *ecdsa.PrivateKey) {
	r, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	e, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	if err != nil {
		panic(err)
	}
	return r, e
}

// vendor stands in for a vendor at the vendor's own addresses: with its
// recorded document, keys of ours, and the ID token that a test wants.
type vendor struct {
	t        *testing.T
	at       string // of the document
	document []byte
	meta     map[string]any
	alg      jose.SignatureAlgorithm
	issuer   string // of the key, as Entra states it; "" for none

	mu       sync.Mutex
	claims   map[string]any // of the next ID token
	userInfo map[string]any
	forms    map[string]url.Values // what an endpoint got last
	basic    map[string]string     // the user of its Authorization header
}

func newVendor(t *testing.T, file, at string) *vendor {
	t.Helper()
	b, err := os.ReadFile("../../testdata/discovery/" + file + ".json")
	if err != nil {
		t.Fatal(err)
	}
	v := &vendor{t: t, at: at, document: b, alg: jose.RS256, forms: map[string]url.Values{}, basic: map[string]string{}}
	if err := json.Unmarshal(b, &v.meta); err != nil {
		t.Fatal(err)
	}
	return v
}

// RoundTrip answers as the vendor would. Any other address is a failure.
func (v *vendor) RoundTrip(r *http.Request) (*http.Response, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	var body any
	status := http.StatusOK
	switch address := r.URL.String(); address {
	case v.at:
		body = json.RawMessage(v.document)
	case v.meta["jwks_uri"]:
		body = map[string]any{"keys": []any{v.key()}}
	case v.meta["token_endpoint"]:
		v.read(address, r)
		body = map[string]any{"access_token": "access", "token_type": "Bearer", "expires_in": 3600, "id_token": v.idToken()}
	case v.meta["userinfo_endpoint"]:
		v.read(address, r)
		body = v.userInfo
	case v.meta["pushed_authorization_request_endpoint"]:
		v.read(address, r)
		status, body = http.StatusCreated, map[string]any{"request_uri": "urn:pushed", "expires_in": 60}
	default:
		return nil, fmt.Errorf("nothing is at %s", address)
	}
	b, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{"Content-Type": {"application/json"}},
		Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

func (v *vendor) read(address string, r *http.Request) {
	if r.Body != nil {
		b, _ := io.ReadAll(r.Body)
		v.forms[address], _ = url.ParseQuery(string(b))
	}
	v.basic[address], _, _ = r.BasicAuth()
}

func (v *vendor) signer() crypto.Signer {
	if v.alg == jose.ES384 {
		return ecKey
	}
	return rsaKey
}

func (v *vendor) key() map[string]any {
	b, err := jose.JSONWebKey{Key: v.signer().Public(), KeyID: "k1", Use: "sig"}.MarshalJSON()
	if err != nil {
		panic(err)
	}
	key := map[string]any{}
	if err := json.Unmarshal(b, &key); err != nil {
		panic(err)
	}
	if v.issuer != "" {
		key["issuer"] = v.issuer
	}
	return key
}

func (v *vendor) idToken() string {
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: v.alg, Key: jose.JSONWebKey{Key: v.signer(), KeyID: "k1"}}, nil)
	if err != nil {
		panic(err)
	}
	b, err := json.Marshal(v.claims)
	if err != nil {
		panic(err)
	}
	jws, err := signer.Sign(b)
	if err != nil {
		panic(err)
	}
	token, err := jws.CompactSerialize()
	if err != nil {
		panic(err)
	}
	return token
}

// login is one login at a vendor, by a browser without a network.
type login struct {
	v       *vendor
	rp      *oidcrp.RelyingParty
	handler http.Handler
	cookies map[string]string
	asked   *url.URL // the authorization request
}

// start begins a login at p.
func (v *vendor) start(p oidcrp.Provider) *login {
	v.t.Helper()
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: app, CookieKeys: [][]byte{cookieKey},
		Providers: []oidcrp.Provider{p}, HTTPClient: &http.Client{Transport: v},
		Store: oidcrp.NewMemoryStore(), Claims: []string{"name", "email", "email_verified", "tid", "oid", "emails"},
		Logger: slog.New(slog.NewTextHandler(v.t.Output(), nil)),
	})
	if err != nil {
		v.t.Fatal(err)
	}
	l := &login{v: v, rp: rp, cookies: map[string]string{}}
	l.handler = rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s := oidcrp.FromContext(r.Context()); s != nil {
			fmt.Fprintf(w, "%s|%s|%s|%s", s.Issuer(), s.Subject(), s.Name(), s.Email())
		}
	}))
	res := l.send(http.MethodGet, "/auth/login?provider="+p.Name, nil)
	if res.Code != http.StatusSeeOther && res.Code != http.StatusFound {
		v.t.Fatalf("login: %d %s", res.Code, res.Body)
	}
	if l.asked, err = url.Parse(res.Header().Get("Location")); err != nil {
		v.t.Fatal(err)
	}
	if pushed, _ := v.meta["pushed_authorization_request_endpoint"].(string); l.asked.Query().Get("request_uri") != "" {
		l.asked.RawQuery = v.forms[pushed].Encode()
	}
	return l
}

// send makes the browser navigate, from a page of ours or, with from, of another
// site.
func (l *login) send(method, path string, form url.Values, from ...string) *httptest.ResponseRecorder {
	var body io.Reader
	if form != nil {
		body = strings.NewReader(form.Encode())
	}
	r := httptest.NewRequest(method, app+path, body)
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Dest", "document")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	for _, origin := range from {
		r.Header.Set("Sec-Fetch-Site", "cross-site")
		r.Header.Set("Origin", origin)
	}
	r.Header.Set("Accept", "text/html")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for name, value := range l.cookies {
		r.AddCookie(&http.Cookie{Name: name, Value: value})
	}
	w := httptest.NewRecorder()
	l.handler.ServeHTTP(w, r)
	for _, c := range w.Result().Cookies() {
		l.cookies[c.Name] = c.Value
		if c.MaxAge < 0 {
			delete(l.cookies, c.Name)
		}
	}
	return w
}

// finish answers with a code, for which there is an ID token with these claims
// beside the usual ones, and returns what the callback said.
func (l *login) finish(claims map[string]any) *httptest.ResponseRecorder {
	l.v.t.Helper()
	asked := l.asked.Query()
	now := time.Now()
	token := map[string]any{
		"iss": l.v.meta["issuer"], "aud": asked.Get("client_id"), "sub": "user-1", "nonce": asked.Get("nonce"),
		"iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}
	maps.Copy(token, claims)
	l.v.mu.Lock()
	l.v.claims = token
	l.v.mu.Unlock()
	answer := url.Values{"code": {"the-code"}, "state": {asked.Get("state")}}
	if l.v.meta["authorization_response_iss_parameter_supported"] == true {
		answer.Set("iss", fmt.Sprint(l.v.meta["issuer"]))
	}
	redirect, err := url.Parse(asked.Get("redirect_uri"))
	if err != nil || !strings.HasPrefix(asked.Get("redirect_uri"), app+"/") {
		l.v.t.Fatalf("redirect_uri %q", asked.Get("redirect_uri"))
	}
	if asked.Get("response_mode") == "form_post" {
		// As Apple does at the first login.
		answer.Set("user", `{"name":{"firstName":"Eve","lastName":"Elsewhere"},"email":"eve@elsewhere.example"}`)
		res := l.send(http.MethodPost, redirect.Path, answer, l.asked.Scheme+"://"+l.asked.Host)
		if next, err := url.Parse(res.Header().Get("Location")); err == nil && next.Path == redirect.Path {
			return l.send(http.MethodGet, next.RequestURI(), nil) // where the session's cookie comes along
		}
		return res
	}
	return l.send(http.MethodGet, redirect.Path+"?"+answer.Encode(), nil)
}

// who says whose session there is now.
func (l *login) who() string { return l.send(http.MethodGet, "/", nil).Body.String() }

// signOut returns where a sign-out leads in the end, which is elsewhere or a page
// of ours.
func (l *login) signOut() *url.URL {
	l.v.t.Helper()
	at := &url.URL{Path: "/auth/logout"}
	res := l.send(http.MethodPost, at.Path, url.Values{})
	for range 3 {
		if res.Code == http.StatusOK {
			return at
		}
		next, err := url.Parse(res.Header().Get("Location"))
		if err != nil || next.Path == "" {
			l.v.t.Fatalf("sign-out: %d %s", res.Code, res.Body)
		}
		if at = next; at.Host != "" {
			return at
		}
		res = l.send(http.MethodGet, at.RequestURI(), nil)
	}
	l.v.t.Fatal("a sign-out goes round in circles")
	return nil
}
