package oidcrp_test

import (
	"slices"
	"strings"
)

// A plan lists the modules for each of its response types.
type plan struct {
	name  string
	mode  string // response mode; "": the default of the response type
	flows []planFlow

	dynamic bool // the client registers, and sends requests by reference
}

// module finds the one the plan has under a name.
func (p plan) module(name string) (module, bool) {
	if m, ok := dynamicModules[name]; ok && p.dynamic {
		return m, true
	}
	for _, all := range []map[string]module{modules, thirdPartyModules, refreshModules, comprehensiveModules, logoutModules} {
		if m, ok := all[name]; ok {
			return m, true
		}
	}
	return module{}, false
}

type planFlow struct {
	responseType string
	count        int // how many the suite has
	modules      []string
}

const (
	responseCode             = "code"
	responseIDToken          = "id_token"
	responseIDTokenToken     = "id_token token"
	responseCodeIDToken      = "code id_token"
	responseCodeToken        = "code token"
	responseCodeIDTokenToken = "code id_token token"
)

// The modules that most plans have, in the suite's order.
var (
	claimModules = []string{
		"oidcc-client-test",
		"oidcc-client-test-invalid-iss",
		"oidcc-client-test-missing-sub",
		"oidcc-client-test-invalid-aud",
		"oidcc-client-test-missing-iat",
		"oidcc-client-test-kid-absent-single-jwks",
		"oidcc-client-test-kid-absent-multiple-jwks",
	}
	codeHashModules   = []string{"oidcc-client-test-invalid-chash", "oidcc-client-test-missing-chash"}
	accessHashModules = []string{"oidcc-client-test-invalid-athash", "oidcc-client-test-missing-athash"}
	signatureModules  = []string{"oidcc-client-test-idtoken-sig-rs256", "oidcc-client-test-invalid-sig-rs256"}
	userInfoModules   = []string{"oidcc-client-test-userinfo-invalid-sub"}
	nonceModules      = []string{"oidcc-client-test-nonce-unless-code-flow", "oidcc-client-test-nonce-invalid", "oidcc-client-test-scope-userinfo-claims"}
	basicAuthModules  = []string{"oidcc-client-test-client-secret-basic"}
)

var (
	basicFlows = []planFlow{
		{responseCode, 14, slices.Concat(claimModules, signatureModules,
			[]string{"oidcc-client-test-idtoken-sig-none"}, userInfoModules, nonceModules[1:], basicAuthModules)},
	}
	implicitFlows = []planFlow{
		{responseIDToken, 12, slices.Concat(claimModules, signatureModules, nonceModules)},
		{responseIDTokenToken, 15, slices.Concat(claimModules, accessHashModules, signatureModules, userInfoModules, nonceModules)},
	}
	hybridFlows = []planFlow{
		{responseCodeIDToken, 16, slices.Concat(claimModules, codeHashModules, signatureModules, userInfoModules, nonceModules, basicAuthModules)},
		{responseCodeToken, 14, slices.Concat(claimModules, signatureModules, userInfoModules, nonceModules, basicAuthModules)},
		{responseCodeIDTokenToken, 18, slices.Concat(claimModules, codeHashModules, accessHashModules, signatureModules, userInfoModules, nonceModules, basicAuthModules)},
	}
	configFlows = []planFlow{
		{responseCode, 6, []string{
			"oidcc-client-test-discovery-openid-config",
			"oidcc-client-test-discovery-jwks-uri-keys",
			"oidcc-client-test-discovery-issuer-mismatch",
			"oidcc-client-test-idtoken-sig-none",
			"oidcc-client-test-signing-key-rotation-just-before-signing",
			"oidcc-client-test-signing-key-rotation",
		}},
	}
)

// everyCode has the same modules in each response type with a code.
func everyCode(modules ...string) []planFlow {
	return slices.DeleteFunc(everyFlow(modules...), func(f planFlow) bool { return !strings.Contains(f.responseType, "code") })
}

// everyFlow has the same modules in each response type.
func everyFlow(modules ...string) []planFlow {
	var flows []planFlow
	for _, responseType := range []string{responseCode, responseIDToken, responseIDTokenToken, responseCodeIDToken, responseCodeToken, responseCodeIDTokenToken} {
		flows = append(flows, planFlow{responseType, len(modules), modules})
	}
	return flows
}

var (
	rpInitiatedModules = []string{
		"oidcc-client-test-rp-init-logout",
		"oidcc-client-test-rp-init-logout-other-state",
		"oidcc-client-test-rp-init-logout-no-state",
	}
	sessionModules      = []string{"oidcc-client-test-session-management"}
	frontchannelModules = []string{"oidcc-client-test-rp-frontchannel-rpinitlogout"}
	backchannelModules  = []string{
		"oidcc-client-test-rp-backchannel-rpinitlogout",
		"oidcc-client-test-rp-backchannel-rpinitlogout-alg-none",
		"oidcc-client-test-rp-backchannel-rpinitlogout-no-event",
		"oidcc-client-test-rp-backchannel-rpinitlogout-with-nonce",
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-alg",
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-aud",
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-event",
		"oidcc-client-test-rp-backchannel-rpinitlogout-wrong-iss",
	}
)

// certified are the modules of a response type in a certification plan.
func certified(flows []planFlow, responseType string) []string {
	i := slices.IndexFunc(flows, func(f planFlow) bool { return f.responseType == responseType })
	return flows[i].modules
}

