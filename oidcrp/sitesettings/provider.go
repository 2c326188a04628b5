package sitesettings

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// sources are the providers in the order of their names.
func (r *reader) sources() []*source {
	var all []*source
	for _, name := range slices.Sorted(maps.Keys(r.providers)) {
		all = append(all, r.providers[name])
	}
	return all
}

// readProviders reads all providers, and what they share.
func (r *reader) readProviders() {
	all := r.sources()
	if len(all) == 0 {
		none := r.add(entry{key: openIDConnect + "{Provider}/Authority"})
		none.wrong("is missing, and so is every other setting of an OpenID Connect provider: there is nothing to sign in with")
		return
	}
	names := map[string]bool{}
	for i, s := range all {
		s.name = slug(s.given, i)
		for names[s.name] {
			s.name += "-"
		}
		names[s.name] = true
	}
	r.rules.ByProvider = map[string]accounts.ProviderRules{}
	for _, s := range all {
		p, rules := s.read(r.rules.Default.Gate)
		r.config.Providers = append(r.config.Providers, p)
		r.rules.ByProvider[p.Name] = rules
	}
	r.readNonceLifetime(all)
	r.readBaseURL(all)
	r.nameInLinks(all)
}

// slug is the Name of a provider: what its own name leaves of what a Name may
// have.
func slug(given string, i int) string {
	var b strings.Builder
	for _, c := range strings.ToLower(given) {
		switch {
		case 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '_' && b.Len() > 0:
			b.WriteRune(c)
		case b.Len() > 0:
			b.WriteByte('-')
		}
	}
	name := strings.TrimRight(b.String(), "-_")
	if name == "" {
		return fmt.Sprintf("provider-%d", i+1)
	}
	return name[:min(len(name), 56)]
}

// read reads one provider.
func (s *source) read(gate accounts.Gate) (oidcrp.Provider, accounts.ProviderRules) {
	p := oidcrp.Provider{Name: s.name, DisplayName: s.given}
	s.get("Caption").taken("the text of its button (Provider.DisplayName)")
	if caption := s.get("Caption").text(); caption != "" {
		p.DisplayName = caption
	}
	s.readClient(&p)
	s.readIssuer(&p)
	s.readResponse(&p)
	s.readRequest(&p)
	s.readRedirect(&p)
	s.readLogout(&p)
	if on, given := s.get("UseTokenLifetime").bool(false); given {
		p.UseTokenLifetime = on
		s.get("UseTokenLifetime").taken("Provider.UseTokenLifetime: the session ends with the ID token, if that is earlier than ApplicationCookie/ExpireTimeSpan says")
	}
	return p, s.readRules(&p, gate)
}

// readClient reads who the site is at the provider.
func (s *source) readClient(p *oidcrp.Provider) {
	id := s.need("ClientId", "give the id the provider registered for the site")
	p.ClientID = id.text()
	if said := mistake(func(p *oidcrp.Provider) { p.ClientID = id.text() }); said != "" {
		id.wrong("%s", said)
	}
	id.taken("Provider.ClientID")

	secret, method := s.get("ClientSecret"), s.get("TokenEndPointAuthenticatedMethod")
	p.ClientAuth = strings.ToLower(method.text())
	switch p.ClientAuth {
	case "":
		p.ClientAuth = "none"
		if secret != nil {
			p.ClientAuth = "client_secret_post"
			s.byDefault("TokenEndPointAuthenticatedMethod", p.ClientAuth, "Provider.ClientAuth")
		}
	case "client_secret_post", "client_secret_basic":
		if secret == nil {
			s.need("ClientSecret", "TokenEndPointAuthenticatedMethod is "+p.ClientAuth)
		}
		method.taken("Provider.ClientAuth")
	case "private_key_jwt":
		method.taken("Provider.ClientAuth: give the key that signs as Provider.ClientKeys before oidcrp.New")
		secret.ignored("TokenEndPointAuthenticatedMethod is private_key_jwt, which needs no secret")
		return
	case "none":
		if secret != nil {
			method.contradicts("there is a ClientSecret: remove one of them")
			secret.contradicts("TokenEndPointAuthenticatedMethod is none: remove one of them")
		}
		method.taken("a public client: Provider.ClientAuth")
	default:
		method.wrong("is none of client_secret_post, client_secret_basic, private_key_jwt and none")
	}
	p.ClientSecret = oidcrp.Secret(secret.text())
	secret.taken("Provider.ClientSecret, which prints as [redacted]")
}

