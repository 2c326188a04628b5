package oidcrp_test

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// The codes are API, so all of them are said.
func TestProblemCodesAreDocumented(t *testing.T) {
	var code strings.Builder
	for _, name := range []string{"check.go", "../internal/provider/examine.go", "../internal/provider/examinemetadata.go"} {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		code.Write(b)
	}
	comment, _, _ := strings.Cut(code.String(), "type Problem struct")
	_, comment, _ = strings.Cut(comment, "// Problem is something")
	found := regexp.MustCompile(`(?:fatal|warn|report|add)\((?:true, |false, )?"([a-z_0-9]+)"|return "([a-z_0-9]+)", "`).FindAllStringSubmatch(code.String(), -1)
	if len(found) < 30 {
		t.Fatalf("%d codes found", len(found))
	}
	for _, m := range found {
		if code := m[1] + m[2]; !regexp.MustCompile(`\b` + code + `\b`).MatchString(comment) {
			t.Errorf("%s is not in the comment of Problem", code)
		}
	}
}

// Every problem a provider of ours can have is named, with its remedy; and what
// is called fatal keeps a login from succeeding, and nothing else does.
func TestCheck(t *testing.T) {
	field := oidcrptest.MetadataField
	for _, tt := range []struct {
		name   string
		fault  oidcrptest.Fault
		change func(*oidcrp.Config, *oidcrp.Provider)
		fatal  bool
		code   string // "": none
		text   string
		lie    bool // the provider can do more than it says
	}{
		{name: "nothing wrong"},
		{name: "a slash more", fault: oidcrptest.MetadataIssuerMismatch, fatal: true, code: "issuer_mismatch", text: "differ in the slash at the end. Set Issuer to"},
		{name: "a slash less", change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.Issuer += "/" }, fatal: true, code: "issuer_mismatch", text: "slash at the end"},
		{name: "another issuer", fault: field("issuer", "https://other.example"), fatal: true, code: "issuer_mismatch", text: `calls itself "https://other.example"`},
		{name: "many tenants", fault: field("issuer", "https://login.example/{tenantid}/v2.0"), fatal: true, code: "issuer_mismatch", text: "IssuerTemplate"},
		{name: "Entra's v1.0", fault: field("issuer", "https://sts.windows.net/x/"), fatal: true, code: "issuer_mismatch", text: "presets.Entra"},
		{name: "no issuer", fault: field("issuer", nil), fatal: true, code: "metadata", text: "names no issuer"},
		{name: "not found", change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.Issuer += "/nowhere" }, fatal: true, code: "metadata_not_found", text: "/realms/NAME"},
		{name: "a status", fault: oidcrptest.MetadataStatus(500), fatal: true, code: "metadata_status", text: "answers 500"},
		{name: "rubbish", fault: oidcrptest.MetadataRubbish, fatal: true, code: "metadata_not_json", text: "no metadata document"},
		{name: "a web page", fault: oidcrptest.Fault{Name: "page", Endpoint: oidcrptest.DiscoveryEndpoint, Handler: func(w http.ResponseWriter, _ *http.Request, _ http.Handler) {
			fmt.Fprint(w, "\n<!doctype html><title>Welcome</title>")
		}}, fatal: true, code: "metadata_not_json", text: "answers with a web page"},
		{name: "too large", fault: oidcrptest.MetadataHuge, fatal: true, code: "too_large"},
		{name: "a redirect", fault: oidcrptest.MetadataRedirect("https://other.example/"), fatal: true, code: "redirect", text: "MetadataURL"},
		{name: "no token endpoint", fault: field("token_endpoint", nil), fatal: true, code: "metadata", text: "token_endpoint is missing"},
		{name: "http behind a proxy", fault: field("token_endpoint", "http://sso.example.com/token"), fatal: true, code: "http_behind_proxy", text: "token_endpoint. The provider does not know that a proxy"},
		{name: "nothing said of PKCE", fault: oidcrptest.MetadataNoPKCE, code: "no_pkce", text: "sent all the same"},
		{name: "a response type", fault: field("response_types_supported", []string{"id_token", "token id_token"}), lie: true, fatal: true, code: "response_type", text: `"code" is best`},
		{name: "response types in another order", fault: oidcrptest.SuiteMetadata, change: func(_ *oidcrp.Config, p *oidcrp.Provider) {
			p.ResponseType, p.ResponseMode = "code id_token", "form_post"
		}, code: "form_post_cookie", text: "Safari"},
		{name: "a response mode", fault: field("response_modes_supported", []string{"query"}), change: byFormPost, lie: true, fatal: true, code: "response_mode", text: `"form_post", but "query"`},
		{name: "nothing said of response modes", fault: field("response_modes_supported", nil), change: byFormPost, code: "response_mode"},
		{name: "scopes", fault: field("scopes_supported", []string{"openid", "email"}), code: "scopes", text: `"profile"`},
		{name: "a client authentication", fault: field("token_endpoint_auth_methods_supported", []string{"client_secret_basic"}), lie: true,
			change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.ClientAuth = "client_secret_post" }, fatal: true, code: "client_auth", text: "Leave ClientAuth out"},
		{name: "no way to authenticate", fault: field("token_endpoint_auth_methods_supported", []string{"private_key_jwt"}), fatal: true, code: "metadata", text: "no way to use a client secret"},
		{name: "no algorithm", fault: field("id_token_signing_alg_values_supported", []string{"HS256"}), fatal: true, code: "metadata", text: "no public-key algorithm"},
		{name: "keys of another kind", fault: field("id_token_signing_alg_values_supported", []string{"ES512"}), fatal: true, code: "keys_algorithm", text: "ES512"},
		{name: "no keys", fault: oidcrptest.JWKSEmpty, fatal: true, code: "keys_unusable", text: "EC on P-256"},
		{name: "rubbish for keys", fault: oidcrptest.JWKSRubbish, fatal: true, code: "keys_unusable"},
		{name: "keys of no use among good ones", fault: oidcrptest.JWKSUnsupportedKeys},
		{name: "keys not served", fault: oidcrptest.JWKSStatus(503), fatal: true, code: "keys_status", text: "answers 503"},
		{name: "keys elsewhere", fault: oidcrptest.RedirectJWKS("https://other.example/"), fatal: true, code: "keys_redirect"},
		{name: "no RFC 9207", fault: field("authorization_response_iss_parameter_supported", nil), code: "no_iss", text: "mix-up"},
		{name: "no end-session endpoint", fault: oidcrptest.NoEndSession, code: "no_end_session", text: "LocalLogoutOnly"},
		{name: "no end-session endpoint, and none wanted", fault: oidcrptest.NoEndSession, change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.LocalLogoutOnly = true }},
		{name: "no UserInfo, required", fault: oidcrptest.NoUserInfo, change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.UserInfo = oidcrp.UserInfoRequired }, fatal: true, code: "no_userinfo"},
		{name: "no UserInfo, optional", fault: oidcrptest.NoUserInfo, change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.UserInfo = oidcrp.UserInfoOptional }, code: "no_userinfo"},
		{name: "no PAR, required", fault: oidcrptest.NoPAR, change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.PAR = oidcrp.Required }, fatal: true, code: "metadata", text: "pushed_authorization_request_endpoint is missing"},
		{name: "no back-channel logout", fault: field("backchannel_logout_supported", nil), change: func(c *oidcrp.Config, p *oidcrp.Provider) {
			c.Store, p.BackchannelLogout = oidcrp.NewMemoryStore(), true
		}, code: "no_backchannel_logout", text: "Turn it on there"},
		{name: "no front-channel logout", fault: field("frontchannel_logout_session_supported", false), change: func(c *oidcrp.Config, p *oidcrp.Provider) {
			c.Store, p.FrontchannelLogout = oidcrp.NewMemoryStore(), true
		}, code: "no_frontchannel_logout"},
		{name: "no session management", change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.SessionManagement = true }, code: "no_session_management"},
		{name: "no refresh tokens", fault: field("grant_types_supported", []string{"authorization_code"}), change: keepsTheTokens, code: "no_refresh"},
		{name: "no offline_access", fault: field("scopes_supported", []string{"openid", "profile", "email"}), change: keepsTheTokens, code: "no_offline_access"},
		{name: "prompt", fault: field("prompt_values_supported", []string{"login"}), change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.Prompt = "select_account" }, code: "prompt"},
		{name: "acr", fault: field("acr_values_supported", []string{"gold"}), change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.ACRValues = []string{"phr"} }, code: "acr_values", text: `"gold"`},
		{name: "acr, required", lie: true, fault: field("acr_values_supported", []string{"gold"}), change: func(_ *oidcrp.Config, p *oidcrp.Provider) {
			p.ACRValues, p.RequireACR = []string{"phr"}, true
		}, fatal: true, code: "acr_values"},
		{name: "claims parameter", fault: field("claims_parameter_supported", nil), change: func(_ *oidcrp.Config, p *oidcrp.Provider) { p.ClaimsRequest = "{}" }, code: "claims_parameter"},
		{name: "an open client", change: func(_ *oidcrp.Config, p *oidcrp.Provider) {
			p.HTTPClient = &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
		}, code: "tls_unverified"},
		{name: "endpoints by hand", change: func(_ *oidcrp.Config, p *oidcrp.Provider) {
			p.Endpoints = oidcrp.Endpoints{Authorization: p.Issuer + oidcrptest.AuthorizeEndpoint, Token: p.Issuer + oidcrptest.TokenEndpoint, JWKS: p.Issuer + oidcrptest.JWKSEndpoint}
			p.LocalLogoutOnly = true
		}, code: ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			if tt.fault.Name != "" {
				op.SetFaults(tt.fault)
			}
			var cfg oidcrp.Config
			a := newApp(t, op, func(c *oidcrp.Config) {
				if tt.change != nil {
					tt.change(c, &c.Providers[0])
				}
				cfg = *c
			})
			r := oidcrp.Check(context.Background(), cfg, cfg.Providers[0])
			if tt.code == "" && len(r.Problems) > 0 {
				t.Fatalf("problems:\n%s", r)
			}
			if tt.code != "" {
				i := slices.IndexFunc(r.Problems, func(p oidcrp.Problem) bool { return p.Code == tt.code && p.Fatal == tt.fatal })
				if i < 0 || !strings.Contains(r.Problems[i].Text, tt.text) {
					t.Errorf("%s (fatal %v) with %q is missing in\n%s", tt.code, tt.fatal, tt.text, r)
				}
			}
			if r.Fatal() != tt.fatal {
				t.Errorf("fatal: %v\n%s", r.Fatal(), r)
			}
			if tt.lie {
				return
			}
			page := a.browse().Get(a.URL + "/reports")
			if in := strings.Contains(page.Body, "reports for alice"); in == tt.fatal {
				t.Errorf("a login succeeds: %v\n%s\n%s", in, page, r)
			}
		})
	}
}

