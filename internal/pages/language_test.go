package pages_test

import (
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

func TestEveryMessageIsInBothLanguages(t *testing.T) {
	all := pages.Defaults()
	if len(all) != 2 {
		t.Fatalf("%d languages", len(all))
	}
	placeholder := regexp.MustCompile(`\{[a-z]*\}`)
	for key, en := range all["en"] {
		th := all["th"][key]
		if strings.TrimSpace(en) == "" || !strings.ContainsFunc(th, func(r rune) bool { return unicode.Is(unicode.Thai, r) }) {
			t.Errorf("%s: en %q, th %q", key, en, th)
		}
		if strings.ContainsFunc(en, func(r rune) bool { return unicode.Is(unicode.Thai, r) }) {
			t.Errorf("%s: Thai in the English text", key)
		}
		a, b := placeholder.FindAllString(en, -1), placeholder.FindAllString(th, -1)
		slices.Sort(a)
		slices.Sort(b)
		if !slices.Equal(slices.Compact(a), slices.Compact(b)) {
			t.Errorf("%s: placeholders %q and %q", key, a, b)
		}
	}
	if len(all["en"]) != len(all["th"]) {
		t.Errorf("%d English and %d Thai texts", len(all["en"]), len(all["th"]))
	}
}

func TestEveryErrorHasATitleOfItsOwn(t *testing.T) {
	en := pages.Defaults()["en"]
	for key := range en {
		if !strings.HasPrefix(key, "error.") || strings.Count(key, ".") > 1 || slices.Contains([]string{"error.title", "error.retry", "error.generic"}, key) {
			continue
		}
		if en[key+".title"] == "" {
			t.Errorf("%s has no title", key)
		}
	}
}

// The keys are API: messages replace texts by them, and the callers name
// them.
func TestKeysThatCallersName(t *testing.T) {
	en := pages.Defaults()["en"]
	for key := range strings.FieldsSeq(`
		error.generic error.ended error.login_expired error.login_binding error.cancelled error.loop error.invalid_response
		error.provider_unavailable error.store_unavailable error.misconfigured error.refused error.not_found
		error.method error.cross_origin error.login_required error.bad_request
		denied.message denied.ended signin.message signin.single signin.none signin.button signin.with
		signout.message signout.button signedout.message signedout.local
		register.message register.invitation_only register.again register.invitation register.missing register.too_long register.invitation_wrong
		account.disabled account.closed account.email_taken account.provider_retired account.linked_elsewhere account.gone
		signin.not_found signin.several confirm.message confirm.switch formpost.message formpost.signout`) {
		if en[key] == "" {
			t.Errorf("no %s", key)
		}
	}
}

func TestLanguage(t *testing.T) {
	p := newRenderer(t, map[string]map[string]string{"pt-BR": {}, "zh-Hant": {}, "zh-Hans": {}, "de": {}})
	for _, tt := range []struct{ name, accept, want string }{
		{"no header", "", "en"},
		{"one tag", "th", "th"},
		{"a region we do not have", "th-TH", "th"},
		{"other letters", "TH-th", "th"},
		{"the usual list", "th-TH,th;q=0.9,en-US;q=0.8,en;q=0.7", "th"},
		{"a better one later", "en;q=0.5, th;q=0.9", "th"},
		{"equal weights keep their order", "de, th", "de"},
		{"unknown languages before", "fr, es;q=0.9, th;q=0.1", "th"},
		{"nothing we have", "fr, es", "en"},
		{"a wildcard", "*", "en"},
		{"a refused language", "th;q=0", "en"},
		{"a refused language and its region", "th;q=0, th-TH;q=0.9, de;q=0.1", "de"},
		{"a region found by its language", "pt", "pt-BR"},
		{"a script shortened to", "zh-Hant-TW", "zh-Hant"},
		{"an extension cut off whole", "th-u-nu-thai", "th"},
		{"a language that only begins alike", "thx", "en"},
		{"a broken range is skipped", "th_TH, ,;;, =, de", "de"},
		{"a weight above one", "th;q=2, de", "de"},
		{"a weight that is no number", "th;q=x, de;q=0.1", "de"},
		{"a weight in exponents", "th;q=1e0, de;q=0.1", "de"},
		{"a weight not a number at all", "th;q=NaN, de;q=0.1", "de"},
		{"another parameter", "th;level=1, de;q=0.1", "de"},
		{"a weight of four decimals", "th;q=0.9999, de;q=0.1", "de"},
		{"a tag longer than any", "th-abcdefgh-abcdefgh-abcdefgh-abcdefgh", "en"},
		{"white space", " \tth ; q=1 ", "th"},
		{"more ranges than we read", strings.Repeat("fr,", 32) + "th", "en"},
		{"more bytes than we read", strings.Repeat(" ", 2000) + "th", "en"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if got := p.Language(tt.accept); got != tt.want {
				t.Errorf("Language(%q) = %q, want %q", tt.accept, got, tt.want)
			}
		})
	}
}

func TestDirection(t *testing.T) {
	langs := map[string]string{"ar": "rtl", "he-IL": "rtl", "fa": "rtl", "ur-Latn": "ltr", "az-Arab": "rtl", "az": "ltr", "en": "ltr", "th": "ltr", "uz-1994": "ltr"}
	messages := make(map[string]map[string]string)
	for lang := range langs {
		messages[lang] = nil
	}
	p := newRenderer(t, messages)
	for lang, want := range langs {
		if _, body := write(t, p, pages.Page{Lang: lang}); !strings.Contains(body, `<html lang="`+lang+`" dir="`+want+`">`) {
			t.Errorf("%s does not run %s", lang, want)
		}
	}
}

// FuzzLanguage: whatever the header, the answer is a language we have, and a
// known tag alone finds itself.
func FuzzLanguage(f *testing.F) {
	for _, s := range []string{"", "th", "th-TH,th;q=0.9,en;q=0.8", "*", "en;q=0,*", "pt-BR-x-y", "a;q=.", "--", ",;=", "th;q=0.0001", "zh-Hant-TW;q=1.000", "\xff", strings.Repeat("a-", 600)} {
		f.Add(s)
	}
	known := []string{"en", "th", "pt-BR", "zh-Hant"}
	p := newRenderer(f, map[string]map[string]string{"pt-BR": {}, "zh-Hant": {}})
	f.Fuzz(func(t *testing.T, accept string) {
		got := p.Language(accept)
		if !slices.Contains(known, got) {
			t.Fatalf("Language(%q) = %q", accept, got)
		}
		if again := p.Language(got); again != got {
			t.Fatalf("Language(%q) = %q", got, again)
		}
		if p.Language("xx, "+accept) != got && len(accept) < 900 && strings.Count(accept, ",") < 30 {
			t.Fatalf("an unknown language before %q changes the answer", accept)
		}
	})
}
