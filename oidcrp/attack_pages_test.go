package oidcrp_test

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var pageAttacks = []attack{
	{"T092 error of the provider", markup(inError("error"))},
	{"T092 error_description", markup(inError("error_description"))},
	{"T092 error_uri", markup(inError("error_uri"))},
	{"T092 state", markup(func(a *app, s string) *oidcrptest.Page {
		return a.browse().Get(a.URL + "/auth/callback/test?code=x&state=" + url.QueryEscape(s))
	})},
	{"T092 code", markup(func(a *app, s string) *oidcrptest.Page {
		callback := mustParse(a.t, a.stopAtCallback(a.browse(), "/auth/login?provider=test"))
		return a.browse().Get(a.URL + "/auth/callback/test?state=" + callback.Query().Get("state")[1:] + "&code=" + url.QueryEscape(s))
	})},
	{"T092 provider", markup(func(a *app, s string) *oidcrptest.Page {
		return a.browse().Get(a.URL + "/auth/login?provider=" + url.QueryEscape(s))
	})},
	{"T092 provider in a path", markup(func(a *app, s string) *oidcrptest.Page {
		return a.browse().Get(a.URL + "/auth/callback/" + url.PathEscape(s))
	})},
	{"T092 provider's own name", markup(func(a *app, s string) *oidcrptest.Page {
		return a.servedBy(func(c *oidcrp.Config) { c.Providers[0].DisplayName, c.SiteName = s, s }, "/auth/login")
	})},
	{"T092 return URL", markup(func(a *app, s string) *oidcrptest.Page {
		return a.browse().Get(a.URL + "/auth/login?return_to=" + url.QueryEscape("/reports?x="+s))
	})},
	{"T092 login_hint", markup(func(a *app, s string) *oidcrptest.Page {
		b := a.signedInAt("test")
		evil(b, `<a href="`+a.URL+"/auth/login?provider=other&login_hint="+url.QueryEscape(s)+`">go</a>`)
		return b.Follow("go") // asked whether to change
	})},
	{"T092 identifier", markup(func(a *app, s string) *oidcrptest.Page {
		return a.servedBy(func(c *oidcrp.Config) {
			c.SingleSignOn, c.Providers[1].EmailDomains = true, []string{"corp.example"}
		}, "/auth/login?identifier="+url.QueryEscape(s))
	})},
	{"T092 issuer of an initiation", markup(func(a *app, s string) *oidcrptest.Page {
		return a.browse().Get(a.URL + "/auth/initiate?iss=" + url.QueryEscape("https://x.example/"+s))
	})},
	{"T092 name and email, signing out", markup(func(a *app, s string) *oidcrptest.Page {
		return a.signedInWith(s).Get(a.URL + "/auth/logout?return_to=" + url.QueryEscape("/bye?x="+s))
	})},
	{"T092 name and email, denied", markup(func(a *app, s string) *oidcrptest.Page {
		return a.signedInWith(s).Get(a.URL + "/admin")
	})},
	{"T092 name and email, in JSON", markup(func(a *app, s string) *oidcrptest.Page {
		return a.signedInWith(s).Get(a.URL + "/auth/me")
	})},
	{"T092 a form that sends itself", markup(atALongSignOut)},
	{"T092 a problem document", markup(func(a *app, s string) *oidcrptest.Page {
		b := a.browse()
		b.Get(a.URL + "/")
		return b.Fetch("GET", "/auth/callback/"+url.PathEscape(s)+"?error="+url.QueryEscape(s), nil)
	})},
	{"T092 refusal", markup(func(a *app, s string) *oidcrptest.Page {
		a.op.AddUser(oidcrptest.User{Subject: "refused", Name: s})
		a.op.SignInAs("refused")
		return a.browse().Get(a.URL + "/auth/login?provider=test")
	})},

	{"T093 authorization response by query", spoofs("query", oidcrptest.AuthorizationError("access_denied", friendly))},
	{"T093 authorization response by form", spoofs("form_post", oidcrptest.AuthorizationError("access_denied", friendly))},
	{"T093 error that nobody knows", spoofs("query", oidcrptest.AuthorizationError(friendly, friendly))},
	{"T093 error_uri", spoofs("query", oidcrptest.AuthorizationError("server_error", friendly), oidcrptest.ResponseParam("error_uri", "https://evil.example/help"))},
	{"T093 token endpoint", spoofs("query", oauthError(oidcrptest.TokenEndpoint))},
	{"T093 pushed request", spoofs("query", oauthError(oidcrptest.PAREndpoint))},
	{"T093 UserInfo", spoofs("query", oauthError(oidcrptest.UserInfoEndpoint))},
	{"T093 no transaction", spoofsStranger},

	{"T097 in a frame", framed},
	{"T097 in a frame of a browser that does not say so", unframed},
	{"T097 a provider's frame", framedByProvider},
	{"T097 Back after signing out", backAfterLogout},
}

