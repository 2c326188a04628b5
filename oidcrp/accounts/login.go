package accounts

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// maxTries is how often a decision is made anew because another login of the
// same people was faster.
const maxTries = 5

var errBusy = errors.New("other logins kept changing the contact")

// atLogin is Config.OnLogin.
func (a *Accounts) atLogin(ctx context.Context, login *oidcrp.Login) error {
	var err error
	if login.Linking {
		err = a.link(ctx, login)
	} else {
		err = a.admit(ctx, login, a.candidateOf(login), a.codeIn(ctx, login.ReturnTo), nil)
	}
	return a.then(ctx, login, err)
}

// atRefresh is Config.OnRefresh: a refresh brings the provider's roles alone. Who
// is no contact any more, or disabled, is for StillAllowed to end.
func (a *Accounts) atRefresh(ctx context.Context, login *oidcrp.Login) error {
	c, err := a.store.ByIdentity(ctx, login.Issuer, login.Subject)
	switch {
	case err == nil:
		login.Roles = union(login.Roles, c.Roles)
	case !errors.Is(err, ErrNotFound):
		return unavailable(err)
	}
	if a.onRefresh == nil {
		return nil
	}
	return a.onRefresh(ctx, login)
}

// then asks the application, unless the login ended here.
func (a *Accounts) then(ctx context.Context, login *oidcrp.Login, err error) error {
	if err != nil || a.onLogin == nil {
		return err
	}
	return a.onLogin(ctx, login)
}

// admit decides and does what was decided. answers are from the registration
// page; nil if it was not filled in.
func (a *Accounts) admit(ctx context.Context, login *oidcrp.Login, k candidate, code string, answers map[string]string) error {
	for range maxTries {
		o, err := a.decide(ctx, k, code, answers != nil)
		if err != nil {
			return unavailable(err)
		}
		var c *Contact
		switch o.Action {
		case Refuse:
			a.tell(ctx, o.Decision)
			return a.refusal(o.Decision, login.Language)
		case Ask:
			a.tell(ctx, o.Decision)
			k.Reason = o.Reason
			return a.ask(ctx, login, k)
		case SignIn:
			c, err = a.signIn(ctx, k, o)
		case Match:
			c, err = a.match(ctx, k, o, answers)
		case Register:
			c, err = a.register(ctx, k, o, answers)
		}
		if errors.Is(err, ErrTaken) || errors.Is(err, ErrInvitation) || errors.Is(err, ErrNotFound) {
			continue // somebody was faster: look again
		}
		if err != nil {
			return unavailable(err)
		}
		o.ContactID = c.ID
		a.tell(ctx, o.Decision)
		a.enter(ctx, login, c)
		if o.Reason == Moving && a.rules.MovePath != "" {
			login.ReturnTo = a.at(ctx) + a.rules.MovePath
		}
		return nil
	}
	return unavailable(errBusy)
}

// ask keeps what is known of the login and pauses it.
func (a *Accounts) ask(ctx context.Context, login *oidcrp.Login, k candidate) error {
	b, err := json.Marshal(k)
	if err != nil {
		return err
	}
	login.Set(pendingKey, string(b))
	path := a.rules.RegistrationPath
	if code := a.codeIn(ctx, login.ReturnTo); code != "" {
		path = a.InvitationPath(code)
	}
	return &oidcrp.Pause{Path: path, Only: true}
}

// enter makes the login one of the contact's.
func (a *Accounts) enter(ctx context.Context, login *oidcrp.Login, c *Contact) {
	login.Set(ContactKey, c.ID)
	login.Set(pendingKey, "")
	login.Roles = union(login.Roles, c.Roles)
	if path, _, _ := strings.Cut(login.ReturnTo, "?"); a.rules.RegistrationPath != "" && path == a.at(ctx)+a.rules.RegistrationPath {
		login.ReturnTo = a.at(ctx) + "/" // nothing is left to do there
	}
}

// signIn brings the contact up to date.
func (a *Accounts) signIn(ctx context.Context, k candidate, o outcome) (*Contact, error) {
	email, err := a.newEmail(ctx, k, o.ContactID)
	if err != nil {
		return nil, err
	}
	return a.update(ctx, o.ContactID, "", func(c *Contact) error {
		if c.Disabled || !c.Has(k.id.Issuer, k.id.Subject) {
			return ErrNotFound
		}
		c.setFields(k.Fields)
		if email != "" {
			c.Email, c.EmailVerified = email, true
		}
		for i, id := range c.Identities {
			if id.Issuer == k.id.Issuer && id.Subject == k.id.Subject {
				c.Identities[i].Provider = k.id.Provider // which may have a new name
			}
		}
		return nil
	})
}

