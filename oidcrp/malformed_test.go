package oidcrp_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// answered makes an endpoint's answers go through rewrite.
func answered(endpoint string, rewrite func([]byte) []byte) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "rewritten", Endpoint: endpoint, Handler: func(w http.ResponseWriter, r *http.Request, next http.Handler) {
		rec := httptest.NewRecorder()
		next.ServeHTTP(rec, r)
		body := rewrite(rec.Body.Bytes())
		maps.Copy(w.Header(), rec.Header())
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		w.WriteHeader(rec.Code)
		w.Write(body)
	}}
}

// document is a JSON object that the library reads in a login: an answer, or
// the claims of a token.
type document struct {
	name     string
	kept     bool                                       // by the application, which fetches it once
	rewrite  func(func([]byte) []byte) oidcrptest.Fault // how it is changed
	client   func(*oidcrptest.Client)
	settings func(*oidcrp.Config)

	// read are its members that something depends on, with the reason of the
	// refusal where one has another type; unread are some that nothing does.
	read   map[string]string
	absent []string // of these, those that are as good as absent where they are null
	unread []string

	mistyped  int // the status, for a member of another type
	malformed int // and for a document that is no good JSON
	huge      int // and for one that is too large
	size      int // of it, in bytes; 0: 1 MB and a little
	reason    string
	other     map[string]string // reasons of some cases that differ
	harmless  []string          // cases of it that are accepted
	tokens    int               // requests of tokens by then
	userInfo  int               // and of UserInfo
}

func onEndpoint(endpoint string) func(func([]byte) []byte) oidcrptest.Fault {
	return func(rewrite func([]byte) []byte) oidcrptest.Fault { return answered(endpoint, rewrite) }
}

