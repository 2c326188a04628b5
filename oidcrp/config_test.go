package oidcrp_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"html/template"
	"log/slog"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// key is a key for tests: n tells one from another.
func key(n byte) []byte {
	k := sha256.Sum256([]byte{n})
	return k[:]
}

func noSecret(context.Context) (oidcrp.Secret, error) { return "", nil }

func goodConfig() oidcrp.Config {
	return oidcrp.Config{
		BaseURL:    "https://app.example",
		CookieKeys: [][]byte{key(1)},
		Providers:  []oidcrp.Provider{{Name: "acme", Issuer: "https://op.example", ClientID: "app", ClientSecret: "s3cret-of-acme"}},
		Logger:     slog.New(slog.DiscardHandler),
	}
}

func TestNewReportsEachMistake(t *testing.T) {
	tests := []struct {
		name   string
		change func(*oidcrp.Config)
		want   string // in the error, with what to change
	}{
		{"no base URL", func(c *oidcrp.Config) { c.BaseURL = "" }, "BaseURL: missing: give the address"},
		{"base URL without scheme", func(c *oidcrp.Config) { c.BaseURL = "app.example" }, "BaseURL: \"app.example\" is not an address"},
		{"base URL with a query", func(c *oidcrp.Config) { c.BaseURL = "https://app.example/?a=b" }, "remove query"},
		{"base URL with a port that is none", func(c *oidcrp.Config) { c.BaseURL = "https://app.example:70000" }, "give a port from 1 to 65535"},
		{"base URL with port zero", func(c *oidcrp.Config) { c.BaseURL = "https://app.example:0" }, "give a port from 1 to 65535"},
		{"base URL with a zone", func(c *oidcrp.Config) { c.BaseURL = "https://[fe80::1%25eth0]" }, "without zone"},
		{"no key on a public name", func(c *oidcrp.Config) { c.CookieKeys = nil }, "CookieKeys: missing: give at least one key of 32 random bytes"},
		{"no provider", func(c *oidcrp.Config) { c.Providers = nil }, "Providers: missing"},
		{"two providers with one name", func(c *oidcrp.Config) { c.Providers = append(c.Providers, c.Providers[0]) }, `"acme" is taken by another provider`},
		{"two providers without name", func(c *oidcrp.Config) {
			c.Providers[0].Name = ""
			c.Providers = append(c.Providers, c.Providers[0])
		}, "Providers[1].Name"},
		{"upper-case name", func(c *oidcrp.Config) { c.Providers[0].Name = "Acme" }, "lower-case letters"},
		{"empty client id", func(c *oidcrp.Config) { c.Providers[0].ClientID = "" }, "ClientID"},
		{"an issuer by http on localhost with a dot at the end", func(c *oidcrp.Config) { c.Providers[0].Issuer = "http://localhost.:4000" }, "must begin with https"},
		{"an issuer by http on a loopback address in IPv6", func(c *oidcrp.Config) { c.Providers[0].Issuer = "http://[::ffff:127.0.0.1]:4000" }, "must begin with https"},
		{"no issuer", func(c *oidcrp.Config) { c.Providers[0].Issuer = "" }, "Issuer"},
		{"metadata address as issuer", func(c *oidcrp.Config) { c.Providers[0].Issuer += "/.well-known/openid-configuration" }, "give the issuer alone"},
		{"http issuer", func(c *oidcrp.Config) { c.Providers[0].Issuer = "http://op.example" }, "Issuer"},
		{"unknown response type", func(c *oidcrp.Config) { c.Providers[0].ResponseType = "token" }, "ResponseType"},
		{"unknown response mode", func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "web_message" }, "ResponseMode"},
		{"unknown client authentication", func(c *oidcrp.Config) { c.Providers[0].ClientAuth = "password" }, "ClientAuth"},
		{"private_key_jwt without a key", func(c *oidcrp.Config) { c.Providers[0].ClientAuth = "private_key_jwt" }, "Providers[0] (acme).ClientAuth \"private_key_jwt\" needs ClientKeys"},
		{"a client key from nowhere", func(c *oidcrp.Config) { c.Providers[0].ClientKeys = []oidcrp.ClientKey{{ID: "a"}} }, "Providers[0] (acme).ClientKeys[0]: give one of"},
		{"mutual TLS without a certificate", func(c *oidcrp.Config) {
			c.Providers[0].ClientSecret, c.Providers[0].ClientAuth = "", "tls_client_auth"
		}, "HTTPClient has no client certificate"},
		{"a signed request without a key", func(c *oidcrp.Config) { c.Providers[0].RequestObject = oidcrp.RequestByValue }, "RequestObject \"request\" needs ClientKeys"},
		{"callback on a request address", func(c *oidcrp.Config) { c.Providers[0].RedirectPath = "/auth/request/acme" }, "is an address of ours"},
		{"alg none", func(c *oidcrp.Config) { c.Providers[0].Algorithms = []string{"none"} }, "Algorithms"},
		{"a protocol parameter as fixed one", func(c *oidcrp.Config) { c.Providers[0].AuthParams = map[string]string{"state": "x"} }, "AuthParams"},
		{"a protocol parameter as dynamic one", func(c *oidcrp.Config) { c.Providers[0].DynamicParams = []string{"redirect_uri"} }, "DynamicParams"},
		{"an issuer template for everything", func(c *oidcrp.Config) { c.Providers[0].IssuerTemplate = "https://*" }, "IssuerTemplate"},
		{"tenants of no template", func(c *oidcrp.Config) { c.Providers[0].Tenants = []string{"a"} }, "Tenants"},
		{"a wildcard among issuers", func(c *oidcrp.Config) { c.Providers[0].Issuers = []string{"https://sts.example/*/"} }, "Issuers[0]"},
		{"an empty audience", func(c *oidcrp.Config) { c.Providers[0].Audiences = []string{""} }, "Audiences"},
		{"overrides for a tenant's provider", func(c *oidcrp.Config) {
			c.Providers[0].TenantSupplied, c.Providers[0].Endpoints.JWKS = true, "https://evil.example/jwks"
		}, "TenantSupplied"},
		{"two secrets", func(c *oidcrp.Config) { c.Providers[0].ClientSecretFunc = noSecret }, "keep one"},
		{"acr required of nothing", func(c *oidcrp.Config) { c.Providers[0].RequireACR = true }, "RequireACR needs ACRValues"},
		{"roles without a claim", func(c *oidcrp.Config) { c.Providers[0].Roles = map[string]string{"a": "b"} }, "needs RolesClaim"},
		{"unknown UserInfo policy", func(c *oidcrp.Config) { c.Providers[0].UserInfo = 7 }, "UserInfo"},
		{"relative post-logout address", func(c *oidcrp.Config) { c.Providers[0].PostLogoutRedirectURL = "/bye" }, "PostLogoutRedirectURL"},
		{"callback on the login address", func(c *oidcrp.Config) { c.Providers[0].RedirectPath = "/auth/login" }, "is an address of ours"},
		{"callback path with dots", func(c *oidcrp.Config) { c.Providers[0].RedirectPath = "/a/../b" }, "RedirectPath"},
		{"two providers with one callback", func(c *oidcrp.Config) {
			p := c.Providers[0]
			p.Name, p.RedirectPath = "other", "/auth/callback/acme"
			c.Providers = append(c.Providers, p)
		}, "give each its own"},
		{"prefix without slash", func(c *oidcrp.Config) { c.Prefix = "auth" }, "Prefix"},
		{"sign-in page elsewhere", func(c *oidcrp.Config) { c.SignInPath = "https://evil.example" }, "SignInPath"},
		{"sign-in page at the login address", func(c *oidcrp.Config) { c.SignInPath = "/auth/login" }, "SignInPath"},
		{"sign-in page at a callback", func(c *oidcrp.Config) { c.SignInPath = "/auth/callback/acme" }, "SignInPath"},
		{"sign-in page below our prefix", func(c *oidcrp.Config) { c.SignInPath = "/auth/signin" }, "SignInPath"},
		{"negative lifetime", func(c *oidcrp.Config) { c.SessionLifetime = -1 }, "SessionLifetime"},
		{"idle longer than the session", func(c *oidcrp.Config) { c.IdleTimeout = 13 * time.Hour }, "IdleTimeout"},
		{"login of two hours", func(c *oidcrp.Config) { c.LoginTimeout = 2 * time.Hour }, "LoginTimeout"},
		{"still-allowed interval", func(c *oidcrp.Config) { c.StillAllowedEvery = time.Millisecond }, "StillAllowedEvery"},
		{"claim without name", func(c *oidcrp.Config) { c.Claims = []string{""} }, "Claims[0]"},
		{"claim named twice", func(c *oidcrp.Config) { c.Claims = []string{"a", "a"} }, "is there already"},
		{"claim inside another", func(c *oidcrp.Config) { c.Claims = []string{"realm_access", "/realm_access/roles"} }, "is part of"},
		{"origin with a path", func(c *oidcrp.Config) { c.CrossOrigin = []string{"https://admin.example/x"} }, "CrossOrigin[0]"},
		{"unknown page", func(c *oidcrp.Config) { c.Pages = template.Must(template.New("login").Parse("x")) }, "Pages"},
		{"host that is not ASCII", func(c *oidcrp.Config) { c.BaseURL = "https://bücher.example" }, "punycode"},
		{"language that is none", func(c *oidcrp.Config) { c.Messages = map[string]map[string]string{"english": {"signin.title": "x"}} }, `Config.Messages: "english"`},
		{"lost placeholder", func(c *oidcrp.Config) {
			c.Messages = map[string]map[string]string{"de": {"signin.with": "Anmelden"}}
		}, "Config.Messages: de: \"signin.with\": {provider} is missing"},
		{"several mistakes in texts", func(c *oidcrp.Config) {
			c.Messages = map[string]map[string]string{"de": {"signin.with": "{usr}", "page.home": ""}, "english": {}}
			c.Pages = template.Must(template.New("signin").Parse("{{.Nothing}}"))
		}, "\noidcrp: Config.Messages: \"english\""},
		{"template that fails", func(c *oidcrp.Config) { c.Pages = template.Must(template.New("signin").Parse("{{.Nothing}}")) }, "oidcrp: Config.Pages: page template"},
		{"unknown placeholder", func(c *oidcrp.Config) {
			c.Messages = map[string]map[string]string{"de": {"error.cross_origin": "{site} {usr}"}}
		}, "{usr} has no meaning here; the text may have {site}"},
		{"unknown message", func(c *oidcrp.Config) { c.Messages = map[string]map[string]string{"en": {"nonsense": "x"}} }, "Messages"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := goodConfig()
			tt.change(&cfg)
			rp, err := oidcrp.New(cfg)
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("New: %v\nwant an error with %q", err, tt.want)
			}
			if rp != nil {
				t.Error("New returned a RelyingParty beside its error")
			}
		})
	}
}

