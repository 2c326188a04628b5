package provider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync/atomic"
	"time"
)

// Registration has the provider give us a client id, at the first login
// (OpenID Connect Dynamic Client Registration 1.0, RFC 7591).
type Registration struct {
	InitialAccessToken string

	// What we say of ourselves beside what the other settings say; "" is not
	// said.
	ClientName            string
	PostLogoutRedirectURL string
	InitiateLoginURL      string
	BackchannelLogoutURL  string
	FrontchannelLogoutURL string
	JWKSURL               string
	RequestURL            string // of request objects, without what differs

	Metadata map[string]any // further members

	// Records keeps the outcome for other nodes and after a restart; nil: it
	// is kept in this process.
	Records Records
}

// Records are kept by names, which contain whatever the record depends on.
type Records interface {
	// Read returns the record, nil if there is none.
	Read(ctx context.Context, name string) ([]byte, error)
	// Replace writes a record in place of old, nil for none, and returns the
	// one that is there afterwards: somebody else may have been faster.
	Replace(ctx context.Context, name string, old, record []byte, expiry time.Time) ([]byte, error)
}

const (
	// registrationLife is when we register anew though no secret expires: no
	// store is asked to keep anything for ever.
	registrationLife = 365 * 24 * time.Hour
	// maxEarlier bounds how many earlier clients are remembered: their sessions
	// may still be ended.
	maxEarlier = 4
	// forgetAfter bounds how often a provider that does not know its own
	// clients makes us register.
	forgetAfter = time.Minute
	// The rest after answers that were refused doubles from the first to the last.
	firstOrphanRest = time.Minute
	lastOrphanRest  = 4 * time.Hour
)

// client is who we are at the provider.
type client struct {
	id     string
	secret func(context.Context) (string, error) // nil: none

	// Of one that was registered.
	auth       string // token_endpoint_auth_method
	signedWith string // id_token_signed_response_alg, if the provider said so
	issued     time.Time
	expires    time.Time
	earlier    []string // who we were before
}

// due reports whether it is time to register anew: nine tenths have passed.
func (c *client) due(now time.Time) bool {
	return now.After(c.issued.Add(c.expires.Sub(c.issued) / 10 * 9))
}

func (c *client) expired(now time.Time) bool { return !now.Before(c.expires) }

// registration is the state of being registered.
type registration struct {
	attempts
	client    atomic.Pointer[client] // nil: not yet
	forgotten atomic.Pointer[string] // client id that the provider no longer knows

	// Used by one attempt at a time.
	unkept  []byte // a record the store did not take
	orphans int    // answers in a row that were refused
}

// registered returns who we are, registering at first use. Towards the end of
// a registration it is renewed in the background.
func (p *Provider) registered(ctx context.Context) (*client, error) {
	r := &p.registration
	c := r.client.Load()
	f, err := p.fly(ctx, &r.attempts, false)
	if c != nil && !c.expired(p.now()) {
		return c, nil // while a renewal is under way, or rests
	}
	if err == nil {
		err = f.await(ctx, registerEndpoint)
	}
	if err != nil {
		return nil, err
	}
	if c = r.client.Load(); c == nil { // it was forgotten since
		return nil, &Unavailable{What: registerEndpoint, Err: errors.New("the provider does not know the client it registered")}
	}
	return c, nil
}

func (p *Provider) freshClient() bool {
	c := p.registration.client.Load()
	return c != nil && !c.due(p.now())
}

// register makes us known, unless a record says that we are.
func (p *Provider) register(ctx context.Context) error {
	r := &p.registration
	name, err := p.recordName(ctx)
	if err != nil {
		return err
	}
	m, err := p.document(ctx)
	if err != nil {
		return err
	}
	old, c, err := p.recall(ctx, name, m)
	if err != nil {
		return err
	}
	if c != nil && !c.due(p.now()) {
		r.client.Store(c)
		return nil
	}
	record := r.unkept
	if c, err = readRecord(record); err != nil || p.useless(c, m) {
		if record, err = p.requestClient(ctx, m, r.before(old)); err != nil {
			return err
		}
		if c, err = readRecord(record); err != nil {
			return err
		}
	}
	if keep := p.s.Registration.Records; keep != nil {
		r.unkept = record
		kept, err := keep.Replace(ctx, name, old, record, c.expires)
		if err != nil {
			return &Unavailable{What: "client registration", Err: err}
		}
		// Another node may have been faster; what it has goes for all.
		if first, err := readRecord(kept); err == nil && !p.useless(first, m) {
			c = first
		}
	}
	r.unkept = nil
	r.client.Store(c)
	return nil
}

