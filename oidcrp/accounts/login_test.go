package accounts_test

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func mustParse(text string) *template.Template { return template.Must(template.New("").Parse(text)) }

func TestGates(t *testing.T) {
	rules := accounts.Rules{
		Default:    accounts.ProviderRules{},
		ByProvider: map[string]accounts.ProviderRules{"closed": {Gate: accounts.Closed, MatchEmail: true}},
	}
	p := newPortal(t, rules, nil, "open", "closed")
	p.signIn("open", person("a", "a@corp.example"))
	p.decided("register/open")
	p.refused(p.signIn("closed", person("b", "b@corp.example")), "no account for you here")
	p.decided("refuse/closed")
	if len(p.contacts()) != 1 {
		t.Error("registered through a closed gate")
	}
	// A contact that is there gets in.
	c := p.add(accounts.Contact{Email: "b@corp.example", EmailVerified: true})
	p.is(p.signIn("closed", person("b", "b@corp.example")), c.ID)
	p.decided("match/email_verified")
	p.is(p.signIn("closed", person("b", "b@corp.example")), c.ID)
	p.decided("signin/known")
}

func TestMappings(t *testing.T) {
	rules := accounts.Rules{Default: accounts.ProviderRules{
		Registration: map[string]string{"first": "given_name", "color": "color"},
		Login:        map[string]string{"city": "/address/locality", "langs": "langs", "staff": "staff", "age": "age", "object": "address"},
	}}
	p := newPortal(t, rules, nil, "op")
	u := person("s", "s@corp.example")
	u.Claims = map[string]any{
		"given_name": "Ann", "color": "red", "address_": 1, "langs": []string{"th", "en"}, "staff": true, "age": 42,
		"address": map[string]string{"locality": "Bangkok"}, "long": strings.Repeat("x", 1001),
	}
	want := func(pairs ...string) {
		t.Helper()
		fields := p.of("op", "s").Fields
		for i := 0; i < len(pairs); i += 2 {
			if fields[pairs[i]] != pairs[i+1] {
				t.Errorf("%s is %q, want %q", pairs[i], fields[pairs[i]], pairs[i+1])
			}
		}
		if len(fields) != len(pairs)/2 {
			t.Errorf("fields %v", fields)
		}
	}
	p.ops["op"].SetFaults(oidcrptest.Fault{IDToken: func(t *oidcrptest.IDToken) { // without asking for the scope
		t.Claims["address"] = map[string]string{"locality": "Bangkok"}
	}})
	p.signIn("op", u)
	want("first", "Ann", "color", "red", "city", "Bangkok", "langs", "th, en", "staff", "true", "age", "42")
	u.Claims = map[string]any{"given_name": "Bee", "color": "blue", "langs": "de", "staff": false, "age": strings.Repeat("9", 1001)}
	p.signIn("op", u)
	want("first", "Ann", "color", "red", "city", "Bangkok", "langs", "de", "staff", "false", "age", "42")
}

func TestJustInTime(t *testing.T) {
	rules := accounts.Rules{
		Default:    accounts.ProviderRules{MatchEmail: true},
		ByProvider: map[string]accounts.ProviderRules{"sso": {Grant: accounts.Grant{Organization: "Acme", Roles: []string{"staff"}}, MatchEmail: true}},
		ByDomain:   map[string]accounts.Grant{"corp.example": {Organization: "Corp", Roles: []string{"guest"}}},
	}
	p := newPortal(t, rules, nil, "sso", "op")
	for _, tt := range []struct {
		provider     string
		user         oidcrptest.User
		organization string
		roles        []string
	}{
		{"sso", person("1", "1@corp.example"), "Acme", []string{"staff"}}, // before the domain's
		{"op", person("2", "2@CORP.example"), "Corp", []string{"guest"}},
		{"op", oidcrptest.User{Subject: "3", Email: "3@corp.example"}, "", nil}, // not verified
		{"op", person("4", "4@sub.corp.example"), "", nil},
	} {
		for range 2 {
			p.signIn(tt.provider, tt.user)
			if c := p.of(tt.provider, tt.user.Subject); c.Organization != tt.organization || !slices.Equal(c.Roles, tt.roles) {
				t.Errorf("%s: %+v", tt.user.Subject, c)
			}
		}
	}
	// A contact that is matched keeps its organization; what was taken away later
	// stays away.
	c := p.add(accounts.Contact{Email: "5@corp.example", EmailVerified: true, Organization: "Old", Roles: []string{"x"}})
	p.is(p.signIn("sso", person("5", "5@corp.example")), c.ID)
	if c := p.get(c.ID); c.Organization != "Old" || !slices.Equal(c.Roles, []string{"x", "staff"}) {
		t.Errorf("%+v", c)
	}
	p.change(c.ID, func(c *accounts.Contact) { c.Organization, c.Roles = "", nil })
	p.signIn("sso", person("5", "5@corp.example"))
	if c := p.get(c.ID); c.Organization != "" || len(c.Roles) != 0 {
		t.Errorf("given again: %+v", c)
	}
}

