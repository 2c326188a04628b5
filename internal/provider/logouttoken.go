package provider

import (
	"context"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// MaxLogoutToken is how long a logout token may be.
const MaxLogoutToken = 32 << 10

// LogoutToken verifies a token by which the provider ends sessions (Back-Channel
// Logout 2.6). It may be encrypted as ID tokens are (2.4). Anybody can send one,
// so that it is worth no more than the strangers' share of key fetches.
func (p *Provider) LogoutToken(ctx context.Context, raw string) (*validate.LogoutToken, error) {
	if len(p.decryptionKeys) > 0 && isJWE(raw) {
		plain, err := p.decrypt(ctx, raw, MaxLogoutToken)
		if err != nil {
			return nil, inToken(logoutToken, err)
		}
		raw = string(plain)
	}
	header, _, err := validate.SplitJWS(raw, MaxLogoutToken)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	m, err := p.metadata(ctx)
	if err != nil {
		return nil, err
	}
	e := p.expect(Expected{}, "", "")
	algorithms := joseAlgorithms(m.algorithms)
	var payload []byte
	if p.s.usesMAC() {
		payload, err = p.verifyMAC(ctx, raw, algorithms)
	} else {
		payload, e.KeyIssuers, err = p.keys.verifyFrom(ctx, raw, algorithms, true)
	}
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	return validate.CheckLogoutToken(header, payload, e, !p.s.LogoutTokenWithoutExp)
}

const logoutToken = "logout token"
