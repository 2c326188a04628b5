package oidcrp_test

import (
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// bindingAttacks are T001 to T021: state, nonce, PKCE and requests from other sites.
var bindingAttacks = []attack{
	{"T001 another browser's answer", func(t *testing.T) { answerInAnotherBrowser(t, false) }},
	{"T002 another browser's answer, with a store", func(t *testing.T) { answerInAnotherBrowser(t, true) }},
	{"T003 broken states", brokenStates},
	{"T004 parameters twice", parametersTwice},
	{"T005 replay", replay},
	{"T006 replay at once", replayAtOnce},
	{"T007 nonce", wrongNonces},
	{"T008 replay by the front channel", frontChannelReplay},
	{"T008 tokens of others", tokensOfOthers},
	{"T009 PKCE", challenges},
	{"T010 injected code", injectedCode},
	{"T011 PKCE downgrade", pkceDowngrade},
	{"T012 error without a login", errorWithoutALogin},
	{"T013 error of the provider", errorOfTheProvider},
	{"T014 in time", answerInTime},
	{"T014 too late", answerTooLate},
	{"T014 too late each time", answerTooLateEachTime},
	{"T015 nothing repeats", nothingRepeats},
	{"T015 broken randomness", brokenRandomness},
	{"T016 changed state", changedState},
	{"T016 state of another login", stateOfAnotherLogin},
	{"T016 return URL of another login", returnURLOfAnotherLogin},
	{"T017 cookie for another purpose", cookieForAnotherPurpose},
	{"T017 pause for a session, and the reverse", pauseIsNoSessionAndTheReverse},
	{"T017 pieces of cookies", piecesOfCookies},
	{"T017 cookie of another base URL", cookieOfAnotherBaseURL},
	{"T018 images, frames and forms", pagesElsewhere},
	{"T018 login by link", crossSiteStartAsksFirst},
	{"T018 login by link, at a tenant's provider", tenantsProviderAsksFirst},
	{"T018 login by callback, at a tenant's provider", tenantsProviderIsNotJoinedByCallback},
	{"T018 login by form", formFromElsewhereAsksFirst},
	{"T018 login by form, beside another", formFromElsewhereKeepsLogins},
	{"T018 login by form to the callback", postFromElsewhereReplacesNoSession},
	{"T018 link", linkFromElsewhere},
	{"T018 logout", logoutFromElsewhere},
	{"T019 what it says", thirdPartyInitiation},
	{"T019 unknown issuer", thirdPartyInitiationRefused},
	{"T019 target elsewhere", thirdPartyTarget},
	{"T019 over a session", thirdPartyInitiationOverASession},
	{"T019 in a frame", thirdPartyInitiationInAFrame},
	{"T020 tabs", parallelTabs},
	{"T020 tabs that finish together", tabsThatFinishTogether},
	{"T020 tabs at two providers", tabsAtTwoProviders},
	{"T020 tabs by the front channel", parallelTabsByFrontChannel},
	{"T020 tabs by all flows", parallelTabsOfAllFlows},
	{"T021 abandoned logins", abandonedLogins},
	{"T021 parameters", loginParameters},
	{"T021 parameters in parameters", injectedParameters},
}

// modes are the ways in which a code comes.
var modes = []string{"query", "form_post"}

func byMode(mode string) func(*oidcrp.Config) {
	return func(c *oidcrp.Config) { c.Providers[0].ResponseMode = mode }
}

// Where there is no binding the visitor's own login starts, unless by a form of
// another site, which shows no session that this would replace.
func answerInAnotherBrowser(t *testing.T, stored bool) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			store := newPlain()
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				byMode(mode)(c)
				if stored {
					c.Store = store
				}
			})
			attacker := a.browse()
			v := a.answerTo(attacker, "/auth/login?return_to=/reports")
			if len(store.records) != 0 {
				t.Error("a login that has begun is in the store")
			}
			t.Run("no binding", func(t *testing.T) {
				a := a.in(t)
				a.op.SignInAs("")
				victim := a.browse()
				if mode == "form_post" {
					a.rejected(victim, rejection{reason: "no_binding"}, func() *oidcrptest.Page { return a.answer(victim, mode, v) })
					return
				}
				if page := a.answer(victim, mode, v); page.Form("bob") == nil {
					t.Fatalf("no new login: %s", page)
				}
				a.calls(oidcrptest.TokenEndpoint, 0)
				a.shows(victim.SubmitForm("bob", nil), "reports for bob")
				if sent := a.op.Requests(oidcrptest.TokenEndpoint)[0].Form; sent.Get("code") == v.Get("code") {
					t.Error("the attacker's code was redeemed")
				}
			})
			t.Run("another binding", func(t *testing.T) {
				a := a.in(t)
				victim := a.browse()
				a.op.SignInAs("alice")
				own := a.answerTo(victim, "/auth/login?return_to=/reports")
				a.rejected(victim, rejection{reason: "binding"}, func() *oidcrptest.Page { return a.answer(victim, mode, v) })
				a.shows(a.answer(victim, mode, own), "reports for alice")
			})
			t.Run("signed in", func(t *testing.T) {
				a := a.in(t)
				victim := a.signInAs("carol")
				a.rejected(victim, rejection{reason: "binding"}, func() *oidcrptest.Page { return a.answer(victim, mode, v) })
			})
			a.shows(a.answer(attacker, mode, v), "reports for alice") // left for its owner
		})
	}
}

