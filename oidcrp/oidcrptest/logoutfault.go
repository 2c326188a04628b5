package oidcrptest

import (
	"maps"
	"net/url"
)

// Logout tokens. Those that fail as ID tokens can are made by
// [OnLogoutToken].
var (
	// LogoutUntyped has no "typ" logout+jwt. It is allowed (Back-Channel Logout 2.4).
	LogoutUntyped = logoutHeader("LogoutUntyped", "typ", nil)
	// SuiteLogoutToken is the certification suite's: no "typ", and a claim
	// nobody knows. It is allowed.
	SuiteLogoutToken = onLogoutToken("SuiteLogoutToken", func(t *JWT) {
		delete(t.Header, "typ")
		t.Claims["not_in_the_specification"] = "1"
	})
	// LogoutNoExpiry leaves "exp" out, as Ory Hydra and Glewlwyd do.
	LogoutNoExpiry = logoutClaim("LogoutNoExpiry", "exp", nil)
	// LogoutWrongAlgorithm signs rightly by a published key, but by ES256
	// instead of RS256, and by RS256 instead of any other.
	LogoutWrongAlgorithm = onLogoutToken("LogoutWrongAlgorithm", func(t *JWT) {
		if t.Header["alg"] == "RS256" {
			t.signBy("ES256")
		} else {
			t.signBy("RS256")
		}
	})
	// LogoutNoEvents leaves "events" out.
	LogoutNoEvents = logoutClaim("LogoutNoEvents", "events", nil)
	// LogoutWrongEvent has another event in place of the logout.
	LogoutWrongEvent = logoutClaim("LogoutWrongEvent", "events", map[string]any{"https://other.example/event": map[string]any{}})
	// LogoutWithNonce has a "nonce", which is forbidden.
	LogoutWithNonce = logoutClaim("LogoutWithNonce", "nonce", "a-nonce")
	// LogoutNoTokenID leaves "jti" out.
	LogoutNoTokenID = logoutClaim("LogoutNoTokenID", "jti", nil)
	// LogoutOfNobody leaves "sub" and "sid" out.
	LogoutOfNobody = onLogoutToken("LogoutOfNobody", func(t *JWT) {
		delete(t.Claims, "sub")
		delete(t.Claims, "sid")
	})
	// IDTokenAsLogoutToken has what an ID token has in its place: a nonce, no
	// "events", no "jti", no "typ".
	IDTokenAsLogoutToken = onLogoutToken("IDTokenAsLogoutToken", func(t *JWT) {
		delete(t.Header, "typ")
		delete(t.Claims, "events")
		delete(t.Claims, "jti")
		maps.Copy(t.Claims, map[string]any{"nonce": "a-nonce", "auth_time": t.Now.Unix(), "acr": defaultACR})
	})
)

// LogoutEvent gives the event of logout tokens this value in place of an empty
// object; nil is null.
func LogoutEvent(value any) Fault {
	return logoutClaim("LogoutEvent "+string(mustJSON(value)), "events", map[string]any{logoutEvent: value})
}

// LogoutClaim sets one claim of logout tokens; nil leaves it out, and
// json.RawMessage("null") is null.
func LogoutClaim(name string, value any) Fault {
	return logoutClaim("LogoutClaim "+name, name, value)
}

// LogoutHeader sets one header of logout tokens; nil leaves it out.
func LogoutHeader(name string, value any) Fault {
	return logoutHeader("LogoutHeader "+name, name, value)
}

// OnLogoutToken does to logout tokens what f does to ID tokens. A logout token
// must be refused that has any of [AlgNone], [WrongSignature], [UnknownKey],
// [HMACWithPublicKey], [WrongIssuer], [WrongAudience], [ExpiredToken],
// [OldIssuedAt], [FutureIssuedAt], [MissingIssuedAt] and [AccessTokenType]
// (Back-Channel Logout 2.6).
func OnLogoutToken(f Fault) Fault {
	return onLogoutToken("OnLogoutToken "+f.Name, func(t *JWT) { asIDToken(f, t) })
}

// FrontchannelParam sets one parameter of front-channel logouts, "iss" or
// "sid"; no value leaves it out, several send it so often.
func FrontchannelParam(name string, values ...string) Fault {
	return Fault{Name: "FrontchannelParam " + name, Frontchannel: func(params url.Values) {
		delete(params, name)
		if len(values) > 0 {
			params[name] = values
		}
	}}
}

// EndSessionHang never answers when a session is to be ended, and does not end
// it.
var EndSessionHang = hang("EndSessionHang", EndSessionEndpoint)

// EndSessionStatus answers with this status when a session is to be ended, and
// does not end it.
func EndSessionStatus(status int) Fault {
	return statusOnly("EndSessionStatus", EndSessionEndpoint, status)
}

func onLogoutToken(name string, f func(*JWT)) Fault { return Fault{Name: name, LogoutToken: f} }

func logoutClaim(name, claim string, value any) Fault {
	return onLogoutToken(name, func(t *JWT) { set(t.Claims, claim, value) })
}

func logoutHeader(name, field string, value any) Fault {
	return onLogoutToken(name, func(t *JWT) { set(t.Header, field, value) })
}
