package e2e_test

import (
	"strings"
	"testing"
)

// The portal is at two host names. Each signs in by itself, though the provider
// asks once, and has cookies of its own.
func TestTwoSites(t *testing.T) {
	riverside := embedded(t, "aster", false)
	hillside := riverside
	hillside.portal = &portal{url: strings.Replace(riverside.portal.url, "//", "//hillside.", 1)}
	b := newProfile(t)
	riverside.enter(b, "/profile")
	b.untilSees("Alice Archer")
	b.open(hillside.portal.url + "/")
	b.untilSees("portal of the Hillside community")
	b.hides("Alice Archer")
	b.look("hillside-home")

	hillside.choose(b, "/profile")
	hillside.arrive(b, "/profile")
	b.untilSees("Alice Archer")
	checkCookies(b, hillside.portal.url)
	b.look("hillside-profile")
	for _, here := range b.cookies(hillside.portal.url + "/") {
		for _, there := range b.cookies(riverside.portal.url + "/") {
			if here.Name == there.Name && !strings.HasPrefix(here.Name, "riverside_") || here.Value == there.Value {
				t.Errorf("both sites have the cookie %s", here.Name)
			}
		}
	}

	// From another site's form too.
	bob := newProfile(t)
	hillside.provider = "banyan"
	hillside.choose(bob, "/profile")
	hillside.signIn(bob, "bob")
	hillside.arrive(bob, "/profile")
	bob.untilSees("Bob Baker")

	// The provider's sign-out page leads back to where it was asked for.
	b.open(hillside.portal.url + "/")
	b.click("header .oidcrp-signout")
	b.untilAt(hillside.portal.url + "/auth/logout")
	b.untilSees("You are signed out")
	b.look("hillside-signed-out")
	if title := b.title(); !strings.HasSuffix(title, " · Hillside") {
		t.Errorf("the page is called %q", title)
	}

	other := newProfile(t)
	other.open(strings.Replace(riverside.portal.url, "//", "//woodside.", 1) + "/profile")
	other.until("a page that leads nowhere", "document.querySelector('h1')")
	other.shoot("unknown-host")
	if len(other.cookies(other.location())) > 0 {
		t.Error("an unknown host sets cookies")
	}
}

func (b *tab) title() string {
	s, _ := value[string](b, "document.title")
	return s
}
