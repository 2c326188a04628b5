package oidcrp_test

import (
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestErrorPage(t *testing.T) {
	var mu sync.Mutex
	var last *oidcrp.Error
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.ErrorPage = func(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
			mu.Lock()
			last = e
			mu.Unlock()
			w.Header().Set("Content-Type", "text/html")
			w.WriteHeader(e.Status)
			fmt.Fprintf(w, `own page, %s, <a href="%s">again</a>`, e.ID, template.HTMLEscapeString(e.RetryURL))
		}
	})
	tests := []struct {
		fault    oidcrptest.Fault
		status   int
		is       error
		provider string // code of the ProviderError
		direct   bool
	}{
		{oidcrptest.AuthorizationError("access_denied", "changed my mind"), 400, oidcrp.ErrCancelled, "access_denied", false},
		{oidcrptest.AuthorizationError("server_error", ""), 503, oidcrp.ErrProviderUnavailable, "server_error", false},
		{oidcrptest.AuthorizationError("login_required", ""), 400, oidcrp.ErrInvalidResponse, "login_required", false},
		{oidcrptest.TokenError("invalid_client"), 500, oidcrp.ErrMisconfigured, "invalid_client", true},
		{oidcrptest.TokenError("invalid_grant"), 400, oidcrp.ErrInvalidResponse, "invalid_grant", true},
		{oidcrptest.TokenStatus(502), 503, oidcrp.ErrProviderUnavailable, "", false},
		{oidcrptest.WrongNonce, 400, oidcrp.ErrInvalidToken, "", false},
		{oidcrptest.NoIDToken, 400, oidcrp.ErrInvalidToken, "", false},
		{oidcrptest.NoState, 400, oidcrp.ErrLoginExpired, "", false},
		{oidcrptest.WrongResponseIssuer, 400, oidcrp.ErrInvalidResponse, "", false},
		{oidcrptest.NoCode, 400, oidcrp.ErrInvalidResponse, "", false},
		{oidcrptest.DuplicateParams, 400, oidcrp.ErrInvalidResponse, "", false},
	}
	all := []error{oidcrp.ErrNotLoaded, oidcrp.ErrAnonymous, oidcrp.ErrForbidden, oidcrp.ErrLoginExpired, oidcrp.ErrCancelled, oidcrp.ErrInvalidResponse,
		oidcrp.ErrInvalidToken, oidcrp.ErrProviderUnavailable, oidcrp.ErrStoreUnavailable, oidcrp.ErrMisconfigured}
	b := a.browse()
	for _, tt := range tests {
		t.Run(tt.fault.Name, func(t *testing.T) {
			a.op.SetFaults(tt.fault)
			page := b.Get(a.URL + "/auth/login?return_to=/reports")
			mu.Lock()
			e := last
			mu.Unlock()
			if page.Status != tt.status || e.Status != tt.status || !strings.Contains(page.Body, "own page, "+e.ID) || len(e.ID) < 8 {
				t.Fatalf("%d %s", page.Status, page.Body)
			}
			for _, kind := range all {
				if errors.Is(e, kind) != (kind == tt.is) {
					t.Errorf("errors.Is(e, %q) is %v: %v", kind, errors.Is(e, kind), e)
				}
			}
			var answer *oidcrp.ProviderError
			if errors.As(e, &answer) != (tt.provider != "") || answer != nil && (answer.Code != tt.provider || tt.direct != (answer.Status != 0)) {
				t.Errorf("provider's answer %+v", answer)
			}
			if tt.provider != "" && e.Provider != "test" {
				t.Errorf("provider %q", e.Provider)
			}
			if page.Header.Get("Cache-Control") != "no-store" || (page.Header.Get("Retry-After") != "") != (tt.status == 503) {
				t.Errorf("%v", page.Header)
			}
			if script := b.Fetch("GET", "/reports", nil); script.Header.Get("Content-Type") != "application/problem+json" {
				t.Errorf("a script gets %v", script)
			}
			a.op.SetFaults()
			if e.RetryURL != "" && !slices.Contains([]string{"NoState", "DuplicateParams"}, tt.fault.Name) {
				a.shows(b.Follow("again"), "reports for alice")
				b.DropCookies()
			}
		})
	}
	if answer := a.events.of(oidcrp.LoginFailed); len(answer) == 0 || strings.Contains(a.browse().Get(a.URL+"/auth/nowhere").Body, "changed my mind") {
		t.Error("no events")
	}
}

// On a page of the application's own, who is signed in stays so while another
// login fails.
func TestErrorPageKnowsTheVisitor(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), store)
			b := a.signIn()
			a.op.SetFaults(oidcrptest.WrongNonce)
			b.Get(a.URL + "/auth/login")
			if failed := a.events.of(oidcrp.LoginFailed); len(failed) != 1 || failed[0].Subject != "" {
				t.Errorf("whose login failed is not known: %+v", failed)
			}
			var rp *oidcrp.RelyingParty
			rp = a.later(func(c *oidcrp.Config) {
				c.ErrorPage = func(w http.ResponseWriter, r *http.Request, e *oidcrp.Error) {
					w.WriteHeader(e.Status)
					fmt.Fprintf(w, "%v %s", rp.View(r).SignedIn(), name(r))
				}
			})
			if got := ask(rp, rp, nil, "GET", "/auth/nowhere", "Accept", "text/html", "Cookie", cookieHeader(a.sessionCookie(b))).Body.String(); got != "true alice" {
				t.Error(got)
			}
		})
	}
}

