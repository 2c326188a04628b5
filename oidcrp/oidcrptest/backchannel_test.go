package oidcrptest_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// listener is where a client hears of logouts.
type listener struct {
	*httptest.Server
	client oidcrptest.Client

	mu     sync.Mutex
	forms  []url.Values
	status int
}

func newListener(t *testing.T, w *wire, c oidcrptest.Client) *listener {
	t.Helper()
	l := &listener{status: http.StatusOK}
	l.Server = httptest.NewServer(l)
	t.Cleanup(l.Close)
	c.BackchannelLogoutURL = l.URL + "/backchannel?x=1"
	l.client = w.p.AddClient(c)
	return l
}

func (l *listener) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	r.ParseForm()
	if r.Method == http.MethodPost && r.URL.RequestURI() == "/backchannel?x=1" && r.Header.Get("Content-Type") == "application/x-www-form-urlencoded" {
		l.forms = append(l.forms, r.PostForm)
	}
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Location", "/elsewhere")
	w.WriteHeader(l.status)
	w.Write([]byte("heard"))
}

// heard returns the tokens received, and forgets them.
func (l *listener) heard(w *wire) []idToken {
	w.t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	var tokens []idToken
	for _, form := range l.forms {
		if len(form) != 2 || len(form["logout_token"]) != 1 {
			w.t.Errorf("want a parameter besides the token: %v", form)
		}
		tokens = append(tokens, w.decode(form.Get("logout_token")))
	}
	l.forms = nil
	return tokens
}

func TestLogoutToken(t *testing.T) {
	w := newWire(t)
	now := time.Unix(2_000_000_000, 0)
	w.p.SetNow(func() time.Time { return now })
	for name, test := range map[string]struct{ subject, sid string }{
		"both": {"alice", "s1"}, "subject": {"alice", ""}, "session": {"", "s1"},
	} {
		t.Run(name, func(t *testing.T) {
			token := w.decode(w.p.LogoutToken(w.client.ID, test.subject, test.sid))
			want := map[string]any{"iss": w.p.Issuer(), "aud": w.client.ID, "iat": now.Unix(), "exp": now.Add(2 * time.Minute).Unix(),
				"events": map[string]any{backchannelEvent: map[string]any{}}, "jti": token.claims["jti"]}
			if test.subject != "" {
				want["sub"] = test.subject
			}
			if test.sid != "" {
				want["sid"] = test.sid
			}
			got, _ := json.Marshal(token.claims)
			if b, _ := json.Marshal(want); string(got) != string(b) || token.claims["jti"] == "" {
				t.Errorf("claims %s, want %s", got, b)
			}
			if err := w.verify(token); err != nil || token.header["typ"] != "logout+jwt" {
				t.Errorf("header %v: %v", token.header, err)
			}
		})
	}
	if w.logoutToken().claims["jti"] == w.logoutToken().claims["jti"] {
		t.Error("two tokens have one jti")
	}
	w.client.Algorithm = "EdDSA"
	w.p.AddClient(w.client)
	if token := w.logoutToken(); token.header["alg"] != "EdDSA" || w.verify(token) != nil {
		t.Errorf("header %v, want the algorithm of ID tokens", token.header)
	}
}

func TestEncryptedLogoutToken(t *testing.T) {
	w, s := newWire(t), newSigner(t, "RS256")
	w.client.JWKS = []byte(strings.Replace(string(s.jwks()), `"use":"sig",`, "", 1))
	w.client.IDTokenEncryption = oidcrptest.Encryption{Algorithm: "RSA-OAEP"}
	w.p.AddClient(w.client)
	plain, _, err := s.open(t, w.p.LogoutToken(w.client.ID, "alice", ""), w.client.IDTokenEncryption)
	if err != nil || w.decode(plain).claims["events"] == nil {
		t.Errorf("%q, %v", plain, err)
	}
}

// endSession ends the visitor's session as a relying party would.
func (v *visitor) endSession(hint idToken) *oidcrptest.Page {
	v.w.t.Helper()
	return v.Get(v.endSessionURL(hint))
}

func (v *visitor) endSessionURL(hint idToken) string {
	return v.w.p.URL(oidcrptest.EndSessionEndpoint) + "?" + url.Values{
		"id_token_hint": {hint.raw}, "post_logout_redirect_uri": {v.callback + "/out"}, "state": {"s"}}.Encode()
}

// signInTo takes the visitor's session to another client.
func (v *visitor) signInTo(c oidcrptest.Client, changes ...string) *oidcrptest.Page {
	v.w.t.Helper()
	return v.authorize(append([]string{"client_id", c.ID, "redirect_uri", c.RedirectURLs[0]}, changes...)...)
}