func byFormPost(_ *oidcrp.Config, p *oidcrp.Provider) { p.ResponseMode = "form_post" }

func keepsTheTokens(c *oidcrp.Config, p *oidcrp.Provider) {
	c.Store, p.KeepTokens = oidcrp.NewMemoryStore(), true
}

// What is fatal says so although this provider would let the login through.
func TestCheckPlainPKCE(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.MetadataPlainPKCE)
	r := oidcrp.Check(context.Background(), oidcrp.Config{}, op.Config("test", "http://localhost:3000"))
	if !r.Fatal() || r.Problems[0].Code != "no_pkce_s256" {
		t.Errorf("got\n%s", r)
	}
}

// codes are those of a report.
func codes(r *oidcrp.CheckReport) (all []string) {
	for _, p := range r.Problems {
		all = append(all, p.Code)
	}
	return all
}

// Everything that is wrong is said at once, what is fatal first.
func TestCheckNamesAll(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.NoEndSession, oidcrptest.MetadataNoPKCE, oidcrptest.MetadataIssuerMismatch, oidcrptest.JWKSEmpty)
	p := op.Config("test", "http://localhost:3000")
	p.ResponseMode, p.ClientID, p.BackchannelLogout = "carrier pigeon", "", true
	r := oidcrp.Check(context.Background(), oidcrp.Config{BaseURL: "http://localhost:3000"}, p)
	got := codes(r)
	want := []string{"settings", "settings", "settings", "issuer_mismatch", "keys_unusable", "no_pkce"}
	if !slices.Equal(got, want) {
		t.Errorf("got %v\n%s", got, r)
	}
	for _, text := range []string{"ClientID is empty", "carrier pigeon", "Config.Store"} {
		if !strings.Contains(r.String(), text) {
			t.Errorf("%q is missing in\n%s", text, r)
		}
	}
}

