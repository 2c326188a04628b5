package main

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// contact is the one with an address.
func contact(t *testing.T, p *portal, email string) *accounts.Contact {
	t.Helper()
	found, err := p.db.contacts.ByEmail(t.Context(), email)
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v %v", email, found, err)
	}
	return found[0]
}

func TestAdministrationIsForAdministrators(t *testing.T) {
	p := start(t, options{})
	bob := visitor(t, p, "bob")
	own := contact(t, p, "bob@example.com")
	page := bob.Get(p.url() + "/profile")
	for _, link := range page.Links() {
		if strings.HasPrefix(link.URL.Path, "/admin") {
			t.Errorf("bob is shown a link to %v", link.URL)
		}
	}
	for _, path := range []string{"/admin", "/admin/contacts", "/admin/contacts/" + own.ID, "/admin/contacts/nobody", "/admin/sessions", "/admin/invitations"} {
		page := bob.Get(p.url() + path)
		at(t, page, http.StatusForbidden, path)
		contains(t, page, "You do not have access", "Home", "Bob Baker", "ไทย")
		at(t, oidcrptest.NewBrowser(t).Get(p.url()+path), http.StatusOK, "/signin")
	}
	for path, form := range map[string]url.Values{
		"/admin/contacts/" + own.ID: {"action": {"roles"}, "role": {"admin"}},
		"/admin/sessions":           {"handle": {"x"}},
		"/admin/invitations":        {"role": {"admin"}},
	} {
		bob.Get(p.url() + "/profile")
		at(t, bob.PostForm(p.url()+path, form), http.StatusForbidden, path)
	}
	if c := contact(t, p, "bob@example.com"); len(c.Roles) > 0 {
		t.Errorf("bob has %v", c.Roles)
	}
}

func TestContacts(t *testing.T) {
	p := start(t, options{})
	alice := visitor(t, p, "alice")
	for i := range 2*pageOfContacts + 3 {
		err := p.db.contacts.Create(t.Context(), &accounts.Contact{
			ID: accounts.NewID(), Email: fmt.Sprintf("member%d@example.org", i), Created: time.Now(),
			Fields: map[string]string{"name": fmt.Sprintf("Member %d", i), "city": "Lamphun"},
		}, "")
		if err != nil {
			t.Fatal(err)
		}
	}
	seen := map[string]int{}
	pages := 0
	for page := alice.Get(p.url() + "/admin/contacts"); ; page = alice.Follow("Next page") {
		pages++
		for _, link := range page.Links() {
			if id, ok := strings.CutPrefix(link.URL.Path, "/admin/contacts/"); ok {
				seen[id]++
			}
		}
		if !strings.Contains(page.Text(), "Next page") {
			break
		}
	}
	if pages != 3 || len(seen) != 2*pageOfContacts+4 {
		t.Errorf("%d contacts on %d pages", len(seen), pages)
	}
	contains(t, alice.Follow("First page"), "Next page")

	for what, finds := range map[string]string{
		"MEMBER7@example.org": "Member 7",
		"member 7":            "Member 7",
		"chiang mai":          "Alice Archer",
		"alice":               "Alice Archer",
	} {
		alice.Get(p.url() + "/admin/contacts")
		page := alice.SubmitForm("Search", url.Values{"q": {what}})
		contains(t, page, finds)
		lacks(t, page, "Member 8", "Next page")
	}
	page := alice.Get(p.url() + "/admin/contacts?q=Lamphun")
	contains(t, page, "Next page")
	lacks(t, alice.Follow("Next page"), "alice@example.com")
	contains(t, alice.Get(p.url()+"/admin/contacts?q="+url.QueryEscape("<b>nobody")), "No contact was found")
	at(t, alice.Get(p.url()+"/admin/contacts/nobody"), http.StatusNotFound, "/admin/contacts/nobody")
}

// open goes to the page of a contact.
func openContact(t *testing.T, p *portal, admin *oidcrptest.Browser, c *accounts.Contact) *oidcrptest.Page {
	t.Helper()
	page := admin.Get(p.url() + "/admin/contacts/" + c.ID)
	at(t, page, http.StatusOK, "/admin/contacts/"+c.ID)
	return page
}

