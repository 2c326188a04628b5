package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var injectionAttacks = []attack{
	{"T128 error", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.AuthorizationError(s, s), oidcrptest.ResponseParam("error_uri", s))
		i.visit("/auth/login")
		i.expect(s)
	})},
	{"T128 token endpoint's error", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.Answer(oidcrptest.TokenEndpoint, func(w http.ResponseWriter, r *http.Request) {
			sendJSON(w, http.StatusBadRequest, map[string]string{"error": s, "error_description": s, "error_uri": s})
		}))
		i.visit("/auth/login")
		i.expect(s)
	})},
	{"T128 kid", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.IDTokenHeader("kid", s))
		i.visit("/auth/login")
	})},
	{"T128 alg and typ", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.IDTokenHeader("alg", s), oidcrptest.IDTokenHeader("typ", s))
		i.visit("/auth/login")
	})},
	{"T128 iss", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.IDTokenClaim("iss", s))
		i.visit("/auth/login")
		i.op.SetFaults(oidcrptest.ResponseParam("iss", s))
		i.visit("/auth/login")
	})},
	{"T128 claims", injects(func(i *injecting, s string) {
		for _, claim := range []string{"aud", "azp", "nonce", "sub", "acr", "sid", "at_hash"} {
			i.op.SetFaults(oidcrptest.IDTokenClaim(claim, s))
			i.named = claim == "sub"
			i.visit("/auth/login")
		}
	})},
	{"T128 email and roles", injects(func(i *injecting, s string) {
		i.named = true
		i.op.SetFaults(oidcrptest.IDTokenClaim("email", s), oidcrptest.IDTokenClaim("name", s), oidcrptest.IDTokenClaim("roles", []string{s}))
		i.visit("/auth/login?return_to=/admin")
	})},
	{"T128 metadata", injects(func(i *injecting, s string) {
		i.op.SetFaults(oidcrptest.MetadataField("issuer", s), oidcrptest.MetadataField("token_endpoint", s))
		fresh := i.later(func(c *oidcrp.Config) { c.Logger, c.OnEvent = slog.New(i), i.event })
		ask(fresh, fresh, nil, "GET", "/auth/login", navigate...)
	})},
	{"T128 paths and parameters", injects(func(i *injecting, s string) {
		if len(s) > 64<<10 {
			s = s[:64<<10]
		}
		q := url.QueryEscape(s)
		for _, path := range []string{
			"/auth/" + url.PathEscape(s), "/auth/callback/" + url.PathEscape(s), "/auth/login?provider=" + q, "/auth/login?return_to=" + q, "/auth/login?prompt=" + q, "/auth/login?login_hint=" + q,
			"/auth/callback/test?state=" + q, "/auth/callback/test?state=x&code=" + q, "/auth/callback/test?error=" + q, "/auth/callback/test?iss=" + q, "/auth/callback/test?" + q + "=x&" + q + "=y",
			"/auth/initiate?iss=" + q, "/auth/initiate?iss=x&target_link_uri=" + q, "/auth/logout?state=" + q, "/auth/logout?ticket=" + q,
		} {
			i.send(path)
		}
	})},
	{"T128 headers", injects(func(i *injecting, s string) {
		s = strings.NewReplacer("\r", "", "\n", "", "\x00", "").Replace(s) // the server takes none of these
		if len(s) > 64<<10 {
			s = s[:64<<10]
		}
		for _, name := range []string{"Origin", "Sec-Fetch-Site", "Referer", "Accept-Language", "User-Agent", "Authorization", "Content-Type", "X-Forwarded-For", "Cookie"} {
			i.send("/auth/logout", name, s)
			i.send("/reports", name, s)
		}
		i.send("/auth/logout", "Origin", s, "Sec-Fetch-Site", "cross-site")
	})},
	{"T128 where the application leads", injects(func(i *injecting, s string) {
		i.leads = s
		i.visit("/auth/login")
		i.leads = ""
	})},
	{"T128 distinct values", valuesAreNoLabels},
}

// injections would forge a line of a log, or be one of no end.
var injections = []string{
	"canary\r\nlevel=INFO msg=\"signed in\" provider=forged", "canary\x1b[2J\x1b[31mforged", "canary\x00forged", "canary\u2028forged", "canary\u0085forged", "canary\u202eforged",
	`canary"} {"level":"INFO","msg":"forged"}`, "canary\xff\xfe", "canary" + strings.Repeat("A", 5000), "canary" + strings.Repeat("A", 1<<20),
}

// injecting is an application whose log a test reads as it was handed to the
// log handler, which may escape nothing.
type injecting struct {
	*app
	leads string // where OnLogin leads
	named bool   // the visitor is called by the text, and may read it
	fails int    // how often a provider's error has to be told

	mu      sync.Mutex
	records []slog.Record
	told    []oidcrp.Event
}

func (i *injecting) Enabled(context.Context, slog.Level) bool { return true }
func (i *injecting) WithAttrs([]slog.Attr) slog.Handler       { return i }
func (i *injecting) WithGroup(string) slog.Handler            { return i }
func (i *injecting) Handle(_ context.Context, r slog.Record) error {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.records = append(i.records, r.Clone())
	return nil
}

func (i *injecting) event(_ context.Context, e oidcrp.Event) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.told = append(i.told, e)
}

func (i *injecting) visit(path string) {
	i.t.Helper()
	page := i.browse().Get(i.URL + path)
	i.shown(page.Header, page.Body)
}

var elements = regexp.MustCompile(`<[^>]*>`)

