package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
)

// Every page and path of the portal, in both languages, wide and narrow, light
// and dark; and once more on a phone without JavaScript.
func TestPages(t *testing.T) {
	for _, lang := range []string{"en", "th"} {
		t.Run(lang, func(t *testing.T) { newWalk(t, lang, true).everywhere() })
		t.Run(lang+" without JavaScript", func(t *testing.T) { newWalk(t, lang, false).everywhere() })
	}
}

// walk goes through the portal in one language.
type walk struct {
	house
	t       *testing.T
	lang    string
	scripts bool
}

func newWalk(t *testing.T, lang string, scripts bool) *walk {
	return &walk{embedded(t, "aster", false), t, lang, scripts}
}

// visitor is a browser in which the language is chosen.
func (w *walk) visitor() *tab {
	w.t.Helper()
	b := newProfile(w.t)
	if !w.scripts {
		if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
			w.t.Fatal(err)
		}
		b.emulate(phone, "light")
	}
	b.open(w.portal.url + "/")
	b.click("footer a[hreflang=" + w.lang + "]")
	w.inLanguage(b, "home")
	return b
}

func (w *walk) inLanguage(b *tab, what string) {
	w.t.Helper()
	b.until(what+" in "+w.lang, "document.documentElement.lang === "+quote(w.lang))
}

// see keeps pictures of a page, and asserts what can be asserted of it.
func (w *walk) see(b *tab, name, shows string) {
	w.t.Helper()
	b.until(name, "document.querySelector("+quote(shows)+")")
	w.inLanguage(b, name)
	if w.scripts {
		b.look(w.lang + "-" + name)
		return
	}
	b.shoot(w.lang + "-without-scripts-" + name)
	b.checkPage(name)
}

// done waits until a form has done what it is for.
func (w *walk) done(b *tab, what string) {
	w.t.Helper()
	b.until(what+" done", "location.search === "+quote("?done="+what))
}

// sent presses the button that takes a provider's answer to us, where no
// script does.
func (w *walk) sent(b *tab) {
	w.t.Helper()
	if !w.scripts {
		b.until("the page that sends the form", "document.querySelector('form button.main') && !document.querySelector('button[name=user]')")
		b.click("form button.main")
	}
}

func (w *walk) everywhere() {
	w.t.Helper()
	alice := w.visitor()
	w.see(alice, "home", "main .hero")
	alice.open(w.portal.url + "/nothing-here")
	w.see(alice, "not-found", "main .card.narrow")
	alice.open(w.portal.url + "/auth/nothing-here")
	w.see(alice, "auth-not-found", "main .theirs")
	w.signingIn(alice)
	w.profile(alice)
	w.administration(alice)
	w.leaving(alice)
}

// signingIn is what a new visitor sees until they are in.
func (w *walk) signingIn(b *tab) {
	w.t.Helper()
	w.choose(b, "/profile")
	w.see(b, "provider-sign-in", "button[name=user]")
	b.fill("#user", "nobody")
	b.click("button.main")
	w.see(b, "provider-no-such-user", "#unknown")
	b.click("button[name=cancel]")
	b.untilAt(w.portal.url)
	w.see(b, "cancelled", "main .theirs")

	b.open(w.portal.url + "/signin?return_to=/profile")
	w.see(b, "sign-in", "#signin-banyan")
	b.click("summary")
	w.see(b, "sign-in-invited", "details[open] #invitation")
	b.click("#signin-aster")
	w.signIn(b, "alice")
	w.see(b, "register", registerForm)
	b.fill("#input-city", "  ")
	b.click(registerForm + " button")
	w.see(b, "register-again", "#error-city")
	b.fill("#input-city", "Chiang Mai")
	b.click(registerForm + " button")
	w.see(b, "terms-asked", termsForm)
	b.click(termsForm + " input[name=accept]")
	b.click(termsForm + " button")
	b.untilAt(w.portal.url + "/profile")
}

// profile is what somebody does with their own account.
func (w *walk) profile(b *tab) {
	w.t.Helper()
	w.see(b, "profile", "#identities")
	b.untilSees("Alice Archer")
	b.fill("#field-city", "  ")
	b.click("#details button")
	w.see(b, "profile-wrong", "#wrong-city")
	b.fill("#field-city", "Lampang")
	b.click("#details button")
	w.done(b, "saved")
	w.see(b, "profile-saved", ".notice")
	b.click("#link-banyan")
	w.signIn(b, "alice")
	w.sent(b)
	b.untilAt(w.portal.url + "/profile?done=linked")
	w.see(b, "profile-linked", ".notice")
	b.click("#identities li:nth-child(2) button")
	b.untilAt(w.portal.url + "/profile?done=unlinked")
	w.see(b, "profile-unlinked", ".notice")
	b.open(w.portal.url + "/")
	w.see(b, "home-signed-in", "main .hero")
	b.open(w.portal.url + "/terms")
	w.see(b, "terms", "main ol")
}

// connections is how an organization is connected whose provider is not there,
// and what an address of its own leads to.
func (w *walk) connections(alice *tab) {
	w.t.Helper()
	alice.click(`.tabs a[href="/admin/connections"]`)
	w.see(alice, "admin-connections-none", "#issuer")
	for field, value := range map[string]string{"#name": "acme", "#display_name": "Acme", "#issuer": "http://acme.example", "#client_id": "riverside", "#client_secret": "secret", "#domains": "acme.example"} {
		alice.fill(field, value)
	}
	alice.click("main form button")
	w.see(alice, "admin-connections-wrong", "#wrong")
	alice.fill("#issuer", "https://127.0.0.1:1")
	alice.fill("#client_secret", "secret")
	alice.click("main form button")
	w.see(alice, "admin-connection", "#note-secret")
	alice.click(".crumb a")
	w.see(alice, "admin-connections", ".rows")

	stranger := w.visitor()
	stranger.open(w.portal.url + "/signin")
	stranger.fill("#identifier", "erin@nowhere.example")
	stranger.click("main form button")
	w.see(stranger, "signin-nobodys", "#nobodys")
	alice.open(w.portal.url + "/admin")
}

