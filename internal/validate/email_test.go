package validate_test

import (
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestEmail(t *testing.T) {
	for raw, want := range map[string]string{
		"a@corp.example":          "a@corp.example",
		"ADMIN@Corp.Example":      "admin@corp.example",
		"a.b+tag@corp.example":    "a.b+tag@corp.example",
		"o'neil@corp.example":     "o'neil@corp.example",
		"a@xn--bcher-kva.example": "a@xn--bcher-kva.example",
		"":                        "",
		"a":                       "",
		"@corp.example":           "",
		"a@":                      "",
		"a@corp":                  "",
		"a@corp-.example":         "",
		strings.Repeat("a", 64) + "@" + strings.Repeat("a.", 100) + "example": "",
		"a@evil.example@corp.example":                                         "",
		`"a@corp.example"@evil.example`:                                       "",
		`"a"@corp.example`:                                                    "",
		"a@corp.example\n":                                                    "",
		" a@corp.example":                                                     "",
		"a@corp.example.":                                                     "",
		"a@.corp.example":                                                     "",
		"a@corp..example":                                                     "",
		"a@-corp.example":                                                     "",
		"a.@corp.example":                                                     "",
		"a..b@corp.example":                                                   "",
		"a@corp.example,b@corp.example":                                       "",
		"A <a@corp.example>":                                                  "",
		"a(x)@corp.example":                                                   "",
		"a＠corp.example":                                                      "",
		"a\x00@corp.example":                                                  "",
		"a@corp.exam\x00ple":                                                  "",
		"a@b\u00fccher.example":                                               "",
		"a@corp.\u212Aexample":                                                "", // Kelvin sign
		"adm\u0131n@corp.example":                                             "", // dotless i
		"a@c\u043Erp.example":                                                 "", // Cyrillic o
		"a@[192.0.2.1]":                                                       "",
		"a@192.0.2.1":                                                         "",
		strings.Repeat("a", 65) + "@b.cd":                                     "",
		"a@" + strings.Repeat("a.", 160) + "example":                          "",
		"a@" + strings.Repeat("a", 64) + ".example":                           "",
	} {
		address, domain, ok := validate.Email(raw)
		if address != want || ok != (want != "") || ok && domain != want[strings.Index(want, "@")+1:] {
			t.Errorf("%q: %q %q %v, want %q", raw, address, domain, ok, want)
		}
	}
	if d, ok := validate.EmailDomain("Corp.Example"); d != "corp.example" || !ok {
		t.Errorf("domain %q %v", d, ok)
	}
}

func FuzzEmail(f *testing.F) {
	f.Add("a@corp.example")
	f.Add(`"a@corp.example"@evil.example`)
	f.Fuzz(func(t *testing.T, raw string) {
		address, domain, ok := validate.Email(raw)
		if !ok {
			return
		}
		if !strings.EqualFold(address, raw) || strings.Count(raw, "@") != 1 || !strings.HasSuffix(address, "@"+domain) {
			t.Errorf("%q became %q at %q", raw, address, domain)
		}
		if again, d, ok := validate.Email(address); again != address || d != domain || !ok {
			t.Errorf("%q is not stable: %q", address, again)
		}
		for _, c := range []byte(raw) {
			if c <= ' ' || c >= 0x7f {
				t.Errorf("%q was taken", raw)
			}
		}
	})
}
