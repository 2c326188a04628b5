package oidcrp_test

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// web is all that there is to call for an application: documents by address. It
// notes what was asked for.
type web struct {
	mu    sync.Mutex
	pages map[string]any
	asked []string
}

func (w *web) RoundTrip(r *http.Request) (*http.Response, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.URL.String())
	page, ok := w.pages[r.URL.String()]
	if !ok {
		return nil, errors.New("there is no such host")
	}
	b, err := json.Marshal(page)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Content-Type": {"application/json"}}, Body: io.NopCloser(strings.NewReader(string(b))), Request: r}, nil
}

// others are the hosts asked but one.
func (w *web) others(but string) (hosts []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, address := range w.asked {
		if !strings.HasPrefix(address, but+"/") {
			hosts = append(hosts, address)
		}
	}
	return hosts
}

const publicIssuer = "https://op.example"

// publicMetadata is that of a provider on the Internet.
func publicMetadata(change func(map[string]any)) *web {
	m := map[string]any{"issuer": publicIssuer, "authorization_response_iss_parameter_supported": true}
	for _, name := range metadataEndpoints {
		m[name] = publicIssuer + "/" + name
	}
	change(m)
	return &web{pages: map[string]any{
		publicIssuer + "/.well-known/openid-configuration":      m,
		publicIssuer + "/jwks_uri":                              map[string]any{"keys": []any{map[string]any{"kty": "OKP", "crv": "Ed25519", "x": b64(make([]byte, 32))}}},
		publicIssuer + "/pushed_authorization_request_endpoint": map[string]any{"request_uri": "urn:x"},
	}}
}

var metadataEndpoints = []string{
	"authorization_endpoint", "token_endpoint", "jwks_uri", "userinfo_endpoint", "end_session_endpoint",
	"pushed_authorization_request_endpoint", "revocation_endpoint", "check_session_iframe",
}

func hostileMetadata(t *testing.T) {
	hostile := map[string]string{
		"a script": "javascript:alert(1)", "data": "data:text/html,x", "a file": "file:///etc/passwd", "another scheme": "gopher://op.example/x",
		"plain http": "http://op.example/x", "a user": "https://user:secret@op.example/x", "another host behind a user": "https://op.example@evil.example/x",
		"a fragment": "https://op.example/x#y", "an empty fragment": "https://op.example/x#", "link-local": "https://169.254.169.254/latest/meta-data",
		"link-local, IPv6": "https://[fe80::1]/x", "this machine": "https://127.0.0.1/x", "this machine by http": "http://127.0.0.1:6379/x",
		"localhost": "https://localhost/x", "localhost with a dot": "https://localhost./x", "below localhost": "https://x.localhost/x",
		"this machine, IPv6": "https://[::1]/x", "this machine, IPv4 in IPv6": "https://[::ffff:127.0.0.1]/x", "link-local, IPv4 in IPv6": "https://[::ffff:169.254.169.254]/x",
		"nowhere": "https://0.0.0.0/x", "nowhere, IPv4 in IPv6": "https://[::ffff:0.0.0.0]/x", "multicast": "https://224.0.0.1/x", "opaque": "https:op.example/x", "no scheme": "//op.example/x", "a path": "/x",
		"no host": "https:///x", "a port alone": "https://:443/x", "a backslash": `https://op.example\@evil.example/x`, "a blank": "https://op.example/ x",
		"a line break": "https://op.example/x\r\nX: y", "a port that is none": "https://op.example:x/", "2 kB": "https://op.example/" + strings.Repeat("x", 2048),
	}
	login := func(t *testing.T, w *web) (*httptest.ResponseRecorder, string) {
		t.Helper()
		seen := &record{}
		rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, HTTPClient: &http.Client{Transport: w},
			Logger: slog.New(slog.NewTextHandler(seen, nil)), Providers: []oidcrp.Provider{{Issuer: publicIssuer, ClientID: "c", ClientSecret: "s"}}})
		if err != nil {
			t.Fatal(err)
		}
		return ask(rp, rp, nil, "GET", "/auth/login", navigate...), seen.String()
	}
	t.Run("as it should be", func(t *testing.T) {
		w, log := login(t, publicMetadata(func(map[string]any) {}))
		if to := w.Header().Get("Location"); w.Code != http.StatusFound || !strings.HasPrefix(to, publicIssuer+"/authorization_endpoint?") {
			t.Errorf("%d %s\nlog: %s", w.Code, to, log)
		}
	})
	for _, endpoint := range metadataEndpoints {
		for name, address := range hostile {
			t.Run(endpoint+" "+name, func(t *testing.T) {
				all := publicMetadata(func(m map[string]any) { m[endpoint] = address })
				w, log := login(t, all)
				if w.Code != http.StatusInternalServerError || w.Header().Get("Location") != "" {
					t.Errorf("%d to %q", w.Code, w.Header().Get("Location"))
				}
				if strings.Contains(w.Body.String(), address) || !strings.Contains(log, "reason=misconfigured") || !strings.Contains(log, endpoint) {
					t.Errorf("%s\nlog: %s", w.Body, log)
				}
				if asked := all.asked; len(asked) != 1 {
					t.Errorf("asked %q", asked)
				}
			})
		}
	}
}

