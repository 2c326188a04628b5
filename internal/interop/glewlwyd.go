package interop

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Glewlwyd is a running Glewlwyd with one user.
type Glewlwyd struct {
	Issuer string
	API    string // what its pages, a program for browsers, speak to

	admin  *http.Client // signed in there as the administrator
	config GlewlwydConfig
}

// GlewlwydConfig is what Glewlwyd is started with.
type GlewlwydConfig struct {
	// The one user: login name, not the subject, which is a random string.
	Username, Password, Name, Email string

	IssInResponse bool // RFC 9207, which is encoded once too often by form_post
	DPoPNonce     bool // proofs must have one of its nonces

	TLS *TLS // serves https
}

const (
	glewlwydInstall = "apt-get install --no-install-recommends glewlwyd dbconfig-sqlite3"
	glewlwydSQL     = "/usr/share/dbconfig-common/data/glewlwyd/install/sqlite3"
	glewlwydModules = "/usr/lib/glewlwyd"
)

// StartGlewlwyd starts Glewlwyd on a free port, with a database of its own,
// and ends it with the test.
func StartGlewlwyd(t testing.TB, c GlewlwydConfig) *Glewlwyd {
	t.Helper()
	program, err := exec.LookPath("glewlwyd")
	if err != nil {
		Missing(t, "Glewlwyd", glewlwydInstall)
	}
	dir := t.TempDir()
	glewlwydDatabase(t, filepath.Join(dir, "glewlwyd.db"))

	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	g := &Glewlwyd{admin: &http.Client{Jar: jar}, config: c}
	scheme := "http"
	if c.TLS != nil {
		scheme = "https"
		g.admin.Transport = glewlwydCertificates(t, dir, c.TLS)
		t.Cleanup(g.admin.CloseIdleConnections)
	}
	startProcess(t, "Glewlwyd", g.admin, 1, func(ports []string) (*exec.Cmd, string) {
		url := scheme + "://127.0.0.1:" + ports[0]
		g.API = url + "/api"
		g.Issuer = g.API + "/oidc" // oidc is the name of the plugin
		config := filepath.Join(dir, "glewlwyd.conf")
		if err := os.WriteFile(config, []byte(fmt.Sprintf(glewlwydConfig, ports[0], url, dir, glewlwydModules, c.TLS != nil)), 0o600); err != nil {
			t.Fatal(err)
		}
		return exec.Command(program, "--config-file="+config), url + "/config"
	})
	g.setUp(t)
	return g
}

// glewlwydConfig is its configuration file: port, address, folder of
// its own, folder of its modules, whether it serves https.
const glewlwydConfig = `
port = %s
bind_address = "127.0.0.1"
external_url = "%s"
login_url = "login.html"
api_prefix = "api"
static_files_path = "/usr/share/glewlwyd/webapp"
static_files_mime_types = ({ extension = ".html"  mime_type = "text/html" })
cookie_secure = 0
log_mode = "console"
log_level = "INFO"
user_module_path = "%[4]s/user"
client_module_path = "%[4]s/client"
user_auth_scheme_module_path = "%[4]s/scheme"
plugin_module_path = "%[4]s/plugin"
hash_algorithm = "SHA512"
database = { type = "sqlite3"  path = "%[3]s/glewlwyd.db" };
use_secure_connection = %[5]t
secure_connection_pem_file = "%[3]s/cert.pem"
secure_connection_key_file = "%[3]s/key.pem"
secure_connection_ca_file = "%[3]s/ca.pem"
`

// glewlwydDatabase makes the database as Debian would.
func glewlwydDatabase(t testing.TB, file string) {
	t.Helper()
	sql, err := os.ReadFile(glewlwydSQL)
	if err != nil {
		Missing(t, "Glewlwyd's database", glewlwydInstall)
	}
	cmd := exec.Command("sqlite3", file)
	cmd.Stdin = strings.NewReader("BEGIN;\n" + string(sql) + "\nCOMMIT;\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("Glewlwyd's database: %v\n%s", err, out)
	}
}

// glewlwydCertificates writes what its configuration file names, and returns
// who can reach it.
func glewlwydCertificates(t testing.TB, dir string, c *TLS) *http.Transport {
	t.Helper()
	for name, content := range map[string]string{"cert.pem": c.Cert, "key.pem": c.Key, "ca.pem": c.CA} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM([]byte(c.CA))
	return &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}}
}

// setUp makes it a provider, with its user.
func (g *Glewlwyd) setUp(t testing.TB) {
	t.Helper()
	g.must(t, http.MethodPost, "/auth/", map[string]any{"username": "admin", "password": "password"})
	for _, scope := range []string{"profile", "email"} {
		g.must(t, http.MethodPost, "/scope/", map[string]any{"name": scope, "display_name": scope, "password_required": true, "password_max_age": 0, "scheme": map[string]any{}})
	}
	g.must(t, http.MethodPost, "/user/", map[string]any{
		"username": g.config.Username, "password": g.config.Password, "name": g.config.Name, "email": g.config.Email,
		"scope": []string{"g_profile", "openid", "profile", "email"}, "enabled": true,
	})

	// A property of a client is kept only if it is listed.
	clients := g.must(t, http.MethodGet, "/mod/client/database", nil)
	format := clients["parameters"].(map[string]any)["data-format"].(map[string]any)
	for property, multiple := range map[string]bool{"sign_kid": false, "post_logout_redirect_uris": true, "tls_client_auth_subject_dn": false} {
		format[property] = map[string]any{"multiple": multiple, "read": true, "write": true}
	}
	g.must(t, http.MethodPut, "/mod/client/database", clients)
	g.must(t, http.MethodPut, "/mod/client/database/reset/", nil)

	g.must(t, http.MethodPost, "/mod/plugin/", map[string]any{
		"module": "oidc", "name": "oidc", "display_name": "oidc", "parameters": g.parameters(t),
	})
}

