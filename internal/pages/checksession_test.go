package pages_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

func TestCheckSession(t *testing.T) {
	w := httptest.NewRecorder()
	err := pages.WriteCheckSession(w, pages.CheckSession{Frame: `https://op.example/check?a="b"`, Message: `client" x="1 hash.salt`})
	if err != nil {
		t.Fatal(err)
	}
	body, policy := w.Body.String(), w.Header().Get("Content-Security-Policy")
	for _, want := range []string{
		`src="https://op.example/check?a=%22b%22"`, `data-message="client&#34; x=&#34;1 hash.salt"`, `data-origin="https://op.example"`,
	} {
		if !strings.Contains(body, want) {
			t.Errorf("no %s in\n%s", want, body)
		}
	}
	for _, want := range []string{"default-src 'none'", "frame-src https://op.example", "frame-ancestors 'self'", "script-src 'sha256-"} {
		if !strings.Contains(policy, want) {
			t.Errorf("no %s in %s", want, policy)
		}
	}
	if strings.Contains(policy, "unsafe") || w.Header().Get("X-Frame-Options") != "SAMEORIGIN" || w.Header().Get("Cache-Control") != "no-store" {
		t.Errorf("headers %v", w.Header())
	}
	for _, frame := range []string{"", "javascript:alert(1)", "//op.example", "https://op.example;script-src *"} {
		w := httptest.NewRecorder()
		if err := pages.WriteCheckSession(w, pages.CheckSession{Frame: frame, Message: "m"}); err != nil {
			t.Fatal(err)
		}
		if body := w.Body.String(); strings.Contains(body, "<script") || strings.Contains(body, "iframe") ||
			strings.Contains(w.Header().Get("Content-Security-Policy"), "script-src") {
			t.Errorf("%q: %s", frame, body)
		}
	}
}
