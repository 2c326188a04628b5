package provider

import (
	"context"
	"errors"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// MaxLogoutToken is how long a logout token may be.
const MaxLogoutToken = 32 << 10

// LogoutToken verifies a token by which the provider ends sessions (Back-Channel
// Logout 2.6). It may be encrypted as ID tokens are (2.4). Anybody can send one,
// so that it is worth no more than the strangers' share of key fetches, and waits
// its turn to be decrypted.
func (p *Provider) LogoutToken(ctx context.Context, raw string) (*validate.LogoutToken, error) {
	if len(p.decryptionKeys) == 0 || !isJWE(raw) {
		return p.signedLogoutToken(ctx, raw)
	}
	plain, err := p.decryptInTurn(ctx, raw)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	return p.signedLogoutToken(ctx, string(plain))
}

// maxDecrypting bounds how many tokens of anybody's our private keys work on at
// once, and decryptWait how long one waits for that. What a token is worth is
// known only afterwards. To count those that were worth nothing, and then to take
// no more, would let a few of them a second keep the provider's out: so none is
// refused before its turn, and who wants to hold it up has to send more than the
// machine can decrypt.
const (
	maxDecrypting = 16
	decryptWait   = 3 * time.Second
)

var errManyDecrypting = errors.New("more encrypted tokens come than can be decrypted")

// decryptInTurn decrypts what anybody may have sent.
func (p *Provider) decryptInTurn(ctx context.Context, raw string) ([]byte, error) {
	waiting, cancel := context.WithTimeout(ctx, decryptWait)
	defer cancel()
	select {
	case p.decrypting <- struct{}{}:
		defer func() { <-p.decrypting }()
	case <-waiting.Done():
		return nil, &Unavailable{What: logoutToken, Err: errManyDecrypting}
	}
	return p.decrypt(ctx, raw, MaxLogoutToken)
}

func (p *Provider) signedLogoutToken(ctx context.Context, raw string) (*validate.LogoutToken, error) {
	jws, err := validate.SplitJWS(raw, MaxLogoutToken)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	m, err := p.recognized(ctx)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	e := p.expect(m, Expected{}, "", "")
	payload, issuers, err := p.verify(ctx, m, jws, m.algorithms, true)
	e.KeyIssuers = issuers
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	check := func(clientID string) (*validate.LogoutToken, error) {
		e.ClientID = clientID
		return validate.CheckLogoutToken(jws.Header, payload, e, !p.s.LogoutTokenWithoutExp)
	}
	token, err := check(m.client.id)
	if err == nil || p.s.Registration == nil {
		return token, err
	}
	// Sessions may be from before the client was registered anew, here or on
	// another node.
	p.adopt(ctx)
	c := p.registration.client.Load()
	if c == nil {
		return nil, err
	}
	for _, id := range append([]string{c.id}, c.earlier...) {
		if token, otherwise := check(id); otherwise == nil {
			return token, nil
		}
	}
	return nil, err
}

const logoutToken = "logout token"
