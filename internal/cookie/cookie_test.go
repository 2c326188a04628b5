package cookie_test

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

func site(t testing.TB, base string) cookie.Site {
	t.Helper()
	u, err := url.Parse(base)
	if err != nil {
		t.Fatal(err)
	}
	return cookie.NewSite(u)
}

func TestSiteID(t *testing.T) {
	for _, tt := range []struct {
		name, a, b string
		same       bool
	}{
		{"letter case of the host", "https://app.example", "HTTPS://APP.example", true},
		{"the default port spelled out", "https://app.example", "https://app.example:443", true},
		{"the slash at the end", "https://app.example/x", "https://app.example/x/", true},
		{"another host", "https://app.example", "https://app.example.org", false},
		{"another port", "http://localhost:3000", "http://localhost:4000", false},
		{"another scheme", "http://localhost", "https://localhost", false},
		{"another path", "https://app.example/a", "https://app.example/b", false},
		{"letter case of the path", "https://app.example/a", "https://app.example/A", false},
		{"an IPv6 host", "http://[::1]:3000", "http://[::1]:3001", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a, b := site(t, tt.a).ID(), site(t, tt.b).ID()
			if (a == b) != tt.same {
				t.Errorf("%s is %s, %s is %s", tt.a, a, tt.b, b)
			}
			if len(a) != 8 || strings.ToLower(a) != a {
				t.Errorf("id %q, want eight lower-case characters", a)
			}
		})
	}
}

// Whoever owns a base URL next opens nothing of who had it before, and finds
// none of another's by trying names.
func TestSiteForAnOwner(t *testing.T) {
	base := site(t, "https://app.example/x")
	ids := map[string]bool{base.ID(): true}
	for _, s := range []cookie.Site{
		base.For(""), base.For("acme"), base.For("other"), site(t, "https://app.example").For("acme"), site(t, "https://b.example/x").For("acme"),
	} {
		if ids[s.ID()] || len(s.ID()) != 32 {
			t.Errorf("id %q, want another of 32 characters", s.ID())
		}
		ids[s.ID()] = true
	}
	if a, b := base.For("acme"), site(t, "HTTPS://APP.example:443/x/").For("acme"); a.ID() != b.ID() {
		t.Errorf("one site is %q and %q", a.ID(), b.ID())
	}
	name := func(s cookie.Site) string { return s.Cookie("s", cookie.Options{}).Name() }
	if name(base.For("acme")) != name(base) {
		t.Errorf("the cookie is called %q and %q", name(base.For("acme")), name(base))
	}
}

// T101: every attribute, spelled out.
func TestCookieAttributes(t *testing.T) {
	https, loopback := site(t, "https://app.example"), site(t, "http://localhost:3000")
	for _, tt := range []struct {
		name string
		site cookie.Site
		opts cookie.Options
		want string
	}{
		{"the usual one", https, cookie.Options{},
			"__Host-oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
		{"a narrower path", https, cookie.Options{Path: "/auth/logout"},
			"__Secure-oidcrp_k_ID=v; Path=/auth/logout; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
		{"cross-site", https, cookie.Options{SameSite: http.SameSiteNoneMode},
			"__Host-oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None"},
		{"strict", https, cookie.Options{SameSite: http.SameSiteStrictMode},
			"__Host-oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Strict"},
		{"default mode is still explicit", https, cookie.Options{SameSite: http.SameSiteDefaultMode},
			"__Host-oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=Lax"},
		{"loopback", loopback, cookie.Options{},
			"oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; SameSite=Lax"},
		{"loopback, a narrower path", loopback, cookie.Options{Path: "/auth/logout"},
			"oidcrp_k_ID=v; Path=/auth/logout; Max-Age=60; HttpOnly; SameSite=Lax"},
		{"loopback, cross-site", loopback, cookie.Options{SameSite: http.SameSiteNoneMode},
			"__Host-oidcrp_k_ID=v; Path=/; Max-Age=60; HttpOnly; Secure; SameSite=None"},
		{"loopback, cross-site, a narrower path", loopback, cookie.Options{Path: "/cb", SameSite: http.SameSiteNoneMode},
			"__Secure-oidcrp_k_ID=v; Path=/cb; Max-Age=60; HttpOnly; Secure; SameSite=None"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := tt.site.Cookie("k", tt.opts)
			w := httptest.NewRecorder()
			if err := c.Set(w, "v", time.Minute); err != nil {
				t.Fatal(err)
			}
			want := strings.ReplaceAll(tt.want, "ID", tt.site.ID())
			lines := w.Header()["Set-Cookie"]
			if len(lines) != 1 || lines[0] != want {
				t.Errorf("Set-Cookie %q\nwant       %q", lines, want)
			}
			if name, _, _ := strings.Cut(want, "="); c.Name() != name {
				t.Errorf("Name() %q, want %q", c.Name(), name)
			}

			// T103: cleared with the same name, path and attributes.
			w = httptest.NewRecorder()
			c.Clear(w)
			want = strings.Replace(strings.Replace(want, "=v;", "=;", 1), "Max-Age=60", "Max-Age=0", 1)
			if got := w.Header()["Set-Cookie"]; len(got) != 1 || got[0] != want {
				t.Errorf("Clear gave %q\nwant       %q", got, want)
			}
			if parsed, err := http.ParseSetCookie(want); err != nil || parsed.MaxAge >= 0 {
				t.Errorf("net/http does not read it as a deletion: %+v, %v", parsed, err)
			}
		})
	}
}

func TestCookieMaxAge(t *testing.T) {
	c := site(t, "https://app.example").Cookie("k", cookie.Options{})
	for _, tt := range []struct {
		name   string
		maxAge time.Duration
		want   string
		value  string
	}{
		{"with the browser", 0, "", "v"},
		{"rounded up", 1500 * time.Millisecond, "Max-Age=2", "v"},
		{"hardly any", time.Nanosecond, "Max-Age=1", "v"},
		{"over already", -time.Second, "Max-Age=0", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := c.Set(w, "v", tt.maxAge); err != nil {
				t.Fatal(err)
			}
			line := w.Header().Get("Set-Cookie")
			if tt.want == "" && strings.Contains(line, "Max-Age") || !strings.Contains(line, tt.want) {
				t.Errorf("%q, want %q in it", line, tt.want)
			}
			if value, ok := c.Written(w); !ok || value != tt.value {
				t.Errorf("Written: %q, %v", value, ok)
			}
		})
	}
}

