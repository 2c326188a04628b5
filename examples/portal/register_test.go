package main

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// only returns the one contact there is.
func only(t *testing.T, p *portal) *accounts.Contact {
	t.Helper()
	all, err := p.db.contacts.List(t.Context(), "", 10)
	if err != nil || len(all) != 1 {
		t.Fatalf("the contacts are %v: %v", all, err)
	}
	return all[0]
}

func TestRegistration(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	b.Get(p.url() + "/profile?from=afar")
	b.Follow("Continue with Aster")
	page := b.SubmitForm("bob", nil)
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "Create your account", "You came as bob@example.com", "Town or city", "Riverside", "Home", "ไทย")

	page = b.SubmitForm("/register", url.Values{"city": {" "}})
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "Please check your entries", "Please fill this in")
	if some, err := p.db.contacts.List(t.Context(), "", 1); err != nil || len(some) > 0 {
		t.Errorf("registered %v: %v", some, err)
	}

	page = b.SubmitForm("/register", url.Values{"city": {"Nan"}, "phone": {"+66 54 000 000"}})
	at(t, page, http.StatusOK, "/terms")
	page = b.SubmitForm("/terms", nil) // the box is not ticked
	at(t, page, http.StatusUnprocessableEntity, "/terms")
	contains(t, page, "Please tick the box")
	// Nobody is signed in yet.
	other := b.Tab()
	lacks(t, other.Get(p.url()+"/"), "Bob")
	if page := other.Get(p.url() + "/profile"); page.URL.Path == "/profile" {
		t.Errorf("in without the terms: %v", page)
	}
	page = b.SubmitForm("/terms", url.Values{"accept": {"yes"}})
	at(t, page, http.StatusOK, "/profile")
	if page.URL.RawQuery != "from=afar" {
		t.Errorf("ended at %v", page.URL)
	}
	contains(t, page, "Bob Baker", "bob@example.com")

	c := only(t, p)
	if c.Fields["name"] != "Bob Baker" || c.Fields["city"] != "Nan" || c.Fields["phone"] != "+66 54 000 000" || c.Fields[termsField] != termsVersion || !c.EmailVerified {
		t.Errorf("the contact is %+v", c)
	}
	b.SubmitForm("Sign out", nil)
	b.Get(p.url() + "/profile")
	b.Follow("Continue with Aster")
	at(t, b.SubmitForm("bob", nil), http.StatusOK, "/profile") // asked once
}

