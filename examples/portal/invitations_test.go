package main

import (
	"net/http"
	"net/url"
	"regexp"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var invitationLink = regexp.MustCompile(`http://(?:hillside\.)?localhost:\d+/register\?invitation=\w+`)

// madeInvitation is the link on the page that made it.
func madeInvitation(t *testing.T, page *oidcrptest.Page) string {
	t.Helper()
	at(t, page, http.StatusOK, "/admin/invitations")
	link := invitationLink.FindString(page.Text())
	if link == "" {
		t.Fatalf("no link: %v", page)
	}
	return link
}

func TestInvitation(t *testing.T) {
	p := start(t, options{})
	alice := visitor(t, p, "alice")
	page := alice.Get(p.url() + "/admin/invitations")
	contains(t, page, "There are none.")
	page = alice.SubmitForm("Make an invitation", url.Values{"email": {"nobody"}})
	at(t, page, http.StatusUnprocessableEntity, "/admin/invitations")
	contains(t, page, "This is no e-mail address", "There are none.")
	page = alice.SubmitForm("Make an invitation", url.Values{"email": {"bob@example.com"}, "role": {"editor", "emperor"}})
	link := madeInvitation(t, page)
	contains(t, page, "bob@example.com", "open", "Roles: editor.")
	page = alice.Get(p.url() + "/admin/invitations")
	contains(t, page, "bob@example.com")
	if invitationLink.MatchString(page.Text()) {
		t.Errorf("the link is shown again: %v", page)
	}

	// Somebody else cannot use it, and may register without it.
	dave := oidcrptest.NewBrowser(t)
	dave.Get(link)
	dave.Follow("Continue with Aster")
	at(t, dave.SubmitForm("dave", nil), http.StatusOK, "/register")
	page = dave.SubmitForm("/register", url.Values{"city": {"Nan"}})
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "This invitation cannot be used")
	page = dave.SubmitForm("/register", url.Values{"city": {"Nan"}, "invitation": {""}})
	at(t, settle(dave, page), http.StatusOK, "/")
	lacks(t, dave.Get(p.url()+"/profile"), "editor")
	// Who is signed in has nothing to accept.
	at(t, dave.Get(link), http.StatusOK, "/")

	bob := oidcrptest.NewBrowser(t)
	bob.Get(link)
	bob.Follow("Continue with Banyan")
	page = bob.SubmitForm("bob", nil)
	at(t, page, http.StatusOK, "/register")
	// The language switch keeps the invitation.
	page = bob.Follow("ไทย")
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "สร้างบัญชีของคุณ")
	at(t, settle(bob, page), http.StatusOK, "/")
	contains(t, bob.Get(p.url()+"/profile"), "editor", "Bob Baker")
	contains(t, alice.Get(p.url()+"/admin/invitations"), "redeemed")

	// Nobody uses it again.
	p.dev[0].AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true})
	again := oidcrptest.NewBrowser(t)
	again.Get(link)
	again.Follow("Continue with Aster")
	at(t, again.SubmitForm("erin", nil), http.StatusOK, "/register")
	contains(t, again.SubmitForm("/register", url.Values{"city": {"Nan"}}), "This invitation cannot be used")
}
