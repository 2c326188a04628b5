package sitesettings_test

import (
	"bytes"
	"log/slog"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// Whatever is read without an error starts; whatever is not has a report that
// says why; and neither shows the secret.
func FuzzFromJSON(f *testing.F) {
	f.Add([]byte(printed))
	f.Add([]byte(`{"Authentication/OpenIdConnect/A/Authority": "https://a.example", "Authentication/OpenIdConnect/A/ClientId": "x", "Authentication/Registration/Enabled": "false"}`))
	f.Add([]byte(`{Authentication: {OpenIdConnect: {A: {Authority: 'https://login.microsoftonline.com/common/', ClientId: 'x', IssuerFilter: 'https://sts.windows.net/*/', LoginClaimsMapping: 'a=b,c=userinfo.d'}}}}`))
	f.Add([]byte(`{"a": ["b", {"c": null}], /* d */ e: -1.5e3}`))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := sitesettings.FromJSON(b)
		judge(t, s, err)
	})
}

func FuzzFromMap(f *testing.F) {
	for _, key := range sitesettings.KnownKeys() {
		f.Add(full(key), "true", "00:15:00")
	}
	for _, value := range []string{"https://login.microsoftonline.com/common/v2.0", "https://*/", "a=b,c=userinfo.d", "1.23:59:59", "code id_token", "\x00"} {
		f.Add(contoso+"Authority", value, "10")
		f.Add(contoso+"IssuerFilter", value, value)
		f.Add(contoso+"LoginClaimsMapping", value, value)
	}
	f.Fuzz(func(t *testing.T, key, one, two string) {
		all := minimal(given{"NonceLifetime": two, "ClientSecret": "a secret of the site"})
		all[key] = one
		all[contoso+"Scope"] = two
		s, err := sitesettings.FromMap(all)
		judge(t, s, err)
		if n := len(s.Report); n < len(all) {
			t.Errorf("%d lines for %d settings", n, len(all))
		}
		if printed := s.Report.String() + s.Defaults.String(); strings.Contains(printed, "a secret of the site") && !strings.Contains(key+one+two, "a secret of the site") {
			t.Errorf("the secret is shown:\n%s", printed)
		}
	})
}

func judge(t *testing.T, s sitesettings.Settings, err error) {
	t.Helper()
	for _, line := range s.Report {
		if line.Verdict == "" || line.Reason == "" {
			t.Errorf("%q has no verdict", line.Key)
		}
	}
	if bad := s.Report.Count(wrong, contradictory) > 0; bad && err == nil {
		t.Errorf("no error:\n%s", s.Report)
	}
	if err != nil {
		if s.Config.Providers != nil || s.Rules.ByProvider != nil {
			t.Error("half-done")
		}
		return
	}
	cfg := s.Config
	cfg.Logger, cfg.CookieKeys = slog.New(slog.DiscardHandler), [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}
	if cfg.BaseURL == "" {
		cfg.BaseURL = "https://portal.example"
	}
	for i := range cfg.Providers {
		if p := &cfg.Providers[i]; p.ClientAuth == "private_key_jwt" {
			p.ClientAuth = "none"
		}
		if strings.Contains(strings.ToLower(cfg.Providers[i].ResponseType), "none") {
			t.Error("a response type that signs nobody in")
		}
	}
	if _, err := accounts.New(accounts.NewMemoryStore(), s.Rules, &cfg); err != nil {
		t.Errorf("%v\n%s", err, s.Report)
	}
	if _, err := oidcrp.New(cfg); err != nil {
		t.Errorf("%v\n%s", err, s.Report)
	}
	if bytes.Contains([]byte(s.Report.String()), []byte("\x1b")) {
		t.Error("an escape reaches the terminal")
	}
}