// newEmail is the address a login gives to a contact; "" to keep what it has.
func (a *Accounts) newEmail(ctx context.Context, k candidate, contactID string) (string, error) {
	if _, mapped := a.rules.of(k.id.Provider).Login[emailField]; !mapped || !k.Verified {
		return "", nil
	}
	all, err := a.store.ByEmail(ctx, k.Email)
	if err != nil {
		return "", err
	}
	taken := slices.ContainsFunc(all, func(c *Contact) bool { return c.ID != contactID && c.EmailVerified })
	if taken && !a.rules.SharedEmail {
		return "", nil
	}
	return k.Email, nil
}

// match gives a contact its first identity.
func (a *Accounts) match(ctx context.Context, k candidate, o outcome, answers map[string]string) (*Contact, error) {
	return a.update(ctx, o.ContactID, o.invitation.ID, func(c *Contact) error {
		moved := o.byEmail && (!c.EmailVerified || emailKey(c.Email) != k.Email)
		if c.Disabled || len(c.Identities) > 0 || moved {
			return ErrTaken // since it was decided
		}
		c.Identities = []oidcrp.Identity{k.id}
		c.setFields(answers)
		c.setFields(k.Fields)
		a.grant(c, k, o.invitation)
		return nil
	})
}

// register makes a new contact.
func (a *Accounts) register(ctx context.Context, k candidate, o outcome, answers map[string]string) (*Contact, error) {
	c := &Contact{
		ID: NewID(), Email: k.Email, EmailVerified: k.Verified,
		Created: time.Now().UTC().Truncate(time.Second), Identities: []oidcrp.Identity{k.id},
	}
	c.setFields(k.New)
	c.setFields(answers)
	c.setFields(k.Fields)
	a.grant(c, k, o.invitation)
	return c, a.store.Create(ctx, c, o.invitation.ID)
}

// grant gives a contact what its first login brings: by the invitation, else
// by the provider, else by the domain of an address that was verified.
func (a *Accounts) grant(c *Contact, k candidate, inv Invitation) {
	g := Grant{Organization: inv.Organization, Roles: inv.Roles}
	if g.empty() {
		g = a.rules.of(k.id.Provider).Grant
	}
	if _, domain, ok := validate.Email(k.Email); g.empty() && ok && k.Verified {
		g = a.rules.ByDomain[domain]
	}
	if c.Organization == "" {
		c.Organization = g.Organization
	}
	c.Roles = union(c.Roles, g.Roles)
}

func (g Grant) empty() bool { return g.Organization == "" && len(g.Roles) == 0 }

// link adds the identity of a login to the contact whose session asked for it.
func (a *Accounts) link(ctx context.Context, login *oidcrp.Login) error {
	d := Decision{Action: Refuse, ContactID: login.Session.Value(ContactKey), Identity: login.Identity()}
	if a.rules.of(login.Provider).Retired {
		d.Reason = ProviderRetired
		a.tell(ctx, d)
		return a.refusal(d, login.Language)
	}
	c, err := a.update(ctx, d.ContactID, "", func(c *Contact) error {
		if c.Disabled || !c.Has(login.Session.Issuer(), login.Session.Subject()) {
			return ErrNotFound
		}
		if !c.Has(login.Issuer, login.Subject) {
			c.Identities = append(c.Identities, login.Identity())
		}
		return nil
	})
	switch {
	case errors.Is(err, ErrNotFound):
		d.Reason = Gone
	case errors.Is(err, ErrTaken):
		d.Reason = LinkedElsewhere
	case err != nil:
		return unavailable(err)
	}
	if err != nil {
		a.tell(ctx, d)
		return a.refusal(d, login.Language)
	}
	d.Action, d.Reason = Link, Asked
	a.tell(ctx, d)
	a.enter(ctx, login, c)
	return nil
}

// update is Store.Update that returns what was stored.
func (a *Accounts) update(ctx context.Context, id, invitation string, change func(*Contact) error) (*Contact, error) {
	var stored *Contact
	err := a.store.Update(ctx, id, invitation, func(c *Contact) error {
		err := change(c)
		stored = c.Clone()
		return err
	})
	return stored, err
}

// union is a with what b has beside it.
func union(a, b []string) []string {
	all := slices.Clone(a)
	for _, s := range b {
		if !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	return all
}

// text is a JSON string.
func text(raw json.RawMessage) (s string, ok bool) {
	return s, len(raw) > 0 && raw[0] == '"' && json.Unmarshal(raw, &s) == nil
}