func TestDisableEnableAndDelete(t *testing.T) {
	p := start(t, options{})
	alice, bob := visitor(t, p, "alice"), visitor(t, p, "bob")
	c := contact(t, p, "bob@example.com")
	contains(t, openContact(t, p, alice, c), "Bob Baker", "bob@example.com", "Chiang Mai", "active", "Chrome")

	contains(t, alice.SubmitForm("Disable", nil), "was disabled", "Nobody is signed in")
	at(t, bob.Get(p.url()+"/profile"), http.StatusOK, "/signin")
	page := bob.Follow("Continue with Aster") // where he is still known
	at(t, page, http.StatusForbidden, "/auth/callback/aster")
	contains(t, page, "has been closed or blocked")

	contains(t, alice.SubmitForm("Enable", nil), "was enabled", "active")
	bob.Get(p.url() + "/profile")
	at(t, bob.Follow("Continue with Aster"), http.StatusOK, "/profile")

	openContact(t, p, alice, c)
	page = alice.SubmitForm("Delete the contact", nil) // without the box
	at(t, page, http.StatusUnprocessableEntity, "/admin/contacts/"+c.ID)
	contains(t, page, "Nothing was deleted")
	at(t, bob.Get(p.url()+"/profile"), http.StatusOK, "/profile")
	openContact(t, p, alice, c)
	page = alice.SubmitForm("Delete the contact", url.Values{"sure": {"yes"}})
	contains(t, page, "was deleted", "Without a name")
	lacks(t, page, "bob@example.com", "Chiang Mai", "Enable")
	at(t, bob.Get(p.url()+"/profile"), http.StatusOK, "/signin")
	page = bob.Follow("Continue with Aster")
	at(t, page, http.StatusForbidden, "/auth/callback/aster")

	openContact(t, p, alice, c)
	at(t, alice.PostForm(p.url()+"/admin/contacts/"+c.ID, url.Values{"action": {"enable"}}), http.StatusConflict, "/admin/contacts/"+c.ID)
	at(t, alice.PostForm(p.url()+"/admin/contacts/"+c.ID, url.Values{"action": {"explode"}}), http.StatusBadRequest, "/admin/contacts/"+c.ID)
	at(t, alice.PostForm(p.url()+"/admin/contacts/nobody", url.Values{"action": {"disable"}}), http.StatusNotFound, "/admin/contacts/nobody")
}

// A role works at the next sign-in, and does not outlive being taken away.
func TestRoles(t *testing.T) {
	p := start(t, options{})
	alice, bob := visitor(t, p, "alice"), visitor(t, p, "bob")
	c := contact(t, p, "bob@example.com")
	openContact(t, p, alice, c)
	contains(t, alice.SubmitForm("Save", url.Values{"role": {"admin", "emperor"}}), "The roles were saved")
	if c := contact(t, p, "bob@example.com"); strings.Join(c.Roles, " ") != "admin" {
		t.Errorf("bob has %v", c.Roles)
	}
	bob.Get(p.url() + "/admin")
	at(t, bob.Follow("Continue with Aster"), http.StatusOK, "/admin")
	contains(t, bob.Get(p.url()+"/profile"), "member, admin")

	openContact(t, p, alice, c)
	alice.SubmitForm("Save", url.Values{"role": nil})
	bob.Get(p.url() + "/admin")
	at(t, bob.Follow("Continue with Aster"), http.StatusForbidden, "/admin")
}

// Administrators cannot lock themselves out.
func TestSelf(t *testing.T) {
	p := start(t, options{})
	alice := visitor(t, p, "alice")
	c := contact(t, p, "alice@example.com")
	page := openContact(t, p, alice, c)
	contains(t, page, "This is you")
	lacks(t, page, "Disable", "Delete")
	for _, action := range []string{"roles", "disable", "enable", "delete"} {
		page := alice.PostForm(p.url()+"/admin/contacts/"+c.ID, url.Values{"action": {action}, "sure": {"yes"}})
		at(t, page, http.StatusConflict, "/admin/contacts/"+c.ID)
		contains(t, page, "Only another administrator")
	}
	openContact(t, p, alice, c)
	alice.SubmitForm("signout", nil)
	at(t, alice.Get(p.url()+"/admin"), http.StatusOK, "/signin")
}