// inside answers every question for an address with one of this machine or its
// neighbours (RFC 1035 4.1).
func inside(addr netip.Addr) func(question []byte) []byte {
	return func(q []byte) []byte {
		end := 12
		for end < len(q) && q[end] != 0 {
			end += 1 + int(q[end])
		}
		end += 5 // the root, type and class
		kind, bytes := uint16(28), addr.AsSlice()
		if addr.Is4() {
			kind = 1
		}
		a := append([]byte{q[0], q[1], 0x81, 0x80, 0, 1, 0, 0, 0, 0, 0, 0}, q[12:end]...)
		if binary.BigEndian.Uint16(q[end-4:]) == kind {
			a[7] = 1
			a = append(a, 0xc0, 12, 0, byte(kind), 0, 1, 0, 0, 0, 0, 0, byte(len(bytes)))
			a = append(a, bytes...)
		}
		return a
	}
}

// resolve lets names lead to addr, and counts questions for a name.
func resolve(t *testing.T, addr netip.Addr) (questions *atomic.Int32) {
	t.Helper()
	questions = &atomic.Int32{}
	answer, was := inside(addr), net.DefaultResolver
	net.DefaultResolver = &net.Resolver{PreferGo: true, Dial: func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		go func() {
			defer server.Close()
			for {
				var size [2]byte
				if _, err := io.ReadFull(server, size[:]); err != nil {
					return
				}
				q := make([]byte, binary.BigEndian.Uint16(size[:]))
				if _, err := io.ReadFull(server, q); err != nil {
					return
				}
				questions.Add(1)
				a := answer(q)
				if _, err := server.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(a))), a...)); err != nil {
					return
				}
			}
		}()
		return client, nil
	}}
	t.Cleanup(func() { net.DefaultResolver = was })
	return questions
}

// namesThatLeadInside belong to tenants: what a name said yesterday does not
// count, but where it leads when it is dialled.
func namesThatLeadInside(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var connections atomic.Int32
	go func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			connections.Add(1)
			c.Close()
		}
	}()
	t.Cleanup(func() { ln.Close() })
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	for _, addr := range []string{"127.0.0.1", "::1", "169.254.169.254", "10.0.0.1", "192.168.1.1", "100.64.0.1", "fd00::1", "fe80::1", "::ffff:127.0.0.1", "0.0.0.0"} {
		t.Run(addr, func(t *testing.T) {
			questions := resolve(t, netip.MustParseAddr(addr))
			rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet,
				Providers: []oidcrp.Provider{{Issuer: "https://tenant.example:" + port, ClientID: "c", ClientSecret: "s", TenantSupplied: true}}})
			if err != nil {
				t.Fatal(err)
			}
			w := ask(rp, rp, nil, "GET", "/auth/login", navigate...)
			if w.Code != http.StatusServiceUnavailable || w.Header().Get("Location") != "" {
				t.Errorf("%d %s", w.Code, w.Body)
			}
			if text := rp.Status().Providers[0].LastError; !strings.Contains(text, "not public") {
				t.Errorf("the operator learns %q", text)
			}
			if questions.Load() == 0 {
				t.Error("the name was not looked up: nothing was tried")
			}
		})
	}
	if n := connections.Load(); n != 0 {
		t.Errorf("%d connections to this machine", n)
	}
}