// markups are what strangers write where it may come to stand on a page.
var markups = []string{
	`<script>alert(1)</script>`, `</script><script>alert(1)</script>`, `</title><img src=x onerror=alert(1)>`, `</style><svg onload=alert(1)>`,
	`"><b id=x onclick=alert(1)>`, `' onmouseover='alert(1)' x='`, `" autofocus onfocus="alert(1)`, `{{.Script}}<i>{{template "layout"}}`, `{site}{user}<i>`,
	`javascript:alert("1")`, `<!--`, `]]><x>`, "+ADw-script+AD4-<", "<\u2028script>", "\"\u202e>",
}

// markup tries each at one place, and fails the test unless what comes is text.
func markup(place func(a *app, s string) *oidcrptest.Page) func(*testing.T) {
	return func(t *testing.T) {
		a := newHostileApp(t)
		for _, s := range markups {
			page := place(a, s)
			if page == nil || page.Status == 0 || page.Body == "" {
				t.Fatalf("%q: nothing came: %v", s, page)
			}
			_, body, found := strings.Cut(page.Body, "</style>")
			if !found {
				body = page.Body
			}
			asText := strings.Contains(body, s) && strings.HasPrefix(page.Header.Get("Content-Type"), "text/html")
			if asText || executes.MatchString(values.ReplaceAllString(body, `""`)) || strings.Contains(body, "<no value>") {
				t.Errorf("%q is on the page: %s", s, body)
			}
			safelyServed(t, page)
		}
	}
}

// executes finds what of markups would be an element, or an attribute, in a page
// without values of attributes.
var (
	executes = regexp.MustCompile(`(?i)<(img|svg on|b|i|x)\b|<script>alert|<[^>]*\son\w+=`)
	values   = regexp.MustCompile(`"[^"]*"`)
)

// safelyServed fails the test unless a browser takes a page for what it is, and
// runs nothing on it that we did not write.
func safelyServed(t *testing.T, page *oidcrptest.Page) {
	t.Helper()
	h := page.Header
	if h.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("no nosniff: %v", h)
	}
	switch kind := h.Get("Content-Type"); kind {
	case "application/json", "application/problem+json":
		if strings.ContainsAny(page.Body, "<>") {
			t.Errorf("JSON that could be HTML: %s", page.Body)
		}
	case "text/html; charset=utf-8":
		policy := h.Get("Content-Security-Policy")
		if !strings.Contains(policy, "default-src 'none'") || strings.Contains(policy, "unsafe") || !strings.Contains(policy, "base-uri 'none'") {
			t.Errorf("policy %q", policy)
		}
		_, scripts, _ := strings.Cut(policy, "script-src ")
		scripts, _, _ = strings.Cut(scripts, ";")
		for source := range strings.FieldsSeq(scripts) {
			if !strings.HasPrefix(source, "'sha256-") {
				t.Errorf("scripts of %s may run", source)
			}
		}
		if strings.Contains(page.Body, `="javascript:`) {
			t.Errorf("an address that is a script: %s", page.Body)
		}
		if n := strings.Count(page.Body, "<script"); n != len(strings.Fields(scripts)) {
			t.Errorf("%d scripts, %q", n, scripts)
		}
	default:
		t.Errorf("Content-Type %q", kind)
	}
}

