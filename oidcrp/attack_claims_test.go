package oidcrp_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// claimed sets a claim of ID tokens to a JSON text.
func claimed(name, text string) oidcrptest.Fault {
	return oidcrptest.IDTokenClaim(name, json.RawMessage(text))
}

// onClaims changes the claims of ID tokens.
func onClaims(change func(claims map[string]any)) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "claims", IDToken: func(t *oidcrptest.IDToken) { change(t.Claims) }}
}

// timed sets a time to so many seconds from now.
func timed(name string, seconds float64) oidcrptest.Fault {
	return oidcrptest.Fault{Name: name, IDToken: func(t *oidcrptest.IDToken) { t.Claims[name] = float64(t.Now.Unix()) + seconds }}
}

// rewritten changes the JSON of the claims.
func rewritten(change func(string) string) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "rewritten", IDToken: func(t *oidcrptest.IDToken) {
		t.Rewrite = func(b []byte) []byte { return []byte(change(string(b))) }
	}}
}

// withMember adds a member's text in front of the others, or behind them.
func withMember(text string, behind bool) oidcrptest.Fault {
	return rewritten(func(s string) string {
		if behind {
			return s[:len(s)-1] + "," + text + "}"
		}
		return "{" + text + "," + s[1:]
	})
}

func trusts(audiences ...string) func(*oidcrp.Config) {
	return func(c *oidcrp.Config) { c.Providers[0].Audiences = audiences }
}

// onIssuer changes the issuer of ID tokens.
func onIssuer(change func(string) any) oidcrptest.Fault {
	return onClaims(func(c map[string]any) { c["iss"] = change(c["iss"].(string)) })
}

var issForgeries = []forgery{
	{"missing", "iss", oidcrptest.MissingIssuer},
	{"empty", "iss", claimed("iss", `""`)},
	{"null", "iss", claimed("iss", "null")},
	{"another", "iss", oidcrptest.WrongIssuer},
	{"a slash more", "iss", oidcrptest.IssuerWithSlash},
	{"another case", "iss", onIssuer(func(s string) any { return strings.ToUpper(s) })},
	{"another scheme", "iss", onIssuer(func(s string) any { return strings.Replace(s, "http:", "https:", 1) })},
	{"another name of the host", "iss", onIssuer(func(s string) any { return strings.Replace(s, "127.0.0.1", "localhost", 1) })},
	{"the issuer and more", "iss", onIssuer(func(s string) any { return s + ".evil.example" })},
	{"a part of it", "iss", onIssuer(func(s string) any { return s[:len(s)-1] })},
	{"a blank behind", "iss", onIssuer(func(s string) any { return s + " " })},
	{"an escape", "iss", onIssuer(func(s string) any { return strings.Replace(s, "127", "%3127", 1) })},
	{"an array", "iss", onIssuer(func(s string) any { return []string{s} })},
	{"an object", "iss", onIssuer(func(s string) any { return map[string]any{"iss": s} })},
	{"a number", "iss", claimed("iss", "7")},
}

// onAudience changes whom ID tokens are for.
func onAudience(change func(client string) any) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "audience", IDToken: func(t *oidcrptest.IDToken) { t.Claims["aud"] = change(t.Client.ID) }}
}

var audForgeries = []forgery{
	{"missing", "aud", oidcrptest.MissingAudience},
	{"null", "aud", claimed("aud", "null")},
	{"another", "aud", oidcrptest.WrongAudience},
	{"empty", "aud", claimed("aud", `""`)},
	{"an empty array", "aud", claimed("aud", "[]")},
	{"an array with nothing", "aud", claimed("aud", `[""]`)},
	{"the client in an array", "", oidcrptest.AudienceArray},
	{"the client twice", "", onAudience(func(id string) any { return []string{id, id} })},
	{"the client and one that is not trusted", "aud", oidcrptest.ExtraAudience},
	{"the same without azp", "aud", oidcrptest.MissingAZP},
	{"the client and null", "aud", onAudience(func(id string) any { return []any{id, nil} })},
	{"the client and a number", "aud", onAudience(func(id string) any { return []any{id, 7} })},
	{"the client in an array in an array", "aud", onAudience(func(id string) any { return [][]string{{id}} })},
	{"an object with it", "aud", onAudience(func(id string) any { return map[string]any{id: true} })},
	{"another case", "aud", onAudience(func(id string) any { return strings.ToUpper(id) })},
	{"with more behind", "aud", onAudience(func(id string) any { return id + "x" })},
	{"several in one text", "aud", onAudience(func(id string) any { return id + " api" })},
}

