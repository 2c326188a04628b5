package validate

// CheckResponseToken validates the header and claims of an authorization
// response that is a JWT (JARM 2.4), both as [SplitJWS] returned them, after
// the signature was verified. Of e it takes Issuer, Others, KeyIssuers, ClientID,
// Now and Skew.
func CheckResponseToken(h Header, payload []byte, e Expect) error {
	return inToken("authorization response", checkResponseToken(h, payload, e))
}

func checkResponseToken(h Header, payload []byte, e Expect) error {
	c, err := plainJWT(h, payload)
	if err != nil {
		return err
	}
	iss, _, err := c.String("iss")
	if err != nil {
		return err
	}
	if e.Others.Accept(iss) {
		e.Issuer = iss
	}
	if err := checkFrom(c, e.Issuer, e.ClientID); err != nil {
		return err
	}
	tenant, _ := e.Others.tenant(iss)
	if err := checkKey(iss, tenant, e); err != nil {
		return err
	}
	if _, present, err := c.Time("exp"); err != nil || !present {
		return failed("exp", "missing or no time")
	}
	return checkWindow(c, e)
}
