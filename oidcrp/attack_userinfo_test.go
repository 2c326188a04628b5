package oidcrp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// policies are what a failure of UserInfo can mean.
var policies = []struct {
	name   string
	policy oidcrp.UserInfoPolicy
}{{"required", oidcrp.UserInfoRequired}, {"optional", oidcrp.UserInfoOptional}}

// newUserInfoApp has an application whose provider tells name, e-mail address and
// roles in UserInfo alone, signed by alg unless that is "". The browser has bob's
// session.
func newUserInfoApp(t *testing.T, policy oidcrp.UserInfoPolicy, alg string, change func(*oidcrp.Config)) (*app, *oidcrptest.Browser) {
	t.Helper()
	a := newSecuredApp(t, oidcrptest.NewProvider(t), func(c *oidcrptest.Client) {
		c.UserInfoOnly, c.UserInfoAlgorithm = true, alg
	}, func(c *oidcrp.Config) {
		c.Providers[0].UserInfo, c.Providers[0].ResponseMode = policy, "form_post"
		if change != nil {
			change(c)
		}
	})
	return a, a.signInAs("bob")
}

// knowsNothing fails the test unless alice, whose UserInfo is of no use, is signed
// in without what only that could have told, and the operator knows why.
func (a *app) knowsNothing(b *oidcrptest.Browser) {
	a.t.Helper()
	before := strings.Count(a.log.String(), "claims not used")
	a.shows(a.again(b), "reports for alice")
	a.shows(b.Get(a.URL+"/plain"), "roles=[] email=")
	me := b.Fetch("GET", "/auth/me", nil).Body
	if strings.Contains(me, "alice@example.com") || strings.Contains(me, "Archer") || strings.Contains(me, "admin") {
		a.t.Errorf("claims of UserInfo are used: %s", me)
	}
	if page := b.Get(a.URL + "/admin"); page.Status != http.StatusForbidden {
		a.t.Errorf("without roles: %s", page)
	}
	if strings.Count(a.log.String(), "claims not used") != before+1 {
		a.t.Errorf("the operator is not warned: %s", a.log)
	}
}

// inUserInfo tries failures of UserInfo under both policies. Where it is required
// the login fails with this status; where not, only for reason "sub".
func inUserInfo(alg string, status int, all ...forgery) func(*testing.T) {
	return func(t *testing.T) {
		for _, p := range policies {
			t.Run(p.name, func(t *testing.T) {
				a, b := newUserInfoApp(t, p.policy, alg, nil)
				for _, f := range all {
					t.Run(f.name, func(t *testing.T) {
						a := a.in(t)
						if p.policy == oidcrp.UserInfoOptional && f.reason != "mismatch" {
							a.op.SetFaults(f.fault)
							a.knowsNothing(b)
							return
						}
						want := rejection{status: status, reason: strings.Replace(f.reason, "mismatch", "sub", 1),
							calls: []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint}}
						a.rejectsLogin(b, want, f.fault)
					})
				}
				a.op.SetFaults()
				a.shows(a.again(b), "reports for alice")
				a.shows(b.Get(a.URL+"/plain"), "roles=[admin] email=alice@example.com")
			})
		}
	}
}

var userInfoSubjects = inUserInfo("", http.StatusBadRequest,
	forgery{"another user's", "mismatch", oidcrptest.UserInfoWrongSubject},
	forgery{"in another case", "mismatch", oidcrptest.UserInfoClaim("sub", "Alice")},
	forgery{"with a blank", "mismatch", oidcrptest.UserInfoClaim("sub", "alice ")},
	forgery{"empty", "mismatch", oidcrptest.UserInfoClaim("sub", "")},
	forgery{"missing", "sub", oidcrptest.UserInfoNoSubject},
	forgery{"null", "sub", oidcrptest.UserInfoClaim("sub", json.RawMessage("null"))},
	forgery{"an array", "sub", oidcrptest.UserInfoClaim("sub", []string{"alice"})},
	forgery{"twice", "json", answered(oidcrptest.UserInfoEndpoint, func(b []byte) []byte { return twice(b, "sub") })},
	forgery{"and SUB", "json", oidcrptest.UserInfoClaim("SUB", "mallory")},
)