// readLogto reads an application of Logto, whose defaults are the library's.
func (s *source) readLogto() oidcrp.Provider {
	p := oidcrp.Provider{Name: s.name, DisplayName: s.given}
	s.readClient(&p)
	if s.get("ClientSecret") == nil {
		s.byDefault("ClientSecret", "", "a public client, as single-page applications are, with PKCE; what runs on a server can keep a secret: create a traditional web application in Logto, and give its secret")
	}
	authority := s.need("Authority", "give the address of the tenant and /oidc")
	p.Issuer = authority.text()
	if said := mistake(func(p2 *oidcrp.Provider) { p2.Issuer = p.Issuer }); said != "" {
		authority.wrong("%s", said)
	}
	authority.taken("Provider.Issuer")
	kind := s.get("ResponseType")
	p.ResponseType = strings.ToLower(kind.text())
	if said := mistake(func(p2 *oidcrp.Provider) { p2.ResponseType = p.ResponseType }); said != "" {
		kind.wrong("%s", said)
	}
	kind.taken("Provider.ResponseType")
	scope := s.get("Scope")
	s.scopes(&p, scope, strings.FieldsFunc(scope.text(), func(c rune) bool { return strings.ContainsRune("+, \t\r\n", c) }))
	if scope == nil {
		s.byDefault("Scope", "openid profile email", "Provider.Scopes")
	}
	redirect := s.need("RedirectUri", "give the address that is registered in Logto, such as http://localhost:3000/callback")
	s.redirectURI(&p, redirect)
	s.readAfterLogout(&p)
	return p
}

// readResponse reads what the browser brings back, and how.
func (s *source) readResponse(p *oidcrp.Provider) {
	kind, mode := s.get("ResponseType"), s.get("ResponseMode")
	p.ResponseType = "code id_token"
	if kind != nil {
		p.ResponseType = strings.Join(strings.Fields(strings.ToLower(kind.text())), " ")
	}
	if said := mistake(func(p2 *oidcrp.Provider) { p2.ResponseType, p2.ResponseMode = p.ResponseType, "form_post" }); said != "" {
		kind.wrong("%s", said)
		p.ResponseType = "code"
	}
	words := strings.Fields(p.ResponseType)
	public := p.ClientAuth == "none" && s.get("TokenEndPointAuthenticatedMethod") == nil
	switch {
	case public && slices.Contains(words, "code") && slices.Contains(words, "id_token"):
		// Power Pages signs in by the ID token that the browser brings, and needs no
		// secret for a code that it does not redeem.
		p.ResponseType = "id_token"
		if slices.Contains(words, "token") || s.asksUserInfo() {
			p.ResponseType = "id_token token"
		}
		why := fmt.Sprintf("without ClientSecret no code can be redeemed, so it is %q: give a secret and %q, which keeps tokens out of the browser", p.ResponseType, "code")
		kind.changed("%s", why)
		if kind == nil {
			s.byDefault("ResponseType", "code id_token", why)
		}
	case public && slices.Contains(words, "code"):
		s.need("ClientSecret", fmt.Sprintf("ResponseType %q needs it to redeem the code; a public client says so by TokenEndPointAuthenticatedMethod none", p.ResponseType))
	case kind == nil:
		s.byDefault("ResponseType", p.ResponseType, `Provider.ResponseType, with PKCE wherever there is a code; "code" keeps tokens out of the browser`)
	}
	kind.taken("Provider.ResponseType, with PKCE wherever there is a code")

	p.ResponseMode = "form_post"
	if mode == nil {
		s.byDefault("ResponseMode", p.ResponseMode, "Provider.ResponseMode")
	} else {
		p.ResponseMode = strings.ToLower(mode.text())
	}
	if said := mistake(func(p2 *oidcrp.Provider) {
		p2.ResponseType, p2.ResponseMode = p.ResponseType, p.ResponseMode
	}); said != "" {
		mode.wrong("%s", said)
	}
	mode.taken("Provider.ResponseMode")
}

// readRequest reads what the site asks for.
func (s *source) readRequest(p *oidcrp.Provider) {
	scope := s.get("Scope")
	if scope == nil {
		p.Scopes = []string{"openid"}
		s.byDefault("Scope", "openid", "Provider.Scopes: profile and email bring name and address")
	}
	s.scopes(p, scope, strings.FieldsFunc(scope.text(), func(c rune) bool { return c == ',' || c == ' ' || c == '\t' || c == '\n' || c == '\r' }))

	acr := s.get("AcrValues")
	p.ACRValues = strings.Fields(acr.text())
	acr.taken("Provider.ACRValues: asked for; with Provider.RequireACR also checked")

	prompt := s.get("Prompt")
	if p.Prompt = strings.ToLower(prompt.text()); p.Prompt != "" {
		if said := mistake(func(p2 *oidcrp.Provider) { p2.Prompt = p.Prompt }); said != "" {
			prompt.wrong("%s", said)
		}
		prompt.taken("Provider.Prompt, which beats prompt= of a link")
	}
	if resource := s.get("Resource"); resource != nil {
		p.Resource = []string{resource.text()}
		if said := mistake(func(p2 *oidcrp.Provider) { p2.Resource = p.Resource }); said != "" {
			resource.wrong("%s", said)
		}
		resource.taken("Provider.Resource")
	}
	s.readDynamic(p)
}

