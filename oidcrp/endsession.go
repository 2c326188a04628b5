package oidcrp

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-78edd7da/go-oidcrp/internal/session"
)

// Identity is a user at a provider. Issuer and Subject, and nothing else,
// identify (Core 5.7). Keep all three: ClientFor, TokenSourceFor, Forget and
// EndSessions ask Provider, which says where the user is known and not who it is.
type Identity struct{ Provider, Issuer, Subject string }

// Identity returns whose session it is.
func (s *Session) Identity() Identity {
	return Identity{s.Provider(), s.Issuer(), s.Subject()}
}

// Identity returns whose login it is.
func (l *Login) Identity() Identity { return Identity{l.Provider, l.Issuer, l.Subject} }

func identityOf(d session.Draft) Identity { return Identity{d.Provider, d.Issuer, d.Subject} }

// EndSession ends one session by its handle, [Session.Handle], be it one from
// before an Update: at once on this node and, with a [Store], at the next request
// on every other. A handle of no session is no error; [ErrStoreUnavailable] says
// that other nodes could not be told. The provider's session is left alone. The
// handle does not open the session's tokens: they stay in the Store, unused, until
// they expire there.
func (rp *RelyingParty) EndSession(ctx context.Context, handle string) error {
	rp, ctx, err := rp.at(ctx)
	if err != nil {
		return err
	}
	if err := rp.sessions.EndByHandle(ctx, handle); err != nil {
		return err
	}
	rp.ended(ctx, Event{Session: handle, Reason: "ended"})
	return nil
}

// EndSessions ends all sessions of a user, and logins under way, as EndSession
// ends one; the user can sign in anew, unless OnLogin refuses. Which sessions
// there were does not depend on the clocks of nodes. A login under way is told
// from a later one by when it was begun: as far as two nodes' clocks differ,
// one begun just before may be let in, or one begun just after, or within the
// same moment on one node, has to be tried again. Tokens kept for jobs are
// [RelyingParty.Forget]'s to end. Without a Store other nodes, and this one
// after a restart, do not know. It returns [ErrMisconfigured] for a provider
// that is not there, [ErrStoreUnavailable], and [ErrProviderUnavailable] while
// a ProviderSource is silent.
func (rp *RelyingParty) EndSessions(ctx context.Context, u Identity) error {
	rp, ctx, err := rp.at(ctx)
	if err != nil {
		return err
	}
	if err := rp.endUser(ctx, u); err != nil {
		return err
	}
	rp.ended(ctx, Event{Provider: u.Provider, Issuer: u.Issuer, Subject: u.Subject, Reason: "ended"})
	return nil
}

func (rp *RelyingParty) endUser(ctx context.Context, u Identity) error {
	p, err := rp.known(ctx, u.Provider)
	if errors.Is(err, ErrNoProvider) {
		return fmt.Errorf("%w: %w", ErrMisconfigured, err)
	}
	if err != nil {
		return err
	}
	return rp.sessions.EndUser(ctx, session.User{Issuer: u.Issuer, Client: p.clientID, Subject: u.Subject})
}

// ended says that sessions have ended which nobody here has at hand.
func (rp *RelyingParty) ended(ctx context.Context, e Event) {
	e.Kind = SessionEnded
	rp.log.InfoContext(ctx, "signed out", "provider", e.Provider, "reason", e.Reason)
	rp.emit(ctx, e)
}
