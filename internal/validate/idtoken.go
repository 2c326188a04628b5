package validate

import (
	"crypto/subtle"
	"slices"
	"strings"
	"time"
	"unicode"
)

// farFuture is how far away an expiry may be before it is taken for a mistake
// of units or an attack on arithmetic (T045).
const farFuture = 10 * 365 * 24 * time.Hour

// Expect is what an ID token must agree with.
type Expect struct {
	Issuer     string
	Others     Issuers  // accepted too
	KeyIssuers []string // for which the key may sign, if its publisher says so and there are Others
	Answered   string   // iss of the response that brought the token; "" if it had none

	ClientID  string
	Audiences []string // trusted beside ClientID
	Nonce     string   // of this login; there is no login without one

	Now     time.Time
	Started time.Time     // when the login began; zero if that is not known
	Skew    time.Duration // how far two clocks may be apart, in both directions

	// Refreshed is the login whose tokens were refreshed, if that is how the
	// token came.
	Refreshed *Refreshed

	MaxAge    time.Duration // the max_age that was asked for, if HasMaxAge
	HasMaxAge bool
	ACR       []string // the token must carry one of these; nil asks for none

	// AccessToken, Code and State are what came with the token. Where at_hash,
	// c_hash and s_hash are present they must match; where required they must
	// be present.
	AccessToken, Code, State    string
	RequireATHash, RequireCHash bool
}

// Refreshed is what the ID token of a login said that one of a refresh must not
// contradict (Core 12.2).
type Refreshed struct {
	Issuer, Subject string
	AuthTime        time.Time // zero: it did not say
}

// IDToken is an ID token that passed every check. Times that were not stated
// are zero.
type IDToken struct {
	Issuer, Subject            string
	Audience                   []string
	Expiry, IssuedAt, AuthTime time.Time
	ACR, SID                   string
	AMR                        []string
	Claims                     Claims
	SessionExpiry              time.Time
}

// CheckIDToken validates an ID token's header and claims (Core 3.1.3.7),
// both as [SplitJWS] returned them, after the signature was verified.
func CheckIDToken(h Header, payload []byte, e Expect) (*IDToken, error) {
	t, err := checkIDToken(h, payload, e)
	if err != nil {
		return nil, inToken("id token", err)
	}
	return t, nil
}

func checkIDToken(h Header, payload []byte, e Expect) (*IDToken, error) {
	// at+jwt, logout+jwt and the rest are tokens of another kind, signed with
	// the same keys (RFC 8725 3.11).
	if h.Type != "" && !strings.EqualFold(h.Type, "JWT") {
		return nil, failed("typ", "not the type of an ID token")
	}
	c, err := Object(payload)
	if err != nil {
		return nil, err
	}
	// A logout token need not say what it is in typ; it always does so here
	// (Back-Channel Logout 2.4).
	if _, ok := c["events"]; ok {
		return nil, failed("events", "an event token, not an ID token")
	}
	for _, name := range decisive {
		if string(c[name]) == "null" {
			return nil, failed(name, "null")
		}
	}
	t := &IDToken{Claims: c}
	for _, check := range [...]func(*IDToken, Expect) error{
		checkIssuer, checkAudience, checkSubject, checkTimes, checkNonce, checkStrength, checkRefreshed,
	} {
		if err := check(t, e); err != nil {
			return nil, err
		}
	}
	if err := checkHash(c, "at_hash", h.Algorithm, e.AccessToken, e.RequireATHash); err != nil {
		return nil, err
	}
	if err := checkHash(c, "c_hash", h.Algorithm, e.Code, e.RequireCHash); err != nil {
		return nil, err
	}
	// FAPI 1.0 Advanced 5.2.3.
	if err := checkHash(c, "s_hash", h.Algorithm, e.State, false); err != nil {
		return nil, err
	}
	return t, t.readSession()
}

// decisive are the claims in which null is not taken for absence: to leave one
// out can pass a check that a value would fail.
var decisive = [...]string{"iss", "sub", "aud", "azp", "exp", "nbf", "iat", "nonce", "at_hash", "c_hash", "s_hash"}

func failed(check, detail string) error {
	return &Error{Token: "id token", Check: check, Detail: detail}
}

func checkIssuer(t *IDToken, e Expect) (err error) {
	t.Issuer, _, err = t.Claims.String("iss")
	if err != nil {
		return err
	}
	switch {
	case t.Issuer == "" || t.Issuer != e.Issuer && !e.Others.Accept(t.Issuer):
		return failed("iss", "not the issuer of this provider")
	case e.Answered != "" && t.Issuer != e.Answered:
		return failed("iss", "not the issuer that answered")
	case e.Others.None():
		return nil
	}
	return checkTenant(t, e)
}

func checkAudience(t *IDToken, e Expect) (err error) {
	t.Audience, _, err = t.Claims.Strings("aud")
	if err != nil {
		return err
	}
	if e.ClientID == "" || !slices.Contains(t.Audience, e.ClientID) {
		return failed("aud", "this client is not named")
	}
	others := false
	for _, a := range t.Audience {
		if a == e.ClientID {
			continue
		}
		others = true
		if a == "" || !slices.Contains(e.Audiences, a) {
			return failed("aud", "an audience that is not trusted is named too")
		}
	}
	azp, present, err := t.Claims.String("azp")
	if err != nil {
		return err
	}
	if present && azp != e.ClientID {
		return failed("azp", "issued to another client")
	}
	// azp may be absent when aud names this client alone (Core 3.1.3.7).
	if others && !present {
		return failed("azp", "missing from a token for several audiences")
	}
	return nil
}