func documents() []document {
	none := func(*oidcrptest.Client) {}
	userInfo := func(c *oidcrp.Config) { c.Providers[0].UserInfo = oidcrp.UserInfoRequired }
	named := func(members []string) map[string]string {
		m := map[string]string{}
		for _, member := range members {
			m[member] = member
		}
		return m
	}
	unsigned := map[string]string{"nothing": "serialization"}
	optional := []string{"userinfo_endpoint", "end_session_endpoint", "pushed_authorization_request_endpoint", "token_endpoint_auth_methods_supported",
		"token_endpoint_auth_signing_alg_values_supported", "id_token_signing_alg_values_supported", "userinfo_signing_alg_values_supported",
		"authorization_signing_alg_values_supported", "authorization_response_iss_parameter_supported", "require_pushed_authorization_requests",
		"dpop_signing_alg_values_supported", "request_object_signing_alg_values_supported"}
	return []document{{
		name: "metadata", kept: true, rewrite: onEndpoint(oidcrptest.DiscoveryEndpoint), client: none,
		read:     named(append(optional, "authorization_endpoint", "token_endpoint", "jwks_uri")),
		absent:   optional,
		unread:   []string{"registration_endpoint", "claims_supported", "service_documentation", "ui_locales_supported"},
		mistyped: 500, malformed: 503, huge: 503, reason: "json",
		other: map[string]string{"authorization_endpoint is null": "misconfigured", "token_endpoint is null": "misconfigured", "jwks_uri is null": "misconfigured"},
	}, {
		name: "metadata, issuer", kept: true, rewrite: onEndpoint(oidcrptest.DiscoveryEndpoint), client: none,
		read: named([]string{"issuer"}), other: map[string]string{"issuer is null": "provider_unavailable"}, mistyped: 503, malformed: 503, huge: 503, reason: "json",
	}, {
		name: "pushed request", rewrite: onEndpoint(oidcrptest.PAREndpoint), client: none,
		read: named([]string{"request_uri"}), unread: []string{"expires_in"},
		mistyped: 400, malformed: 400, huge: 503, reason: "json",
	}, {
		name: "keys", kept: true, rewrite: onEndpoint(oidcrptest.JWKSEndpoint), client: none,
		read: map[string]string{"keys": "provider_unavailable"}, mistyped: 503, malformed: 503, huge: 503, reason: "provider_unavailable", tokens: 1,
		harmless: []string{"no UTF-8", "too deep", "too many members"}, // beside the keys
	}, {
		name: "token response", rewrite: onEndpoint(oidcrptest.TokenEndpoint), client: none, settings: userInfo,
		read:   map[string]string{"id_token": "id_token", "access_token": "access_token", "token_type": "token_type"},
		absent: []string{"token_type"},
		unread: []string{"expires_in", "scope"}, mistyped: 400, malformed: 400, huge: 503, reason: "json", tokens: 1,
	}, {
		name: "ID token", client: none, settings: userInfo,
		rewrite: func(rewrite func([]byte) []byte) oidcrptest.Fault {
			return oidcrptest.Fault{Name: "rewritten", IDToken: func(t *oidcrptest.IDToken) { t.Rewrite = rewrite }}
		},
		read: map[string]string{"iss": "iss", "sub": "sub", "aud": "aud", "exp": "exp", "iat": "iat", "nonce": "nonce", "at_hash": "at_hash",
			"auth_time": "auth_time", "sid": "sid", "acr": "acr"},
		absent: []string{"auth_time", "sid", "acr"}, other: unsigned,
		unread: []string{"name", "email"}, mistyped: 400, malformed: 400, huge: 503, reason: "json", tokens: 1,
	}, {
		name: "signed response", client: none, settings: func(c *oidcrp.Config) { c.Providers[0].ResponseMode = "form_post.jwt" },
		rewrite: func(rewrite func([]byte) []byte) oidcrptest.Fault {
			return oidcrptest.Fault{Name: "rewritten", ResponseJWT: func(t *oidcrptest.JWT) { t.Rewrite = rewrite }}
		},
		read:     map[string]string{"iss": "iss", "aud": "aud", "exp": "exp", "state": "state", "code": "code"},
		other:    map[string]string{"nothing": "serialization", "too many members": "size"},
		mistyped: 400, malformed: 400, huge: 400, size: 64 << 10, reason: "json",
	}, {
		name: "UserInfo", rewrite: onEndpoint(oidcrptest.UserInfoEndpoint), client: none, settings: userInfo,
		read: named([]string{"sub"}), unread: []string{"name", "email", "roles"},
		mistyped: 400, malformed: 400, huge: 503, reason: "json", tokens: 1, userInfo: 1,
	}, {
		name: "signed UserInfo", client: func(c *oidcrptest.Client) { c.UserInfoAlgorithm = "ES256" }, settings: userInfo,
		rewrite: func(rewrite func([]byte) []byte) oidcrptest.Fault {
			return oidcrptest.Fault{Name: "rewritten", UserInfoJWT: func(t *oidcrptest.JWT) { t.Rewrite = rewrite }}
		},
		read: map[string]string{"iss": "iss", "aud": "aud", "sub": "sub"}, unread: []string{"name", "email"}, other: unsigned,
		mistyped: 400, malformed: 400, huge: 503, reason: "json", tokens: 1, userInfo: 1,
	}}
}

// with is body with a member set to a JSON text.
func with(body []byte, member, value string) []byte {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		panic(err)
	}
	doc[member] = json.RawMessage(value)
	out, err := json.Marshal(doc)
	if err != nil {
		panic(err)
	}
	return out
}

// twice is body with a member that comes once more, with the same value.
func twice(body []byte, member string) []byte {
	var doc map[string]json.RawMessage
	if err := json.Unmarshal(body, &doc); err != nil {
		panic(err)
	}
	value, ok := doc[member]
	if !ok {
		body, value = with(body, member, `"x"`), json.RawMessage(`"x"`)
	}
	return []byte(fmt.Sprintf(`{%q:%s,%s`, member, value, body[1:]))
}

// wrongTypes are JSON texts of a type that member does not have.
func wrongTypes(member string) []string {
	types := []string{`{"a":"b"}`, `[[1]]`, `7.5`, `null`, `true`}
	switch {
	case member == "aud":
		types[1] = `["x",1]`
	case slices.Contains([]string{"exp", "iat", "auth_time"}, member):
		types[2] = `"7"`
	case strings.HasSuffix(member, "parameter_supported"):
		types[4] = `"true"`
	}
	return types
}

