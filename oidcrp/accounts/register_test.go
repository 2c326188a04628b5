package accounts_test

import (
	"context"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var asking = accounts.Rules{
	RegistrationPath: "/register",
	Ask: []accounts.Field{
		{Name: "company", Labels: map[string]string{"en": "Company", "th": "บริษัท"}, Required: true, Autocomplete: "organization"},
		{Name: "phone", Labels: map[string]string{"en": "Phone"}},
	},
	Default: accounts.ProviderRules{
		Registration: map[string]string{"phone": "phone_number", "first": "given_name"},
		Login:        map[string]string{"full": "name"},
	},
}

func TestRegistrationPage(t *testing.T) {
	p := newPortal(t, asking, nil, "op")
	b := oidcrptest.NewBrowser(t)
	u := person("s", "s@corp.example")
	u.Claims = map[string]any{"given_name": "Somchai", "realm": "x"}
	page := p.signInWith(b, "op", u, "/reports?x=1")
	p.decided("ask/needs_answers")
	if page.URL.Path != "/register" || page.Status != 200 || page.Title() != "Create your account" || len(p.contacts()) != 0 {
		t.Fatalf("the page: %s", page)
	}
	for _, want := range []string{"You came as s@corp.example", "op has confirmed", "Company", "Phone (optional)"} {
		if !strings.Contains(page.Text(), want) {
			t.Errorf("the page does not say %q: %s", want, page.Text())
		}
	}
	if strings.Contains(page.Body, "<script") || strings.Contains(page.Body, "Invitation") || page.Header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v %s", page.Header, page.Body)
	}
	if page := b.Get(p.URL + "/"); !strings.Contains(page.Body, "nobody") {
		t.Fatalf("signed in before: %s", page)
	}

	b.Get(p.URL + "/register")
	page = b.SubmitForm("Continue", url.Values{"company": {" \n "}, "phone": {"+66 <2>"}})
	if page.URL.Path != "/register" || page.Title() != "Please check your entries" || !strings.Contains(page.Text(), "Please fill this in.") ||
		page.Form("Continue").Fields[1].Value != "+66 <2>" || !strings.Contains(page.Body, `aria-describedby="error-company"`) {
		t.Fatalf("an answer is missing: %s\n%s", page, page.Body)
	}
	page = b.SubmitForm("Continue", url.Values{"company": {strings.Repeat("ก", 400)}, "phone": {"1"}})
	if !strings.Contains(page.Text(), "This is too long.") || len(p.contacts()) != 0 {
		t.Fatalf("an answer is too long: %s", page)
	}
	b.Show(p.URL+"/register", `<form method="post"><input name="company"><input name="is_admin" value="1"><input name="full" value="Evil"><button>Continue</button></form>`)
	page = b.SubmitForm("Continue", url.Values{"company": {"Acme\x00 \u202e& Söhne"}})
	p.decided("register/open")
	c := p.of("op", "s")
	p.is(page, c.ID)
	if page.URL.Path != "/reports" || page.URL.RawQuery != "x=1" {
		t.Errorf("ended at %s", page.URL)
	}
	want := map[string]string{"company": "Acme & Söhne", "full": "s", "first": "Somchai"}
	if len(c.Fields) != len(want) || c.Email != "s@corp.example" || !c.EmailVerified {
		t.Errorf("%+v", c)
	}
	for field, value := range want {
		if c.Fields[field] != value {
			t.Errorf("%s is %q", field, c.Fields[field])
		}
	}

	// Who is known is not asked again, and the page has nothing for them.
	p.is(p.signIn("op", u), c.ID)
	if page := b.Get(p.URL + "/register"); page.URL.Path != "/" {
		t.Errorf("ended at %s", page.URL)
	}
}

