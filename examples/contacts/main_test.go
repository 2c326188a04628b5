package main

import (
	"net/http"
	"net/url"
	"path/filepath"
	"regexp"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// restarting is an application that can be stopped and started over its
// database.
type restarting struct {
	t       *testing.T
	cfg     oidcrp.Config
	db      string
	current atomic.Pointer[http.Handler]
}

func (p *restarting) start() {
	p.t.Helper()
	store, db, err := open(p.t.Context(), p.db)
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { db.Close() })
	handler, err := app(store, p.cfg)
	if err != nil {
		p.t.Fatal(err)
	}
	p.current.Store(&handler)
}

var invitationLink = regexp.MustCompile(`http://localhost:\d+(/register\?invitation=\w+)`)

func TestPortalOverItsDatabase(t *testing.T) {
	visitors := oidcrptest.NewProvider(t)
	visitors.AddUser(oidcrptest.User{Subject: "vera", Name: "Vera", Email: "vera@customer.example", EmailVerified: true})
	p := &restarting{t: t, db: filepath.Join(t.TempDir(), "contacts.db")}
	a := apptest.Start(t, func(baseURL string, staff oidcrp.Provider) (http.Handler, error) {
		staff.Name, staff.EmailDomains = "staff", []string{"example.com"}
		p.cfg = oidcrp.Config{
			BaseURL: baseURL, CookieKeys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")},
			Providers: []oidcrp.Provider{staff, visitors.Config("visitors", baseURL)},
		}
		p.start()
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*p.current.Load()).ServeHTTP(w, r) }), nil
	}, "/auth/callback/staff")

	// Staff register by their first sign-in.
	a.SignIn("alice", "/auth/login?provider=staff")
	page := a.Browser.SubmitForm("Continue", url.Values{"company": {"Example"}})
	apptest.Contains(t, page, "alice@example.com", "Example Ltd", "Alice Archer", "staff: alice")
	if page := a.Browser.SubmitForm("Remove staff", nil); page.Status != http.StatusConflict {
		t.Errorf("the last way to sign in: %v", page)
	}
	a.Browser.Get(a.URL + "/")
	page = a.Browser.SubmitForm("Invite", url.Values{"email": {"vera@customer.example"}})
	link := invitationLink.FindStringSubmatch(page.Body)
	if link == nil {
		t.Fatalf("no invitation: %v", page)
	}

	p.start() // contacts, invitations and sessions are those of before
	page = a.Browser.Get(a.URL + "/")
	apptest.Contains(t, page, "staff: alice")

	visitors.SignInAs("vera")
	vera := oidcrptest.NewBrowser(t)
	vera.Get(a.URL + "/auth/login?provider=visitors&return_to=" + url.QueryEscape(link[1]))
	page = vera.SubmitForm("Continue", url.Values{"company": {"Customer"}})
	apptest.Contains(t, page, "vera@customer.example", "Customer", "visitors: vera")
	if page := vera.PostForm(a.URL+"/invite", nil); page.Status != http.StatusForbidden {
		t.Errorf("a customer invites: %v", page)
	}

	// Nobody comes uninvited, and nobody from elsewhere with an address of staff.
	visitors.SignInAs("bob")
	page = oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?provider=visitors")
	apptest.Contains(t, page, "its own way to sign in")
	visitors.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@else.example", EmailVerified: true})
	visitors.SignInAs("eve")
	page = oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?provider=visitors")
	apptest.Contains(t, page, "by invitation only")
}