func brokenStates(t *testing.T) {
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		v := a.answerTo(b, "/auth/login?return_to=/reports")
		good := v.Get("state")
		for name, state := range map[string]string{
			"absent": "", "one character flipped": flip(good), "truncated": good[:len(good)-1],
			"case changed": strings.ToLower(good), "trailing space": good + " ", "trailing dot": good + ".", "2 kB": strings.Repeat("A", 2<<10),
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := a.in(t)
				broken := maps.Clone(v)
				broken.Set("state", state)
				if state == "" {
					broken.Del("state")
				}
				a.rejected(b, rejection{reason: "state"}, func() *oidcrptest.Page { return a.answer(b, mode, broken) })
			})
		}
		a.shows(a.answer(b, mode, v), "reports for alice") // none of it hurt the login
	}
}

// Where the state is one of two, no transaction is named.
func parametersTwice(t *testing.T) {
	for way, mode := range map[string]string{"query": "query", "form": "form_post", "form and query": "form_post"} {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		for _, name := range []string{"state", "code", "iss", "id_token"} {
			for _, second := range []string{"bad", "the same"} {
				t.Run(fmt.Sprintf("%s in %s, %s", name, way, second), func(t *testing.T) {
					a := a.in(t)
					v := a.answerTo(b, "/auth/login?return_to=/reports")
					twice := maps.Clone(v)
					if name == "id_token" {
						twice.Set(name, "x")
					}
					if second == "the same" {
						second = twice.Get(name)
					}
					want := rejection{reason: "duplicate"}
					if name != "state" {
						want.right, want.form = a.rightly(mode, v)
					}
					a.rejected(b, want, func() *oidcrptest.Page {
						if way == "form and query" {
							b.Show(a.op.URL(oidcrptest.AuthorizeEndpoint), postPage(a.URL+"/auth/callback/test?"+url.Values{name: {second}}.Encode(), twice))
							return b.SubmitForm("go on", nil)
						}
						twice[name] = append([]string{twice.Get(name)}, second)
						return a.answer(b, mode, twice)
					})
					if name == "state" {
						a.shows(a.answer(b, mode, v), "reports for alice")
					}
				})
			}
		}
	}
}

// Who is signed in goes where the login led. Who is not is asked to sign in
// again; after a sign-out, Back finds nothing.
func replay(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
			b := a.browse()
			v := a.answerTo(b, "/reports?a=b")
			a.shows(a.answer(b, mode, v), "reports for alice at /reports?a=b")
			session := a.sessionIn(b)
			for range 2 {
				a.shows(a.answer(b, mode, v), "reports for alice at /reports?a=b")
			}
			if now := a.sessionIn(b); now != session {
				t.Errorf("the session was %v, and is %v", session, now)
			}
			signedOut := b.Tab()
			signedOut.DropCookie(a.sessionName(b, a.URL))
			a.op.SignInAs("")
			a.op.EndSessions()
			if page := a.answer(signedOut, mode, v); page.Form("alice") == nil {
				t.Errorf("without a session: %s", page)
			}
			a.shows(signedOut.SubmitForm("alice", nil), "reports for alice at /reports?a=b")
			a.calls(oidcrptest.TokenEndpoint, 2) // the second is the new login's
			b.Get(a.URL + "/")
			b.PostForm(a.URL+"/auth/logout", nil)
			a.rejected(b, rejection{reason: "binding"}, func() *oidcrptest.Page { return a.answer(b, mode, v) })
			if n := len(a.events.of(oidcrp.LoginSucceeded)); n != 2 {
				t.Errorf("%d sessions", n)
			}
		})
	}
}

// Fifty times the same callback: on two nodes whose store has no Add each
// redeems the code once, and the provider takes it once.
func replayAtOnce(t *testing.T) {
	for _, tt := range []struct {
		name  string
		nodes int
		store oidcrp.Store
		codes int
	}{
		{"one node", 1, nil, 1},
		{"one node with a store", 1, newPlain(), 1},
		{"two nodes with Add", 2, adding{newPlain()}, 1},
		{"two nodes in one process", 2, oidcrp.NewMemoryStore(), 1},
		{"two nodes without Add", 2, newPlain(), 2},
		{"two nodes without a store", 2, nil, 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			n := newNodes(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Store = tt.store })
			b := n.browse()
			callback := n.stopAtCallback(b, "/reports")
			header := navigate
			for _, c := range b.Cookies(callback) {
				header = append(header[:len(header):len(header)], "Cookie", cookieHeader(c))
			}
			n.op.SignInAs("") // logins that start anew stay where they are
			answers := make([]*httptest.ResponseRecorder, 50)
			var wg sync.WaitGroup
			for i := range answers {
				node := i % tt.nodes
				wg.Go(func() { answers[i] = ask(n.rps[node], n.handlers[node], nil, http.MethodGet, callback, header...) })
			}
			wg.Wait()
			sessions := 0
			for _, w := range answers {
				switch {
				case strings.Contains(strings.Join(w.Header().Values("Set-Cookie"), "\n"), "oidcrp_s_"):
					sessions++
				case w.Code != http.StatusFound && w.Code != http.StatusBadRequest:
					t.Errorf("status %d: %s", w.Code, w.Body)
				}
			}
			sent := 0
			for _, r := range n.op.Requests(oidcrptest.TokenEndpoint) {
				if r.Form.Get("code") == mustParse(t, callback).Query().Get("code") {
					sent++
				}
			}
			if sent != tt.codes || sessions != 1 || len(n.events.of(oidcrp.LoginSucceeded)) != 1 {
				t.Errorf("the code was sent %d times, want %d, and %d sessions started", sent, tt.codes, sessions)
			}
		})
	}
}
