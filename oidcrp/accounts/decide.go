package accounts

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Decision is what a login comes to, and why. It is in the log, and in an
// event of the kind [Decided] whose Reason is [Decision.Code].
type Decision struct {
	Action    Action
	Reason    Reason
	ContactID string // whose login it is, or was taken for; "" for none
	Identity  oidcrp.Identity
}

// Code is action and reason, such as "refuse/email_linked".
func (d Decision) Code() string { return string(d.Action) + "/" + string(d.Reason) }

// String explains the decision to an operator.
func (d Decision) String() string {
	return fmt.Sprintf("%s: %s", d.Code(), explanations[d.Reason])
}

// LogValue groups what a Decision knows, for log/slog.
func (d Decision) LogValue() slog.Value {
	return slog.GroupValue(slog.String("code", d.Code()), slog.String("contact", d.ContactID),
		slog.String("provider", d.Identity.Provider), slog.String("issuer", d.Identity.Issuer),
		slog.String("subject", d.Identity.Subject))
}

// Decided is the kind of the event that tells a [Decision].
const Decided oidcrp.EventKind = "account decided"

// Action is what is done with a login, or to a contact.
type Action string

// The actions.
const (
	SignIn   Action = "signin"   // as the contact that has the identity
	Register Action = "register" // as a new contact
	Match    Action = "match"    // as a contact that had no identity yet
	Ask      Action = "ask"      // on the registration page, first
	Link     Action = "link"     // add the identity to the signed-in contact
	Unlink   Action = "unlink"   // take it away
	Refuse   Action = "refuse"
)

// Reason is why. It is stable.
type Reason string

// The reasons.
const (
	Known           Reason = "known"
	Moving          Reason = "moving"
	Gone            Reason = "gone"
	Disabled        Reason = "disabled"
	ProviderRetired Reason = "provider_retired"
	GateOpen        Reason = "open"
	GateClosed      Reason = "closed"
	NeedsInvitation Reason = "needs_invitation"
	Invited         Reason = "invited"
	WrongInvitation Reason = "wrong_invitation"
	NeedsAnswers    Reason = "needs_answers"
	EmailVerified   Reason = "email_verified"
	EmailTaken      Reason = "email_taken"
	EmailLinked     Reason = "email_linked"
	EmailAmbiguous  Reason = "email_ambiguous"
	LinkedElsewhere Reason = "linked_elsewhere"
	Asked           Reason = "asked"
)

// explanations are for operators; visitors read the texts of refusals.
var explanations = map[Reason]string{
	Known:           "the identity is the contact's",
	Moving:          "the identity is the contact's only one, at a retired provider",
	Gone:            "there is no such contact any more",
	Disabled:        "the contact is disabled",
	ProviderRetired: "the provider is retired",
	GateOpen:        "everybody may register",
	GateClosed:      "nobody new is let in",
	NeedsInvitation: "only who is invited may register",
	Invited:         "there is an invitation",
	WrongInvitation: "the invitation is unknown, expired, redeemed, or for somebody else",
	NeedsAnswers:    "the registration page has questions",
	EmailVerified:   "one contact without identity has the verified address",
	EmailTaken:      "a contact has the verified address, and the provider may not match by it",
	EmailLinked:     "the contact with the verified address has an identity already",
	EmailAmbiguous:  "several contacts have the verified address",
	LinkedElsewhere: "the identity is another contact's",
	Asked:           "the contact asked for it",
}

// candidate is what is known of a login that nobody here may know yet. It
// outlives a pause in the application's own values of the login.
type candidate struct {
	Email    string            `json:"e,omitempty"` // "" for what is no address
	Verified bool              `json:"v,omitempty"`
	Fields   map[string]string `json:"f,omitempty"` // of Login
	New      map[string]string `json:"n,omitempty"` // of Registration
	Answers  map[string]string `json:"a,omitempty"` // from the page, last time
	Reason   Reason            `json:"r,omitempty"` // why the page is shown

	id oidcrp.Identity
}

// candidateOf reads a login's claims.
func (a *Accounts) candidateOf(login *oidcrp.Login) candidate {
	rules := a.rules.of(login.Provider)
	k := candidate{id: login.Identity(), Fields: mapped(login, rules.Login), New: mapped(login, rules.Registration)}
	raw, _ := login.Claim("email")
	if email, ok := text(raw); ok {
		k.Email, _, _ = validate.Email(email)
	}
	k.Verified = k.Email != "" && a.vouched(login)
	return k
}

// vouched reports whether the provider says, and may say, that the address is
// the user's.
func (a *Accounts) vouched(login *oidcrp.Login) bool {
	rules := a.rules.of(login.Provider)
	if !login.OwnsEmail() && (!a.providers[login.Provider] || a.doubtful[login.Provider]) {
		return false // it may write any address
	}
	raw, given := login.Claim("email_verified")
	switch string(raw) {
	case "true":
		return true
	case `"true"`:
		return rules.TrustTextEmailVerified
	}
	return !given && rules.TrustMissingEmailVerified
}

// outcome is a decision with what it rests on.
type outcome struct {
	Decision
	invitation Invitation
	byEmail    bool // the contact was found by the address
}