func TestNewAccepts(t *testing.T) {
	tests := []struct {
		name   string
		change func(*oidcrp.Config)
	}{
		{"the least", func(c *oidcrp.Config) {}},
		{"a path", func(c *oidcrp.Config) { c.BaseURL = "https://app.example/app/" }},
		{"http on localhost", func(c *oidcrp.Config) { c.BaseURL = "http://localhost:3000" }},
		{"http on a name below localhost", func(c *oidcrp.Config) { c.BaseURL = "http://app.localhost:3000" }},
		{"http on a loopback address", func(c *oidcrp.Config) { c.BaseURL = "http://[::1]:3000" }},
		{"no keys on localhost", func(c *oidcrp.Config) { c.BaseURL, c.CookieKeys = "http://localhost", nil }},
		{"no name for a single provider", func(c *oidcrp.Config) { c.Providers[0].Name = "" }},
		{"a public client", func(c *oidcrp.Config) { c.Providers[0].ClientSecret = "" }},
		{"http inside, said loudly", func(c *oidcrp.Config) {
			c.Providers[0].Issuer, c.Providers[0].InsecureAllowHTTP = "http://keycloak:8080/realms/a", true
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			cfg := goodConfig()
			tt.change(&cfg)
			if _, err := oidcrp.New(cfg); err != nil {
				t.Error(err)
			}
		})
	}
}

