package e2e_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"

	whatwg "github.com/nlnwa/whatwg-url/url"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// leaving reads the return URLs that the package itself is tried with.
func leaving(t *testing.T) (all []string) {
	t.Helper()
	f, err := os.Open("../../testdata/returnto/leaving.txt")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		raw, err := strconv.Unquote(lines.Text())
		if err != nil {
			t.Fatalf("%s: %v", lines.Text(), err)
		}
		all = append(all, raw)
	}
	if err := lines.Err(); err != nil || len(all) < 500 {
		t.Fatalf("%d return URLs, %v", len(all), err)
	}
	return all
}

// led is where a return URL led: the Location that the application sent last.
type led struct{ door, raw, location string }

// leadSomewhere takes return URLs to an application, at each place that takes
// one, and returns its origin and where they led.
func leadSomewhere(t *testing.T, urls []string) (origin string, all []led) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	origin = "http://localhost:" + port
	op := oidcrptest.NewProvider(t)
	op.SignInAs("alice")
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   origin,
		Providers: []oidcrp.Provider{op.Config("test", origin)},
		Logger:    slog.New(slog.DiscardHandler), // and no CookieKeys: here they may be random
	})
	if err != nil {
		t.Fatal(err)
	}
	srv := httptest.NewUnstartedServer(rp.Load(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {})))
	srv.Listener.Close()
	srv.Listener = ln
	srv.Start()
	t.Cleanup(srv.Close)

	for _, raw := range urls {
		for door, path := range map[string]string{"login": "/auth/login?return_to=", "initiation": "/auth/initiate?iss=" + url.QueryEscape(op.Issuer()) + "&target_link_uri="} {
			all = append(all, led{door, raw, lastLocation(t, origin, path+url.QueryEscape(raw))})
		}
		// With nobody to sign out, it leads there at once.
		r := httptest.NewRequest("POST", origin+"/auth/logout", strings.NewReader(url.Values{"return_to": {raw}}.Encode()))
		r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Sec-Fetch-Site": {"same-origin"}}
		w := httptest.NewRecorder()
		rp.ServeHTTP(w, r)
		all = append(all, led{"logout", raw, w.Header().Get("Location")})
	}
	return origin, all
}

// lastLocation signs in by an address and returns what the callback answers.
func lastLocation(t *testing.T, origin, path string) (location string) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, via []*http.Request) error {
		if via[len(via)-1].URL.Path == "/auth/callback/test" {
			location = r.Response.Header.Get("Location")
			return http.ErrUseLastResponse
		}
		r.Header.Set("Accept", "text/html")
		return nil
	}}
	req, err := http.NewRequest("GET", origin+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Accept", "text/html")
	res, err := client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if location == "" {
		t.Fatalf("%s: the login did not end: %d", path, res.StatusCode)
	}
	return location
}

// foreign would lead away, whoever reads it: a judge that finds them ours is
// none.
var foreign = []string{"//evil.example", `/\evil.example`, "/\t/evil.example", `\\evil.example`, "https:evil.example", "http://localhost@evil.example/", "javascript:alert(1)"}

// T085, judged by the URL standard that browsers follow: wherever a return URL
// leads, the origin is ours.
func TestReturnURLsByTheStandard(t *testing.T) {
	origin, all := leadSomewhere(t, leaving(t))
	of := func(location string) string {
		u, err := whatwg.ParseRef(origin+"/", location)
		if err != nil {
			return err.Error()
		}
		return u.Protocol() + "//" + u.Host()
	}
	for _, location := range foreign {
		if of(location) == origin {
			t.Errorf("%q is taken for ours", location)
		}
	}
	for _, l := range all {
		if got := of(l.location); got != origin || l.location == "" {
			t.Errorf("%s: %q led to %q, which is of %s", l.door, l.raw, l.location, got)
		}
	}
	if len(all) < 1500 {
		t.Errorf("only %d", len(all))
	}
}

// And by Chromium itself.
func TestReturnURLsByChromium(t *testing.T) {
	var some []string
	for raw := range slices.Chunk(leaving(t), 4) {
		some = append(some, raw[0])
	}
	origin, all := leadSomewhere(t, some)
	locations := slices.Clone(foreign)
	for _, l := range all {
		locations = append(locations, l.location)
	}
	given, err := json.Marshal(locations)
	if err != nil {
		t.Fatal(err)
	}
	b := newProfile(t)
	b.open("about:blank")
	answer, err := value[string](b, fmt.Sprintf("JSON.stringify(%s.map(l => { try { return new URL(l, %s).origin } catch (e) { return String(e) } }))", given, quote(origin+"/")))
	if err != nil {
		t.Fatal(err)
	}
	var origins []string
	if err := json.Unmarshal([]byte(answer), &origins); err != nil || len(origins) != len(locations) {
		t.Fatalf("%d origins of %d, %v", len(origins), len(locations), err)
	}
	for i, got := range origins {
		if i < len(foreign) {
			if got == origin {
				t.Errorf("%q is taken for ours", foreign[i])
			}
			continue
		}
		if l := all[i-len(foreign)]; got != origin {
			t.Errorf("%s: %q led to %q, which is of %s", l.door, l.raw, l.location, got)
		}
	}
}
