package validate

import (
	"strings"
	"time"
)

// LogoutToken is a logout token that passed every check. Subject or SID may be
// empty, not both.
type LogoutToken struct {
	Issuer, Subject, SID string
	IssuedAt             time.Time
}

// logoutEvent is the event a logout token tells of (Back-Channel Logout 2.4).
const logoutEvent = "http://schemas.openid.net/event/backchannel-logout"

// A logout token is sent at once. One that was issued earlier is a replay, or
// was held up for so long that the user may have signed in anew. Without exp
// nothing else bounds its life, so that it has to be younger.
const (
	maxLogoutAge        = time.Hour
	maxLogoutAgeNoExp   = 2 * time.Minute // as long as tokens should live (Back-Channel Logout 2.4)
	maxLogoutTokenClaim = 1 << 10         // bytes of sub or sid
)

// CheckLogoutToken validates the header and claims of a logout token
// (Back-Channel Logout 2.6), both as [SplitJWS] returned them, after the
// signature was verified. Of e it takes what tells provider, client and time.
// expRequired is false where the operator knows that the provider sends none.
func CheckLogoutToken(h Header, payload []byte, e Expect, expRequired bool) (*LogoutToken, error) {
	t, err := checkLogoutToken(h, payload, e, expRequired)
	if err != nil {
		return nil, inToken("logout token", err)
	}
	return t, nil
}

func checkLogoutToken(h Header, payload []byte, e Expect, expRequired bool) (*LogoutToken, error) {
	// Most providers do not say logout+jwt, and may not have to (Back-Channel
	// Logout 2.4); the events claim tells it from an ID token.
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") && !strings.EqualFold(h.Type, "logout+jwt") {
		return nil, failed("typ", "not the type of a logout token")
	}
	c, err := Object(payload)
	if err != nil {
		return nil, err
	}
	if err := checkLogoutEvent(c); err != nil {
		return nil, err
	}
	// An ID token must never pass for this, whatever else it says.
	if _, ok := c["nonce"]; ok {
		return nil, failed("nonce", "present, as in an ID token")
	}
	as := &IDToken{Claims: c}
	if err := checkIssuer(as, e); err != nil {
		return nil, err
	}
	if err := checkAudience(as, e); err != nil {
		return nil, err
	}
	t := &LogoutToken{Issuer: as.Issuer}
	if err := t.readTimes(c, e, expRequired); err != nil {
		return nil, err
	}
	jti, _, err := c.String("jti")
	switch {
	case err != nil:
		return nil, err
	case jti == "":
		return nil, failed("jti", "missing or empty")
	}
	return t, t.readWho(c)
}

func checkLogoutEvent(c Claims) error {
	raw, ok := c.value("events")
	if !ok {
		return failed("events", "missing")
	}
	events, err := Object(raw)
	if err != nil {
		return failed("events", "not an object")
	}
	event, ok := events.value(logoutEvent)
	if !ok {
		return failed("events", "not about a logout")
	}
	if _, err := Object(event); err != nil {
		return failed("events", "the logout is not an object")
	}
	return nil
}

func (t *LogoutToken) readTimes(c Claims, e Expect, expRequired bool) error {
	if err := checkWindow(c, e); err != nil {
		return err
	}
	exp, hasExp, err := c.Time("exp")
	switch {
	case err != nil:
		return err
	case !hasExp && (expRequired || c["exp"] != nil): // null is not how to leave it out
		return failed("exp", "missing")
	case exp.After(e.Now.Add(farFuture)):
		return failed("exp", "more than ten years away")
	}
	oldest := maxLogoutAge
	if !hasExp {
		oldest = maxLogoutAgeNoExp
	}
	iat, err := issuedAt(c, e)
	switch {
	case err != nil:
		return err
	case iat.Before(e.Now.Add(-oldest - e.Skew)):
		return failed("iat", "too long ago")
	}
	t.IssuedAt = iat
	return nil
}

// readWho reads whose sessions end. Each of sub and sid may be left out, but
// not said to be nothing.
func (t *LogoutToken) readWho(c Claims) error {
	for _, who := range []struct {
		name string
		to   *string
	}{{"sub", &t.Subject}, {"sid", &t.SID}} {
		value, _, err := c.String(who.name)
		if err != nil {
			return err
		}
		if _, there := c[who.name]; there && (value == "" || len(value) > maxLogoutTokenClaim) {
			return failed(who.name, "empty or too long")
		}
		*who.to = value
	}
	if t.Subject == "" && t.SID == "" {
		return failed("sub", "missing, and sid too")
	}
	return nil
}
