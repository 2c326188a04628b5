package oidcrp

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

// defaultClaims is what a session keeps when Config.Claims is nil.
var defaultClaims = []string{"name", "email", "email_verified", "preferred_username"}

// Claims decodes the kept claims into T by its json tags: the claim "name"
// and the kept pointer "/realm_access/roles" stand where the ID token has
// them. It returns [ErrNotLoaded], [ErrAnonymous], or the decoder's error.
func Claims[T any](ctx context.Context) (T, error) {
	var v T
	s, err := sessionOf(ctx)
	if err != nil {
		return v, err
	}
	b, err := json.Marshal(s.nested())
	if err != nil {
		return v, fmt.Errorf("kept claims: %w", err)
	}
	if err := json.Unmarshal(b, &v); err != nil {
		return v, fmt.Errorf("kept claims: %w", err)
	}
	return v, nil
}

// nested puts the kept claims where the token had them.
func (s *Session) nested() map[string]any {
	root := map[string]any{}
	for name, value := range s.rec.Claims() {
		if !strings.HasPrefix(name, "/") {
			root[name] = json.RawMessage(value)
			continue
		}
		at, path := root, strings.Split(name[1:], "/")
		for i, token := range path {
			token = validate.UnescapePointer(token)
			if i == len(path)-1 {
				at[token] = json.RawMessage(value)
				break
			}
			next, ok := at[token].(map[string]any)
			if !ok {
				next = map[string]any{}
				at[token] = next
			}
			at = next
		}
	}
	return root
}

// Strings decodes a claim that is a string with some providers and an array of
// strings with others.
type Strings []string

// UnmarshalJSON accepts a string, an array of strings, or null.
func (s *Strings) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		var one string
		if err := json.Unmarshal(b, &one); err != nil {
			return err
		}
		*s = Strings{one}
		return nil
	}
	return json.Unmarshal(b, (*[]string)(s))
}

// rolesUnknown is the key of the value by which a session remembers
// [Login.RolesUnknown]. It goes wherever the application's own values go.
const rolesUnknown = "oidcrp.roles_unknown"

// verified is what a Login knows beyond its public fields.
type verified struct {
	claims   validate.Claims
	userInfo validate.Claims // alone
	values   map[string]string
	owned    bool // see OwnsEmail
}

// Claims decodes all verified claims, those of the ID token and of UserInfo
// together, into v by its json tags. Where both have a claim, the ID token's
// counts. After a pause these are the kept claims only.
func (l *Login) Claims(v any) error {
	b, err := json.Marshal(l.claims)
	if err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	if err := json.Unmarshal(b, v); err != nil {
		return fmt.Errorf("claims: %w", err)
	}
	return nil
}

// Claim returns one verified claim by exact name or JSON Pointer.
func (l *Login) Claim(name string) (value json.RawMessage, ok bool) {
	return l.claims.Lookup(name)
}

// Text is [Session.Text] for a verified claim.
func (l *Login) Text(claim string) string {
	raw, _ := l.claims.Lookup(claim)
	return strings.Join(validate.Scalars(raw), ", ")
}

// UserInfoClaim is Claim for what UserInfo alone says, whatever the ID token
// has. ok is false where UserInfo was not asked or failed, see
// [Provider.UserInfo], and after a pause.
func (l *Login) UserInfoClaim(name string) (value json.RawMessage, ok bool) {
	return l.userInfo.Lookup(name)
}

// EmailVerified reports whether email_verified is true: the boolean, not a
// string that says so.
func (l *Login) EmailVerified() bool { return string(l.claims["email_verified"]) == "true" }

// Set stores a small value of the application's own in the session, such as
// its user id, where no claim can reach it. The empty value removes it. Values
// do not survive a new login: OnLogin sets them anew, and may take them from
// [Login.Session].
func (l *Login) Set(key, value string) {
	if l.values == nil {
		l.values = map[string]string{}
	}
	l.values[key] = value
}

// Value returns what Set stored.
func (l *Login) Value(key string) string { return l.values[key] }

// OwnsEmail reports whether the claim email is of one of the provider's
// EmailDomains, so that no other provider may assert it. It says nothing about
// email_verified.
func (l *Login) OwnsEmail() bool { return l.owned }

// ownsEmail is OwnsEmail for these claims.
func (p *providerEntry) ownsEmail(claims validate.Claims) bool {
	if len(p.emailDomains) == 0 {
		return false
	}
	email, _, err := claims.String("email")
	domain, plain := validate.AddressDomain(email)
	return err == nil && plain && domain != "" && slices.Contains(p.emailDomains, domain)
}

// newLogin is what OnLogin sees of a verified login.
func newLogin(p *providerEntry, v *provider.Login, returnTo, language string, before *Session) *Login {
	return &Login{
		Provider: p.name, Issuer: v.Issuer, Subject: v.Subject,
		ReturnTo: returnTo, Scopes: v.Scopes,
		ACR: v.ACR, AMR: v.AMR, AuthTime: v.AuthTime,
		Roles: p.rolesOf(v.Claims), RolesUnknown: p.rolesUnknown(v),
		Language: language,
		Session:  before,
		verified: verified{claims: v.Claims, userInfo: v.UserInfo, owned: p.ownsEmail(v.Claims)},
	}
}

