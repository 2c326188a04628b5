package oidcrp_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// navigate are the headers of a browser that opens a page.
var navigate = []string{"Sec-Fetch-Site", "none", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}

// judged asks a policy about a user who signed in, and says whether the
// handler behind it was entered.
func judged(t *testing.T, rp *oidcrp.RelyingParty, user oidcrptest.User, policies ...oidcrp.Policy) (entered bool, w *httptest.ResponseRecorder) {
	t.Helper()
	h := rp.Load(rp.Require(policies...)(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true })))
	w = ask(rp, h, &user, "GET", "/secret", navigate...)
	if want := http.StatusForbidden; !entered && w.Code < want || entered && w.Code != http.StatusOK {
		t.Errorf("entered %v, and status %d", entered, w.Code)
	}
	return entered, w
}

func TestPolicies(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) {
		c.Claims = []string{"text", "flag", "number", "list", "mixed", "object", "nothing", "absent", "empty", "/realm/roles", "/realm/a~1b", "email", "email_verified"}
		other := c.Providers[0]
		other.Name = "other"
		c.Providers = append(c.Providers, other)
	})
	user := oidcrptest.User{Subject: "alice", Claims: map[string]any{
		"roles": []string{"admin", "audit"},
		"text":  "gold", "flag": true, "number": 1.5, "list": []string{"a", "b"}, "mixed": []any{"x", 7, false, nil, []string{"deep"}},
		"object": map[string]any{"k": "v"}, "nothing": nil, "empty": "",
		"realm": map[string]any{"roles": []string{"editor"}, "a/b": "slash"},
	}}
	pass := func(context.Context, *oidcrp.Session) error { return nil }
	deny := func(context.Context, *oidcrp.Session) error { return oidcrp.ErrForbidden }
	tests := []struct {
		name   string
		policy oidcrp.Policy
		want   bool
	}{
		{"role", oidcrp.HasRole("admin"), true},
		{"one role of several", oidcrp.HasRole("owner", "audit"), true},
		{"role of another", oidcrp.HasRole("owner"), false},
		{"role in other case", oidcrp.HasRole("Admin"), false},
		{"role by prefix", oidcrp.HasRole("adm"), false},
		{"string", oidcrp.HasClaim("text", "gold"), true},
		{"one string of several", oidcrp.HasClaim("text", "silver", "gold"), true},
		{"another string", oidcrp.HasClaim("text", "silver"), false},
		{"string in other case", oidcrp.HasClaim("text", "Gold"), false},
		{"string there", oidcrp.HasClaim("text"), true},
		{"boolean", oidcrp.HasClaim("flag", "true"), true},
		{"other boolean", oidcrp.HasClaim("flag", "false"), false},
		{"number", oidcrp.HasClaim("number", "1.5"), true},
		{"number spelled otherwise", oidcrp.HasClaim("number", "1.50"), false},
		{"member of an array", oidcrp.HasClaim("list", "b"), true},
		{"array as text", oidcrp.HasClaim("list", `["a","b"]`), false},
		{"no member of an array", oidcrp.HasClaim("list", "c"), false},
		{"number in a mixed array", oidcrp.HasClaim("mixed", "7"), true},
		{"boolean in a mixed array", oidcrp.HasClaim("mixed", "false"), true},
		{"null in a mixed array", oidcrp.HasClaim("mixed", "null"), false},
		{"array in an array", oidcrp.HasClaim("mixed", "deep"), false},
		{"object there", oidcrp.HasClaim("object"), true},
		{"object as text", oidcrp.HasClaim("object", `{"k":"v"}`), false},
		{"empty string there", oidcrp.HasClaim("empty"), true},
		{"the empty string", oidcrp.HasClaim("empty", ""), true},
		{"null there", oidcrp.HasClaim("nothing"), false},
		{"null as text", oidcrp.HasClaim("nothing", "null", ""), false},
		{"absent there", oidcrp.HasClaim("absent"), false},
		{"absent as the empty string", oidcrp.HasClaim("absent", ""), false},
		{"pointer", oidcrp.HasClaim("/realm/roles", "editor"), true},
		{"pointer there", oidcrp.HasClaim("/realm/roles"), true},
		{"pointer with another value", oidcrp.HasClaim("/realm/roles", "admin"), false},
		{"escaped pointer", oidcrp.HasClaim("/realm/a~1b", "slash"), true},
		{"provider", oidcrp.FromProvider("other", "main"), true},
		{"another provider", oidcrp.FromProvider("other"), false},
		{"any, first passes", oidcrp.AnyOf(pass, deny), true},
		{"any, last passes", oidcrp.AnyOf(deny, oidcrp.HasRole("owner"), oidcrp.HasClaim("flag", "true")), true},
		{"any, none passes", oidcrp.AnyOf(deny, oidcrp.HasRole("owner")), false},
		{"any in any", oidcrp.AnyOf(deny, oidcrp.AnyOf(oidcrp.AnyOf(deny), pass)), true},
		{"any, one breaks and another passes", oidcrp.AnyOf(func(context.Context, *oidcrp.Session) error { return errors.New("database down") }, pass), true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entered, w := judged(t, rp, user, tt.policy)
			if entered != tt.want || !entered && w.Code != http.StatusForbidden {
				t.Errorf("entered %v with %d, want %v", entered, w.Code, tt.want)
			}
		})
	}
	if entered, _ := judged(t, rp, user, oidcrp.HasRole("admin"), deny); entered {
		t.Error("several policies are not all asked")
	}
	if entered, _ := judged(t, rp, user, oidcrp.HasRole("admin"), oidcrp.HasClaim("flag", "true"), pass); !entered {
		t.Error("all policies pass, and yet it is refused")
	}
}

