package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestProfile(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "carol")
	page := b.Get(p.url() + "/profile")
	contains(t, page, "แครอล ใจดี", "carol@example.com not verified", "Aster in use", "State active", "offline_access", "this browser")
	for _, secret := range []string{"ory_at", "eyJ"} { // no token is on it
		if strings.Contains(page.Body, secret) {
			t.Errorf("the page has %s", secret)
		}
	}

	page = b.SubmitForm("Save", url.Values{"city": {" Lampang\u202e\n "}, "phone": {"1"}})
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "Your details were saved")
	if c := only(t, p); c.Fields["city"] != "Lampang" || c.Fields["phone"] != "1" || c.Fields["name"] != "แครอล ใจดี" {
		t.Errorf("the contact is %+v", c)
	}
	for text, says := range map[string]string{"": "Please fill this in", strings.Repeat("x", maxDetail+1): "This is too long"} {
		page = b.SubmitForm("Save", url.Values{"city": {text}, "phone": {"2"}})
		at(t, page, http.StatusUnprocessableEntity, "/profile")
		contains(t, page, says, "Nothing was saved")
		if !strings.Contains(page.Body, `value="2"`) {
			t.Error("what was entered is lost")
		}
	}
	if c := only(t, p); c.Fields["city"] != "Lampang" || c.Fields["phone"] != "1" {
		t.Errorf("the contact is %+v", c)
	}
	// What is not to be changed here is not changed here.
	b.PostForm(p.url()+"/profile", url.Values{"city": {"Nan"}, "phone": {""}, "name": {"Root"}, "terms": {"never"}, "email": {"a@b.example"}, "roles": {"admin"}})
	if c := only(t, p); c.Fields["name"] != "แครอล ใจดี" || c.Fields[termsField] != termsVersion || c.Email != "carol@example.com" || len(c.Roles) > 0 || c.Fields["city"] != "Nan" {
		t.Errorf("the contact is %+v", c)
	}
	at(t, b.PostForm(p.url()+"/profile", url.Values{"city": {strings.Repeat("x", maxForm+1)}}), http.StatusBadRequest, "/profile")
}

// linkBanyan adds an identity to whoever is on their profile.
func linkBanyan(t *testing.T, b *oidcrptest.Browser, user string) *oidcrptest.Page {
	t.Helper()
	b.SubmitForm("Add Banyan", nil)
	return b.SubmitForm(user, nil)
}

func TestLinkAndUnlink(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "bob")
	page := b.Page()
	lacks(t, page, "Remove")
	id := only(t, p).Identities[0]
	own := url.Values{"issuer": {id.Issuer}, "subject": {id.Subject}}
	page = b.PostForm(p.url()+"/profile/unlink", own)
	at(t, page, http.StatusConflict, "/profile/unlink")
	contains(t, page, "This is your last way to sign in")

	b.Get(p.url() + "/profile")
	page = linkBanyan(t, b, "bob")
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "The account was added", "Banyan", "Remove")
	lacks(t, page, "Add Banyan", "Add Aster")
	if c := only(t, p); len(c.Identities) != 2 {
		t.Fatalf("the contact is %+v", c)
	}

	// It signs in as the same member, wherever that is.
	phone := oidcrptest.NewBrowser(t)
	at(t, signIn(phone, p, "/profile", "Continue with Banyan", "bob"), http.StatusOK, "/profile")
	if page := b.Get(p.url() + "/profile"); strings.Count(page.Text(), ", last seen") != 2 {
		t.Errorf("not two sessions: %v", page)
	}

	// Taken away, it is signed out.
	banyan := only(t, p).Identities[1]
	page = b.PostForm(p.url()+"/profile/unlink", url.Values{"issuer": {banyan.Issuer}, "subject": {banyan.Subject}})
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "The account was removed", "Add Banyan")
	if strings.Count(page.Text(), ", last seen") != 1 {
		t.Errorf("not one session: %v", page)
	}
	at(t, phone.Get(p.url()+"/profile"), http.StatusOK, "/signin")
	if c := only(t, p); len(c.Identities) != 1 || c.Identities[0] != id {
		t.Errorf("the contact is %+v", c)
	}
	at(t, b.PostForm(p.url()+"/profile/unlink", url.Values{"issuer": {banyan.Issuer}, "subject": {banyan.Subject}}), http.StatusNotFound, "/profile/unlink")

	// Who takes away what they are signed in with is signed out here too.
	b.Get(p.url() + "/profile")
	at(t, linkBanyan(t, b, "bob"), http.StatusOK, "/profile")
	page = b.PostForm(p.url()+"/profile/unlink", own)
	at(t, page, http.StatusOK, "/auth/logout")
	at(t, b.Get(p.url()+"/profile"), http.StatusOK, "/signin")
	if c := only(t, p); len(c.Identities) != 1 || c.Identities[0].Provider != "banyan" {
		t.Errorf("the contact is %+v", c)
	}
}

