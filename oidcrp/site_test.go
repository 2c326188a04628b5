package oidcrp_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The ways an application gets behind a path of its host.
func TestBaseURLWithAPath(t *testing.T) {
	inner := func(a *app, prefix string) http.Handler {
		mux := http.NewServeMux()
		mux.HandleFunc(prefix+"/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "home of ", name(r)) })
		mux.Handle(prefix+"/reports", a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			fmt.Fprintf(w, "reports for %s, %s", name(r), r.URL.Query().Get("x"))
		})))
		return mux
	}
	cut := func(h http.Handler) http.Handler { // as "proxy_pass http://app/;" does
		return &httputil.ReverseProxy{
			Rewrite: func(r *httputil.ProxyRequest) {
				r.Out.URL.Path = strings.TrimPrefix(r.In.URL.Path, "/app")
				r.Out.URL.RawPath = ""
				r.Out.URL.Host, r.Out.URL.Scheme = "internal:8080", "http"
				r.Out.Host = "internal:8080"
			},
			Transport: roundTripper(func(r *http.Request) (*http.Response, error) { return answerTo(h, r) }),
		}
	}
	for name, handler := range map[string]func(a *app) http.Handler{
		"proxy passes the path on": func(a *app) http.Handler { return a.rp.Load(inner(a, "/app")) },
		"proxy cuts the path off":  func(a *app) http.Handler { return cut(a.rp.Load(inner(a, ""))) },
		"StripPrefix outside":      func(a *app) http.Handler { return http.StripPrefix("/app", a.rp.Load(inner(a, ""))) },
		"StripPrefix inside":       func(a *app) http.Handler { return a.rp.Load(http.StripPrefix("/app", inner(a, ""))) },
		"mounted by itself": func(a *app) http.Handler {
			mux := http.NewServeMux()
			mux.Handle("/app/auth/", a.rp)
			mux.Handle("/app/", a.rp.Load(inner(a, "/app")))
			return mux
		},
	} {
		t.Run(name, func(t *testing.T) {
			a := serving(t, oidcrptest.NewProvider(t), "/app", nil, handler)
			b := a.browse()
			page := b.Get(a.URL + "/reports?x=1")
			a.shows(page, "reports for alice, 1")
			if page.URL.String() != a.URL+"/reports?x=1" {
				t.Errorf("ended at %s", page.URL)
			}
			if got := a.requests()[0].Get("redirect_uri"); got != a.URL+"/auth/callback/test" {
				t.Errorf("redirect_uri %s", got)
			}
			a.shows(b.Get(a.URL+"/"), "home of alice")
			a.shows(b.Get(a.URL+"/auth/me"), `"logout":"`+a.URL+`/auth/logout"`)
			b.Get(a.URL + "/")
			page = b.PostForm(a.URL+"/auth/logout", url.Values{"return_to": {"/app/bye"}})
			a.shows(page, "home of nobody")
			if page.URL.String() != a.URL+"/bye" {
				t.Errorf("ended at %s", page.URL)
			}
			if got := a.asked(); got.Get("post_logout_redirect_uri") != a.URL+"/auth/logout" || got.Get("id_token_hint") == "" {
				t.Errorf("%v", got)
			}
			a.shows(a.browse().Get(a.URL+"/auth/login?return_to=/outside"), "home of alice") // not our site
			a.shows(a.browse().Get(a.URL+"/auth/login"), "home of alice")
			page = b.Get(a.URL + "/auth/nowhere")
			a.answers(page, http.StatusNotFound, "Page not found")
			if len(page.Links()) == 0 || page.Links()[0].URL.Path != "/app/" {
				t.Errorf("its home is %v", page.Links())
			}
		})
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// Nothing is decided by what a client can write.
func spoofedHeadersChangeNothing(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].PAR = oidcrp.Refused })
	host := mustParse(t, a.URL).Host
	b := a.signIn()
	session := cookieHeader(a.sessionCookie(b))
	bare := func(h http.Header) string {
		var kept []string
		for _, line := range h.Values("Set-Cookie") {
			name, rest, _ := strings.Cut(line, "=")
			_, attributes, _ := strings.Cut(rest, ";")
			kept = append(kept, name+attributes)
		}
		slices.Sort(kept)
		return strings.Join(kept, "\n")
	}
	start := func(header string) (redirectURI, cookies string) {
		t.Helper()
		res := a.raw("GET /reports HTTP/1.1\r\nAccept: text/html\r\nConnection: close\r\n" + header + "\r\n")
		to, err := url.Parse(res.Header.Get("Location"))
		if err != nil || res.StatusCode != http.StatusFound || !strings.HasPrefix(to.String(), a.op.Issuer()) {
			t.Fatalf("%q: %d %s", header, res.StatusCode, to)
		}
		return to.Query().Get("redirect_uri"), bare(res.Header)
	}
	wantURI, wantCookies := start("Host: " + host + "\r\n")
	if wantURI != a.URL+"/auth/callback/test" || wantCookies == "" {
		t.Fatalf("%q %q", wantURI, wantCookies)
	}
	for _, header := range []string{
		"Host: evil.example\r\n",
		"Host: evil.example:443\r\n",
		"Host: " + host + "\r\nX-Forwarded-Host: evil.example\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Port: 443\r\nX-Forwarded-Prefix: /evil\r\n",
		"Host: " + host + "\r\nForwarded: host=evil.example;proto=https;for=127.0.0.1\r\n",
		"Host: " + host + "\r\nX-Original-Host: evil.example\r\nX-Host: evil.example\r\nX-Real-IP: 127.0.0.1\r\nX-Forwarded-For: 127.0.0.1\r\n",
		"Host: " + host + "\r\nX-Forwarded-Uri: https://evil.example/\r\nX-Original-URL: //evil.example\r\nX-Rewrite-URL: //evil.example\r\nX-HTTP-Method-Override: POST\r\n",
	} {
		if uri, cookies := start(header); uri != wantURI || cookies != wantCookies {
			t.Errorf("%q: redirect_uri %s\n%s", header, uri, cookies)
		}
		res := a.raw("GET /auth/me HTTP/1.1\r\nCookie: " + session + "\r\nConnection: close\r\n" + header + "\r\n")
		if body, _ := io.ReadAll(res.Body); res.StatusCode != 200 || !strings.Contains(string(body), a.URL+"/auth/logout") || strings.Contains(string(body), "evil") {
			t.Errorf("%q: %d %s", header, res.StatusCode, body)
		}
		res = a.raw("POST /auth/logout HTTP/1.1\r\nConnection: close\r\nSec-Fetch-Site: same-origin\r\nContent-Length: 0\r\n" + header + "\r\n")
		if to := res.Header.Get("Location"); to != a.URL+"/auth/logout" {
			t.Errorf("%q: signing out leads to %s", header, to)
		}
		// A page of the host the header names is no page of ours.
		res = a.raw("POST /reports HTTP/1.1\r\nCookie: " + session + "\r\nOrigin: https://evil.example\r\nConnection: close\r\nContent-Length: 0\r\n" + header + "\r\n")
		if res.StatusCode != http.StatusForbidden {
			t.Errorf("%q: a foreign POST gets %d", header, res.StatusCode)
		}
	}
	res := a.raw("GET http://evil.example/reports HTTP/1.1\r\nHost: " + host + "\r\nAccept: text/html\r\nConnection: close\r\n\r\n")
	if to := res.Header.Get("Location"); strings.Contains(to, "evil") {
		t.Errorf("an absolute request line leads to %s", to)
	}
	res = a.raw("GET /reports HTTP/1.1\r\nHost: a\r\nHost: b\r\nConnection: close\r\n\r\n")
	if res.StatusCode != http.StatusBadRequest {
		t.Errorf("two hosts: %d", res.StatusCode)
	}
}