func TestNewTermsAreAskedFor(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "bob")
	b.SubmitForm("Sign out", nil)
	err := p.db.contacts.Update(t.Context(), only(t, p).ID, "", func(c *accounts.Contact) error {
		c.Fields[termsField] = "2019-01-01"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Get(p.url() + "/profile")
	b.Follow("Continue with Aster")
	page := b.SubmitForm("bob", nil)
	at(t, page, http.StatusOK, "/terms")
	contains(t, page, "As of 15 January 2026")
	at(t, b.SubmitForm("/terms", url.Values{"accept": {"yes"}}), http.StatusOK, "/profile")

	// Who was disabled while thinking about it is not let in.
	b.SubmitForm("Sign out", nil)
	err = p.db.contacts.Update(t.Context(), only(t, p).ID, "", func(c *accounts.Contact) error {
		c.Fields[termsField] = "2019-01-01"
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	b.Get(p.url() + "/profile")
	b.Follow("Continue with Aster")
	at(t, b.SubmitForm("bob", nil), http.StatusOK, "/terms")
	err = p.db.contacts.Update(t.Context(), only(t, p).ID, "", func(c *accounts.Contact) error {
		c.Disabled = true
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	at(t, b.SubmitForm("/terms", url.Values{"accept": {"yes"}}), http.StatusForbidden, "/terms")
	lacks(t, b.Get(p.url()+"/"), "Bob")
}

// The pages of a login that waits do nothing for anybody else.
func TestRegistrationPagesOnTheirOwn(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	page := b.Get(p.url() + "/terms")
	at(t, page, http.StatusOK, "/terms")
	contains(t, page, "Terms of use", "You may leave at any time")
	if len(page.Forms()) > 0 {
		t.Errorf("asks nobody: %v", page)
	}
	at(t, b.PostForm(p.url()+"/terms", url.Values{"accept": {"yes"}}), http.StatusBadRequest, "/terms")
	at(t, b.Get(p.url()+"/register"), http.StatusOK, "/signin")

	// A login that waits at the registration page does not pass at the terms.
	b.Follow("Continue with Aster")
	at(t, b.SubmitForm("bob", nil), http.StatusOK, "/register")
	if page := b.Tab().Get(p.url() + "/terms"); len(page.Forms()) > 0 {
		t.Errorf("asks too early: %v", page)
	}
	at(t, b.PostForm(p.url()+"/terms", url.Values{"accept": {"yes"}}), http.StatusBadRequest, "/terms")
	lacks(t, b.Get(p.url()+"/"), "Bob")
}

func TestFormsOfOtherSitesRegisterNobody(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	b.Get(p.url() + "/profile")
	b.Follow("Continue with Aster")
	at(t, b.SubmitForm("bob", nil), http.StatusOK, "/register")
	evil := b.Tab()
	evil.Show("http://evil.example:1/", "")
	if page := evil.PostForm(p.url()+"/register", url.Values{"city": {"x"}}); page.Status != http.StatusForbidden {
		t.Errorf("registered from elsewhere: %v", page)
	}
	b.Get(p.url() + "/register")
	at(t, b.SubmitForm("/register", url.Values{"city": {"Nan"}}), http.StatusOK, "/terms")
	evil.Show("http://evil.example:1/", "")
	if page := evil.PostForm(p.url()+"/terms", url.Values{"accept": {"yes"}}); page.Status != http.StatusForbidden {
		t.Errorf("accepted from elsewhere: %v", page)
	}
	lacks(t, b.Tab().Get(p.url()+"/"), "Bob")
}

// invited starts a portal to which nobody comes uninvited, with its first
// administrator.
func invited(t *testing.T) (*portal, *oidcrptest.Browser) {
	t.Helper()
	p := start(t, options{registration: "invited"})
	var said strings.Builder
	p.announce(&said)
	if p.invitation == "" || !strings.Contains(said.String(), p.invitation) {
		t.Fatalf("there is no first invitation:\n%s", &said)
	}
	alice := oidcrptest.NewBrowser(t)
	alice.Get(p.invitation)
	alice.Follow("Continue with Aster")
	page := alice.SubmitForm("bob", nil) // whom no provider makes an administrator
	at(t, page, http.StatusOK, "/register")
	at(t, settle(alice, page), http.StatusOK, "/")
	at(t, alice.Get(p.url()+"/admin"), http.StatusOK, "/admin")
	return p, alice
}

func TestByInvitationOnly(t *testing.T) {
	p, admin := invited(t)
	dave := oidcrptest.NewBrowser(t)
	contains(t, dave.Get(p.url()+"/profile"), "needs an invitation", "Redeem the invitation")
	dave.Follow("Continue with Aster")
	page := dave.SubmitForm("dave", nil)
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "by invitation only")
	page = dave.SubmitForm("/register", url.Values{"city": {"Nan"}, "invitation": {"GUESSED"}})
	contains(t, page, "This invitation cannot be used")

	admin.Get(p.url() + "/admin/invitations")
	link := madeInvitation(t, admin.SubmitForm("Make an invitation", nil))
	u, err := url.Parse(link)
	if err != nil {
		t.Fatal(err)
	}
	// Typed in on the sign-in page, as from a letter.
	dave = oidcrptest.NewBrowser(t)
	dave.Get(p.url() + "/signin")
	dave.SubmitForm("Redeem the invitation", url.Values{"invitation": {u.Query().Get("invitation")}})
	dave.Follow("Continue with Aster")
	at(t, settle(dave, dave.SubmitForm("dave", nil)), http.StatusOK, "/")
	contains(t, dave.Get(p.url()+"/profile"), "Dave of 400 Groups")
}

func TestClosedRegistration(t *testing.T) {
	p := start(t, options{registration: "closed"})
	b := oidcrptest.NewBrowser(t)
	page := b.Get(p.url() + "/profile")
	contains(t, page, "New members are not taken in")
	lacks(t, page, "invitation")
	b.Follow("Continue with Aster")
	page = b.SubmitForm("bob", nil)
	at(t, page, http.StatusForbidden, "/auth/callback/aster")
	contains(t, page, "new ones cannot be created this way", "Home")
}