// It asks for two public documents, and for nothing that would leave a trace.
func TestCheckChangesNothing(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	clients := len(op.Clients())
	p := oidcrp.Provider{Issuer: op.Issuer(), Registration: &oidcrp.Registration{}}
	r := oidcrp.Check(context.Background(), oidcrp.Config{BaseURL: "http://localhost:3000", Store: oidcrp.NewMemoryStore()}, p)
	if r.Fatal() {
		t.Errorf("got\n%s", r)
	}
	if len(op.Clients()) != clients || op.Calls(oidcrptest.RegisterEndpoint) != 0 || op.Calls(oidcrptest.TokenEndpoint) != 0 || op.Calls(oidcrptest.AuthorizeEndpoint) != 0 {
		t.Error("the provider was asked for more than its documents")
	}
	if op.Calls(oidcrptest.DiscoveryEndpoint) != 1 || op.Calls(oidcrptest.JWKSEndpoint) != 1 {
		t.Error("not each document once")
	}
}

// What only Config.Providers may have is no provider of a source's.
func TestCheckOfASource(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	cfg := oidcrp.Config{BaseURL: "https://app.example.com", ProviderSource: &directory{}}
	p := oidcrp.Provider{Name: "acme", Issuer: op.Issuer(), ClientID: "x", ClientSecret: "y", RedirectPath: "/back", ResponseMode: "form_post"}
	if r := oidcrp.Check(t.Context(), cfg, p); !slices.Equal(codes(r)[:3], []string{"settings", "settings", "settings"}) || !r.Fatal() ||
		!strings.Contains(r.String(), "Version: missing") || !strings.Contains(r.String(), "RedirectPath") || !strings.Contains(r.String(), "ResponseMode") {
		t.Errorf("got\n%s", r)
	}
	p.Version, p.RedirectPath, p.ResponseMode = "1", "", ""
	if r := oidcrp.Check(t.Context(), cfg, p); r.Fatal() {
		t.Errorf("got\n%s", r)
	}
}