// administration is what an administrator does, and how it feels elsewhere.
func (w *walk) administration(alice *tab) {
	w.t.Helper()
	alice.open(w.portal.url + "/admin")
	w.see(alice, "admin-providers", ".tabs")
	w.connections(alice)
	alice.click(`.tabs a[href="/admin/invitations"]`)
	w.see(alice, "admin-invitations-none", "#email")
	alice.fill("#email", "no address")
	alice.click("main form button")
	w.see(alice, "admin-invitations-wrong", "#wrong-email")
	alice.fill("#email", "bob@example.com")
	alice.click("input[name=role][value=editor]")
	alice.click("main form button")
	w.see(alice, "admin-invitations-made", "#invitation")
	link, err := value[string](alice, "document.getElementById('invitation').innerText")
	if err != nil || !strings.HasPrefix(link, w.portal.url) {
		w.t.Fatalf("the invitation is %q: %v", link, err)
	}

	carol := w.visitor()
	carol.open(link)
	carol.click("#signin-aster")
	w.signIn(carol, "carol")
	carol.until("the registration page", "document.querySelector('#input-city')")
	carol.fill("#input-city", "Nan")
	carol.click(registerForm + " button")
	w.see(carol, "invitation-for-another", "#error-invitation")
	carol.fill("#input-invitation", "")
	carol.click(registerForm + " button")
	carol.until("the terms", "document.querySelector("+quote(termsForm)+")")
	carol.click(termsForm + " input[name=accept]")
	carol.click(termsForm + " button")
	carol.untilAt(w.portal.url + "/")
	carol.untilSees("แครอล ใจดี")
	carol.open(w.portal.url + "/admin")
	w.see(carol, "denied", "main .theirs")

	bob := w.visitor()
	bob.open(link)
	bob.click("#signin-aster")
	w.signIn(bob, "bob")
	w.see(bob, "invitation", "#input-invitation")
	w.arrive(bob, "/")
	bob.open(w.portal.url + "/profile")
	bob.untilSees("editor")
	bob.open(link)
	bob.untilAt(w.portal.url + "/")

	alice.click(`.tabs a[href="/admin/invitations"]`)
	w.see(alice, "admin-invitations", "main .rows")
	alice.click(`.tabs a[href="/admin/contacts"]`)
	w.see(alice, "admin-contacts", "tbody tr:nth-child(3)")
	alice.fill("#q", "nobody of this name")
	alice.click(".search button")
	w.see(alice, "admin-contacts-none", "p.card")
	alice.fill("#q", "BOB@example.com")
	alice.click(".search button")
	w.see(alice, "admin-contacts-found", "tbody tr:only-child")
	alice.click("tbody a")
	w.see(alice, "admin-contact", "#visits .rows")
	alice.click("input[name=role][value=admin]")
	alice.click("button[value=roles]")
	w.done(alice, "roles")
	w.see(alice, "admin-contact-roles", ".notice")
	bob.open(w.portal.url + "/profile")
	bob.untilAt(w.portal.url + "/signin")
	alice.click("button[value=disable]")
	w.done(alice, "disable")
	w.see(alice, "admin-contact-disabled", ".notice")
	bob.open(w.portal.url + "/signin?return_to=/profile")
	bob.click("#signin-aster")
	bob.untilAt(w.portal.url + "/auth/callback")
	w.see(bob, "disabled", "main .theirs")
	alice.click("summary")
	w.see(alice, "admin-contact-delete", "details[open]")
	alice.click("input[name=sure]")
	alice.click("button[value=delete]")
	w.done(alice, "delete")
	w.see(alice, "admin-contact-deleted", ".notice")

	alice.open(w.portal.url + "/admin/sessions")
	w.see(alice, "admin-sessions", "main .rows")
	alice.click(`main .rows button[aria-label*="แครอล"]`)
	w.done(alice, "ended")
	w.see(alice, "admin-sessions-ended", ".notice")
	carol.open(w.portal.url + "/profile")
	carol.untilAt(w.portal.url + "/signin")
	alice.open(w.portal.url + "/admin/contacts?q=alice")
	alice.click("tbody a")
	w.see(alice, "admin-contact-self", ".crumb")
}

// leaving signs out, and everywhere.
func (w *walk) leaving(b *tab) {
	w.t.Helper()
	b.open(w.portal.url + "/auth/logout")
	w.see(b, "sign-out", "main .theirs form")
	b.click("main form button")
	b.untilAt(w.portal.url + "/auth/logout")
	b.until("the signed-out page", "!document.querySelector('main form')")
	w.see(b, "signed-out", "main .theirs")

	w.enter(b, "/profile")
	b.click(`form[action="/profile/leave"] button`)
	b.untilAt(w.portal.url + "/auth/logout")
	b.until("the signed-out page", "!document.querySelector('main form')")
	if names := sessionCookies(b, w.portal.url); len(names) > 0 {
		b.fail("still signed in: %v", names)
	}
}

// A provider that is down has a page that says when to come back.
func TestProviderThatIsDown(t *testing.T) {
	h := node(t, "code", "query", false)
	b := newProfile(t)
	b.open(h.portal.url + "/signin")
	b.click("#signin-other")
	b.untilAt(h.portal.url + "/auth/login")
	b.look("provider-down")
	h.enter(b, "/profile") // the other one works
}