func TestRegistrationPageInThai(t *testing.T) {
	p := newPortal(t, asking, nil, "op")
	b := oidcrptest.NewBrowser(t)
	b.SetLanguage("th-TH,th;q=0.9")
	page := p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if page.Title() != "สร้างบัญชีของคุณ" || !strings.Contains(page.Text(), "บริษัท") || !strings.Contains(page.Body, `lang="th"`) {
		t.Errorf("%s", page)
	}
	b = oidcrptest.NewBrowser(t)
	b.SetLanguage("th")
	p = newPortal(t, accounts.Rules{Default: accounts.ProviderRules{Gate: accounts.Closed}}, nil, "op")
	p.refused(p.signInWith(b, "op", person("s", "s@corp.example"), "/"), "ไม่พบบัญชีของคุณที่นี่")
}

func TestRegistrationPageOutOfTurn(t *testing.T) {
	p := newPortal(t, asking, nil, "op")
	b := oidcrptest.NewBrowser(t)
	// Without a login that waits, one begins, and comes back here.
	p.ops["op"].AddUser(person("s", "s@corp.example"))
	p.ops["op"].SignInAs("s")
	if page := b.Get(p.URL + "/register"); page.URL.Path != "/register" || page.Form("Continue") == nil {
		t.Errorf("%s", page)
	}
	b = oidcrptest.NewBrowser(t)
	b.Show(p.URL+"/x", `<form method="post" action="/register"><input name="company" value="x"><button>Go</button></form>`)
	if page := b.SubmitForm("Go", nil); page.Status != http.StatusBadRequest || len(p.contacts()) != 0 {
		t.Errorf("a form without a login: %s", page)
	}
	// From another site.
	b = oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	b.Show("http://evil.example/", `<form method="post" action="`+p.URL+`/register"><input name="company" value="x"><button>Go</button></form>`)
	if page := b.SubmitForm("Go", nil); page.Status != http.StatusForbidden || len(p.contacts()) != 0 {
		t.Errorf("another site's form: %s", page)
	}
	// Too much.
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if page := b.SubmitForm("Continue", url.Values{"company": {strings.Repeat("x", 70000)}}); page.Status != http.StatusBadRequest || len(p.contacts()) != 0 {
		t.Errorf("a huge form: %s", page)
	}
	if page := b.Fetch(http.MethodDelete, p.URL+"/register", nil); page.Status != http.StatusMethodNotAllowed {
		t.Errorf("DELETE: %s", page)
	}
	// The gate closed meanwhile: it was decided anew.
	p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	p.add(accounts.Contact{Email: "s@corp.example", EmailVerified: true})
	p.refused(b.SubmitForm("Continue", url.Values{"company": {"x"}}), "sign in as you did before")
}

// Two tabs, and Back: one contact.
func TestRegistrationTwice(t *testing.T) {
	p := newPortal(t, asking, nil, "op")
	one, two := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)
	p.signInWith(one, "op", person("s", "s@corp.example"), "/")
	p.signInWith(two, "op", person("s", "s@corp.example"), "/")
	one.SubmitForm("Continue", url.Values{"company": {"first"}})
	page := two.SubmitForm("Continue", url.Values{"company": {"second"}})
	p.decided("signin/known")
	c := p.of("op", "s")
	p.is(page, c.ID)
	if len(p.contacts()) != 1 || c.Fields["company"] != "first" {
		t.Errorf("%+v", c)
	}
}