// What tenants say of others is not believed.
func TestEmailDomainOfTenants(t *testing.T) {
	tenant := func(c *oidcrp.Config) {
		c.Providers[0].TenantSupplied, c.Providers[0].EmailDomains = true, []string{"corp.example"}
	}
	several := func(c *oidcrp.Config) {
		other := c.Providers[0]
		other.Name = "other"
		c.Providers = append(c.Providers, other)
		c.Providers[0].Issuers = []string{"https://op.example/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0"}
	}
	for _, tt := range []struct {
		name   string
		change func(*oidcrp.Config)
		email  string
		want   bool
	}{
		{"its own domain", tenant, "alice@corp.example", true},
		{"another", tenant, "ceo@other.example", false},
		{"of one of several", several, "ceo@other.example", false},
		{"neither", nil, "ceo@other.example", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			user := oidcrptest.User{Subject: "alice", Email: tt.email, EmailVerified: true}
			if entered, _ := judged(t, offline(t, tt.change), user, oidcrp.EmailDomain("other.example", "corp.example")); entered != tt.want {
				t.Errorf("entered %v, want %v", entered, tt.want)
			}
		})
	}
}

// T080–T082.
func TestEmailDomain(t *testing.T) {
	rp := offline(t, nil)
	tests := []struct {
		name     string
		email    any
		verified any
		want     bool
	}{
		{"verified", "alice@corp.example", true, true},
		{"in capitals", "Alice@CORP.Example", true, true},
		{"not verified", "alice@corp.example", false, false},
		{"verified as a string", "alice@corp.example", "true", false},
		{"verified as a number", "alice@corp.example", 1, false},
		{"verified is null", "alice@corp.example", nil, false},
		{"subdomain", "alice@sub.corp.example", true, false},
		{"suffix", "alice@notcorp.example", true, false},
		{"prefix", "alice@corp.example.evil.example", true, false},
		{"trailing dot", "alice@corp.example.", true, false},
		{"two at signs", "alice@evil.example@corp.example", true, false},
		{"two at signs, the other way", "alice@corp.example@evil.example", true, false},
		{"quoted local part", `"alice@corp.example"@evil.example`, true, false},
		{"quoted local part that ends in the domain", `"alice@evil.example"@corp.example`, true, false},
		{"list", "alice@evil.example,bob@corp.example", true, false},
		{"list the other way", "bob@corp.example,alice@evil.example", true, false},
		{"newline", "alice@corp.example\n", true, false},
		{"NUL", "alice@corp.example\x00", true, false},
		{"full-width at sign", "alice＠corp.example", true, false},
		{"Kelvin sign", "alice@corp.example.K", true, false},
		{"long s", "alice@other.example\u017f", true, false},
		{"no at sign", "corp.example", true, false},
		{"no local part", "@corp.example", true, false},
		{"nothing at all", "@", true, false},
		{"no domain", "alice@", true, false},
		{"empty", "", true, false},
		{"array", []string{"alice@corp.example"}, true, false},
		{"control character", "a\x00@corp.example", true, false},
		{"another at sign", "a＠evil.example@corp.example", true, false},
		{"name and address", "a,b <x>@corp.example", true, false},
		{"320 characters", strings.Repeat("a", 307) + "@corp.example", true, false},
		{"beyond ASCII", "alice@bücher.example", true, false},
		{"beyond ASCII, encoded", "alice@xn--bcher-kva.example", true, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			user := oidcrptest.User{Subject: "alice", Claims: map[string]any{"email": tt.email, "email_verified": tt.verified}}
			entered, _ := judged(t, rp, user, oidcrp.EmailDomain("other.example", "corp.example", "Bücher.example"))
			if entered != tt.want {
				t.Errorf("entered %v, want %v", entered, tt.want)
			}
		})
	}
}