func TestLinkAndUnlink(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "a", "b")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "a", person("s", "s@corp.example"), "/")
	c := p.of("a", "s")
	p.is(p.link(b, "b", person("t", "t@else.example")), c.ID)
	p.decided("link/asked")
	if got := p.get(c.ID); len(got.Identities) != 2 || got.Email != "s@corp.example" {
		t.Errorf("%+v", got)
	}
	p.is(p.link(b, "b", person("t", "t@else.example")), c.ID) // again
	p.is(p.signIn("b", person("t", "t@else.example")), c.ID)
	p.is(p.signInWith(b, "a", person("s", "s@corp.example"), "/"), c.ID)

	unlink := func(provider, subject string) string {
		q := url.Values{"iss": {p.ops[provider].Issuer()}, "sub": {subject}}
		return b.Get(p.URL + "/unlink?" + q.Encode()).Body
	}
	if got := unlink("b", "nobody's"); got != "<nil>" || len(p.get(c.ID).Identities) != 2 {
		t.Errorf("an identity of nobody: %s", got)
	}
	if got := unlink("b", "t"); got != "<nil>" || p.of("b", "t") != nil {
		t.Errorf("unlink: %s", got)
	}
	p.decided("unlink/asked")
	if got := unlink("a", "s"); got != accounts.ErrLastIdentity.Error() || p.of("a", "s") == nil {
		t.Errorf("the last one: %s", got)
	}
	// One at a provider that is not there any more does not count.
	p.change(c.ID, func(c *accounts.Contact) {
		c.Identities = append(c.Identities, oidcrp.Identity{Provider: "gone", Issuer: "https://gone.example", Subject: "s"})
	})
	if got := unlink("a", "s"); got != accounts.ErrLastIdentity.Error() {
		t.Errorf("the last one that works: %s", got)
	}
	// A provider that got a new name is there.
	p.change(c.ID, func(c *accounts.Contact) { c.Identities[0].Provider = "former name" })
	p.signIn("a", person("s", "s@corp.example"))
	if id := p.get(c.ID).Identities[0]; id.Provider != "a" {
		t.Errorf("%+v", id)
	}
	// What was unlinked is somebody new's.
	p.signIn("b", person("t", "t@else.example"))
	p.decided("register/open")
	if b := oidcrptest.NewBrowser(t).Get(p.URL + "/unlink"); b.Body != oidcrp.ErrAnonymous.Error() {
		t.Errorf("nobody: %s", b)
	}
}

func TestUnlinkedSessionEnds(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "a", "b")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "a", person("s", "s@corp.example"), "/")
	if page := b.Get(p.URL + "/still"); page.Body != "<nil> false false" {
		t.Errorf("%s", page)
	}
	p.change(p.of("a", "s").ID, func(c *accounts.Contact) { c.Identities = nil })
	if page := b.Get(p.URL + "/still"); !strings.HasSuffix(page.Body, " true false") {
		t.Errorf("%s", page)
	}
	p.decided("refuse/gone")
}