// tells answers UserInfo requests with a document.
func tells(kind, body string) oidcrptest.Fault {
	return oidcrptest.Answer(oidcrptest.UserInfoEndpoint, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", kind)
		fmt.Fprint(w, body)
	})
}

func userInfoForms(t *testing.T) {
	const alice = `{"sub":"alice","name":"Alice Archer","email":"alice@example.com","roles":["admin"]}`
	t.Run("malformed", inUserInfo("", http.StatusBadRequest,
		forgery{"an array", "json", tells("application/json", "["+alice+"]")},
		forgery{"something behind", "json", tells("application/json", alice+alice)},
		forgery{"cut short", "json", tells("application/json", alice[:30])},
		forgery{"null", "json", tells("application/json", "null")},
		forgery{"nothing", "json", tells("application/json", "")},
		forgery{"no JWT", "serialization", tells("application/jwt", alice)}))
	t.Run("of another kind", inUserInfo("", http.StatusServiceUnavailable,
		forgery{"a page", "provider_unavailable", oidcrptest.UserInfoHTML},
		forgery{"text", "provider_unavailable", tells("text/plain", alice)},
		forgery{"a form", "provider_unavailable", tells("application/x-www-form-urlencoded", "sub=alice&name=Alice+Archer")},
		forgery{"huge", "provider_unavailable", oidcrptest.UserInfoHuge}))
	t.Run("signed", inUserInfo("RS256", http.StatusBadRequest,
		forgery{"by a key of another kind", "signature", oidcrptest.OnUserInfoJWT(oidcrptest.IDTokenHeader("alg", "ES256"))},
		forgery{"wrongly", "signature", oidcrptest.OnUserInfoJWT(oidcrptest.ScrambledSignature)},
		forgery{"not at all", "serialization", oidcrptest.OnUserInfoJWT(oidcrptest.AlgNone)},
		forgery{"by the client secret", "alg", oidcrptest.OnUserInfoJWT(oidcrptest.HMACWithClientSecret)},
		forgery{"by another issuer", "iss", oidcrptest.OnUserInfoJWT(oidcrptest.WrongIssuer)},
		forgery{"by no issuer", "iss", oidcrptest.OnUserInfoJWT(oidcrptest.MissingIssuer)},
		forgery{"for another client", "aud", oidcrptest.OnUserInfoJWT(oidcrptest.WrongAudience)},
		forgery{"for nobody", "aud", oidcrptest.OnUserInfoJWT(oidcrptest.MissingAudience)},
		forgery{"long ago", "exp", oidcrptest.OnUserInfoJWT(oidcrptest.ExpiredToken)},
		forgery{"for another user", "mismatch", oidcrptest.OnUserInfoJWT(oidcrptest.IDTokenClaim("sub", "mallory"))}))
}

