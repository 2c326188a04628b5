package oidcrp_test

import (
	"bytes"
	"html/template"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// viewing serves a page made by html/template, at every path but our own.
func viewing(t *testing.T, page string, change func(*oidcrp.Config)) *app {
	tmpl := template.Must(template.New("").Parse(page))
	return serving(t, oidcrptest.NewProvider(t), "", change, func(a *app) http.Handler {
		return a.pages(map[string]http.HandlerFunc{"/": func(w http.ResponseWriter, r *http.Request) {
			var b bytes.Buffer
			view := a.rp.View(r)
			if err := tmpl.Execute(&b, map[string]any{"Auth": view, "Admin": oidcrp.HasRole("admin")}); err != nil {
				t.Error(err)
			}
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			w.Header().Set("Content-Security-Policy", "default-src 'none'; form-action 'self' "+strings.Join(view.FormAction(), " "))
			w.Write(b.Bytes())
		}})
	})
}

func TestView(t *testing.T) {
	a := viewing(t, `{{with .Auth}}{{if .SignedIn}}Hello {{.User.Name}} of {{.User.Provider}} <i>{{.User.Email}}</i> {{.SignOutButton}}{{else}}Welcome {{.SignInButton}}{{end}}
		{{if .User.HasRole "admin"}}admin menu{{end}} {{if .Allowed $.Admin}}and allowed{{end}} in {{.Language}}
		{{.SignInURL}} {{range .Providers}}[{{.Name}} {{.DisplayName}} {{.URL}}]{{end}}{{end}}`,
		func(c *oidcrp.Config) { c.Providers[0].DisplayName = "The <b> provider" })
	a.op.AddUser(oidcrptest.User{Subject: "erin", Name: `<script>alert("x")</script>`, Email: "erin@example.com"})
	b := a.browse()
	page := b.Get(a.URL + "/page?a=b&c=<d>")
	a.shows(page, "Welcome Sign in")
	a.shows(page, "in en")
	if strings.Contains(page.Text(), "admin menu") || strings.Contains(page.Text(), "allowed") || len(page.Forms()) != 0 || strings.Contains(page.Body, "The <b>") {
		t.Errorf("%s", page.Body)
	}
	if got := b.Page().Links()[0].URL.RequestURI(); got != "/auth/login?return_to=%2Fpage%3Fa%3Db%26c%3D%253Cd%253E" && got != "/auth/login?return_to=%2Fpage%3Fa%3Db%26c%3D%3Cd%3E" {
		t.Errorf("the button leads to %s", got)
	}
	page = b.Follow("Sign in")
	a.shows(page, "Hello Alice Archer of test alice@example.com Sign out")
	a.shows(page, "admin menu and allowed")
	if page.URL.Path != "/page" || !strings.HasPrefix(page.URL.RawQuery, "a=b&c=") {
		t.Errorf("ended at %s", page.URL)
	}
	a.shows(b.SubmitForm("Sign out", nil), "You are signed out") // through the provider, obeying our CSP
	a.op.SignInAs("bob")
	page = b.Get(a.URL + "/auth/login?return_to=/")
	if strings.Contains(page.Text(), "admin menu") || strings.Contains(page.Text(), "allowed") {
		t.Errorf("%s", page)
	}
	a.op.SignInAs("erin")
	page = b.Get(a.URL + "/auth/login?return_to=/")
	a.shows(page, `Hello <script>alert("x")</script> of test`)
	if strings.Contains(page.Body, "<script>") {
		t.Errorf("not escaped: %s", page.Body)
	}
	b.SetLanguage("th")
	a.shows(b.Get(a.URL+"/"), "in th")
	a.shows(b.Page(), "ออกจากระบบ")
}

func TestViewButtonTexts(t *testing.T) {
	a := viewing(t, `{{.Auth.SignInButton "Log <in>"}} {{.Auth.SignOutButton "Log <out>"}}`, nil)
	page := a.browse().Get(a.URL + "/")
	a.shows(page, "Log <in> Log <out>")
	if strings.Contains(page.Body, "<in>") || strings.Contains(page.Body, "<out>") {
		t.Errorf("not escaped: %s", page.Body)
	}
	form := page.Form("Log <out>")
	if form == nil || form.Method != http.MethodPost || form.Action.String() != a.URL+"/auth/logout" {
		t.Errorf("%+v", form)
	}
	for _, class := range []string{`class="oidcrp-signin"`, `class="oidcrp-signout"`} {
		if !strings.Contains(page.Body, class) {
			t.Errorf("no %s in %s", class, page.Body)
		}
	}
}

func TestViewFormAction(t *testing.T) {
	a := viewing(t, `page`, nil)
	r := httptest.NewRequest("GET", "/", nil)
	a.shows(a.browse().Get(a.URL+"/auth/login"), "page") // now the metadata is known
	if got := a.rp.View(r).FormAction(); len(got) != 1 || got[0] != a.op.Issuer() {
		t.Errorf("%q", got)
	}
}

func TestZeroView(t *testing.T) {
	const page = `{{.SignedIn}}|{{.User.Name}}|{{.User.HasRole "x"}}|{{.Language}}|{{.Providers}}|{{.FormAction}}|{{.SignInURL}}|{{.SignInButton "x"}}|{{.SignOutButton}}|{{.Allowed}}`
	var b bytes.Buffer
	if err := template.Must(template.New("").Parse(page)).Execute(&b, oidcrp.View{}); err != nil {
		t.Fatal(err)
	}
	if got := b.String(); got != "false||false|en|[]|[]||||false" {
		t.Errorf("%s", got)
	}
}

func TestViewAllowed(t *testing.T) {
	rp := offline(t, nil)
	within(t, rp, &oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": "admin"}}, func(r *http.Request) {
		v := rp.View(r)
		if !v.Allowed() || !v.Allowed(oidcrp.HasRole("admin")) || v.Allowed(oidcrp.HasRole("admin"), oidcrp.HasRole("owner")) {
			t.Error("what alice may")
		}
	})
	within(t, rp, nil, func(r *http.Request) {
		if v := rp.View(r); v.Allowed() || v.Allowed(oidcrp.AnyOf(oidcrp.HasRole("admin"))) || v.SignedIn() || v.User() != nil {
			t.Error("what nobody may")
		}
	})
	if v := rp.View(httptest.NewRequest("GET", "/", nil)); v.SignedIn() {
		t.Error("signed in without Load")
	}
}