// The redirect URI has the origin as browsers write it.
func TestBaseURLAsBrowsersWriteIt(t *testing.T) {
	for base, want := range map[string]string{
		"https://App.Example:443":       "https://app.example",
		"https://app.example:/app/":     "https://app.example/app",
		"https://app.example:8443":      "https://app.example:8443",
		"https://[2001:db8::1]:443":     "https://[2001:db8::1]",
		"http://[::1]:80":               "http://[::1]",
		"https://[2001:0DB8:0:0::1]/":   "https://[2001:db8::1]",
		"https://[::ffff:192.0.2.1]":    "https://[::ffff:c000:201]",
		"https://app.example:0443":      "https://app.example",
		"https://app.example:08443":     "https://app.example:8443",
		"http://[0:0:0:0:0:0:0:1]:0080": "http://[::1]",
		"https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		cfg := goodConfig()
		cfg.BaseURL = base
		rp, err := oidcrp.New(cfg)
		if err != nil {
			t.Errorf("%s: %v", base, err)
			continue
		}
		if got := rp.RedirectURLs()[0].PostLogout; got != want+"/auth/logout" {
			t.Errorf("%s: %s", base, got)
		}
	}
}

// Among several tenants' providers one could pass on another's answer (RFC
// 9700 4.4); for providers of the operator's choice the metadata decides.
func TestTenantsProvidersMustNameThemselves(t *testing.T) {
	for _, tenants := range []int{0, 1, 2} {
		cfg := goodConfig()
		second, third := cfg.Providers[0], cfg.Providers[0]
		second.Name, third.Name = "second", "third"
		cfg.Providers = append(cfg.Providers, second, third)
		for i := range tenants {
			cfg.Providers[i].TenantSupplied = true
		}
		rp, err := oidcrp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range cfg.Providers {
			if got, want := oidcrp.WantsIss(rp, p.Name), tenants > 1 && i < tenants; got != want {
				t.Errorf("%d tenants, provider %d: %v", tenants, i, got)
			}
		}
	}
}

