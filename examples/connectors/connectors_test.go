package connectors_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/examples/connectors"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func open(tb testing.TB) (*connectors.Table, *sql.DB) {
	tb.Helper()
	db, err := sql.Open("sqlite", "file:"+filepath.Join(tb.TempDir(), "connectors.db")+"?_pragma=busy_timeout(5000)&_pragma=journal_mode(wal)")
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { db.Close() })
	table, err := connectors.Open(context.Background(), db)
	if err != nil {
		tb.Fatal(err)
	}
	return table, db
}

// registered is a connector to a provider where the application was registered.
func registered(op *oidcrptest.Provider, baseURL, name string, domains ...string) connectors.Connector {
	p := op.Config(name, baseURL)
	return connectors.Connector{Name: name, Issuer: p.Issuer, ClientID: p.ClientID, ClientSecret: p.ClientSecret, EmailDomains: domains}
}

// A connector is added, changed and removed while the application runs.
func TestConnectorsComeAndGo(t *testing.T) {
	table, _ := open(t)
	a := apptest.Start(t, func(baseURL string, own oidcrp.Provider) (http.Handler, error) {
		own.Name = "default"
		rp, err := oidcrp.New(oidcrp.Config{
			BaseURL: baseURL, CookieKeys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")},
			Providers: []oidcrp.Provider{own}, ProviderSource: table, SingleSignOn: true,
		})
		if err != nil {
			return nil, err
		}
		return rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s := oidcrp.FromContext(r.Context())
			fmt.Fprintf(w, "%s by %s", s.Subject(), s.Provider())
		})), nil
	})
	acme := oidcrptest.NewProvider(t)
	acme.AddUser(oidcrptest.User{Subject: "anna", Email: "anna@bücher.example", EmailVerified: true})
	acme.SignInAs("anna")
	ctx := context.Background()
	typed := func(b *oidcrptest.Browser) *oidcrptest.Page {
		b.Get(a.URL + "/")
		return b.SubmitForm("Single sign-on", url.Values{"identifier": {"anna@bücher.example"}})
	}
	apptest.Contains(t, typed(a.Browser), "No organization signs in with this address here")

	c := registered(acme, a.URL, "acme", "BÜCHER.example.")
	if redirect := connectors.RedirectURL(a.URL, "acme"); redirect != a.URL+"/auth/callback/acme" {
		t.Error(redirect)
	}
	if err := table.Add(ctx, c); err != nil {
		t.Fatal(err)
	}
	apptest.Contains(t, typed(a.Browser), "anna by acme")

	// Nobody comes in elsewhere with an address of acme's.
	a.Provider.AddUser(oidcrptest.User{Subject: "eve", Email: "eve@xn--bcher-kva.example"})
	a.Provider.SignInAs("eve")
	apptest.Contains(t, oidcrptest.NewBrowser(t).Get(a.URL+"/auth/login?provider=default"), "its own way to sign in")

	c.ClientSecret, c.DisplayName, c.Listed = "", "Acme Ltd", true
	if err := table.Change(ctx, c); err != nil {
		t.Fatal(err)
	}
	b := oidcrptest.NewBrowser(t)
	apptest.Contains(t, b.Get(a.URL+"/"), "Sign in with Acme Ltd")
	apptest.Contains(t, b.Follow("Sign in with Acme Ltd"), "anna by acme")

	if err := table.Remove(ctx, "acme"); err != nil {
		t.Fatal(err)
	}
	if page := oidcrptest.NewBrowser(t).Get(a.URL + "/auth/login?provider=acme"); strings.Contains(page.Text(), "Acme") {
		t.Errorf("%s", page)
	}
	apptest.Contains(t, typed(oidcrptest.NewBrowser(t)), "No organization signs in with this address here")
}