func TestOwnPrefixAndRedirectPath(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Prefix = "/account/oidc"
		c.Providers[0].RedirectPath = "/signin-oidc"
	})
	client := a.op.Clients()[0]
	client.RedirectURLs, client.PostLogoutRedirectURLs = []string{a.URL + "/signin-oidc"}, []string{a.URL + "/account/oidc/logout"}
	a.op.AddClient(client)
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports?x=1"), "reports for alice at /reports?x=1")
	a.shows(b.Get(a.URL+"/account/oidc/me"), `"sub":"alice"`)
	a.shows(b.Get(a.URL+"/auth/me"), "home of alice") // the application's own now
	b.Get(a.URL + "/")
	a.shows(b.PostForm(a.URL+"/account/oidc/logout", nil), "You are signed out")
	a.calls(oidcrptest.EndSessionEndpoint, 1)
	want := []oidcrp.Addresses{{Provider: "test", Redirect: a.URL + "/signin-oidc", PostLogout: a.URL + "/account/oidc/logout", Initiate: a.URL + "/account/oidc/initiate"}}
	if got := a.rp.RedirectURLs(); !slices.Equal(got, want) {
		t.Errorf("to be registered: %+v", got)
	}
	a.shows(b.Get(a.URL+"/account/oidc/login?return_to=/signin-oidc"), "home of alice") // no page to return to
}

