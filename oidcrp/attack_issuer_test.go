package oidcrp_test

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// issuerAttacks are T022 to T032: one provider taken for another.
var issuerAttacks = []attack{
	{"T022 wrong iss", wrongIss},
	{"T023 missing iss", missingIss},
	{"T024 iss that was not announced", volunteeredIss},
	{"T025 another provider's callback", anotherProvidersCallback},
	{"T026 mixed metadata, iss in the answer", func(t *testing.T) { mixedMetadata(t, "code") }},
	{"T026 mixed metadata, iss in an ID token", func(t *testing.T) { mixedMetadata(t, "code id_token", oidcrptest.NoResponseIssuer) }},
	{"T027 key of another issuer", keyOfAnotherIssuer},
	{"T028 one subject at two issuers", oneSubjectAtTwoIssuers},
	{"T029 metadata of another issuer", metadataOfAnotherIssuer},
	{"T030 audience of client assertions", assertionAudience},
	{"T031 made-up provider names", madeUpProviders},
	{"T032 response types and modes", responseModeConfusion},
}

// wrongIssuers are issuers that op is not.
func wrongIssuers(op *oidcrptest.Provider) map[string]string {
	iss := op.Issuer()
	return map[string]string{
		"another provider's": "https://other.example", "slash more": iss + "/", "other case": "HTTP" + strings.TrimPrefix(iss, "http"),
		"percent-encoded": url.QueryEscape(iss), "empty": "", "with a query": iss + "?", "another port": strings.TrimRight(iss, "0123456789") + "1",
	}
}

func wrongIss(t *testing.T) {
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		for name, iss := range wrongIssuers(a.op) {
			for _, code := range []string{"", "access_denied"} {
				t.Run(strings.TrimSpace(fmt.Sprintf("%s by %s %s", name, mode, code)), func(t *testing.T) {
					a := a.in(t)
					v := a.answerTo(b, "/auth/login?return_to=/reports")
					wrong := maps.Clone(v)
					wrong.Set("iss", iss)
					if code != "" {
						wrong.Del("code")
						wrong.Set("error", code)
					}
					want := rejection{reason: "iss"}
					want.right, want.form = a.rightly(mode, v)
					a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, wrong) })
				})
			}
		}
	}
}

func missingIss(t *testing.T) {
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t), byMode(mode))
		b := a.signIn()
		for _, code := range []string{"", "access_denied"} {
			t.Run(strings.TrimSpace(mode+" "+code), func(t *testing.T) {
				a := a.in(t)
				v := a.answerTo(b, "/auth/login?return_to=/reports")
				missing := maps.Clone(v)
				missing.Del("iss")
				if code != "" {
					missing.Del("code")
					missing.Set("error", code)
				}
				want := rejection{reason: "iss"}
				want.right, want.form = a.rightly(mode, v)
				a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, missing) })
			})
		}
	}
	// An ID token beside the code names its issuer, as RFC 9207 allows.
	t.Run("beside an ID token", func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t, oidcrptest.MissingResponseIssuer), func(c *oidcrp.Config) {
			c.Providers[0].ResponseType, c.Providers[0].ResponseMode = "code id_token", "form_post"
		})
		a.shows(a.browse().Get(a.URL+"/reports"), "reports for alice")
	})
}

// Who sends an iss without having said so is held to it. There is no setting to
// refuse the right one.
func volunteeredIss(t *testing.T) {
	silent := oidcrptest.MetadataField("authorization_response_iss_parameter_supported", nil)
	for _, mode := range modes {
		a := newApp(t, oidcrptest.NewProvider(t, silent), byMode(mode))
		b := a.signIn()
		v := a.answerTo(b, "/auth/login?return_to=/reports")
		if v.Get("iss") != a.op.Issuer() {
			t.Fatalf("the answer is %v", v)
		}
		a.shows(a.answer(b, mode, v), "reports for alice")
		for name, iss := range wrongIssuers(a.op) {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := a.in(t)
				v := a.answerTo(b, "/auth/login?return_to=/reports")
				wrong := maps.Clone(v)
				wrong.Set("iss", iss)
				want := rejection{reason: "iss"}
				want.right, want.form = a.rightly(mode, v)
				a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, wrong) })
			})
		}
	}
}

