package oidcrp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// responseParameters are all that authorization responses may have.
var responseParameters = []string{
	"state", "code", "iss", "error", "error_description", "error_uri", "id_token", "access_token",
	"token_type", "expires_in", "scope", "response", "session_state",
}

// signedInApp is an application whose visitor has a session already, which
// nothing that a response brings may touch.
func signedInApp(t *testing.T, responseType, mode string) (a *app, b *oidcrptest.Browser, unharmed func(*testing.T)) {
	t.Helper()
	a = newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers[0].ResponseType, c.Providers[0].ResponseMode = responseType, mode
	})
	b = a.signIn()
	before := a.sessionCookie(b).Value
	return a, b, func(t *testing.T) {
		t.Helper()
		a.t = t
		if a.sessionCookie(b).Value != before || strings.Contains(a.log.String(), "panic") {
			t.Errorf("the session changed, or a panic: %s", a.log)
		}
	}
}

// Each parameter in turn twice, huge, or with characters it cannot have, each
// way a response can come: the query, a form, and the form in which our own
// page brings a fragment.
func TestMalformedResponses(t *testing.T) {
	for _, way := range []struct{ responseType, mode string }{{"code", "query"}, {"code", "form_post"}, {"code id_token", "form_post"}, {"code id_token", "fragment"}} {
		t.Run(way.responseType+" by "+way.mode, func(t *testing.T) {
			a, b, unharmed := signedInApp(t, way.responseType, way.mode)
			try := func(what, reason string, change func(*oidcrptest.Response)) {
				t.Run(what, func(t *testing.T) {
					a.t = t
					a.op.ResetCalls()
					a.op.SetFaults(oidcrptest.Fault{Name: what, Response: change})
					page := b.Get(a.URL + "/auth/login?return_to=/reports")
					if reason == "" {
						a.shows(page, "reports for alice")
						return
					}
					a.refused(page, http.StatusBadRequest, reason)
					a.calls(oidcrptest.TokenEndpoint, 0)
					a.calls(oidcrptest.UserInfoEndpoint, 0)
					unharmed(t)
				})
			}
			for _, name := range responseParameters {
				try(name+" twice", "duplicate", func(r *oidcrptest.Response) {
					r.Params[name] = append(r.Params[name], "x", "x")
				})
				try(name+" twice, the same", "duplicate", func(r *oidcrptest.Response) {
					r.Params[name] = []string{r.Params.Get(name), r.Params.Get(name)}
				})
				try(name+" huge", "size", func(r *oidcrptest.Response) { r.Params.Set(name, strings.Repeat("x", 64<<10)) })
			}
			for _, name := range []string{"state", "code", "iss", "id_token", "access_token"} {
				for what, text := range map[string]string{"a control character": "\x00", "a line break": "\r\n", "another script": "ไทย", "no UTF-8": "\xff\xfe"} {
					try(name+" with "+what, "syntax", func(r *oidcrptest.Response) { r.Params.Set(name, r.Params.Get(name)+text) })
				}
			}
			try("response without a JWT", "duplicate", func(r *oidcrptest.Response) { r.Params.Set("response", "x") })
			try("response alone, without a JWT", "serialization", func(r *oidcrptest.Response) {
				clear(r.Params)
				r.Params.Set("response", "x")
			})
			try("nothing", "state", func(r *oidcrptest.Response) { clear(r.Params) })
			try("parameters nobody knows", "", func(r *oidcrptest.Response) {
				r.Params["new"] = []string{"\xff\x00", strings.Repeat("x", 1000)}
				r.Params["Code"], r.Params["STATE"], r.Params[""] = []string{"x"}, []string{"y"}, []string{"z"}
			})
		})
	}
}

// What cannot be a query or a form at all.
func TestUnreadableResponses(t *testing.T) {
	a, b, unharmed := signedInApp(t, "code", "query")
	for _, tt := range []struct{ name, behind, reason string }{
		{"a broken escape", "&x=%zz", "syntax"},
		{"half an escape", "&x=%", "syntax"},
		{"a semicolon", ";x=y", "syntax"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.t = t
			callback := a.stopAtCallback(b, "/auth/login?return_to=/reports")
			a.op.ResetCalls()
			a.refused(b.Get(callback+tt.behind), http.StatusBadRequest, tt.reason)
			a.calls(oidcrptest.TokenEndpoint, 0)
			unharmed(t)
		})
	}
}

