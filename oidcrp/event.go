package oidcrp

import (
	"context"
	"log/slog"
	"time"
)

// Event is something worth auditing or counting.
type Event struct {
	Kind     EventKind
	Step     string // of a refusal or failure, see Error.Step; else ""
	Time     time.Time
	ID       string        // correlation id of a refusal or failure, each its own
	Provider string        // Name, where one was chosen
	Issuer   string        // where known
	Subject  string        // where known
	Session  string        // handle, where there is one
	Reason   string        // stable code of a refusal, see the package documentation
	Duration time.Duration // of a login, step-up, link or consent that succeeded, of a session that ended, of a refresh; else 0
	Err      error         // cause of a refusal or failure; nil otherwise
}

// LogValue groups what an Event knows, for log/slog.
func (e Event) LogValue() slog.Value {
	attrs := []slog.Attr{slog.String("kind", string(e.Kind))}
	for _, a := range [...][2]string{
		{"step", e.Step}, {"id", e.ID}, {"provider", e.Provider}, {"issuer", e.Issuer},
		{"subject", e.Subject}, {"session", e.Session}, {"reason", e.Reason},
	} {
		if a[1] != "" {
			attrs = append(attrs, slog.String(a[0], a[1]))
		}
	}
	if e.Duration != 0 {
		attrs = append(attrs, slog.Duration("duration", e.Duration))
	}
	if e.Err != nil {
		attrs = append(attrs, slog.String("err", e.Err.Error()))
	}
	return slog.GroupValue(attrs...)
}

// EventKind says what happened.
type EventKind string

// The kinds of [Event]. A login that does not succeed is exactly one of
// LoginFailed, ProviderFailed and StoreFailed, or was given up; one that could
// not begin has no LoginStarted. RelyingParty.Ready has no events.
const (
	LoginStarted   EventKind = "login started"   // the browser was sent to the provider
	LoginSucceeded EventKind = "login succeeded" // and a session started
	LoginFailed    EventKind = "login failed"    // Reason and Err say why, be it what OnLogin returned
	SessionEnded   EventKind = "session ended"   // Reason "logout", "replaced", "refused", "ended", "everywhere", "backchannel", "frontchannel", or "refresh", when that brought another user's tokens
	AccessDenied   EventKind = "access denied"   // 403 outside a login: a policy, or a foreign origin; Subject "" for an anonymous visitor
	RequestFailed  EventKind = "request failed"  // anything else outside a login, such as a policy that could not decide
	StoreFailed    EventKind = "store failed"    // the Store could not be asked or, with Reason "record", has something else than the session
	ProviderFailed EventKind = "provider failed" // a provider could not be asked

	SteppedUp       EventKind = "stepped up"       // a newer or stronger sign-in, by somebody signed in
	IdentityLinked  EventKind = "identity linked"  // Issuer and Subject were added to the user of Session
	ConsentGranted  EventKind = "consent granted"  // the answer to a question for further scopes; where it has fewer, LoginFailed with consent_needed follows
	TokensRefreshed EventKind = "tokens refreshed" // once for all requests that waited
	RefreshFailed   EventKind = "refresh failed"   // and not for want of provider or Store; Reason and Err say why
)

// emit tells the application what happened. The hook is the application's: a
// panic in it must not cost the visitor the request.
func (rp *RelyingParty) emit(ctx context.Context, e Event) {
	if rp.onEvent == nil {
		return
	}
	defer func() {
		if v := recover(); v != nil {
			rp.log.ErrorContext(ctx, "event hook panicked", "panic", v, "kind", e.Kind)
		}
	}()
	if e.Time.IsZero() {
		e.Time = rp.now()
	}
	rp.onEvent(ctx, e)
}
