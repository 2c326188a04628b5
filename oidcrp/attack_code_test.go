package oidcrp_test

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// Where the nonce is not that of the login nothing of the answer is used.
func wrongNonces(t *testing.T) {
	for _, flow := range []string{"code", "code id_token", "id_token", "id_token token"} {
		f := newFront(t)
		f.wait = true
		a := newFrontApp(t, f, flow, "form_post", func(c *oidcrp.Config) {
			if flow != "id_token" {
				c.Providers[0].UserInfo = oidcrp.UserInfoRequired
			}
		})
		b := a.browse()
		b.Get(a.URL + "/reports")
		a.shows(goOn(b), "reports for alice")
		for _, where := range []string{"front", "back"} {
			if where == "front" && flow == "code" || where == "back" && !strings.Contains(flow, "code") {
				continue
			}
			for _, what := range []string{"missing", "wrong", "another login's", "null", "array", "empty"} {
				t.Run(fmt.Sprintf("%s in the token from the %s by %s", what, where, flow), func(t *testing.T) {
					a := a.in(t)
					b.Tab().Get(a.URL + "/auth/login?return_to=/reports/other")
					other := f.nonce(f.answered())
					b.Get(a.URL + "/auth/login?return_to=/reports")
					v := f.answered()
					change := func(claims map[string]any) {
						switch own := claims["nonce"]; what {
						case "missing":
							delete(claims, "nonce")
						case "wrong":
							claims["nonce"] = "wrong"
						case "another login's":
							claims["nonce"] = other
						case "null":
							claims["nonce"] = nil
						case "array":
							claims["nonce"] = []any{own}
						case "empty":
							claims["nonce"] = ""
						}
					}
					wrong, want := maps.Clone(v), rejection{reason: "nonce"}
					if where == "front" {
						claims := payload(t, v.Get("id_token"))
						change(claims)
						f.set(func() { wrong.Set("id_token", f.sign("front", claims)) })
					} else {
						f.set(func() { change(f.tokens[v.Get("code")]) })
						want.calls = []string{"/token"}
					}
					want.right, want.form = a.rightly("form_post", v)
					a.rejected(b, want, func() *oidcrptest.Page {
						b.Show(f.URL+"/form", postPage(a.URL+"/auth/callback/test", wrong))
						return b.SubmitForm("go on", nil)
					})
				})
			}
		}
	}
}

// payload has the claims of a token.
func payload(t *testing.T, token string) (claims map[string]any) {
	t.Helper()
	b, err := base64.RawURLEncoding.DecodeString(strings.Split(token, ".")[1])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(b, &claims); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"iat", "exp"} { // go as numbers that are whole
		claims[name] = int64(claims[name].(float64))
	}
	return claims
}

// nonce is that of an answer with a code or an ID token.
func (f *front) nonce(v url.Values) any {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.nonces[v.Get("state")]
}

// A challenge by S256 in every request, of a verifier that only the token
// endpoint sees.
func challenges(t *testing.T) {
	for par, starts := range map[oidcrp.Usage]int{oidcrp.Refused: 1000, oidcrp.Required: 100} {
		t.Run(fmt.Sprintf("pushed %v", par == oidcrp.Required), func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) { c.Providers[0].PAR = par })
			sent := func() url.Values {
				w := ask(a.rp, a.rp, nil, http.MethodGet, a.URL+"/auth/login", navigate...)
				if par == oidcrp.Refused {
					return mustParse(t, w.Header().Get("Location")).Query()
				}
				pushed := a.op.Requests(oidcrptest.PAREndpoint)
				return pushed[len(pushed)-1].Form
			}
			seen := map[string]bool{}
			for range starts {
				q := sent()
				challenge := q.Get("code_challenge")
				if b, err := base64.RawURLEncoding.DecodeString(challenge); err != nil || len(b) != 32 || len(challenge) != 43 ||
					seen[challenge] || q.Get("code_challenge_method") != "S256" || q.Has("code_verifier") {
					t.Fatalf("challenge %q in %v", challenge, q)
				}
				seen[challenge] = true
			}
			for range 3 {
				b := a.browse()
				page := b.Get(a.URL + "/reports")
				a.shows(page, "reports for alice")
				tokens := a.op.Requests(oidcrptest.TokenEndpoint)
				verifier := tokens[len(tokens)-1].Form.Get("code_verifier")
				sum := sha256.Sum256([]byte(verifier))
				asked := a.op.Requests(oidcrptest.AuthorizeEndpoint)[len(tokens)-1].Query
				if pushed := a.op.Requests(oidcrptest.PAREndpoint); par == oidcrp.Required {
					asked = pushed[len(pushed)-1].Form
				}
				if len(verifier) != 43 || asked.Get("code_challenge") != base64.RawURLEncoding.EncodeToString(sum[:]) {
					t.Errorf("verifier %q for %v", verifier, asked)
				}
				for _, hop := range page.Trail {
					if strings.Contains(fmt.Sprint(hop.URL, hop.Request, hop.Response), verifier) {
						t.Errorf("the verifier is seen by the browser: %s", hop.URL)
					}
				}
				if strings.Contains(a.log.String(), verifier) {
					t.Error("the verifier is in the log")
				}
			}
		})
	}
}

// A code that was stolen, with a state of the thief's own.
func injectedCode(t *testing.T) {
	for _, mode := range modes {
		for name, tt := range map[string]struct {
			faults []oidcrptest.Fault
			reason string
		}{
			"the provider enforces PKCE": {nil, "invalid_response"},
			"the provider ignores PKCE":  {[]oidcrptest.Fault{oidcrptest.IgnorePKCE}, "nonce"},
		} {
			t.Run(name+" by "+mode, func(t *testing.T) {
				a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
					byMode(mode)(c)
					c.Providers[0].UserInfo = oidcrp.UserInfoRequired
				})
				b := a.signInAs("bob")
				victim := a.answerTo(a.browse(), "/reports")
				own := a.answerTo(b, "/auth/login?return_to=/reports")
				injected := maps.Clone(own)
				injected["code"] = victim["code"]
				a.op.SetFaults(tt.faults...)
				want := rejection{reason: tt.reason, calls: []string{oidcrptest.TokenEndpoint}}
				want.right, want.form = a.rightly(mode, own)
				a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, mode, injected) })
			})
		}
	}
}

// Metadata without S256 changes nothing.
func pkceDowngrade(t *testing.T) {
	for _, fault := range []oidcrptest.Fault{oidcrptest.MetadataNoPKCE, oidcrptest.MetadataPlainPKCE} {
		t.Run(fault.Name, func(t *testing.T) {
			a := newApp(t, oidcrptest.NewProvider(t, fault), nil)
			b := a.signIn()
			v := mustParse(t, a.stopAtCallback(b, "/auth/login?return_to=/reports")).Query()
			for _, q := range a.requests() {
				if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 {
					t.Errorf("sent %v", q)
				}
			}
			broken := maps.Clone(v)
			broken.Set("state", flip(v.Get("state")))
			a.rejected(b, rejection{reason: "state"}, func() *oidcrptest.Page { return a.answer(b, "query", broken) })
			a.op.SetFaults(fault, oidcrptest.WrongNonce)
			want := rejection{reason: "nonce", calls: []string{oidcrptest.TokenEndpoint}}
			want.right, want.form = a.rightly("query", v)
			a.rejected(b, want, func() *oidcrptest.Page { return a.answer(b, "query", v) })
		})
	}
}
