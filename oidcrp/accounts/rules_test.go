package accounts_test

import (
	"context"
	"errors"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Everything that is wrong is said at once, each with what to change.
func TestRulesReportEveryMistake(t *testing.T) {
	cfg := oidcrp.Config{
		BaseURL:   "http://localhost:3000",
		Providers: []oidcrp.Provider{{Name: "op"}, {Name: "many", IssuerTemplate: "https://x.example/{tenantid}"}},
		Pages:     mustParse(`{{define "register"}}{{.Nothing}}{{end}}`),
	}
	rules := accounts.Rules{
		MovePath: "//evil.example",
		Ask:      []accounts.Field{{Name: "email"}, {Name: "invitation"}, {Name: "twice"}, {Name: "twice"}},
		ByDomain: map[string]accounts.Grant{"Corp.example": {}},
		ByProvider: map[string]accounts.ProviderRules{
			"nobody": {},
			"many":   {MatchEmail: true},
			"op": {
				Gate:         7,
				Registration: map[string]string{"email": "email", "empty": ""},
				Login:        map[string]string{"email": "upn"},
			},
		},
	}
	_, err := accounts.New(accounts.NewMemoryStore(), rules, &cfg)
	if err == nil {
		t.Fatal("accepted")
	}
	for _, want := range []string{
		`no provider is called "nobody"`, "provider many: MatchEmail: any tenant", "RegistrationPath is missing", `MovePath "//evil.example"`,
		`Ask: "email"`, `Ask: "invitation"`, `Ask: "twice"`, `ByDomain: "Corp.example"`, "no Gate 7",
		`Registration: leave out "email"`, `Registration: "empty" has no claim`, `Login: "email" can only be "email"`, "field Nothing",
	} {
		if strings.Count(err.Error(), want) != 1 {
			t.Errorf("%q is not said once in\n%v", want, err)
		}
	}
	if cfg.OnLogin != nil || cfg.StillAllowed != nil {
		t.Error("hooks were set")
	}
	if _, err := accounts.New(nil, accounts.Rules{}, &oidcrp.Config{}); err == nil {
		t.Error("no store")
	}
}

// The application's own hooks see the contact, once for each login, whether it
// was asked to register or not, and may still refuse or pause.
func TestHooksOfTheApplication(t *testing.T) {
	var answer error
	var seen []string
	p := newPortal(t, asking, func(cfg *oidcrp.Config) {
		cfg.OnLogin = func(_ context.Context, login *oidcrp.Login) error {
			seen = append(seen, login.Subject+" is "+login.Value(accounts.ContactKey))
			return answer
		}
		cfg.StillAllowed = func(context.Context, *oidcrp.Session) error { return answer }
	}, "op")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if len(seen) != 0 {
		t.Errorf("asked before there was a contact: %q", seen)
	}
	answer = &oidcrp.Refusal{Message: "Not on Sundays."}
	p.refused(b.SubmitForm("Continue", url.Values{"company": {"x"}}), "Not on Sundays.")
	c := p.of("op", "s")
	answer = nil
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	answer = &oidcrp.Refusal{}
	if page := b.Get(p.URL + "/still"); !strings.HasSuffix(page.Body, " true false") {
		t.Errorf("StillAllowed: %s", page)
	}
	if want := "s is " + c.ID; len(seen) != 2 || seen[0] != want || seen[1] != want {
		t.Errorf("OnLogin saw %q, want %q twice", seen, want)
	}
}

// A login that waits for the registration page is not ended by a page of the
// application's, nor the reverse: neither would have decided what it is there for.
func TestTwoPagesThatPause(t *testing.T) {
	p := newPortal(t, asking, func(cfg *oidcrp.Config) {
		cfg.OnLogin = func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms", Only: true} }
	}, "op")
	b := oidcrptest.NewBrowser(t)
	send := func(path string) *oidcrptest.Page {
		b.Show(p.URL+path, `<form method="post"><input name="company" value="x"><button>Go</button></form>`)
		return b.SubmitForm("Go", nil)
	}
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if page := send("/terms"); page.Status != 400 || len(p.contacts()) != 0 {
		t.Fatalf("the terms ended the registration: %s", page)
	}
	if page := send("/register"); page.URL.Path != "/terms" || len(p.contacts()) != 1 {
		t.Fatalf("registered: %s", page)
	}
	if page := send("/register"); page.Status != 400 {
		t.Fatalf("the registration ended the terms: %s", page)
	}
	p.is(send("/terms"), p.of("op", "s").ID)

	// A pause that any page may end is not the registration page's either.
	pause := func(context.Context, *oidcrp.Login) error { return &oidcrp.Pause{Path: "/terms"} }
	p.onLogin.Store(&pause)
	b = oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if page := send("/register"); page.Status != 400 {
		t.Fatalf("the registration ended another pause: %s", page)
	}
	if page := b.Get(p.URL + "/register"); page.URL.Path != "/terms" {
		t.Fatalf("the registration page for another pause: %s", page)
	}
}

func TestAuditHookPanics(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, func(cfg *oidcrp.Config) {
		cfg.OnEvent = func(_ context.Context, e oidcrp.Event) { panic("audit") }
	}, "op")
	page := p.signIn("op", person("s", "s@corp.example"))
	p.is(page, p.of("op", "s").ID)
	if !strings.Contains(p.log.String(), "event hook panicked") {
		t.Error("not logged")
	}
}

