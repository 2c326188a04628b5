// Package provider speaks OpenID Connect with one provider: discovery, the
// authorization request and response, the code exchange, ID token and
// UserInfo, and the way out. It is the only caller of go-oidc and oauth2.
//
// Nothing here touches the network before it must, follows a redirect, sends a
// code twice, or returns a token that was not validated. What a provider sends
// is a stranger's input: it is bounded, parsed strictly, and never quoted in
// an error beyond the OAuth error fields.
package provider

import (
	"context"
	"crypto/sha256"
	"log/slog"
	"sync/atomic"
	"time"
)

// Names of endpoints, as they stand in errors.
const (
	metadataEndpoint = "metadata"
	tokenEndpoint    = "token endpoint"
	userInfoEndpoint = "userinfo endpoint"
	keysEndpoint     = "jwks"
	parEndpoint      = "pushed authorization request endpoint"
	registerEndpoint = "registration endpoint"
	revokeEndpoint   = "revocation endpoint"
)

// Provider is one provider. It is safe for concurrent use.
type Provider struct {
	caller
	s      Settings
	now    func() time.Time
	logger *slog.Logger

	flow           flow
	mode           string // how the answer has to come
	keys           *keySet
	clientKeys     []*clientKey // those that sign
	decryptionKeys []*clientKey
	decrypting     chan struct{} // holds one for each token of anybody's that is being decrypted
	pushes         chan struct{} // and for each push under way
	claimSources   []claimSource
	dpop           *dpop // of new tokens; nil: they are anybody's who has them
	nonces         nonces

	own          [8]byte                  // the tag of the setting's client
	current      atomic.Pointer[metadata] // the last good one; nil: none yet
	discovery    discovery
	registration registration
	work         work
}

// New checks s, reporting all mistakes at once, each with what to change. It
// makes no network call and starts nothing.
func New(s Settings) (*Provider, error) {
	s = s.hardened()
	if err := s.check(); err != nil {
		return nil, err
	}
	p := &Provider{
		caller: caller{newClient(&s), callTimeout},
		s:      s.clone(),
		now:    s.Now,
		logger: s.Logger,
		flow:   s.flow(),
		mode:   s.mode(),
		pushes: make(chan struct{}, maxPushes),

		decrypting: make(chan struct{}, maxDecrypting),
	}
	signing, decrypting := splitKeys(s.ClientKeys)
	p.clientKeys, p.decryptionKeys = p.newClientKeys(signing), p.newClientKeys(decrypting)
	if p.now == nil {
		p.now = time.Now
	}
	if p.logger == nil {
		p.logger = slog.Default()
	}
	if s.DPoP {
		var err error
		if p.dpop, err = newDPoP(p.now); err != nil {
			return nil, err
		}
	}
	p.own = p.tag(s.ClientID)
	p.keys = newKeySet(p.fetchKeys, p.now)
	p.discovery.attempts = attempts{
		what: metadataEndpoint, complaint: "provider metadata not loaded", try: p.discover,
		have: func() bool { return p.current.Load() != nil }, fresh: p.freshMetadata, harmless: true,
	}
	p.registration.attempts = attempts{
		what: registerEndpoint, complaint: "client not registered", try: p.register,
		have: func() bool { return p.registration.client.Load() != nil }, fresh: p.freshClient,
	}
	p.claimSources = p.newClaimSources(s.ClaimSources)
	if err := p.preset(); err != nil {
		return nil, err
	}
	p.warn()
	return p, nil
}

// preset makes the metadata of a provider whose endpoints were given by hand.
func (p *Provider) preset() error {
	if !p.s.byHand() {
		return nil
	}
	m, err := newMetadata(nil, &p.s)
	if err != nil {
		return err
	}
	p.current.Store(m)
	return nil
}

// warn names what the operator has weakened, once.
func (p *Provider) warn() {
	ctx := context.Background()
	if p.s.InsecureAllowHTTP {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "provider may be reached by plain http",
			slog.String("provider", p.s.Name), slog.String("issuer", p.s.Issuer))
	}
	if !p.s.TenantSupplied && verifiesNothing(p.s.HTTPClient) {
		p.logger.LogAttrs(ctx, slog.LevelWarn, "http client accepts any certificate: anyone on the way can sign in as anyone",
			slog.String("provider", p.s.Name), slog.String("issuer", p.s.Issuer))
	}
}

// Accepts reports whether iss is an issuer of this provider's.
func (p *Provider) Accepts(iss string) bool {
	return iss == p.s.Issuer || p.s.others().Accept(iss)
}

// Tag identifies name, issuer and client id, so that state sealed for one
// provider, or for who we were before, is worth nothing at another. It may take
// a registration; without one it comes at once.
func (p *Provider) Tag(ctx context.Context) ([8]byte, error) {
	if p.s.Registration == nil {
		return p.own, nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.timeout+p.timeout/10)
	defer cancel()
	m, err := p.metadata(ctx)
	if err != nil {
		return [8]byte{}, err
	}
	return p.tag(m.client.id), nil
}

// sameProvider is how much of a tag is of name and issuer alone.
const sameProvider = 5

func (p *Provider) tag(client string) [8]byte {
	at := hashOf(p.s.Name, p.s.Issuer)
	who := hashOf(p.s.Name, p.s.Issuer, client)
	copy(who[:sameProvider], at[:])
	return [8]byte(who[:])
}

// hashOf tells lists of texts apart.
func hashOf(texts ...string) [sha256.Size]byte {
	h := sha256.New()
	for _, s := range texts {
		n := len(s)
		h.Write([]byte{byte(n >> 24), byte(n >> 16), byte(n >> 8), byte(n)})
		h.Write([]byte(s))
	}
	return [sha256.Size]byte(h.Sum(nil))
}

// Belongs holds the tag of a login against this provider (RFC 9700 4.4). It is
// [ErrOtherClient] for a login that began here before the client was
// registered anew.
func (p *Provider) Belongs(ctx context.Context, tag [8]byte) error {
	own := p.own
	if p.s.Registration == nil && tag == own {
		return nil
	}
	if p.s.Registration == nil || [sameProvider]byte(tag[:]) != [sameProvider]byte(own[:]) {
		return refused(authorizationResponse, "provider", "is for a login at another provider")
	}
	own, err := p.Tag(ctx)
	if err == nil && tag != own {
		p.adopt(ctx)
		own, err = p.Tag(ctx)
	}
	if err == nil && tag != own {
		err = ErrOtherClient
	}
	return err
}