// audienceAZP says for whom ID tokens are, and to whom they were issued; CLIENT is
// the client.
func audienceAZP(azp any, aud ...string) oidcrptest.Fault {
	return oidcrptest.Fault{Name: "azp", IDToken: func(t *oidcrptest.IDToken) {
		all := []string{}
		for _, a := range aud {
			all = append(all, strings.ReplaceAll(a, "CLIENT", t.Client.ID))
		}
		t.Claims["aud"], t.Claims["azp"] = all, azp
		switch azp {
		case nil:
			delete(t.Claims, "azp")
		case "CLIENT":
			t.Claims["azp"] = t.Client.ID
		}
	}}
}

// The audience api is trusted here.
var azpForgeries = []forgery{
	{"a trusted audience", "", audienceAZP("CLIENT", "CLIENT", "api")},
	{"a trusted audience alone", "aud", audienceAZP("CLIENT", "api")},
	{"one of several is not trusted", "aud", audienceAZP("CLIENT", "CLIENT", "api", "x")},
	{"several audiences and no azp", "azp", audienceAZP(nil, "CLIENT", "api")},
	{"several audiences and azp null", "azp", audienceAZP(json.RawMessage("null"), "CLIENT", "api")},
	{"issued to the other audience", "azp", audienceAZP("api", "CLIENT", "api")},
	{"issued to another client", "azp", oidcrptest.WrongAZP},
	{"issued to nobody", "azp", audienceAZP("", "CLIENT")},
	{"issued to an array", "azp", audienceAZP([]string{"CLIENT"}, "CLIENT")},
	{"issued to the client", "", audienceAZP("CLIENT", "CLIENT")},
}

func noClientID(t *testing.T) {
	for _, id := range []string{"", " "} {
		_, err := oidcrp.New(oidcrp.Config{BaseURL: "http://localhost:3000", CookieKeys: [][]byte{key(1)}, Logger: quiet,
			Providers: []oidcrp.Provider{{Issuer: "https://op.example", ClientID: id, ClientSecret: "a secret"}}})
		if err == nil || !strings.Contains(err.Error(), "ClientID") {
			t.Errorf("%q: %v", id, err)
		}
	}
}

// Clocks may be a minute apart.
var expForgeries = []forgery{
	{"missing", "exp", oidcrptest.MissingExpiry},
	{"null", "exp", claimed("exp", "null")},
	{"past by less than the skew", "", timed("exp", -59)},
	{"past by the skew", "exp", timed("exp", -60)},
	{"past by more", "exp", timed("exp", -61)},
	{"fractional", "", timed("exp", 100.5)},
	{"fractional and past", "exp", timed("exp", -60.5)},
	{"with an exponent", "", onClaims(func(c map[string]any) { c["exp"] = json.RawMessage(fmt.Sprint(c["exp"], "e0")) })},
	{"a string", "exp", onClaims(func(c map[string]any) { c["exp"] = "4102444800" })},
	{"zero", "exp", claimed("exp", "0")},
	{"negative", "exp", claimed("exp", "-1")},
	{"minus zero", "exp", claimed("exp", "-0")},
	{"1e300", "exp", claimed("exp", "1e300")},
	{"-1e300", "exp", claimed("exp", "-1e300")},
	{"1e400", "json", claimed("exp", "1e400")},
	{"1e18", "exp", claimed("exp", "1e18")},
	{"the largest integer", "exp", claimed("exp", "9223372036854775807")},
	{"one more", "exp", claimed("exp", "9223372036854775808")},
	{"in milliseconds", "exp", onClaims(func(c map[string]any) { c["exp"] = c["exp"].(int64) * 1000 })},
	{"the year 2500", "exp", claimed("exp", "16725225600")},
	{"the year 10000", "exp", claimed("exp", "253402300800")},
	{"an array", "exp", claimed("exp", "[4102444800]")},
	{"true", "exp", claimed("exp", "true")},
}

