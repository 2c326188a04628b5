package oidcrp_test

import (
	"net/http"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func crossSiteStartAsksFirst(t *testing.T) {
	for name, elsewhere := range map[string]string{"another site": "https://evil.example/", "a sibling": "http://localhost:1/", "a subdomain": "http://evil.localhost/"} {
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), nil)
			a.op.SignInAs("bob")
			b := a.browse()
			link := `<a href="` + a.URL + `/auth/login?return_to=/reports">look</a>`
			b.Show(elsewhere, link)
			a.shows(b.Follow("look"), "reports for bob") // nobody was signed in
			before := a.sessionCookie(b).Value
			a.op.SignInAs("alice")
			b.Show(elsewhere, link)
			page := b.Follow("look")
			a.shows(page, "signed in already")
			if a.sessionCookie(b).Value != before {
				t.Fatal("the session changed without asking")
			}
			a.shows(b.Get(a.URL+"/reports"), "reports for bob")
			b.Show(elsewhere, link)
			b.Follow("look")
			a.shows(b.Follow(page.Links()[0].Text), "reports for alice")
		})
	}
}

// Whoever runs a tenant's provider also says who signs in there, so that a
// page elsewhere could sign its visitors in as anybody.
func tenantsProviderAsksFirst(t *testing.T) {
	for _, link := range []string{"/auth/login?provider=test&return_to=/reports", "/auth/login?fresh=1&return_to=/reports", "/reports"} {
		a := newApp(t, oidcrptest.NewProvider(t), nil)
		oidcrp.MarkTenant(a.rp, "test")
		for _, elsewhere := range []string{"https://evil.example/", "http://localhost:1/"} {
			b := a.browse()
			b.Show(elsewhere, `<a href="`+a.URL+link+`">look</a>`)
			a.shows(b.Follow("look"), "Continue signing in?")
			a.shows(b.Follow("Continue"), "reports for alice")
		}
		// An old browser does not say where it comes from, on the page either.
		if w := ask(a.rp, a.rp.Protect(http.NotFoundHandler()), nil, "GET", "/reports", "Accept", "text/html"); w.Code != http.StatusFound {
			t.Errorf("%d %v", w.Code, w.Header())
		}
	}
}

// The answer to a login of the attacker's is no way around the question.
func tenantsProviderIsNotJoinedByCallback(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	oidcrp.MarkTenant(a.rp, "test")
	callback := a.stopAtCallback(a.browse(), "/reports")
	a.op.ResetCalls()
	victim := a.browse()
	evil(victim, `<a href="`+callback+`">look</a>`)
	a.refused(victim.Follow("look"), http.StatusBadRequest, "no_binding")
	a.calls(oidcrptest.AuthorizeEndpoint, 0)
	a.shows(victim.Get(a.URL+"/"), "home of nobody")
}

// To a form of another site the browser shows no session, so that it must not
// start a login in place of one.
func postFromElsewhereReplacesNoSession(t *testing.T) {
	second := oidcrptest.NewProvider(t)
	second.SignInAs("bob")
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, second.Config("second", c.BaseURL))
	})
	callback := mustParse(t, a.stopAtCallback(a.browse(), "/auth/login?provider=second&return_to=/reports"))
	victim := a.browse()
	victim.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
	victim.DropCookie(a.bindingName(victim)) // ten minutes later
	form := `<form method="post" action="` + a.URL + callback.Path + `">`
	for name, values := range callback.Query() {
		form += `<input type="hidden" name="` + name + `" value="` + values[0] + `">`
	}
	evil(victim, form+`<button>go</button></form>`)
	victim.SubmitForm("go", nil)
	a.shows(victim.Get(a.URL+"/reports"), "reports for alice")
}

// To a form of another site a guard sees nobody, though somebody is signed in:
// the login it would begin is asked about, so that the session stays.
func formFromElsewhereAsksFirst(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		for _, from := range []string{"https://evil.example/", "https://admin.example/"} { // the second is listed
			t.Run(mode+" from "+from, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					c.Providers[0].ResponseMode = mode
					c.CrossOrigin = []string{"https://admin.example"}
				})
				b := a.signIn()
				before := a.sessionCookie(b).Value
				a.op.SignInAs("bob")
				a.op.ResetCalls()
				b.Show(from, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
				a.shows(b.SubmitForm("win", nil), "signed in already")
				a.calls(oidcrptest.AuthorizeEndpoint, 0)
				a.shows(b.Get(a.URL+"/reports"), "reports for alice")
				if a.sessionCookie(b).Value != before {
					t.Error("the session changed without asking")
				}
				b.Back()
				a.shows(b.Follow("Continue"), "home of bob")
			})
		}
	}
}

// Nor does it end the logins of other tabs, whose cookie it does not bring.
func formFromElsewhereKeepsLogins(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.browse()
	callback := a.stopAtCallback(b, "/reports")
	other := b.Tab()
	evil(other, `<form method="post" action="`+a.URL+`/reports"><button>win</button></form>`)
	a.shows(other.SubmitForm("win", nil), "home of alice")
	if page := b.Get(callback); len(page.Trail) != 2 {
		t.Errorf("the login did not finish at once: %v", page)
	}
}