// must makes a call to its administration.
func (g *Glewlwyd) must(t testing.TB, method, path string, body any) map[string]any {
	t.Helper()
	answer, err := callJSON(g.admin, method, g.API+path, body)
	if err != nil {
		t.Fatalf("set up Glewlwyd: %v", err)
	}
	return answer
}

// parameters are those of its OpenID Connect plugin.
func (g *Glewlwyd) parameters(t testing.TB) map[string]any {
	t.Helper()
	p := map[string]any{
		"iss": g.Issuer, "subject-type": "public",
		"oauth-as-iss-id": g.config.IssInResponse,
		"jwks-private":    glewlwydKeys(t), "default-kid": "RS256", "client-sign_kid-parameter": "sign_kid", "jwks-show": true,
		"client-jwks_uri-parameter": "jwks_uri",
		"access-token-duration":     3600, "refresh-token-duration": 1209600, "code-duration": 600, "refresh-token-rolling": true,
		"auth-type-code-enabled": true, "auth-type-code-revoke-replayed": true, "auth-type-token-enabled": true, "auth-type-id-token-enabled": true, "auth-type-refresh-enabled": true,
		"allowed-scope": []string{"openid", "profile", "email"}, "name-claim": "mandatory", "email-claim": "mandatory",
		"pkce-allowed": true, "pkce-required-public-client": true,
		"request-parameter-allow": true, "request-maximum-exp": 3600,
		"oauth-par-allowed": true, "oauth-par-request_uri-prefix": "urn:ietf:params:oauth:request_uri:", "oauth-par-duration": 90,
		"oauth-dpop-allowed": true, "oauth-dpop-iat-duration": 30, "oauth-dpop-nonce-mandatory": g.config.DPoPNonce, "oauth-dpop-nonce-counter": 10,
		"oauth-fapi-allow-jarm": true, "oauth-fapi-add-s_hash": true,
		"encrypt-out-token-allow": true, "client-enc-parameter": "enc", "client-alg-parameter": "alg", "client-encrypt_id_token-parameter": "encrypt_id_token",
		"session-management-allowed": true, "session-cookie-name": "GLEWLWYD2_OIDC_SID", "session-cookie-expiration": 2419200, "back-channel-logout-allowed": true, "front-channel-logout-allowed": true,
	}
	if g.config.TLS != nil {
		p["client-cert-source"] = "TLS"
	}
	return p
}

// glewlwydKeys are its private keys, each named for the algorithm it signs
// by.
func glewlwydKeys(t testing.TB) string {
	t.Helper()
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, edKey, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	var set jose.JSONWebKeySet
	for _, k := range []struct {
		alg string
		key any
	}{{"RS256", rsaKey}, {"PS256", rsaKey}, {"ES256", ecKey}, {"EdDSA", edKey}} { // the first signs responses (JARM)
		set.Keys = append(set.Keys, jose.JSONWebKey{Key: k.key, KeyID: k.alg, Algorithm: k.alg, Use: "sig"})
	}
	raw, err := json.Marshal(set)
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// Register makes a client known.
func (g *Glewlwyd) Register(t testing.TB, c Client) {
	t.Helper()
	properties := map[string]any{ // its own words, each a string or strings
		"client_id": c.ID, "name": c.ID, "enabled": true, "scope": []string{},
		"confidential": c.AuthMethod != "none", "redirect_uri": c.RedirectURIs, "post_logout_redirect_uris": c.PostLogoutRedirectURIs,
		"authorization_type":         glewlwydTypes(c),
		"token_endpoint_auth_method": []string{c.AuthMethod},
	}
	optional := map[string]string{
		"client_secret": c.Secret, "jwks_uri": c.JWKSURI,
		"backchannel_logout_uri":     c.BackchannelLogout,
		"frontchannel_logout_uri":    c.FrontchannelLogout,
		"tls_client_auth_subject_dn": c.CertificateDN,
		"request_object_signing_alg": c.RequestObjectAlg, "token_endpoint_signing_alg": c.AuthAlg,
		"sign_kid": c.IDTokenAlg,
		"alg":      c.IDTokenEncryption, "enc": c.IDTokenEncryptionEnc,
	}
	if c.FrontchannelLogoutSession {
		optional["frontchannel_logout_session_required"] = "1"
	}
	if c.IDTokenEncryption != "" {
		optional["encrypt_id_token"] = "1"
	}
	for name, value := range optional {
		if value != "" {
			properties[name] = value
		}
	}
	g.must(t, http.MethodPost, "/client/", properties)
}

// glewlwydTypes are its authorization types for a client: the parts of its
// response types, and whether it may refresh.
func glewlwydTypes(c Client) []string {
	var types []string
	for part := range strings.FieldsSeq(strings.Join(c.ResponseTypes, " ")) {
		if !slices.Contains(types, part) {
			types = append(types, part)
		}
	}
	if slices.Contains(c.GrantTypes, "refresh_token") {
		types = append(types, "refresh_token")
	}
	return types
}
