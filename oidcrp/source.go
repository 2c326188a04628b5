package oidcrp

import (
	"context"
	"errors"
	"fmt"

	"github.com/seed-78edd7da/go-oidcrp/internal/outside"
)

// ProviderSource gives providers at run time: from a database, an API. What it
// adds, changes and removes counts without a restart. All methods may be called
// concurrently, and have five seconds. A name that does not exist is
// [ErrNoProvider], never an empty Provider; any other error, a panic and
// silence are an outage: logins that need the source get 503
// ([ErrProviderUnavailable]), and everybody else goes on.
//
// The source is asked at each login, callback and logout token. Requests of
// visitors who are signed in ask again for their provider once a minute has
// passed: a provider that was removed, or has another issuer or client id by
// now, ends its sessions within that minute, at their next request, and answers
// nobody who is under way to it. While the source is silent they go on with
// what it said last.
//
// At most 1000 providers are kept ready, the ones used last, with metadata and
// keys; of 100,000 the others cost nothing. What a provider may be asked, and
// how long it is to be left alone, is remembered longer than that.
//
// A provider from a source has a Name and a [Provider.Version], and no
// RedirectPath: what to register there is BaseURL + Prefix + "/callback/" + Name,
// and the other addresses of [Addresses] likewise. Its Aliases are not looked up:
// one tenant could take another's links. It does not answer by
// form_post, for which New has to know. A name is that of one provider,
// whoever asks; one of Config.Providers goes before one of the same name here.
// One with mistakes in its settings answers its logins with 500, and the log
// says what to change. A TenantSupplied one always has to send iss (RFC 9207): it
// is one of several.
type ProviderSource interface {
	// Provider returns the provider called name.
	Provider(ctx context.Context, name string) (Provider, error)
	// ByIssuer returns the providers of an issuer, for third-party-initiated
	// logins.
	ByIssuer(ctx context.Context, issuer string) ([]Provider, error)
	// ByEmailDomain returns the providers that have a domain in EmailDomains. It
	// is in the form of [MailDomain].
	ByEmailDomain(ctx context.Context, domain string) ([]Provider, error)
	// List returns those to show on the sign-in page. With many, show none, and
	// have [Config.SingleSignOn] find them.
	List(ctx context.Context) ([]Provider, error)
}

// ErrNoProvider: no provider is called so, or none any more; 404.
var ErrNoProvider = errors.New("no such provider")

// errSource is an outage of the ProviderSource.
var errSource = fmt.Errorf("%w: ProviderSource", ErrProviderUnavailable)

// asking bounds the questions to a source that are under way at once: one that
// is silent must not collect goroutines.
const maxAsking = 200

// ask asks the source, which may panic or never answer.
func ask[T any](ctx context.Context, s *sourced, method string, call func(context.Context) (T, error)) (answer T, err error) {
	ctx, cancel := context.WithTimeout(ctx, sourceTime)
	defer cancel()
	select {
	case s.asking <- struct{}{}:
	case <-ctx.Done():
		return answer, fmt.Errorf("%w: too many questions are under way: %w", errSource, context.Cause(ctx))
	}
	answer, err = outside.Ask(ctx, s.asking, call)
	if err != nil && !errors.Is(err, ErrNoProvider) {
		err = fmt.Errorf("%w: %s: %w", errSource, method, err)
	}
	return answer, err
}
