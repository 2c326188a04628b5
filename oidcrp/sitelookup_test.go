package oidcrp_test

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// FuzzSiteHost: whatever a client sends as Host, the application is asked for a
// plain name or address, always in the one form.
func FuzzSiteHost(f *testing.F) {
	for _, seed := range []string{
		"acme.example", "ACME.example:8443", "acme.example.", "127.0.0.1:80", "[::1]:443", "[2001:DB8:0:0::1]", "xn--bcher-kva.example", "a_b.example", "localhost:",
		"", ":80", "acme.example@evil.example", "acme.example/x", "acme.example:80:80", "[::1", "[::1]x", "[fe80::1%eth0]", "[127.0.0.1]", "bücher.example", "a\\b", "a b", "a\x00", "::1", "acme.example:8o",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, host string) {
		name, ok := oidcrp.SiteHost(host)
		if !ok {
			return
		}
		if addr, err := netip.ParseAddr(name); err == nil && addr.Is6() {
			if addr.String() != name || addr.Zone() != "" || !strings.HasPrefix(host, "[") {
				t.Errorf("%q became %q", host, name)
			}
			name = "[" + name + "]"
		} else if name == "" || len(name) > 253 || strings.Trim(name, "abcdefghijklmnopqrstuvwxyz0123456789-._") != "" {
			t.Errorf("%q became %q", host, name)
		}
		if again, ok := oidcrp.SiteHost(name); !strings.HasSuffix(name, ".") && (!ok || again != strings.Trim(name, "[]")) {
			t.Errorf("%q became %q, and that %q", host, name, again)
		}
	})
}
