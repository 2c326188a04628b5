package oidcrp_test

import (
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var robustnessAttacks = []attack{
	{"T129 every parser has a fuzz target", everyParserIsFuzzed},
	{"T129 there are no chunks", thereAreNoChunks},

	{"T130 queries", malformedRequests(func(path string) []*http.Request {
		var all []*http.Request
		for _, query := range []string{
			"%", "%zz", "%2", "&", "&&&&", "=", "=&=", ";", "a;b", "?", "%00", "%ff", "a=%", "code", "state", "code=%zz&state=x", "+", "a=b;c=d", "\xff", "[]=x", "a[b]=c",
			strings.Repeat("&", 5000), strings.Repeat("a=b&", 20_000), strings.Repeat("%", 1000), "return_to=%", "return_to=%zz", "provider=%ff", "iss=%zz", "identifier=%zz",
		} {
			r := httptest.NewRequest("GET", path, nil)
			r.URL.RawQuery, r.RequestURI = query, path+"?"+query
			all = append(all, r)
		}
		return all
	})},
	{"T130 bodies", malformedRequests(func(path string) []*http.Request {
		var all []*http.Request
		for _, kind := range []string{"", "application/x-www-form-urlencoded", "application/x-www-form-urlencoded; charset=%zz", "multipart/form-data", "multipart/form-data; boundary=", "text/plain", "application/json", ";;;", "\xff", "x/"} {
			for _, body := range []string{"", "&", "=", "%", "%zz", "code=%zz", ";", "a;b", "\x00", "\xff\xfe", "{}", strings.Repeat("&", 5000), strings.Repeat("a", 70_000), "return_to=%zz", "logout_token=%zz", "--x\r\n"} {
				r := httptest.NewRequest("POST", path, strings.NewReader(body))
				r.Header["Content-Type"] = []string{kind}
				all = append(all, r)
			}
		}
		r := httptest.NewRequest("POST", path, nil)
		r.Body = nil // a handler's own request may have none
		return append(all, r)
	})},
	{"T130 headers", malformedRequests(func(path string) []*http.Request {
		var all []*http.Request
		for _, name := range []string{"Authorization", "Cookie", "Accept", "Accept-Language", "Origin", "Referer", "Sec-Fetch-Site", "Sec-Fetch-Mode", "Sec-Fetch-Dest", "Upgrade", "Content-Type", "X-Forwarded-Host", "Host"} {
			for _, value := range []string{
				"", "%", "%zz", "Basic", "Basic %zz", "Basic ====", "Bearer", "Bearer %", "Bearer  x y", "null", "\xff\xfe", ";", ";;=;=", ",,,,", "=", "a=b; a=b; =c; d", `"`, `"unterminated`, "q=zz;;", "*", "://", "http://", "http://[", "https://a b/",
				strings.Repeat("a,", 10_000), strings.Repeat("x=y; ", 3000), strings.Repeat("%", 3000),
			} {
				for _, method := range []string{"GET", "POST"} {
					r := httptest.NewRequest(method, path, nil)
					r.Header[name] = []string{value, value}
					all = append(all, r)
				}
			}
		}
		return all
	})},
	{"T130 addresses", malformedRequests(func(path string) []*http.Request {
		var all []*http.Request
		for _, tail := range []string{"%2f", "%00", "%ff", "%252f", "/..", "/%2e%2e", "//", ";x", "?", "\\", "%5c"} {
			u, err := url.Parse(path + tail)
			if err != nil {
				continue
			}
			r := httptest.NewRequest("GET", path, nil)
			r.URL, r.RequestURI = u, path+tail
			all = append(all, r)
		}
		for _, uri := range []string{"*", "", "//", "http://", "::", "\x00"} {
			r := httptest.NewRequest("GET", path, nil)
			r.RequestURI = uri
			all = append(all, r)
		}
		return all
	})},
	{"T130 constant time", comparesInConstantTime},
	{"T130 addresses that lead nowhere", emailRoutingTellsNothing},
	{"T130 identifiers that lead nowhere", identifierThatLeadsNowhere},
	{"T130 people of a domain", peopleAreNotAskedFor},
}

// fuzzed is the fuzz target of each parser of what strangers send, by package.
var fuzzed = map[string]string{
	"callback query and body": "internal/provider FuzzParseResponse", "signed response": "internal/provider FuzzVerify", "JWT": "internal/validate FuzzSplitJWS", "JWE": "internal/provider FuzzDecrypt",
	"ID token": "internal/validate FuzzCheckIDToken", "JSON object": "internal/validate FuzzObject", "JWKS": "internal/provider FuzzParseKeys", "metadata": "internal/provider FuzzMetadata", "token response": "internal/provider FuzzTokens",
	"UserInfo, plain and signed": "internal/provider FuzzUserInfoToken", "logout token": "internal/validate FuzzCheckLogoutToken", "PAR response": "internal/provider FuzzPushedResponse",
	"registration response": "internal/provider FuzzRegistrationResponse", "WebFinger response": "internal/provider FuzzWebFinger", "identifier": "internal/provider FuzzIdentifier",
	"request object's reference": "internal/provider FuzzUnpackRequest", "key file": "internal/provider FuzzKeyFile",
	"cookie header": "internal/cookie FuzzCookieRead", "sealed cookie": "internal/cookie FuzzBoxOpen", "sealed JSON cookie": "internal/cookie FuzzCodecDecode", "cookie's content": "internal/cookie FuzzDecoded", "session record": "internal/session FuzzDecode",
	"state": "internal/transaction FuzzOpen", "state's content": "internal/transaction FuzzDecodeState", "binding cookie": "internal/transaction FuzzBinding",
	"return URL": "oidcrp FuzzReturnTo", "email": "internal/validate FuzzEmail", "mail domain": "internal/validate FuzzMailDomain", "issuer filter": "internal/validate FuzzIssuers", "Accept-Language": "internal/pages FuzzLanguage",
	"host": "oidcrp FuzzSiteHost", "settings as a map": "oidcrp/sitesettings FuzzFromMap", "settings as JSON": "oidcrp/sitesettings FuzzFromJSON",
}

var fuzzTarget = regexp.MustCompile(`(?m)^func (Fuzz\w+)\(f \*testing\.F\) \{`)

func everyParserIsFuzzed(t *testing.T) {
	found := map[string]bool{}
	err := filepath.WalkDir("..", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, "_test.go") {
			return err
		}
		b, err := os.ReadFile(path)
		for _, m := range fuzzTarget.FindAllSubmatch(b, -1) {
			found[strings.TrimPrefix(filepath.ToSlash(filepath.Dir(path)), "../")+" "+string(m[1])] = true
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	for subject, target := range fuzzed {
		if !found[target] {
			t.Errorf("%s: there is no %s", subject, target)
		}
	}
}

// thereAreNoChunks: nobody can lie about parts of a cookie that is in one.
func thereAreNoChunks(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), nil)
	b := a.signIn()
	c := a.sessionCookie(b)
	half := len(c.Value) / 2
	for _, parts := range [][]string{{c.Name + "_0", c.Name + "_1"}, {c.Name + ".0", c.Name + ".1"}, {c.Name, c.Name + "1"}, {c.Name, c.Name}} {
		res := a.with(nil, "GET", "/", "Cookie", parts[0]+"="+c.Value[:half]+"; "+parts[1]+"="+c.Value[half:])
		if who := a.whoHas(&http.Cookie{Name: parts[0], Value: c.Value[:half]}); who != "nobody" || res.StatusCode != http.StatusOK {
			t.Errorf("%q: %s", parts, who)
		}
	}
	n := 0
	for _, c := range b.Cookies(a.URL + "/") {
		if strings.Contains(c.Name, "oidcrp_s_") {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d cookies of a session", n)
	}
}

// malformedRequests tries some at every address of ours, with a session and
// without. They are the sender's fault.
func malformedRequests(requests func(path string) []*http.Request) func(*testing.T) {
	return func(t *testing.T) {
		store := newPlain()
		a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
			c.Store = store
			c.Providers[0].BackchannelLogout, c.Providers[0].FrontchannelLogout, c.Providers[0].SessionManagement, c.Providers[0].PAR = true, true, true, oidcrp.Refused
		})
		h := a.rp.Load(a.handler())
		user := cookieHeader(a.sessionCookie(a.signIn()))
		before := a.whoHas(&http.Cookie{Name: strings.SplitN(user, "=", 2)[0], Value: strings.SplitN(user, "=", 2)[1]})
		for _, path := range []string{
			"/auth/login", "/auth/logout", "/auth/me", "/auth/initiate", "/auth/callback/test", "/auth/check-session", "/auth/backchannel-logout/test", "/auth/frontchannel-logout/test", "/auth/nowhere", "/reports", "/",
		} {
			for _, signedIn := range []bool{false, true} {
				for _, r := range requests(path) {
					if r.Header.Get("Accept") == "" && r.Header["Accept"] == nil {
						r.Header.Set("Accept", "text/html")
					}
					if signedIn && r.Header["Cookie"] == nil {
						r.Header.Set("Cookie", user)
					}
					w := httptest.NewRecorder()
					h.ServeHTTP(w, r)
					if w.Code >= 500 {
						t.Errorf("%s %.200q with %.300q: %d %s", r.Method, r.RequestURI, r.Header, w.Code, w.Body)
					}
				}
			}
		}
		if strings.Contains(a.log.String(), "panic") || strings.Contains(a.log.String(), "level=ERROR") {
			t.Errorf("the log has errors of ours: %s", a.log)
		}
		if after := a.whoHas(&http.Cookie{Name: strings.SplitN(user, "=", 2)[0], Value: strings.SplitN(user, "=", 2)[1]}); before != "alice" || after != before {
			t.Errorf("the session was %s's, and is %s's", before, after)
		}
	}
}

