package validate

import (
	"slices"
	"strings"
)

// CheckUserInfoToken validates the header and claims of a signed UserInfo
// response (Core 5.3.2), both as [SplitJWS] returned them, after the signature
// was verified. Of e it takes Issuer, ClientID, Now and Skew. The subject is
// for the caller to compare.
func CheckUserInfoToken(h Header, payload []byte, e Expect) (Claims, error) {
	c, err := checkUserInfoToken(h, payload, e)
	if err != nil {
		return nil, inToken("userinfo response", err)
	}
	return c, nil
}

func checkUserInfoToken(h Header, payload []byte, e Expect) (Claims, error) {
	c, err := plainJWT(h, payload)
	if err != nil {
		return nil, err
	}
	if err := checkFrom(c, e.Issuer, e.ClientID); err != nil {
		return nil, err
	}
	return c, checkWindow(c, e)
}

// plainJWT refuses the tokens of the same keys that are something else: an
// access or logout token is no statement about a user (RFC 8725 3.11).
func plainJWT(h Header, payload []byte) (Claims, error) {
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return nil, failed("typ", "not the type of such a token")
	}
	c, err := Object(payload)
	if err != nil {
		return nil, err
	}
	if _, ok := c["events"]; ok {
		return nil, failed("events", "an event token, not one about a user")
	}
	return c, nil
}

// checkFrom requires the issuer and, among the audiences, this client.
func checkFrom(c Claims, issuer, clientID string) error {
	iss, _, err := c.String("iss")
	if err != nil {
		return err
	}
	if iss == "" || iss != issuer {
		return failed("iss", "not the issuer of this provider")
	}
	aud, _, err := c.Strings("aud")
	if err != nil {
		return err
	}
	if clientID == "" || !slices.Contains(aud, clientID) {
		return failed("aud", "this client is not named")
	}
	return nil
}

// checkWindow holds exp and nbf, where they are stated, against the clock.
func checkWindow(c Claims, e Expect) error {
	exp, present, err := c.Time("exp")
	switch {
	case err != nil:
		return err
	case present && !e.Now.Before(exp.Add(e.Skew)):
		return failed("exp", "expired")
	}
	nbf, _, err := c.Time("nbf")
	switch {
	case err != nil:
		return err
	case nbf.After(e.Now.Add(e.Skew)):
		return failed("nbf", "in the future")
	}
	return nil
}

// CheckClaimsToken validates the header and claims of a token of aggregated or
// distributed claims (Core 5.6.2), both as [SplitJWS] returned them, after the
// signature was verified. Of e it takes Issuer, ClientID, Now and Skew. What
// such a token must say is not specified, so what it says must be right: a
// missing iss is refused only where issRequired.
func CheckClaimsToken(h Header, payload []byte, e Expect, issRequired bool) (Claims, error) {
	c, err := checkClaimsToken(h, payload, e, issRequired)
	if err != nil {
		return nil, inToken("claims token", err)
	}
	return c, nil
}

func checkClaimsToken(h Header, payload []byte, e Expect, issRequired bool) (Claims, error) {
	c, err := plainJWT(h, payload)
	if err != nil {
		return nil, err
	}
	iss, present, err := c.String("iss")
	switch {
	case err != nil:
		return nil, err
	case present && iss != e.Issuer, issRequired && !present:
		return nil, failed("iss", "not the issuer of this source")
	}
	aud, present, err := c.Strings("aud")
	switch {
	case err != nil:
		return nil, err
	case present && !slices.Contains(aud, e.ClientID):
		return nil, failed("aud", "this client is not named")
	}
	return c, checkWindow(c, e)
}
