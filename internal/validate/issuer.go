package validate

import (
	"regexp"
	"slices"
	"strings"
)

// TenantPlaceholder stands for the tenant in [Issuers.Template], and in the
// "issuer" of keys that sign for all tenants.
const TenantPlaceholder = "{tenantid}"

const maxTenant = 128

// Issuers are those whose tokens are accepted beside [Expect.Issuer].
type Issuers struct {
	Exact    []string
	Template string   // with TenantPlaceholder as one path segment; "" none
	Tenants  []string // those of Template; nil: all
}

// None reports whether no others are accepted.
func (i Issuers) None() bool { return len(i.Exact) == 0 && i.Template == "" }

// Accept reports whether iss is one of them.
func (i Issuers) Accept(iss string) bool {
	if slices.Contains(i.Exact, iss) {
		return true
	}
	tenant, ok := i.tenant(iss)
	return ok && (i.Tenants == nil || slices.Contains(i.Tenants, tenant))
}

// tenant is what iss has in place of the placeholder. It is one segment of
// the path, and nothing that anybody could read as more than that.
func (i Issuers) tenant(iss string) (string, bool) {
	before, after, ok := strings.Cut(i.Template, TenantPlaceholder)
	if !ok {
		return "", false
	}
	rest, ok := strings.CutPrefix(iss, before)
	if !ok {
		return "", false
	}
	tenant, ok := strings.CutSuffix(rest, after)
	return tenant, ok && IsTenant(tenant)
}

// IsTenant reports whether s can be a tenant's id.
func IsTenant(s string) bool {
	if len(s) > maxTenant || strings.Trim(s, ".") == "" {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && !strings.ContainsRune("-._", r)
	})
}

// checkTenant binds a token of one of several issuers to its tenant: all of
// them may share their keys, and an application may go by tid. So the tid is
// the issuer's tenant, and the key that signed is one of this issuer's.
func checkTenant(t *IDToken, e Expect) error {
	tid, present, err := t.Claims.String("tid")
	if err != nil {
		return err
	}
	tenant, templated := e.Others.tenant(t.Issuer)
	switch {
	case templated && tid != tenant:
		return failed("tid", "not the tenant of the issuer")
	case present && !slices.Contains(strings.Split(t.Issuer, "/"), tid):
		return failed("tid", "not in the issuer")
	}
	return checkKey(t.Issuer, tid, e)
}

// checkKey refuses a key that signs for another issuer than the token's, as far
// as its publisher says.
func checkKey(iss, tenant string, e Expect) error {
	if e.KeyIssuers == nil {
		return nil
	}
	for _, issuer := range e.KeyIssuers {
		if strings.ReplaceAll(issuer, TenantPlaceholder, tenant) == iss {
			return nil
		}
	}
	return failed("signature", "made with a key of another issuer")
}

// tenantID is what a path segment looks like that names a tenant at Microsoft.
var tenantID = regexp.MustCompile(`[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`)

// SeveralTenants reports whether tokens of a provider with this issuer, and
// these beside it, may be of tenants that do not vouch for one another. Two
// spellings of one tenant's issuer may not.
func (i Issuers) SeveralTenants(issuer string) bool {
	if i.Template != "" {
		return true
	}
	tenants := map[string]bool{}
	for _, iss := range append([]string{issuer}, i.Exact...) {
		tenants[tenantID.FindString(strings.ToLower(iss))] = true
	}
	return len(tenants) > 1
}
