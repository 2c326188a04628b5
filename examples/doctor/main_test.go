package main

import (
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// What a sick provider, and a healthy one, look like.
func TestDoctor(t *testing.T) {
	for _, tt := range []struct {
		name   string
		faults []oidcrptest.Fault
		args   []string
		status int
	}{
		{"healthy", nil, []string{"-base-url", "https://app.example.com"}, 0},
		{"weak", []oidcrptest.Fault{oidcrptest.NoEndSession, oidcrptest.MetadataNoPKCE, oidcrptest.NoPAR},
			[]string{"-response-mode", "form_post", "-scope", "openid email groups", "-client-auth", "client_secret_post", "-keep-tokens"}, 0},
		{"sick", []oidcrptest.Fault{
			oidcrptest.MetadataIssuerMismatch, oidcrptest.JWKSEmpty, oidcrptest.MetadataNoPKCE,
			oidcrptest.MetadataField("token_endpoint", "http://sso.example.com/token"),
			oidcrptest.MetadataField("response_types_supported", []string{"code"}),
			oidcrptest.MetadataField("backchannel_logout_supported", false),
		}, []string{"-response-type", "code id_token", "-response-mode", "postcard", "-backchannel-logout", "-base-url", "http://app.example.com"}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, tt.faults...)
			var out, errs strings.Builder
			status := run(t.Context(), append([]string{"-issuer", op.Issuer()}, tt.args...), &out, &errs)
			if status != tt.status || errs.Len() > 0 {
				t.Errorf("status %d, %s", status, &errs)
			}
			got := strings.ReplaceAll(out.String(), op.Issuer(), "http://127.0.0.1:4000")
			got = regexp.MustCompile(`(?m)^(  key +.*) \S+$`).ReplaceAllString(got, "$1 KID")
			file := filepath.Join("testdata", tt.name+".golden")
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil || got != string(want) {
				t.Errorf("%v: got\n%s\nwant\n%s", err, got, want)
			}
		})
	}
}

func TestDoctorIsCalledWrongly(t *testing.T) {
	for name, tt := range map[string]struct {
		args   []string
		status int
		says   string
	}{
		"no issuer":     {nil, 2, "-issuer URL"},
		"no such flag":  {[]string{"-isuer", "x"}, 2, "not defined"},
		"an argument":   {[]string{"-issuer", "https://op.example", "x"}, 2, "usage"},
		"help":          {[]string{"-help"}, 0, "client id"},
		"nobody there":  {[]string{"-issuer", "http://127.0.0.1:1"}, 1, "cannot be reached"},
		"no issuer's":   {[]string{"-issuer", "op.example"}, 1, "must begin with https://"},
		"an unsafe one": {[]string{"-issuer", "http://op.example"}, 1, "InsecureAllowHTTP"},
	} {
		t.Run(name, func(t *testing.T) {
			var out strings.Builder
			if status := run(t.Context(), tt.args, &out, &out); status != tt.status || !strings.Contains(out.String(), tt.says) {
				t.Errorf("status %d\n%s", status, &out)
			}
		})
	}
}