var iatForgeries = []forgery{
	{"iat missing", "iat", oidcrptest.MissingIssuedAt},
	{"iat null", "iat", claimed("iat", "null")},
	{"iat in the future within the skew", "", timed("iat", 59)},
	{"iat in the future beyond it", "iat", timed("iat", 62)},
	{"iat tomorrow", "iat", timed("iat", 24*3600)},
	{"iat before the login within the skew", "", timed("iat", -60)},
	{"iat before the login beyond it", "iat", timed("iat", -61)},
	{"iat a year ago", "iat", timed("iat", -365*24*3600)},
	{"iat zero", "iat", claimed("iat", "0")},
	{"iat 1e300", "iat", claimed("iat", "1e300")},
	{"iat a string", "iat", onClaims(func(c map[string]any) { c["iat"] = "1700000000" })},
	{"nbf now", "", timed("nbf", 0)},
	{"nbf in the future within the skew", "", timed("nbf", 59)},
	{"nbf in the future beyond it", "nbf", timed("nbf", 62)},
	{"nbf 1e300", "nbf", claimed("nbf", "1e300")},
	{"nbf a string", "nbf", claimed("nbf", `"0"`)},
	{"nbf null", "nbf", claimed("nbf", "null")},
}

var subForgeries = []forgery{
	{"missing", "sub", oidcrptest.MissingSubject},
	{"empty", "sub", oidcrptest.EmptySubject},
	{"null", "sub", claimed("sub", "null")},
	{"blanks", "sub", claimed("sub", `"   "`)},
	{"a blank behind", "sub", oidcrptest.IDTokenSuffix("sub", " ")},
	{"a blank in front", "sub", claimed("sub", `" alice"`)},
	{"a no-break space behind", "sub", oidcrptest.IDTokenSuffix("sub", "\u00a0")},
	{"a number", "sub", claimed("sub", "7")},
	{"true", "sub", claimed("sub", "true")},
	{"an array", "sub", claimed("sub", `["alice"]`)},
	{"an object", "sub", claimed("sub", `{"sub":"alice"}`)},
	{"256 characters", "sub", claimed("sub", `"`+strings.Repeat("x", 256)+`"`)},
	{"a line break", "sub", claimed("sub", `"alice\nbob"`)},
	{"NUL", "sub", claimed("sub", `"alice\u0000"`)},
	{"DEL", "sub", claimed("sub", `"alice\u007f"`)},
	{"a control character of Latin-1", "sub", claimed("sub", `"alice\u0085x"`)},
}

var kindForgeries = []forgery{
	{"access token", "typ", oidcrptest.AccessTokenType},
	{"access token by media type", "typ", oidcrptest.IDTokenHeader("typ", "application/at+jwt")},
	{"logout token", "typ", oidcrptest.LogoutTokenAsIDToken},
	{"logout token that does not say so", "events", oidcrptest.Fault{Name: "untyped", IDToken: func(t *oidcrptest.IDToken) {
		oidcrptest.LogoutTokenAsIDToken.IDToken(t)
		delete(t.Header, "typ")
	}}},
	{"events", "events", oidcrptest.EventsInIDToken},
	{"no events", "events", claimed("events", "{}")},
	{"events null", "events", claimed("events", "null")},
	{"security event", "typ", oidcrptest.IDTokenHeader("typ", "secevent+jwt")},
	{"proof of possession", "typ", oidcrptest.IDTokenHeader("typ", "dpop+jwt")},
	{"request object", "typ", oidcrptest.IDTokenHeader("typ", "oauth-authz-req+jwt")},
	{"a type that is no text", "typ", oidcrptest.IDTokenHeader("typ", []string{"JWT"})},
	{"another spelling of the right one", "", oidcrptest.IDTokenHeader("typ", "jwt")},
}

