package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// logAttacks are T127 to T130: logs and robustness.
var logAttacks = slices.Concat([]attack{
	{"T127 by query, pushed", secretsStay(nil, "state", "nonce", "code", "code_verifier", "request_uri", "access_token", "id_token", "client secret", "cookie key", "claim")},
	{"T127 by query, not pushed", secretsStay(withoutPAR, "state", "nonce", "code", "id_token")},
	{"T127 by form", secretsStay(formPost, "state", "code", "go-on")},
	{"T127 hybrid by fragment", secretsStay(func(c *oidcrp.Config) {
		c.Providers[0].ResponseType, c.Providers[0].ResponseMode = "code id_token", "fragment"
	}, "id_token", "code")},
	{"T127 implicit by form", secretsStay(func(c *oidcrp.Config) {
		c.Providers[0].ResponseType, c.Providers[0].ResponseMode = "id_token token", "form_post"
	}, "id_token", "access_token")},
	{"T127 signed response", secretsStay(func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "query.jwt" }, "response", "id_token")},
	{"T127 secret in a header", secretsStay(func(c *oidcrp.Config) { c.Providers[0].ClientAuth = "client_secret_basic" }, "Authorization Basic")},
	{"T127 with a store, and tokens", secretsStay(func(c *oidcrp.Config) {
		c.Store = oidcrp.NewMemoryStore()
		p := &c.Providers[0]
		p.KeepTokens, p.APIs = true, []oidcrp.API{{URL: p.Issuer + "/resource"}}
	}, "refresh_token", "Authorization Bearer")},
	{"T127 what is echoed", secretsInEchoes},
	{"T127 panics", secretsInPanics},
	{"T127 a store that fails", secretsInStoreErrors},
	{"T127 provider's logout", secretsInLogouts},
	{"T127 a configuration", secretsOfConfig},
}, injectionAttacks, robustnessAttacks)

// secretsStay goes through everything a visitor can do, and that can fail, with
// one kind of login; want are secrets that must have been about.
func secretsStay(change func(*oidcrp.Config), want ...string) func(*testing.T) {
	return func(t *testing.T) {
		c := &canaries{}
		a := newCanaryApp(t, c, change)
		b := a.browse()
		visit := func(path string) *oidcrptest.Page {
			page := b.Get(a.URL + path)
			c.visited(a, page)
			return page
		}
		a.shows(visit("/reports"), "reports for alice")
		for _, path := range []string{"/auth/me", "/admin", "/update", "/again?age=0s", "/again?scope=calendar", "/scoped", "/auth/nowhere", "/auth/logout"} {
			visit(path)
		}
		visit("/call?api=" + url.QueryEscape(a.op.URL(oidcrptest.ResourceEndpoint)))
		for _, fault := range []oidcrptest.Fault{
			oidcrptest.WrongNonce, oidcrptest.WrongIssuer, oidcrptest.WrongAudience, oidcrptest.ExpiredToken, oidcrptest.WrongSignature, oidcrptest.AlgNone, oidcrptest.MissingSubject,
			oidcrptest.WrongATHash, oidcrptest.WrongCHash, oidcrptest.DuplicateClaim, oidcrptest.NoIDToken, oidcrptest.TokenHTML, oidcrptest.TokenTextPlain, oidcrptest.TokenStatus(500), oidcrptest.TokenError("invalid_grant"),
			oidcrptest.TokenError("invalid_client"), oidcrptest.TokenField("token_type", "mac"), oidcrptest.TokenField("id_token", 7), oidcrptest.TokenRedirect("http://127.0.0.1:1/"),
			oidcrptest.UserInfoStatus(500), oidcrptest.UserInfoRedirect("http://127.0.0.1:1/"), oidcrptest.AuthorizationError("access_denied", ""), oidcrptest.AuthorizationError("server_error", ""),
			oidcrptest.PARError("invalid_request"), oidcrptest.ResponseParam("iss", "https://evil.example"), oidcrptest.ResponseSuffix("state", "x"), oidcrptest.ResponseSuffix("code", "x"),
		} {
			a.op.SetFaults(c.fault(), fault)
			for _, path := range []string{"/auth/login?provider=test&return_to=/reports", "/again?age=0s"} {
				visit(path)
			}
		}
		a.op.SetFaults(c.fault())
		visit("/auth/login?provider=test")
		for _, mode := range []string{"query", "form_post"} {
			for _, change := range []func(url.Values){
				func(url.Values) {}, func(v url.Values) { v.Add("code", "another-code") }, func(v url.Values) { v.Set("state", v.Get("state")+"x") }, func(v url.Values) { v.Del("state") },
			} {
				v := c.answered()
				change(v)
				c.addAll(v)
				c.visited(a, a.answer(b, mode, v))
				c.visited(a, a.answer(a.browse(), mode, v))
			}
		}
		page := b.PostForm(a.URL+"/auth/logout", url.Values{"return_to": {"/bye"}})
		c.visited(a, page)
		a.op.Stop()
		c.visited(a, a.browse().Get(a.URL+"/reports"))
		c.kept(t, a, want...)
		if len(c.secrets) < 60 || strings.Count(a.log.String(), "\n") < 40 {
			t.Errorf("%d secrets, a log of %d bytes", len(c.secrets), len(a.log.String()))
		}
	}
}