// addProvider is a change of a configuration that adds another provider.
func addProvider(other *oidcrptest.Provider, name, mode string) func(*oidcrp.Config) {
	return func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, other.Config(name, c.BaseURL))
		c.Providers[0].ResponseMode, c.Providers[1].ResponseMode = mode, mode
	}
}

func anotherProvidersCallback(t *testing.T) {
	for _, mode := range modes {
		other := oidcrptest.NewProvider(t)
		a := newApp(t, oidcrptest.NewProvider(t), addProvider(other, "other", mode))
		a.others = []*oidcrptest.Provider{other}
		b := a.signInBy("test")
		for what, change := range map[string]func(url.Values){
			"as it was":            func(url.Values) {},
			"with the other's iss": func(v url.Values) { v.Set("iss", other.Issuer()) },
			"without iss":          func(v url.Values) { v.Del("iss") },
		} {
			t.Run(what+" by "+mode, func(t *testing.T) {
				a := a.in(t)
				v := a.answerTo(b, "/auth/login?provider=test&return_to=/reports")
				moved := maps.Clone(v)
				change(moved)
				want := rejection{reason: "provider"}
				want.right, want.form = a.rightly(mode, v)
				a.rejected(b, want, func() *oidcrptest.Page {
					if mode == "form_post" {
						b.Show(other.URL(oidcrptest.AuthorizeEndpoint), postPage(a.URL+"/auth/callback/other", moved))
						return b.SubmitForm("go on", nil)
					}
					return b.Get(a.URL + "/auth/callback/other?" + moved.Encode())
				})
			})
		}
	}
}

// A hostile provider sends visitors on to an honest one, to get its code.
func mixedMetadata(t *testing.T, flow string, faults ...oidcrptest.Fault) {
	honest, hostile := oidcrptest.NewProvider(t, faults...), oidcrptest.NewProvider(t)
	mode := ""
	if flow != "code" {
		mode = "form_post"
	}
	a := newApp(t, honest, func(c *oidcrp.Config) {
		addProvider(hostile, "hostile", mode)(c)
		c.Providers[1].PAR, c.Providers[1].ResponseType = oidcrp.Refused, flow
	})
	a.others = []*oidcrptest.Provider{hostile}
	hostile.SetFaults(append(faults, oidcrptest.MetadataField("authorization_endpoint", honest.URL(oidcrptest.AuthorizeEndpoint)),
		oidcrptest.MetadataField("jwks_uri", honest.URL(oidcrptest.JWKSEndpoint)))...)

	// The honest one knows neither this client nor where it wants the code.
	page := a.browse().Get(a.URL + "/auth/login?provider=hostile&return_to=/reports")
	if !strings.HasPrefix(page.URL.String(), honest.Issuer()) || page.Status != http.StatusBadRequest {
		t.Errorf("the honest provider answered %s", page)
	}

	honest.AddClient(oidcrptest.Client{
		ID: a.config.Providers[1].ClientID, RedirectURLs: []string{a.URL + "/auth/callback/hostile"},
	})
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
	want := rejection{reason: "iss"}
	if flow != "code" {
		want.calls = []string{oidcrptest.JWKSEndpoint} // for the hostile one
	}
	a.rejected(b, want, func() *oidcrptest.Page { return b.Get(a.URL + "/auth/login?provider=hostile&return_to=/reports") })
	if n := hostile.Calls(oidcrptest.TokenEndpoint); n != 0 {
		t.Errorf("the hostile provider got %d codes", n)
	}
}

