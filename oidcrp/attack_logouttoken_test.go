package oidcrp_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// T122: how it is sent.
func logoutTokenRequests(t *testing.T) {
	a := newTold(t, nil)
	c := a.sessionCookie(a.signIn())
	token := a.op.LogoutToken(a.client.ID, "alice", "")
	form := url.Values{"logout_token": {token}}.Encode()
	for name, tt := range map[string]struct {
		method, kind, body string
		header             [2]string
		status             int
	}{
		"by GET":                {"GET", "", "", [2]string{}, http.StatusMethodNotAllowed},
		"as JSON":               {"POST", "application/json", `{"logout_token":"` + token + `"}`, [2]string{}, http.StatusUnsupportedMediaType},
		"without type":          {"POST", "", form, [2]string{}, http.StatusUnsupportedMediaType},
		"in the query":          {"POST", "application/x-www-form-urlencoded", "", [2]string{"X-Query", form}, http.StatusBadRequest},
		"twice":                 {"POST", "application/x-www-form-urlencoded", form + "&" + form, [2]string{}, http.StatusBadRequest},
		"without a token":       {"POST", "application/x-www-form-urlencoded", "x=1", [2]string{}, http.StatusBadRequest},
		"without a body":        {"POST", "application/x-www-form-urlencoded", "", [2]string{}, http.StatusBadRequest},
		"with 2 MB":             {"POST", "application/x-www-form-urlencoded", form + "&x=" + strings.Repeat("x", 2<<20), [2]string{}, http.StatusRequestEntityTooLarge},
		"broken":                {"POST", "application/x-www-form-urlencoded", "logout_token=%zz", [2]string{}, http.StatusBadRequest},
		"from a page":           {"POST", "application/x-www-form-urlencoded", form, [2]string{"Origin", "https://evil.example"}, http.StatusBadRequest},
		"from a browser's form": {"POST", "application/x-www-form-urlencoded", form, [2]string{"Sec-Fetch-Site", "cross-site"}, http.StatusBadRequest},
	} {
		t.Run(name, func(t *testing.T) {
			address := a.client.BackchannelLogoutURL
			if tt.header[0] == "X-Query" {
				address += "?" + tt.header[1]
			}
			req, err := http.NewRequest(tt.method, address, strings.NewReader(tt.body))
			if err != nil {
				t.Fatal(err)
			}
			if tt.kind != "" {
				req.Header.Set("Content-Type", tt.kind)
			}
			if tt.header[0] != "" {
				req.Header.Set(tt.header[0], tt.header[1])
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != tt.status || res.Header.Get("Cache-Control") != "no-store" {
				t.Errorf("answered %d %v", res.StatusCode, res.Header)
			}
			if who := a.on(c); who != "alice" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
	if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
		t.Errorf("the same token sent as it should be: %+v", sent)
	}
}

// slowLogoutToken: who sends a logout token byte by byte is given five seconds.
func slowLogoutToken(t *testing.T) {
	inBubble(t, func(c *oidcrp.Config) {
		c.Store, c.Providers[0].BackchannelLogout = newPlain(), true
	}, func(t *testing.T, b *bubble) {
		v := b.visitor()
		b.reads(v, "/reports", "reports for alice")
		ours, theirs := net.Pipe()
		srv := &http.Server{Handler: b.h}
		line := &oneConn{conn: make(chan net.Conn, 1), closed: make(chan struct{})}
		line.conn <- ours
		go srv.Serve(line)
		defer srv.Close()
		var sender sync.WaitGroup
		defer sender.Wait()
		defer theirs.Close()
		sender.Go(func() {
			fmt.Fprint(theirs, "POST /auth/backchannel-logout/test HTTP/1.1\r\nHost: localhost:3000\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 1000\r\n\r\nlogout_token=")
			for range 1000 {
				if _, err := io.WriteString(theirs, "x"); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		})
		began := time.Now()
		res, err := http.ReadResponse(bufio.NewReader(theirs), nil)
		if err != nil {
			t.Fatal(err)
		}
		if took := time.Since(began); res.StatusCode != http.StatusBadRequest || took > 6*time.Second {
			t.Errorf("answered %d after %v", res.StatusCode, took)
		}
		b.reads(v, "/", "home of alice")
	})
}

// oneConn is a listener at which somebody calls once.
type oneConn struct {
	conn   chan net.Conn
	closed chan struct{}
}

func (l *oneConn) Accept() (net.Conn, error) {
	select {
	case c := <-l.conn:
		return c, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

func (l *oneConn) Close() error {
	close(l.closed)
	return nil
}

func (l *oneConn) Addr() net.Addr { return &net.TCPAddr{} }

// otherTokensAsLogoutTokens: what was made for something else ends nothing.
func otherTokensAsLogoutTokens(t *testing.T) {
	var issued tokens
	a := newTold(t, nil, issued.fault())
	c := a.sessionCookie(a.signIn())
	a.op.SetFaults(oidcrptest.IDTokenAsLogoutToken)
	like := a.op.LogoutToken(a.client.ID, "alice", a.sids()[0])
	a.op.SetFaults()
	a.refusesLogout(issued.last(), "events", c)
	a.refusesLogout(like, "events", c)
}

// logoutTokenAsIDToken: with one nobody signs in.
func logoutTokenAsIDToken(t *testing.T) {
	a := newTold(t, nil)
	b := a.signIn()
	typed := a.op.LogoutToken(a.client.ID, "alice", "")
	a.op.SetFaults(oidcrptest.LogoutUntyped)
	untyped := a.op.LogoutToken(a.client.ID, "alice", "")
	for _, tt := range []struct {
		reason string
		fault  oidcrptest.Fault
	}{
		{"typ", oidcrptest.LogoutTokenAsIDToken},
		{"typ", oidcrptest.Fault{Name: "one it sends", TokenResponse: func(m map[string]any) { m["id_token"] = typed }}},
		{"events", oidcrptest.Fault{Name: "one without typ", TokenResponse: func(m map[string]any) { m["id_token"] = untyped }}},
	} {
		t.Run(tt.fault.Name, func(t *testing.T) {
			a := a.app.in(t)
			a.op.SetFaults(tt.fault)
			callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
			a.rejected(b, rejection{reason: tt.reason, calls: []string{oidcrptest.TokenEndpoint}, right: callback}, func() *oidcrptest.Page { return b.Get(callback) })
		})
	}
}

// logoutTokenOfAnotherProvider names a user who has the same name elsewhere.
func logoutTokenOfAnotherProvider(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			other := oidcrptest.NewProvider(t)
			other.SignInAs("alice")
			a := newTold(t, func(c *oidcrp.Config) {
				keep(c)
				c.Providers = append(c.Providers, other.Config("other", c.BaseURL))
				c.Providers[1].BackchannelLogout = true
			})
			a.others = append(a.others, other)
			here, there := a.sessionCookie(a.signInBy("test")), a.sessionCookie(a.signInBy("other"))
			token := other.LogoutToken(a.config.Providers[1].ClientID, "alice", "")
			a.refusesLogout(token, "signature", here, oidcrptest.JWKSEndpoint)
			// As if the other had our client ID, too.
			twin := other.AddClient(oidcrptest.Client{ID: a.client.ID, RedirectURLs: a.client.RedirectURLs})
			a.refusesLogout(other.LogoutToken(twin.ID, "alice", a.sids()[0]), "signature", here, oidcrptest.JWKSEndpoint)
			if who := a.on(there); who != "alice" {
				t.Errorf("the session at the other provider is %s's", who)
			}
			res, err := http.PostForm(a.URL+"/auth/backchannel-logout/other", url.Values{"logout_token": {token}})
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusOK || a.on(there) != "nobody" || a.on(here) != "alice" {
				t.Errorf("at its own address: %d; the sessions are of %s and %s", res.StatusCode, a.on(here), a.on(there))
			}
		})
	}
}

// T124: while the store is down a logout fails, and the provider may send it
// again; so does one whose keys cannot be fetched.
func logoutTokenDuringAnOutage(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			c := a.sessionCookie(a.signIn())
			token := a.op.LogoutToken(a.client.ID, "alice", "")
			a.store.fail(breakages["error"], "Find", "Commit", "Delete")
			if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusBadRequest || !strings.Contains(sent.Body, "store_unavailable") {
				t.Errorf("answered %+v", sent)
			}
			if len(a.events.of(oidcrp.StoreFailed)) == 0 {
				t.Error("no event")
			}
			a.store.fail(nil)
			if who := a.on(c); who != "alice" {
				t.Errorf("the session is %s's", who)
			}
			if sent := a.op.SendLogoutToken(a.client.ID, token); sent.Status != http.StatusOK {
				t.Errorf("sent again: %+v", sent)
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
		})
	}
}

// logoutTokenAfterOneExpired: which of a user's sessions are left does not
// matter, since no list of them is kept.
func logoutTokenAfterOneExpired(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			a.op.SetNow(a.clock.now)
			older := a.sessionCookie(a.signIn())
			a.clock.advance(11 * time.Hour)
			newer := a.sessionCookie(a.signIn())
			a.clock.advance(2 * time.Hour)
			if a.on(older) != "nobody" || a.on(newer) != "alice" {
				t.Fatal("they are not as they should be")
			}
			a.accepted(a.logout("alice", ""))
			if who := a.on(newer); who != "nobody" {
				t.Errorf("the newer session is %s's", who)
			}
		})
	}
}

// logoutTokenForAnEmptyStore: what was lost there needs no ending, and a session
// that is in the cookie ends all the same.
func logoutTokenForAnEmptyStore(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			c := a.sessionCookie(a.signIn())
			a.store.putBack(map[string][]byte{})
			a.accepted(a.logout("alice", a.sids()[0]))
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
			if len(a.events.of(oidcrp.StoreFailed)) != 0 {
				t.Error("a miss is told as an outage")
			}
		})
	}
}

// noSessionIndex: a login writes nothing that a later one of the same user
// would have to change.
func noSessionIndex(t *testing.T) {
	a := newTold(t, nil)
	var before map[string][]byte
	grown := map[int]bool{}
	for range 4 {
		a.signIn()
		now := a.store.keep()
		for token, record := range before {
			if string(now[token]) != string(record) {
				t.Errorf("another login changed a record of %d bytes", len(record))
			}
		}
		grown[len(now)-len(before)] = true
		before = now
	}
	if len(grown) != 1 {
		t.Errorf("logins write differing numbers of records: %v", grown)
	}
}