func TestMountedByItself(t *testing.T) {
	a := serving(t, oidcrptest.NewProvider(t), "", nil, func(a *app) http.Handler {
		mux := http.NewServeMux()
		mux.Handle("/auth/", a.rp)
		mux.Handle("/reports", a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "reports for ", name(r)) })))
		mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, "home of ", name(r)) })
		return mux
	})
	b := a.browse()
	a.shows(b.Get(a.URL+"/reports"), "reports for alice")
	a.shows(b.Get(a.URL+"/"), "home of nobody") // nothing was loaded there
	a.answers(b.Get(a.URL+"/auth/x"), http.StatusNotFound, "Page not found")
	b.Get(a.URL + "/auth/logout")
	a.shows(b.SubmitForm("Sign out", nil), "You are signed out")
}

func TestOurAddresses(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	tests := []struct {
		method, path string
		status       int
		allow        string
	}{
		{"HEAD", "/auth/login", 302, ""},
		{"HEAD", "/auth/logout", 200, ""},
		{"HEAD", "/auth/me", 401, ""},
		{"POST", "/auth/login", 405, "GET"},
		{"POST", "/auth/me", 405, "GET"},
		{"DELETE", "/auth/me", 405, "GET"},
		{"PUT", "/auth/logout", 405, "GET, POST"},
		{"DELETE", "/auth/logout", 405, "GET, POST"},
		{"OPTIONS", "/auth/logout", 405, "GET, POST"},
		{"TRACE", "/auth/callback/test", 405, "GET, POST"},
		{"DELETE", "/auth/callback/test", 405, "GET, POST"},
		{"get", "/auth/me", 405, "GET"},
		{"GET", "/auth", 404, ""},
		{"GET", "/auth/", 404, ""},
		{"GET", "/auth/nowhere", 404, ""},
		{"GET", "/auth/login/", 404, ""},
		{"GET", "/auth/%6cogin", 404, ""},
		{"GET", "/auth/Login", 404, ""},
		{"GET", "/auth/callback", 404, ""},
		{"GET", "/auth/callback/", 404, ""},
		{"GET", "/auth/callback/other", 404, ""},
		{"GET", "/auth/callback/test/x", 404, ""},
		{"POST", "/auth/nowhere", 404, ""},
		{"GET", "/auth//me", 404, ""},
		{"GET", "/authentic", 200, ""}, // the application's
		{"GET", "/AUTH/me", 200, ""},
	}
	for _, tt := range tests {
		for _, accept := range []string{"text/html", "application/json"} {
			if tt.path == "/auth/login" && accept != "text/html" {
				continue
			}
			res := a.with(nil, tt.method, tt.path, "Accept", accept)
			if res.StatusCode != tt.status || res.Header.Get("Allow") != tt.allow {
				t.Errorf("%s %s: %d, Allow %q, want %d, %q", tt.method, tt.path, res.StatusCode, res.Header.Get("Allow"), tt.status, tt.allow)
			}
			if tt.status >= 400 && (res.Header.Get("Cache-Control") != "no-store" || res.Header.Get("X-Content-Type-Options") != "nosniff") {
				t.Errorf("%s %s: %v", tt.method, tt.path, res.Header)
			}
		}
	}
	if n := len(a.events.of(oidcrp.LoginFailed)) + len(a.events.of(oidcrp.AccessDenied)); n != 0 {
		t.Errorf("%d events about strangers' typing", n)
	}
}

func addressesAreCleanAfterALogin(t *testing.T) {
	for _, mode := range []string{"query", "form_post"} {
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode })
		page := a.browse().Get(a.URL + "/reports")
		for _, name := range []string{"code", "state", "iss"} {
			if page.URL.Query().Has(name) {
				t.Errorf("%s: ended at %s", mode, page.URL)
			}
		}
		for _, hop := range page.Trail {
			if strings.Contains(hop.URL.Path, "/callback/") && hop.Response.Get("Referrer-Policy") != "no-referrer" {
				t.Errorf("%s: Referrer-Policy %q", mode, hop.Response.Get("Referrer-Policy"))
			}
		}
	}
}
