package oidcrp_test

import (
	"net/http"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var loopAttacks = []attack{
	{"T088 return URL of ours", ownAddressesAreNoTargets},
	{"T088 guard around the sign-in page", guardAroundTheSignInPage},
	{"T088 page that denies everybody", deniedAtOnce},
	{"T088 policy that is never content", stepUpNeverLoops},
	{"T088 provider that always fails", failingProviderIsAskedOnce},
	{"T088 no cookies", noCookiesAtAll},
	{"T088 session cookie dropped", lostSessionsDoNotLoop},
	{"T088 clock ahead where the session is read", loopsBetweenNodes(13*time.Hour, false)},
	{"T088 clock days ahead where the session is read", loopsBetweenNodes(48*time.Hour, false)},
	{"T088 stores of their own", loopsBetweenNodes(0, true)},
	{"T088 stores of their own and a clock behind", loopsBetweenNodes(-30*time.Second, true)},
	{"T088 stores of their own and a clock ahead", loopsBetweenNodes(30*time.Second, true)},
}

// ownAddressesAreNoTargets: a login that led to one would go round.
func ownAddressesAreNoTargets(t *testing.T) {
	for _, path := range []string{
		"/auth/login", "/auth/login?return_to=/app/auth/login", "/auth/logout", "/auth/logout?return_to=/app/x", "/auth/callback/main", "/auth/callback/main?code=x&state=y",
		"/auth/initiate?iss=x", "/auth/me", "/auth", "/auth/", "/auth/nowhere", "/auth/login#x",
	} {
		t.Run(path, func(t *testing.T) {
			goesHome(t, "/app"+path)
			goesHome(t, errandOrigin+"/app"+path)
		})
	}
}

// deniedAtOnce: a page that lets nobody in says so, and sends nobody anywhere.
func deniedAtOnce(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signInAs("bob")
	a.op.SignInAs("bob")
	a.op.ResetCalls()
	for range 5 {
		page := b.Get(a.URL + "/admin")
		a.answers(page, http.StatusForbidden, "do not have access")
		if len(page.Trail) != 1 {
			t.Errorf("%s", page)
		}
	}
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	// Nor does signing in again, which the page offers, go round.
	page := b.Get(a.URL + "/auth/login?return_to=/admin")
	a.answers(page, http.StatusForbidden, "do not have access")
	a.calls(oidcrptest.AuthorizeEndpoint, 1)
}

func failingProviderIsAskedOnce(t *testing.T) {
	for _, fault := range []oidcrptest.Fault{
		oidcrptest.AuthorizationError("login_required", ""), oidcrptest.AuthorizationError("server_error", ""), oidcrptest.AuthorizationError("invalid_request", ""),
		oidcrptest.AuthorizationError("access_denied", ""), oidcrptest.TokenError("invalid_grant"), oidcrptest.TokenStatus(500), oidcrptest.WrongNonce, oidcrptest.ExpiredToken,
	} {
		t.Run(fault.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, fault), nil)
			b := a.browse()
			for round := range 5 { // every one of them the visitor's own wish
				page := b.Get(a.URL + "/reports")
				if page.Status < 400 {
					t.Errorf("%s", page)
				}
				if n := a.op.Calls(oidcrptest.AuthorizeEndpoint); n > round+1 {
					t.Fatalf("%d rounds in %d", n, round+1)
				}
			}
			// Once it works again nobody has to wait, or to empty a browser.
			a.op.SetFaults()
			b.Get(a.URL + "/auth/login?return_to=/reports")
			if b.Page().URL.Path != "/reports" {
				b.Follow("Try again")
			}
			a.shows(b.Page(), "reports for alice")
		})
	}
}

// loopsBetweenNodes: the sessions that the node with the callback starts are
// none to the node with the pages: over, or in another store.
func loopsBetweenNodes(ahead time.Duration, stores bool) func(*testing.T) {
	return func(t *testing.T) {
		for _, mode := range []string{"query", "form_post"} {
			t.Run(mode, func(t *testing.T) {
				a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
					c.Providers[0].ResponseMode = mode
					if stores {
						c.Store = oidcrp.NewMemoryStore()
					}
				}, func(a *app) http.Handler {
					cfg := a.config
					if stores {
						cfg.Store = oidcrp.NewMemoryStore()
					}
					other, err := oidcrp.NewAt(cfg, func() time.Time { return a.clock.now().Add(ahead) })
					if err != nil {
						t.Fatal(err)
					}
					pages := other.Load(other.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { a.reports.Add(1) })))
					return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
						if r.URL.Path == "/reports" {
							pages.ServeHTTP(w, r)
							return
						}
						a.rp.ServeHTTP(w, r)
					})
				})
				page := a.browse().Get(a.URL + "/reports")
				a.refused(page, http.StatusBadRequest, "loop")
				if n := a.op.Calls(oidcrptest.AuthorizeEndpoint); n > 4 {
					t.Errorf("%d rounds", n)
				}
				if a.reports.Load() != 0 || len(page.Links()) == 0 {
					t.Errorf("%s", page)
				}
			})
		}
	}
}
