package oidcrp_test

import (
	"context"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// canaries are the secrets of a test, by what they are, and everything that was
// shown to operators while they were about.
type canaries struct {
	mu      sync.Mutex
	secrets map[string]string // what a value is
	last    url.Values        // the latest authorization response
	shown   strings.Builder
}

// secretNames are the parameters and members that hold secrets.
var secretNames = []string{
	"state", "nonce", "code", "code_verifier", "client_secret", "client_assertion", "refresh_token", "access_token", "id_token", "token",
	"id_token_hint", "logout_token", "request_uri", "request", "response", "response_fragment", "ticket", "go-on", "registration_access_token", "login_hint",
}

func (c *canaries) add(what, value string) {
	if len(value) < 8 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.secrets == nil {
		c.secrets = map[string]string{}
	}
	c.secrets[value] = what
}

func (c *canaries) addAll(v url.Values) {
	for _, name := range secretNames {
		for _, value := range v[name] {
			c.add(name, value)
		}
	}
}

// fault learns what the provider answers.
func (c *canaries) fault() oidcrptest.Fault {
	learn := func(m map[string]any) {
		for _, name := range secretNames {
			if s, ok := m[name].(string); ok {
				c.add(name, s)
			}
		}
	}
	return oidcrptest.Fault{
		Name: "canaries", TokenResponse: learn, Pushed: learn, Registration: learn,
		Response: func(r *oidcrptest.Response) {
			c.addAll(r.Params)
			c.mu.Lock()
			defer c.mu.Unlock()
			c.last = maps.Clone(r.Params)
		},
	}
}

// answered is the latest authorization response.
func (c *canaries) answered() url.Values {
	c.mu.Lock()
	defer c.mu.Unlock()
	v := url.Values{}
	for name, values := range c.last {
		v[name] = slices.Clone(values)
	}
	return v
}

// visited learns what a browser sent and got, at the application.
func (c *canaries) visited(a *app, page *oidcrptest.Page) {
	for _, hop := range page.Trail {
		if !strings.HasPrefix(hop.URL.String(), a.URL) {
			continue
		}
		c.addAll(hop.URL.Query())
		for _, line := range hop.Response.Values("Set-Cookie") {
			if cookie, err := http.ParseSetCookie(line); err == nil {
				c.add("cookie "+cookie.Name, cookie.Value)
			}
		}
		if to, err := url.Parse(hop.Response.Get("Location")); err == nil {
			c.addAll(to.Query())
		}
	}
}

// asked learns what a provider was sent.
func (c *canaries) asked(op *oidcrptest.Provider) {
	for _, endpoint := range []string{
		oidcrptest.PAREndpoint, oidcrptest.AuthorizeEndpoint, oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint, oidcrptest.RevokeEndpoint,
		oidcrptest.EndSessionEndpoint, oidcrptest.RegisterEndpoint, oidcrptest.ResourceEndpoint,
	} {
		for _, r := range op.Requests(endpoint) {
			c.addAll(r.Query)
			c.addAll(r.Form)
			if scheme, value, ok := strings.Cut(r.Header.Get("Authorization"), " "); ok {
				c.add("Authorization "+scheme, value)
			}
		}
	}
	for _, client := range op.Clients() {
		c.add("client secret", client.Secret)
	}
}

// Handle is a log handler that writes each value in every way there is.
func (c *canaries) Handle(_ context.Context, r slog.Record) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	fmt.Fprintln(&c.shown, r.Message)
	r.Attrs(func(a slog.Attr) bool {
		c.show(a.Value.Resolve().Any())
		return true
	})
	return nil
}

func (c *canaries) show(v any) { fmt.Fprintf(&c.shown, "%v %+v %#v\n", v, v, v) }

func (c *canaries) Enabled(context.Context, slog.Level) bool { return true }
func (c *canaries) WithAttrs([]slog.Attr) slog.Handler       { return c }
func (c *canaries) WithGroup(string) slog.Handler            { return c }

// event is an event hook that does the same.
func (c *canaries) event(_ context.Context, e oidcrp.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.show(e)
	c.show(e.LogValue())
	for err := e.Err; err != nil; {
		c.show(err)
		inner, ok := err.(interface{ Unwrap() error })
		if !ok {
			break
		}
		err = inner.Unwrap()
	}
}

// kept fails the test if a secret was shown.
func (c *canaries) kept(t *testing.T, a *app, want ...string) {
	t.Helper()
	c.asked(a.op)
	for _, key := range a.config.CookieKeys {
		c.add("cookie key", string(key))
		c.add("cookie key", hex.EncodeToString(key))
		c.add("cookie key", base64.StdEncoding.EncodeToString(key))
	}
	for _, claim := range []string{"alice@example.com", "Alice Archer"} {
		c.add("claim", claim)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	status, err := json.Marshal(a.rp.Status())
	if err != nil {
		t.Fatal(err)
	}
	c.show(a.rp.Status())
	shown := c.shown.String() + string(status) + a.log.String()
	whats := slices.Collect(maps.Values(c.secrets))
	for value, what := range c.secrets {
		for _, form := range []string{value, url.QueryEscape(value)} {
			if at := strings.Index(shown, form); at >= 0 {
				t.Errorf("%s is shown: %.400q", what, shown[max(0, at-200):])
			}
		}
	}
	for _, what := range want {
		if !slices.Contains(whats, what) {
			t.Errorf("no %s was about: %q", what, whats)
		}
	}
}