func TestCookieSizeLimit(t *testing.T) {
	c := site(t, "https://app.example").Cookie("k", cookie.Options{})
	w := httptest.NewRecorder()
	if err := c.Set(w, strings.Repeat("v", c.Room()+1), 0); !errors.Is(err, cookie.ErrTooLarge) {
		t.Errorf("one byte too many: %v, want ErrTooLarge", err)
	}
	if len(w.Header()) != 0 {
		t.Error("it was set all the same")
	}
	if err := c.Set(w, strings.Repeat("v", c.Room()), 0); err != nil {
		t.Errorf("%d bytes: %v", c.Room(), err)
	}
	if got := c.Room() + len(c.Name()); got != cookie.MaxSize {
		t.Errorf("a full cookie has %d bytes, want %d", got, cookie.MaxSize)
	}
}

func TestCookieRefusesWhatHeadersCannotCarry(t *testing.T) {
	s := site(t, "https://app.example")
	for name, value := range map[string]string{
		"attribute": "v; Domain=example", "line": "v\r\nX: y", "space": "a b", "quote": `"v"`,
		"comma": "a,b", "backslash": `a\b`, "control": "a\x7f", "not ASCII": "é", "NUL": "a\x00",
	} {
		t.Run(name, func(t *testing.T) {
			w := httptest.NewRecorder()
			if err := s.Cookie("k", cookie.Options{}).Set(w, value, 0); err == nil || len(w.Header()) != 0 {
				t.Errorf("value %q was set: %v", value, w.Header())
			}
		})
	}
	for _, path := range []string{"/a; Domain=example", "/a\n", "/é"} {
		w := httptest.NewRecorder()
		if err := s.Cookie("k", cookie.Options{Path: path}).Set(w, "v", 0); err == nil || len(w.Header()) != 0 {
			t.Errorf("path %q was set: %v", path, w.Header())
		}
	}
}

func TestCookieReplacesItsEarlierSelf(t *testing.T) {
	s := site(t, "https://app.example")
	c := s.Cookie("k", cookie.Options{Path: "/a"})
	others := []cookie.Cookie{s.Cookie("k", cookie.Options{Path: "/ab"}), s.Cookie("kk", cookie.Options{Path: "/a"}), site(t, "https://b.example").Cookie("k", cookie.Options{Path: "/a"})}
	w := httptest.NewRecorder()
	for _, step := range []func(){
		func() { w.Header().Add("Set-Cookie", c.Name()) }, // an application's oddity
		func() { w.Header().Add("Set-Cookie", c.Name()+"=app") },
		func() { _ = c.Set(w, "1", 0) },
		func() {
			for _, o := range others {
				_ = o.Set(w, "other", 0)
			}
		},
		func() { c.Clear(w) },
		func() { _ = c.Set(w, "2", time.Minute) },
	} {
		step()
	}
	lines := w.Header()["Set-Cookie"]
	if len(lines) != 3+len(others) {
		t.Fatalf("%d cookies, want %d: %q", len(lines), 3+len(others), lines)
	}
	if got, ok := c.Written(w); !ok || got != "2" {
		t.Errorf("Written: %q, %v, want 2", got, ok)
	}
	for _, o := range others {
		if got, ok := o.Written(w); !ok || got != "other" {
			t.Errorf("%s: Written: %q, %v", o.Name(), got, ok)
		}
	}
	if got, ok := s.Cookie("none", cookie.Options{}).Written(w); ok {
		t.Errorf("a cookie nobody set: %q", got)
	}
}

