package oidcrp_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

func TestReturnTo(t *testing.T) {
	const root, below = "https://app.example", "https://app.example/app"
	tests := []struct {
		name, base, raw, want string // want "" is refused
	}{
		{"a path", root, "/reports", "/reports"},
		{"a path with a query", root, "/reports?year=2026&q=a%20b", "/reports?year=2026&q=a%20b"},
		{"the root", root, "/", "/"},
		{"an address of ours", root, "https://app.example/reports?x=1", "/reports?x=1"},
		{"a Thai path", root, "/รายงาน?ปี=2569", "/%E0%B8%A3%E0%B8%B2%E0%B8%A2%E0%B8%87%E0%B8%B2%E0%B8%99?%E0%B8%9B%E0%B8%B5=2569"},
		{"an address in a query", root, "/go?to=https://evil.example/", "/go?to=https://evil.example/"},
		{"an escaped slash", root, "/a%2fb", "/a%2fb"},
		{"a fragment is dropped", root, "/a#b", "/a"},
		{"below the base URL", below, "/app/reports", "/app/reports"},
		{"the base URL itself", below, "/app", "/app"},
		{"2,000 bytes", root, "/" + strings.Repeat("a", 1999), "/" + strings.Repeat("a", 1999)},

		{"nothing", root, "", ""},
		{"beside the base URL", below, "/other", ""},
		{"a longer first segment than the base URL's", below, "/apple", ""},
		{"2,001 bytes", root, "/" + strings.Repeat("a", 2000), ""},
		{"another origin", root, "https://evil.example/", ""},
		{"another port", root, "https://app.example:444/", ""},
		{"another scheme", root, "http://app.example/", ""},
		{"our origin as a prefix of a name", root, "https://app.example.evil.example/", ""},
		{"our origin as user info", root, "https://app.example@evil.example/", ""},
		{"no scheme", root, "//evil.example", ""},
		{"three slashes", root, "///evil.example", ""},
		{"our origin and two slashes", root, "https://app.example//evil.example", ""},
		{"slash and backslash", root, `/\evil.example`, ""},
		{"backslashes", root, `\\evil.example`, ""},
		{"slash and tab", root, "/\t/evil.example", ""},
		{"tab first", root, "\t//evil.example", ""},
		{"line feed", root, "/\n/evil.example", ""},
		{"carriage return", root, "/a\r\nSet-Cookie: a=b", ""},
		{"vertical tab", root, "/\v/evil.example", ""},
		{"zero byte", root, "/a\x00b", ""},
		{"a space", root, "/a b", ""},
		{"a line separator", root, "/a\u2028b", ""},
		{"not UTF-8", root, "/a\xc0\xafb", ""},
		{"dot and two slashes", root, "/.//evil.example", ""},
		{"dots", root, "/../evil", ""},
		{"escaped dots", root, "/%2e%2e//evil.example", ""},
		{"an escape that is none", root, "/%zz", ""},
		{"javascript", root, "javascript:alert(1)", ""},
		{"data", root, "data:text/html,x", ""},
		{"a scheme without slashes", root, "https:evil.example", ""},
		{"a relative path", root, "reports", ""},
		{"a query alone", root, "?a=b", ""},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, ok := oidcrp.ReturnTo(tt.base, tt.raw)
			if got != tt.want || ok != (tt.want != "") {
				t.Errorf("ReturnTo(%q) = %q, %v; want %q", tt.raw, got, ok, tt.want)
			}
		})
	}
}

// What is accepted stays on our origin however a browser reads it: put behind
// the origin, only what follows the first slash after it can differ.
func FuzzReturnTo(f *testing.F) {
	for _, seed := range []string{"/", "/a?b=c", "//evil", `/\evil`, "/\t/evil", "/.//evil", "https://app.example/a", "/รายงาน", "/a%2f..%5c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, raw string) {
		path, ok := oidcrp.ReturnTo("https://app.example", raw)
		if !ok {
			if path != "" {
				t.Fatalf("refused %q and returned %q", raw, path)
			}
			return
		}
		if path[0] != '/' || len(path) > 2000 || len(path) > 1 && (path[1] == '/' || path[1] == '\\') {
			t.Fatalf("%q gave %q", raw, path)
		}
		for i := range len(path) {
			if c := path[i]; c <= ' ' || c >= 0x7f || c == '\\' {
				t.Fatalf("%q gave %q, with byte %#x", raw, path, c)
			}
		}
		u, err := url.Parse("https://app.example" + path)
		if err != nil || u.Scheme != "https" || u.Host != "app.example" || u.User != nil {
			t.Fatalf("%q gave %q: %v %v", raw, path, u, err)
		}
		if again, ok := oidcrp.ReturnTo("https://app.example", path); !ok || again != path {
			t.Fatalf("%q gave %q, which gives %q", raw, path, again)
		}
	})
}
