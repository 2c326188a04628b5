package provider

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// MaxLogoutToken is how long a logout token may be.
const MaxLogoutToken = 32 << 10

// LogoutToken verifies a token by which the provider ends sessions (Back-Channel
// Logout 2.6). It may be encrypted as ID tokens are (2.4). Anybody can send one,
// so that it is worth no more than the strangers' share of key fetches and
// decryptions.
func (p *Provider) LogoutToken(ctx context.Context, raw string) (*validate.LogoutToken, error) {
	if len(p.decryptionKeys) == 0 || !isJWE(raw) {
		return p.signedLogoutToken(ctx, raw)
	}
	if wait := p.unproven.take(p.now()); wait > 0 {
		return nil, &Unavailable{What: logoutToken, Retry: wait, Err: errManyUnproven}
	}
	plain, err := p.decrypt(ctx, raw, MaxLogoutToken)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	token, err := p.signedLogoutToken(ctx, string(plain))
	if err == nil {
		p.unproven.giveBack()
	}
	return token, err
}

// maxUnproven and unprovenInterval bound what strangers can have our private
// keys do, which costs time, or money at a key service: so many tokens at once,
// and one more every interval. One that proves to be the provider's is free.
const (
	maxUnproven      = 100
	unprovenInterval = time.Second
)

var errManyUnproven = errors.New("too many encrypted tokens came that were not the provider's")

// unproven counts decrypted tokens of which it is not known whose they are.
type unproven struct {
	mu     sync.Mutex
	budget budget
}

func (u *unproven) take(now time.Time) time.Duration {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.budget.take(now)
}

func (u *unproven) giveBack() {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.budget.giveBack()
}

func (p *Provider) signedLogoutToken(ctx context.Context, raw string) (*validate.LogoutToken, error) {
	header, _, err := validate.SplitJWS(raw, MaxLogoutToken)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	m, err := p.recognized(ctx)
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	e := p.expect(m, Expected{}, "", "")
	payload, issuers, err := p.verify(ctx, m, raw, joseAlgorithms(m.algorithms), true)
	e.KeyIssuers = issuers
	if err != nil {
		return nil, inToken(logoutToken, err)
	}
	check := func(clientID string) (*validate.LogoutToken, error) {
		e.ClientID = clientID
		return validate.CheckLogoutToken(header, payload, e, !p.s.LogoutTokenWithoutExp)
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
