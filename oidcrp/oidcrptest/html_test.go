package oidcrptest_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func show(t *testing.T, html string) *oidcrptest.Page {
	t.Helper()
	return oidcrptest.NewBrowser(t).Show("http://localhost:3000/dir/page?q=1", html)
}

func TestFormsAreSentAsBrowsersDo(t *testing.T) {
	s := newSite(t)
	for _, test := range []struct {
		name, html, button string
		fill               url.Values
		want               string
	}{
		{"fields in order, entities decoded", `<form method=post action=/x><input name=a value="&lt;1&amp;"><input type=hidden name='b' value='2'><textarea name=c>3
</textarea><button>Go</button></form>`, "", nil, "/x a=%3C1%26&b=2&c=3%0A"},
		{"values filled in", `<form method=post action=/x><input name=a value=1><input type=password name=b></form>`, "", url.Values{"a": {"é"}, "b": {"2"}}, "/x a=%C3%A9&b=2"},
		{"boxes as ticked", `<form method=post action=/x><input type=checkbox name=a checked><input type=checkbox name=b value=2><input type=radio name=c value=1><input type=radio name=c value=2 checked></form>`, "", nil, "/x a=on&c=2"},
		{"a box ticked by the test", `<form method=post action=/x><input type=checkbox name=b value=2></form>`, "", url.Values{"b": {"2"}}, "/x b=2"},
		{"first option", `<form method=post action=/x><select name=a><option value=1>One<option value=2>Two</select></form>`, "", nil, "/x a=1"},
		{"selected option, by its text", `<form method=post action=/x><select name=a><option>One</option><option selected> Two </option></select></form>`, "", nil, "/x a=Two"},
		{"only the button pressed", `<form method=post action=/x><button name=b value=1>One</button><input type=submit name=b value=2></form>`, "2", nil, "/x b=2"},
		{"button with an action of its own", `<form method=post action=/x><button formaction=/y>Go</button></form>`, "Go", nil, "/y "},
		{"button with a method of its own", `<form action=/x><input name=a value=1><button formmethod=post>Go</button></form>`, "Go", nil, "/x a=1"},
		{"text in the button", `<form method=post action=/x><button name=b value=1><span>One</span> <b>two</b></button></form>`, "One two", nil, "/x b=1"},
		{"form found by action", `<form action=/w></form><form method=post action=/x><button name=b value=1>Go</button></form>`, "/x", nil, "/x b=1"},
		{"form found by id", `<form action=/w></form><form id=f method=post action=/x></form>`, "f", nil, "/x "},
		{"control outside its form", `<form id=f method=post action=/x></form><input form=f name=a value=1><button form=f name=b value=2>Go</button>`, "Go", nil, "/x a=1&b=2"},
		{"disabled, unnamed and foreign controls", `<input name=z value=0><form method=post action=/x><input name=a value=1 disabled><input value=2><button type=button>No</button><button disabled>No</button><input type=reset></form>`, "", nil, "/x "},
		{"broken markup", `<form method=post action=/x><p <b>a < b<input name=a value=1<input name=b value=2><!-- <input name=c> --></form`, "", nil, "/x a=1%3Cinput"},
	} {
		t.Run(test.name, func(t *testing.T) {
			b := oidcrptest.NewBrowser(t)
			b.Get(s.at("localhost", "/", "html", test.html))
			page := b.SubmitForm(test.button, test.fill)
			method, path, _ := strings.Cut(test.want, " ")
			_, sent, _ := strings.Cut(strings.TrimSuffix(page.Body, " []"), " ")
			if page.URL.Path != method || page.Trail[0].Method != "POST" || sent != path && test.name != "broken markup" {
				t.Errorf("sent %s to %v, want %s", sent, page.URL, test.want)
			}
		})
	}
}

func TestFormByGETReplacesTheQuery(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/", "html", `<form action="/x?old=1"><input name=a value="1 2"><button>Go</button></form>`))
	if page := b.Submit(b.Page().Forms()[0], nil); page.URL.RequestURI() != "/x?a=1+2" {
		t.Errorf("went to %v", page.URL)
	}
}