// No secret is in a report, nor asked for.
func TestCheckShowsNoSecrets(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	asked := errors.New("asked")
	for name, p := range map[string]oidcrp.Provider{
		"in its field":      {Issuer: op.Issuer(), ClientID: "c", ClientSecret: "hush-hush", AuthParams: map[string]string{"key": "hush-hush"}},
		"from a func":       {Issuer: op.Issuer(), ClientID: "c", ClientSecretFunc: func(context.Context) (oidcrp.Secret, error) { t.Error("asked"); return "", asked }},
		"in the address":    {Issuer: "https://me:hush-hush@op.example", ClientID: "c"},
		"in another":        {Issuer: op.Issuer(), ClientID: "c", MetadataURL: "https://me:hush-hush@op.example/doc"},
		"in a registration": {Issuer: op.Issuer(), Registration: &oidcrp.Registration{InitialAccessToken: "hush-hush"}},
	} {
		t.Run(name, func(t *testing.T) {
			r := oidcrp.Check(context.Background(), oidcrp.Config{BaseURL: "http://localhost:3000"}, p)
			b, err := json.Marshal(r)
			if err != nil {
				t.Fatal(err)
			}
			if strings.Contains(string(b)+r.String(), "hush") {
				t.Errorf("got\n%s\n%s", b, r)
			}
		})
	}
}

