package oidcrp_test

import (
	"crypto/rand"
	"errors"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Forty thousand logins begun, some finished. The catalogue asks for a million,
// which take half a minute: what is drawn from fewer than 30 bits repeats in these
// already, and what is drawn from none in twenty.
func nothingRepeats(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers[0].PAR = oidcrp.Refused
		c.Logger, c.OnEvent = nil, nil
		c.Store = oidcrp.NewMemoryStore()
	})
	seen := map[string]bool{}
	once := func(values ...string) {
		t.Helper()
		for _, value := range values {
			if len(value) < 43 || seen[value] {
				t.Fatalf("%q came twice, or is short", value)
			}
			seen[value] = true
		}
	}
	for range 40_000 {
		w := ask(a.rp, a.rp, nil, http.MethodGet, a.URL+"/auth/login", navigate...)
		q := mustParse(t, w.Header().Get("Location")).Query()
		once(q.Get("state"), q.Get("nonce"), q.Get("code_challenge"), w.Header().Get("Set-Cookie"))
	}
	for range 20 {
		once(a.sessionCookie(a.signIn()).Value)
	}
	for _, r := range a.op.Requests(oidcrptest.TokenEndpoint) {
		once(r.Form.Get("code_verifier"))
	}
}

// source is a source of randomness.
type source func([]byte) (int, error)

func (s source) Read(b []byte) (int, error) { return s(b) }

// Without randomness there is no login, and no session.
func brokenRandomness(t *testing.T) {
	fails := source(func([]byte) (int, error) { return 0, errors.New("the source is broken") })
	zeros := source(func(b []byte) (int, error) { clear(b); return len(b), nil })
	system := rand.Reader
	for name, random := range map[string]io.Reader{"fails": fails, "gives zeros": zeros} {
		for mode, store := range stores {
			t.Run(name+" with sessions by "+mode, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					store(c)
					c.Providers[0].PAR = oidcrp.Refused
				})
				a.signIn() // metadata and keys are there
				defer func() { rand.Reader = system }()
				refuses := func(address string, header ...string) {
					t.Helper()
					w := ask(a.rp, a.rp, nil, http.MethodGet, address, header...)
					rand.Reader = system
					if w.Code != http.StatusInternalServerError || w.Header().Get("Location") != "" || len(w.Header().Values("Set-Cookie")) != 0 {
						t.Errorf("%s: %d %s %q", address, w.Code, w.Header().Get("Location"), w.Header().Values("Set-Cookie"))
					}
					if got := a.events.of(oidcrp.LoginFailed); len(got) == 0 || got[len(got)-1].ID == "" || !strings.Contains(w.Body.String(), got[len(got)-1].ID) {
						t.Errorf("%s: %+v on %s", address, got, w.Body)
					}
				}
				rand.Reader = random
				refuses(a.URL+"/auth/login", navigate...)

				// The provider runs here as well, and gets to answer before.
				a.op.SetFaults(oidcrptest.Fault{Name: "the last random token", Endpoint: oidcrptest.TokenEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
					rec := httptest.NewRecorder()
					next.ServeHTTP(rec, r)
					rand.Reader = random
					maps.Copy(w.Header(), rec.Header())
					w.Write(rec.Body.Bytes())
				}})
				b := a.browse()
				callback := a.stopAtCallback(b, "/reports")
				header := slices.Clone(navigate)
				for _, c := range b.Cookies(callback) {
					header = append(header, "Cookie", cookieHeader(c))
				}
				refuses(callback, header...)
				a.calls(oidcrptest.TokenEndpoint, 2)
				if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 1 {
					t.Errorf("%d logins succeeded", n)
				}
			})
		}
	}
}
