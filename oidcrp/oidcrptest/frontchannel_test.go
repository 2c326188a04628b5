package oidcrptest_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// framedAtEndSession is what the frame shows of a client that asks for the
// session.
func framedAtEndSession(t *testing.T, w *wire) *oidcrptest.Page {
	t.Helper()
	s, b := newSite(t), oidcrptest.NewBrowser(t)
	c := w.p.AddClient(oidcrptest.Client{RedirectURLs: []string{s.at("localhost", "/back")},
		FrontchannelLogoutURL: s.at("localhost", "/frame"), FrontchannelLogoutSessionRequired: true})
	b.Get(w.authorizeURL("client_id", c.ID, "redirect_uri", c.RedirectURLs[0]))
	b.Get(w.p.URL(oidcrptest.EndSessionEndpoint))
	page := b.SubmitForm("confirm", nil)
	if len(page.Frames) != 1 {
		t.Fatalf("%d frames: %v", len(page.Frames), page)
	}
	return page.Frames[0]
}

func TestFrontchannelLogout(t *testing.T) {
	v := newVisitor(t)
	s := newSite(t)
	add := func(required bool, frame string) oidcrptest.Client {
		c := v.w.p.AddClient(oidcrptest.Client{RedirectURLs: []string{s.at("localhost", "/back")},
			FrontchannelLogoutURL: frame, FrontchannelLogoutSessionRequired: required})
		page := v.signInTo(c)
		if button := page.Form("alice"); button != nil {
			page = v.SubmitForm("alice", nil)
		}
		if page.URL.Path != "/back" {
			t.Fatalf("signed in at %v", page)
		}
		return c
	}
	v.Get(s.at("localhost", "/", "set", "none=1; SameSite=None; Secure"))
	clients := []oidcrptest.Client{
		add(true, s.at("localhost", "/one", "set", "kept=1; SameSite=None; Secure")),
		add(false, s.at("localhost", "/two")),
		add(true, s.at("localhost", "/denied", "header", "X-Frame-Options: DENY")),
	}
	// A client that takes no part is not framed.
	v.w.p.AddClient(oidcrptest.Client{RedirectURLs: []string{s.at("localhost", "/back")}, FrontchannelLogoutURL: s.at("localhost", "/stranger")})
	token := v.idToken(v.back(v.authorize()).Get("code"))

	page := v.endSession(token)
	if v.back(page).Get("state") != "s" || len(page.Trail) != 2 || page.Trail[0].Status != 200 || page.Trail[1].Request.Get("Sec-Fetch-User") != "" {
		t.Fatalf("ended at %v", page)
	}
	if len(page.Frames) != len(clients) {
		t.Fatalf("%d frames: %v", len(page.Frames), page.Frames)
	}
	one, two, denied := page.Frames[0], page.Frames[1], page.Frames[2]
	if q := one.URL.Query(); one.URL.Path != "/one" || q.Get("iss") != v.w.p.Issuer() || q.Get("sid") != token.claims["sid"] || q.Get("set") == "" {
		t.Errorf("framed %v", one.URL)
	}
	request := one.Trail[0].Request
	if request.Get("Cookie") != "" || request.Get("Sec-Fetch-Dest") != "iframe" || request.Get("Sec-Fetch-Site") != "cross-site" || one.Blocked != "" {
		t.Errorf("framed with %v: %v", request, one)
	}
	if refused := strings.Join(v.RefusedCookies(), "\n"); !strings.Contains(refused, "kept of http://localhost") {
		t.Errorf("refused %q", refused)
	}
	if q := two.URL.Query(); two.URL.Path != "/two" || q.Has("iss") || q.Has("sid") {
		t.Errorf("framed %v", two.URL)
	}
	if denied.Blocked != "frame-ancestors" || denied.Status != 200 {
		t.Errorf("framed %v", denied)
	}
	origin := "http://" + one.URL.Host
	csp := page.Trail[0].Response.Get("Content-Security-Policy")
	for _, want := range []string{"default-src 'none'", "; frame-src " + origin + " " + origin + " " + origin + ";", "; script-src 'sha256-", "frame-ancestors 'none'"} {
		if !strings.Contains(csp, want) {
			t.Errorf("policy %s lacks %s", csp, want)
		}
	}
	if page := v.endSession(token); len(page.Frames) != 0 || v.back(page) == nil {
		t.Errorf("a session ended twice: %v", page)
	}
}

func TestFrontchannelLogoutThatStays(t *testing.T) {
	w := newWire(t)
	frame := framedAtEndSession(t, w)
	if frame.URL.Path != "/frame" || frame.URL.Query().Get("sid") == "" {
		t.Errorf("framed %v", frame.URL)
	}
}

// The sign-out page must go on when a client is down.
func TestFrontchannelLogoutOfAClientThatIsGone(t *testing.T) {
	v := newVisitor(t)
	gone := newSite(t)
	v.w.client.RedirectURLs = append(v.w.client.RedirectURLs, gone.at("localhost", "/back"))
	v.w.client.FrontchannelLogoutURL = gone.at("localhost", "/frame")
	v.w.p.AddClient(v.w.client)
	gone.Close()
	v.authorize()
	token := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	page := v.endSession(token)
	if v.back(page).Get("state") != "s" || len(page.Frames) != 1 || page.Frames[0].Err == nil {
		t.Errorf("ended at %v, frames %v", page, page.Frames)
	}
}

func TestSignedOutPageSaysItInBothLanguages(t *testing.T) {
	for language, want := range map[string]string{"en": "Continue", "th": "ดำเนินการต่อ"} {
		v := newVisitor(t)
		s := newSite(t)
		v.SetLanguage(language)
		v.w.client.RedirectURLs = append(v.w.client.RedirectURLs, s.at("localhost", "/back"))
		v.w.client.FrontchannelLogoutURL = s.at("localhost", "/frame")
		v.w.p.AddClient(v.w.client)
		v.authorize()
		token := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
		r, err := http.NewRequest(http.MethodGet, v.endSessionURL(token), nil)
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Accept-Language", language)
		for _, c := range v.Cookies(r.URL.String()) {
			r.AddCookie(c)
		}
		a, err := v.w.do(r)
		if err != nil || !strings.Contains(a.body, `<a href="`+v.callback+`/out?state=s">`+want+"</a>") || !strings.Contains(a.body, `content="5; url=`+v.callback+`/out?state=s"`) ||
			!strings.Contains(a.body, "<iframe ") || strings.Contains(a.body, "ZgotmplZ") || strings.Contains(a.body, `title=""`) {
			t.Errorf("%s: %v %s", language, err, a.body)
		}
	}
}