func TestNewReportsAllMistakesAtOnce(t *testing.T) {
	_, err := oidcrp.New(oidcrp.Config{
		CookieKeys: [][]byte{key(1)[:8]},
		Providers: []oidcrp.Provider{
			{Name: "a", Issuer: "https://op.example", ResponseType: "password"},
			{Name: "a", Issuer: "https://op.example", ClientID: "x"},
		},
		IdleTimeout: -1,
	})
	if err == nil {
		t.Fatal("New accepted it")
	}
	lines := strings.Split(err.Error(), "\n")
	for _, want := range []string{"BaseURL", "CookieKeys", "ClientID", "ResponseType", "is taken", "IdleTimeout"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("not reported: %s", want)
		}
	}
	for _, line := range lines {
		if !strings.HasPrefix(line, "oidcrp: Config.") {
			t.Errorf("line %q does not say where", line)
		}
	}
	public := oidcrp.Config{BaseURL: "http://app.example", Providers: []oidcrp.Provider{{Name: "a"}}}
	if _, err := oidcrp.New(public); strings.Count(err.Error(), "oidcrp: Config.") != 4 {
		t.Errorf("reported too little:\n%v", err)
	}
}

func TestMissingKeysAreWarnedOf(t *testing.T) {
	var log bytes.Buffer
	cfg := goodConfig()
	cfg.BaseURL, cfg.CookieKeys, cfg.Logger = "http://localhost:3000", nil, slog.New(slog.NewTextHandler(&log, nil))
	if _, err := oidcrp.New(cfg); err != nil {
		t.Fatal(err)
	}
	if strings.Count(log.String(), "no CookieKeys") != 1 {
		t.Errorf("log: %s", &log)
	}
}

// One mistake is reported once, though other settings depend on it.
func TestOneMistakeIsOneComplaint(t *testing.T) {
	for name, change := range map[string]func(*oidcrp.Config){
		"localhost without scheme": func(c *oidcrp.Config) { c.BaseURL, c.CookieKeys = "localhost:3000", nil },
		"redirect URL as path":     func(c *oidcrp.Config) { c.Providers[0].RedirectPath = "http://localhost:3000/cb" },
	} {
		cfg := goodConfig()
		change(&cfg)
		if _, err := oidcrp.New(cfg); err == nil || strings.Count(err.Error(), "oidcrp:") != 1 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A client without secret may be a public one, or an environment variable that
// is not set. Who authenticates by other means needs no secret.
func TestMissingSecretIsWarnedOf(t *testing.T) {
	signs, decrypts := oidcrp.ClientKey{Key: newKey(t)}, oidcrp.ClientKey{Algorithm: "ECDH-ES", Key: newKey(t)}
	for name, tt := range map[string]struct {
		change func(*oidcrp.Provider)
		warned bool
	}{
		"nothing":         {func(*oidcrp.Provider) {}, true},
		"decryption key":  {func(p *oidcrp.Provider) { p.ClientKeys = []oidcrp.ClientKey{decrypts} }, true},
		"said":            {func(p *oidcrp.Provider) { p.ClientAuth = "none" }, false},
		"secret":          {func(p *oidcrp.Provider) { p.ClientSecret = "s3cret" }, false},
		"signing key":     {func(p *oidcrp.Provider) { p.ClientKeys = []oidcrp.ClientKey{decrypts, signs} }, false},
		"file":            {func(p *oidcrp.Provider) { p.ClientKeys = []oidcrp.ClientKey{{File: "/run/key"}} }, false},
		"TLS certificate": {func(p *oidcrp.Provider) { p.ClientAuth = "tls_client_auth" }, false},
		"registration":    {func(p *oidcrp.Provider) { p.ClientID, p.Registration = "", &oidcrp.Registration{} }, false},
	} {
		var log bytes.Buffer
		cfg := goodConfig()
		cfg.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{Certificates: []tls.Certificate{{}}}}}
		cfg.Providers[0].ClientSecret, cfg.Logger = "", slog.New(slog.NewTextHandler(&log, nil))
		tt.change(&cfg.Providers[0])
		if _, err := oidcrp.New(cfg); err != nil || strings.Contains(log.String(), "public client") != tt.warned {
			t.Errorf("%s: %v %s", name, err, &log)
		}
	}
}