// Require refuses these, and where a View asks them they pass nobody.
func TestPoliciesThatNameNothing(t *testing.T) {
	ctx := oidcrptest.WithSession(context.Background(), oidcrptest.User{Subject: "alice", Email: "alice@", EmailVerified: true})
	for _, policy := range []oidcrp.Policy{oidcrp.HasRole(), oidcrp.FromProvider(), oidcrp.AnyOf(), oidcrp.EmailDomain(), oidcrp.EmailDomain("")} {
		if err := policy(ctx, oidcrp.FromContext(ctx)); !errors.Is(err, oidcrp.ErrForbidden) {
			t.Error(err)
		}
	}
}

func TestWhatAPolicySays(t *testing.T) {
	tests := []struct {
		name   string
		err    error
		status int
		kind   oidcrp.EventKind
	}{
		{"forbidden", fmt.Errorf("no invoice: %w", oidcrp.ErrForbidden), 403, oidcrp.AccessDenied},
		{"refusal", &oidcrp.Refusal{Message: "Ask <b>Bob</b> & Carol."}, 403, oidcrp.AccessDenied},
		{"other error", errors.New("database down at 10.0.0.7"), 500, oidcrp.RequestFailed},
		{"panic", nil, 500, oidcrp.RequestFailed},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entered := false
			a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
				guard := a.rp.Require(func(context.Context, *oidcrp.Session) error {
					if tt.err == nil {
						panic("index out of range")
					}
					return tt.err
				})
				h := guard(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true }))
				return a.pages(map[string]http.HandlerFunc{"/guarded": h.ServeHTTP})
			})
			b := a.signIn()
			before := a.sessionCookie(b).Value
			page := b.Get(a.URL + "/guarded")
			script := b.Fetch("GET", "/guarded", nil)
			if page.Status != tt.status || script.Status != tt.status || entered {
				t.Fatalf("page %d, script %d, want %d; entered %v", page.Status, script.Status, tt.status, entered)
			}
			if doc := problem(t, []byte(script.Body)); doc.Status != tt.status || doc.ID == "" || doc.Login != "" {
				t.Errorf("problem %+v", doc)
			}
			for _, secret := range []string{"database", "10.0.0.7", "invoice", "index out", "<b>"} {
				if strings.Contains(page.Body+script.Body, secret) {
					t.Errorf("the visitor reads %q: %s", secret, page.Body)
				}
			}
			if tt.name == "refusal" && !strings.Contains(page.Text(), "You do not have access") {
				t.Errorf("the page speaks of a login: %s", page.Text())
			}
			if tt.name == "refusal" && (!strings.Contains(page.Text(), "Ask <b>Bob</b> & Carol.") || problem(t, []byte(script.Body)).Detail != "Ask <b>Bob</b> & Carol.") {
				t.Errorf("the message is not shown: %s %s", page.Text(), script.Body)
			}
			if tt.name != "refusal" && strings.Contains(script.Body, "detail") {
				t.Errorf("a script reads %s", script.Body)
			}
			denied := a.events.of(tt.kind)
			if line := `msg="` + string(tt.kind) + `" step=guard`; !strings.Contains(a.log.String(), line) {
				t.Errorf("no line %s in the log %s", line, a.log)
			}
			if len(denied) != 2 || len(a.events.of(oidcrp.LoginFailed)) != 0 || denied[0].Subject != "alice" || denied[0].ID == "" || !strings.Contains(a.log.String(), denied[0].ID) {
				t.Errorf("events %+v", denied)
			}
			if a.sessionCookie(b).Value != before {
				t.Error("the session changed")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for alice") // nothing was lost
		})
	}
}

func TestDeniedPage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signInAs("bob")
	page := b.Get(a.URL + "/admin")
	a.answers(page, http.StatusForbidden, "do not have access")
	if page.Header.Get("Cache-Control") != "no-store" || strings.Contains(page.Body, "admin page") {
		t.Errorf("%v %s", page.Header, page.Body)
	}
	script := b.Fetch("GET", "/admin", nil)
	if doc := problem(t, []byte(script.Body)); script.Status != 403 || doc.Reason != "forbidden" {
		t.Errorf("%d %+v", script.Status, doc)
	}
	anonymous := a.browse()
	anonymous.Get(a.URL + "/")
	if script := anonymous.Fetch("GET", "/admin", nil); script.Status != http.StatusUnauthorized {
		t.Errorf("a stranger gets %d", script.Status)
	}
	a.shows(a.signIn().Get(a.URL+"/admin"), "admin page")
}