func TestConnectorsAreChecked(t *testing.T) {
	table, db := open(t)
	ctx := context.Background()
	good := connectors.Connector{Name: "acme", Issuer: "https://login.acme.example", ClientID: "app", ClientSecret: "s3cret",
		Scopes: "phone+address", EmailDomains: []string{"Acme.example"}}
	if err := table.Add(ctx, good); err != nil {
		t.Fatal(err)
	}
	if err := table.Add(ctx, good); !errors.Is(err, connectors.ErrExists) {
		t.Errorf("twice: %v", err)
	}
	other := good
	other.Name = "other"
	if err := table.Add(ctx, other); !errors.Is(err, connectors.ErrDomain) {
		t.Errorf("another's domain: %v", err)
	}
	if _, err := table.Find(ctx, "other"); !errors.Is(err, connectors.ErrMissing) {
		t.Errorf("half of it was added: %v", err)
	}
	if err := table.Change(ctx, other); !errors.Is(err, connectors.ErrMissing) {
		t.Errorf("changed nobody: %v", err)
	}
	bad := connectors.Connector{Name: "No Name", Issuer: "http://plain.example", EmailDomains: []string{"gmail.com", "a@b.example"}}
	err := table.Add(ctx, bad)
	for _, want := range []string{"Name", "Issuer", "ClientID", "ClientSecret", "public mail service", "is no mail domain"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if err := (connectors.Connector{}).Check(); err == nil || !strings.Contains(err.Error(), "Name") {
		t.Errorf("%v", err)
	}

	p, err := table.Provider(ctx, "acme")
	if err != nil || p.Version == "" || fmt.Sprint(p.Scopes) != "[openid profile email phone address]" || p.ClientSecret != "s3cret" {
		t.Errorf("%+v %v", p, err)
	}
	all, err := table.All(ctx, "", 10)
	if err != nil || len(all) != 1 || all[0].ClientSecret != "" || fmt.Sprint(all[0].EmailDomains) != "[acme.example]" {
		t.Errorf("%+v %v", all, err)
	}
	if _, err := table.Provider(ctx, "nobody"); !errors.Is(err, oidcrp.ErrNoProvider) {
		t.Errorf("%v", err)
	}
	if found, err := table.ByIssuer(ctx, good.Issuer); err != nil || len(found) != 1 {
		t.Errorf("%v %v", found, err)
	}
	db.Close()
	if _, err := table.Provider(ctx, "acme"); err == nil || errors.Is(err, oidcrp.ErrNoProvider) {
		t.Errorf("a closed database: %v", err)
	}
}

// The first login at one of 100,000 connectors: the source's answer, building
// the provider, and a whole login at one that answers at once, whose own time is
// in it.
func BenchmarkFirstLogin(b *testing.B) {
	table, db := open(b)
	op := oidcrptest.NewProvider(b)
	op.SignInAs("alice")
	ctx := context.Background()
	tx, err := db.Begin()
	if err != nil {
		b.Fatal(err)
	}
	const many = 100_000
	for i := range many {
		if _, err := tx.Exec(`INSERT INTO connectors VALUES (?, '', ?, 'x', 's', '', 0, 0, '1')`, fmt.Sprintf("t%d", i), op.Issuer()); err != nil {
			b.Fatal(err)
		}
	}
	if err := tx.Commit(); err != nil {
		b.Fatal(err)
	}
	a := apptest.Start(b, func(baseURL string, _ oidcrp.Provider) (http.Handler, error) {
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: baseURL, CookieKeys: [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, ProviderSource: table})
		if err != nil {
			return nil, err
		}
		return rp.Protect(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})), nil
	})
	i := 0
	for b.Loop() {
		b.StopTimer()
		i++
		c := registered(op, a.URL, fmt.Sprintf("t%d", i%many))
		if err := table.Change(ctx, c); err != nil {
			b.Fatal(err)
		}
		browser := oidcrptest.NewBrowser(b)
		b.StartTimer()
		if page := browser.Get(a.URL + "/auth/login?provider=" + c.Name); page.Status != http.StatusOK {
			b.Fatal(page)
		}
	}
}

// Whoever may change a connector could else have its secret sent to a provider
// of their own.
func TestSecretStaysWithItsIssuer(t *testing.T) {
	table, _ := open(t)
	ctx := context.Background()
	c := connectors.Connector{Name: "acme", Issuer: "https://idp.acme.example", ClientID: "x", ClientSecret: "s3cret"}
	if err := table.Add(ctx, c); err != nil {
		t.Fatal(err)
	}
	c.ClientSecret, c.DisplayName = "", "Acme"
	if err := table.Change(ctx, c); err != nil {
		t.Fatal(err)
	}
	moved := c
	moved.Issuer = "https://evil.example"
	if err := table.Change(ctx, moved); !errors.Is(err, connectors.ErrSecret) {
		t.Errorf("moved with its secret: %v", err)
	}
	p, err := table.Provider(ctx, "acme")
	if err != nil || p.Issuer != c.Issuer || p.ClientSecret != "s3cret" {
		t.Errorf("%v at %s", err, p.Issuer)
	}
	moved.ClientSecret = "another"
	if err := table.Change(ctx, moved); err != nil {
		t.Error(err)
	}
}