func TestMessagesAndLanguage(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Messages = map[string]map[string]string{
			"en": {"denied.title": "Computer says no"},
			"de": {"denied.title": "Kein <Zugang>", "signin.button": "Anmelden"},
		}
		c.Language = func(r *http.Request) string { return r.URL.Query().Get("lang") }
	})
	b := a.signInAs("bob")
	a.answers(b.Get(a.URL+"/admin"), 403, "Computer says no")
	page := b.Get(a.URL + "/admin?lang=de")
	a.answers(page, 403, "Kein <Zugang>")
	if !strings.Contains(page.Body, `lang="de"`) || strings.Contains(page.Body, "<Zugang>") || page.Header.Get("Content-Language") != "de" {
		t.Errorf("%v %s", page.Header, page.Body)
	}
	b.SetLanguage("de-AT,de;q=0.9,en;q=0.1")
	a.answers(b.Get(a.URL+"/admin"), 403, "Kein <Zugang>") // Language left it open
	a.op.ResetCalls()
	b.Get(a.URL + "/auth/login")
	if got := a.requests()[0].Get("ui_locales"); got != "de" {
		t.Errorf("ui_locales %q", got)
	}
	if all := oidcrp.DefaultMessages(); all["en"]["denied.title"] == "" || all["th"]["denied.title"] == "" || all["en"]["denied.title"] == "Computer says no" {
		t.Errorf("defaults %v", all["en"]["denied.title"])
	}
}

func TestReplacedPages(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Pages = template.Must(template.New("layout").Parse(`<html lang="{{.Lang}}"><body>Our frame {{.Content}}</body></html>`))
		template.Must(c.Pages.New("denied").Parse(`No, {{.User}}: {{.Title}} {{.Status}}`))
		template.Must(c.Pages.New("signedout").Parse(`{{if eq .Lang "th"}}{{index .Providers 7}}{{end}}`))
	})
	op := a.op
	op.AddUser(oidcrptest.User{Subject: "erin", Name: `<script>alert(1)</script>`, Email: "e@example.com"})
	b := a.signInAs("erin")
	page := b.Get(a.URL + "/admin")
	a.answers(page, 403, "Our frame No, <script>alert(1)</script>: You do not have access 403")
	if strings.Contains(page.Body, "<script>") {
		t.Error("not escaped")
	}
	a.answers(b.Get(a.URL+"/auth/nowhere"), 404, "Our frame Page not found")
	b.SetLanguage("th")
	page = b.PostForm(a.URL+"/auth/logout", nil)
	a.shows(page, "ออกจากระบบแล้ว") // the built-in one, since the template fails
	if !strings.Contains(a.log.String(), "page template failed") {
		t.Error("nobody is told of the template")
	}
}

func TestOwnSignInPage(t *testing.T) {
	other := oidcrptest.NewProvider(t)
	other.SignInAs("bob")
	a := serving(t, oidcrptest.NewProvider(t), "", func(c *oidcrp.Config) {
		c.SignInPath = "/welcome"
		p, hidden := other.Config("other", c.BaseURL), other.Config("hidden", c.BaseURL)
		p.DisplayName, hidden.Hidden = "Fabrikam <b>", true
		c.Providers = append(c.Providers, p, hidden)
	}, func(a *app) http.Handler {
		page := template.Must(template.New("").Parse(`our own page {{range .Auth.Providers}}<a href="{{.URL}}">{{.DisplayName}}</a> {{end}}`))
		return a.pages(map[string]http.HandlerFunc{"/welcome": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			if err := page.Execute(w, map[string]any{"Auth": a.rp.View(r)}); err != nil {
				t.Error(err)
			}
		}})
	})
	for _, start := range []string{"/reports?a=b&c=d", "/auth/login?return_to=%2Freports%3Fa%3Db%26c%3Dd"} {
		b := a.browse()
		page := b.Get(a.URL + start)
		a.shows(page, "our own page")
		if strings.Contains(page.Text(), "hidden") || len(page.Links()) != 2 || page.URL.Path != "/welcome" {
			t.Errorf("%s", page.Body)
		}
		a.shows(b.Follow("Fabrikam <b>"), "reports for bob at /reports?a=b&c=d")
	}
	b := a.browse()
	for _, to := range []string{"//evil.example", "https://evil.example/", "/welcome", "/auth/logout"} {
		b.Get(a.URL + "/welcome?return_to=" + url.QueryEscape(to))
		page := b.Follow("Fabrikam <b>")
		a.shows(page, "home of bob")
		b.DropCookies()
	}
	b.Get(a.URL + "/")
	if doc := problem(t, []byte(b.Fetch("GET", "/reports", nil).Body)); doc.Login != a.URL+"/auth/login" {
		t.Errorf("login %q", doc.Login)
	}
}

// A guard around the sign-in page is a mistake, but not an endless one.
func guardAroundTheSignInPage(t *testing.T) {
	rp := offline(t, func(c *oidcrp.Config) {
		c.SignInPath = "/signin"
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "other", Issuer: "https://two.example", ClientID: "app"})
	})
	h, at := rp.Load(rp.RequireLogin(http.NotFoundHandler())), "/reports"
	for range 5 {
		w := ask(rp, h, nil, "GET", at, navigate...)
		if w.Code == http.StatusOK {
			return
		}
		at = strings.TrimPrefix(w.Header().Get("Location"), "https://app.example")
	}
	t.Errorf("still on the way, to %s", at)
}
