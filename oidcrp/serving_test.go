package oidcrp_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// serving is newApp with a handler of the test's own at path below the host.
// What handler returns gets every request as it is: Load is its business.
func serving(t *testing.T, op *oidcrptest.Provider, path string, change func(*oidcrp.Config), handler func(*app) http.Handler) *app {
	t.Helper()
	a, srv := newAppAt(t, op, "http", path, change)
	srv.Config.Handler = handler(a)
	srv.Start()
	return a
}

// pages is an application of handlers by pattern, behind Load.
func (a *app) pages(handlers map[string]http.HandlerFunc) http.Handler {
	mux := http.NewServeMux()
	for pattern, h := range handlers {
		mux.Handle(pattern, h)
	}
	if _, ok := handlers["/"]; !ok {
		mux.Handle("/", a.handler())
	}
	return a.rp.Load(mux)
}

// offline is a relying party whose provider nobody asks.
func offline(t *testing.T, change func(*oidcrp.Config)) *oidcrp.RelyingParty {
	t.Helper()
	cfg := oidcrp.Config{
		BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)},
		Providers: []oidcrp.Provider{{Name: "main", Issuer: "https://op.example", ClientID: "app", RolesClaim: "roles"}},
		Logger:    slog.New(slog.DiscardHandler),
	}
	if change != nil {
		change(&cfg)
	}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rp
}

// ask sends one request to h with the cookie of user, who may be nil.
func ask(rp *oidcrp.RelyingParty, h http.Handler, user *oidcrptest.User, method, target string, header ...string) *httptest.ResponseRecorder {
	r := httptest.NewRequest(method, target, nil)
	for i := 0; i < len(header); i += 2 {
		r.Header.Add(header[i], header[i+1])
	}
	if user != nil {
		r.AddCookie(oidcrptest.Cookie(rp, "", *user))
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

// raw sends a request as it is written, over a connection of its own.
func (a *app) raw(request string) *http.Response {
	a.t.Helper()
	res, _ := a.rawConn(request)
	return res
}

func (a *app) rawConn(request string) (*http.Response, net.Conn) {
	a.t.Helper()
	conn := a.write(request)
	method, _, _ := strings.Cut(request, " ")
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		a.t.Fatalf("%q: %v", request, err)
	}
	return res, conn
}

// write opens a connection on which the answer to a request comes.
func (a *app) write(request string) net.Conn {
	a.t.Helper()
	u, err := url.Parse(a.URL)
	if err != nil {
		a.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", u.Host)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { conn.Close() })
	conn.SetDeadline(time.Now().Add(30 * time.Second))
	if _, err := io.WriteString(conn, request); err != nil {
		a.t.Fatal(err)
	}
	return conn
}

// with makes the request of a program that has the cookies of b.
func (a *app) with(b *oidcrptest.Browser, method, path string, header ...string) *http.Response {
	a.t.Helper()
	return a.sent(b, method, path, nil, header...)
}

// sent is with for a request that has a form, which may be nil.
func (a *app) sent(b *oidcrptest.Browser, method, path string, form url.Values, header ...string) *http.Response {
	a.t.Helper()
	req, err := http.NewRequestWithContext(context.Background(), method, a.URL+path, strings.NewReader(form.Encode()))
	if err != nil {
		a.t.Fatal(err)
	}
	if form != nil {
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	if b != nil {
		for _, c := range b.Cookies(a.URL + path) {
			req.AddCookie(&http.Cookie{Name: c.Name, Value: c.Value})
		}
	}
	for i := 0; i < len(header); i += 2 {
		req.Header.Add(header[i], header[i+1])
	}
	// It dials loopback only. A server that is to close the connection does not
	// wait for the rest of a request: so it is not told to.
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	a.t.Cleanup(tr.CloseIdleConnections)
	res, err := tr.RoundTrip(req)
	if err != nil {
		a.t.Fatal(err)
	}
	a.t.Cleanup(func() { res.Body.Close() })
	return res
}

// cookieHeader is a Cookie line with one cookie.
func cookieHeader(c *http.Cookie) string { return fmt.Sprintf("%s=%s", c.Name, c.Value) }

// plant puts a session cookie of somebody into a browser.
func (a *app) plant(b *oidcrptest.Browser, name, value string) {
	a.t.Helper()
	b.SetCookie(a.URL+"/", name+"="+value+"; Path=/; HttpOnly; SameSite=Lax")
}

// evil is a page of an attacker, another site than the application's.
func evil(b *oidcrptest.Browser, html string) *oidcrptest.Page {
	return b.Show("https://evil.example/", html)
}