// Two issuers whose keys have one name: each signs for itself alone.
func keyOfAnotherIssuer(t *testing.T) {
	for _, flow := range []string{"code", "code id_token", "id_token"} {
		f, other := newFront(t), newFront(t) // the kid of both is "f"
		a := newFrontApp(t, f, flow, "form_post", func(c *oidcrp.Config) {
			second := c.Providers[0]
			second.Name, second.Issuer = "other", other.URL
			c.Providers = append(c.Providers, second)
		})
		other.now = a.clock.now
		b := a.browse()
		a.shows(b.Get(a.URL+"/auth/login?provider=other&return_to=/reports"), "reports for alice")
		a.shows(b.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
		var calls []string
		if flow == "code" {
			calls = []string{"/token"}
		}
		t.Run("signed by the other by "+flow, func(t *testing.T) {
			a := a.in(t)
			f.set(func() { f.signer = other.key })
			a.rejected(b, rejection{reason: "signature", calls: calls}, func() *oidcrptest.Page {
				return b.Get(a.URL + "/auth/login?provider=test&return_to=/reports")
			})
			f.set(func() { f.signer = nil })
		})
		t.Run("from the other by "+flow, func(t *testing.T) {
			a := a.in(t)
			a.front = other
			other.set(func() { other.claims = func(_ string, claims map[string]any) { claims["iss"] = f.URL } })
			a.rejected(b, rejection{reason: "iss", calls: calls}, func() *oidcrptest.Page {
				return b.Get(a.URL + "/auth/login?provider=other&return_to=/reports")
			})
		})
	}
}

// Who has one subject at two issuers is two users.
func oneSubjectAtTwoIssuers(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			other := oidcrptest.NewProvider(t)
			other.SignInAs("alice")
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
				addProvider(other, "other", "")(c)
				store(c)
			})
			at := func(b *oidcrptest.Browser) string {
				var me struct{ Iss, Sub string }
				if err := b.Get(a.URL + "/auth/me").JSON(&me); err != nil {
					t.Fatal(err)
				}
				return me.Iss + " " + me.Sub
			}
			one, two := a.browse(), a.browse()
			a.shows(one.Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
			a.shows(two.Get(a.URL+"/auth/login?provider=other&return_to=/reports"), "reports for alice")
			if first, second := at(one), at(two); first != a.op.Issuer()+" alice" || second != other.Issuer()+" alice" {
				t.Errorf("they are %q and %q", first, second)
			}
			a.clock.advance(time.Second)
			if err := a.rp.EndSessions(t.Context(), oidcrp.Identity{Provider: "test", Issuer: a.op.Issuer(), Subject: "alice"}); err != nil {
				t.Fatal(err)
			}
			a.shows(one.Get(a.URL+"/"), "home of nobody")
			a.shows(two.Get(a.URL+"/"), "home of alice")

			// A login under way is finished over the other's session: it is another
			// user's, not the same once more.
			a.clock.advance(time.Second)
			before := a.sessionCookie(two)
			v := a.answerTo(two, "/auth/login?provider=test&return_to=/reports")
			a.clock.advance(time.Second)
			a.shows(two.Get(a.URL+"/auth/login?provider=other&return_to=/reports"), "reports for alice")
			between := a.sessionCookie(two)
			a.shows(a.answer(two, "query", v), "reports for alice")
			if now := at(two); now != a.op.Issuer()+" alice" || a.whoHas(before) != "nobody" || a.whoHas(between) != "nobody" {
				t.Errorf("now %q, and the sessions before are %s and %s", now, a.whoHas(before), a.whoHas(between))
			}
		})
	}
}

