package validate

import (
	"slices"
	"strings"
)

// CheckUserInfoToken validates the header and claims of a signed UserInfo
// response (Core 5.3.2), both as [SplitJWS] returned them, after the signature
// was verified. Of e it takes Issuer, ClientID, Now and Skew. The subject is
// for the caller to compare.
func CheckUserInfoToken(header, payload []byte, e Expect) (Claims, error) {
	c, err := checkUserInfoToken(header, payload, e)
	if err != nil {
		return nil, inToken("userinfo response", err)
	}
	return c, nil
}

func checkUserInfoToken(header, payload []byte, e Expect) (Claims, error) {
	h, err := parseHeader(header)
	if err != nil {
		return nil, err
	}
	// An access or logout token of the same keys is no UserInfo (RFC 8725 3.11).
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return nil, failed("typ", "not the type of a UserInfo response")
	}
	c, err := Object(payload)
	if err != nil {
		return nil, err
	}
	if _, ok := c["events"]; ok {
		return nil, failed("events", "an event token, not a UserInfo response")
	}
	if err := checkFrom(c, e.Issuer, e.ClientID); err != nil {
		return nil, err
	}
	return c, checkWindow(c, e)
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
	nbf, present, err := c.Time("nbf")
	switch {
	case err != nil:
		return err
	case present && nbf.After(e.Now.Add(e.Skew)):
		return failed("nbf", "in the future")
	}
	return nil
}