var jsonForgeries = []forgery{
	{"SUB behind", "json", withMember(`"SUB":"mallory"`, true)},
	{"Sub in front", "json", withMember(`"Sub":"mallory"`, false)},
	{"sub with a long s", "json", withMember(`"\u017fub":"mallory"`, true)},
	{"ISS", "json", withMember(`"ISS":"https://evil.example"`, false)},
	{"ſub and no sub", "json", rewritten(func(s string) string { return strings.Replace(s, `"sub"`, `"ſub"`, 1) })},
	{"SUB and no sub", "json", rewritten(func(s string) string { return strings.Replace(s, `"sub"`, `"SUB"`, 1) })},
	{"sub twice, another's first", "json", withMember(`"sub":"mallory"`, false)},
	{"sub twice, another's last", "json", withMember(`"sub":"mallory"`, true)},
	{"sub twice, escaped", "json", withMember(`"\u0073ub":"mallory"`, true)},
	{"iss twice", "json", withMember(`"iss":"https://evil.example"`, false)},
	{"aud twice", "json", withMember(`"aud":"another"`, false)},
	{"nonce twice", "json", withMember(`"nonce":"x"`, false)},
	{"a name twice, deep inside", "json", withMember(`"x":{"a":1,"a":2}`, true)},
	{"Email_Verified", "json", withMember(`"Email_Verified":true`, true)},
	{"EMAIL", "json", withMember(`"EMAIL":"mallory@example.com"`, true)},
	{"another object behind", "json", oidcrptest.TrailingBytes},
	{"text behind", "json", rewritten(func(s string) string { return s + "x" })},
	{"a NUL behind", "json", rewritten(func(s string) string { return s + "\x00" })},
	{"byte order mark", "json", rewritten(func(s string) string { return "\ufeff" + s })},
	{"invalid UTF-8", "json", withMember("\"x\":\"\xff\"", true)},
	{"invalid UTF-8 in a name", "json", withMember("\"su\xff\":1", true)},
	{"half a surrogate pair", "json", withMember(`"x":"\ud800"`, true)},
	{"a comma too many", "json", rewritten(func(s string) string { return s[:len(s)-1] + ",}" })},
	{"a comment", "json", rewritten(func(s string) string { return "/* */" + s })},
	{"single quotes", "json", rewritten(func(s string) string { return strings.ReplaceAll(s, `"`, "'") })},
	{"NaN", "json", withMember(`"x":NaN`, true)},
	{"an array", "json", rewritten(func(s string) string { return "[" + s + "]" })},
	{"white space around", "", rewritten(func(s string) string { return " \n" + s + "\t" })},
}

// strengthOfLogins: what the settings require of each login at the provider.
func strengthOfLogins(t *testing.T) {
	t.Run("acr", forged(tokenTrial{settings: func(c *oidcrp.Config) {
		c.Providers[0].ACRValues, c.Providers[0].RequireACR = []string{strong, "other"}, true
	}},
		forgery{"lower", "acr", oidcrptest.WrongACR},
		forgery{"missing", "acr", oidcrptest.MissingACR},
		forgery{"empty", "acr", claimed("acr", `""`)},
		forgery{"an array with it", "acr", oidcrptest.IDTokenClaim("acr", []string{strong})},
		forgery{"in another case", "acr", oidcrptest.IDTokenClaim("acr", strings.ToUpper(strong))},
		forgery{"the other that was asked for", "", oidcrptest.IDTokenClaim("acr", "other")}))
	t.Run("max_age", forged(tokenTrial{settings: func(c *oidcrp.Config) { c.Providers[0].MaxAge = time.Hour }},
		forgery{"old", "auth_time", oidcrptest.StaleAuthTime},
		forgery{"older than the skew", "auth_time", timed("auth_time", -3661)},
		forgery{"within the skew", "", timed("auth_time", -3659)},
		forgery{"missing", "auth_time", oidcrptest.MissingAuthTime},
		forgery{"null", "auth_time", claimed("auth_time", "null")},
		forgery{"a string", "auth_time", claimed("auth_time", `"4102444800"`)},
		forgery{"in the future", "auth_time", timed("auth_time", 3600)}))
}
