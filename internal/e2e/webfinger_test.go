package e2e_test

import (
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The built-in sign-in page asks who the visitor is, and its form leads on to
// the provider: browsers hold all the redirects behind it against the page's
// policy.
func TestIdentifier(t *testing.T) {
	op, other := oidcrptest.NewProvider(t), oidcrptest.NewProvider(t)
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	base := "http://localhost:" + port
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL: base, SiteName: "Reports", Logger: slog.New(slog.DiscardHandler),
		WebFinger: []string{op.Issuer()},
		Providers: []oidcrp.Provider{
			{Name: "aster", DisplayName: "Aster", Issuer: op.Issuer(), Registration: &oidcrp.Registration{}},
			other.Config("banyan", base),
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(rp.Protect(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "<!doctype html><title>Reports</title><p>Hello, %s", oidcrp.FromContext(r.Context()).Subject())
	})))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)

	b := newProfile(t)
	b.open(base + "/reports")
	b.untilAt(base + "/auth/login")
	b.look("identifier")
	b.fill("#identifier", "acct:alice@"+strings.TrimPrefix(other.Issuer(), "http://")) // not one that may be asked
	b.click("main form button")
	b.untilSees("We could not find where you sign in")
	b.look("identifier-unknown")
	b.click("main a.primary")
	b.until("the sign-in page", "document.querySelector('#identifier')")
	b.fill("#identifier", "acct:alice@"+strings.TrimPrefix(op.Issuer(), "http://"))
	b.click("main form button")
	signInEmbedded(b, "alice")
	b.untilAt(base + "/reports")
	b.untilSees("Hello, alice")
}