func TestEndSessionTellsTheClientsThatTookPart(t *testing.T) {
	v := newVisitor(t)
	one := newListener(t, v.w, v.w.client)
	two := newListener(t, v.w, oidcrptest.Client{RedirectURLs: []string{v.callback}, BackchannelLogoutSessionRequired: true})
	stranger := newListener(t, v.w, oidcrptest.Client{RedirectURLs: []string{v.callback}})
	deaf := v.w.p.AddClient(oidcrptest.Client{RedirectURLs: []string{v.callback}})
	two.status = http.StatusBadRequest

	v.authorize()
	token := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	v.mustBeBack(v.signInTo(two.client, "prompt", "none"), "code")
	v.mustBeBack(v.signInTo(deaf, "prompt", "none"), "code")
	// Signing in again goes on with the session, and with who took part.
	v.authorize("prompt", "login")
	v.mustBeBack(v.SubmitForm("alice", nil), "code")
	// A session of hers in another browser has nothing to do with it.
	other := &visitor{Browser: oidcrptest.NewBrowser(t), w: v.w, callback: v.callback}
	other.signInTo(stranger.client)
	other.SubmitForm("alice", nil)

	if page := v.endSession(token); v.back(page).Get("state") != "s" {
		t.Fatalf("ended at %v", page)
	}
	for _, l := range []*listener{one, two} {
		heard := l.heard(v.w)
		if len(heard) != 1 {
			t.Fatalf("%d tokens came", len(heard))
		}
		claims := heard[0].claims
		if claims["aud"] != l.client.ID || claims["sub"] != "alice" || claims["sid"] != token.claims["sid"] || v.w.verify(heard[0]) != nil {
			t.Errorf("claims %v", claims)
		}
	}
	if heard := stranger.heard(v.w); len(heard) != 0 {
		t.Errorf("who took no part heard %v", heard)
	}
	sent := v.w.p.BackchannelLogouts()
	if len(sent) != 2 || sent[0].ClientID != one.client.ID || sent[0].Status != 200 || sent[0].Body != "heard" || sent[0].Header.Get("Cache-Control") != "no-store" ||
		sent[1].ClientID != two.client.ID || sent[1].Status != 400 || v.w.decode(sent[1].Token).claims["aud"] != two.client.ID {
		t.Errorf("sent %+v", sent)
	}

	v.endSession(token) // nobody is signed in any more
	if heard := one.heard(v.w); len(heard) != 0 {
		t.Errorf("a session ended twice: %v", heard)
	}
	v.w.p.ResetCalls()
	if sent := v.w.p.BackchannelLogouts(); len(sent) != 0 {
		t.Errorf("after ResetCalls %+v", sent)
	}
}

func TestSignOut(t *testing.T) {
	w := newWire(t)
	bySubject := newListener(t, w, w.client)
	bySession := newListener(t, w, oidcrptest.Client{RedirectURLs: []string{callback}, BackchannelLogoutSessionRequired: true})
	var access []any
	sids := map[any]bool{}
	for range 2 { // every request begins a session
		access = append(access, w.tokens()["access_token"])
		w.client = bySession.client
		sids[w.idToken().claims["sid"]] = true
		w.client = bySubject.client
	}
	offline := w.tokens("scope", "openid offline_access")["access_token"]
	w.p.SignInAs("bob")
	bobs := w.tokens()["access_token"]

	sent := w.p.SignOut("alice")
	if len(sent) != 3 || sent[0].ClientID != bySubject.client.ID || sent[1].ClientID != bySession.client.ID || sent[2].Status != 200 {
		t.Errorf("sent %+v", sent)
	}
	if heard := bySubject.heard(w); len(heard) != 1 || heard[0].claims["sub"] != "alice" || heard[0].claims["sid"] != nil {
		t.Errorf("by subject came %+v", heard)
	}
	for _, token := range bySession.heard(w) {
		if !sids[token.claims["sid"]] || token.claims["sub"] != "alice" {
			t.Errorf("by session came %v", token.claims)
		}
		delete(sids, token.claims["sid"])
	}
	if len(sids) != 0 {
		t.Errorf("not told: %v", sids)
	}
	for _, token := range access {
		if a := w.userInfoBy(token.(string)); a.status != 401 {
			t.Errorf("her access token answered %d", a.status)
		}
	}
	for name, token := range map[string]any{"offline": offline, "bob's": bobs} {
		if a := w.userInfoBy(token.(string)); a.status != 200 {
			t.Errorf("%s access token answered %d", name, a.status)
		}
	}
	if sent := w.p.SignOut("alice"); len(sent) != 0 {
		t.Errorf("nobody was there, but sent %+v", sent)
	}
	mustPanic(t, "SignOut of nobody", func() { w.p.SignOut("nobody") })
}