// T100, B22, B23.
func TestCookieRead(t *testing.T) {
	c := site(t, "https://app.example").Cookie("k", cookie.Options{})
	n := c.Name()
	for _, tt := range []struct {
		name  string
		lines []string
		value string
		want  error
	}{
		{"no header", nil, "", cookie.ErrNoCookie},
		{"an empty header", []string{""}, "", cookie.ErrNoCookie},
		{"alone", []string{n + "=v"}, "v", nil},
		{"among others", []string{"a=1; " + n + "=v; b=2"}, "v", nil},
		{"without spaces", []string{"a=1;" + n + "=v;b=2"}, "v", nil},
		{"in a second line", []string{"a=1", n + "=v"}, "v", nil},
		{"an empty value", []string{n + "="}, "", nil},
		{"a value with equals signs", []string{n + "=v==; b=2"}, "v==", nil},
		{"a quoted value keeps its quotes", []string{n + `="v"`}, `"v"`, nil},
		{"twice", []string{n + "=v; " + n + "=w"}, "", cookie.ErrDuplicate},
		{"twice the same", []string{n + "=v; " + n + "=v"}, "", cookie.ErrDuplicate},
		{"twice, empty first", []string{n + "=; " + n + "=v"}, "", cookie.ErrDuplicate},
		{"twice in two lines", []string{n + "=v", n + "=w"}, "", cookie.ErrDuplicate},
		{"name only", []string{n}, "", cookie.ErrNoCookie},
		{"a longer name", []string{n + "x=v"}, "", cookie.ErrNoCookie},
		{"a shorter name", []string{n[:len(n)-1] + "=v"}, "", cookie.ErrNoCookie},
		{"other letter case", []string{strings.ToUpper(n) + "=v"}, "", cookie.ErrNoCookie},
		{"a leading tab", []string{"\t" + n + "=v"}, "", cookie.ErrNoCookie},
		{"a leading tab beside ours", []string{"\t" + n + "=v; " + n + "=w"}, "w", nil},
		{"a leading no-break space", []string{"\u00a0" + n + "=v; " + n + "=w"}, "w", nil},
		{"a leading en quad", []string{"\u2000" + n + "=v; " + n + "=w"}, "w", nil},
		{"an empty name that holds ours", []string{"=" + n + "=v"}, "", cookie.ErrNoCookie},
		{"$Version syntax", []string{"$Version=1; " + n + "=v; $Path=/"}, "v", nil},
		{"a comma does not part cookies", []string{"a=1, " + n + "=v"}, "", cookie.ErrNoCookie},
		{"a space before the equals sign", []string{n + " =v"}, "", cookie.ErrNoCookie},
		{"semicolons only", []string{";;; ;"}, "", cookie.ErrNoCookie},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := httptest.NewRequest("GET", "/", nil)
			r.Header["Cookie"] = tt.lines
			value, err := c.Read(r)
			if value != tt.value || !errors.Is(err, tt.want) {
				t.Errorf("%q: %q, %v, want %q, %v", tt.lines, value, err, tt.value, tt.want)
			}
		})
	}
}

// T111: a megabyte of cookies is one pass and no allocation.
func TestCookieReadAllocatesNothing(t *testing.T) {
	c := site(t, "https://app.example").Cookie("k", cookie.Options{})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{strings.Repeat("a=1; ", 100_000) + c.Name() + "=v"}
	if n := testing.AllocsPerRun(10, func() {
		if v, err := c.Read(r); v != "v" || err != nil {
			t.Fatal(v, err)
		}
	}); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func FuzzCookieRead(f *testing.F) {
	c := site(f, "https://app.example").Cookie("k", cookie.Options{})
	n := c.Name()
	for _, s := range []string{"", n + "=v", "a=1; " + n + "=v; b=2", n + "=v;" + n + "=w", "\t" + n + "=v", "=" + n, `a="x; y"; ` + n + "=z"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, header string) {
		r := &http.Request{Header: http.Header{"Cookie": {header}}}
		value, err := c.Read(r)
		var values []string
		for pair := range strings.SplitSeq(header, ";") {
			if v, ok := strings.CutPrefix(strings.TrimLeft(pair, " "), n+"="); ok {
				values = append(values, v)
			}
		}
		switch {
		case len(values) == 0 && errors.Is(err, cookie.ErrNoCookie):
		case len(values) == 1 && err == nil && value == values[0]:
		case len(values) > 1 && errors.Is(err, cookie.ErrDuplicate):
		default:
			t.Fatalf("%q: %q, %v, want %q", header, value, err, values)
		}
	})
}

func BenchmarkCookieRead(b *testing.B) {
	c := site(b, "https://app.example").Cookie("k", cookie.Options{})
	r := httptest.NewRequest("GET", "/", nil)
	r.Header["Cookie"] = []string{"theme=dark; _ga=GA1.1.1234567890.1763640000; " + c.Name() + "=" + strings.Repeat("v", 786)}
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.Read(r); err != nil {
			b.Fatal(err)
		}
	}
}