// newCanaryApp is newApp whose log and events go to c as well, with a log at
// debug level.
func newCanaryApp(t *testing.T, c *canaries, change func(*oidcrp.Config)) *app {
	t.Helper()
	op := oidcrptest.NewProvider(t, c.fault())
	return newApp(t, op, func(cfg *oidcrp.Config) {
		cfg.Providers[0].UserInfo = oidcrp.UserInfoOptional
		cfg.OnEvent = c.event
		cfg.Logger = slog.New(both{cfg.Logger.Handler(), c})
		if change != nil {
			change(cfg)
		}
	})
}

// both is a log with two readers.
type both struct {
	slog.Handler
	second slog.Handler
}

func (h both) Handle(ctx context.Context, r slog.Record) error {
	h.second.Handle(ctx, r)
	return h.Handler.Handle(ctx, r)
}

// secretsInEchoes: an endpoint says in its error what it was sent.
func secretsInEchoes(t *testing.T) {
	for _, endpoint := range []string{oidcrptest.TokenEndpoint, oidcrptest.PAREndpoint, oidcrptest.UserInfoEndpoint, oidcrptest.RevokeEndpoint} {
		for _, kind := range []string{"application/json", "text/html", "application/x-www-form-urlencoded"} {
			t.Run(endpoint+" as "+kind, func(t *testing.T) {
				c := &canaries{}
				a := newCanaryApp(t, c, func(cfg *oidcrp.Config) {
					cfg.Store = oidcrp.NewMemoryStore()
					cfg.Providers[0].KeepTokens, cfg.Providers[0].APIs = true, []oidcrp.API{{URL: cfg.Providers[0].Issuer + "/resource"}}
				})
				b := a.signIn()
				a.op.SetFaults(c.fault(), oidcrptest.Answer(endpoint, func(w http.ResponseWriter, r *http.Request) {
					r.ParseForm()
					echo := r.Header.Get("Authorization")
					for _, values := range r.Form {
						echo += " " + strings.Join(values, " ")
					}
					w.Header().Set("Content-Type", kind)
					w.WriteHeader(http.StatusBadRequest)
					if kind == "application/json" {
						fmt.Fprintf(w, `{"error":"invalid_request","error_description":%q,"error_uri":%q}`, echo, "https://op.example/?"+r.Form.Encode())
						return
					}
					fmt.Fprintf(w, "error=invalid_request&error_description=%s", echo)
				}))
				c.visited(a, b.Get(a.URL+"/auth/login?provider=test"))
				c.visited(a, b.PostForm(a.URL+"/auth/logout", nil))
				a.rp.Shutdown(context.Background())
				if a.op.Calls(endpoint) == 0 {
					t.Error("nothing was echoed")
				}
				c.kept(t, a, "code", "Authorization Basic")
			})
		}
	}
}

