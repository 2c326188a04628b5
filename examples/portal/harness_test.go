package main

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// start runs the portal on free ports until the test ends.
func start(t *testing.T, o options) *portal {
	t.Helper()
	o.addr, o.providerAddr = "localhost:0", "127.0.0.1:0"
	p, err := open(o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- p.serve(ctx, o) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("serve: %v", err)
		}
		if err := p.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return p
}

// url is where the portal's own site is.
func (p *portal) url() string { return p.sites[0].baseURL }

// signIn goes to a page and signs in on the way, as a visitor would who
// registers if that is needed.
func signIn(b *oidcrptest.Browser, p *portal, path, providerButton, user string) *oidcrptest.Page {
	b.Get(p.url() + path)
	b.Follow(providerButton)
	return settle(b, b.SubmitForm(user, nil))
}

// settle fills in what is asked of who is new.
func settle(b *oidcrptest.Browser, page *oidcrptest.Page) *oidcrptest.Page {
	if page.URL.Path == "/register" {
		page = b.SubmitForm("/register", url.Values{"city": {"Chiang Mai"}})
	}
	if page.URL.Path == "/terms" {
		page = b.SubmitForm("/terms", url.Values{"accept": {"yes"}})
	}
	return page
}

// visitor is a browser of somebody who is signed in at Aster.
func visitor(t *testing.T, p *portal, user string) *oidcrptest.Browser {
	t.Helper()
	b := oidcrptest.NewBrowser(t)
	at(t, signIn(b, p, "/profile", "Continue with Aster", user), http.StatusOK, "/profile")
	return b
}

func contains(t *testing.T, page *oidcrptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(page.Text(), text) {
			t.Errorf("%v does not say %q: %v", page.URL, text, page)
		}
	}
}

func lacks(t *testing.T, page *oidcrptest.Page, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if strings.Contains(page.Text(), text) {
			t.Errorf("%v says %q: %v", page.URL, text, page)
		}
	}
}

func at(t *testing.T, page *oidcrptest.Page, status int, path string) {
	t.Helper()
	if page.Status != status || page.URL.Path != path {
		t.Fatalf("wanted %d at %s: %v", status, path, page)
	}
}

// enter goes to a page, through the one provider of a portal without the
// development providers, which knows who it is.
func enter(b *oidcrptest.Browser, address string) *oidcrptest.Page {
	b.Get(address)
	return settle(b, b.Follow("Continue with Acme"))
}
