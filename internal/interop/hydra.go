package interop

import (
	"bytes"
	"cmp"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

// Hydra is a running Ory Hydra. It has no pages: a small server of ours signs
// in the one user, consents to everything, and confirms each logout.
type Hydra struct {
	Issuer string

	subject string
	claims  map[string]any // of the user, in ID tokens and at UserInfo
	admin   string
}

const hydraInstall = "go -C internal/tools build -tags sqlite,sqlite_omit_load_extension -o bin/ github.com/ory/hydra/v2"

// StartHydra starts Ory Hydra on free ports and ends it with the test. It
// keeps everything in memory, in a way that bears few logins at a time.
func StartHydra(t testing.TB, subject string, claims map[string]any) *Hydra {
	t.Helper()
	program, err := locate("internal/tools/bin/hydra")
	if err != nil {
		Missing(t, "Ory Hydra", hydraInstall)
	}
	h := &Hydra{subject: subject, claims: claims}
	user := httptest.NewServer(http.HandlerFunc(h.serveUser))
	t.Cleanup(user.Close)
	startProcess(t, "Ory Hydra", http.DefaultClient, 2, func(ports []string) (*exec.Cmd, string) {
		h.Issuer, h.admin = "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
		cmd := exec.Command(program, "serve", "all", "--dev", "--sqa-opt-out")
		cmd.Env = append(os.Environ(),
			"DSN=memory", "LOG_LEVEL=warn",
			"SERVE_PUBLIC_HOST=127.0.0.1", "SERVE_PUBLIC_PORT="+ports[0],
			"SERVE_ADMIN_HOST=127.0.0.1", "SERVE_ADMIN_PORT="+ports[1],
			"URLS_SELF_ISSUER="+h.Issuer,
			"URLS_LOGIN="+user.URL+"/login", "URLS_CONSENT="+user.URL+"/consent", "URLS_LOGOUT="+user.URL+"/logout",
			"SECRETS_SYSTEM="+rand.Text(),
		)
		return cmd, h.admin + "/health/ready"
	})
	h.importKeys(t)
	return h
}

// importKeys spares it from making RSA keys of 4096 bits at the first request,
// which takes longer than a visitor waits.
func (h *Hydra) importKeys(t testing.TB) {
	t.Helper()
	for _, set := range []string{"hydra.openid.id-token", "hydra.jwt.access-token"} {
		key, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		keys := jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key, KeyID: rand.Text(), Algorithm: "RS256", Use: "sig"}}}
		if _, err := h.call(http.MethodPut, "/admin/keys/"+set, nil, keys); err != nil {
			t.Fatalf("import keys into Ory Hydra: %v", err)
		}
	}
}

// Register makes a client known.
func (h *Hydra) Register(t testing.TB, c Client) {
	t.Helper()
	if _, err := h.call(http.MethodPost, "/admin/clients", nil, c); err != nil {
		t.Fatalf("register a client at Ory Hydra: %v", err)
	}
}

// serveUser answers for the user what Hydra asks: at /login, /consent and
// /logout, each with a challenge.
func (h *Hydra) serveUser(w http.ResponseWriter, r *http.Request) {
	step := strings.TrimPrefix(r.URL.Path, "/")
	challenge := url.Values{step + "_challenge": {r.URL.Query().Get(step + "_challenge")}}
	answer := map[string]any{}
	switch step {
	case "login":
		answer = map[string]any{"subject": h.subject, "remember": true, "remember_for": 3600}
	case "consent":
		asked, err := h.call(http.MethodGet, "/admin/oauth2/auth/requests/consent", challenge, nil)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		answer = map[string]any{
			"grant_scope":                 asked["requested_scope"],
			"grant_access_token_audience": asked["requested_access_token_audience"],
			"session":                     map[string]any{"id_token": h.claims},
			"remember":                    true, "remember_for": 3600,
		}
	}
	accepted, err := h.call(http.MethodPut, "/admin/oauth2/auth/requests/"+step+"/accept", challenge, answer)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	http.Redirect(w, r, fmt.Sprint(accepted["redirect_to"]), http.StatusSeeOther)
}

// call makes a call to Hydra's administration.
func (h *Hydra) call(method, path string, query url.Values, body any) (map[string]any, error) {
	return callJSON(http.DefaultClient, method, h.admin+path+"?"+query.Encode(), body)
}

// callJSON makes a call to a provider's administration. An answer that is not
// an object is dropped.
func callJSON(client *http.Client, method, address string, body any) (map[string]any, error) {
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequest(method, address, bytes.NewReader(raw))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	raw, err = io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	if res.StatusCode >= 300 {
		return nil, fmt.Errorf("%s %s: %s: %s", method, address, res.Status, cmp.Or(string(raw), "no more"))
	}
	var answer map[string]any
	json.Unmarshal(raw, &answer)
	return answer, nil
}
