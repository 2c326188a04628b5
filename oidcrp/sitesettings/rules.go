package sitesettings

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// readRules reads how a login becomes a contact.
func (s *source) readRules(p *oidcrp.Provider, gate accounts.Gate) accounts.ProviderRules {
	rules := accounts.ProviderRules{Gate: gate}
	if on, given := s.get("RegistrationEnabled").bool(true); given && !on {
		rules.Gate = accounts.Closed
		s.get("RegistrationEnabled").taken("nobody registers through it (accounts.Closed); contacts that exist sign in")
	}
	s.get("RegistrationEnabled").taken("whoever may register may do so through it")
	if on, given := s.get("Deprecated").bool(false); given {
		rules.Retired = on
		s.get("Deprecated").taken("ProviderRules.Retired is %v; Rules.MovePath names the page that offers another provider", on)
	}
	s.readRoles(p)
	rules.MatchEmail = s.readMatching(*p)
	s.readUserInfo(p, rules.MatchEmail)
	rules.Registration = s.readMapping("RegistrationClaimsMapping", *p)
	rules.Login = s.readMapping("LoginClaimsMapping", *p)
	s.readEmailClaim()
	return rules
}

// readRoles reads where roles come from.
func (s *source) readRoles(p *oidcrp.Provider) {
	claim := s.get("RoleClaimType")
	if claim == nil {
		return
	}
	p.RolesClaim = claim.text()
	if strings.HasSuffix(p.RolesClaim, "/claims/role") && strings.Contains(p.RolesClaim, "://") {
		p.RolesClaim = "roles" // what .NET calls it, and no token does
	}
	if said := mistake(func(p2 *oidcrp.Provider) { p2.RolesClaim = p.RolesClaim }); said != "" {
		claim.wrong("%s", said)
	}
	claim.taken("Provider.RolesClaim %q; Provider.Roles makes roles of groups, and who has too many of them has none that are known (Login.RolesUnknown)", p.RolesClaim)
}

// readMatching reads whether a contact is found by an address.
func (s *source) readMatching(p oidcrp.Provider) bool {
	match := s.get("AllowContactMappingWithEmail")
	on, given := match.bool(false)
	if !given {
		return false
	}
	if !on {
		match.taken("no contact is found by an address")
		return false
	}
	if said := misruled(p, accounts.ProviderRules{MatchEmail: true}); said != "" {
		match.contradicts("%s", said)
		return false
	}
	match.changed("only a verified address links, and only to the one contact that has it verified and has no identity yet (ProviderRules.MatchEmail); where the provider does not say email_verified, see TrustMissingEmailVerified%s", unasked(p, "email"))
	return true
}

// asksUserInfo reports whether the UserInfo endpoint is used.
func (s *source) asksUserInfo() bool {
	on, _ := s.get("UseUserInfoEndpointforClaims").bool(false)
	return on
}

// readUserInfo reads whether UserInfo is asked, and decides what its failure
// means: a warning, or the end of the login where roles or a contact rest on it.
func (s *source) readUserInfo(p *oidcrp.Provider, matching bool) {
	use, endpoint := s.get("UseUserInfoEndpointforClaims"), s.get("UserInfoEndpoint")
	p.Endpoints.UserInfo = endpoint.text()
	if said := mistake(func(p2 *oidcrp.Provider) { p2.Endpoints.UserInfo = p.Endpoints.UserInfo }); said != "" {
		endpoint.wrong("%s", said)
	}
	if !s.asksUserInfo() {
		use.taken("UserInfo is not asked")
		endpoint.taken("Provider.Endpoints.UserInfo; it is not asked unless UseUserInfoEndpointforClaims is true")
		return
	}
	endpoint.taken("Provider.Endpoints.UserInfo")
	p.UserInfo = oidcrp.UserInfoOptional
	if said := mistake(func(p2 *oidcrp.Provider) {
		p2.ResponseType, p2.ResponseMode, p2.UserInfo = p.ResponseType, "form_post", p.UserInfo
	}); said != "" {
		use.contradicts("%s", said)
	}
	switch {
	case p.RolesClaim != "" || matching:
		p.UserInfo = oidcrp.UserInfoRequired
		use.changed("a login fails when UserInfo does (oidcrp.UserInfoRequired): roles, or the contact that an address finds, may rest on it; without RoleClaimType and AllowContactMappingWithEmail it goes on with a warning")
	default:
		use.taken("a login goes on, with a warning, when UserInfo fails (oidcrp.UserInfoOptional), but for a sub that differs")
	}
}

// emailFields are what Power Pages, and we, call the address of a contact.
var emailFields = []string{"emailaddress1", "email"}

