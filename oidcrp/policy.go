package oidcrp

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// Policy decides whether a signed-in visitor may pass: nil passes,
// [ErrForbidden] is answered 403, *[Refusal] likewise with its message,
// *[LoginNeeded] sends the visitor to the provider, and any
// other error is logged and answered 500. The session stays as it is. It is
// never called with a nil Session.
type Policy func(ctx context.Context, s *Session) error

// HasRole passes sessions with at least one of roles. Roles that the provider
// did not tell, see [Session.RolesUnknown], are none, and the log says so.
func HasRole(roles ...string) Policy { return rolePolicy(roles).check }

type rolePolicy []string

func (p rolePolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.roles = true
		n.demand(len(p) > 0, "HasRole names no role, so that nobody passes: name one")
		n.demand(!slices.Contains(p, ""), `HasRole("") names no role: give its name`)
		return nil
	}
	if slices.ContainsFunc(p, s.HasRole) {
		return nil
	}
	if s.RolesUnknown() {
		return fmt.Errorf("%w: needs the role %s, and the provider did not tell the user's roles: see the warning \"roles unknown\" of the login", ErrForbidden, strings.Join(p, " or "))
	}
	return fmt.Errorf("%w: needs the role %s", ErrForbidden, strings.Join(p, " or "))
}

// HasClaim passes sessions whose kept claim is one of values: as a string, a
// boolean ("true"), a number as the token spells it, or a member of an array
// of these. With no values the claim must be there and not null.
func HasClaim(name string, values ...string) Policy { return claimPolicy{name, values}.check }

type claimPolicy struct {
	name   string
	values []string
}

func (p claimPolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.claims = append(n.claims, p.name)
		return nil
	}
	raw, ok := s.Claim(p.name)
	if ok && (len(p.values) == 0 || slices.ContainsFunc(validate.Scalars(raw), func(v string) bool { return slices.Contains(p.values, v) })) {
		return nil
	}
	return fmt.Errorf("%w: claim %s", ErrForbidden, p.name)
}

// EmailDomain passes sessions with a verified e-mail address of exactly one of
// domains; a subdomain is another domain. It reads the claims email and
// email_verified. The address must be a plain one in ASCII, its domain perhaps
// as xn--; domains may be in either form. Of a tenant-supplied provider, which can
// write any address, it must be in [Provider.EmailDomains] besides. At one of
// several tenants, who all can, nobody passes: write a [Policy] on the tid claim.
// Nor does anybody whose provider does not say email_verified, as Microsoft Entra
// ID. The visitor stays signed in: to let others not sign in at all refuse them in
// [Config.OnLogin].
func EmailDomain(domains ...string) Policy {
	p := make(domainPolicy, len(domains))
	for i, d := range domains {
		p[i] = d
		if domain, ok := validate.MailDomain(d); ok {
			p[i] = domain
		}
	}
	return p.check
}

type domainPolicy []string

func (p domainPolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.claims = append(n.claims, "email", "email_verified")
		n.addresses = true
		n.demand(len(p) > 0, "EmailDomain names no domain, so that nobody passes: name one")
		for _, d := range p {
			_, ok := validate.MailDomain(d)
			n.demand(ok, fmt.Sprintf(`EmailDomain(%q) is no domain: give one such as "example.com"`, d))
		}
		return nil
	}
	_, domain, ok := validate.Email(s.Email())
	switch {
	case !ok:
		return fmt.Errorf("%w: e-mail domain: the session has no plain address", ErrForbidden)
	case !s.EmailVerified():
		return fmt.Errorf("%w: e-mail domain: email_verified is not true", ErrForbidden)
	case !slices.Contains(p, domain):
		return fmt.Errorf("%w: e-mail domain: is none of %s", ErrForbidden, strings.Join(p, ", "))
	}
	if s.at == nil {
		return fmt.Errorf("%w: e-mail domain: the session is no request's, so that its provider is not known", ErrForbidden)
	}
	if s.at.anyAddress && !slices.Contains(s.at.emailDomains, domain) {
		return fmt.Errorf("%w: e-mail domain: is none of the EmailDomains of provider %s, whose tenants can write any address", ErrForbidden, s.at.name)
	}
	return nil
}

// FromProvider passes sessions that signed in with one of the providers.
func FromProvider(names ...string) Policy { return providerPolicy(names).check }

type providerPolicy []string

func (p providerPolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.providers = append(n.providers, p...)
		n.demand(len(p) > 0, "FromProvider names no provider, so that nobody passes: name one")
		return nil
	}
	if slices.Contains(p, s.Provider()) {
		return nil
	}
	return fmt.Errorf("%w: provider %s", ErrForbidden, s.Provider())
}

// AnyOf passes when one of policies does. With none it never passes. When none
// passes, it is the first [LoginNeeded] that is returned: put what you would
// rather ask for first. Where no sign-in would help it is an error other than
// ErrForbidden, if there is one.
func AnyOf(policies ...Policy) Policy { return anyPolicy(policies).check }

type anyPolicy []Policy

func (p anyPolicy) check(ctx context.Context, s *Session) error {
	if n := needsIn(ctx, s); n != nil {
		n.demand(len(p) > 0, "AnyOf has no policies, so that nobody passes: give it some")
		ask := n.ask
		for _, policy := range p {
			n.ask = nil // each may be the one that passes
			n.of(ctx, []Policy{policy})
		}
		n.ask = ask
		return nil
	}
	denied := fmt.Errorf("%w: none of %d policies passed", ErrForbidden, len(p))
	var needed *LoginNeeded
	for _, policy := range p {
		err := policy(ctx, s)
		if err == nil {
			return nil
		}
		if needed != nil || errors.As(err, &needed) {
			continue
		}
		if !isForbidden(err) {
			denied = err
		}
	}
	if needed != nil {
		return needed
	}
	return denied
}

// needs is what policies read, asked when a guard is set up, so that a policy
// nobody can pass is found then and not by the first visitor. Only our own
// policies are asked, known by their code: an application's would run.
type needs struct {
	claims    []string
	roles     bool
	addresses bool // that a provider vouches for
	providers []string
	ask       *LoginNeeded // what all visitors must have; nil: nothing that can be asked for
	mistake   string       // the first; "": none
}

// demand notes a mistake unless ok.
func (n *needs) demand(ok bool, mistake string) {
	if !ok && n.mistake == "" {
		n.mistake = mistake
	}
}

type needsKey struct{}

// needsIn tells a policy that it is asked for its needs: there is no session.
func needsIn(ctx context.Context, s *Session) *needs {
	if s != nil {
		return nil
	}
	n, _ := ctx.Value(needsKey{}).(*needs)
	return n
}

func needsOf(policies []Policy) needs {
	var n needs
	n.of(context.WithValue(context.Background(), needsKey{}, &n), policies)
	return n
}

func (n *needs) of(ctx context.Context, policies []Policy) {
	for _, p := range policies {
		n.demand(p != nil, "a policy is nil: leave it out")
		if isOwn(p) {
			p(ctx, nil)
		}
	}
}

// isOwn knows our policies that read something by the address of their code,
// which all values of one method share.
func isOwn(p Policy) bool {
	own := [...]Policy{rolePolicy(nil).check, claimPolicy{}.check, domainPolicy(nil).check, providerPolicy(nil).check, anyPolicy(nil).check,
		scopePolicy(nil).check, agePolicy(0).check, acrPolicy(nil).check}
	return slices.ContainsFunc(own[:], func(o Policy) bool {
		return reflect.ValueOf(o).Pointer() == reflect.ValueOf(p).Pointer()
	})
}