// peopleAreNotAskedFor: who of a domain has an account is the owner's to say.
func peopleAreNotAskedFor(t *testing.T) {
	a, corp, d := ownedApp(t, nil)
	type seen struct {
		status, pushed, lookups int
		location, body, header  string
	}
	look := func(typed string) seen {
		corp.ResetCalls()
		before := d.asked("ByEmailDomain")
		w := ask(a.rp, a.rp, nil, "GET", "/auth/login?return_to=/reports&identifier="+url.QueryEscape(typed), navigate...)
		w = ask(a.rp, a.rp, nil, "GET", w.Header().Get("Location"), navigate...) // the login address of the owner
		return seen{w.Code, corp.Calls(oidcrptest.PAREndpoint), d.asked("ByEmailDomain") - before,
			mustParse(t, w.Header().Get("Location")).Path, w.Body.String(), strings.Join(slices.Sorted(maps.Keys(w.Header())), " ")}
	}
	look("anna@corp.example") // what is asked but once
	known := look("anna@corp.example")
	if known.status != http.StatusFound || known.pushed != 1 {
		t.Errorf("%+v", known)
	}
	for _, typed := range []string{"nobody@corp.example", "anna+tag@corp.example", "x@corp.example"} {
		if got := look(typed); got != known {
			t.Errorf("%s: %+v, and for somebody known %+v", typed, got, known)
		}
	}
}