func TestTextPlainForms(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	b.Get(s.at("localhost", "/", "html", `<form method=post enctype=text/plain action=/x><input name='{"a' value='":1}'><button>Go</button></form>`))
	if h := b.SubmitForm("Go", nil).Trail[0].Request; h.Get("Content-Type") != "text/plain" {
		t.Errorf("sent as %q", h.Get("Content-Type"))
	}
	if got := failure(func(b *oidcrptest.Browser) {
		b.Show(s.URL, `<form method=post enctype=multipart/form-data action=/x></form>`)
		b.SubmitForm("", nil)
	}); !strings.Contains(got, "not supported") {
		t.Errorf("failed with %q", got)
	}
}

func TestFormWithoutActionGoesBackToThePage(t *testing.T) {
	page := show(t, `<form method=post><input name=a></form>`)
	if got := page.Forms()[0].Action.String(); got != "http://localhost:3000/dir/page?q=1" {
		t.Errorf("action %s", got)
	}
}

func TestPageText(t *testing.T) {
	page := show(t, `<!doctype html><html><head><title>A &amp; B</title><style>p{}</style></head><body><script>if (a<b) {}</script><noscript>none</noscript>
		<h1>Caf&eacute;</h1><p>one</p><p>two   three</p><!-- <p>gone</p> --><a href="../up?x=1#y">Go <b>up</b></a> 1 < 2`)
	if page.Title() != "A & B" || page.Text() != "Café one two three Go up 1 < 2" {
		t.Errorf("%q: %q", page.Title(), page.Text())
	}
	links := page.Links()
	if len(links) != 1 || links[0].Text != "Go up" || links[0].URL.String() != "http://localhost:3000/up?x=1#y" {
		t.Errorf("links %v", links)
	}
	if page.Form("any") != nil {
		t.Error("a form where there is none")
	}
	b := oidcrptest.NewBrowser(t)
	b.SetJavaScript(false)
	if page := b.Show("http://localhost/", `<noscript><form><button>Go</button></form></noscript>`); page.Form("Go") == nil {
		t.Error("no form without JavaScript")
	}
}

func TestPageOfAnotherType(t *testing.T) {
	s := newSite(t)
	b := oidcrptest.NewBrowser(t)
	page := b.Get(s.at("localhost", "/"))
	var v map[string]any
	if page.Text() != page.Body || len(page.Forms()) != 0 || page.JSON(&v) == nil {
		t.Errorf("plain text read as HTML: %v", page)
	}
	if got := page.String(); !strings.Contains(got, "GET http://localhost:") {
		t.Errorf("printed as %s", got)
	}
}

// Which Referer and Origin each policy lets out.
func TestReferrerPolicies(t *testing.T) {
	plain, other, secure := newSite(t), newSite(t), newTLSSite(t)
	for _, test := range []struct {
		policy                  string
		same, cross, downgrade  string // Referer: "full", "origin" or ""
		originCross, originDown string // Origin of a POST: "origin" or "null"
	}{
		{"", "full", "origin", "", "origin", "null"},
		{"rubbish", "full", "origin", "", "origin", "null"},
		{"no-referrer", "", "", "", "null", "null"},
		{"same-origin", "full", "", "", "null", "null"},
		{"origin", "origin", "origin", "origin", "origin", "origin"},
		{"strict-origin", "origin", "origin", "", "origin", "null"},
		{"origin-when-cross-origin", "full", "origin", "origin", "origin", "origin"},
		{"strict-origin-when-cross-origin", "full", "origin", "", "origin", "null"},
		{"no-referrer-when-downgrade", "full", "full", "", "origin", "null"},
		{"unsafe-url", "full", "full", "full", "origin", "origin"},
		{"unsafe-url, no-referrer", "", "", "", "null", "null"},
	} {
		for _, to := range []struct{ name, from, target, referer, origin string }{
			{"same origin", plain.at("localhost", "/p", "header", "Referrer-Policy: "+test.policy), plain.at("localhost", "/"), test.same, ""},
			{"cross origin", plain.at("localhost", "/p", "header", "Referrer-Policy: "+test.policy), other.at("localhost", "/"), test.cross, test.originCross},
			{"downgrade", secure.at("localhost", "/p", "header", "Referrer-Policy: "+test.policy), other.at("rp.test", "/"), test.downgrade, test.originDown},
		} {
			b := oidcrptest.NewBrowser(t)
			b.Resolve("rp.test", other.Listener.Addr().String())
			from := b.Get(to.from)
			h := b.PostForm(to.target, nil).Trail[0].Request
			origin := from.URL.Scheme + "://" + from.URL.Host
			want := map[string]string{"full": from.URL.String(), "origin": origin + "/", "": ""}[to.referer]
			if h.Get("Referer") != want {
				t.Errorf("%q, %s: Referer %q, want %q", test.policy, to.name, h.Get("Referer"), want)
			}
			if want := map[string]string{"origin": origin, "null": "null"}[to.origin]; to.origin != "" && h.Get("Origin") != want {
				t.Errorf("%q, %s: Origin %q, want %q", test.policy, to.name, h.Get("Origin"), want)
			}
		}
	}
}