// rolesOf reduces the claim that names groups to roles of the application. A
// claim of another type gives no role, and neither does an empty text: whoever
// counts roles must find none.
func (p *providerEntry) rolesOf(claims validate.Claims) []string {
	if p.rolesClaim == "" {
		return nil
	}
	raw, ok := claims.Lookup(p.rolesClaim)
	if !ok {
		return nil
	}
	var groups Strings
	if err := json.Unmarshal(raw, &groups); err != nil {
		return nil
	}
	groups = slices.DeleteFunc(groups, func(g string) bool { return g == "" })
	if p.roles == nil {
		return groups
	}
	var roles []string
	seen := map[string]bool{}
	for _, g := range groups {
		if role, ok := p.roles[g]; ok && !seen[role] {
			seen[role] = true
			roles = append(roles, role)
		}
	}
	return roles
}

// rolesUnknown reports whether a login may be of somebody with roles that it
// does not tell. Microsoft Entra ID leaves groups out where there are too many,
// and refers to them by _claim_names (Core 5.6.2), or by hasgroups where a token
// came by the browser.
func (p *providerEntry) rolesUnknown(v *provider.Login) bool {
	if p.rolesClaim == "" {
		return false
	}
	if _, told := v.Claims.Lookup(p.rolesClaim); told {
		return false
	}
	return v.Warning != nil || p.refersToRoles(v.Claims) || p.refersToRoles(v.UserInfo)
}

// refersToRoles reports whether claims say that those of the roles are elsewhere.
func (p *providerEntry) refersToRoles(claims validate.Claims) bool {
	name := p.rolesClaim
	if strings.HasPrefix(name, "/") {
		name, _, _ = strings.Cut(name[1:], "/")
		name = validate.UnescapePointer(name)
	}
	var elsewhere map[string]json.RawMessage
	if raw, ok := claims["_claim_names"]; ok && json.Unmarshal(raw, &elsewhere) == nil {
		if _, ok := elsewhere[name]; ok {
			return true
		}
	}
	hasGroups := strings.Trim(string(claims["hasgroups"]), `"`)
	return name == "groups" && hasGroups == "true"
}

// warnOfRoles says that a login lacks roles the user may have.
func (rp *RelyingParty) warnOfRoles(ctx context.Context, p *providerEntry, l *Login) {
	if l.RolesUnknown {
		rp.log.WarnContext(ctx, "roles unknown", "provider", p.name, "claim", p.rolesClaim,
			"remedy", "the provider did not tell the user's roles, so that no guard finds one: let it put only groups assigned to the application, or app roles, into tokens, or find them out in OnLogin (Login.RolesUnknown)")
	}
}

// warnOfNoRoles says, once, that logins lack the claim their roles come from:
// nobody would pass HasRole, and nothing else tell why.
func (rp *RelyingParty) warnOfNoRoles(ctx context.Context, p *providerEntry, claims validate.Claims) {
	if p.rolesClaim == "" {
		return
	}
	if _, ok := claims.Lookup(p.rolesClaim); !ok {
		p.noRoles.Do(func() {
			rp.log.WarnContext(ctx, "no roles", "provider", p.name, "claim", p.rolesClaim,
				"remedy", "a login has no such claim: correct RolesClaim, let the provider put the claim into ID tokens, or ask UserInfo (Provider.UserInfo)")
		})
	}
}

// Format prints which provider it is a login at, whatever the verb: claims are
// not for logs.
func (l Login) Format(f fmt.State, _ rune) { io.WriteString(f, "login at "+l.Provider) }

// LogValue is the provider alone.
func (l Login) LogValue() slog.Value {
	return slog.GroupValue(slog.String("provider", l.Provider))
}

// keep is what of a login becomes its session.
func (rp *RelyingParty) keep(l *Login) session.Draft {
	d := session.Draft{
		Provider: l.Provider, Issuer: l.Issuer, Subject: l.Subject,
		ACR: l.ACR, AMR: l.AMR, AuthTime: l.AuthTime,
		Roles: l.Roles, Scopes: l.Scopes,
	}
	for _, name := range rp.claims {
		if raw, ok := l.claims.Lookup(name); ok && !bytes.Equal(raw, []byte("null")) {
			d.Claims = append(d.Claims, session.Claim{Name: name, Value: raw})
		}
	}
	for _, key := range slices.Sorted(maps.Keys(l.values)) {
		if value := l.values[key]; value != "" && !isInternal(key) && key != rolesUnknown {
			d.Values = append(d.Values, session.Value{Key: key, Value: value})
		}
	}
	if l.RolesUnknown {
		d.Values = append(d.Values, session.Value{Key: rolesUnknown, Value: "1"})
	}
	return d
}

// rawJSON is what nested put together, as JSON again.
func rawJSON(v any) json.RawMessage {
	if raw, ok := v.(json.RawMessage); ok {
		return raw
	}
	raw, _ := json.Marshal(v) // maps of valid JSON
	return raw
}