// checkSubject holds sub to what can be a key everywhere: with blanks at the
// ends two subjects could be one in a database.
func checkSubject(t *IDToken, _ Expect) (err error) {
	t.Subject, _, err = t.Claims.String("sub")
	switch {
	case err != nil:
		return err
	case t.Subject == "":
		return failed("sub", "missing or empty")
	case len(t.Subject) > 255: // Core 2
		return failed("sub", "longer than 255 bytes")
	case strings.ContainsFunc(t.Subject, unicode.IsControl):
		return failed("sub", "contains control characters")
	case strings.TrimSpace(t.Subject) != t.Subject:
		return failed("sub", "blank, or begins or ends with white space")
	}
	return nil
}

// issuedAt is the iat of a token that must have one.
func issuedAt(c Claims, e Expect) (time.Time, error) {
	iat, present, err := c.Time("iat")
	switch {
	case err != nil:
		return time.Time{}, err
	case !present:
		return time.Time{}, failed("iat", "missing")
	case iat.After(e.Now.Add(e.Skew)):
		return time.Time{}, failed("iat", "in the future")
	}
	return iat, nil
}

func checkTimes(t *IDToken, e Expect) error {
	exp, present, err := t.Claims.Time("exp")
	switch {
	case err != nil:
		return err
	case !present:
		return failed("exp", "missing")
	case !e.Now.Before(exp.Add(e.Skew)):
		return failed("exp", "expired")
	case exp.After(e.Now.Add(farFuture)):
		return failed("exp", "more than ten years away")
	}
	iat, err := issuedAt(t.Claims, e)
	switch {
	case err != nil:
		return err
	// iat has whole seconds, our clock has not.
	case iat.Before(e.Started.Truncate(time.Second).Add(-e.Skew)):
		return failed("iat", "older than this login")
	}
	nbf, _, err := t.Claims.Time("nbf")
	switch {
	case err != nil:
		return err
	case nbf.After(e.Now.Add(e.Skew)):
		return failed("nbf", "in the future")
	}
	t.Expiry, t.IssuedAt = exp, iat
	return nil
}

func checkNonce(t *IDToken, e Expect) error {
	nonce, present, err := t.Claims.String("nonce")
	switch {
	case err != nil:
		return err
	case !present && e.Refreshed != nil:
		return nil // it answered no authorization request
	case !present:
		return failed("nonce", "missing")
	case e.Nonce == "" || subtle.ConstantTimeCompare([]byte(nonce), []byte(e.Nonce)) != 1:
		return failed("nonce", "does not match this login")
	}
	return nil
}

func checkStrength(t *IDToken, e Expect) error {
	authTime, present, err := t.Claims.Time("auth_time")
	switch {
	case err != nil:
		return err
	case authTime.After(e.Now.Add(e.Skew)):
		return failed("auth_time", "in the future")
	case e.HasMaxAge && !present:
		return failed("auth_time", "missing, though max_age was asked for")
	case e.HasMaxAge && authTime.Before(askedAt(e).Add(-e.MaxAge-e.Skew)):
		return failed("auth_time", "longer ago than max_age")
	}
	acr, _, err := t.Claims.String("acr")
	switch {
	case err != nil:
		return err
	case len(e.ACR) > 0 && (acr == "" || !slices.Contains(e.ACR, acr)):
		return failed("acr", "not one of those required")
	}
	t.AuthTime, t.ACR = authTime, acr
	return nil
}

// checkRefreshed: the token is about the same user, who signed in then and not
// again.
func checkRefreshed(t *IDToken, e Expect) error {
	was := e.Refreshed
	switch {
	case was == nil:
		return nil
	case t.Issuer != was.Issuer:
		return failed("iss", "not that of the login")
	case t.Subject != was.Subject:
		return failed("sub", "not that of the login")
	case !t.AuthTime.IsZero() && !was.AuthTime.IsZero() && !t.AuthTime.Equal(was.AuthTime):
		return failed("auth_time", "not that of the login")
	}
	return nil
}

// askedAt is the moment for which max_age was asked. Measured at the callback,
// max_age=0 would refuse everyone who reads the provider's consent page.
func askedAt(e Expect) time.Time {
	if e.Started.IsZero() {
		return e.Now
	}
	return e.Started.Truncate(time.Second)
}

func checkHash(c Claims, name, alg, value string, required bool) error {
	hash, present, err := c.String(name)
	switch {
	case err != nil:
		return err
	case required && (!present || value == ""):
		return failed(name, "missing")
	case !present || value == "":
		return nil
	}
	ok, err := HashMatches(alg, value, hash)
	switch {
	case err != nil:
		return err
	case !ok:
		return failed(name, "does not match what came with the token")
	}
	return nil
}

// readSession reads what a session keeps and no check depends on. A value of
// the wrong type is still refused: it was meant to end or to find the session.
func (t *IDToken) readSession() (err error) {
	if t.SID, _, err = t.Claims.String("sid"); err != nil {
		return err
	}
	if t.AMR, _, err = t.Claims.Strings("amr"); err != nil {
		return err
	}
	t.SessionExpiry, _, err = t.Claims.Time("session_expiry")
	return err
}