// Every document, with each of its members in turn unknown, of another type,
// twice, or huge: nobody is signed in, nothing more is asked, and the log
// says which check it was.
func TestMalformedDocuments(t *testing.T) {
	for _, d := range documents() {
		t.Run(d.name, func(t *testing.T) {
			op := oidcrptest.NewProvider(t)
			shared := newSecuredApp(t, op, d.client, d.settings)
			visit := func(t *testing.T, rewrite func([]byte) []byte) (*app, *oidcrptest.Browser, *oidcrptest.Page) {
				a := shared
				op.SetFaults()
				if d.kept {
					a = newSecuredApp(t, op, d.client, d.settings)
				}
				a.t = t
				a.reports.Store(0)
				op.ResetCalls()
				op.SetFaults(d.rewrite(rewrite))
				b := a.browse()
				return a, b, b.Get(a.URL + "/reports")
			}
			refuse := func(what string, status int, reason string, rewrite func([]byte) []byte) {
				if other, ok := d.other[what]; ok {
					reason = other
				}
				t.Run(what, func(t *testing.T) {
					a, b, page := visit(t, rewrite)
					a.refused(page, status, reason)
					a.calls(oidcrptest.TokenEndpoint, d.tokens)
					a.calls(oidcrptest.UserInfoEndpoint, d.userInfo)
					if a.reports.Load() != 0 || strings.Contains(a.log.String(), "panic") {
						t.Errorf("let in, or a panic: %s", a.log)
					}
					for _, c := range b.Cookies(a.URL + "/") {
						if strings.Contains(c.Name, "oidcrp_s_") {
							t.Errorf("a session: %s", c.Name)
						}
					}
				})
			}
			accept := func(what string, rewrite func([]byte) []byte) {
				t.Run(what, func(t *testing.T) {
					a, _, page := visit(t, rewrite)
					a.shows(page, "reports for alice")
				})
			}

			for member, reason := range d.read {
				for _, value := range wrongTypes(member) {
					if strings.HasPrefix(member, "require_") && value == "true" {
						continue // as it should be
					}
					if value == "null" && slices.Contains(d.absent, member) {
						accept(member+" is null", func(b []byte) []byte { return with(b, member, value) })
						continue
					}
					refuse(member+" is "+value, d.mistyped, reason, func(b []byte) []byte { return with(b, member, value) })
				}
				refuse(member+" twice", d.malformed, d.reason, func(b []byte) []byte { return twice(b, member) })
				refuse(member+" with a control character", d.malformed, d.reason, func(b []byte) []byte {
					return []byte(fmt.Sprintf("{%q:\"\x01\",%s", "x"+member, b[1:]))
				})
			}
			for _, member := range d.unread {
				for _, value := range []string{`{"a":"b"}`, `[1,"x"]`, `7.5`, `null`, `"x"`} {
					accept(member+" is "+value, func(b []byte) []byte { return with(b, member, value) })
				}
				refuse(member+" twice", d.malformed, d.reason, func(b []byte) []byte { return twice(b, member) })
			}
			accept("a member nobody knows", func(b []byte) []byte {
				return with(b, "https://example.com/new", `{"deep":[{"er":null}],"n":1e3}`)
			})
			for what, rewrite := range map[string]func([]byte) []byte{
				"cut short":      func(b []byte) []byte { return b[:len(b)-1] },
				"something more": func(b []byte) []byte { return append(b, "{}"...) },
				"an array":       func(b []byte) []byte { return []byte("[" + string(b) + "]") },
				"nothing":        func([]byte) []byte { return nil },
				"no UTF-8":       func(b []byte) []byte { return []byte("{\"\xff\":1," + string(b[1:])) },
				"too deep": func(b []byte) []byte {
					return with(b, "x", strings.Repeat("[", 1000)+strings.Repeat("]", 1000))
				},
				"too many members": func(b []byte) []byte {
					var many strings.Builder
					for i := range 5000 {
						fmt.Fprintf(&many, `"m%d":%d,`, i, i)
					}
					return []byte("{" + many.String() + string(b[1:]))
				},
			} {
				if slices.Contains(d.harmless, what) {
					accept(what, rewrite)
					continue
				}
				refuse(what, d.malformed, d.reason, rewrite)
			}
			// The last: its event is of another kind, and refused looks at one of each.
			huge := strings.Repeat("x", cmp.Or(d.size, 1<<20+1))
			refuse("huge", d.huge, "", func(b []byte) []byte { return with(b, "x", `"`+huge+`"`) })
		})
	}
}
