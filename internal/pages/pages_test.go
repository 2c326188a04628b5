package pages_test

import (
	"crypto/sha256"
	"encoding/base64"
	"flag"
	"html"
	"html/template"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func newRenderer(t testing.TB, messages map[string]map[string]string) *pages.Renderer {
	t.Helper()
	p, err := pages.New(nil, messages)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// write returns the response and its body.
func write(t testing.TB, p *pages.Renderer, page pages.Page) (*http.Response, string) {
	t.Helper()
	w := httptest.NewRecorder()
	if err := p.Write(w, page); err != nil {
		t.Fatal(err)
	}
	return w.Result(), w.Body.String()
}

// golden holds a page for each way a page can look.
var golden = map[string]pages.Page{
	"signin":            {Name: "signin", Home: "/", Providers: []pages.Link{{Name: "acme", DisplayName: "Acme", URL: "/auth/login?provider=acme&return_to=%2Freports"}, {Name: "google", DisplayName: "Google Workspace", URL: "/auth/login?provider=google"}, {Name: "entra", DisplayName: "Microsoft Entra ID", URL: "/auth/login?provider=entra"}}},
	"signin-one":        {Name: "signin", Home: "/", Providers: []pages.Link{{Name: "acme", DisplayName: "Acme", URL: "/auth/login?provider=acme"}}},
	"signin-none":       {Name: "signin", Home: "/"},
	"signin-identify":   {Name: "signin", Home: "/", Action: "/auth/login"},
	"signin-both":       {Name: "signin", Home: "/", Action: "/auth/login", Fields: []pages.Field{{Name: "return_to", Value: "/reports"}}, Providers: []pages.Link{{Name: "acme", DisplayName: "Acme", URL: "/auth/login?provider=acme"}}},
	"signin-sso":        {Name: "signin", Home: "/", Action: "/auth/login", SingleSignOn: true, Providers: []pages.Link{{Name: "acme", DisplayName: "Acme", URL: "/auth/login?provider=acme"}}},
	"signin-sso-none":   {Name: "signin", Home: "/", Action: "/auth/login", SingleSignOn: true, MessageKey: "signin.not_found"},
	"error-foreign":     {Name: "error", Status: 403, Home: "/", MessageKey: "error.foreign_domain", ID: "k3v9-2m7q", RetryURL: "/auth/login?identifier=a%40b.example", Providers: []pages.Link{{DisplayName: "Acme"}}},
	"signedout":         {Name: "signedout", Home: "/", RetryURL: "/auth/login"},
	"signedout-local":   {Name: "signedout", Home: "/", RetryURL: "/auth/login", MessageKey: "signedout.local", Providers: []pages.Link{{DisplayName: "Acme"}}},
	"signout":           {Name: "signout", Home: "/", User: "somchai@acme.example", Action: "/auth/logout", Fields: []pages.Field{{Name: "return_to", Value: "/bye"}}},
	"error":             {Name: "error", Status: 500, Home: "/", ID: "k3v9-2m7q"},
	"error-expired":     {Name: "error", Status: 400, Home: "/", MessageKey: "error.login_expired", ID: "k3v9-2m7q", RetryURL: "/auth/login?return_to=%2Freports"},
	"error-cancelled":   {Name: "error", Status: 403, Home: "/", MessageKey: "error.cancelled", RetryURL: "/auth/login"},
	"error-loop":        {Name: "error", Status: 400, Home: "/", MessageKey: "error.loop", ID: "k3v9-2m7q", RetryURL: "/auth/login?fresh=1"},
	"error-unavailable": {Name: "error", Status: 503, Home: "/", MessageKey: "error.provider_unavailable", ID: "k3v9-2m7q", RetryURL: "/auth/login", Providers: []pages.Link{{DisplayName: "Acme"}}},
	"error-refused":     {Name: "error", Status: 403, MessageKey: "error.refused", Message: "Only members of <Acme> & friends may sign in.", ID: "k3v9-2m7q", RetryURL: "/auth/login"},
	"denied":            {Name: "denied", Status: 403, Home: "/", User: "somchai@acme.example", ID: "k3v9-2m7q", RetryURL: "/auth/login?prompt=select_account"},
	"confirm":           {Name: "confirm", Home: "/", Action: "/auth/login", Fields: []pages.Field{{Name: "provider", Value: "acme"}}, Providers: []pages.Link{{DisplayName: "Acme"}}, FormAction: []string{"https://login.acme.example"}},
	"confirm-switch":    {Name: "confirm", Home: "/", RetryURL: "/auth/login?provider=acme", MessageKey: "confirm.switch", User: "somchai@acme.example", Providers: []pages.Link{{DisplayName: "Acme"}}},
	"register":          {Name: "register", Home: "/", User: "somchai@acme.example", Action: "/register", Providers: []pages.Link{{DisplayName: "Acme"}}, Inputs: []pages.Input{{Name: "company", Label: "Company", Required: true, Autocomplete: "organization"}, {Name: "phone", Label: "Phone", Value: "+66 2"}}},
	"register-again":    {Name: "register", Home: "/", Action: "/register", MessageKey: "register.again", Inputs: []pages.Input{{Name: "invitation", Label: "Invitation code", Value: "<x>", Required: true, Error: "This invitation cannot be used."}}},
	"formpost":          {Name: "formpost", Action: "https://login.acme.example/logout", Fields: []pages.Field{{Name: "id_token_hint", Value: "a.b.c"}, {Name: "submit", Value: "1"}}, AutoSubmit: true, Providers: []pages.Link{{DisplayName: "Acme"}}, MessageKey: "formpost.signout"},
	"fragment":          {Name: "fragment", Home: "/", Action: "/auth/callback/acme", Fields: []pages.Field{{Name: "response_fragment"}}, Providers: []pages.Link{{DisplayName: "Acme"}}},
}

var styleElement = regexp.MustCompile(`(?s)<style>.*</style>`)

func TestPagesLookAsReviewed(t *testing.T) {
	p := newRenderer(t, nil)
	var named []string
	for name, page := range golden {
		named = append(named, page.Name)
		for lang, site := range map[string]string{"en": "Acme Reports", "th": "ระบบรายงานแอคมี"} {
			t.Run(name+" in "+lang, func(t *testing.T) {
				page.Lang, page.SiteName = lang, site
				_, body := write(t, p, page)
				// The style sheet is reviewed where it is.
				body = styleElement.ReplaceAllString(body, `<link rel="stylesheet" href="../../templates/style.css">`)
				file := filepath.Join("testdata", "pages", name+"."+lang+".html")
				if *update {
					if err := os.WriteFile(file, []byte(body), 0o644); err != nil {
						t.Fatal(err)
					}
				}
				want, err := os.ReadFile(file)
				if err != nil {
					t.Fatal(err)
				}
				if body != string(want) {
					t.Errorf("%s differs; review the change and run with -update\n%s", file, body)
				}
			})
		}
	}
	for _, name := range pages.Names() {
		if !slices.Contains(named, name) {
			t.Errorf("no golden file shows %q", name)
		}
	}
}

func TestHeadersOfEveryPage(t *testing.T) {
	p := newRenderer(t, nil)
	for name, page := range golden {
		t.Run(name, func(t *testing.T) {
			page.Lang = "th"
			res, _ := write(t, p, page)
			referrer := "no-referrer"
			if page.Name == "signout" || page.Name == "confirm" || page.Name == "register" {
				referrer = "same-origin" // or our own form has "Origin: null"
			}
			for header, want := range map[string]string{
				"Content-Type":           "text/html; charset=utf-8",
				"Content-Language":       "th",
				"Cache-Control":          "no-store",
				"X-Content-Type-Options": "nosniff",
				"X-Frame-Options":        "DENY",
				"Referrer-Policy":        referrer,
			} {
				if got := res.Header.Get(header); got != want {
					t.Errorf("%s: %q, want %q", header, got, want)
				}
			}
			if want := max(page.Status, 200); res.StatusCode != want {
				t.Errorf("status %d, want %d", res.StatusCode, want)
			}
		})
	}
}

var element = regexp.MustCompile(`(?s)<(style|script)>(.*?)</(?:style|script)>`)

// directives reads the Content-Security-Policy.
func directives(res *http.Response) map[string]string {
	d := make(map[string]string)
	for part := range strings.SplitSeq(res.Header.Get("Content-Security-Policy"), "; ") {
		name, value, _ := strings.Cut(part, " ")
		d[name] = value
	}
	return d
}

func TestPolicyAdmitsExactlyWhatIsSent(t *testing.T) {
	p := newRenderer(t, nil)
	for name, page := range golden {
		t.Run(name, func(t *testing.T) {
			res, body := write(t, p, page)
			d := directives(res)
			for _, name := range []string{"default-src", "base-uri", "frame-ancestors"} {
				if d[name] != "'none'" {
					t.Errorf("%s %q, want 'none'", name, d[name])
				}
			}
			sent := map[string]string{}
			for _, m := range element.FindAllStringSubmatch(body, -1) {
				sum := sha256.Sum256([]byte(m[2]))
				sent[m[1]+"-src"] += "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
			}
			if d["style-src"] != sent["style-src"] || d["script-src"] != sent["script-src"] {
				t.Errorf("policy %q, sent %q", d, sent)
			}
			if got, want := sent["script-src"] != "", page.AutoSubmit || page.Name == "fragment"; got != want {
				t.Errorf("has a script: %v, want %v", got, want)
			}
			// What a hash cannot admit, and what comes from elsewhere.
			if m := regexp.MustCompile(`(?i) (style|src|srcset|on[a-z]+)=|<(link|img|iframe|base)|@import|url\(`).FindString(body); m != "" {
				t.Errorf("page has %q", m)
			}
		})
	}
}

func TestOnlyTheFormpostPageSubmitsItself(t *testing.T) {
	p := newRenderer(t, nil)
	for _, name := range pages.Names() {
		res, body := write(t, p, pages.Page{Name: name, Action: "/x", AutoSubmit: true})
		_, allowed := directives(res)["script-src"]
		if want := name == "formpost"; allowed != want || strings.Contains(body, "<script") != want {
			t.Errorf("%s: script allowed %v, want %v", name, allowed, want)
		}
	}
	if _, body := write(t, p, pages.Page{Name: "formpost", Action: "/x"}); strings.Contains(body, "<script") {
		t.Error("a script without AutoSubmit")
	}
}

// A custom layout may leave the script out, and then no answer would arrive.
func TestFragmentPageIsNotReplaced(t *testing.T) {
	custom := template.Must(template.New("layout").Parse("mine {{.Content}}"))
	p, err := pages.New(custom, map[string]map[string]string{"en": {"fragment.message": "Wait."}})
	if err != nil {
		t.Fatal(err)
	}
	if _, body := write(t, p, golden["fragment"]); strings.Contains(body, "mine") || !strings.Contains(body, "<script>") || !strings.Contains(body, "Wait.") {
		t.Errorf("got %s", body)
	}
	if _, err := pages.New(template.Must(template.New("fragment").Parse("mine")), nil); err == nil {
		t.Error("a template for it was taken")
	}
}

func TestFormAction(t *testing.T) {
	p := newRenderer(t, nil)
	for _, tt := range []struct {
		name, action string
		more         []string
		want         string
	}{
		{"our own form", "/auth/logout", nil, "'self'"},
		{"a form to a provider", "https://op.example:8443/logout?a=b", nil, "'self' https://op.example:8443"},
		{"redirects to a provider", "/auth/logout", []string{"https://op.example", "https://op.example/other"}, "'self' https://op.example"},
		{"loopback addresses", "/", []string{"http://127.0.0.1:9000", "http://[::1]:9000"}, "'self' http://127.0.0.1:9000 http://[::1]:9000"},
		{"any https origin", "/", []string{"https:"}, "'self' https:"},
		{"wherever a provider leads", "/", pages.LeadingOn([]string{"https://op.example"}), "'self' https:"},
		{"wherever a provider without TLS leads", "/", pages.LeadingOn([]string{"https://a.example", "http://localhost:9000"}), "'self' https: http:"},
		{"wherever a provider nobody knows yet leads", "/", pages.LeadingOn(nil), "'self' https:"},
		{"a host that ends the directive", "/", []string{"https://op.example;script-src *"}, "'self'"},
		{"a host with a semicolon", "/", []string{"https://op.example;x"}, "'self'"},
		{"a host with a comma", "/", []string{"https://op.example,x"}, "'self'"},
		{"a wildcard", "/", []string{"*", "https://*.example"}, "'self'"},
		{"a host not in ASCII", "/", []string{"https://bücher.example"}, "'self'"},
		{"user information is left out", "/", []string{"https://u:p@op.example"}, "'self' https://op.example"},
		{"other schemes", "javascript:alert(1)", []string{"data:", "ftp://op.example", "'unsafe-inline'"}, "'self'"},
		{"no host", "https:///x", []string{"https:/x"}, "'self'"},
		{"a line break", "/", []string{"https://op.example\r\nX: y"}, "'self'"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			res, _ := write(t, p, pages.Page{Name: "signout", Action: tt.action, FormAction: tt.more})
			if got := directives(res)["form-action"]; got != tt.want {
				t.Errorf("form-action %q, want %q", got, tt.want)
			}
		})
	}
}

// hostile is what strangers put into error, error_description, state, names
// and addresses (SECURITY T092).
var hostile = []string{
	`<script>alert(1)</script>`,
	`</script><script>alert(1)</script>`,
	`</title><img src=x onerror=alert(1)>`,
	`</style><svg onload=alert(1)>`,
	`"><b id=x>`,
	`' onmouseover='alert(1)`,
	`" autofocus onfocus="alert(1)`,
	"` onclick=`alert(1)",
	`{{.Script}}{{template "layout"}}`,
	`{site}{provider}{user}`,
	`javascript:alert(1)`,
	` JaVaScRiPt:alert(1)`,
	"java\tscript:alert(1)",
	`data:text/html,<script>alert(1)</script>`,
	`vbscript:msgbox(1)`,
	`<!--`, `-->`, `]]>`, `<![CDATA[`,
	"+ADw-script+AD4-alert(1)+ADw-/script+AD4-",
	"\xff\xfe<\x00script>",
	"a\r\nSet-Cookie: x=y",
	"\u202egnp.exe", "a\u2028\u2029b",
	strings.Repeat("ก", 300),
}

// filled returns a page with s in every field that could hold it.
func filled(name, lang, s string) pages.Page {
	return pages.Page{
		Name: name, Lang: lang, SiteName: s, Home: s, MessageKey: s, Message: s, ID: s, RetryURL: s, User: s, Action: s,
		Providers:  []pages.Link{{Name: s, DisplayName: s, URL: s}, {Name: s, URL: s}},
		Fields:     []pages.Field{{Name: s, Value: s}},
		FormAction: []string{s},
		AutoSubmit: true,
	}
}

var tag = regexp.MustCompile(`<[^<>]*>`)
var value = regexp.MustCompile(`"[^"]*"`)

// structure returns the tags of a page with the names of their attributes. As
// every value is in double quotes, and neither these nor angle brackets stand
// unescaped in a value or a text, two pages with one structure differ only in
// text.
func structure(body string) string {
	var b strings.Builder
	for _, t := range tag.FindAllString(body, -1) {
		b.WriteString(value.ReplaceAllString(t, `""`))
	}
	return b.String()
}

// withoutElements leaves out the text of our own style and script, which is
// the same everywhere; the test of the policy compares it.
func withoutElements(body string) string {
	for _, name := range []string{"style", "script"} {
		start, end := strings.Index(body, "<"+name+">"), strings.Index(body, "</"+name+">")
		if start >= 0 && end > start {
			body = body[:start+len(name)+2] + body[end:]
		}
	}
	return body
}

func TestHostileTextStaysText(t *testing.T) {
	p := newRenderer(t, nil)
	link := regexp.MustCompile(`(?:href|action)="([^"]*)"`)
	for _, name := range pages.Names() {
		for _, lang := range []string{"en", "th"} {
			_, plain := write(t, p, filled(name, lang, "plain"))
			plain = withoutElements(plain)
			for _, s := range hostile {
				res, body := write(t, p, filled(name, lang, s))
				if !utf8.ValidString(body) {
					t.Errorf("%s: %q is sent as it is, in no UTF-8", name, s)
				}
				body = withoutElements(body)
				if got, want := structure(body), structure(plain); got != want {
					t.Errorf("%s: %q changes the page\n got %s\nwant %s", name, s, got, want)
				}
				if n := strings.Count(tag.ReplaceAllString(body, ""), "<"); n > 0 {
					t.Errorf("%s: %q leaves %d angle brackets", name, s, n)
				}
				for _, m := range link.FindAllStringSubmatch(body, -1) {
					u := strings.ToLower(strings.TrimSpace(html.UnescapeString(m[1])))
					if scheme, _, ok := strings.Cut(u, ":"); ok && scheme != "http" && scheme != "https" && !strings.ContainsAny(scheme, "/?#%") {
						t.Errorf("%s: %q gives the address %q", name, s, m[1])
					}
				}
				for header, values := range res.Header {
					if strings.ContainsAny(strings.Join(values, ""), "\r\n") || header == "Set-Cookie" {
						t.Errorf("%s: %q reaches header %s", name, s, header)
					}
				}
				if d := directives(res); len(d) > 6 || d["default-src"] != "'none'" {
					t.Errorf("%s: %q changes the policy: %q", name, s, d)
				}
			}
		}
	}
}

func TestHiddenFieldsArriveUnchanged(t *testing.T) {
	p := newRenderer(t, nil)
	field := regexp.MustCompile(`<input type="hidden" name="([^"]*)" value="([^"]*)">`)
	for _, s := range []string{`a"b'c<d>&amp;e`, "a b+c%20d", "ไทย", "</script>", "{{x}}", ""} {
		_, body := write(t, p, pages.Page{Name: "formpost", Action: "https://op.example/", Fields: []pages.Field{{Name: "x", Value: "y"}, {Name: s, Value: s}}})
		m := field.FindAllStringSubmatch(body, -1)
		if len(m) != 2 || html.UnescapeString(m[1][1]) != s || html.UnescapeString(m[1][2]) != s {
			t.Errorf("%q arrives as %q", s, m)
		}
	}
}

func TestUnknownPageIsAnError(t *testing.T) {
	p := newRenderer(t, nil)
	for _, page := range []pages.Page{{}, {Name: "layout"}, {Name: "parts"}, {Name: "error", MessageKey: "no.such"}, {Name: "error", MessageKey: "site"}} {
		if _, body := write(t, p, page); !strings.Contains(body, p.Text("en", "error.generic")) {
			t.Errorf("%+v does not give the generic text", page)
		}
	}
}

func TestNamesDoNotDisturbTheirText(t *testing.T) {
	p := newRenderer(t, map[string]map[string]string{"ar": {"signin.with": "تسجيل الدخول عبر {provider}"}})
	for _, tt := range []struct{ name, lang, provider, want string }{
		{"a plain name", "en", "Acme", "Sign in with Acme"},
		{"an Arabic name in English", "en", "أكمي", "Sign in with \u2068أكمي\u2069"},
		{"a plain name in Arabic", "ar", "Acme", "تسجيل الدخول عبر \u2068Acme\u2069"},
		{"an override", "en", "Acme\u202e", "Sign in with Acme"},
		{"line breaks", "en", "Ac\nme\u2028", "Sign in with Acme"},
		{"nothing but controls", "en", "\u202e", "Sign in with acme"},
		{"another placeholder", "en", "{site}", "Sign in with {site}"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			_, body := write(t, p, pages.Page{Name: "signin", Lang: tt.lang, SiteName: "Site", Providers: []pages.Link{{Name: "acme", DisplayName: tt.provider}, {Name: "x"}}})
			if !strings.Contains(body, ">"+tt.want+"</a>") {
				t.Errorf("no %q in %s", tt.want, body)
			}
		})
	}
	if _, body := write(t, p, pages.Page{Name: "signin", Lang: "ar"}); !strings.Contains(body, `<html lang="ar" dir="rtl">`) {
		t.Error("Arabic does not run from right to left")
	}
}

// Thai sets names in other scripts off by spaces, and Thai ones not.
func TestNamesInThaiSentences(t *testing.T) {
	p := newRenderer(t, nil)
	for _, tt := range []struct{ site, want string }{
		{"Acme", ">คุณออกจากระบบของ Acme เรียบร้อยแล้ว"},
		{"ระบบรายงาน", ">คุณออกจากระบบของระบบรายงานเรียบร้อยแล้ว"},
		{"ระบบ HR", ">คุณออกจากระบบของระบบ HR เรียบร้อยแล้ว"},
		{"", ">คุณออกจากระบบของเว็บไซต์นี้เรียบร้อยแล้ว"},
	} {
		_, body := write(t, p, pages.Page{Name: "signedout", Lang: "th", SiteName: tt.site})
		if !strings.Contains(body, tt.want) {
			t.Errorf("no %q in %s", tt.want, body)
		}
	}
}

func BenchmarkWrite(b *testing.B) {
	p := newRenderer(b, nil)
	page := golden["error-expired"]
	b.ReportAllocs()
	for b.Loop() {
		p.Write(httptest.NewRecorder(), page)
	}
}
