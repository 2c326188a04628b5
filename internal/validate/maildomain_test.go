package validate_test

import (
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func TestMailDomain(t *testing.T) {
	for raw, want := range map[string]string{
		"corp.example":                        "corp.example",
		"Corp.EXAMPLE":                        "corp.example",
		"corp.example.":                       "corp.example",
		"bücher.example":                      "xn--bcher-kva.example",
		"BÜCHER.example":                      "xn--bcher-kva.example",
		"xn--bcher-kva.example":               "xn--bcher-kva.example",
		"ตัวอย่าง.example":                    "xn--72c1a1bt4awk9o.example",
		"例え.example":                          "xn--r8jz45g.example",
		"москва.example":                      "xn--80adxhks.example",
		"corp.example..":                      "",
		"corp":                                "",
		".corp.example":                       "",
		"corp..example":                       "",
		"c\u043Erp.example":                   "xn--crp-sed.example", // Cyrillic o: another domain
		"corp.\u212Aexample":                  "",                    // Kelvin sign
		"\uff43orp.example":                   "",                    // full width
		"corp\u3002example":                   "",                    // ideographic full stop
		"bu\u0308cher.example":                "",                    // in two characters
		"faß.example":                         "",                    // one or two s
		"\u0130bm.example":                    "",                    // dotted I
		"corp\u200d.example":                  "",                    // zero width
		"-bücher.example":                     "",
		"bücher-.example":                     "",
		strings.Repeat("a.", 130) + "example": "",
		"corp.example\n":                      "",
		"":                                    "",
	} {
		if got, ok := validate.MailDomain(raw); got != want || ok != (want != "") {
			t.Errorf("%q is %q %v, want %q", raw, got, ok, want)
		}
	}
}

func TestAddressDomain(t *testing.T) {
	for raw, want := range map[string]string{ // "-": not plain
		"a@corp.example":                "corp.example",
		"a@Corp.example.":               "corp.example",
		"สมชาย@corp.example":            "corp.example",
		"a@bücher.example":              "xn--bcher-kva.example",
		"admin":                         "",
		"admin@localhost":               "",
		"":                              "",
		"a@evil.example@corp.example":   "-",
		`"a@corp.example"@evil.example`: "-",
		"a@corp.example,b@evil.example": "-",
		"A <a@corp.example>":            "-",
		"a(x)@corp.example":             "-",
		"a＠corp.example":                "-",
		"a﹫corp.example":                "-",
		"a@corp．example":                "-",
		"a@ｃorp.example":                "-",
		"a@corp.example ":               "-",
		"a@corp.example\x00":            "-",
		"a@[192.0.2.1]":                 "-",
		"@corp.example":                 "-",
	} {
		got, plain := validate.AddressDomain(raw)
		if !plain {
			got = "-"
		}
		if got != want {
			t.Errorf("%q is of %q, want %q", raw, got, want)
		}
	}
}

func TestPublicMail(t *testing.T) {
	for _, domain := range []string{"gmail.com", "outlook.com", "126.com", "zohomail.com", "yahoo.co.th"} {
		if !validate.PublicMail(domain) {
			t.Error(domain)
		}
	}
	if validate.PublicMail("corp.example") || validate.PublicMail("mail.gmail.com") || validate.PublicMail("") {
		t.Error("not public")
	}
}

func FuzzMailDomain(f *testing.F) {
	f.Add("bücher.example.")
	f.Fuzz(func(t *testing.T, raw string) {
		domain, ok := validate.MailDomain(raw)
		if again, still := validate.MailDomain(domain); ok && (again != domain || !still) {
			t.Errorf("%q became %q, and then %q", raw, domain, again)
		}
		if ok && (domain != strings.ToLower(domain) || strings.ContainsFunc(domain, func(c rune) bool { return c >= 0x7f })) {
			t.Errorf("%q became %q", raw, domain)
		}
		if d, plain := validate.AddressDomain("a@" + raw); ok && (d != domain || !plain) {
			t.Errorf("a@%q is of %q, not %q", raw, d, domain)
		}
	})
}