// expect has the provider's error be told, unless it is too long to be read.
func (i *injecting) expect(s string) {
	if len(s) < 1<<20 {
		i.fails++
	}
}

// shown fails the test if an answer has a stranger's text where a visitor reads
// it, or in a header that does not escape it.
func (i *injecting) shown(h http.Header, body string) {
	i.t.Helper()
	if text := elements.ReplaceAllString(body, ""); !i.named && (strings.Contains(text, "canary") || strings.Contains(text, "forged")) {
		i.t.Errorf("the page says %.500q", text)
	}
	for name, values := range h {
		for _, value := range values {
			clean(i.t, "the header "+name, value, 8<<10)
		}
	}
}

// send makes a request in the process, where no client refuses to send it.
func (i *injecting) send(path string, header ...string) {
	r := httptest.NewRequest("GET", "/", nil)
	u, err := url.Parse(path)
	if err != nil {
		i.t.Fatal(err)
	}
	r.URL, r.RequestURI = u, path
	for j := 0; j+1 < len(navigate); j += 2 {
		r.Header.Set(navigate[j], navigate[j+1])
	}
	for j := 0; j+1 < len(header); j += 2 {
		r.Header.Set(header[j], header[j+1])
	}
	for _, method := range []string{http.MethodGet, http.MethodPost} {
		r = r.Clone(r.Context())
		r.Method = method
		w := httptest.NewRecorder()
		i.rp.Load(i.rp.RequireLogin(http.NotFoundHandler())).ServeHTTP(w, r)
		i.shown(w.Header(), w.Body.String())
	}
}

// injects tries each at one place. Whatever was logged or told of it is short, in
// characters that a terminal shows, and no part of a message, a key or a label;
// and nobody reads it on a page.
func injects(at func(*injecting, string)) func(*testing.T) {
	return func(t *testing.T) {
		i := &injecting{}
		i.app = newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			c.Logger, c.OnEvent = slog.New(i), i.event
			c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
				if i.leads != "" {
					l.ReturnTo = i.leads
				}
				return nil
			}
		})
		for _, s := range injections {
			at(i, s)
			i.op.SetFaults()
		}
		if len(i.records) == 0 {
			t.Fatal("nothing was logged")
		}
		for _, r := range i.records {
			clean(t, "message", r.Message, 60)
			if strings.Contains(r.Message, "canary") {
				t.Errorf("message %q", r.Message)
			}
			r.Attrs(func(a slog.Attr) bool {
				clean(t, r.Message+": "+a.Key, a.Value.String(), 2000)
				if strings.Contains(a.Key, "canary") || strings.ContainsRune(a.Value.String(), 0x202e) { // turns the rest of a line around
					t.Errorf("key %q, value %.200q", a.Key, a.Value)
				}
				return true
			})
		}
		for _, e := range i.told {
			if e.Err != nil {
				clean(t, "error of an event", e.Err.Error(), 2000)
			}
			if said := (*oidcrp.ProviderError)(nil); errors.As(e.Err, &said) && strings.HasPrefix(said.Code, "canary") {
				i.fails--
				clean(t, "the provider's error", said.Code, 64)
				clean(t, "its description", said.Description, 512)
				clean(t, "its address", said.URI, 256)
			}
			for _, label := range []string{string(e.Kind), e.Step, e.Reason, e.Provider} {
				if strings.Contains(label, "canary") {
					t.Errorf("an event's label is %q", label)
				}
			}
		}
		if i.fails != 0 {
			t.Errorf("%d errors of the provider are not told of", i.fails)
		}
	}
}

// clean fails the test if a text could be more than one line, or does something
// to a terminal.
func clean(t *testing.T, what, s string, size int) {
	t.Helper()
	if len(s) > size {
		t.Errorf("%s has %d bytes: %.200q", what, len(s), s)
	}
	if !utf8.ValidString(s) || strings.ContainsFunc(s, func(c rune) bool {
		return c < ' ' || c >= 0x7f && c < 0xa0 || c == 0x2028 || c == 0x2029
	}) {
		t.Errorf("%s is %.300q", what, s)
	}
}

// valuesAreNoLabels: what is counted by the labels of events stays few, however
// many values strangers send.
func valuesAreNoLabels(t *testing.T) {
	i := &injecting{}
	i.app = newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Logger, c.OnEvent = slog.New(slog.DiscardHandler), i.event })
	i.clock.stop()
	labels := func(from, to int) (all []string) {
		i.told = nil
		for n := from; n < to; n++ {
			for _, path := range []string{
				"/auth/x%d", "/auth/callback/x%d", "/auth/callback/x%d?error=x", "/auth/login?provider=x%d", "/auth/callback/test?state=x%d", "/auth/callback/test?error=x%d", "/auth/callback/test?x%[1]d=1&state=%[1]d",
				"/auth/initiate?iss=x%d", "/auth/logout?state=x%d",
			} {
				i.send(fmt.Sprintf(path, n), "Origin", fmt.Sprintf("https://x%d.example", n))
			}
		}
		for _, e := range i.told {
			if label := strings.Join([]string{string(e.Kind), e.Step, e.Reason, e.Provider, e.Issuer}, "|"); !slices.Contains(all, label) {
				all = append(all, label)
			}
		}
		slices.Sort(all)
		return all
	}
	few, many := labels(0, 3), labels(3, 500)
	if !slices.Equal(few, many) || len(few) == 0 {
		t.Errorf("three values of each have the labels\n%q\nand hundreds\n%q", few, many)
	}
	// Nor does what is known of providers grow.
	if n := len(i.rp.Status().Providers); n != 1 {
		t.Errorf("%d providers", n)
	}
}