// before lists who we were, the latest first.
func (r *registration) before(old []byte) []string {
	c := r.client.Load()
	if kept, err := readRecord(old); err == nil {
		c = kept
	}
	if c == nil {
		return nil
	}
	all := append([]string{c.id}, c.earlier...)
	return all[:min(len(all), maxEarlier)]
}

// recall returns the record as it is kept, and what it says if that can be used.
func (p *Provider) recall(ctx context.Context, name string, m *metadata) ([]byte, *client, error) {
	records := p.s.Registration.Records
	if records == nil {
		return nil, nil, nil
	}
	record, err := records.Read(ctx, name)
	if err != nil {
		return nil, nil, &Unavailable{What: "client registration", Err: err}
	}
	if record == nil {
		return nil, nil, nil
	}
	c, err := readRecord(record)
	if err != nil || p.useless(c, m) {
		return record, nil, nil
	}
	return record, c, nil
}

// useless reports whether a client can no longer be used: its time is over,
// the provider does not know it, or we are no longer able to be it.
func (p *Provider) useless(c *client, m *metadata) bool {
	forgotten := p.registration.forgotten.Load()
	return c.expired(p.now()) || forgotten != nil && *forgotten == c.id || p.checkAuth(c.auth, c.secret != nil, m) != nil
}

// adopt takes over what another node has registered since, if anything, unless
// that happens in the background just now.
func (p *Provider) adopt(ctx context.Context) {
	name, err := p.recordName(ctx)
	if err != nil {
		return
	}
	m, err := p.document(ctx)
	if err != nil {
		return
	}
	before := p.registration.client.Load()
	_, c, err := p.recall(ctx, name, m)
	if err != nil || c == nil || before != nil && c.id == before.id {
		return
	}
	p.registration.client.CompareAndSwap(before, c)
}

// forget gives up a client that the provider does not know any more, so that
// the next login registers. That a provider says so of every client must not
// make us register with each login.
func (p *Provider) forget(ctx context.Context, c *client) {
	r := &p.registration
	if p.now().Before(c.issued.Add(forgetAfter)) || !r.client.CompareAndSwap(c, nil) {
		return
	}
	r.forgotten.Store(&c.id)
	p.logger.WarnContext(ctx, "the provider does not know this client any more: it will be registered anew", "provider", p.s.Name)
}

// recognized returns what is known of the provider and who we are to it, for
// those who speak to us of their own accord: that registers nobody.
func (p *Provider) recognized(ctx context.Context) (*metadata, error) {
	m, err := p.document(ctx)
	if err != nil || p.s.Registration == nil {
		return m, err
	}
	c := p.registration.client.Load()
	if c == nil {
		p.adopt(ctx)
		c = p.registration.client.Load()
	}
	if c == nil {
		return nil, refused("message", "aud", "is for a client, and we are not registered as one")
	}
	return m.as(c, &p.s), nil
}

// clientIDBeside is the client_id to send beside an ID token of an earlier
// login, or instead of one; "" if that says more.
func (p *Provider) clientIDBeside(ctx context.Context, idToken string) string {
	if p.s.Registration == nil {
		return p.s.ClientID
	}
	if idToken != "" {
		return ""
	}
	m, err := p.recognized(ctx)
	if err != nil {
		return ""
	}
	return m.client.id
}

// record is a client as it is kept.
type record struct {
	ID         string `json:"id"`
	Secret     string `json:"secret,omitempty"`
	Auth       string `json:"auth"`
	SignedWith string `json:"signed,omitempty"`
	Issued     int64  `json:"iat"`
	Expires    int64  `json:"exp"`

	Earlier []string `json:"earlier,omitempty"`
}

func readRecord(b []byte) (*client, error) {
	var r record
	if err := json.Unmarshal(b, &r); err != nil || r.ID == "" || r.Auth == "" {
		return nil, fmt.Errorf("client registration: %w: the record cannot be read", ErrMisconfigured)
	}
	c := &client{id: r.ID, auth: r.Auth, signedWith: r.SignedWith, issued: time.Unix(r.Issued, 0), expires: time.Unix(r.Expires, 0), earlier: r.Earlier}
	if r.Secret != "" {
		c.secret = func(context.Context) (string, error) { return r.Secret, nil }
	}
	return c, nil
}

// recordName contains all that a registration depends on and that the settings
// decide: with other settings we are another client.
func (p *Provider) recordName(ctx context.Context) (string, error) {
	request, err := p.clientMetadata(ctx, nil)
	if err != nil {
		return "", err
	}
	b, err := json.Marshal(request)
	sum := hashOf(p.s.Name, p.s.Issuer, string(b))
	return string(sum[:]), err
}
