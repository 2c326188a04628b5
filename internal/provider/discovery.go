package provider

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	// A good document is asked for again after refreshDefault, or what its
	// Cache-Control says within the bounds.
	refreshDefault = 12 * time.Hour
	refreshMin     = 10 * time.Minute
	refreshMax     = 24 * time.Hour
)

// discovery is the state of fetching metadata; the good copy itself is in
// Provider.current.
type discovery struct {
	attempts
	refreshAt time.Time // zero: never
}

// metadata returns what is known of the provider, and who we are there, which
// takes a registration at first use where the settings say so.
func (p *Provider) metadata(ctx context.Context) (*metadata, error) {
	m, err := p.document(ctx)
	if err != nil || p.s.Registration == nil {
		return m, err
	}
	c, err := p.registered(ctx)
	if err != nil {
		return nil, err
	}
	return m.as(c, &p.s), nil
}

// document returns what is known of the provider, fetching it at first use. A
// good copy is served at once, whatever its age, and refreshed in the
// background. While fetching fails and rests, the error comes at once.
func (p *Provider) document(ctx context.Context) (*metadata, error) {
	m := p.current.Load()
	f, err := p.fly(ctx, &p.discovery.attempts, false)
	if m != nil {
		return m, nil
	}
	if err != nil {
		return nil, err
	}
	if err := f.await(ctx, metadataEndpoint); err != nil {
		return nil, err
	}
	return p.current.Load(), nil
}

// freshMetadata reports whether there is a copy and no other is due.
func (p *Provider) freshMetadata() bool {
	at := p.discovery.refreshAt
	return p.current.Load() != nil && (at.IsZero() || !p.now().After(at))
}

func (p *Provider) discover(ctx context.Context) error {
	m, keep, err := p.fetchMetadata(ctx)
	if err != nil {
		return err
	}
	p.discovery.mu.Lock()
	defer p.discovery.mu.Unlock()
	p.discovery.refreshAt = m.fetched.Add(keep)
	p.current.Store(m)
	return nil
}

// fetchMetadata fetches one version and says how long it may be kept.
func (p *Provider) fetchMetadata(ctx context.Context) (*metadata, time.Duration, error) {
	a, err := p.metadataDocument(ctx, &p.s)
	if err != nil {
		return nil, 0, err
	}
	if a.status != http.StatusOK {
		return nil, 0, a.unexpected()
	}
	m, err := parseMetadata(a.body, &p.s)
	switch {
	case errors.Is(err, errBroken):
		return nil, 0, &Unavailable{What: metadataEndpoint, Err: err}
	case err != nil:
		return nil, 0, fmt.Errorf("%s: %w", metadataEndpoint, err)
	}
	if err := p.current.Load().moved(m); err != nil {
		return nil, 0, fmt.Errorf("%s: %w", metadataEndpoint, err)
	}
	m.fetched = p.now()
	return m, jitter(keepFor(a.header.Get("Cache-Control"))), nil
}

// metadataDocument fetches the OpenID metadata or, where the provider says it
// has none, that of its authorization server (RFC 8414). What either says is
// held against the issuer in the same way.
func (c *caller) metadataDocument(ctx context.Context, s *Settings) (*answer, error) {
	ctx, cancel := context.WithTimeout(ctx, c.timeout) // for both
	defer cancel()
	a, err := c.ask(ctx, metadataEndpoint, s.metadataURL())
	if err != nil {
		return nil, err
	}
	if a.status == http.StatusNotFound && s.MetadataURL == "" && !s.TenantSupplied {
		if other, err := c.ask(ctx, metadataEndpoint, s.serverMetadataURL()); err == nil && other.status == http.StatusOK {
			return other, nil
		}
	}
	return a, nil
}

// moved refuses a new version whose back channel is at another host: secrets
// and trust would follow whoever could write the document once (RFC 9700 4.4).
// Naming the endpoints in the settings, or a restart, accepts the move.
func (m *metadata) moved(next *metadata) error {
	if m == nil {
		return nil
	}
	if hostOf(m.token) != hostOf(next.token) {
		return errors.New("token_endpoint moved to another host: if that is right, restart or set Endpoints.Token")
	}
	if hostOf(m.jwks) != hostOf(next.jwks) {
		return errors.New("jwks_uri moved to another host: if that is right, restart or set Endpoints.JWKS")
	}
	for _, e := range []struct{ name, was, is, setting string }{
		{"pushed_authorization_request_endpoint", m.par, next.par, "PAR"},
		{"revocation_endpoint", m.revocation, next.revocation, "Revocation"},
		{"userinfo_endpoint", m.userInfo, next.userInfo, "UserInfo"},
	} {
		// It may have been added, or gone away, but not elsewhere than the token
		// endpoint, which has the same secrets and tokens.
		if e.is != "" && hostOf(e.is) != hostOf(e.was) && hostOf(e.is) != hostOf(m.token) {
			return fmt.Errorf("%s moved to another host: if that is right, restart or set Endpoints.%s", e.name, e.setting)
		}
	}
	if hostOf(next.registration) != hostOf(m.registration) {
		return errors.New("registration_endpoint moved to another host: if that is right, restart or set Endpoints.Registration")
	}
	return nil
}

// keepFor reads max-age of a Cache-Control header, within the bounds.
func keepFor(cacheControl string) time.Duration {
	for directive := range strings.SplitSeq(cacheControl, ",") {
		name, value, _ := strings.Cut(strings.TrimSpace(directive), "=")
		if !strings.EqualFold(name, "max-age") {
			continue
		}
		if n, err := strconv.ParseUint(value, 10, 31); err == nil {
			return min(max(time.Duration(n)*time.Second, refreshMin), refreshMax)
		}
	}
	return refreshDefault
}