func TestRetiredProvider(t *testing.T) {
	rules := accounts.Rules{MovePath: "/move", ByProvider: map[string]accounts.ProviderRules{"old": {Retired: true}}}
	q := newPortal(t, rules, nil, "old", "new")
	c := q.add(accounts.Contact{Identities: []oidcrp.Identity{{Provider: "old", Issuer: q.ops["old"].Issuer(), Subject: "s"}}})
	q.refused(q.signIn("old", person("stranger", "x@corp.example")), "no longer in use")
	q.decided("refuse/provider_retired")
	b := oidcrptest.NewBrowser(t)
	page := q.signInWith(b, "old", person("s", "s@corp.example"), "/reports")
	q.is(page, c.ID)
	q.decided("signin/moving")
	if page.URL.Path != "/move" {
		t.Errorf("sent to %s", page.URL)
	}
	q.is(q.link(b, "new", person("t", "t@corp.example")), c.ID)
	q.refused(q.signIn("old", person("s", "s@corp.example")), "no longer in use")
	q.is(q.signIn("new", person("t", "t@corp.example")), c.ID)
	// The new way is the last that counts, and the old one cannot be linked.
	issuer := url.Values{"iss": {q.ops["new"].Issuer()}, "sub": {"t"}}
	q.signInWith(b, "new", person("t", "t@corp.example"), "/")
	if got := b.Get(q.URL + "/unlink?" + issuer.Encode()).Body; got != accounts.ErrLastIdentity.Error() {
		t.Errorf("unlink: %s", got)
	}
	q.refused(q.link(b, "old", person("other", "o@corp.example")), "no longer in use")
	if len(q.get(c.ID).Identities) != 2 {
		t.Error("linked")
	}
}

// However many first logins of one user there are at once, there is one
// contact; and of one address that is free, one of its users gets it.
func TestFirstLoginsAtOnce(t *testing.T) {
	p := newPortal(t, matching, nil, "op")
	free := p.add(accounts.Contact{Email: "free@corp.example", EmailVerified: true})
	users := []oidcrptest.User{person("s", "s@corp.example"), person("f1", "free@corp.example"), person("f2", "free@corp.example")}
	var all sync.WaitGroup
	for _, u := range users {
		p.ops["op"].AddUser(u)
	}
	for i := range 12 {
		u := users[i%len(users)]
		b := oidcrptest.NewBrowser(t)
		all.Go(func() {
			b.Get(p.URL + "/auth/login?" + url.Values{"provider": {"op"}, "login_hint": {u.Subject}}.Encode())
			b.SubmitForm(u.Subject, nil)
		})
	}
	all.Wait()
	codes := map[string]int{}
	for _, code := range p.events.all() {
		codes[code]++
	}
	if got := p.contacts(); len(got) != 2 || len(p.get(free.ID).Identities) != 1 {
		t.Errorf("%d contacts, %v", len(got), codes)
	}
	if codes["register/open"] != 1 || codes["match/email_verified"] != 1 || codes["signin/known"] != 6 || codes["refuse/email_linked"] != 4 {
		t.Errorf("%v", codes)
	}
}

// broken is a store that cannot be asked.
type broken struct{ accounts.Store }

func (broken) ByIdentity(context.Context, string, string) (*accounts.Contact, error) {
	return nil, errors.New("database down at 10.0.0.7")
}

func TestStoreOutage(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "op")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	c := p.of("op", "s")
	cfg := oidcrp.Config{BaseURL: "http://localhost", Providers: []oidcrp.Provider{{Name: "op"}}}
	if _, err := accounts.New(broken{p.store}, accounts.Rules{}, &cfg); err != nil {
		t.Fatal(err)
	}
	healthy := p.onLogin.Swap(&cfg.OnLogin)
	page := p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if page.Status != http.StatusServiceUnavailable || page.Header.Get("Retry-After") == "" || strings.Contains(page.Body, "10.0.0.7") {
		t.Errorf("%s", page)
	}
	p.is(b.Get(p.URL+"/"), c.ID)
	p.onLogin.Store(healthy)
	p.is(p.signIn("op", person("s", "s@corp.example")), c.ID)
	ctx := oidcrptest.WithSession(t.Context(), oidcrptest.User{Subject: "s"})
	if err := cfg.StillAllowed(ctx, oidcrp.FromContext(ctx)); !errors.Is(err, oidcrp.ErrStoreUnavailable) {
		t.Errorf("StillAllowed: %v", err)
	}
}
