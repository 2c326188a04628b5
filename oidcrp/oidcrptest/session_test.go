package oidcrptest_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// newRelyingParty is one whose provider nobody asks.
func newRelyingParty(t *testing.T, change func(*oidcrp.Config)) *oidcrp.RelyingParty {
	t.Helper()
	key := make([]byte, 32)
	rand.Read(key)
	cfg := oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key},
		Providers: []oidcrp.Provider{
			{Name: "main", Issuer: "https://op.example", ClientID: "app", RolesClaim: "groups", Roles: map[string]string{"g1": "admin"}},
			{Name: "other", Issuer: "https://two.example", ClientID: "app"},
		},
		Logger: slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

var erin = oidcrptest.User{Subject: "erin", Name: "Erin Engel", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{
	"roles": []string{"auditor"}, "groups": []string{"g1", "g2"}, "department": "audit", "realm_access": map[string]any{"roles": []string{"r"}},
}}

func TestWithSession(t *testing.T) {
	ctx := oidcrptest.WithSession(t.Context(), erin)
	s := oidcrp.FromContext(ctx)
	if s.Subject() != "erin" || s.Issuer() == "" || s.Name() != "Erin Engel" || s.Email() != "erin@example.com" || !s.EmailVerified() ||
		!reflect.DeepEqual(s.Roles(), []string{"auditor"}) || s.Handle() == "" || s.Started().IsZero() || !s.Expires().After(s.Started()) || s.Text("department") != "audit" {
		t.Errorf("%q %q %q %q", s.Subject(), s.Name(), s.Email(), s.Roles())
	}
	all, err := oidcrp.Claims[map[string]any](ctx)
	if err != nil || all["department"] != "audit" || all["sub"] != "erin" {
		t.Errorf("%v %v", all, err)
	}
	if oidcrp.FromContext(t.Context()) != nil {
		t.Error("the context before has it too")
	}
	if other := oidcrp.FromContext(oidcrptest.WithSession(ctx, oidcrptest.User{Subject: "bob"})); other.Subject() != "bob" || other.Email() != "" {
		t.Errorf("the inner session is %q's", other.Subject())
	}
}

func TestWithSessionAndPolicies(t *testing.T) {
	rp := newRelyingParty(t, func(c *oidcrp.Config) {
		c.Claims = []string{"department", "/realm_access/roles", "email", "email_verified"}
	})
	for name, tt := range map[string]struct {
		policy oidcrp.Policy
		want   bool
	}{
		"role": {oidcrp.HasRole("auditor"), true}, "another role": {oidcrp.HasRole("admin"), false},
		"claim": {oidcrp.HasClaim("department", "audit"), true}, "another claim": {oidcrp.HasClaim("department", "sales"), false},
		"pointer": {oidcrp.HasClaim("/realm_access/roles", "r"), true}, "another value at the pointer": {oidcrp.HasClaim("/realm_access/roles", "x"), false},
		"domain": {oidcrp.EmailDomain("example.com"), true},
	} {
		t.Run(name, func(t *testing.T) {
			entered := false
			h := rp.Load(rp.Require(tt.policy)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true })))
			for _, method := range []string{"GET", "POST", "DELETE"} {
				w := httptest.NewRecorder()
				entered = false
				h.ServeHTTP(w, oidcrptest.SignedIn(httptest.NewRequest(method, "/x", nil), erin))
				if entered != tt.want || !tt.want && w.Code != http.StatusForbidden {
					t.Errorf("%s: entered %v with %d", method, entered, w.Code)
				}
			}
		})
	}
}

func TestSignedIn(t *testing.T) {
	r := httptest.NewRequest("POST", "/x", strings.NewReader("body"))
	signedIn := oidcrptest.SignedIn(r, erin)
	if oidcrp.FromContext(signedIn.Context()).Subject() != "erin" || oidcrp.FromContext(r.Context()) != nil || len(r.Header) != 0 {
		t.Error("the request given was changed, or the one returned was not")
	}
	rp := newRelyingParty(t, nil)
	h := rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {}))
	for want, header := range map[int][2]string{http.StatusForbidden: {"Origin", "https://evil.example"}, http.StatusOK: {"Sec-Fetch-Site", "same-origin"}} {
		r := httptest.NewRequest("POST", "/x", nil)
		r.Header.Set(header[0], header[1])
		w := httptest.NewRecorder()
		h.ServeHTTP(w, oidcrptest.SignedIn(r, erin)) // what the test says itself stays
		if w.Code != want {
			t.Errorf("%v: %d, want %d", header, w.Code, want)
		}
	}
}