func TestInvitation(t *testing.T) {
	rules := accounts.Rules{RegistrationPath: "/register", Default: accounts.ProviderRules{Gate: accounts.InviteOnly}}
	p := newPortal(t, rules, nil, "op")
	invite := func(inv accounts.Invitation) string {
		t.Helper()
		code, err := p.Invite(t.Context(), inv)
		if err != nil || len(code) < 20 {
			t.Fatalf("%q %v", code, err)
		}
		return code
	}
	code := invite(accounts.Invitation{Organization: "Acme", Roles: []string{"buyer"}})

	b := oidcrptest.NewBrowser(t)
	page := p.signInWith(b, "op", person("a", "a@corp.example"), "/reports")
	p.decided("ask/needs_invitation")
	if !strings.Contains(page.Text(), "by invitation only") || !strings.Contains(page.Text(), "Invitation code") {
		t.Errorf("%s", page)
	}
	page = b.SubmitForm("Continue", url.Values{"invitation": {"no such code"}})
	p.decided("ask/wrong_invitation")
	if page.URL.Path != "/register" || !strings.Contains(page.Text(), "This invitation cannot be used") || page.Form("Continue").Fields[0].Value != "no such code" {
		t.Errorf("%s", page)
	}
	page = b.SubmitForm("Continue", url.Values{"invitation": {" " + code + "\n"}})
	p.decided("register/invited")
	c := p.of("op", "a")
	p.is(page, c.ID)
	if page.URL.Path != "/reports" || c.Organization != "Acme" || !slices.Equal(c.Roles, []string{"buyer"}) || !strings.Contains(page.Body, `roles ["buyer"]`) {
		t.Errorf("%s %+v", page, c)
	}

	// By its link: the code is filled in, and accepted by a press of the button.
	link := p.URL + p.InvitationPath(invite(accounts.Invitation{Email: "B@corp.example"}))
	for _, tt := range []struct {
		user    oidcrptest.User
		decided string
	}{
		{person("eve", "eve@corp.example"), "ask/wrong_invitation"},
		{oidcrptest.User{Subject: "b2", Email: "b@corp.example"}, "ask/wrong_invitation"}, // not verified
		{person("b", "b@corp.example"), "register/invited"},
		{person("b3", "b@corp.example"), "ask/wrong_invitation"}, // redeemed
	} {
		b = oidcrptest.NewBrowser(t)
		p.ops["op"].AddUser(tt.user)
		p.ops["op"].SignInAs(tt.user.Subject)
		if page := b.Get(link); page.URL.Path != "/register" || p.of("op", tt.user.Subject) != nil {
			t.Errorf("%s: %s", tt.user.Subject, page)
		}
		page := b.SubmitForm("Continue", nil)
		p.decided(tt.decided)
		if registered := p.of("op", tt.user.Subject) != nil; registered != strings.HasPrefix(tt.decided, "register") {
			t.Errorf("%s: registered %v", tt.user.Subject, registered)
		} else if registered && page.URL.Path != "/" {
			t.Errorf("ended at %s", page.URL)
		}
	}
	// Who is known already needs none.
	if page := b.Get(link); !strings.Contains(page.Text(), "cannot be used") {
		t.Errorf("%s", page)
	}
	known := oidcrptest.NewBrowser(t)
	p.ops["op"].SignInAs("a")
	p.is(known.Get(link), c.ID)

	expired := invite(accounts.Invitation{Expires: time.Now().Add(-time.Second)})
	p.signInWith(b, "op", person("late", "late@corp.example"), "/")
	b.SubmitForm("Continue", url.Values{"invitation": {expired}})
	p.decided("ask/wrong_invitation")

	for _, inv := range []accounts.Invitation{{Email: "nobody"}, {Email: "a@b@c.example"}} {
		if _, err := p.Invite(t.Context(), inv); err == nil {
			t.Errorf("%+v", inv)
		}
	}
}

// An invitation for a contact that staff made: whoever has the code gets it, once.
func TestInvitationForAContact(t *testing.T) {
	rules := accounts.Rules{RegistrationPath: "/register", Default: accounts.ProviderRules{Gate: accounts.InviteOnly}}
	p := newPortal(t, rules, nil, "op")
	made := p.add(accounts.Contact{Email: "old@corp.example", Organization: "Acme", Fields: map[string]string{"number": "42"}})
	var codes []string
	for range 2 {
		code, err := p.Invite(t.Context(), accounts.Invitation{ContactID: made.ID, Organization: "Other", Roles: []string{"buyer"}})
		if err != nil {
			t.Fatal(err)
		}
		codes = append(codes, code)
	}
	accept := func(subject, code string) *oidcrptest.Page {
		b := oidcrptest.NewBrowser(t)
		p.signInWith(b, "op", person(subject, subject+"@corp.example"), p.InvitationPath(code))
		return b.SubmitForm("Continue", nil)
	}
	p.is(accept("a", codes[0]), made.ID)
	p.decided("match/invited")
	if c := p.get(made.ID); c.Organization != "Acme" || c.Fields["number"] != "42" || !slices.Equal(c.Roles, []string{"buyer"}) || len(c.Identities) != 1 {
		t.Errorf("%+v", c)
	}
	accept("b", codes[1]) // there is somebody behind it now
	p.decided("ask/wrong_invitation")

	disabled := p.add(accounts.Contact{Disabled: true})
	code, _ := p.Invite(t.Context(), accounts.Invitation{ContactID: disabled.ID})
	accept("c", code)
	p.decided("ask/wrong_invitation")
	code, _ = p.Invite(t.Context(), accounts.Invitation{ContactID: "nobody"})
	accept("d", code)
	p.decided("ask/wrong_invitation")
}

