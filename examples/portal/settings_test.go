package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// A file with every setting starts the portal, and the report names each once.
func TestSettings(t *testing.T) {
	provider := oidcrptest.NewProvider(t)
	// The settings name the address of the portal: it is behind a proxy.
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	baseURL := "http://" + front.Listener.Addr().String()
	client := provider.AddClient(oidcrptest.Client{ID: "portal", RedirectURLs: []string{baseURL + "/signin-contoso"}, PostLogoutRedirectURLs: []string{baseURL + "/"}})
	everything, err := os.ReadFile("../migrate/testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	settings := strings.NewReplacer("https://login.contoso.example", provider.Issuer(), "the secret of the portal", client.Secret,
		"https://portal.example/", baseURL+"/", "https://sts.contoso.example", "http://127.0.0.1:1").Replace(string(everything))
	file := filepath.Join(t.TempDir(), "settings.json")
	if err := os.WriteFile(file, []byte(settings), 0o600); err != nil {
		t.Fatal(err)
	}
	p := start(t, options{settings: file})
	front.Config.Handler = p.handler()
	front.Start()

	var said bytes.Buffer
	p.announce(&said)
	var all map[string]string
	if err := json.Unmarshal([]byte(settings), &all); err != nil {
		t.Fatal(err)
	}
	for key := range all {
		if n := strings.Count(said.String(), " "+key+" ="); n != 1 {
			t.Errorf("%s is named %d times", key, n)
		}
	}
	for _, text := range []string{"Portal:    " + baseURL, "Listens:   ", baseURL + "/signin-contoso"} {
		if !strings.Contains(said.String(), text) {
			t.Errorf("%q is not said", text)
		}
	}
	if strings.Contains(said.String(), client.Secret) {
		t.Error("the secret is shown")
	}

	provider.AddUser(oidcrptest.User{Subject: "erin", Email: "erin@example.com", EmailVerified: true,
		Claims: map[string]any{"name": "Erin Example", "given_name": "Erin", "roles": "admin"}})
	provider.SignInAs("erin")
	b := oidcrptest.NewBrowser(t)
	page := settle(b, b.Get(baseURL+"/Account/Login/ExternalLogin?ReturnUrl=%2Fprofile&provider=Contoso"))
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "Erin Example", "Contoso")
	at(t, b.Get(baseURL+"/admin/contacts"), http.StatusOK, "/admin/contacts")
	contacts, err := p.db.contacts.List(context.Background(), "", 2)
	if err != nil || len(contacts) != 1 || contacts[0].Fields["firstname"] != "Erin" {
		t.Errorf("contacts %v, %v", contacts, err)
	}
	at(t, b.Get(baseURL+"/Account/Login/LogOff"), http.StatusOK, "/auth/logout")
	contains(t, b.SubmitForm("/auth/logout", nil), "Sign in")
}

// A file with mistakes starts nothing: there is the report, and that is all.
func TestSettingsWithMistakes(t *testing.T) {
	var out bytes.Buffer
	// An address that cannot be listened at shows that nobody tried.
	err := serve(context.Background(), options{addr: "nowhere", providerAddr: "nowhere", settings: "../migrate/testdata/mistakes.json"}, &out)
	if err == nil || out.Len() > 0 {
		t.Fatalf("it said %q, and ended with %v", &out, err)
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n")
	if len(lines) != 21 || !strings.Contains(lines[0], "-settings") {
		t.Errorf("%d lines:\n%v", len(lines), err)
	}
	for _, line := range lines[1:] {
		if !strings.HasPrefix(line, "wrong ") {
			t.Errorf("no mistake: %s", line)
		}
	}

	yaml := filepath.Join(t.TempDir(), "sitesetting.yml")
	if err := os.WriteFile(yaml, []byte("- adx_name: Authentication/OpenIdConnect/A/Authority\n  adx_value: https://a.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]options{
		"ClientId":        {settings: yaml},
		"no such file":    {settings: "nothing.json"},
		"leave out -prov": {settings: yaml, providers: "providers.json"},
		"and -registr":    {settings: yaml, registration: "open"},
	} {
		if _, err := open(o); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("wanted %q: %v", name, err)
		}
	}
}

// Who came through a provider that the settings call deprecated is led to the
// profile, which offers the other one, and signs in with that from then on.
func TestDeprecatedProvider(t *testing.T) {
	old, next := oidcrptest.NewProvider(t), oidcrptest.NewProvider(t)
	front := httptest.NewUnstartedServer(nil)
	t.Cleanup(front.Close)
	baseURL := "http://" + front.Listener.Addr().String()
	settings := map[string]string{}
	for name, op := range map[string]*oidcrptest.Provider{"Old": old, "Next": next} {
		client := op.AddClient(oidcrptest.Client{RedirectURLs: []string{baseURL + "/signin-" + strings.ToLower(name)}})
		for key, value := range map[string]string{
			"Authority": op.Issuer(), "ClientId": client.ID, "ClientSecret": client.Secret, "ResponseType": "code", "ResponseMode": "query",
			"RedirectUri": baseURL + "/signin-" + strings.ToLower(name), "Caption": name,
		} {
			settings["Authentication/OpenIdConnect/"+name+"/"+key] = value
		}
		op.SignInAs("bob")
	}
	file := filepath.Join(t.TempDir(), "settings.json")
	run := func(use func()) {
		b, err := json.Marshal(settings)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		t.Run("", func(t *testing.T) {
			p := start(t, options{settings: file, db: filepath.Join(filepath.Dir(file), "portal.db")})
			front.Config.Handler = p.handler()
			if front.URL == "" {
				front.Start()
			}
			use()
		})
	}
	b := oidcrptest.NewBrowser(t)
	come := func(with string) *oidcrptest.Page {
		b = oidcrptest.NewBrowser(t)
		b.Get(baseURL + "/signin?return_to=%2F")
		return settle(b, b.Follow("Continue with "+with))
	}
	run(func() { at(t, come("Old"), http.StatusOK, "/") })
	settings["Authentication/OpenIdConnect/Old/Deprecated"] = "true"
	run(func() {
		page := come("Old")
		at(t, page, http.StatusOK, "/profile")
		contains(t, page, "Signing in with Old ends here soon", "Add Next")
		page = b.SubmitForm("Add Next", nil)
		contains(t, page, "The account was added")
		lacks(t, page, "ends here soon")
		at(t, come("Next"), http.StatusOK, "/")
		page = b.Get(baseURL + "/profile")
		contains(t, page, "Old", "Next in use")
		lacks(t, page, "ends here soon")
		next.SignInAs("carol")
		at(t, come("Next"), http.StatusOK, "/")
		page = b.Get(baseURL + "/profile")
		contains(t, page, "Next in use")
		lacks(t, page, "Add Old", "ends here soon") // nobody new comes that way
	})
}
