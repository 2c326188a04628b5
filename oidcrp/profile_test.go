package oidcrp_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// An ordinary provider is told apart from one of the profile before anything
// is sent to it, and all it lacks is named at once.
func TestFAPI2AtAnOrdinaryProvider(t *testing.T) {
	s := newFAPISuite(t, fapiVariant{auth: "private_key_jwt", constraint: byDPoP})
	s.op.SetFaults(oidcrptest.NoPAR, oidcrptest.NoResponseIssuer, oidcrptest.OnlyRS256, oidcrptest.MetadataPlainPKCE,
		oidcrptest.MetadataField("dpop_signing_alg_values_supported", nil),
		oidcrptest.MetadataField("token_endpoint_auth_methods_supported", []string{"client_secret_basic"}))
	a := newTLSApp(t, s.op, func(c *oidcrp.Config) { s.settings(&c.Providers[0]) })
	a.refused(a.browse().Get(a.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
	err := a.rp.Ready(t.Context())
	if err == nil {
		t.Fatal("ready")
	}
	for _, text := range []string{err.Error(), a.log.String()} {
		for _, want := range []string{
			"pushed_authorization_request_endpoint", "authorization_response_iss_parameter_supported", "id_token_signing_alg_values_supported",
			"code_challenge_methods_supported", "dpop_signing_alg_values_supported", "private_key_jwt in token_endpoint_auth_methods_supported",
		} {
			if !strings.Contains(text, want) {
				t.Errorf("%s is not named in %s", want, text)
			}
		}
	}
	for _, endpoint := range []string{oidcrptest.PAREndpoint, oidcrptest.AuthorizeEndpoint, oidcrptest.TokenEndpoint} {
		a.calls(endpoint, 0)
	}
}

// A provider of the profile that does not do as it says is refused.
func TestFAPI2Faults(t *testing.T) {
	dpop := fapiVariant{auth: "private_key_jwt", constraint: byDPoP}
	mtls := fapiVariant{auth: "private_key_jwt", constraint: byMTLS}
	for _, tt := range []struct {
		name     string
		v        fapiVariant
		fault    oidcrptest.Fault
		status   int
		reason   string
		redeemed int
	}{
		{"a token that is not bound to the key", dpop, oidcrptest.TokenField("token_type", "Bearer"), 400, "token_type", 1},
		{"a token bound to a key we do not have", mtls, oidcrptest.TokenField("token_type", "DPoP"), 400, "token_type", 1},
		{"an error without iss", dpop, oidcrptest.Fault{Name: "an error without iss", Response: func(r *oidcrptest.Response) {
			r.Params.Del("iss")
			r.Params.Del("code")
			r.Params.Set("error", "access_denied")
		}}, 400, "iss", 0},
		{"an ID token beside the code", dpop, oidcrptest.TokensInResponse, 400, "response_type", 0},
		{"a pushed request that is refused", dpop, oidcrptest.PARError("invalid_request"), 500, "misconfigured", 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			s := newFAPISuite(t, tt.v)
			s.op.SetFaults(s.shape(), tt.fault)
			a := newTLSApp(t, s.op, func(c *oidcrp.Config) { s.settings(&c.Providers[0]) })
			s.op.AddClient(s.client(a))
			a.refused(a.browse().Get(a.URL+"/reports"), tt.status, tt.reason)
			a.calls(oidcrptest.TokenEndpoint, tt.redeemed)
			a.calls(oidcrptest.UserInfoEndpoint, 0)
		})
	}
}

// Other providers of the application go on as they are.
func TestFAPI2BesideAnotherProvider(t *testing.T) {
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, oidcrp.Provider{
			Name: "bank", Issuer: "https://login.bank.example", ClientID: "app", Profile: oidcrp.FAPI2, DPoP: true,
			ClientKeys: []oidcrp.ClientKey{{Key: newKey(t)}},
		})
	})
	a.shows(a.browse().Get(a.URL+"/auth/login?provider=test&return_to=/reports"), "reports for alice")
}