func TestRequirePanicsWhereNobodyCouldPass(t *testing.T) {
	rp := offline(t, nil)
	noRoles := offline(t, func(c *oidcrp.Config) { c.Providers[0].RolesClaim = "" })
	hooked := offline(t, func(c *oidcrp.Config) {
		c.Providers[0].RolesClaim = ""
		c.OnLogin = func(context.Context, *oidcrp.Login) error { return nil }
	})
	noEmail := offline(t, func(c *oidcrp.Config) { c.Claims = []string{"email"} })
	tests := []struct {
		name   string
		rp     *oidcrp.RelyingParty
		policy oidcrp.Policy
		says   string // "": no panic
	}{
		{"kept claim", rp, oidcrp.HasClaim("email"), ""},
		{"claim not kept", rp, oidcrp.HasClaim("groups", "x"), `"groups"`},
		{"claim not kept, in AnyOf", rp, oidcrp.AnyOf(oidcrp.HasRole("admin"), oidcrp.AnyOf(oidcrp.HasClaim("groups"))), `"groups"`},
		{"pointer not kept", rp, oidcrp.HasClaim("/email"), `"/email"`},
		{"domain of tenants alone", offline(t, func(c *oidcrp.Config) { c.Providers[0].TenantSupplied = true }), oidcrp.EmailDomain("corp.example"), "EmailDomains"},
		{"domain without email_verified", noEmail, oidcrp.EmailDomain("corp.example"), `"email_verified"`},
		{"roles", rp, oidcrp.HasRole("admin"), ""},
		{"roles nobody gives", noRoles, oidcrp.HasRole("admin"), "RolesClaim"},
		{"roles nobody gives, in AnyOf", noRoles, oidcrp.AnyOf(oidcrp.HasClaim("email"), oidcrp.HasRole("admin")), "RolesClaim"},
		{"roles OnLogin may give", hooked, oidcrp.HasRole("admin"), ""},
		{"no role", rp, oidcrp.HasRole(), "HasRole"},
		{"empty role", rp, oidcrp.HasRole("admin", ""), `HasRole("")`},
		{"empty role, in AnyOf", rp, oidcrp.AnyOf(oidcrp.HasClaim("email"), oidcrp.HasRole("")), `HasRole("")`},
		{"scope", rp, oidcrp.HasScope("mail", "calendar"), ""},
		{"no scope", rp, oidcrp.HasScope(), "HasScope"},
		{"empty scope", rp, oidcrp.HasScope("mail", ""), `HasScope("")`},
		{"two scopes in one", rp, oidcrp.HasScope("mail calendar"), `"mail calendar"`},
		{"no domain", rp, oidcrp.EmailDomain(), "EmailDomain"},
		{"domain with an @", rp, oidcrp.EmailDomain("corp.example", "@example.com"), `"@example.com"`},
		{"empty domain", rp, oidcrp.EmailDomain(""), `""`},
		{"a domain and all below", rp, oidcrp.EmailDomain("*.example.com"), `"*.example.com"`},
		{"provider", rp, oidcrp.FromProvider("main"), ""},
		{"provider nobody has", rp, oidcrp.FromProvider("main", "typo"), `"typo"`},
		{"no provider", rp, oidcrp.FromProvider(), "FromProvider"},
		{"empty provider", rp, oidcrp.FromProvider("main", ""), `""`},
		{"any of none", rp, oidcrp.AnyOf(), "AnyOf"},
		{"any of none, in AnyOf", rp, oidcrp.AnyOf(oidcrp.HasRole("admin"), oidcrp.AnyOf()), "AnyOf"},
		{"nil", rp, nil, "nil"},
		{"nil, in AnyOf", rp, oidcrp.AnyOf(oidcrp.HasRole("admin"), nil), "nil"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			defer func() {
				v := recover()
				if said := fmt.Sprint(v); (v != nil) != (tt.says != "") || !strings.Contains(said, tt.says) {
					t.Errorf("panic %v, want one about %q", v, tt.says)
				}
			}()
			tt.rp.Require(tt.policy)
		})
	}
}

func TestSetUpAsksNoPolicyOfTheApplication(t *testing.T) {
	var asked atomic.Int32
	own := func(_ context.Context, s *oidcrp.Session) error {
		asked.Add(1)
		if s == nil {
			t.Error("asked without a session")
		}
		return nil
	}
	rp := offline(t, nil)
	guard := rp.Require(own, oidcrp.AnyOf(own, oidcrp.HasRole("admin")))
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times at set-up", n)
	}
	ask(rp, guard(http.NotFoundHandler()), nil, "GET", "/", navigate...)
	if n := asked.Load(); n != 0 {
		t.Errorf("asked %d times about nobody", n)
	}
}

