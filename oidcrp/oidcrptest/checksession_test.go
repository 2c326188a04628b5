package oidcrptest_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// browserState is what the provider's frame would see; nil: no cookie.
func (v *visitor) browserState() *http.Cookie {
	v.w.t.Helper()
	for _, c := range v.Cookies(v.w.p.URL(oidcrptest.CheckSessionEndpoint)) {
		if strings.HasSuffix(c.Name, "_state") {
			return c
		}
	}
	return nil
}

// unchanged does what the provider's frame does with a session_state.
func (v *visitor) unchanged(clientID, sessionState string) bool {
	v.w.t.Helper()
	hash, salt, ok := strings.Cut(sessionState, ".")
	if !ok || strings.Contains(sessionState, " ") {
		v.w.t.Fatalf("session_state %q", sessionState)
	}
	u, err := url.Parse(v.callback)
	if err != nil {
		v.w.t.Fatal(err)
	}
	state := ""
	if c := v.browserState(); c != nil {
		state = c.Value
	}
	sum := sha256.Sum256([]byte(clientID + " http://" + u.Host + " " + state + " " + salt))
	return hash == hex.EncodeToString(sum[:])
}

func TestSessionManagement(t *testing.T) {
	v := newVisitor(t)
	v.w.p.SetSessionManagement(true)
	if got := v.w.metadata()["check_session_iframe"]; got != v.w.p.URL(oidcrptest.CheckSessionEndpoint) {
		t.Errorf("check_session_iframe is %v", got)
	}
	v.authorize()
	back := v.back(v.SubmitForm("alice", nil))
	first, token := back.Get("session_state"), v.idToken(back.Get("code"))
	c := v.browserState()
	if c == nil || c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteNoneMode {
		t.Fatalf("cookie %v; refused %q", c, v.RefusedCookies())
	}
	id := v.w.client.ID
	if !v.unchanged(id, first) || v.unchanged("another", first) {
		t.Errorf("session_state %q", first)
	}
	spaced := v.w.p.AddClient(oidcrptest.Client{ID: "a client", RedirectURLs: []string{v.callback}})
	second := v.back(v.signInTo(spaced, "prompt", "none")).Get("session_state")
	if !v.unchanged("a client", second) || !v.unchanged(id, first) || first == second {
		t.Errorf("session_states %q and %q", first, second)
	}
	v.authorize("prompt", "login")
	again := v.back(v.SubmitForm("alice", nil)).Get("session_state")
	if !v.unchanged(id, first) || !v.unchanged(id, again) {
		t.Error("signing in again changes the session")
	}
	v.authorize("prompt", "login")
	if bobs := v.back(v.SubmitForm("bob", nil)).Get("session_state"); v.unchanged(id, first) || !v.unchanged(id, bobs) {
		t.Error("another user does not change the session")
	}
	v.authorize("prompt", "login")
	last := v.back(v.SubmitForm("alice", nil)).Get("session_state")
	v.endSession(token)
	if v.unchanged(id, last) || v.browserState() != nil {
		t.Errorf("after sign-out the browser keeps %v", v.browserState())
	}
	v.authorize()
	v.SubmitForm("alice", nil)
	v.w.p.EndSessions()
	v.mustBeBack(v.authorize("prompt", "none"), "login_required")
	if v.browserState() != nil {
		t.Errorf("after the end of sessions the browser keeps %v", v.browserState())
	}
}

func TestSessionManagementIsOff(t *testing.T) {
	v := newVisitor(t)
	v.authorize()
	if back := v.back(v.SubmitForm("alice", nil)); back.Has("session_state") || v.browserState() != nil {
		t.Errorf("came back with %v, cookie %v", back, v.browserState())
	}
	if v.w.metadata()["check_session_iframe"] != nil {
		t.Error("the metadata has check_session_iframe")
	}
	if a := v.w.get(v.w.p.URL(oidcrptest.CheckSessionEndpoint)); a.status != 404 {
		t.Errorf("its address answered %d", a.status)
	}
}

// The frame must be allowed anywhere, and its script must run.
func TestCheckSessionFrame(t *testing.T) {
	v := newVisitor(t)
	v.w.p.SetSessionManagement(true)
	v.Get(v.callback)
	frame := v.Frame(v.w.p.URL(oidcrptest.CheckSessionEndpoint))
	if frame.Status != 200 || frame.Blocked != "" {
		t.Fatalf("framed %v", frame)
	}
	m := regexp.MustCompile(`(?s)<script data-cookie="[A-Za-z0-9_]+_state">(.*)</script>`).FindStringSubmatch(frame.Body)
	if m == nil {
		t.Fatalf("no script: %s", frame.Body)
	}
	sum := sha256.Sum256([]byte(m[1]))
	want := "default-src 'none'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'; base-uri 'none'"
	if got := frame.Header.Get("Content-Security-Policy"); got != want {
		t.Errorf("policy %s, want %s", got, want)
	}
}