func TestSendLogoutToken(t *testing.T) {
	w := newWire(t)
	l := newListener(t, w, w.client)
	token := w.p.LogoutToken(w.client.ID, "alice", "")
	for range 2 {
		if sent := w.p.SendLogoutToken(w.client.ID, token); sent.Status != 200 || sent.Token != token || sent.Body != "heard" || sent.Err != nil {
			t.Errorf("sent %+v", sent)
		}
	}
	if heard := l.heard(w); len(heard) != 2 || heard[0].raw != token || heard[1].raw != token {
		t.Errorf("heard %+v", heard)
	}
	l.status = http.StatusTemporaryRedirect
	if sent := w.p.SendLogoutToken(w.client.ID, token); sent.Status != 307 || len(l.heard(w)) != 1 {
		t.Errorf("a redirect was followed: %+v", sent)
	}
	l.Close()
	if sent := w.p.SendLogoutToken(w.client.ID, token); sent.Status != 0 || sent.Err == nil {
		t.Errorf("sent to nobody: %+v", sent)
	}
	if sent := w.p.BackchannelLogouts(); len(sent) != 4 {
		t.Errorf("%d kept", len(sent))
	}
	other := w.p.AddClient(oidcrptest.Client{})
	mustPanic(t, "token for no client", func() { w.p.LogoutToken("nobody", "alice", "") })
	mustPanic(t, "token to no client", func() { w.p.SendLogoutToken("nobody", token) })
	mustPanic(t, "token to a client without URL", func() { w.p.SendLogoutToken(other.ID, token) })
	mustPanic(t, "relative back-channel URL", func() { w.p.AddClient(oidcrptest.Client{BackchannelLogoutURL: "/logout"}) })
	mustPanic(t, "front-channel URL elsewhere", func() {
		w.p.AddClient(oidcrptest.Client{FrontchannelLogoutURL: "http://127.0.0.1:3000/logout", RedirectURLs: []string{callback}})
	})
}

// A client that does not answer delays the user's way back, no more.
func TestEndSessionWithAClientThatDoesNotAnswer(t *testing.T) {
	v := newVisitor(t)
	silent := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.ParseForm() // or its end would not be noticed
		<-r.Context().Done()
	}))
	t.Cleanup(silent.Close)
	v.w.client.BackchannelLogoutURL = silent.URL
	v.w.p.AddClient(v.w.client)
	v.w.p.SetHTTPClient(&http.Client{Timeout: 50 * time.Millisecond})
	v.authorize()
	token := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	if page := v.endSession(token); v.back(page).Get("state") != "s" {
		t.Errorf("ended at %v", page)
	}
	sent := v.w.p.BackchannelLogouts()
	var timeout interface{ Timeout() bool }
	if len(sent) != 1 || sent[0].Status != 0 || !errors.As(sent[0].Err, &timeout) || !timeout.Timeout() {
		t.Errorf("sent %+v", sent)
	}
}

// Nor must a browser that goes away keep the clients from hearing of it.
func TestEndSessionOfABrowserThatIsGone(t *testing.T) {
	v := newVisitor(t)
	l := newListener(t, v.w, v.w.client)
	v.authorize()
	token := v.idToken(v.back(v.SubmitForm("alice", nil)).Get("code"))
	v.w.p.SetFaults(oidcrptest.Fault{Name: "Gone", Endpoint: oidcrptest.EndSessionEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		ctx, cancel := context.WithCancel(r.Context())
		cancel()
		next.ServeHTTP(w, r.WithContext(ctx))
	}})
	v.endSession(token)
	if sent := v.w.p.BackchannelLogouts(); len(sent) != 1 || sent[0].Status != 200 || len(l.heard(v.w)) != 1 {
		t.Errorf("sent %+v", sent)
	}
}

func TestMetadataOfLogout(t *testing.T) {
	m := newWire(t).metadata()
	for _, name := range []string{"backchannel_logout_supported", "backchannel_logout_session_supported", "frontchannel_logout_supported", "frontchannel_logout_session_supported"} {
		if m[name] != true {
			t.Errorf("%s is %v", name, m[name])
		}
	}
}