func userInfoFailures(t *testing.T) {
	var failing bool
	unreachable := func(c *oidcrp.Config) {
		c.HTTPClient = &http.Client{Transport: transport(func(r *http.Request) (*http.Response, error) {
			if failing && r.URL.Path == oidcrptest.UserInfoEndpoint {
				return nil, context.DeadlineExceeded
			}
			return http.DefaultTransport.RoundTrip(r)
		})}
	}
	t.Run("status", inUserInfo("", http.StatusServiceUnavailable,
		forgery{"401", "provider_unavailable", oidcrptest.UserInfoStatus(401)},
		forgery{"403", "provider_unavailable", oidcrptest.UserInfoStatus(403)},
		forgery{"500", "provider_unavailable", oidcrptest.UserInfoStatus(500)},
		forgery{"204", "provider_unavailable", oidcrptest.UserInfoStatus(204)},
		forgery{"cut off", "provider_unavailable", oidcrptest.Answer(oidcrptest.UserInfoEndpoint, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.Write([]byte("{"))
			w.(http.Flusher).Flush()
			panic(http.ErrAbortHandler)
		})}))
	t.Run("no answer in time", func(t *testing.T) {
		a, b := newUserInfoApp(t, oidcrp.UserInfoOptional, "", unreachable)
		failing = true
		defer func() { failing = false }()
		a.knowsNothing(b)
	})
	t.Run("no endpoint", func(t *testing.T) {
		op := oidcrptest.NewProvider(t, oidcrptest.NoUserInfo)
		a := newSecuredApp(t, op, func(c *oidcrptest.Client) { c.UserInfoOnly = true }, func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoOptional })
		a.knowsNothing(a.browse())
		a.calls(oidcrptest.UserInfoEndpoint, 0)
	})
	// Who maps users by a claim of UserInfo cannot do so without.
	t.Run("needed", func(t *testing.T) {
		a, b := newUserInfoApp(t, oidcrp.UserInfoOptional, "", func(c *oidcrp.Config) {
			c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
				if email, ok := l.UserInfoClaim("email"); !ok {
					return &oidcrp.Refusal{Message: "no address" + string(email)}
				}
				return nil
			}
		})
		a.rejectsLogin(b, rejection{status: http.StatusForbidden, reason: "refused",
			calls: []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint}}, oidcrptest.UserInfoStatus(500))
	})
}

// transport is a round tripper that is a function.
type transport func(*http.Request) (*http.Response, error)

func (f transport) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// refreshWithoutIDToken is allowed (Core 12.2).
func refreshWithoutIDToken(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	b := a.signIn()
	op.SetFaults(oidcrptest.OnlyRefreshed(oidcrptest.NoIDToken))
	a.expire()
	a.shows(a.call(b), `"sub":"alice"`)
	if n := refreshes(op); n != 1 {
		t.Errorf("%d refreshes", n)
	}
}

func tokenTypes(t *testing.T) {
	forged(tokenTrial{codeAlone: true},
		forgery{"in odd case", "", oidcrptest.OddTokenType},
		forgery{"missing", "", oidcrptest.TokenField("token_type", nil)},
		forgery{"unknown", "token_type", oidcrptest.TokenField("token_type", "mac")},
		forgery{"bound to a key that was not asked for", "token_type", oidcrptest.TokenField("token_type", "DPoP")},
		forgery{"a number", "token_type", oidcrptest.TokenField("token_type", 7)},
		forgery{"an array", "token_type", oidcrptest.TokenField("token_type", []string{"Bearer"})},
		forgery{"two", "token_type", oidcrptest.TokenField("token_type", "Bearer, DPoP")},
		forgery{"an access token with a line break", "access_token", oidcrptest.TokenField("access_token", "x\r\nX-Evil: 1")},
		forgery{"an access token that is a number", "access_token", oidcrptest.TokenField("access_token", 7)},
		forgery{"no access token", "access_token", oidcrptest.NoAccessToken},
	)(t)
}

func lifetimesOfTokens(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newTokenApp(t, op, nil)
	a.clock.stop()
	for name, tt := range map[string]struct {
		value any
		want  time.Duration // 0: not said
	}{
		"none": {nil, 0}, "a number": {300, 300 * time.Second}, "a string": {"300", 300 * time.Second},
		"a year and more": {1e18, 365 * 24 * time.Hour}, "more than numbers hold": {json.RawMessage("1e300"), 365 * 24 * time.Hour},
		"an object": {map[string]any{}, 0}, "null": {json.RawMessage("null"), 0}, "not a number": {"NaN", 0},
	} {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			op.SetFaults(oidcrptest.TokenField("expires_in", tt.value))
			s := a.tokenStatus(a.signIn())
			if got := s.Expiry.Sub(a.clock.now()); s.State != "active" || s.Expiry.IsZero() != (tt.want == 0) || tt.want > 0 && got.Round(time.Second) != tt.want {
				t.Errorf("got %+v, %v from now", s, got)
			}
		})
	}
	t.Run("negative", func(t *testing.T) {
		a := a.in(t)
		op.SetFaults(oidcrptest.TokenField("expires_in", -5))
		if s := a.tokenStatus(a.signIn()); s.State != "expired" || s.Expiry.After(a.clock.now()) {
			t.Errorf("got %+v", s)
		}
	})
}

