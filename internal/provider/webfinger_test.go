package provider_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
)

const webFingerPath = "/.well-known/webfinger"

func TestParseIdentifier(t *testing.T) {
	for typed, want := range map[string][2]string{
		"joe@example.com":                   {"acct:joe@example.com", "example.com"},
		"  Joe@Example.COM ":                {"acct:Joe@example.com", "example.com"},
		"acct:joe@example.com:8443":         {"acct:joe@example.com:8443", "example.com:8443"},
		"ACCT:joe@example.com":              {"acct:joe@example.com", "example.com"},
		"joe+list@example.com":              {"acct:joe+list@example.com", "example.com"},
		"juliet%40capulet.example@shop.it":  {"acct:juliet%40capulet.example@shop.it", "shop.it"},
		"juliet@capulet.example@shop.it":    {"acct:juliet%40capulet.example@shop.it", "shop.it"},
		"joe@example.com#me":                {"acct:joe@example.com", "example.com"},
		"https://example.com/joe":           {"https://example.com/joe", "example.com"},
		"https://example.com":               {"https://example.com/", "example.com"},
		"https://example.com:443/joe":       {"https://example.com:443/joe", "example.com"},
		"https://Example.com/Joe?a=b#c":     {"https://example.com/Joe?a=b", "example.com"},
		"example.com":                       {"https://example.com/", "example.com"},
		"example.com:8080":                  {"https://example.com:8080/", "example.com:8080"},
		"example.com/joe":                   {"https://example.com/joe", "example.com"},
		"http://127.0.0.1:4000/joe":         {"http://127.0.0.1:4000/joe", "127.0.0.1:4000"},
		"[::1]:4000":                        {"https://[::1]:4000/", "[::1]:4000"},
		"":                                  {},
		" ":                                 {},
		"#x":                                {},
		"=joe":                              {}, // XRIs
		"@joe":                              {},
		"!joe":                              {},
		"joe@":                              {},
		"acct:joe":                          {},
		"acct:@example.com":                 {},
		"joe@example.com:8080":              {}, // a user name in a URL
		"https://joe@example.com/":          {},
		"https://joe:secret@example.com/":   {},
		"https://allowed.example@evil.com/": {},
		"https://evil.com\\@example.com/":   {},
		"https:///joe":                      {},
		"https://example.com./":             {},
		"mailto:joe@example.com":            {},
		"ftp://example.com/":                {},
		"javascript:alert(1)":               {},
		"jos\u00e9@example.com":             {},
		"joe@ex\u00e4mple.com":              {},
		"joe doe@example.com":               {},
		`"joe"@example.com`:                 {},
		"joe%@example.com":                  {},
		"joe@example.com\r\nHost: x":        {},
		"joe@example.com/x":                 {},
		"joe@exa_mple.com/../x":             {},
		"joe@-%41.com":                      {},
		strings.Repeat("j", 500) + "@x.com": {},
		"acct:joe@example.com?x=y":          {},
		"acct:joe@example.com/x":            {},
		"acct:joe@user@":                    {},
		"acct:jo/e@example.com":             {},
		"acct:joe@169.254.169.254@evil.com": {"acct:joe%40169.254.169.254@evil.com", "evil.com"},
		"https://169.254.169.254/latest":    {},
		"https://example.com:/":             {},
		"https://example.com:x/":            {},
	} {
		resource, host, err := provider.ParseIdentifier(typed)
		if [2]string{resource, host} != want || (err == nil) != (want[0] != "") {
			t.Errorf("%q: %q at %q, %v; want %q", typed, resource, host, err, want)
		}
	}
}

func TestFinderHosts(t *testing.T) {
	if _, err := provider.NewFinder([]string{"example.com", "example.com:8443", "xn--mnchen-3ya.example", "http://127.0.0.1:4000", "http://localhost"}, nil); err != nil {
		t.Error(err)
	}
	if _, err := provider.NewFinder([]string{}, nil); err == nil {
		t.Error("no hosts at all were accepted")
	}
	bad := []string{
		"", "*", "*.example.com", "example.com/", "example.com/x", "https://example.com", "http://example.com", "Example.com",
		"joe@example.com", "m\u00fcnchen.example", "example.com:", "example.com?", "example.com.", "169.254.169.254", "0.0.0.0",
	}
	_, err := provider.NewFinder(append(bad, "a.example", "a.example", "a.example:443"), nil)
	if err == nil {
		t.Fatal("accepted")
	}
	if n := strings.Count(err.Error(), "\n") + 1; n != len(bad)+2 {
		t.Errorf("%d mistakes, want %d:\n%v", n, len(bad)+2, err)
	}
}