// Metadata counts for the issuer it was asked at and for no other.
func metadataOfAnotherIssuer(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	for name := range wrongIssuers(other) {
		if name == "empty" {
			continue // no metadata document at all
		}
		t.Run(name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), addProvider(other, "other", ""))
			a.others = []*oidcrptest.Provider{other}
			a.op.SetFaults(oidcrptest.MetadataField("issuer", wrongIssuers(a.op)[name]))
			b := a.browse()
			a.shows(b.Get(a.URL+"/auth/login?provider=other&return_to=/reports"), "reports for bob")
			want := rejection{status: http.StatusInternalServerError, reason: "misconfigured", calls: []string{oidcrptest.DiscoveryEndpoint}}
			a.rejected(b, want, func() *oidcrptest.Page { return b.Get(a.URL + "/auth/login?provider=test&return_to=/reports") })
			status := a.rp.Status().Providers
			if status[0].Ready || !strings.Contains(status[0].LastError, "issuer") || !status[1].Ready || status[1].LastError != "" {
				t.Errorf("status %+v", status)
			}
			a.calls(oidcrptest.AuthorizeEndpoint, 0)
		})
	}
}

// A client assertion is for the issuer alone: whoever else gets it can do
// nothing with it.
func assertionAudience(t *testing.T) {
	op, other := oidcrptest.NewProvider(t), oidcrptest.NewProvider(t)
	a := newSigningApp(t, op, func(c *oidcrptest.Client) { c.AuthMethod = "private_key_jwt" }, func(p *oidcrp.Provider) {
		p.ClientSecret, p.ClientKeys, p.PAR = "", []oidcrp.ClientKey{{Key: newKey(t)}}, oidcrp.Refused
	})
	op.SetFaults(oidcrptest.MetadataField("token_endpoint", other.URL(oidcrptest.TokenEndpoint)))
	page := a.browse().Get(a.URL + "/reports")
	if page.Status == http.StatusOK {
		t.Fatalf("signed in: %s", page)
	}
	sent := other.Requests(oidcrptest.TokenEndpoint)
	if len(sent) != 1 {
		t.Fatalf("%d token requests", len(sent))
	}
	if aud := payload(t, sent[0].Form.Get("client_assertion"))["aud"]; aud != op.Issuer() {
		t.Errorf("the audience is %v", aud)
	}
	a.noSessionIn(page.Header)
}

// What is no provider's name is not repeated anywhere, and leads at most to the
// sign-in page: links outlive their providers.
func madeUpProviders(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), addProvider(oidcrptest.NewProvider(t), "other", ""))
	visitor := a.signInBy("test")
	session := a.sessionIn(visitor)
	for _, name := range []string{
		"..%2fzzyzx", "zzyzx", "TEST", "test%00zzyzx", "test%20", "test%2fzzyzx", "%3Cscript%3Ezzyzx", "zzyzx%0d%0aX:%20y", "%ff%fezzyzx", strings.Repeat("zzyzx", 2000), "..", ".",
	} {
		for _, path := range []string{"/auth/callback/", "/auth/backchannel-logout/", "/auth/frontchannel-logout/", "/auth/login?provider="} {
			method := http.MethodGet
			if strings.Contains(path, "backchannel") {
				method = http.MethodPost
			}
			res := a.with(visitor, method, path+name, navigate...)
			b, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			body := string(b)
			want := http.StatusNotFound
			if strings.Contains(path, "login?") {
				want = http.StatusOK
			}
			if res.StatusCode != want || len(res.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s%.30s: %d, want %d, and cookies %q", path, name, res.StatusCode, want, res.Header.Values("Set-Cookie"))
			}
			if strings.Contains(body, "zzyzx") || strings.Contains(fmt.Sprint(res.Header), "zzyzx") {
				t.Errorf("%s%.30s is repeated: %s", path, name, body)
			}
		}
	}
	for _, e := range a.told() {
		if e.Provider != "" && e.Provider != "test" && e.Provider != "other" {
			t.Errorf("an event of provider %.30q", e.Provider)
		}
	}
	if strings.Contains(a.log.String(), "zzyzx") {
		t.Errorf("a made-up name is in the log: %s", a.log)
	}
	if now := a.sessionIn(visitor); now != session {
		t.Errorf("the session was %v, and is %v", session, now)
	}
}
