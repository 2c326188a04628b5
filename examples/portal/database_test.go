package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts/accountstest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// databases are the values of -db, by what they are.
func databases(t *testing.T, run func(t *testing.T, db string)) {
	t.Run("SQLite", func(t *testing.T) { run(t, filepath.Join(t.TempDir(), "portal ü?.db")) })
	t.Run("PostgreSQL", func(t *testing.T) { run(t, apptest.Postgres(t)) })
}

func openTest(t *testing.T, name string) *database {
	t.Helper()
	d, err := openDatabase(name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestSessionStore(t *testing.T) {
	t.Parallel() // records take some seconds to expire
	databases(t, func(t *testing.T, db string) { oidcrptest.TestStore(t, openTest(t, db).sessions) })
	t.Run("in memory", func(t *testing.T) { oidcrptest.TestStore(t, openTest(t, "").sessions) })
}

// That invitations are listed changes nothing about the store of contacts.
func TestContactStore(t *testing.T) {
	accountstest.TestStore(t, openTest(t, "").contacts)
}

// house is where the processes of one portal are, behind a proxy that keeps
// their address. Each request goes to the next one.
type house struct {
	baseURL string
	o       options
	running atomic.Pointer[[]*url.URL]
	turn    atomic.Int32
}

func newHouse(t *testing.T, db string) (*house, *oidcrptest.Provider) {
	t.Helper()
	h := &house{}
	h.baseURL = oidcrptest.Serve(t, func(string) http.Handler {
		return &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
			all := *h.running.Load()
			r.SetURL(all[int(h.turn.Add(1))%len(all)])
		}}
	})
	provider := oidcrptest.NewProvider(t)
	client := provider.AddClient(oidcrptest.Client{
		RedirectURLs:           []string{h.baseURL + "/auth/callback/acme"},
		PostLogoutRedirectURLs: []string{h.baseURL + "/auth/logout"},
	})
	folder := t.TempDir()
	h.o = options{
		addr: "127.0.0.1:0", baseURL: h.baseURL, db: db, keys: filepath.Join(folder, "keys"),
		providers: filepath.Join(folder, "providers.json"),
	}
	text := `[{"name": "acme", "display_name": "Acme", "issuer": "` + provider.Issuer() + `",
		"client_id": "` + client.ID + `", "client_secret": "` + client.Secret + `", "keep_tokens": true}]`
	if err := os.WriteFile(h.o.providers, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return h, provider
}

// run has as many processes serve while use lasts.
func (h *house) run(t *testing.T, processes int, use func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var at []*url.URL
	var end []func() error
	for range processes {
		p, err := open(h.o)
		if err != nil {
			t.Fatal(err)
		}
		at = append(at, &url.URL{Scheme: "http", Host: p.listener.Addr().String()})
		ended := make(chan error, 1)
		go func() { ended <- p.serve(ctx, h.o) }()
		end = append(end, func() error { return errors.Join(<-ended, p.close()) })
	}
	h.running.Store(&at)
	use()
	cancel()
	for _, end := range end {
		if err := end(); err != nil {
			t.Error(err)
		}
	}
}

func TestRestart(t *testing.T) {
	databases(t, func(t *testing.T, db string) {
		h, provider := newHouse(t, db)
		provider.SignInAs("alice")
		b := oidcrptest.NewBrowser(t)
		h.run(t, 1, func() {
			at(t, enter(b, h.baseURL+"/profile"), http.StatusOK, "/profile")
			at(t, b.SubmitForm("Save", url.Values{"city": {"Lampang"}}), http.StatusOK, "/profile")
		})
		asked := provider.Calls(oidcrptest.AuthorizeEndpoint)
		h.run(t, 1, func() {
			page := b.Get(h.baseURL + "/profile")
			at(t, page, http.StatusOK, "/profile")
			contains(t, page, "Alice Archer", "this browser", "State active")
			if !strings.Contains(page.Body, `value="Lampang"`) {
				t.Error("the contact is not that of before")
			}
			if provider.Calls(oidcrptest.AuthorizeEndpoint) != asked {
				t.Error("the restart ended the session: the provider was asked again")
			}
			// This process has not talked to the provider yet, and still the page
			// lets its sign-out form lead there.
			if page := b.SubmitForm("Sign out here and at Acme", nil); page.Blocked != "" {
				t.Errorf("signing out: %v", page)
			}
			at(t, enter(b, h.baseURL+"/profile"), http.StatusOK, "/profile") // and in again: nothing is asked
		})
		info, err := os.Stat(h.o.keys)
		if err != nil {
			t.Fatal(err)
		}
		if info.Mode().Perm() != 0o600 {
			t.Errorf("the key file is readable by others: %v", info.Mode())
		}
	})
}

// Two processes behind a balancer are one portal: each request of a login,
// and of what follows, goes to the other one.
func TestTwoProcesses(t *testing.T) {
	databases(t, func(t *testing.T, db string) {
		h, provider := newHouse(t, db)
		h.run(t, 2, func() {
			provider.SignInAs("alice")
			alice := oidcrptest.NewBrowser(t)
			at(t, enter(alice, h.baseURL+"/admin/invitations"), http.StatusOK, "/admin/invitations")
			link := madeInvitation(t, alice.SubmitForm("Make an invitation", url.Values{"role": {"editor"}}))
			for range 2 {
				contains(t, alice.Get(h.baseURL+"/admin/invitations"), "Whoever has the link")
			}

			provider.SignInAs("bob")
			bob := oidcrptest.NewBrowser(t)
			at(t, enter(bob, link), http.StatusOK, "/")
			for range 2 {
				contains(t, bob.Get(h.baseURL+"/profile"), "editor", "State active")
			}
			alice.Get(h.baseURL + "/admin/contacts?q=bob@example.com")
			alice.Follow("Bob Baker")
			contains(t, alice.SubmitForm("Disable", nil), "was disabled")
			for range 2 { // gone on both
				if page := bob.Get(h.baseURL + "/profile"); page.URL.Path != "/signin" {
					t.Errorf("bob is still in: %v", page)
				}
			}
			if page := enter(bob, h.baseURL+"/profile"); page.Status != http.StatusForbidden {
				t.Errorf("bob is in again: %v", page)
			}
		})
	})
}

func TestKeys(t *testing.T) {
	file := filepath.Join(t.TempDir(), "keys")
	first, err := cookieKeys(file)
	if err != nil || len(first) != 1 || len(first[0]) != 32 {
		t.Fatalf("%d keys: %v", len(first), err)
	}
	again, err := cookieKeys(file)
	if err != nil || string(again[0]) != string(first[0]) {
		t.Errorf("other keys: %v", err)
	}
	if left, err := filepath.Glob(file + "*"); err != nil || len(left) != 1 {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := os.WriteFile(file, []byte("not a key"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := cookieKeys(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("took a file of no key: %v", err)
	}
	if _, err := cookieKeys(filepath.Join(file, "below")); err == nil || !strings.Contains(err.Error(), "-keys") {
		t.Errorf("made keys in a folder that is not: %v", err)
	}
	for o, want := range map[options]string{
		{}:                              "",
		{db: "portal.db"}:               "portal.db.key",
		{db: "portal.db", keys: "k"}:    "k",
		{db: "postgres://x", keys: "k"}: "k",
	} {
		if name, err := o.keyFile(); err != nil || name != want {
			t.Errorf("%+v: %q %v", o, name, err)
		}
	}
}

// An outage of the database is a page with a reference, and signs nobody out.
func TestDatabaseOutage(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "alice")
	if _, err := p.db.Exec(`ALTER TABLE accounts_contacts RENAME TO away`); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/profile", "/admin/contacts"} {
		page := b.Get(p.url() + path)
		at(t, page, http.StatusServiceUnavailable, path)
		contains(t, page, "Temporarily unavailable", "quote this reference")
		lacks(t, page, "accounts_contacts", "SQL")
		if page.Header.Get("Retry-After") == "" {
			t.Error("no Retry-After")
		}
	}
	other := oidcrptest.NewBrowser(t)
	if page := signIn(other, p, "/profile", "Continue with Aster", "bob"); page.Status != http.StatusServiceUnavailable {
		t.Errorf("a login without contacts: %v", page)
	}
	if _, err := p.db.Exec(`ALTER TABLE away RENAME TO accounts_contacts`); err != nil {
		t.Fatal(err)
	}
	at(t, b.Get(p.url()+"/profile"), http.StatusOK, "/profile")
}
