package e2e_test

import (
	"testing"
)

// Every page a visitor meets, looked at in both languages.
func TestPages(t *testing.T) {
	h := embedded(t, "aster", false)
	for _, lang := range []string{"en", "th"} {
		t.Run(lang, func(t *testing.T) {
			b := newProfile(t)
			at := func(what string) {
				t.Helper()
				b.until(what+" in "+lang, "document.documentElement.lang === "+quote(lang))
				b.look(lang + "-" + what)
			}
			b.open(h.portal.url + "/")
			b.click("footer a[hreflang=" + lang + "]")
			at("home")
			b.open(h.portal.url + "/nothing-here")
			at("not-found")
			b.open(h.portal.url + "/auth/nothing-here")
			at("auth-not-found")

			h.choose(b, "/profile")
			b.until("the provider's sign-in page", "document.querySelector('button[name=user]')")
			at("provider-sign-in")
			b.fill("#user", "nobody")
			b.click("button.main")
			b.until("the complaint", "document.querySelector('#unknown')")
			at("provider-no-such-user")
			b.click("button[name=cancel]")
			b.untilAt(h.portal.url)
			at("cancelled")

			b.open(h.portal.url + "/signin?return_to=/profile")
			at("sign-in")
			b.click("#signin-aster")
			h.signIn(b, "carol")
			b.untilAt(h.portal.url)
			b.untilSees("แครอล ใจดี")
			b.open(h.portal.url + "/profile")
			at("profile")
			b.open(h.portal.url + "/")
			at("home-signed-in")
			b.open(h.portal.url + "/admin")
			at("denied")
			b.open(h.portal.url + "/auth/logout")
			at("sign-out")
			b.click("main form button")
			b.untilAt(h.portal.url + "/auth/logout")
			b.until("the signed-out page", "!document.querySelector('main form')")
			at("signed-out")

			h.enter(b, "/admin")
			at("admin")
		})
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