func TestRegistrationPageIsReplaced(t *testing.T) {
	p := newPortal(t, asking, func(cfg *oidcrp.Config) {
		cfg.SiteName = "Acme Portal"
		cfg.Pages = mustParse(`{{define "register"}}<h2>Ours</h2><form method="post" action="{{.Action}}">{{range .Inputs}}<label>{{.Label}}<input name="{{.Name}}" value="{{.Value}}"></label>{{end}}<button>{{.Label}}</button></form>{{end}}`)
		cfg.Messages = map[string]map[string]string{"en": {"register.button": "Off we go"}}
	}, "op")
	b := oidcrptest.NewBrowser(t)
	page := p.signInWith(b, "op", person("s", "s@corp.example"), "/")
	if !strings.Contains(page.Text(), "Ours") || !strings.Contains(page.Text(), "Acme Portal") {
		t.Errorf("%s", page)
	}
	b.SubmitForm("Off we go", url.Values{"company": {"x"}})
	p.decided("register/open")
}

// Below a path, which browsers see and the mux does not, be it that of a site,
// whose name is on the page then.
func TestRegistrationBelowAPath(t *testing.T) {
	t.Run("BaseURL", func(t *testing.T) {
		registerBelowAPath(t, newPortalAt(t, "/app", asking, nil, "op"))
	})
	t.Run("Sites", func(t *testing.T) {
		p := newPortalAt(t, "/app", asking, func(c *oidcrp.Config) {
			site := oidcrp.Site{BaseURL: c.BaseURL, SiteName: "Acme Members"}
			c.BaseURL, c.SiteName = "", "Everybody's"
			c.Sites = func(context.Context, string) (oidcrp.Site, error) { return site, nil }
		}, "op")
		if page := registerBelowAPath(t, p); !strings.Contains(page.Body, "Acme Members") || strings.Contains(page.Body, "Everybody") {
			t.Errorf("the page names another site: %s", page.Body)
		}
	})
}

// registerBelowAPath returns the page.
func registerBelowAPath(t *testing.T, p *portal) *oidcrptest.Page {
	t.Helper()
	code, err := p.Invite(t.Context(), accounts.Invitation{Organization: "Acme"})
	if err != nil {
		t.Fatal(err)
	}
	p.ops["op"].AddUser(person("s", "s@corp.example"))
	p.ops["op"].SignInAs("s")
	b := oidcrptest.NewBrowser(t)
	form := b.Get(p.URL + p.InvitationPath(code))
	if form.URL.Path != "/app/register" || form.Form("Continue").Fields[0].Value != code {
		t.Fatalf("%s", form)
	}
	page := b.SubmitForm("Continue", url.Values{"company": {"x"}})
	p.decided("register/invited")
	if page.URL.Path != "/app/" || p.of("op", "s").Organization != "Acme" {
		t.Errorf("ended at %s", page)
	}
	if page := b.Get(p.URL + "/register"); page.URL.Path != "/app/" {
		t.Errorf("signed in already: %s", page)
	}
	return form
}

// The page that was asked for may want a fresh sign-in: browsers hold the
// redirects of our form against its page's form-action.
func TestRegistrationLeadsToAProvider(t *testing.T) {
	p := newPortal(t, asking, nil, "op")
	b := oidcrptest.NewBrowser(t)
	p.signInWith(b, "op", person("s", "s@corp.example"), "/again")
	page := b.SubmitForm("Continue", url.Values{"company": {"x"}})
	if page.Blocked != "" || page.URL.Path != "/" {
		t.Fatalf("%q stopped it: %s", page.Blocked, page)
	}
	p.decided("signin/known")
}
