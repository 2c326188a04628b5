package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/examples/apptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// migrate runs the command.
func migrate(t *testing.T, environ []string, stdin string, args ...string) (status int, out, errs string) {
	t.Helper()
	var stdout, stderr bytes.Buffer
	status = run(args, environ, strings.NewReader(stdin), &stdout, &stderr)
	return status, stdout.String(), stderr.String()
}

func TestFiles(t *testing.T) {
	for _, test := range []struct {
		file   string
		status int
		says   []string
	}{
		{"everything.json", 0, []string{"121 settings: 0 wrong, 0 contradictory"}},
		{"mistakes.json", 1, []string{"20 settings: 20 wrong", "ClientSecrt = \"[redacted]\": nothing is called ClientSecrt: did you mean ClientSecret?"}},
		{"logto.json", 0, []string{"taken          IdentityServer/Authority", "IdentityServer/ClientSecret: a public client"}},
		{"sitesetting.yml", 0, []string{"Provider.Issuer is https://sts.windows.net/aaaabbbb-0000-cccc-1111-dddd2222eeee/", "after 1 hour without", "Caption = \"Contoso (องค์กร)\"", "Search/Enabled = \"[redacted]\""}},
		{"enhanced.yml", 0, []string{`UseTokenLifetime = "true"`, `it is "id_token"`}},
	} {
		t.Run(test.file, func(t *testing.T) {
			status, out, errs := migrate(t, nil, "", filepath.Join("testdata", test.file))
			if status != test.status || errs != "" {
				t.Errorf("status %d\n%s", status, errs)
			}
			for _, text := range append(test.says, "Not given:\n") {
				if !strings.Contains(out, text) {
					t.Errorf("%q is not said in\n%s", text, out)
				}
			}
			if strings.Contains(out, "the secret of the portal") {
				t.Error("the secret is shown")
			}
		})
	}
}

func TestOtherInput(t *testing.T) {
	env := []string{"PATH=/bin", "AUTHENTICATION__OPENIDCONNECT__CONTOSO__AUTHORITY=https://login.contoso.example", "Authentication__OpenIdConnect__Contoso__ClientId=portal"}
	if status, out, errs := migrate(t, env, "", "-env"); status != 0 || !strings.Contains(out, "2 settings: 0 wrong") {
		t.Errorf("status %d\n%s%s", status, out, errs)
	}
	for _, test := range []struct {
		name, stdin string
		args        []string
		status      int
		says        string
	}{
		{"nothing", "", nil, 2, "usage"},
		{"file and environment", "", []string{"-env", "x"}, 2, "usage"},
		{"no such flag", "", []string{"-x"}, 2, "usage"},
		{"no such file", "", []string{"testdata/nothing"}, 1, "no such file"},
		{"broken JSON", `{"a": `, []string{"-"}, 1, "JSON, line 1"},
		{"broken YAML", "a: [", []string{"-"}, 1, "yaml"},
		{"a list of anything", "- a\n- b\n", []string{"-"}, 1, "line 1: expected adx_name"},
		{"an export of two sites", "- adx_name: a/b\n  adx_value: x\n- adx_name: a/b\n  adx_value: y\n", []string{"-"}, 1, "line 3: a/b is there twice"},
		{"an object in YAML", "Authentication/OpenIdConnect/A/Authority: https://a.example\nAuthentication/OpenIdConnect/A/ClientId: x\n", []string{"-"}, 0, "2 settings: 0 wrong"},
		{"no settings at all", "", []string{"-"}, 1, "there is nothing to sign in with"},
	} {
		t.Run(test.name, func(t *testing.T) {
			status, out, errs := migrate(t, nil, test.stdin, test.args...)
			if status != test.status || !strings.Contains(out+errs, test.says) {
				t.Errorf("status %d\n%s%s", status, out, errs)
			}
		})
	}
}

// A file with every setting there is starts an application, and its report names
// each exactly once.
func TestEverythingStarts(t *testing.T) {
	file, err := os.ReadFile("testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	a := apptest.Start(t, func(baseURL string, p oidcrp.Provider) (http.Handler, error) {
		ours := strings.NewReplacer("https://login.contoso.example", p.Issuer, `ClientId": "portal"`, `ClientId": "`+p.ClientID+`"`,
			"the secret of the portal", string(p.ClientSecret), "https://portal.example/", baseURL+"/", "https://sts.contoso.example", "http://127.0.0.1:1")
		b := []byte(ours.Replace(string(file)))
		s, err := sitesettings.FromJSON(b)
		if err != nil {
			return nil, err
		}
		var all map[string]string
		if err := json.Unmarshal(b, &all); err != nil {
			return nil, err
		}
		named := map[string]int{}
		for _, line := range s.Report {
			named[line.Key]++
			if line.Reason == "" || line.Verdict == "" {
				t.Errorf("%s has no verdict", line.Key)
			}
		}
		for key := range all {
			if named[key] != 1 {
				t.Errorf("%s is named %d times", key, named[key])
			}
		}
		if len(named) != len(all) {
			t.Errorf("%d lines for %d settings", len(named), len(all))
		}
		if s.Config.BaseURL != baseURL {
			t.Errorf("BaseURL is %s", s.Config.BaseURL)
		}
		accts, err := accounts.New(accounts.NewMemoryStore(), s.Rules, &s.Config)
		if err != nil {
			return nil, err
		}
		rp, err := oidcrp.New(s.Config)
		if err != nil {
			return nil, err
		}
		return rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := accts.Current(r.Context())
			fmt.Fprint(w, c, err, oidcrp.FromContext(r.Context()).Roles())
		})), nil
	}, "/signin-contoso", "/")
	a.Provider.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true,
		Claims: map[string]any{"given_name": "Erin", "family_name": "Example", "roles": "admin"}})
	page := a.SignIn("erin", "/Account/Login/ExternalLogin?ReturnUrl=%2F&provider=Contoso")
	apptest.Contains(t, page, "erin@example.com", "firstname:Erin", "[admin]")
}
