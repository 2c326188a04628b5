package pages_test

import (
	"html/template"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

func TestCustomTemplatesReplaceOneByOne(t *testing.T) {
	set := template.Must(template.New("pages").Parse(`
		{{define "denied"}}<h2>{{.Title}}</h2>{{template "help" .}}{{end}}
		{{define "help"}}<p>{{.Message}} {{.ID}} {{.Text "page.home"}}</p>{{end}}`))
	p, err := pages.New(set, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, body := write(t, p, pages.Page{Name: "denied", Lang: "th", ID: "<id>", Message: "no"})
	for _, want := range []string{"<main>\n<h2>คุณไม่มีสิทธิ์เข้าถึง</h2><p>no &lt;id&gt; ไปที่หน้าแรก</p>\n</main>", `<html lang="th" dir="ltr">`} {
		if !strings.Contains(body, want) {
			t.Errorf("no %q in %s", want, body)
		}
	}
	d := directives(res)
	if d["img-src"] != "'self' data:" || d["font-src"] != "'self'" || !strings.HasSuffix(d["style-src"], " 'self'") || d["script-src"] != "" {
		t.Errorf("policy for a custom page: %q", d)
	}
	res, body = write(t, p, pages.Page{Name: "error"})
	if !strings.Contains(body, "<h1>Something went wrong</h1>") || directives(res)["img-src"] != "" {
		t.Error("the other pages are not the built-in ones")
	}
	if _, err := set.New("more").Parse("x"); err != nil {
		t.Errorf("the caller's set was executed: %v", err)
	}
}

func TestCustomLayoutGoesAroundEveryPage(t *testing.T) {
	set := template.Must(template.New("layout").Parse(`<!doctype html><title>{{.Title}}</title>{{.Style}}<nav>{{.SiteName}}</nav>{{.Content}}{{.Script}}`))
	p, err := pages.New(set, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range pages.Names() {
		_, body := write(t, p, pages.Page{Name: name, SiteName: "<Acme>", Action: "/x", AutoSubmit: true})
		if !strings.Contains(body, "<nav>&lt;Acme&gt;</nav>") || !strings.Contains(body, "<h1>") || strings.Contains(body, "<header") {
			t.Errorf("%s: %s", name, body)
		}
	}
}

func TestFailingCustomTemplateGivesWayToTheBuiltInOne(t *testing.T) {
	set := template.Must(template.New("error").Parse(`partial {{if eq .ID "bad"}}{{index .Providers 7}}{{end}}`))
	p, err := pages.New(set, nil)
	if err != nil {
		t.Fatal(err)
	}
	w := httptest.NewRecorder()
	err = p.Write(w, pages.Page{Name: "error", Status: 500, ID: "bad"})
	if err == nil {
		t.Error("the failure is not reported")
	}
	if body := w.Body.String(); w.Code != 500 || strings.Contains(body, "partial") || !strings.Contains(body, "<h1>Something went wrong</h1>") {
		t.Errorf("%d %s", w.Code, body)
	}
	if strings.Contains(w.Header().Get("Content-Security-Policy"), "img-src") {
		t.Error("the built-in page has the policy of custom ones")
	}
}

func TestWrongTemplatesAreReported(t *testing.T) {
	executed := template.Must(template.New("error").Parse(`x`))
	if err := executed.Execute(io.Discard, nil); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		name string
		set  *template.Template
		want []string
	}{
		{"a name that is no page's", template.Must(template.New("sign-in").Parse(`x`)), []string{`"sign-in"`, "signin, signedout"}},
		{"a file's name", template.Must(template.New("error.html").Parse(`x`)), []string{`"error.html"`}},
		{"a field that does not exist", template.Must(template.New("error").Parse(`{{.Mesage}}`)), []string{"Mesage"}},
		{"a field used only for a full page", template.Must(template.New("signin").Parse(`{{range .Providers}}{{.Title}}{{end}}`)), []string{"Title"}},
		{"a field taken to be there always", template.Must(template.New("error").Parse(`{{(index .Providers 0).Label}}`)), []string{"index"}},
		{"a message that does not exist", template.Must(template.New("error").Parse(`{{.Text "error.titel"}}`)), []string{`"error.titel"`, "default messages"}},
		{"a template that is not there", template.Must(template.New("error").Parse(`{{template "x"}}`)), []string{`"x"`}},
		{"a broken layout", template.Must(template.New("layout").Parse(`{{.Content.Nope}}`)), []string{"Nope"}},
		{"an open attribute", template.Must(template.New("error").Parse(`<a href="`)), []string{"error"}},
		{"a set that was executed", executed, []string{"before executing"}},
		{"several mistakes", template.Must(template.New("one").Parse(`x{{define "two"}}y{{end}}{{define "error"}}{{.Nope}}{{end}}`)), []string{`"one"`, `"two"`, "Nope"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pages.New(tt.set, nil)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
		})
	}
}

func TestPartsOfCustomTemplatesAreNoMistakes(t *testing.T) {
	set := template.Must(template.New("all.html").Parse(`
		{{define "error"}}{{if .ID}}{{template "a" .}}{{else}}{{template "b"}}{{end}}{{with .User}}{{template "c"}}{{end}}{{range .Providers}}{{else}}{{template "d"}}{{end}}{{block "e" .}}e{{end}}{{end}}
		{{define "a"}}{{template "f"}}{{end}}{{define "b"}}b{{end}}{{define "c"}}c{{end}}{{define "d"}}d{{end}}{{define "f"}}f{{end}}`))
	if _, err := pages.New(set, nil); err != nil {
		t.Error(err)
	}
}

func TestMessagesReplaceAndAdd(t *testing.T) {
	p := newRenderer(t, map[string]map[string]string{
		"th":    {"signin.title": "เข้าสู่ระบบ"},
		"DE":    {"signin.title": "Anmelden"},
		"pt-br": {"error.generic": "Tente de novo"},
	})
	for _, tt := range []struct{ name, lang, key, want string }{
		{"a replaced text", "th", "signin.title", "เข้าสู่ระบบ"},
		{"its neighbour", "th", "signin.message", "เลือกวิธีลงชื่อเข้าใช้ที่คุณต้องการ"},
		{"an added language", "de", "signin.title", "Anmelden"},
		{"an added language in other letters", "De", "signin.title", "Anmelden"},
		{"a region of an added language", "de-AT", "signin.title", "Anmelden"},
		{"a text the language lacks", "de", "signout.button", "Sign out"},
		{"an added region", "pt-BR", "error.generic", "Tente de novo"},
		{"an unknown language", "xx", "signout.button", "Sign out"},
		{"no language", "", "signout.button", "Sign out"},
		{"an unknown key", "en", "no.such", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := p.Text(tt.lang, tt.key); got != tt.want {
				t.Errorf("Text(%q, %q) = %q, want %q", tt.lang, tt.key, got, tt.want)
			}
		})
	}
	res, body := write(t, p, pages.Page{Name: "signin", Lang: "pt-br"})
	if res.Header.Get("Content-Language") != "pt-BR" || !strings.Contains(body, `lang="pt-BR"`) {
		t.Error("the tag is not written as usual")
	}
	if pages.Defaults()["th"]["signin.title"] != "ลงชื่อเข้าใช้" {
		t.Error("the replacement reached the defaults")
	}
}

func TestWrongMessagesAreReported(t *testing.T) {
	for _, tt := range []struct {
		name string
		in   map[string]map[string]string
		want []string
	}{
		{"an unknown key", map[string]map[string]string{"en": {"signin.titel": "x"}}, []string{"en", "signin.titel", "default messages"}},
		{"an empty text", map[string]map[string]string{"th": {"signin.title": " "}}, []string{"th", "signin.title", "empty"}},
		{"a text that is not UTF-8", map[string]map[string]string{"th": {"signin.title": "\xff"}}, []string{"UTF-8"}},
		{"a misspelt placeholder", map[string]map[string]string{"de": {"signin.with": "Mit {anbieter} anmelden"}}, []string{"{anbieter}", "{provider}"}},
		{"a placeholder of another text", map[string]map[string]string{"de": {"page.user": "{provider}"}}, []string{"{provider}", "{user}"}},
		{"a language by its name", map[string]map[string]string{"german": {}, "de_DE": {}, "": {}, "d": {}, "1a": {}, "de-": {}}, []string{`"de_DE"`, `""`, `"d"`, `"1a"`, `"de-"`}},
		{"one language twice", map[string]map[string]string{"pt-BR": {}, "pt-br": {}}, []string{"pt-BR", "pt-br", "merge"}},
		{"several mistakes", map[string]map[string]string{"en": {"a": "x", "b": "x"}, "x": {}}, []string{`"a"`, `"b"`, `"x"`}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, err := pages.New(nil, tt.in)
			if err == nil {
				t.Fatal("accepted")
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q does not mention %q", err, want)
				}
			}
		})
	}
}

func TestMistakesOfTemplatesAndMessagesAreReportedTogether(t *testing.T) {
	_, err := pages.New(template.Must(template.New("nope").Parse("x")), map[string]map[string]string{"en": {"nope.either": "x"}})
	if err == nil || !strings.Contains(err.Error(), `"nope"`) || !strings.Contains(err.Error(), `"nope.either"`) {
		t.Error(err)
	}
}