func TestForeignOrigins(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) { c.CrossOrigin = []string{"https://admin.example"} })
	upgrade := []string{"Connection", "Upgrade", "Upgrade", "websocket"}
	tests := []struct {
		name   string
		method string
		header []string
		want   int
	}{
		{"own page", "POST", []string{"Sec-Fetch-Site", "same-origin"}, 200},
		{"own page without Fetch Metadata", "POST", []string{"Origin", "https://app.example"}, 200},
		{"own page by both", "DELETE", []string{"Sec-Fetch-Site", "same-origin", "Origin", "https://app.example"}, 200},
		{"the user's own act", "POST", []string{"Sec-Fetch-Site", "none"}, 200},
		{"another site", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site puts", "PUT", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://evil.example"}, 403},
		{"another site patches", "PATCH", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site deletes", "DELETE", []string{"Sec-Fetch-Site", "cross-site"}, 403},
		{"another site by a method of its own", "PURGE", []string{"Origin", "https://evil.example"}, 403},
		{"a neighbour", "POST", []string{"Sec-Fetch-Site", "same-site", "Origin", "https://www.app.example"}, 403},
		{"another origin without Fetch Metadata", "POST", []string{"Origin", "https://evil.example"}, 403},
		{"own origin over http", "POST", []string{"Origin", "http://app.example"}, 403},
		{"own origin with a port", "POST", []string{"Origin", "https://app.example:8443"}, 403},
		{"no origin", "POST", []string{"Origin", "null"}, 403},
		{"an origin like ours", "POST", []string{"Origin", "https://app.example.evil.example"}, 403},
		{"neither header", "POST", nil, 403},
		{"neither header, but a referer of ours", "POST", []string{"Referer", "https://app.example/"}, 403},
		{"a listed origin", "POST", []string{"Sec-Fetch-Site", "cross-site", "Origin", "https://admin.example"}, 200},
		{"a page from elsewhere", "GET", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"no header at all", "GET", nil, 200},
		{"HEAD", "HEAD", []string{"Sec-Fetch-Site", "cross-site"}, 200},
		{"own WebSocket", "GET", append(upgrade, "Origin", "https://app.example"), 200},
		{"own WebSocket with Fetch Metadata", "GET", append(upgrade, "Origin", "https://app.example", "Sec-Fetch-Site", "same-origin"), 200},
		{"a listed origin's WebSocket", "GET", append(upgrade, "Origin", "https://admin.example"), 200},
		{"foreign WebSocket", "GET", append(upgrade, "Origin", "https://evil.example"), 403},
		{"foreign WebSocket with Fetch Metadata", "GET", append(upgrade, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site"), 403},
		{"WebSocket in capitals", "GET", []string{"Connection", "upgrade", "Upgrade", "WebSocket", "Origin", "https://evil.example"}, 403},
		{"WebSocket from nowhere", "GET", upgrade, 403},
		{"WebSocket over HTTP/2", "CONNECT", []string{"Origin", "https://evil.example"}, 403},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			entered := false
			h := rp.Load(rp.RequireLogin(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered = true })))
			w := ask(rp, h, &oidcrptest.User{Subject: "alice"}, tt.method, "https://app.example/secret", tt.header...)
			if w.Code != tt.want || entered != (tt.want == 200) {
				t.Errorf("got %d, entered %v, want %d", w.Code, entered, tt.want)
			}
			if tt.want == 403 && problem(t, w.Body.Bytes()).Reason != "cross_origin" {
				t.Error(w.Body)
			}
		})
	}
}

