package main

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The application behind a proxy that terminates TLS, under another host name
// and below a path.
func TestBehindAProxy(t *testing.T) {
	const baseURL = "https://example.com/app/"
	provider := oidcrptest.NewProvider(t)
	settings := provider.Config("default", baseURL)
	handler, err := app(baseURL, [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}, oidcrp.Provider{
		Issuer: settings.Issuer, ClientID: settings.ClientID, ClientSecret: settings.ClientSecret,
	})
	if err != nil {
		t.Fatal(err)
	}
	backend := httptest.NewUnstartedServer(handler)
	backend.Config.Protocols = new(http.Protocols)
	backend.Config.Protocols.SetUnencryptedHTTP2(true)
	backend.Start()
	t.Cleanup(backend.Close)

	target, err := url.Parse(backend.URL)
	if err != nil {
		t.Fatal(err)
	}
	h2 := &http.Transport{Protocols: backend.Config.Protocols}
	t.Cleanup(h2.CloseIdleConnections)
	proxy := httptest.NewTLSServer(&httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.SetURL(target) }, // no forwarded headers
		Transport: h2,
	})
	t.Cleanup(proxy.Close)

	b := oidcrptest.NewBrowser(t)
	b.Resolve("example.com", proxy.Listener.Addr().String())
	b.Get("https://example.com/app/reports?year=2026")
	page := b.SubmitForm("alice", nil)
	if page.Status != http.StatusOK || page.URL.String() != "https://example.com/app/reports?year=2026" ||
		page.Body != "Reports for Alice Archer\n" {
		t.Errorf("%v", page)
	}
	for _, c := range b.Cookies(baseURL) {
		if !c.Secure {
			t.Errorf("cookie %s is not Secure", c.Name)
		}
	}
}