// servedBy is a page of the application after its configuration was changed.
func (a *app) servedBy(change func(*oidcrp.Config), path string) *oidcrptest.Page {
	a.t.Helper()
	rp := a.later(change)
	w := ask(rp, rp, nil, "GET", a.URL+path, navigate...)
	return &oidcrptest.Page{Status: w.Code, Header: w.Header(), Body: w.Body.String()}
}

// newHostileApp has two providers; whom it refuses it calls by name.
func newHostileApp(t *testing.T) *app {
	t.Helper()
	return newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		other := oidcrptest.NewProvider(t).Config("other", c.BaseURL)
		c.Providers = append(c.Providers, other)
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			if l.Subject == "refused" {
				return &oidcrp.Refusal{Message: "Not you, " + l.Text("name")}
			}
			return nil
		}
	})
}

func inError(name string) func(*app, string) *oidcrptest.Page {
	return func(a *app, s string) *oidcrptest.Page {
		b := a.browse()
		state := mustParse(a.t, a.stopAtCallback(b, "/auth/login?provider=test")).Query().Get("state")
		q := url.Values{"state": {state}, "error": {"access_denied"}, "iss": {a.op.Issuer()}}
		q.Set(name, s)
		return b.Get(a.URL + "/auth/callback/test?" + q.Encode())
	}
}

// signedInAt opens a browser with a session of one of several providers.
func (a *app) signedInAt(name string) *oidcrptest.Browser {
	a.t.Helper()
	b := a.browse()
	a.shows(b.Get(a.URL+"/auth/login?return_to=/reports&provider="+name), "reports for ")
	return b
}

// signedInWith opens a browser with the session of somebody of that name.
func (a *app) signedInWith(s string) *oidcrptest.Browser {
	a.t.Helper()
	a.op.AddUser(oidcrptest.User{Subject: "mallory", Name: s, Email: s, Claims: map[string]any{"preferred_username": s}})
	a.op.SignInAs("mallory")
	return a.signedInAt("test")
}

// atALongSignOut stops at the page that takes a long ID token to the provider,
// whose address has the text.
func atALongSignOut(a *app, s string) *oidcrptest.Page {
	a.op.SetFaults(oidcrptest.MetadataField("end_session_endpoint", a.op.URL(oidcrptest.EndSessionEndpoint)+"?x="+url.QueryEscape(s)))
	wordy(a.op, 1100)
	b := a.signedInAt("test")
	b.SetJavaScript(false)
	page := a.logout(b, "/bye?x="+url.QueryEscape(s))
	if len(page.Forms()) != 1 || !strings.Contains(page.Body, "id_token_hint") {
		a.t.Errorf("no form: %s", page)
	}
	return page
}

const friendly = "Your account is locked. Call 0900 555 or visit https://evil.example/help to unlock it."

// oauthError makes an endpoint refuse with a text.
func oauthError(endpoint string) oidcrptest.Fault {
	return oidcrptest.Answer(endpoint, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("WWW-Authenticate", `Bearer error="invalid_token", error_description="`+friendly+`"`)
		w.WriteHeader(http.StatusBadRequest)
		fmt.Fprintf(w, `{"error":"invalid_request","error_description":%q,"error_uri":"https://evil.example/help","message":%q}`, friendly, friendly)
	})
}

// spoofs fails the test unless nothing of what a provider says in an error is
// shown.
func spoofs(mode string, faults ...oidcrptest.Fault) func(*testing.T) {
	return func(t *testing.T) {
		a := newApp(t, oidcrptest.NewProvider(t, faults...), func(c *oidcrp.Config) {
			c.Providers[0].ResponseMode, c.Providers[0].UserInfo = mode, oidcrp.UserInfoRequired
		})
		b := a.browse()
		page := b.Get(a.URL + "/reports")
		if page.Status < 400 {
			t.Fatalf("%s", page)
		}
		saysNothing(t, page.Body)
		saysNothing(t, fmt.Sprint(page.Header))
		if page.Status == http.StatusBadRequest {
			a.refused(page, http.StatusBadRequest, "")
		}
	}
}