// What a browser on a page of an attacker can send, and what it brings.
func TestForgedRequestsOfABrowser(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	entered := a.reports.Load()
	neighbour := a.URL[:strings.LastIndex(a.URL, ":")] + ":1" // same site, so that cookies come along
	for _, from := range []string{"https://evil.example/", neighbour} {
		b.Show(from, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
		if from == neighbour {
			page := b.SubmitForm("win", nil)
			a.answers(page, http.StatusForbidden, "another site")
			b.Show(from, "")
		}
		for _, method := range []string{"POST", "PUT", "DELETE"} {
			page := b.Fetch(method, a.URL+"/reports", &oidcrptest.FetchOptions{Credentials: "include", Mode: "cors"})
			if page.Status == http.StatusOK {
				t.Errorf("%s %s: %v", from, method, page)
			}
		}
		page := b.Fetch("POST", a.URL+"/reports", &oidcrptest.FetchOptions{Credentials: "include", Mode: "no-cors"})
		if page.Status != http.StatusForbidden && page.Status != http.StatusUnauthorized {
			t.Errorf("%s: %v", from, page)
		}
	}
	if a.reports.Load() != entered {
		t.Error("the handler was entered")
	}
	if log := a.log.String(); strings.Contains(log, "match Host") || !strings.Contains(log, `Origin \"`+neighbour) {
		t.Errorf("the log does not say whose request it was: %s", log)
	}
	b.Get(a.URL + "/")
	if page := b.Fetch("POST", "/reports", nil); page.Status != http.StatusOK {
		t.Errorf("our own script: %v", page)
	}
}

func TestGuardsNestAndLoadOnce(t *testing.T) {
	store := &counting{Store: oidcrp.NewMemoryStore()}
	rp := offline(t, func(c *oidcrp.Config) { c.Store = store })
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name(r)) })
	h := rp.Protect(rp.RequireLogin(rp.Require(oidcrp.HasRole("admin"))(rp.Load(rp.TryLogin(inner)))))
	user := oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": "admin"}}
	c := oidcrptest.Cookie(rp, "", user)
	before := store.finds.Load()
	w := ask(rp, h, nil, "GET", "/x", append(navigate, "Cookie", cookieHeader(c))...)
	if w.Code != 200 || w.Body.String() != "alice" {
		t.Fatalf("%d %s", w.Code, w.Body)
	}
	if n := store.finds.Load() - before; n != 3 { // the session, whether it was ended, and whether all of the user's were
		t.Errorf("the store was asked %d times", n)
	}
	if got := w.Header()["Vary"]; len(got) != 1 || got[0] != "Cookie" {
		t.Errorf("Vary %q", got)
	}
	if got := w.Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control %q", got)
	}
}

// Relying parties side by side: each is asked for its own sessions.
func TestGuardOfOneBehindLoadOfAnother(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	base := oidcrptest.Serve(t, func(base string) http.Handler {
		side := func(prefix string) *oidcrp.RelyingParty {
			p := op.Config("test", base)
			p.RedirectPath = prefix + "/cb"
			client := op.Clients()[len(op.Clients())-1]
			client.RedirectURLs = append(client.RedirectURLs, base+p.RedirectPath)
			op.AddClient(client)
			rp, err := oidcrp.New(oidcrp.Config{BaseURL: base, Prefix: prefix, CookieKeys: [][]byte{key(2)}, Providers: []oidcrp.Provider{p}, Logger: slog.New(slog.DiscardHandler)})
			if err != nil {
				t.Fatal(err)
			}
			return rp
		}
		one, two := side("/one"), side("/two")
		return one.Load(two.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })))
	})
	if page := oidcrptest.NewBrowser(t).Get(base + "/x"); page.Body != "hello alice" {
		t.Errorf("%s\n%d calls", page, op.Calls(oidcrptest.AuthorizeEndpoint))
	}
}

func TestSessionOfAnotherRelyingPartyIsNone(t *testing.T) {
	one := offline(t, nil)
	two := offline(t, func(c *oidcrp.Config) { c.Prefix, c.CookieKeys = "/two", [][]byte{key(2)} })
	h := one.Load(two.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })))
	if w := ask(one, h, &oidcrptest.User{Subject: "alice"}, "GET", "/", "Sec-Fetch-Mode", "cors"); w.Code != http.StatusUnauthorized {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// counting counts what a store is asked.
type counting struct {
	oidcrp.Store
	finds, commits atomic.Int32
}

func (c *counting) Find(token string) ([]byte, bool, error) {
	c.finds.Add(1)
	return c.Store.Find(token)
}

func (c *counting) Commit(token string, b []byte, expiry time.Time) error {
	c.commits.Add(1)
	return c.Store.Commit(token, b, expiry)
}

func TestEachGuardWorksByItself(t *testing.T) {
	rp := offline(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello ", name(r)) })
	for guard, h := range map[string]http.Handler{"Load": rp.Load(inner), "RequireLogin": rp.RequireLogin(inner),
		"Require": rp.Require(oidcrp.HasRole("admin"))(inner), "Protect": rp.Protect(inner), "TryLogin": rp.TryLogin(inner)} {
		w := ask(rp, h, &oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": []string{"admin"}}}, "GET", "/x", navigate...)
		if w.Code != 200 || w.Body.String() != "hello alice" {
			t.Errorf("%s: %d %s", guard, w.Code, w.Body)
		}
		w = ask(rp, h, nil, "GET", "/x", "Sec-Fetch-Mode", "cors")
		open := guard == "Load" || guard == "TryLogin"
		if open != (w.Code == 200) || !open && w.Code != 401 || strings.Contains(w.Body.String(), "hello") != open {
			t.Errorf("%s, a stranger's script: %d %s", guard, w.Code, w.Body)
		}
	}
}

func TestTryLoginTriesOnlyWhereItCan(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://two.example", ClientID: "app"})
	})
	one := offline(t, nil)
	inner := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "hello") })
	for name, w := range map[string]*httptest.ResponseRecorder{
		"several providers": ask(rp, rp.TryLogin(inner), nil, "GET", "/x", navigate...),
		"a script":          ask(one, one.TryLogin(inner), nil, "GET", "/x", "Sec-Fetch-Mode", "cors"),
		"a form":            ask(one, one.TryLogin(inner), nil, "POST", "/x", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"),
	} {
		if w.Code != 200 || w.Body.String() != "hello" {
			t.Errorf("%s: %d %v", name, w.Code, w.Header())
		}
	}
}

