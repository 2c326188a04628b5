package sitesettings

import (
	"net/url"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// Addresses of Power Pages.
const (
	loginPath  = "/Account/Login/ExternalLogin"
	logoutPath = "/Account/Login/LogOff"
	failedPath = "/Account/Login/ExternalAuthenticationFailed"
)

// readRedirect reads where the provider sends the browser back to.
func (s *source) readRedirect(p *oidcrp.Provider) {
	redirect, callback := s.get("RedirectUri"), s.get("CallbackPath")
	if redirect != nil {
		s.redirectURI(p, redirect)
		s.notOurs(redirect, p.RedirectPath)
		if callback != nil && callback.text() != p.RedirectPath {
			callback.contradicts("is not the path of RedirectUri, where the provider sends the browser: remove it")
			redirect.contradicts("leads elsewhere than CallbackPath, where the site would listen: remove that")
		}
		callback.taken("the path of RedirectUri")
		return
	}
	if callback != nil {
		p.RedirectPath = callback.text()
		s.notOurs(callback, p.RedirectPath)
		if said := mistake(func(p2 *oidcrp.Provider) { p2.RedirectPath = p.RedirectPath }); said != "" {
			callback.wrong("%s", said)
		}
		callback.taken("Provider.RedirectPath")
		return
	}
	p.RedirectPath = "/signin-" + url.PathEscape(s.given)
	s.byDefault("RedirectUri", "{BaseURL}"+p.RedirectPath, "Provider.RedirectPath: this must be registered at the provider")
}

// redirectURI takes an address apart: its path is the provider's, and all before
// is where the site lives.
func (s *source) redirectURI(p *oidcrp.Provider, redirect *setting) {
	u, err := url.Parse(redirect.text())
	if err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		redirect.wrong("is no address of a page: write it whole and without query, such as https://portal.example/signin-%s", url.PathEscape(s.given))
		return
	}
	if u.Path == "" {
		redirect.wrong("names no page: register one at the provider and write that, such as https://%s/signin-%s", u.Host, url.PathEscape(s.given))
		return
	}
	p.RedirectPath = u.EscapedPath()
	if said := mistake(func(p2 *oidcrp.Provider) { p2.RedirectPath = p.RedirectPath }); said != "" {
		redirect.wrong("%s", said)
	}
	cfg := trialConfig(oidcrp.Provider{Issuer: "https://issuer.invalid", ClientID: "trial", ClientAuth: "none"})
	cfg.BaseURL = siteOf(redirect)
	if err := try(cfg); err != nil {
		redirect.wrong("%s", strings.TrimPrefix(err.Error(), "oidcrp: Config."))
	}
	redirect.taken("Provider.RedirectPath, and Config.BaseURL")
}

// notOurs refuses addresses that have another purpose.
func (s *source) notOurs(given *setting, path string) {
	if plain, err := url.PathUnescape(path); err == nil {
		path = plain
	}
	for _, other := range []string{loginPath, logoutPath, registrationPath} {
		if strings.EqualFold(path, other) {
			given.wrong("is %s, which has another purpose: give the provider an address of its own, such as /signin-%s", other, url.PathEscape(s.given))
		}
	}
}

// siteOf is where the site of a redirect URI lives, "" where it does not say.
func siteOf(redirect *setting) string {
	u, err := url.Parse(redirect.text())
	if err != nil || u.Host == "" {
		return ""
	}
	return u.Scheme + "://" + u.Host
}

// readBaseURL finds out where the site lives, and that no two providers answer at
// one address.
func (r *reader) readBaseURL(all []*source) {
	var first *setting
	paths := map[string]*source{}
	for i, s := range all {
		p := &r.config.Providers[i]
		redirect := s.get("RedirectUri")
		if site := siteOf(redirect); site != "" {
			if first == nil {
				first, r.config.BaseURL = redirect, site
			} else if !strings.EqualFold(site, r.config.BaseURL) {
				redirect.contradicts("is of another host than %s: give both the same one; for several see Config.Sites", first.Key)
				first.contradicts("is of another host than %s: give both the same one; for several see Config.Sites", redirect.Key)
			}
		}
		if other := paths[p.RedirectPath]; other != nil {
			for _, c := range []*source{s, other} {
				for _, name := range []string{"RedirectUri", "CallbackPath"} {
					c.get(name).contradicts("is the address of two providers, whose answers could be taken for each other's: give each its own")
				}
			}
		}
		paths[p.RedirectPath] = s
	}
	if first == nil {
		r.byDefault("Config.BaseURL", "", "no RedirectUri says where the site lives: set it")
	} else {
		r.byDefault("Config.BaseURL", r.config.BaseURL, "from RedirectUri: set it where the site has moved, and register the new redirect URIs")
	}
	r.byDefault("Config.CookieKeys", "", "no setting has them: give at least one key of 32 random bytes, the same on every node, from a secret store; on localhost one is made")
}

// nameInLinks gives providers the names that links and buttons have for them.
func (r *reader) nameInLinks(all []*source) {
	taken := map[string]*source{}
	for _, s := range all {
		taken[s.name] = s
	}
	for i, s := range all {
		kind := s.get("AuthenticationType")
		wanted := []string{s.given, s.authenticationType()}
		for _, alias := range wanted {
			if alias == "" || taken[alias] == s {
				continue
			}
			if other := taken[alias]; other != nil {
				if alias == kind.text() {
					kind.contradicts("is a name of %s too: give each its own", other.given)
				}
				continue // the first of two at one authority has its name
			}
			taken[alias] = s
			r.config.Providers[i].Aliases = append(r.config.Providers[i].Aliases, alias)
		}
		kind.taken("provider= of a link may say it (Provider.Aliases)")
	}
	button := r.of("Registration", "LoginButtonAuthenticationType")
	if button == nil {
		return
	}
	same := func(a string) bool {
		return a != "" && strings.EqualFold(strings.TrimRight(a, "/"), strings.TrimRight(button.text(), "/"))
	}
	for _, s := range all {
		if same(s.authenticationType()) || same(s.get("Authority").text()) || same(s.given) {
			r.config.DefaultProvider = s.name
			button.taken("a login that names no provider goes to %s (Config.DefaultProvider)", s.name)
			return
		}
	}
	button.wrong("is the authority of none of the providers: give that of the one to go to, or remove it")
}

// authenticationType is what ExternalLogin is told: the issuer, unless another
// name was given.
func (s *source) authenticationType() string {
	if kind := s.get("AuthenticationType"); kind != nil {
		return kind.text()
	}
	return s.get("Authority").text()
}

// readAddresses keeps links working.
func (r *reader) readAddresses() {
	r.config.LoginPath, r.config.LogoutPath = loginPath, logoutPath
	r.byDefault(loginPath, "", "begins a login (Config.LoginPath): ReturnUrl, provider, prompt, login_hint and what AllowedDynamicAuthorizationParameters lists; ui_locales is the language of our pages")
	r.byDefault(logoutPath, "", "asks whether to sign out (Config.LogoutPath)")
	r.byDefault(failedPath, "", "is not there: a login that fails is answered where it fails, with status, reference and a way to try again; Config.ErrorPage shows a page of the application's own")
	r.byDefault(registrationPath, "", "mount accounts.RegistrationPage here (Rules.RegistrationPath)")
}