// issuersFromUserInput name providers that are not the application's.
func issuersFromUserInput(t *testing.T) {
	all := publicMetadata(func(map[string]any) {})
	rp, err := oidcrp.New(oidcrp.Config{BaseURL: "https://app.example", CookieKeys: [][]byte{key(1)}, Logger: quiet, HTTPClient: &http.Client{Transport: all},
		SingleSignOn: true, WebFinger: []string{"people.example"},
		Providers: []oidcrp.Provider{
			{Name: "op", Issuer: publicIssuer, ClientID: "c", ClientSecret: "s", EmailDomains: []string{"corp.example"}},
			{Name: "other", Issuer: "https://other.example", ClientID: "c", ClientSecret: "s"},
		}})
	if err != nil {
		t.Fatal(err)
	}
	for name, target := range map[string]string{
		"initiation":                     "/auth/initiate?iss=https://evil.example",
		"initiation inside":              "/auth/initiate?iss=http://169.254.169.254/",
		"initiation, behind a user":      "/auth/initiate?iss=" + url.QueryEscape(publicIssuer+"@evil.example"),
		"initiation, a slash more":       "/auth/initiate?iss=" + url.QueryEscape(publicIssuer+"/"),
		"a provider":                     "/auth/login?provider=https://evil.example",
		"an address":                     "/auth/login?identifier=alice@evil.example",
		"an address below a domain":      "/auth/login?identifier=alice@corp.example.evil.example",
		"an address with two signs":      "/auth/login?identifier=alice@people.example@evil.example",
		"an address with another port":   "/auth/login?identifier=acct:alice@people.example:6379",
		"a web address":                  "/auth/login?identifier=https://evil.example/alice",
		"a web address inside":           "/auth/login?identifier=http://169.254.169.254/latest",
		"a web address behind a user":    "/auth/login?identifier=" + url.QueryEscape("https://people.example@evil.example/"),
		"a web address with a backslash": "/auth/login?identifier=" + url.QueryEscape(`https://evil.example\people.example/`),
	} {
		t.Run(name, func(t *testing.T) {
			w := ask(rp, rp, nil, "GET", target, navigate...)
			if to := w.Header().Get("Location"); w.Code == http.StatusFound && !strings.HasPrefix(to, "https://app.example/") || w.Code >= 500 {
				t.Errorf("%d to %s: %s", w.Code, to, w.Body)
			}
			if strings.Contains(w.Body.String(), "evil.example") && w.Code != http.StatusOK {
				t.Errorf("reflected: %s", w.Body)
			}
			if len(all.asked) != 0 {
				t.Errorf("asked %q", all.asked)
			}
		})
	}
	// What the listed host answers is an issuer from user input too.
	all.pages["https://people.example/.well-known/webfinger?rel=http%3A%2F%2Fopenid.net%2Fspecs%2Fconnect%2F1.0%2Fissuer&resource=acct%3Aalice%40people.example"] = map[string]any{
		"subject": "acct:alice@people.example", "links": []any{map[string]any{"rel": "http://openid.net/specs/connect/1.0/issuer", "href": "https://evil.example"}},
	}
	w := ask(rp, rp, nil, "GET", "/auth/login?identifier=acct:alice@people.example", navigate...)
	if other := all.others("https://people.example"); w.Code != http.StatusBadRequest || len(all.asked) != 1 || len(other) != 0 {
		t.Errorf("%d, asked %q", w.Code, all.asked)
	}
}

// movedMetadata is a later document that leads secrets elsewhere, or is another
// issuer's. The one before stays.
func movedMetadata(t *testing.T) {
	elsewhere, calls := trap(t, `{}`)
	// The trap is at another port of the same address, and so another host.
	moves := func(field string) oidcrptest.Fault {
		return oidcrptest.MetadataField(field, elsewhere+"/"+field)
	}
	op := oidcrptest.NewProvider(t)
	for name, fault := range map[string]oidcrptest.Fault{
		"token_endpoint": moves("token_endpoint"), "jwks_uri": moves("jwks_uri"), "userinfo_endpoint": moves("userinfo_endpoint"),
		"pushed_authorization_request_endpoint": moves("pushed_authorization_request_endpoint"), "revocation_endpoint": moves("revocation_endpoint"),
		"issuer": oidcrptest.MetadataIssuerMismatch, "javascript": oidcrptest.MetadataField("end_session_endpoint", "javascript:alert(1)"),
	} {
		t.Run(name, func(t *testing.T) {
			op.SetFaults()
			a := newTokenApp(t, op, func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired })
			a.signIn()
			op.SetFaults(fault)
			op.ResetCalls()
			a.clock.advance(25 * time.Hour)
			a.signIn() // begins the refresh
			if err := a.rp.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			op.EndSessions()
			b := a.signIn()
			a.shows(a.call(b), `"sub":"alice"`)
			b.Get(a.URL + "/leave")
			if err := a.rp.Shutdown(context.Background()); err != nil {
				t.Fatal(err)
			}
			if a.op.Calls(oidcrptest.DiscoveryEndpoint) == 0 || calls.Load() != 0 {
				t.Errorf("asked for metadata %d times, elsewhere %d times", a.op.Calls(oidcrptest.DiscoveryEndpoint), calls.Load())
			}
			a.calls(oidcrptest.RevokeEndpoint, 1)
			if s := a.rp.Status().Providers[0]; !s.Ready || s.LastError == "" || !strings.Contains(a.log.String(), "last_good_kept=true") {
				t.Errorf("the operator is not told: %+v\nlog: %s", s, a.log)
			}
		})
	}
}

// metadataWithoutSignOut is no attack: the sign-out is local from then on.
func metadataWithoutSignOut(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	a.op.SetNow(a.clock.now)
	a.signIn()
	a.op.SetFaults(oidcrptest.NoEndSession)
	a.clock.advance(25 * time.Hour)
	a.signIn() // begins the refresh
	if err := a.rp.Shutdown(context.Background()); err != nil {
		t.Fatal(err)
	}
	b := a.signIn()
	a.shows(b.PostForm(a.URL+"/auth/logout", nil), "signed out")
	a.calls(oidcrptest.EndSessionEndpoint, 0)
	a.shows(b.Get(a.URL+"/"), "home of nobody")
}