// A provider that cannot be reached is told apart by why.
func TestCheckUnreachable(t *testing.T) {
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	gone := httptest.NewServer(http.NotFoundHandler())
	gone.Close()
	for _, tt := range []struct{ name, issuer, code, text string }{
		{"a certificate nobody trusts", untrusted.URL, "certificate", "RootCAs"},
		{"no TLS", strings.Replace(plain.URL, "http://", "https://", 1), "no_tls", "port for http"},
		{"nobody there", gone.URL, "unreachable", "cannot be reached"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := oidcrp.Check(context.Background(), oidcrp.Config{}, oidcrp.Provider{Issuer: tt.issuer, ClientID: "c", ClientSecret: "s"})
			if !slices.Equal(codes(r), []string{tt.code}) || !r.Fatal() || !strings.Contains(r.Problems[0].Text, tt.text) {
				t.Errorf("got\n%s", r)
			}
		})
	}
	t.Run("a name of nobody", func(t *testing.T) {
		r := oidcrp.Check(context.Background(), oidcrp.Config{HTTPClient: &http.Client{Transport: lostName{}}}, oidcrp.Provider{Issuer: "https://op.example", ClientID: "c", ClientSecret: "s"})
		if !slices.Equal(codes(r), []string{"unknown_host"}) {
			t.Errorf("got\n%s", r)
		}
	})
	t.Run("given up", func(t *testing.T) {
		ctx, cancel := context.WithTimeout(context.Background(), 0)
		defer cancel()
		r := oidcrp.Check(ctx, oidcrp.Config{}, oidcrp.Provider{Issuer: gone.URL, ClientID: "c", ClientSecret: "s"})
		if !slices.Equal(codes(r), []string{"timeout"}) {
			t.Errorf("got\n%s", r)
		}
	})
	t.Run("inside, for a tenant", func(t *testing.T) {
		r := oidcrp.Check(context.Background(), oidcrp.Config{}, oidcrp.Provider{Issuer: "https://127.0.0.1:1", ClientID: "c", ClientSecret: "s", TenantSupplied: true})
		if !r.Fatal() || r.MetadataURL != "" {
			t.Errorf("got\n%s", r)
		}
	})
	t.Run("nowhere", func(t *testing.T) {
		r := oidcrp.Check(context.Background(), oidcrp.Config{}, oidcrp.Provider{ClientID: "c", ClientSecret: "s"})
		if !slices.Equal(codes(r), []string{"settings"}) || !strings.Contains(r.Problems[0].Text, "Issuer is empty") {
			t.Errorf("got\n%s", r)
		}
	})
}

// lostName cannot resolve any name.
type lostName struct{}

func (lostName) RoundTrip(*http.Request) (*http.Response, error) {
	return nil, &net.DNSError{Err: "no such host", Name: "op.example", IsNotFound: true}
}

func TestCheckClock(t *testing.T) {
	for _, tt := range []struct {
		name string
		off  time.Duration
		age  string
		want bool
	}{
		{"right", 0, "", false}, {"behind", -time.Hour, "", true}, {"ahead", time.Hour, "", true}, {"stored on the way", -time.Hour, "3600", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t, oidcrptest.Fault{Name: "clock", Endpoint: oidcrptest.DiscoveryEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
				w.Header().Set("Date", time.Now().Add(tt.off).UTC().Format(http.TimeFormat))
				if tt.age != "" {
					w.Header().Set("Age", tt.age)
				}
				next.ServeHTTP(w, r)
			}})
			r := oidcrp.Check(context.Background(), oidcrp.Config{}, op.Config("test", "http://localhost:3000"))
			if slices.Contains(codes(r), "clock") != tt.want || r.Fatal() {
				t.Errorf("got\n%s", r)
			}
		})
	}
}

// What a provider writes cannot move the cursor of the terminal it is shown on.
func TestCheckCleansTexts(t *testing.T) {
	op := oidcrptest.NewProvider(t, oidcrptest.MetadataField("issuer", "https://evil.example/\x1b[2J\u009b2J\n  none"),
		oidcrptest.MetadataField("userinfo_endpoint", "https://evil.example/\x1b[2J"))
	text := oidcrp.Check(context.Background(), oidcrp.Config{}, op.Config("test", "http://localhost:3000")).String()
	if strings.ContainsAny(text, "\x1b\u009b") {
		t.Errorf("got %q", text)
	}
}

func ExampleCheck() {
	p := oidcrp.Provider{Issuer: "https://login.example.com/", ClientID: "reports", ClientSecret: "secret"}
	r := oidcrp.Check(context.Background(), oidcrp.Config{BaseURL: "https://app.example.com"}, p)
	fmt.Print(r)
	if r.Fatal() {
		fmt.Println("fix that first")
	}
}
