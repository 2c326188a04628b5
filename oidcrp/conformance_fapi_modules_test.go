package oidcrp_test

import (
	"net/http"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// What a variant of a FAPI plan may be made of.
const (
	byDPoP        = "dpop" // access tokens are bound
	byMTLS        = "mtls"
	plainResponse = "plain_response"
	jarmResponse  = "jarm"
)

// A fapiModule is one of the suite's for FAPI 2.0.
type fapiModule struct {
	name   string // less fapiPrefix
	only   string // the variants that have it; "": all
	faults []oidcrptest.Fault

	// reason is why the login is refused; "": it succeeds. With response it is
	// the authorization response that is, so that nothing is redeemed.
	reason   string
	response bool

	noNonces bool             // for proofs; else they are wanted
	check    func(*fapiRun)   // after a login, what only this module asks for
	run      func(c *fapiRun) // in place of a login
}

// fapiPrefix begins the name of each, in both plans.
const fapiPrefix = "fapi2-security-profile-final-client-"

// sixMinutesAgo lets tokens have expired, by more than any clock may be wrong.
var sixMinutesAgo = oidcrptest.Fault{Name: "expired six minutes ago", IDToken: func(t *oidcrptest.IDToken) {
	t.Claims["exp"] = t.Now.Add(-6 * time.Minute).Unix()
}}

// onJARM is a fault of the response's JWT.
func onJARM(f oidcrptest.Fault) []oidcrptest.Fault { return one(oidcrptest.OnResponseJWT(f)) }

// fapiModules are those of the profile plain_fapi with OpenID Connect, in the
// suite's order.
var fapiModules = []fapiModule{
	{name: "test-happy-path"},
	{
		name:   "test-discovery-issuer-mismatch",
		faults: one(oidcrptest.Fault{Name: "another issuer", Metadata: func(m map[string]any) { m["issuer"] = m["issuer"].(string) + "INVALID" }}),
		run: func(c *fapiRun) {
			c.refused(c.b.Get(c.URL+"/reports"), http.StatusInternalServerError, "misconfigured")
			if err := c.ready(); err == nil {
				c.t.Error("ready")
			}
			for _, endpoint := range []string{oidcrptest.PAREndpoint, oidcrptest.AuthorizeEndpoint, oidcrptest.TokenEndpoint, oidcrptest.JWKSEndpoint} {
				c.calls(endpoint, 0)
			}
		},
	},
	{name: "test-invalid-iss", faults: one(oidcrptest.IDTokenSuffix("iss", "1")), reason: "iss"},
	{name: "test-invalid-aud", faults: one(oidcrptest.IDTokenSuffix("aud", "1")), reason: "aud"},
	{name: "test-invalid-secondary-aud", faults: one(oidcrptest.MissingAZP), reason: "aud"},
	{name: "test-invalid-null-alg", faults: one(oidcrptest.AlgNone), reason: "serialization"},
	{name: "test-invalid-alternate-alg", faults: one(oidcrptest.SignedByRS256), reason: "alg"},
	{name: "test-invalid-expired-exp", faults: one(sixMinutesAgo), reason: "exp"},
	{name: "test-invalid-missing-exp", faults: one(oidcrptest.MissingExpiry), reason: "exp"},
	{name: "test-invalid-missing-aud", faults: one(oidcrptest.MissingAudience), reason: "aud"},
	{name: "test-invalid-missing-iss", faults: one(oidcrptest.MissingIssuer), reason: "iss"},
	{name: "test-valid-aud-as-array", faults: one(oidcrptest.AudienceArray)},
	{name: "test-invalid-nonce", faults: one(oidcrptest.IDTokenSuffix("nonce", "1")), reason: "nonce"},
	{name: "test-invalid-missing-nonce", faults: one(oidcrptest.MissingNonce), reason: "nonce"},
	{name: "test-invalid-authorization-response-iss", only: plainResponse, faults: one(oidcrptest.ResponseSuffix("iss", "1")), reason: "iss", response: true},
	{name: "test-remove-authorization-response-iss", only: plainResponse, faults: one(oidcrptest.MissingResponseIssuer), reason: "iss", response: true},
	{name: "test-ensure-authorization-response-with-invalid-state-fails", faults: one(oidcrptest.ResponseSuffix("state", "1")), reason: "state", response: true},
	{name: "test-ensure-authorization-response-with-invalid-missing-state-fails", faults: one(oidcrptest.NoState), reason: "state", response: true},
	{name: "test-token-endpoint-response-without-expires_in", faults: one(oidcrptest.TokenField("expires_in", nil))},
	{name: "test-token-type-case-insensitivity", faults: one(oidcrptest.OddTokenType)},
	{name: "test-rs-dpop-auth-scheme-case-insensitivity", only: byDPoP, faults: one(oidcrptest.DPoPOddScheme)},
	{name: "test-happy-path-no-dpop-nonce", only: byDPoP, noNonces: true, check: func(c *fapiRun) {
		for _, endpoint := range []string{oidcrptest.TokenEndpoint, oidcrptest.UserInfoEndpoint} {
			if _, proof := c.jwt(c.suite.op.Requests(endpoint)[0].Header.Get("DPoP")); proof["nonce"] != nil {
				c.t.Errorf("%s: a nonce that nobody gave: %v", endpoint, proof)
			}
		}
	}},

	{name: "test-ensure-jarm-without-iss-fails", only: jarmResponse, faults: onJARM(oidcrptest.MissingIssuer), reason: "iss", response: true},
	{name: "test-ensure-jarm-with-invalid-iss-fails", only: jarmResponse, faults: onJARM(oidcrptest.IDTokenSuffix("iss", "1")), reason: "iss", response: true},
	{name: "test-ensure-jarm-without-aud-fails", only: jarmResponse, faults: onJARM(oidcrptest.MissingAudience), reason: "aud", response: true},
	{name: "test-ensure-jarm-with-invalid-aud-fails", only: jarmResponse, faults: onJARM(oidcrptest.IDTokenSuffix("aud", "1")), reason: "aud", response: true},
	{name: "test-ensure-jarm-without-exp-fails", only: jarmResponse, faults: onJARM(oidcrptest.MissingExpiry), reason: "exp", response: true},
	{name: "test-ensure-jarm-with-expired-exp-fails", only: jarmResponse, faults: onJARM(sixMinutesAgo), reason: "exp", response: true},
	{name: "test-ensure-jarm-with-invalid-sig-fails", only: jarmResponse, faults: onJARM(oidcrptest.ScrambledSignature), reason: "signature", response: true},
	{name: "test-ensure-jarm-signature-is-not-none", only: jarmResponse, faults: onJARM(oidcrptest.AlgNone), reason: "serialization", response: true},
}

// A fapiVariant is what a plan leaves to choose.
type fapiVariant struct {
	auth       string // "private_key_jwt" or byMTLS
	constraint string // byDPoP or byMTLS
	response   string // plainResponse or jarmResponse; the request is then signed; "": the plan has no choice
	count      int    // of modules, the suite's
}

func (v fapiVariant) String() string {
	return strings.TrimSuffix(v.auth+"+"+v.constraint+"+"+v.response, "+")
}

// modules are those that apply.
func (v fapiVariant) modules() []fapiModule {
	var all []fapiModule
	for _, m := range fapiModules {
		switch m.only {
		case "", v.constraint, v.response:
		case plainResponse:
			if v.response == jarmResponse {
				continue
			}
		default:
			continue
		}
		all = append(all, m)
	}
	return all
}

type fapiPlan struct {
	name     string
	variants []fapiVariant
}

var fapiPlans = []fapiPlan{
	{"fapi2-security-profile-final-client-test-plan", []fapiVariant{
		{"private_key_jwt", byDPoP, "", 22},
		{"private_key_jwt", byMTLS, "", 20},
		{byMTLS, byDPoP, "", 22},
		{byMTLS, byMTLS, "", 20},
	}},
	{"fapi2-message-signing-final-client-test-plan", []fapiVariant{
		{"private_key_jwt", byDPoP, plainResponse, 22},
		{"private_key_jwt", byDPoP, jarmResponse, 28},
		{"private_key_jwt", byMTLS, plainResponse, 20},
		{"private_key_jwt", byMTLS, jarmResponse, 26},
		{byMTLS, byDPoP, plainResponse, 22},
		{byMTLS, byDPoP, jarmResponse, 28},
		{byMTLS, byMTLS, plainResponse, 20},
		{byMTLS, byMTLS, jarmResponse, 26},
	}},
}