// scopes checks what is asked for.
func (s *source) scopes(p *oidcrp.Provider, scope *setting, wanted []string) {
	if scope == nil {
		return
	}
	p.Scopes = wanted
	if said := mistake(func(p2 *oidcrp.Provider) { p2.Scopes = wanted }); said != "" {
		scope.wrong("%s", said)
	}
	if !slices.Contains(wanted, "openid") {
		p.Scopes = append([]string{"openid"}, wanted...)
		scope.changed("openid is added, without which there is no sign-in")
	}
	scope.taken("Provider.Scopes")
}

// readDynamic reads which parameters of a link go on to the provider.
func (s *source) readDynamic(p *oidcrp.Provider) {
	allowed := s.get("AllowedDynamicAuthorizationParameters")
	var refused []string
	for _, name := range list(allowed.text()) {
		if slices.Contains([]string{"prompt", "login_hint", "returnurl", "ui_locales"}, strings.ToLower(name)) || slices.Contains(p.DynamicParams, name) {
			continue // these pass anyway
		}
		if mistake(func(p *oidcrp.Provider) { p.DynamicParams = []string{name} }) != "" {
			refused = append(refused, name)
			continue
		}
		p.DynamicParams = append(p.DynamicParams, name)
	}
	if refused != nil {
		allowed.changed("left out %s: no link may decide about parameters of the protocol itself", strings.Join(refused, ", "))
	}
	allowed.taken("Provider.DynamicParams; names regard case, and all others are ignored")
}

// readLogout reads what a sign-out does at the provider.
func (s *source) readLogout(p *oidcrp.Provider) {
	external, initiated, other := s.get("ExternalLogoutEnabled"), s.get("RPInitiatedLogout"), s.get("RPInitiatedLogoutEnabled")
	isExternal, _ := external.bool(true)
	isInitiated, _ := initiated.bool(false)
	isOther, _ := other.bool(isInitiated)
	if initiated != nil && other != nil && isInitiated != isOther {
		initiated.contradicts("RPInitiatedLogoutEnabled is the same setting and says the contrary: remove one")
		other.contradicts("RPInitiatedLogout is the same setting and says the contrary: remove one")
	}
	isInitiated = isInitiated || isOther
	p.LocalLogoutOnly = !isExternal && !isInitiated
	says := "a sign-out goes on to the provider, with id_token_hint"
	if p.LocalLogoutOnly {
		says = "a sign-out leaves the provider's session alone (Provider.LocalLogoutOnly)"
	}
	if !isExternal && isInitiated {
		external.changed("%s: RPInitiatedLogout is on, and either switch does it", says)
	}
	for _, given := range []*setting{external, initiated, other} {
		given.taken("%s", says)
	}
	if external == nil && initiated == nil && other == nil {
		s.byDefault("ExternalLogoutEnabled", "true", says)
	}
	s.readAfterLogout(p)
}

// readAfterLogout reads where the provider returns to.
func (s *source) readAfterLogout(p *oidcrp.Provider) {
	after := s.get("PostLogoutRedirectUri")
	if after == nil {
		s.byDefault("PostLogoutRedirectUri", "", `our signed-out page: register BaseURL + Config.Prefix + "/logout" at the provider. The home page, where Power Pages returns, may want a sign-in at once`)
		return
	}
	p.PostLogoutRedirectURL = after.text()
	if u, err := url.Parse(p.PostLogoutRedirectURL); err != nil || u.Host == "" {
		after.wrong("is no address: write it whole, such as https://portal.example/")
	}
	if said := mistake(func(p2 *oidcrp.Provider) { p2.PostLogoutRedirectURL = p.PostLogoutRedirectURL }); said != "" {
		after.wrong("%s", said)
	}
	if p.LocalLogoutOnly {
		after.ignored("a sign-out leaves the provider's session alone")
	}
	after.taken("Provider.PostLogoutRedirectURL")
}

// readNonceLifetime finds one time for all providers.
func (r *reader) readNonceLifetime(all []*source) {
	const remedy = `write minutes, such as 10, or hours, minutes and seconds, such as "00:10:00"`
	spans := map[*setting]time.Duration{}
	for _, s := range all {
		nonce := s.get("NonceLifetime")
		if d, given := nonce.span(time.Minute, remedy); given {
			spans[nonce] = min(max(d, time.Minute), maxLogin)
			r.config.LoginTimeout = max(r.config.LoginTimeout, spans[nonce])
			if spans[nonce] != d {
				nonce.changed("is %s: a login may take from a minute to an hour", human(spans[nonce]))
			}
		}
	}
	for nonce, d := range spans {
		if d != r.config.LoginTimeout {
			nonce.changed("is %s, as that of another provider: there is one for all (Config.LoginTimeout)", human(r.config.LoginTimeout))
		}
		nonce.taken("a login may take %s (Config.LoginTimeout)", human(d))
	}
}