func TestResponseWriterIsPassedOn(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) { c.IdleTimeout = time.Hour })
	var got http.ResponseWriter
	h := rp.Load(rp.RequireLogin(rp.Require(oidcrp.FromProvider("main"))(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { got = w }))))
	r := httptest.NewRequest("GET", "/x", nil)
	r.AddCookie(oidcrptest.Cookie(rp, "", oidcrptest.User{Subject: "alice"}))
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if got != http.ResponseWriter(w) {
		t.Errorf("the handler got a %T", got)
	}
}

func TestStreamAndHijack(t *testing.T) {
	release := make(chan struct{})
	a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
		stream := a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/event-stream")
			fmt.Fprintf(w, "data: hello %s\n\n", name(r))
			w.(http.Flusher).Flush()
			<-release
		}))
		raw := a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			fmt.Fprintf(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\nhello %s", name(r))
		}))
		return a.pages(map[string]http.HandlerFunc{"/stream": stream.ServeHTTP, "/socket": raw.ServeHTTP})
	})
	b := a.signIn()
	res := a.with(b, "GET", "/stream")
	line, err := bufio.NewReader(res.Body).ReadString('\n')
	close(release)
	if err != nil || line != "data: hello alice\n" {
		t.Errorf("stream: %q %v", line, err)
	}
	request := "GET /socket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nOrigin: %s\r\nCookie: %s\r\n\r\n"
	res, _ = a.rawConn(fmt.Sprintf(request, a.URL, cookieHeader(a.sessionCookie(b))))
	if res.StatusCode != http.StatusSwitchingProtocols {
		t.Errorf("our own socket: %d", res.StatusCode)
	}
	res, _ = a.rawConn(fmt.Sprintf(request, "https://evil.example", cookieHeader(a.sessionCookie(b))))
	if res.StatusCode != http.StatusForbidden {
		t.Errorf("a foreign socket: %d", res.StatusCode)
	}
}

func caching(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	public := b.Get(a.URL + "/")
	if public.Header.Get("Vary") != "Cookie" || public.Header.Get("Cache-Control") != "" {
		t.Errorf("a public page for a stranger: %v", public.Header)
	}
	page := b.Get(a.URL + "/reports")
	for _, hop := range page.Trail {
		if strings.HasPrefix(hop.URL.String(), a.URL) && hop.Response.Get("Cache-Control") != "no-store" {
			t.Errorf("%s: Cache-Control %q", hop.URL, hop.Response.Get("Cache-Control"))
		}
	}
	for _, path := range []string{"/", "/reports", "/admin", "/auth/me", "/auth/login", "/auth/logout", "/auth/nowhere"} {
		page := b.Get(a.URL + path)
		if page.Header.Get("Cache-Control") != "no-store" || page.Header.Get("ETag") != "" {
			t.Errorf("%s: %v", path, page.Header)
		}
	}
}

func TestHandlerMaySetItsOwnCacheControl(t *testing.T) {
	rp := offline(t, nil)
	h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { w.Header().Set("Cache-Control", "private, max-age=60") }))
	user := &oidcrptest.User{Subject: "alice"}
	if got := ask(rp, h, user, "GET", "/x").Header()["Cache-Control"]; len(got) != 1 || got[0] != "private, max-age=60" {
		t.Errorf("Cache-Control %q", got)
	}
	open := rp.Load(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
	if got := ask(rp, open, user, "GET", "/x").Header()["Cache-Control"]; len(got) != 1 || got[0] != "no-store" {
		t.Errorf("Cache-Control %q after another handler's", got) // the shared value was not written to
	}
}