// readMapping reads which fields claims set.
func (s *source) readMapping(name string, p oidcrp.Provider) map[string]string {
	given := s.get(name)
	if given == nil {
		return nil
	}
	mapping, err := accounts.ParseMapping(given.text())
	if err != nil {
		given.wrong("%s", brief(strings.TrimPrefix(err.Error(), "accounts: ")))
		return nil
	}
	m := mapper{login: name == "LoginClaimsMapping", p: p, out: map[string]string{}}
	for _, field := range slices.Sorted(maps.Keys(mapping)) {
		m.add(field, mapping[field])
	}
	switch {
	case m.wrong != nil:
		given.wrong("%s", strings.Join(m.wrong, "; "))
	case m.notes != nil:
		given.changed("%s%s", strings.Join(m.notes, "; "), unasked(p, m.claims...))
	}
	says := "ProviderRules." + strings.TrimSuffix(name, "ClaimsMapping")
	if m.dotted != nil {
		says += fmt.Sprintf("; %s is a claim of that very name: a path into a claim is written /address/locality", strings.Join(m.dotted, ", "))
	}
	given.taken("%s%s", says, unasked(p, m.claims...))
	return m.out
}

// scopeOf is the scope that asks for a claim (Core 5.4).
var scopeOf = map[string]string{
	"name": "profile", "family_name": "profile", "given_name": "profile", "middle_name": "profile",
	"nickname": "profile", "preferred_username": "profile", "profile": "profile", "picture": "profile",
	"website": "profile", "gender": "profile", "birthdate": "profile", "zoneinfo": "profile",
	"locale": "profile", "updated_at": "profile",
	"email": "email", "email_verified": "email", "address": "address",
	"phone_number": "phone", "phone_number_verified": "phone",
}

// unasked says which scopes would bring claims that something rests on; "" if all
// are asked for.
func unasked(p oidcrp.Provider, claims ...string) string {
	scopes := slices.Clone(p.Scopes)
	var without []string
	for _, claim := range claims {
		if path, ok := strings.CutPrefix(claim, "/"); ok {
			claim, _, _ = strings.Cut(path, "/")
		}
		scope := scopeOf[claim]
		if scope == "" || slices.Contains(p.Scopes, scope) {
			continue
		}
		if !slices.Contains(without, claim) {
			without = append(without, claim)
		}
		if !slices.Contains(scopes, scope) {
			scopes = append(scopes, scope)
		}
	}
	if without == nil {
		return ""
	}
	return fmt.Sprintf("; Scope does not ask for %s, which most providers then do not send: set Scope to %q",
		strings.Join(without, ", "), strings.Join(scopes, " "))
}

// mapper judges one mapping.
type mapper struct {
	login  bool // at each login, or else at registration
	p      oidcrp.Provider
	out    map[string]string
	claims []string // that out, and the address of the contact, come from
	wrong  []string
	notes  []string
	dotted []string
}

func (m *mapper) note(format string, args ...any) {
	m.notes = append(m.notes, fmt.Sprintf(format, args...))
}

func (m *mapper) add(field, source string) {
	fromUserInfo := strings.HasPrefix(strings.ToLower(source), "userinfo.")
	if fromUserInfo {
		source = "userinfo." + source[len("userinfo."):]
	}
	switch {
	case fromUserInfo && m.p.UserInfo == oidcrp.UserInfoOff:
		m.note("%s is left out: it is from UserInfo, which is not asked", field)
		return
	case slices.Contains(emailFields, strings.ToLower(field)):
		m.addEmail(field, strings.TrimPrefix(source, "userinfo."))
		return
	}
	rules := accounts.ProviderRules{Registration: map[string]string{field: source}}
	if m.login {
		rules = accounts.ProviderRules{Login: map[string]string{field: source}}
	}
	said := misruled(m.p, rules)
	switch {
	case strings.Contains(said, "not for claims to decide"):
		m.note("%s is left out: %s", field, said)
		return
	case said != "":
		m.wrong = append(m.wrong, said)
		return
	}
	if claim := strings.TrimPrefix(source, "userinfo."); strings.Contains(claim, ".") && !strings.ContainsAny(claim, ":/") {
		m.dotted = append(m.dotted, claim)
	}
	m.out[field] = source
	m.claims = append(m.claims, strings.TrimPrefix(source, "userinfo."))
}

// addEmail is about the address of the contact, which no mapping may set from
// just any claim.
func (m *mapper) addEmail(field, claim string) {
	switch {
	case claim != "email":
		m.note("%s is left out: the address of a contact comes from the claim email alone, which email_verified is about", field)
	case m.login:
		m.out["email"] = "email"
		m.claims = append(m.claims, "email")
		m.note("%s changes with the claim email where that is verified and nobody else's", field)
	default:
		m.claims = append(m.claims, "email")
		m.note("%s is set from the claim email anyway (Contact.Email)", field)
	}
}

// readEmailClaim reads where the address is.
func (s *source) readEmailClaim() {
	claim := s.get("EmailClaimIdentifier")
	if text := claim.text(); strings.EqualFold(text, "email") || strings.HasSuffix(strings.ToLower(text), "/claims/emailaddress") {
		claim.taken("the address is in the claim email")
	}
	claim.changed("the address is in the claim email: no other has email_verified beside it")
}
