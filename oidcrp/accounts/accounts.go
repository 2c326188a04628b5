package accounts

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// ContactKey is the key of the contact's ID in a session: see
// [oidcrp.Session.Value], and for tests oidcrptest.User.Values.
const ContactKey = "accounts.contact"

// pendingKey is that of a [candidate] while its login is paused.
const pendingKey = "accounts.pending"

// invitationTime is how long an invitation lasts that does not say.
const invitationTime = 7 * 24 * time.Hour

// Accounts connects a [Store] to a relying party. It is safe for concurrent
// use.
type Accounts struct {
	store Store
	rules Rules

	providers map[string]bool // configured
	doubtful  map[string]bool // whose word about addresses means nothing
	links     map[string]pages.Link
	source    oidcrp.ProviderSource // of further providers; may be nil
	asking    chan struct{}         // holds one for each question to it under way

	siteName string
	base     string // path of BaseURL, without a slash at the end
	pages    *pages.Renderer
	log      *slog.Logger

	onLogin      func(context.Context, *oidcrp.Login) error
	onRefresh    func(context.Context, *oidcrp.Login) error
	stillAllowed func(context.Context, *oidcrp.Session) error
	onEvent      func(context.Context, oidcrp.Event)
}

// New checks rules against cfg and returns Accounts whose hooks are set in
// cfg; call it when cfg is complete and before [oidcrp.New]. An OnLogin that is
// set already runs after ours, once the contact is known: behind the
// registration page it sees the kept claims alone; so does an OnRefresh. A
// StillAllowed that is set already is asked first. All mistakes in rules are reported at once.
func New(store Store, rules Rules, cfg *oidcrp.Config) (*Accounts, error) {
	if store == nil {
		return nil, errors.New("accounts: there is no Store; use NewMemoryStore or NewSQLStore")
	}
	renderer, err := pages.New(cfg.Pages, cfg.Messages)
	if err := errors.Join(rules.check(cfg), err); err != nil {
		return nil, err
	}
	a := &Accounts{
		store: store, rules: rules,
		providers: map[string]bool{}, doubtful: map[string]bool{},
		links: map[string]pages.Link{}, source: cfg.ProviderSource, asking: make(chan struct{}, maxAsking),
		siteName: cfg.SiteName, pages: renderer, log: cfg.Logger,
		onLogin: cfg.OnLogin, onRefresh: cfg.OnRefresh, stillAllowed: cfg.StillAllowed, onEvent: cfg.OnEvent,
	}
	if a.log == nil {
		a.log = slog.Default()
	}
	a.base = pathOf(cfg.BaseURL)
	for _, p := range cfg.Providers {
		name := providerName(p)
		a.providers[name] = true
		a.doubtful[name] = severalTenants(p) || p.TenantSupplied
		a.links[name] = pages.Link{Name: name, DisplayName: p.DisplayName}
	}
	cfg.OnLogin, cfg.OnRefresh, cfg.StillAllowed = a.atLogin, a.atRefresh, a.allowed
	return a, nil
}

// pathOf is the path of a base URL, without a slash at the end.
func pathOf(baseURL string) string {
	u, err := url.Parse(baseURL)
	if err != nil {
		return "" // oidcrp complains
	}
	return strings.TrimSuffix(u.EscapedPath(), "/")
}

// at is the path of the base URL that a call is for.
func (a *Accounts) at(ctx context.Context) string {
	if site, ok := oidcrp.SiteFromContext(ctx); ok {
		return pathOf(site.BaseURL)
	}
	return a.base
}

// Current returns the signed-in contact. It is [oidcrp.ErrNotLoaded] or
// [oidcrp.ErrAnonymous] where nobody is signed in, and [ErrNotFound] where the
// session is of no contact.
func (a *Accounts) Current(ctx context.Context) (*Contact, error) {
	s := oidcrp.FromContext(ctx)
	if s == nil {
		return nil, oidcrp.ErrAnonymous
	}
	return a.store.ByID(ctx, s.Value(ContactKey))
}

// Unlink removes one identity of the signed-in contact, but not the last with
// which the contact can sign in: that is [ErrLastIdentity]. An identity that
// the contact does not have is no error; [oidcrp.ErrProviderUnavailable] says
// that a ProviderSource does not tell whether another one works. Sessions of
// the identity end within StillAllowedEvery; [oidcrp.RelyingParty.EndSessions]
// ends them at once. The Provider of id is not looked at.
func (a *Accounts) Unlink(ctx context.Context, id oidcrp.Identity) error {
	c, err := a.Current(ctx)
	if err != nil {
		return err
	}
	working, failed := a.working(ctx, c)
	err = a.store.Update(ctx, c.ID, "", func(c *Contact) error {
		if !c.Has(id.Issuer, id.Subject) {
			return nil
		}
		if !a.hasOther(c, id, working) {
			return cmp.Or(failed, ErrLastIdentity)
		}
		c.Identities = slices.DeleteFunc(c.Identities, func(own oidcrp.Identity) bool {
			same := own.Issuer == id.Issuer && own.Subject == id.Subject
			if same {
				id.Provider = own.Provider // for the audit
			}
			return same
		})
		return nil
	})
	if err == nil {
		a.tell(ctx, Decision{Action: Unlink, Reason: Asked, ContactID: c.ID, Identity: id})
	}
	return err
}

