package main

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strings"
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

// Both roads as the command has them, and an end that leaves the database alone
// in its folder.
func TestServe(t *testing.T) {
	ctx, interrupt := context.WithCancel(context.Background())
	defer interrupt()
	dir := t.TempDir()
	said, out := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		err := serve(ctx, options{"localhost:0", "127.0.0.1:0", "127.0.0.1:0", filepath.Join(dir, "contacts.db")}, out)
		out.Close()
		ended <- err
	}()
	lines := bufio.NewScanner(said)
	var text strings.Builder
	for lines.Scan() && !strings.HasPrefix(lines.Text(), "Ctrl-C") {
		text.WriteString(lines.Text() + "\n")
	}
	found := regexp.MustCompile(`(?m)^Open: +(http://localhost:[0-9]+)\nStaff: +http://127\.0\.0\.1:[0-9]+ .*alice.*\nVisitors: +http://127\.0\.0\.1:[0-9]+ .*vera`).FindStringSubmatch(text.String())
	if found == nil {
		t.Fatalf("it said:\n%s", &text)
	}
	at := func(provider, user, path string) (*oidcrptest.Browser, *oidcrptest.Page) {
		b := oidcrptest.NewBrowser(t)
		b.Get(found[1] + "/auth/login?provider=" + provider + "&return_to=" + url.QueryEscape(path))
		return b, b.SubmitForm(user, nil)
	}
	alice, _ := at("staff", "alice", "/")
	apptest.Contains(t, alice.SubmitForm("Continue", url.Values{"company": {"Example"}}), "staff: alice", "Invite somebody")
	page := alice.SubmitForm("Invite", url.Values{"email": {"vera@customer.example"}})
	link := invitationLink.FindStringSubmatch(page.Body)
	if link == nil {
		t.Fatalf("no invitation: %v", page)
	}
	_, page = at("visitors", "vera", "/")
	apptest.Contains(t, page, "by invitation only")
	_, page = at("visitors", "alice", link[1])
	apptest.Contains(t, page, "its own way to sign in")
	vera, _ := at("visitors", "vera", link[1])
	apptest.Contains(t, vera.SubmitForm("Continue", url.Values{"company": {"Customer"}}), "visitors: vera")

	interrupt()
	if !lines.Scan() || lines.Text() != "Example contacts ended." {
		t.Errorf("at the end it said %q", lines.Text())
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 {
		t.Errorf("beside the database is left: %v, %v", left, err)
	}
}