// A frame of another site that posts to the site around it is cross-site all
// the same.
func TestFrameThatPostsToItsSurroundings(t *testing.T) {
	rp, op := newSite(t), newSite(t)
	b := withCookies(t, rp, "localhost")
	target := rp.at("localhost", "/", "set", "new=1; SameSite=Lax")
	inner := op.at("127.0.0.1", "/", "html", form("post", target)+`<script>document.forms[0].submit()</script>`)
	if got := seen(b.Frame(inner)); got != "none" {
		t.Errorf("got %q", got)
	}
	if refused := b.RefusedCookies(); len(refused) != 1 || !strings.Contains(refused[0], "across sites") {
		t.Errorf("refused %q", refused)
	}
}

func TestRedirectToAnotherScheme(t *testing.T) {
	s := newSite(t)
	for _, to := range []string{"javascript:alert(1)", "data:text/html,x", "mailto:a@example.com"} {
		if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "to", to)); page.Blocked != "scheme" || page.Trail[0].Status != http.StatusFound {
			t.Errorf("%s: %v", to, page)
		}
	}
	if page := oidcrptest.NewBrowser(t).Get(s.at("localhost", "/", "header", "Location: /", "to", "%")); page.Status != http.StatusFound {
		t.Errorf("Location that is no URL: %v", page)
	}
}

func FuzzHTML(f *testing.F) {
	for _, seed := range []string{
		`<form method=post action="/x"><input name=a value="&lt;"><button>Go</button></form>`,
		`<select name=a><option>One<option selected>Two</select>`, `<textarea>`, `<script>`, `<!--`, `<a href=`, `<`, `</`,
		`<form><form></form><button><button>`, `<meta http-equiv=refresh content="0;url=/x">`, "<input \x00 name=\xff>",
	} {
		f.Add(seed)
	}
	base, _ := url.Parse("http://localhost/")
	f.Fuzz(func(t *testing.T, body string) {
		forms, text := oidcrptest.ParseHTML(base, body)
		if strings.Contains(text, "  ") {
			t.Errorf("text with two spaces in a row: %q", text)
		}
		for _, form := range forms {
			if form.Method != "GET" && form.Method != "POST" {
				t.Errorf("method %q", form.Method)
			}
		}
	})
}

func FuzzSetCookie(f *testing.F) {
	for _, seed := range []string{"a=1", "__Host-a=1; Secure; Path=/", "=__Host-a; Secure", "a=1; Max-Age=99999999999999999999", "a", ";", "a=1; Domain=.", "a=1; Path=", "a=1; Expires=x", " a = 1 ; SECURE"} {
		f.Add(seed)
	}
	u, _ := url.Parse("http://rp.test/dir/")
	f.Fuzz(func(t *testing.T, line string) {
		header, err := oidcrptest.KeepCookie(u, line)
		if err != nil {
			return
		}
		name := strings.ToLower(header)
		if strings.HasPrefix(name, "__host-") || strings.HasPrefix(name, "__secure-") || strings.HasPrefix(name, "__http-") {
			t.Errorf("an insecure page set %q by %q", header, line)
		}
		if strings.ContainsAny(header, "\r\n\x00") || len(header) > 4097 {
			t.Errorf("sent %q", header)
		}
	})
}
