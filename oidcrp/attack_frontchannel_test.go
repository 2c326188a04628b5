package oidcrp_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// frontchannelLogout: a frame of the provider's ends the session it names, without cookies,
// and tells nobody whether there was one.
func frontchannelLogout(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, func(c *oidcrp.Config) { keep(c); c.Providers[0].KeepTokens = true })
			c := a.sessionCookie(a.signIn())
			other := a.sessionCookie(a.signIn())
			sid := a.sids()[0]
			address := a.rp.RedirectURLs()[0].FrontchannelLogout
			before := len(a.store.records)
			get := func(q url.Values) *http.Response {
				t.Helper()
				res, err := http.Get(address + "?" + q.Encode())
				if err != nil {
					t.Fatal(err)
				}
				res.Body.Close()
				return res
			}
			iss := a.op.Issuer()
			for name, q := range map[string]url.Values{
				"iss alone":       {"iss": {iss}},
				"sid alone":       {"sid": {sid}},
				"neither":         {},
				"another issuer":  {"iss": {"https://evil.example"}, "sid": {sid}},
				"a stranger's":    {"iss": {iss}, "sid": {sid + "x"}},
				"sid twice":       {"iss": {iss}, "sid": {sid, sid}},
				"iss twice":       {"iss": {iss, iss}, "sid": {sid}},
				"an empty sid":    {"iss": {iss}, "sid": {""}},
				"slash at issuer": {"iss": {iss + "/"}, "sid": {sid}},
			} {
				if res := get(q); res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" {
					t.Errorf("%s: %d %v", name, res.StatusCode, res.Header)
				}
				if who := a.on(c); who != "alice" {
					t.Fatalf("%s ended the session", name)
				}
			}
			if len(a.store.records) != before {
				t.Error("a stranger's sid left a trace")
			}
			res := get(url.Values{"iss": {iss}, "sid": {sid}})
			h := res.Header
			if res.StatusCode != http.StatusOK || h.Get("Cache-Control") != "no-store" || h.Get("X-Frame-Options") != "" ||
				strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors") || len(h.Values("Set-Cookie")) != 0 {
				t.Errorf("answered %d %v", res.StatusCode, h)
			}
			if who := a.on(c); who != "nobody" {
				t.Errorf("the session is %s's", who)
			}
			if who := a.on(other); who != "alice" {
				t.Errorf("another session is %s's", who)
			}
			if a.events.reason(oidcrp.SessionEnded) != "frontchannel" {
				t.Errorf("events %+v", a.events.of(oidcrp.SessionEnded))
			}
			for _, rp := range a.rps { // anybody can frame the address: no tokens go for that
				if err := rp.Shutdown(t.Context()); err != nil {
					t.Error(err)
				}
			}
			a.calls(oidcrptest.RevokeEndpoint, 0)
			a.store.fail(breakages["error"], "Find", "Commit", "Delete")
			if res := get(url.Values{"iss": {iss}, "sid": {sid}}); res.StatusCode != http.StatusServiceUnavailable {
				t.Errorf("with the store down: %d", res.StatusCode)
			}
		})
	}
}

// frontchannelLogoutInABrowser comes from a page of another site: browsers send
// it without cookies, which it does not need, and it sets none. Whoever knows a
// sid, which is no secret of ours, ends that session and nothing else.
func frontchannelLogoutInABrowser(t *testing.T) {
	for mode, keep := range logoutModes {
		t.Run(mode, func(t *testing.T) {
			a := newTold(t, keep)
			b, other := a.signIn(), a.sessionCookie(a.signIn())
			c := a.sessionCookie(b)
			address := a.rp.RedirectURLs()[0].FrontchannelLogout + "?"
			stranger := url.Values{"iss": {a.op.Issuer()}, "sid": {"guessed"}}.Encode()
			evil(b, "")
			frame := b.Frame(address + stranger)
			if frame.Status != http.StatusOK || frame.Blocked != "" || frame.Trail[0].Request.Get("Cookie") != "" || len(frame.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("the frame: %v %v", frame, frame.Header)
			}
			if who := a.on(c); who != "alice" {
				t.Errorf("a guess ended the session: %s", who)
			}
			right := url.Values{"iss": {a.op.Issuer()}, "sid": {a.sids()[0]}}.Encode()
			res := a.with(nil, "GET", "/auth/frontchannel-logout/test?"+right, // <img> of any site
				"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "no-cors", "Sec-Fetch-Dest", "image", "Referer", "https://evil.example/")
			if res.StatusCode != http.StatusOK || res.Header.Get("Cache-Control") != "no-store" || len(res.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("answered %d %v", res.StatusCode, res.Header)
			}
			if a.on(c) != "nobody" || a.on(other) != "alice" {
				t.Errorf("the sessions are of %s and %s", a.on(c), a.on(other))
			}
		})
	}
}