// secretsInPanics: whatever panics, the log says that it did.
func secretsInPanics(t *testing.T) {
	boom := errors.New("boom")
	for name, change := range map[string]func(*oidcrp.Config){
		"OnLogin":      func(c *oidcrp.Config) { c.OnLogin = func(context.Context, *oidcrp.Login) error { panic(boom) } },
		"StillAllowed": func(c *oidcrp.Config) { c.StillAllowed = func(context.Context, *oidcrp.Session) error { panic(boom) } },
		"ErrorPage": func(c *oidcrp.Config) {
			c.OnLogin = func(context.Context, *oidcrp.Login) error { return boom }
			c.ErrorPage = func(http.ResponseWriter, *http.Request, *oidcrp.Error) { panic(boom) }
		},
		"ClientSecretFunc": func(c *oidcrp.Config) {
			c.Providers[0].ClientSecret, c.Providers[0].ClientSecretFunc = "", func(context.Context) (oidcrp.Secret, error) { panic(boom) }
		},
		"transport": func(c *oidcrp.Config) {
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					panic(boom)
				}
				return http.DefaultTransport.RoundTrip(r)
			})}
		},
		"transport that says what it sent": func(c *oidcrp.Config) {
			c.HTTPClient = &http.Client{Transport: roundTripper(func(r *http.Request) (*http.Response, error) {
				if r.Header.Get("Authorization") != "" || strings.HasSuffix(r.URL.Path, "/token") {
					return nil, fmt.Errorf("sending to %s", r.URL)
				}
				return http.DefaultTransport.RoundTrip(r)
			})}
		},
	} {
		t.Run(name, func(t *testing.T) {
			c := &canaries{}
			a := newCanaryApp(t, c, change)
			b := a.browse()
			c.visited(a, b.Get(a.URL+"/reports"))
			a.clock.advance(1)
			c.visited(a, b.Get(a.URL+"/reports"))
			if name != "StillAllowed" && !strings.Contains(a.log.String(), "panic") && !strings.Contains(a.log.String(), "sending to") {
				t.Errorf("nothing failed: %s", a.log)
			}
			c.kept(t, a, "cookie key")
		})
	}
}

// secretsInStoreErrors: what is stored is in no error, and what the store says
// about itself is not in the way of visitors.
func secretsInStoreErrors(t *testing.T) {
	for _, method := range []string{"Find", "Commit", "Delete", "Add"} {
		for how, broken := range breakages {
			t.Run(method+" "+how, func(t *testing.T) {
				c, store := &canaries{}, adding{newPlain()}
				a := newCanaryApp(t, c, func(cfg *oidcrp.Config) { cfg.Store = store })
				b := a.signIn()
				store.fail(broken, method)
				for _, path := range []string{"/reports", "/auth/login?provider=test&return_to=/reports", "/update", "/auth/me"} {
					page := b.Get(a.URL + path)
					c.visited(a, page)
					if path != "/update" && strings.Contains(page.Body, "10.0.0.7") { // which is the test's own
						t.Errorf("%s tells of the store: %s", path, page)
					}
				}
				c.visited(a, b.PostForm(a.URL+"/auth/logout", nil))
				for token, record := range store.records {
					c.add("store key", token)
					c.add("record", string(record))
				}
				c.kept(t, a, "cookie key")
			})
		}
	}
}

func secretsInLogouts(t *testing.T) {
	c := &canaries{}
	a := newTold(t, func(cfg *oidcrp.Config) {
		cfg.OnEvent = c.event
		cfg.Logger = slog.New(both{cfg.Logger.Handler(), c})
	}, c.fault())
	a.signIn()
	for _, fault := range []oidcrptest.Fault{{}, oidcrptest.LogoutClaim("iss", "https://evil.example"), oidcrptest.LogoutClaim("aud", "x"), oidcrptest.LogoutClaim("nonce", "canary-of-a-nonce"), oidcrptest.LogoutClaim("sub", 7), oidcrptest.LogoutEvent(nil)} {
		a.op.SetFaults(c.fault(), fault)
		token := a.op.LogoutToken(a.client.ID, "alice", "")
		c.add("logout_token", token)
		_, claims, _ := strings.Cut(token, ".")
		c.add("claims of a logout token", strings.SplitN(claims, ".", 2)[0])
		a.op.SendLogoutToken(a.client.ID, token)
		a.op.SendLogoutToken(a.client.ID, token+"x")
	}
	c.add("nonce", "canary-of-a-nonce")
	c.kept(t, a.app, "logout_token")
}

// secretsOfConfig: a configuration that is printed, and one that New refuses.
func secretsOfConfig(t *testing.T) {
	c := &canaries{}
	a := newCanaryApp(t, c, nil)
	secret := string(a.config.Providers[0].ClientSecret)
	c.show(a.config.Providers[0].ClientSecret)
	c.show(a.config.Providers[0])
	wrong := a.config
	wrong.Providers = slices.Clone(wrong.Providers)
	wrong.CookieKeys = [][]byte{[]byte("a key too short for us")}
	wrong.Providers[0].Issuer = "https://user:canary-of-a-password@op.example"
	_, err := oidcrp.New(wrong)
	if err == nil {
		t.Fatal("accepted")
	}
	c.show(err)
	c.add("client secret", secret)
	c.add("cookie key", "a key too short for us")
	c.add("password", "canary-of-a-password")
	c.kept(t, a)
}