// A token endpoint that refuses, in all kinds of ways. Whatever it sends, the
// login ends, and neither page nor log takes its text over as it is.
func TestMalformedTokenErrors(t *testing.T) {
	a, b, unharmed := signedInApp(t, "code", "query")
	long := strings.Repeat("x", 100<<10)
	const asJSON = "application/json"
	for _, tt := range []struct {
		name        string
		answer      int // its status
		kind, body  string
		status      int
		reason      string
		notInTheLog string
	}{
		{"as it should be", 400, asJSON, `{"error":"invalid_grant"}`, 400, "invalid_response", ""},
		{"with members nobody knows", 400, asJSON, `{"error":"invalid_grant","trace":{"id":[1]}}`, 400, "invalid_response", ""},
		{"with status 200", 200, asJSON, `{"error":"invalid_grant","access_token":"a","id_token":"b"}`, 400, "invalid_response", ""},
		{"with status 201", 201, asJSON, `{"error":"invalid_grant"}`, 400, "invalid_response", ""},
		{"description of another type", 400, asJSON, `{"error":"invalid_grant","error_description":{"a":"leak"},"error_uri":7}`, 400, "invalid_response", "leak"},
		{"description with line breaks", 400, asJSON, `{"error":"invalid_grant","error_description":"a\r\nlevel=INFO msg=forged"}`, 400, "invalid_response", "\nlevel=INFO msg=forged"},
		{"description huge", 400, asJSON, `{"error":"invalid_grant","error_description":"` + long + `"}`, 400, "invalid_response", long[:2000]},
		{"error huge", 400, asJSON, `{"error":"` + long + `"}`, 400, "invalid_response", long[:2000]},
		{"error of another type", 400, asJSON, `{"error":7}`, 503, "provider_unavailable", ""},
		{"error an array", 400, asJSON, `{"error":["invalid_grant"]}`, 503, "provider_unavailable", ""},
		{"error null", 400, asJSON, `{"error":null}`, 503, "provider_unavailable", ""},
		{"error empty", 400, asJSON, `{"error":""}`, 503, "provider_unavailable", ""},
		{"error null, with status 200", 200, asJSON, `{"error":null,"access_token":"a","id_token":"b"}`, 503, "provider_unavailable", ""},
		{"error twice", 400, asJSON, `{"error":"invalid_grant","error":"invalid_client"}`, 503, "provider_unavailable", ""},
		{"another type of content", 400, "text/html", `{"error":"invalid_grant"}`, 503, "provider_unavailable", ""},
		{"cut short", 400, asJSON, `{"error":"invalid_grant"`, 503, "provider_unavailable", ""},
		{"nothing", 400, asJSON, ``, 503, "provider_unavailable", ""},
		{"no content", 204, asJSON, ``, 503, "provider_unavailable", ""},
		{"too large", 400, asJSON, `{"error":"invalid_grant","x":"` + strings.Repeat("x", 1<<20) + `"}`, 503, "provider_unavailable", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			a.t = t
			a.op.ResetCalls()
			a.op.SetFaults(oidcrptest.Fault{Name: tt.name, Endpoint: oidcrptest.TokenEndpoint, Handler: func(w http.ResponseWriter, r *http.Request, _ http.Handler) {
				w.Header().Set("Content-Type", tt.kind)
				w.WriteHeader(tt.answer)
				w.Write([]byte(tt.body))
			}})
			a.refused(b.Get(a.URL+"/auth/login?return_to=/reports"), tt.status, tt.reason)
			a.calls(oidcrptest.TokenEndpoint, 1)
			a.calls(oidcrptest.UserInfoEndpoint, 0)
			unharmed(t)
			if tt.notInTheLog != "" && strings.Contains(a.log.String(), tt.notInTheLog) {
				t.Errorf("the log has %q", tt.notInTheLog)
			}
		})
	}
}