// What a login would come to can be asked without doing it.
func TestDecide(t *testing.T) {
	var d accounts.Decision
	var err error
	var decide func(context.Context, *oidcrp.Login) (accounts.Decision, error)
	p := newPortal(t, matching, func(cfg *oidcrp.Config) {
		cfg.OnLogin = func(ctx context.Context, login *oidcrp.Login) error {
			d, err = decide(ctx, login)
			return errors.New("no session")
		}
	}, "op")
	other := oidcrp.Config{BaseURL: "http://localhost:3000", Providers: []oidcrp.Provider{{Name: "op"}}}
	store := accounts.NewMemoryStore()
	a, e := accounts.New(store, matching, &other)
	if e != nil {
		t.Fatal(e)
	}
	decide = a.Decide
	free := accounts.Contact{ID: accounts.NewID(), Email: "s@corp.example", EmailVerified: true}
	if err := store.Create(t.Context(), &free, ""); err != nil {
		t.Fatal(err)
	}
	p.signIn("op", person("s", "S@corp.example"))
	if err != nil || d.Code() != "match/email_verified" || d.ContactID != free.ID || d.Identity != (oidcrp.Identity{Provider: "op", Issuer: p.ops["op"].Issuer(), Subject: "s"}) {
		t.Errorf("%+v %v", d, err)
	}
	if want := "match/email_verified: one contact without identity has the verified address"; d.String() != want {
		t.Errorf("%s", d)
	}
	if c, _ := store.ByID(t.Context(), free.ID); len(c.Identities) != 0 {
		t.Error("it was done")
	}
	// A provider that New has not seen is not believed about addresses.
	unseen, e := accounts.New(store, matching, &oidcrp.Config{BaseURL: "http://localhost:3000"})
	if e != nil {
		t.Fatal(e)
	}
	decide = unseen.Decide
	p.signIn("op", person("s", "S@corp.example"))
	if err != nil || d.Code() != "register/open" {
		t.Errorf("%+v %v", d, err)
	}
	// Neither log nor event says more than who it was.
	if log := p.log.String(); strings.Contains(log, "corp.example") {
		t.Errorf("an address is in the log: %s", log)
	}
}

func TestWithoutALogin(t *testing.T) {
	p := newPortal(t, accounts.Rules{}, nil, "op")
	if _, err := p.Current(t.Context()); !errors.Is(err, oidcrp.ErrAnonymous) {
		t.Errorf("%v", err)
	}
	if _, err := p.Current(oidcrptest.WithSession(t.Context(), oidcrptest.User{Subject: "s"})); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("a session of no contact: %v", err)
	}
	c := p.add(accounts.Contact{Email: "c@corp.example"})
	ctx := oidcrptest.WithSession(t.Context(), oidcrptest.User{Subject: "s", Values: map[string]string{accounts.ContactKey: c.ID}})
	if got, err := p.Current(ctx); err != nil || got.ID != c.ID {
		t.Errorf("%v %v", got, err)
	}
	if _, err := p.Invite(t.Context(), accounts.Invitation{}); err == nil {
		t.Error("an invitation without a page to accept it")
	}
	if err := p.Delete(t.Context(), "nobody"); !errors.Is(err, accounts.ErrNotFound) {
		t.Errorf("%v", err)
	}
}