// tokenStatus is what the application knows of a visitor's tokens.
func (a *app) tokenStatus(b *oidcrptest.Browser) (s oidcrp.TokenStatus) {
	a.t.Helper()
	r := httptest.NewRequest("GET", a.URL+"/", nil)
	r.AddCookie(a.sessionCookie(b))
	a.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var err error
		if s, err = a.rp.TokenStatus(r.Context()); err != nil {
			a.t.Error(err)
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
	return s
}

// emptyIdentities: what cannot be read is left out, and gives nobody more than
// they have.
func emptyIdentities(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	a := newApp(t, op, func(c *oidcrp.Config) {
		c.Claims = []string{"name", "email", "email_verified", "preferred_username"}
		c.Providers[0].ResponseMode = "form_post"
	})
	unread := func(claim, text, shown string) forgery {
		return forgery{claim + " " + text, shown, claimed(claim, text)}
	}
	b := a.signIn()
	for _, f := range []forgery{
		unread("roles", `[]`, "roles=[] "), unread("roles", `""`, "roles=[] "), unread("roles", `["","",""]`, "roles=[] "), unread("roles", `["","member"]`, "roles=[member] "), unread("roles", `null`, "roles=[] "), unread("roles", `7`, "roles=[] "),
		unread("roles", `true`, "roles=[] "), unread("roles", `{"admin":true}`, "roles=[] "), unread("roles", `[["admin"]]`, "roles=[] "),
		unread("roles", `["admin",7]`, "roles=[] "), unread("roles", `"admin admin"`, "roles=[admin admin] "),
		unread("email", `""`, "email="), unread("email", `7`, "email="), unread("email", `["alice@example.com"]`, "email="), unread("email", `null`, "email="),
	} {
		t.Run(f.name, func(t *testing.T) {
			a := a.in(t)
			op.SetFaults(f.fault)
			a.shows(a.again(b), "reports for alice")
			if page := b.Get(a.URL + "/plain"); !strings.HasSuffix(page.Body, f.reason) && !strings.Contains(page.Body, f.reason+"email=alice@example.com") {
				t.Errorf("want %q: %s", f.reason, page.Body)
			}
			if page := b.Get(a.URL + "/admin"); strings.HasPrefix(f.name, "roles") && page.Status != http.StatusForbidden {
				t.Errorf("as an administrator: %s", page)
			}
			if s := b.Fetch("GET", "/auth/me", nil); s.Status != http.StatusOK || !strings.Contains(s.Body, `"sub":"alice"`) || strings.Contains(s.Body, `"roles":[""`) {
				t.Errorf("got %s", s)
			}
		})
	}
	calls := []string{oidcrptest.PAREndpoint, oidcrptest.TokenEndpoint}
	for _, claim := range []string{"name", "email", "roles"} {
		t.Run(claim+" of 700 kB", func(t *testing.T) {
			a.in(t).rejectsLogin(b, rejection{reason: "size", calls: calls}, oidcrptest.IDTokenClaim(claim, strings.Repeat("x", 700_000)))
		})
	}
	for _, claim := range []string{"name", "roles"} {
		t.Run(claim+" of 10 kB", func(t *testing.T) {
			a.in(t).rejectsLogin(b, rejection{status: http.StatusInternalServerError, reason: "session_too_large", calls: calls}, oidcrptest.IDTokenClaim(claim, strings.Repeat("x", 10_000)))
		})
	}
}