// nothingEntersAnonymously: whatever is sent without a session, the handler is
// not entered and nothing of what it writes comes out.
func nothingEntersAnonymously(t *testing.T) {
	const secret = "the quarterly figures"
	var entered atomic.Int32
	reports := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		entered.Add(1)
		io.WriteString(w, secret)
	})
	mounts := map[string]func(a *app) http.Handler{
		"guarded route": func(a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/reports", a.rp.RequireLogin(reports))
			mux.Handle("/reports/", a.rp.RequireLogin(reports))
			mux.HandleFunc("/public/", func(w http.ResponseWriter, r *http.Request) { io.WriteString(w, "public") })
			return a.rp.Load(mux)
		},
		"everything protected": func(a *app) http.Handler { return a.rp.Protect(reports) },
		"guard without Load":   func(a *app) http.Handler { return a.rp.Require(oidcrp.HasRole("admin"))(reports) },
		"sign-in page beside":  func(a *app) http.Handler { return a.rp.Protect(reports) },
	}
	for name, mount := range mounts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
				if name == "sign-in page beside" {
					c.SignInPath = "/sign-in"
				}
			}, mount)
			methods := []string{"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "CONNECT", "BREW", "get"}
			paths := []string{"/reports", "/reports/", "//reports", "/./reports", "/reports/../x", "/public/../reports", "/public/%2e%2e/reports",
				"/%2e/reports", "/%2e%2e/reports", "/%72eports", "/reports%2f", "/reports;x", "/reports?p=/public/", "/reports?next=/auth/login", "/REPORTS", "/reports.", "/reports#/public/", "/reports%23/public/", "/reports/auth/login",
				"/auth/../reports", "/auth/%2e%2e/reports", "/auth/login/../../reports", "/auth;/../reports", "http://localhost/reports", "/\\reports", "/auth", "/authx"}
			for _, method := range methods {
				for _, path := range paths {
					if method == "CONNECT" && strings.HasPrefix(path, "http") {
						continue
					}
					for _, extra := range []string{"Accept: text/html\r\n", "Range: bytes=0-10\r\nUser-Agent: kube-probe/1.30\r\nX-Original-URL: /public/\r\nX-Forwarded-Uri: /public/\r\nX-User: alice\r\nAuthorization: Bearer x\r\n"} {
						res := a.raw(method + " " + path + " HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" + extra + "Content-Length: 0\r\n\r\n")
						body, _ := io.ReadAll(res.Body)
						if strings.Contains(string(body), secret) {
							t.Errorf("%s %s: %d with the secret", method, path, res.StatusCode)
						}
						if res.StatusCode == 200 && !strings.Contains(path, "public") && string(body) != "" && string(body) != "public" && !strings.Contains(string(body), "Sign") {
							t.Errorf("%s %s: 200 %s", method, path, body)
						}
					}
				}
			}
			if n := entered.Load(); n != 0 {
				t.Errorf("the handler was entered %d times", n)
			}
			b := a.browse()
			if page := b.Get(a.URL + "/reports"); page.Body != secret {
				t.Errorf("signed in: %v", page)
			}
			entered.Store(0)
		})
	}
}

func TestPassiveRequestsDoNotExtendTheSession(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.IdleTimeout = 30 * time.Minute
		c.Passive = func(r *http.Request) bool { return r.URL.Query().Has("poll") }
	})
	active, idle := a.signIn(), a.signIn()
	for range 4 {
		a.clock.advance(10 * time.Minute)
		a.shows(active.Get(a.URL+"/reports"), "reports for alice")
		idle.Get(a.URL + "/reports?poll")
		idle.Fetch("GET", "/auth/me", nil)
	}
	if page := active.Fetch("GET", "/auth/me", nil); page.Status != 200 {
		t.Errorf("who was active: %v", page)
	}
	idle.Get(a.URL + "/")
	if page := idle.Fetch("GET", "/reports", nil); page.Status != http.StatusUnauthorized {
		t.Errorf("who only polled: %v", page)
	}
}

// A sign-in page of the application is open even where everything is behind a
// login: it is how one comes in.
func TestProtectLeavesTheSignInPageOpen(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		c.SignInPath = "/sign-in"
		c.Providers = append(c.Providers, other.Config("other", c.BaseURL))
	}, func(a *app) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc("/sign-in", func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			for _, p := range a.rp.View(r).Providers() {
				fmt.Fprintf(w, `<a href="%s">%s</a>`, strings.ReplaceAll(p.URL, "&", "&amp;"), p.DisplayName)
			}
		})
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "page for ", name(r)) })
		return a.rp.Protect(mux)
	})
	b := a.browse()
	b.Get(a.URL + "/deep?x=1")
	page := b.Follow("other")
	a.shows(page, "page for bob")
	if page.URL.RequestURI() != "/deep?x=1" {
		t.Errorf("ended at %s", page.URL)
	}
}