// Delete forgets all about a contact but its identities, and disables it: who
// was deleted does not come back by registering. Sessions end as in Unlink.
func (a *Accounts) Delete(ctx context.Context, contactID string) error {
	return a.store.Update(ctx, contactID, "", func(c *Contact) error {
		*c = Contact{Identities: c.Identities, Disabled: true}
		return nil
	})
}

// Invite adds an invitation and returns its code, which is not kept. Send it,
// or a link to the registration page with it: [Accounts.InvitationPath]. With a
// ContactID whoever has the code first gets that contact, if it has no
// identity yet; else a new one. With [oidcrp.Config.Sites] it is for the site of
// ctx, and worth nothing at another; where ctx has none, such as in a job, it is
// for all of them.
func (a *Accounts) Invite(ctx context.Context, inv Invitation) (code string, err error) {
	if a.rules.RegistrationPath == "" {
		return "", errors.New("accounts: invitations need Rules.RegistrationPath")
	}
	if inv.Email != "" && emailKey(inv.Email) == "" {
		return "", fmt.Errorf("accounts: %q is no e-mail address", inv.Email)
	}
	code = rand.Text()
	inv.ID, inv.Redeemed = invitationID(siteOf(ctx), code), false
	if inv.Expires.IsZero() {
		inv.Expires = time.Now().Add(invitationTime)
	}
	return code, a.store.AddInvitation(ctx, inv)
}

// InvitationPath is where an invitation is accepted, below BaseURL.
func (a *Accounts) InvitationPath(code string) string {
	return a.rules.RegistrationPath + "?" + url.Values{paramInvitation: {code}}.Encode()
}

// codeIn is the code in an InvitationPath as browsers see it, "" for another
// address.
func (a *Accounts) codeIn(ctx context.Context, returnTo string) string {
	u, err := url.Parse(returnTo)
	if err != nil || a.rules.RegistrationPath == "" || u.EscapedPath() != a.at(ctx)+a.rules.RegistrationPath {
		return ""
	}
	return u.Query().Get(paramInvitation)
}

// siteOf names the site of ctx to invitations; "" for none.
func siteOf(ctx context.Context) string {
	at, ok := oidcrp.SiteFromContext(ctx)
	if !ok {
		return ""
	}
	return "\x00" + at.Name + "\x00" + strings.TrimSuffix(at.BaseURL, "/") + "\x00"
}

func invitationID(site, code string) string {
	sum := sha256.Sum256([]byte("invitation\x00" + site + strings.TrimSpace(code)))
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

// invitation is that of a code, for the site of ctx or for all of them.
func (a *Accounts) invitation(ctx context.Context, code string) (Invitation, error) {
	site := siteOf(ctx)
	inv, err := a.store.Invitation(ctx, invitationID(site, code))
	if site != "" && errors.Is(err, ErrInvitation) {
		inv, err = a.store.Invitation(ctx, invitationID("", code))
	}
	return inv, err
}

// NewID returns an ID for a [Contact] that the application creates.
func NewID() string { return rand.Text() }

// allowed is Config.StillAllowed: whose identity is the contact's no more, or
// whose contact is disabled, is signed out.
func (a *Accounts) allowed(ctx context.Context, s *oidcrp.Session) error {
	if a.stillAllowed != nil {
		if err := a.stillAllowed(ctx, s); err != nil {
			return err
		}
	}
	c, err := a.store.ByIdentity(ctx, s.Issuer(), s.Subject())
	d := Decision{Action: Refuse, ContactID: s.Value(ContactKey), Identity: s.Identity()}
	switch {
	case errors.Is(err, ErrNotFound) || err == nil && c.ID != d.ContactID:
		d.Reason = Gone
	case err != nil:
		return unavailable(err)
	case c.Disabled:
		d.Reason = Disabled
	default:
		return nil
	}
	a.tell(ctx, d)
	return fmt.Errorf("%s: %w", d, &oidcrp.Refusal{}) // in the visitor's language
}

// unavailable is an outage of the store, or of the source: 503, and nobody is
// signed in or out.
func unavailable(err error) error {
	if errors.Is(err, oidcrp.ErrProviderUnavailable) {
		return err
	}
	return fmt.Errorf("%w: accounts: %w", oidcrp.ErrStoreUnavailable, err)
}

// refusals are the texts for visitors.
var refusals = map[Reason]string{
	Disabled:        "account.disabled",
	Gone:            "account.gone",
	ProviderRetired: "account.provider_retired",
	GateClosed:      "account.closed",
	EmailTaken:      "account.email_taken",
	EmailLinked:     "account.email_taken",
	EmailAmbiguous:  "account.email_taken",
	LinkedElsewhere: "account.linked_elsewhere",
}

// refusal shows the visitor a text, and the operator the decision.
func (a *Accounts) refusal(d Decision, language string) error {
	return fmt.Errorf("%s: %w", d, &oidcrp.Refusal{Message: a.pages.Text(language, refusals[d.Reason])})
}

// tell writes a decision into log and events. The hook is the application's: a
// panic in it must not cost the visitor the login.
func (a *Accounts) tell(ctx context.Context, d Decision) {
	a.log.InfoContext(ctx, "account decided", "decision", d)
	if a.onEvent == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			a.log.ErrorContext(ctx, "event hook panicked", "panic", v, "kind", Decided)
		}
	}()
	a.onEvent(ctx, oidcrp.Event{
		Kind: Decided, Step: "account", Time: time.Now(), Reason: d.Code(),
		Provider: d.Identity.Provider, Issuer: d.Identity.Issuer, Subject: d.Identity.Subject,
	})
}