func TestCookie(t *testing.T) {
	stored := oidcrp.NewMemoryStore()
	for mode, change := range map[string]func(*oidcrp.Config){"cookie": nil, "store": func(c *oidcrp.Config) { c.Store = stored }} {
		t.Run(mode, func(t *testing.T) {
			rp := newRelyingParty(t, change)
			h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				s := oidcrp.FromContext(r.Context())
				fmt.Fprint(w, s.Provider(), " ", s.Issuer(), " ", s.Subject(), " ", s.Email(), " ", s.Roles(), " ", s.Text("department"))
			}))
			for provider, want := range map[string]string{
				"":      "main https://op.example erin erin@example.com [admin] ", // as a login there would keep it
				"main":  "main https://op.example erin erin@example.com [admin] ",
				"other": "other https://two.example erin erin@example.com [] ",
			} {
				c := oidcrptest.Cookie(rp, provider, erin)
				if !c.Secure || !c.HttpOnly || c.SameSite != http.SameSiteLaxMode || !strings.HasPrefix(c.Name, "__Host-") {
					t.Errorf("cookie %s", c)
				}
				r := httptest.NewRequest("GET", "https://app.example/", nil)
				r.AddCookie(c)
				w := httptest.NewRecorder()
				h.ServeHTTP(w, r)
				if w.Body.String() != want {
					t.Errorf("provider %q: %q, want %q", provider, w.Body, want)
				}
			}
		})
	}
}

func TestSessionsThatCannotBe(t *testing.T) {
	rp := newRelyingParty(t, func(c *oidcrp.Config) { c.Claims = []string{"big"} })
	for name, f := range map[string]func(){
		"no subject":        func() { oidcrptest.WithSession(context.Background(), oidcrptest.User{Name: "x"}) },
		"no subject at all": func() { oidcrptest.SignedIn(httptest.NewRequest("GET", "/", nil), oidcrptest.User{}) },
		"no such provider":  func() { oidcrptest.Cookie(rp, "gone", erin) },
		"claim that is no JSON": func() {
			oidcrptest.WithSession(context.Background(), oidcrptest.User{Subject: "x", Claims: map[string]any{"f": func() {}}})
		},
		"does not fit a cookie": func() {
			oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: "x", Claims: map[string]any{"big": strings.Repeat("x", 5000)}})
		},
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if v := recover(); v == nil || !strings.Contains(fmt.Sprint(v), "oidcrptest: ") {
					t.Errorf("panic %v", v)
				}
			}()
			f()
		})
	}
}

// Values of the application's own can be set on a session made for a test.
func TestUpdateOfATestSession(t *testing.T) {
	for mode, change := range map[string]func(*oidcrp.Config){"cookie": nil, "store": func(c *oidcrp.Config) { c.Store = oidcrp.NewMemoryStore() }} {
		t.Run(mode, func(t *testing.T) {
			rp := newRelyingParty(t, change)
			w := httptest.NewRecorder()
			r := oidcrptest.SignedIn(httptest.NewRequest("POST", "/x", nil), erin)
			if err := rp.Update(w, r, map[string]string{"theme": "dark"}); err != nil {
				t.Fatal(err)
			}
			next := httptest.NewRequest("GET", "https://app.example/", nil)
			for _, c := range w.Result().Cookies() {
				next.AddCookie(c)
			}
			rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
				if s := oidcrp.FromContext(r.Context()); s != nil && s.Value("theme") != "dark" {
					t.Errorf("theme %q", s.Value("theme"))
				}
			})).ServeHTTP(httptest.NewRecorder(), next)
		})
	}
}

func TestClaimsOfATestSession(t *testing.T) {
	type profile struct {
		Department string
		Realm      struct{ Roles oidcrp.Strings } `json:"realm_access"`
	}
	p, err := oidcrp.Claims[profile](oidcrptest.WithSession(t.Context(), erin))
	if err != nil || p.Department != "audit" || len(p.Realm.Roles) != 1 {
		t.Errorf("%+v %v", p, err)
	}
	var mismatch *json.UnmarshalTypeError
	if _, err := oidcrp.Claims[struct{ Department int }](oidcrptest.WithSession(t.Context(), erin)); !errors.As(err, &mismatch) {
		t.Errorf("%v", err)
	}
}
