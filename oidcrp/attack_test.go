package oidcrp_test

import (
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// attack is a row of the attack catalogue, or one of the row's inputs: its name
// begins with the row's number.
type attack struct {
	name string
	run  func(*testing.T)
}

// attacks are all of the catalogue but those on accounts.
func attacks() []attack {
	return slices.Concat(bindingAttacks, issuerAttacks, tokenAttacks, keyAttacks, domainAttacks, tenantAttacks, redirectAttacks, sessionAttacks, logoutAttacks, logAttacks)
}

// TestAttack tries every attack of the catalogue by its number. What needs
// accounts (of T075 to T084) stands in the package accounts under the same name.
func TestAttack(t *testing.T) {
	for _, attack := range attacks() {
		id, rest, _ := strings.Cut(attack.name, " ")
		t.Run(id+"/"+rest, attack.run)
	}
}

// in is the application in a subtest.
func (a *app) in(t *testing.T) *app {
	sub := *a
	sub.t = t
	return &sub
}

// answer brings an authorization response from the provider's site.
func (a *app) answer(b *oidcrptest.Browser, mode string, v url.Values) *oidcrptest.Page {
	a.t.Helper()
	if mode == "form_post" {
		b.Show(a.op.URL(oidcrptest.AuthorizeEndpoint), postPage(a.URL+"/auth/callback/test", v))
		return b.SubmitForm("go on", nil)
	}
	return b.Get(a.URL + "/auth/callback/test?" + v.Encode())
}

// answerTo begins a login and returns the provider's answer to it.
func (a *app) answerTo(b *oidcrptest.Browser, start string) url.Values {
	a.t.Helper()
	a.op.SetFaults(oidcrptest.IgnoreFormPost)
	defer a.op.SetFaults()
	return mustParse(a.t, a.stopAtCallback(b, start)).Query()
}

// rightly are the last two fields of a rejection.
func (a *app) rightly(mode string, v url.Values) (right string, form url.Values) {
	right = a.URL + "/auth/callback/test"
	if mode == "form_post" {
		return right, v
	}
	return right + "?" + v.Encode(), nil
}

// rejection is how an attempt has to fail.
type rejection struct {
	status int    // of the answer; 0: 400
	reason string // of the event
	// calls are the endpoints of providers that were asked before the check
	// failed, in any order; nothing is asked after it.
	calls []string

	// right is the callback address of the transaction that the attempt names,
	// with the right answer in its query or, where there is one, in form. It must
	// not be taken any more. "": the attempt names none of ours.
	right string
	form  url.Values
}

// rejected makes an attempt in a browser and fails the test unless it is
// rejected as everything in the catalogue is: with a page that tells the
// visitor an id and the attacker nothing, one event, no cookie of a session, no
// request to a provider, and an answer that is used up. The session that the
// browser has, if any, must be as before.
func (a *app) rejected(b *oidcrptest.Browser, want rejection, attempt func() *oidcrptest.Page) *oidcrptest.Page {
	a.t.Helper()
	session, calls, events := a.sessionIn(b), a.asks(), len(a.told())
	page := attempt()

	if want.status == 0 {
		want.status = http.StatusBadRequest
	}
	a.toldOf(page, want, events)
	for _, hop := range page.Trail {
		if strings.HasPrefix(hop.URL.String(), a.URL) {
			a.noSessionIn(hop.Response)
		}
	}
	for _, endpoint := range want.calls {
		calls[endpoint]++
	}
	if now := a.asks(); !maps.Equal(now, calls) {
		a.t.Errorf("the providers were asked %v in all, want %v", now, calls)
	}
	if want.right != "" {
		a.usedUp(b, want.right, want.form)
	}
	if now := a.sessionIn(b); now != session {
		a.t.Errorf("the session was %v, and is %v", session, now)
	}
	return page
}

// toldOf checks the page and the one event of a rejection. A login that the
// attempt began may have been told of, too.
func (a *app) toldOf(page *oidcrptest.Page, want rejection, events int) {
	a.t.Helper()
	told := slices.DeleteFunc(a.told()[events:], func(e oidcrp.Event) bool { return e.Kind == oidcrp.LoginStarted })
	if page.Status != want.status || len(told) != 1 {
		a.t.Fatalf("status %d, want %d, with events %+v\n%s\nlog: %s", page.Status, want.status, told, page, a.log)
	}
	e := told[0]
	failures := []oidcrp.EventKind{oidcrp.LoginFailed, oidcrp.ProviderFailed, oidcrp.AccessDenied, oidcrp.RequestFailed}
	if !slices.Contains(failures, e.Kind) || e.Reason != want.reason {
		a.t.Errorf("the event is %q with reason %q, want %q: %v", e.Kind, e.Reason, want.reason, e.Err)
	}
	text := page.Text()
	if e.ID == "" || !strings.Contains(text, e.ID) || strings.Count(a.log.String(), "id="+e.ID) != 1 {
		a.t.Errorf("correlation id %q is not on the page and once in the log\n%s\n%s", e.ID, text, a.log)
	}
	if e.Err == nil || strings.Contains(text, e.Err.Error()) {
		a.t.Errorf("the page tells the cause, %v: %s", e.Err, text)
	}
	if h := page.Header.Get("Cache-Control"); h != "no-store" {
		a.t.Errorf("Cache-Control %q", h)
	}
}

// told are the events so far.
func (a *app) told() []oidcrp.Event {
	a.events.mu.Lock()
	defer a.events.mu.Unlock()
	return slices.Clone(a.events.all)
}

// asks counts what providers were asked by endpoint, not counting where only
// browsers go.
func (a *app) asks() map[string]int {
	all := map[string]int{}
	for _, op := range append([]*oidcrptest.Provider{a.op}, a.others...) {
		for _, endpoint := range []string{
			oidcrptest.DiscoveryEndpoint, oidcrptest.OAuthMetadataEndpoint, oidcrptest.JWKSEndpoint, oidcrptest.PAREndpoint,
			oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint, oidcrptest.ClaimsEndpoint, oidcrptest.RevokeEndpoint,
			oidcrptest.RegisterEndpoint, oidcrptest.WebFingerEndpoint, oidcrptest.ResourceEndpoint,
		} {
			all[endpoint] += op.Calls(endpoint)
		}
	}
	if a.front != nil {
		a.front.set(func() {
			for path, n := range a.front.count {
				if path != "/authorize" && path != "/end" {
					all[path] += n
				}
			}
		})
	}
	return all
}

// sessionIn is the session cookie that a browser has, and what it is shown for
// it; both are empty where there is none.
func (a *app) sessionIn(b *oidcrptest.Browser) (s struct{ cookie, home string }) {
	a.t.Helper()
	for _, c := range b.Cookies(a.URL + "/") {
		if !strings.Contains(c.Name, "oidcrp_s_") {
			continue
		}
		home, err := io.ReadAll(a.with(nil, http.MethodGet, "/", "Cookie", cookieHeader(c)).Body)
		if err != nil {
			a.t.Fatal(err)
		}
		s.cookie, s.home = c.Value, string(home)
	}
	return s
}

// usedUp brings the right answer to a transaction, with all cookies of the
// browser, whatever their SameSite, and fails the test if it is taken.
func (a *app) usedUp(b *oidcrptest.Browser, callback string, form url.Values) {
	a.t.Helper()
	method, header := http.MethodGet, navigate
	if form != nil {
		method, header = http.MethodPost, []string{"Sec-Fetch-Site", "cross-site", "Sec-Fetch-Mode", "navigate", "Accept", "text/html"}
	}
	redeemed, sessions := a.asks()[oidcrptest.TokenEndpoint], len(a.events.of(oidcrp.LoginSucceeded))
	res := a.sent(b, method, strings.TrimPrefix(callback, a.URL), form, header...)
	a.noSessionIn(res.Header)
	to, err := res.Location()
	if err == nil && to.Query().Get("go-on") != "" {
		a.t.Errorf("the right answer is handed over afterwards: %d", res.StatusCode)
	}
	if a.asks()[oidcrptest.TokenEndpoint] != redeemed || len(a.events.of(oidcrp.LoginSucceeded)) != sessions {
		a.t.Errorf("the right answer is taken afterwards: %d to %v", res.StatusCode, to)
	}
}
