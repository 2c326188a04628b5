package oidcrp_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

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

// The session's provider counts, whatever the context: hooks get one of their own.
func TestEmailDomainInAnotherContext(t *testing.T) {
	policy := oidcrp.EmailDomain("other.example")
	for _, tenants := range []bool{true, false} {
		var judged error
		rp := offline(t, func(c *oidcrp.Config) {
			if tenants {
				c.Providers[0].TenantSupplied, c.Providers[0].EmailDomains = true, []string{"corp.example"}
			}
		})
		h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			judged = policy(context.Background(), oidcrp.FromContext(r.Context()))
		}))
		ask(rp, h, &oidcrptest.User{Subject: "alice", Email: "ceo@other.example", EmailVerified: true}, "GET", "/", navigate...)
		if errors.Is(judged, oidcrp.ErrForbidden) != tenants {
			t.Errorf("tenants %v: %v", tenants, judged)
		}
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