// decide says what a login comes to. code is of an invitation, "" for none;
// asked says that the registration page was filled in.
func (a *Accounts) decide(ctx context.Context, k candidate, code string, asked bool) (outcome, error) {
	rules := a.rules.of(k.id.Provider)
	is := func(action Action, reason Reason, contact string) (outcome, error) {
		return outcome{Decision: Decision{Action: action, Reason: reason, ContactID: contact, Identity: k.id}}, nil
	}
	c, err := a.store.ByIdentity(ctx, k.id.Issuer, k.id.Subject)
	switch {
	case err == nil && c.Disabled:
		return is(Refuse, Disabled, c.ID)
	case err == nil && rules.Retired:
		working, failed := a.working(ctx, c)
		if a.hasOther(c, k.id, working) {
			return is(Refuse, ProviderRetired, c.ID)
		}
		if failed != nil {
			return outcome{}, failed
		}
		return is(SignIn, Moving, c.ID)
	case err == nil:
		return is(SignIn, Known, c.ID)
	case !errors.Is(err, ErrNotFound):
		return outcome{}, err
	case rules.Retired:
		return is(Refuse, ProviderRetired, "")
	case code != "" && rules.Gate != Closed:
		return a.decideInvited(ctx, k, code, asked)
	}
	if found, err := a.decideEmail(ctx, k); err != nil || found.Action != "" {
		return found, err
	}
	switch {
	case rules.Gate == Closed:
		return is(Refuse, GateClosed, "")
	case rules.Gate == InviteOnly:
		return is(Ask, NeedsInvitation, "")
	case len(a.rules.Ask) > 0 && !asked:
		return is(Ask, NeedsAnswers, "")
	}
	return is(Register, GateOpen, "")
}

// decideEmail decides by the verified address, if that decides anything.
func (a *Accounts) decideEmail(ctx context.Context, k candidate) (outcome, error) {
	if !k.Verified {
		return outcome{}, nil
	}
	all, err := a.store.ByEmail(ctx, k.Email)
	if err != nil {
		return outcome{}, err
	}
	// Who holds an address that nobody verified has no right to it, and must
	// neither be given a stranger's identity nor keep that stranger out.
	all = slices.DeleteFunc(all, func(c *Contact) bool { return !c.EmailVerified })
	if len(all) == 0 {
		return outcome{}, nil
	}
	d := Decision{Action: Refuse, ContactID: all[0].ID, Identity: k.id}
	match := a.rules.of(k.id.Provider).MatchEmail
	switch {
	case len(all) > 1:
		d.Reason, d.ContactID = EmailAmbiguous, ""
	case all[0].Disabled:
		d.Reason = Disabled
	case len(all[0].Identities) > 0:
		d.Reason = EmailLinked
	case match:
		d.Action, d.Reason = Match, EmailVerified
	default:
		d.Reason = EmailTaken
	}
	if d.Action == Refuse && d.Reason != Disabled && a.rules.SharedEmail {
		return outcome{}, nil // registers as somebody else
	}
	return outcome{Decision: d, byEmail: d.Action == Match}, nil
}

// decideInvited decides by an invitation.
func (a *Accounts) decideInvited(ctx context.Context, k candidate, code string, asked bool) (outcome, error) {
	wrong := outcome{Decision: Decision{Action: Ask, Reason: WrongInvitation, Identity: k.id}}
	inv, err := a.invitation(ctx, code)
	switch {
	case errors.Is(err, ErrInvitation):
		return wrong, nil
	case err != nil:
		return outcome{}, err
	case inv.Redeemed || !time.Now().Before(inv.Expires):
		return wrong, nil
	case inv.Email != "" && (!k.Verified || emailKey(inv.Email) != k.Email):
		return wrong, nil
	}
	found := outcome{Decision: Decision{Action: Register, Reason: Invited, Identity: k.id}, invitation: inv}
	if inv.ContactID != "" {
		c, err := a.store.ByID(ctx, inv.ContactID)
		if errors.Is(err, ErrNotFound) || err == nil && (c.Disabled || len(c.Identities) > 0) {
			return wrong, nil
		}
		if err != nil {
			return outcome{}, err
		}
		found.Action, found.ContactID = Match, c.ID
	} else if by, err := a.decideEmail(ctx, k); err != nil || by.Action == Refuse {
		return by, err
	} else if by.Action == Match {
		found.Action, found.ContactID, found.byEmail = Match, by.ContactID, true
	}
	// Somebody else's link may have brought the code here: accepting takes a
	// press of the button.
	if !asked {
		found.Action = Ask
	}
	return found, nil
}

// hasOther reports whether somebody can sign in without the identity id.
func (a *Accounts) hasOther(c *Contact, id oidcrp.Identity, working map[string]bool) bool {
	return slices.ContainsFunc(c.Identities, func(other oidcrp.Identity) bool {
		same := other.Issuer == id.Issuer && other.Subject == id.Subject
		return !same && working[other.Provider] && !a.rules.of(other.Provider).Retired
	})
}

// Decide says what a login would come to, without doing anything about it: for
// trying rules beside those in use. The error is the Store's.
func (a *Accounts) Decide(ctx context.Context, login *oidcrp.Login) (Decision, error) {
	o, err := a.decide(ctx, a.candidateOf(login), a.codeIn(ctx, login.ReturnTo), false)
	return o.Decision, err
}
