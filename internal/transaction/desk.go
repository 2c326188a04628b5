package transaction

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
)

// DefaultTimeout is how long a login may take.
const DefaultTimeout = 10 * time.Minute

// skew is how far the clocks of two nodes may be apart.
const skew = time.Minute

// Config is what a Desk needs.
type Config struct {
	Keys    *cookie.Keys
	Site    cookie.Site   // see also [Desk.At]
	Timeout time.Duration // 0 is DefaultTimeout

	// CrossSite says that some provider may answer by a form POST from its own
	// site, which carries SameSite=None cookies only.
	CrossSite bool

	// Add writes b under key until expiry unless something is there already,
	// and reports whether it wrote. With it a transaction is spent once on all
	// nodes, without it (nil) once on each.
	Add func(ctx context.Context, key string, b []byte, expiry time.Time) (bool, error)

	Now func() time.Time // nil is time.Now
}

// Desk starts transactions and takes them back. It is safe for concurrent use.
type Desk struct {
	keys     *cookie.Keys
	box      *cookie.Box
	codec    *cookie.Codec
	site     cookie.Site
	sameSite http.SameSite
	binding  cookie.Cookie
	timeout  time.Duration
	add      func(ctx context.Context, key string, b []byte, expiry time.Time) (bool, error)
	now      func() time.Time
	spent    *spent
}

// New returns the desk of one site.
func New(c Config) *Desk {
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	d := &Desk{
		keys:     c.Keys,
		sameSite: http.SameSiteLaxMode,
		timeout:  c.Timeout,
		add:      c.Add,
		now:      c.Now,
		spent:    newSpent(maxSpent),
	}
	if c.CrossSite {
		d.sameSite = http.SameSiteNoneMode
	}
	return d.At(c.Site)
}

// At returns the desk of another site. What one of them has spent counts
// against the bound for all.
func (d *Desk) At(site cookie.Site) *Desk {
	at := *d
	at.site = site
	at.box = d.keys.Box("state", site.ID())
	at.codec = d.keys.Codec("return", site.ID(), d.timeout)
	at.binding = site.Cookie("login", cookie.Options{SameSite: d.sameSite})
	return &at
}

// Spend marks the transaction as used; only the first call for it returns nil.
// The others get ErrSpent. Where Add fails nothing is spent, and its error is
// returned: the caller must not go on, the visitor may reload.
func (d *Desk) Spend(ctx context.Context, t *Transaction) error {
	if err := d.SpendHere(t); err != nil || d.add == nil {
		return err
	}
	until := d.until()
	first, err := d.add(ctx, d.spentKey(t), []byte{1}, until)
	if err != nil {
		d.spent.remove(t.ID)
		return fmt.Errorf("spend transaction: %w", err)
	}
	if !first {
		return ErrSpent
	}
	return nil
}

// SpendHere is Spend on this node alone: for answers that bring nothing to
// redeem, which anybody can make without end.
func (d *Desk) SpendHere(t *Transaction) error {
	if !d.spent.add(t.ID, d.now(), d.until()) {
		return ErrSpent
	}
	return nil
}

// until is when a transaction cannot be open any more: the state opens until
// Timeout after its start, which another node's clock may have put into our
// future.
func (d *Desk) until() time.Time { return d.now().Add(d.timeout + skew) }

// spentKey tells a reader of the store nothing, and has the form of all our
// record keys.
func (d *Desk) spentKey(t *Transaction) string {
	h := sha256.New()
	h.Write([]byte("oidcrp spent transaction\x00" + d.site.ID() + "\x00"))
	h.Write(t.ID[:])
	return base64.RawURLEncoding.EncodeToString(h.Sum(nil))
}