// An identity of one member is not given to another, nor taken by one.
func TestIdentitiesOfOthers(t *testing.T) {
	p := start(t, options{})
	bob := visitor(t, p, "bob")
	at(t, linkBanyan(t, bob, "bob"), http.StatusOK, "/profile")

	carol := visitor(t, p, "carol")
	page := linkBanyan(t, carol, "bob")
	if page.Status != http.StatusForbidden || page.URL.Path == "/profile" {
		t.Errorf("linked: %v", page)
	}
	contains(t, page, "belongs to another account already")
	at(t, carol.Get(p.url()+"/profile"), http.StatusOK, "/profile")
	at(t, linkBanyan(t, carol, "carol"), http.StatusOK, "/profile")

	page = carol.PostForm(p.url()+"/profile/unlink", url.Values{"issuer": {p.dev[0].Issuer()}, "subject": {"bob"}})
	at(t, page, http.StatusNotFound, "/profile/unlink")
	contains(t, page, "no account of yours")
	contains(t, bob.Get(p.url()+"/profile"), "Aster", "Banyan", "Remove")

	at(t, carol.PostForm(p.url()+"/profile/link", url.Values{"provider": {"nobody"}}), http.StatusNotFound, "/profile/link")
}

func TestSignOutEverywhere(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "bob")
	at(t, linkBanyan(t, b, "bob"), http.StatusOK, "/profile")
	phone, desk, other := oidcrptest.NewBrowser(t), visitor(t, p, "bob"), visitor(t, p, "carol")
	at(t, signIn(phone, p, "/profile", "Continue with Banyan", "bob"), http.StatusOK, "/profile")

	b.Get(p.url() + "/profile")
	at(t, b.SubmitForm("Sign out everywhere", nil), http.StatusOK, "/auth/logout")
	for name, b := range map[string]*oidcrptest.Browser{"here": b, "by the other provider": phone, "elsewhere": desk} {
		if page := b.Get(p.url() + "/profile"); page.URL.Path != "/signin" {
			t.Errorf("%s: still signed in: %v", name, page)
		}
	}
	at(t, other.Get(p.url()+"/profile"), http.StatusOK, "/profile")
}

// Forms of other sites change nothing, whoever is signed in.
func TestFormsOfOtherSites(t *testing.T) {
	p := start(t, options{})
	alice := visitor(t, p, "alice")
	at(t, linkBanyan(t, alice, "alice"), http.StatusOK, "/profile")
	visitor(t, p, "bob")
	bob := contact(t, p, "bob@example.com")
	for path, form := range map[string]url.Values{
		"/profile":                  {"city": {"evil"}},
		"/profile/link":             {"provider": {"banyan"}},
		"/profile/unlink":           {"issuer": {p.dev[1].Issuer()}, "subject": {"alice"}},
		"/profile/leave":            {},
		"/admin/contacts/" + bob.ID: {"action": {"disable"}},
		"/admin/sessions":           {"handle": {"x"}},
		"/admin/invitations":        {"role": {"admin"}},
	} {
		t.Run(path, func(t *testing.T) {
			// Of the same site, so that the cookie comes along, and yet foreign.
			evil := alice.Tab()
			evil.Show("http://localhost:1/", "")
			if page := evil.PostForm(p.url()+path, form); page.Status != http.StatusForbidden {
				t.Errorf("got %v", page)
			}
		})
	}
	page := alice.Get(p.url() + "/profile")
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "Banyan", "Remove")
	lacks(t, page, "evil")
	if contact(t, p, "bob@example.com").Disabled {
		t.Error("bob was disabled")
	}
	contains(t, alice.Get(p.url()+"/admin/invitations"), "There are none.")
}