func TestRedirectURLs(t *testing.T) {
	cfg := goodConfig()
	cfg.BaseURL = "https://app.example/app/"
	cfg.Providers = append(cfg.Providers, oidcrp.Provider{
		Name: "own", Issuer: "https://own.example", ClientID: "x", RedirectPath: "/signin-own", PostLogoutRedirectURL: "https://www.example/bye",
	}, oidcrp.Provider{
		Name: "refers", Issuer: "https://refers.example", ClientID: "x", ClientSecret: "s3cret-of-refers", RequestObject: oidcrp.UnsignedRequestByReference,
	})
	rp, err := oidcrp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	want := []oidcrp.Addresses{
		{Provider: "acme", Redirect: "https://app.example/app/auth/callback/acme", PostLogout: "https://app.example/app/auth/logout", Initiate: "https://app.example/app/auth/initiate"},
		{Provider: "own", Redirect: "https://app.example/app/signin-own", PostLogout: "https://www.example/bye", Initiate: "https://app.example/app/auth/initiate"},
		{
			Provider: "refers", Redirect: "https://app.example/app/auth/callback/refers", PostLogout: "https://app.example/app/auth/logout",
			Initiate: "https://app.example/app/auth/initiate", Request: "https://app.example/app/auth/request/refers",
		},
	}
	if got := rp.RedirectURLs(); fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestSecretShowsNothing(t *testing.T) {
	const secret = oidcrp.Secret("hunter2")
	var log bytes.Buffer
	slog.New(slog.NewJSONHandler(&log, nil)).Info("x", "secret", secret)
	shown := log.String()
	for _, verb := range []string{"%s", "%v", "%q", "%x", "%X", "%#v", "%+v", "%d", "%10s"} {
		shown += fmt.Sprintf(verb, secret)
	}
	shown += fmt.Sprintf("%+v %#v", goodConfig().Providers[0], goodConfig().Providers[0])
	text, _ := secret.MarshalText()
	shown += string(text) + secret.String() + secret.GoString()
	for _, leak := range []string{"hunter2", "68756e74657232", "68756E74657232", "s3cret-of-acme"} {
		if strings.Contains(shown, leak) {
			t.Errorf("%q is in %s", leak, shown)
		}
	}
	if string(secret) != "hunter2" {
		t.Error("the value is lost")
	}
}

func TestParseKeys(t *testing.T) {
	const a, b = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=", "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA"
	for _, text := range []string{a + "," + b, a + "\n" + b + "\n", "  " + a + " ,\t" + b} {
		keys, err := oidcrp.ParseKeys(text)
		if err != nil || len(keys) != 2 || string(keys[0]) != "0123456789abcdef0123456789abcdef" || string(keys[1]) != "fedcba9876543210fedcba9876543210" {
			t.Errorf("ParseKeys(%q) = %q, %v", text, keys, err)
		}
	}
	if keys, err := oidcrp.ParseKeys(" \n"); keys != nil || err != nil {
		t.Errorf("no text gave %q, %v", keys, err)
	}
	_, err := oidcrp.ParseKeys(a + ",not*base64")
	if err == nil || !strings.Contains(err.Error(), "key 2") || strings.Contains(err.Error(), "not*base64") {
		t.Errorf("a bad key gave %v", err)
	}
}