// logoutFlows has the same modules in each response type of other flows.
func logoutFlows(of []planFlow, modules []string) []planFlow {
	var flows []planFlow
	for _, f := range of {
		flows = append(flows, planFlow{f.responseType, len(modules), modules})
	}
	return flows
}

var (
	// onlyComprehensive are what the comprehensive plan has beside the modules
	// of the others, and some of the dynamic plan's with a client known before.
	onlyComprehensive = []string{
		"oidcc-client-test-missing-aud",
		"oidcc-client-test-form-post-error",
		"oidcc-client-test-invalid-sig-hs256",
		"oidcc-client-test-invalid-sig-es256",
		"oidcc-client-test-request-uri-signed-rs256",
		"oidcc-client-test-request-uri-signed-none",
	}
	userInfoComprehensive = []string{
		"oidcc-client-test-userinfo-bearer-header",
		"oidcc-client-test-userinfo-bearer-body",
		"oidcc-client-test-aggregated-claims",
		"oidcc-client-test-distributed-claims",
		"oidcc-client-test-userinfo-signed",
	}
	withUserInfo = slices.Concat(onlyComprehensive, userInfoComprehensive)
	withCode     = slices.Concat(withUserInfo, []string{"oidcc-client-test-mtls-endpoint-aliases"})
	// comprehensiveFlows have what the certification plans of the response type
	// have, too; the modules of clients that register are in the dynamic plan.
	comprehensiveFlows = []planFlow{
		{responseCode, 31, slices.Concat(certified(basicFlows, responseCode), configFlows[0].modules[:3], configFlows[0].modules[4:], withCode)},
		{responseIDToken, 18, slices.Concat(certified(implicitFlows, responseIDToken), onlyComprehensive)},
		{responseIDTokenToken, 26, slices.Concat(certified(implicitFlows, responseIDTokenToken), withUserInfo)},
		{responseCodeIDToken, 28, slices.Concat(certified(hybridFlows, responseCodeIDToken), withCode)},
		{responseCodeToken, 26, slices.Concat(certified(hybridFlows, responseCodeToken), withCode)},
		{responseCodeIDTokenToken, 30, slices.Concat(certified(hybridFlows, responseCodeIDTokenToken), withCode)},
	}
)

// plans are those of the certification programme, and the comprehensive one.
var plans = []plan{
	{name: "oidcc-client-basic-certification-test-plan", flows: basicFlows},
	{name: "oidcc-client-implicit-certification-test-plan", flows: implicitFlows},
	{name: "oidcc-client-hybrid-certification-test-plan", flows: hybridFlows},
	{name: "oidcc-client-formpost-basic-certification-test-plan", mode: "form_post", flows: basicFlows},
	{name: "oidcc-client-formpost-implicit-certification-test-plan", mode: "form_post", flows: implicitFlows},
	{name: "oidcc-client-formpost-hybrid-certification-test-plan", mode: "form_post", flows: hybridFlows},
	{name: "oidcc-client-config-certification-test-plan", flows: configFlows},
	{name: "oidcc-client-dynamic-certification-test-plan", flows: dynamicFlows, dynamic: true},
	{name: "oidcc-client-test-3rd-party-init-login-test-plan", flows: everyFlow("oidcc-client-test-3rd-party-init-login")},
	{name: "oidcc-client-refreshtoken-test-plan", flows: everyCode(
		"oidcc-client-test-refresh-token",
		"oidcc-client-test-refresh-token-invalid-issuer",
		"oidcc-client-test-refresh-token-invalid-sub",
	)},
	{name: "oidcc-client-test-plan", flows: comprehensiveFlows},
	{name: "oidcc-client-rp-initiated-logout-rp-basic", flows: logoutFlows(basicFlows, rpInitiatedModules)},
	{name: "oidcc-client-rp-initiated-logout-rp-hybrid", flows: logoutFlows(hybridFlows, rpInitiatedModules)},
	{name: "oidcc-client-rp-initiated-logout-rp-implicit", flows: logoutFlows(implicitFlows, rpInitiatedModules)},
	{name: "oidcc-client-rp-session-management-rp-basic", flows: logoutFlows(basicFlows, sessionModules)},
	{name: "oidcc-client-rp-session-management-rp-hybrid", flows: logoutFlows(hybridFlows, sessionModules)},
	{name: "oidcc-client-rp-session-management-rp-implicit", flows: logoutFlows(implicitFlows, sessionModules)},
	{name: "oidcc-client-front-channel-logout-rp-basic", flows: logoutFlows(basicFlows, frontchannelModules)},
	{name: "oidcc-client-front-channel-logout-rp-hybrid", flows: logoutFlows(hybridFlows, frontchannelModules)},
	{name: "oidcc-client-front-channel-logout-rp-implicit", flows: logoutFlows(implicitFlows, frontchannelModules)},
	{name: "oidcc-client-back-channel-logout-rp-basic", flows: logoutFlows(basicFlows, backchannelModules)},
	{name: "oidcc-client-back-channel-logout-rp-hybrid", flows: logoutFlows(hybridFlows, backchannelModules)},
	{name: "oidcc-client-back-channel-logout-rp-implicit", flows: logoutFlows(implicitFlows, backchannelModules)},
	{name: "oidcc-client-logout-test-plan", flows: everyFlow(slices.Concat(rpInitiatedModules, sessionModules, frontchannelModules,
		[]string{"oidcc-client-test-rp-frontchannel-opinitlogout"}, backchannelModules)...)},
}