func saysNothing(t *testing.T, shown string) {
	t.Helper()
	for _, s := range []string{"0900", "locked", "evil.example"} {
		if strings.Contains(shown, s) {
			t.Errorf("the provider speaks to the visitor: %s", shown)
		}
	}
}

// spoofsStranger: nor does anybody who makes up an answer.
func spoofsStranger(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	q := url.Values{"error": {"access_denied"}, "error_description": {friendly}, "error_uri": {"https://evil.example/help"}, "state": {"x"}}
	page := a.rejected(b, rejection{reason: "state"}, func() *oidcrptest.Page { return b.Get(a.URL + "/auth/callback/test?" + q.Encode()) })
	saysNothing(t, page.Body)
	script := b.Fetch("GET", "/auth/callback/test?"+q.Encode(), nil)
	saysNothing(t, script.Body)
}

// framed tries our pages in a frame of another site, and in one of our own.
func framed(t *testing.T) {
	a := newHostileApp(t)
	for name, path := range map[string]string{
		"sign-in": "/auth/login", "sign-out": "/auth/logout", "nothing there": "/auth/nowhere", "error": "/auth/callback/test?error=x", "denied": "/admin",
		"initiation": "/auth/initiate?iss=" + url.QueryEscape(a.op.Issuer()), "initiation of a stranger": "/auth/initiate?iss=https://x.example",
	} {
		t.Run(name, func(t *testing.T) {
			a := a.in(t)
			a.op.SignInAs("bob")
			for _, at := range []string{"https://evil.example/", a.URL + "/"} {
				b := a.signedInAt("test")
				b.Show(at, "")
				page := b.Frame(a.URL + path)
				if page.Blocked != "frame-ancestors" || page.Header.Get("X-Frame-Options") != "DENY" && !strings.Contains(page.Header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
					t.Errorf("in a frame of %s: %q, %v", at, page.Blocked, page.Header)
				}
			}
		})
	}
}

// unframed: browsers that say nothing of frames keep to the headers, which a
// redirect to a page that could be framed has as well.
func unframed(t *testing.T) {
	a := newHostileApp(t)
	for _, path := range []string{"/auth/initiate?iss=" + url.QueryEscape(a.op.Issuer()), "/auth/initiate?iss=x", "/auth/login", "/auth/logout", "/auth/nowhere", "/auth/callback/test"} {
		h := a.with(nil, "GET", path, "Accept", "text/html").Header
		if h.Get("X-Frame-Options") != "DENY" || !strings.Contains(h.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: %v", path, h)
		}
	}
}

// framedByProvider: the front-channel address alone is for frames, from wherever
// the provider's pages are, and has nothing to see, to click or to run.
func framedByProvider(t *testing.T) {
	a := newTold(t, nil)
	address := a.rp.RedirectURLs()[0].FrontchannelLogout
	for _, at := range []string{a.op.Issuer() + "/", "https://evil.example/"} {
		b := a.browse()
		b.Show(at, "")
		for _, q := range []string{"", "?iss=" + url.QueryEscape(a.op.Issuer()) + "&sid=x", "?iss=<b>&sid=<b>"} {
			page := b.Frame(address + q)
			if page.Blocked != "" || page.Status != http.StatusOK || page.Text() != "" || len(page.Forms())+len(page.Links()) != 0 ||
				page.Header.Get("Content-Security-Policy") != "default-src 'none'" || page.Header.Get("Cache-Control") != "no-store" || len(page.Header.Values("Set-Cookie")) != 0 {
				t.Errorf("%s in a frame of %s: %q %v %s", q, at, page.Blocked, page.Header, page.Body)
			}
		}
	}
}