// finder asks f, and its host is returned as people type it.
func (f *fake) finder(t testing.TB) (*provider.Finder, string) {
	t.Helper()
	finder, err := provider.NewFinder([]string{f.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return finder, strings.TrimPrefix(f.URL, "http://")
}

func TestFind(t *testing.T) {
	f := newFake(t)
	finder, host := f.finder(t)
	f.handle(webFingerPath, func(w http.ResponseWriter, r *http.Request) {
		q := r.URL.Query()
		if len(q) != 2 || q.Get("rel") != "http://openid.net/specs/connect/1.0/issuer" || r.Method != http.MethodGet || r.Header.Get("Authorization") != "" || r.Header.Get("Cookie") != "" {
			t.Errorf("asked %s %s", r.Method, r.URL)
		}
		respond(200, "application/jrd+json", `{"subject":"x","links":[
			{"rel":"http://webfinger.net/rel/avatar","href":"https://evil.example/"},
			{"rel":"http://openid.net/specs/connect/1.0/issuer","href":"`+q.Get("resource")+`"},
			{"rel":"http://openid.net/specs/connect/1.0/issuer","href":"https://second.example"}]}`)(w, r)
	})
	for typed, want := range map[string]string{
		"acct:joe@" + host: "acct:joe@" + host,
		f.URL + "/joe":     f.URL + "/joe",
		host + "/joe":      "https://" + host + "/joe",
	} {
		if issuer, err := finder.Find(context.Background(), typed); err != nil || issuer != want {
			t.Errorf("%s: %q, %v", typed, issuer, err)
		}
	}
}

// Whoever is not listed is not asked, whatever stands around a listed name.
func TestFindAsksNobodyElse(t *testing.T) {
	f := newFake(t)
	asked := 0
	finder, err := provider.NewFinder([]string{"example.com"}, &http.Client{Transport: roundTrip(func(r *http.Request) (*http.Response, error) {
		asked++
		return nil, errors.New("asked " + r.URL.Host)
	})})
	if err != nil {
		t.Fatal(err)
	}
	for _, typed := range []string{
		"joe@" + strings.TrimPrefix(f.URL, "http://"), f.URL, "joe@sub.example.com", "joe@example.com.evil.example", "joe@evil.example#@example.com",
		"https://evil.example/@example.com", "https://example.com@evil.example/", "joe@example.com:8080", "https://example.com:8443/", "joe@example.com@evil.example",
		"https://evil.example\\@example.com", "https://evil.example?@example.com", "//example.com", "example.com:443@evil.example", "169.254.169.254", "localhost",
	} {
		if _, err := finder.Find(context.Background(), typed); !errors.Is(err, provider.ErrUnknownIdentifier) {
			t.Errorf("%s: %v", typed, err)
		} else if strings.Contains(err.Error(), "evil") || strings.Contains(err.Error(), "joe") {
			t.Errorf("%s: the error repeats it: %v", typed, err)
		}
	}
	if asked != 0 {
		t.Errorf("%d calls", asked)
	}
	if _, err := finder.Find(context.Background(), "joe@example.com"); !errors.Is(err, provider.ErrUnavailable) || asked != 1 {
		t.Errorf("%v after %d calls", err, asked)
	}
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func TestFindFaults(t *testing.T) {
	const link = `"rel":"http://openid.net/specs/connect/1.0/issuer"`
	jrd := func(body string) http.HandlerFunc { return respond(200, "application/jrd+json", body) }
	for name, tt := range map[string]struct {
		answer http.HandlerFunc
		kind   error
	}{
		"nobody":            {respond(404, "text/plain", ""), provider.ErrUnknownIdentifier},
		"bad request":       {respond(400, "text/plain", ""), provider.ErrUnknownIdentifier},
		"no links":          {jrd(`{"subject":"x"}`), provider.ErrUnknownIdentifier},
		"other links":       {jrd(`{"links":[{"rel":"self","href":"https://evil.example"},{}]}`), provider.ErrUnknownIdentifier},
		"server error":      {respond(500, "text/plain", ""), provider.ErrUnavailable},
		"too many":          {respond(429, "text/plain", ""), provider.ErrUnavailable},
		"redirect":          {redirectTo(302, "https://evil.example/"), provider.ErrUnavailable},
		"garbage":           {jrd(`{`), provider.ErrUnavailable},
		"not JSON":          {respond(200, "text/html", `{"links":[{`+link+`,"href":"https://op.example"}]}`), provider.ErrUnavailable},
		"links no array":    {jrd(`{"links":{}}`), provider.ErrUnavailable},
		"link no object":    {jrd(`{"links":[1]}`), provider.ErrUnavailable},
		"href no string":    {jrd(`{"links":[{` + link + `,"href":1}]}`), provider.ErrUnavailable},
		"no href":           {jrd(`{"links":[{` + link + `}]}`), provider.ErrUnavailable},
		"href twice":        {jrd(`{"links":[{` + link + `,"href":"https://a.example","href":"https://b.example"}]}`), provider.ErrUnavailable},
		"links twice":       {jrd(`{"links":[],"links":[{` + link + `,"href":"https://b.example"}]}`), provider.ErrUnavailable},
		"oversized":         {jrd(`{"x":"` + strings.Repeat("x", 1<<20) + `"}`), provider.ErrUnavailable},
		"connection closed": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, provider.ErrUnavailable},
	} {
		f := newFake(t)
		f.handle(webFingerPath, tt.answer)
		finder, host := f.finder(t)
		issuer, err := finder.Find(context.Background(), "acct:canary@"+host)
		if !errors.Is(err, tt.kind) || issuer != "" {
			t.Errorf("%s: %q, %v", name, issuer, err)
			continue
		}
		noSecrets(t, err.Error())
		if n := f.count(webFingerPath); n != 1 {
			t.Errorf("%s: asked %d times", name, n)
		}
	}
}

// However many ask, only so many calls are under way, and none of them keeps
// anybody from another host.
func TestFindIsBounded(t *testing.T) {
	f, other := newFake(t), newFake(t)
	finder, err := provider.NewFinder([]string{f.URL, other.URL}, nil)
	if err != nil {
		t.Fatal(err)
	}
	host := strings.TrimPrefix(f.URL, "http://")
	arrived, goOn := make(chan bool), make(chan bool)
	f.handle(webFingerPath, func(w http.ResponseWriter, r *http.Request) {
		arrived <- true
		<-goOn
		http.NotFound(w, r)
	})
	done := make(chan error)
	for range 16 {
		go func() {
			_, err := finder.Find(context.Background(), "acct:joe@"+host)
			done <- err
		}()
	}
	for range 16 {
		<-arrived
	}
	if _, err := finder.Find(context.Background(), "acct:joe@"+host); !errors.Is(err, provider.ErrUnavailable) {
		t.Errorf("one too many: %v", err)
	}
	if _, err := finder.Find(context.Background(), "acct:joe@"+strings.TrimPrefix(other.URL, "http://")); !errors.Is(err, provider.ErrUnknownIdentifier) {
		t.Errorf("another host: %v", err)
	}
	close(goOn)
	for range 16 {
		if err := <-done; !errors.Is(err, provider.ErrUnknownIdentifier) {
			t.Error(err)
		}
	}
}

func FuzzIdentifier(f *testing.F) {
	for _, seed := range []string{"joe@example.com", "https://example.com/joe", "acct:a%40b@c:80", "example.com:8080", "=x", "https://a@b", "[::1]", "a@b@c", "x#y"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, typed string) {
		resource, host, err := provider.ParseIdentifier(typed)
		if err != nil {
			return
		}
		// Who is asked is who a browser, or RFC 7565, would find in it.
		u, err := url.Parse("https://" + host + webFingerPath)
		if err != nil || u.Host != host || u.User != nil || u.Path != webFingerPath {
			t.Fatalf("%q: host %q", typed, host)
		}
		at := ""
		if account, ok := strings.CutPrefix(resource, "acct:"); ok {
			if strings.Count(account, "@") != 1 {
				t.Fatalf("%q: resource %q", typed, resource)
			}
			_, at, _ = strings.Cut(account, "@")
		} else if u, err := url.Parse(resource); err != nil || u.User != nil || u.Fragment != "" {
			t.Fatalf("%q: resource %q", typed, resource)
		} else {
			at = u.Host
		}
		if strings.TrimSuffix(at, ":443") != host || strings.ContainsAny(resource, " #\\\r\n") {
			t.Fatalf("%q: resource %q is asked of %q", typed, resource, host)
		}
	})
}

func FuzzWebFinger(f *testing.F) {
	for _, seed := range []string{
		`{"links":[{"rel":"http://openid.net/specs/connect/1.0/issuer","href":"https://op.example"}]}`,
		`{"links":[{"rel":"http://openid.net/specs/connect/1.0/issuer","href":1}]}`, `{"links":{}}`, `[]`, `{`, "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		if issuer, err := provider.ReadIssuer(body); err == nil && (issuer == "" || !json.Valid([]byte(body))) {
			t.Errorf("%q names %q", body, issuer)
		}
	})
}
