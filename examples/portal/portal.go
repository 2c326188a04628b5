package main

import (
	"embed"
	"errors"
	"net"
	"net/http"
	"net/url"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// portal is the application and what it runs on.
type portal struct {
	baseURL   string
	listener  net.Listener
	sessions  *sessions
	dev       []*oidcrptest.Provider // nil with real providers
	providers []oidcrp.Provider
	rp        *oidcrp.RelyingParty
}

// open gets everything ready to serve, or closes what it has opened.
func open(o options) (_ *portal, err error) {
	p := &portal{}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	if p.listener, p.baseURL, err = o.listen(); err != nil {
		return nil, err
	}
	if o.providers != "" {
		p.providers, err = readProviders(o.providers)
	} else if p.dev, err = startProviders(o.providerAddr); err == nil {
		p.providers = register(p.dev, p.baseURL)
	}
	if err != nil {
		return nil, err
	}
	if p.sessions, err = openSessions(o.db); err != nil {
		return nil, err
	}
	keys, err := cookieKeys(o.db)
	if err != nil {
		return nil, err
	}
	p.rp, err = oidcrp.New(oidcrp.Config{
		BaseURL:    p.baseURL,
		CookieKeys: keys,
		Providers:  p.providers,
		Store:      p.sessions,
		SiteName:   "Riverside",
		SignInPath: "/signin",
		Claims:     []string{"name", "email", "email_verified", "preferred_username", "given_name", "family_name", "locale"},
		Language:   chosenLanguage,
	})
	if err != nil {
		return nil, err
	}
	return p, nil
}

func (p *portal) close() error {
	var errs []error
	if p.listener != nil {
		if err := p.listener.Close(); !errors.Is(err, net.ErrClosed) {
			errs = append(errs, err)
		}
	}
	errs = append(errs, closeProviders(p.dev))
	if p.sessions != nil {
		errs = append(errs, p.sessions.Close())
	}
	return errors.Join(errs...)
}

//go:embed portal.css
var assets embed.FS

func (p *portal) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", p.page("home", nil))
	mux.HandleFunc("GET /signin", p.page("signin", nil))
	mux.Handle("GET /profile", p.rp.RequireLogin(p.page("profile", profile)))
	mux.Handle("GET /admin", p.rp.Require(oidcrp.HasRole(adminRole))(p.page("admin", p.admin)))
	mux.Handle("GET /portal.css", http.FileServerFS(assets))
	mux.HandleFunc("/", p.page("notfound", nil))
	return secure(switchLanguage(p.rp.Load(mux)))
}

// secure sets what every answer should have; pages say more.
func secure(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("Referrer-Policy", "same-origin")
		next.ServeHTTP(w, r)
	})
}

// profile shows all the claims a session keeps.
func profile(r *http.Request) (any, error) { return oidcrp.Claims[map[string]any](r.Context()) }

// adminData is what the admin page shows.
type adminData struct {
	Providers []adminProvider
}

type adminProvider struct {
	oidcrp.ProviderStatus
	oidcrp.Addresses
	DisplayName, Issuer string
}

func (p *portal) admin(r *http.Request) (any, error) {
	var data adminData
	addresses := p.rp.RedirectURLs()
	for i, status := range p.rp.Status().Providers {
		data.Providers = append(data.Providers, adminProvider{
			ProviderStatus: status,
			DisplayName:    p.displayName(status.Name),
			Issuer:         p.providers[i].Issuer,
			Addresses:      addresses[i],
		})
	}
	return data, nil
}

func (p *portal) displayName(name string) string {
	for _, provider := range p.providers {
		if provider.Name == name && provider.DisplayName != "" {
			return provider.DisplayName
		}
	}
	return name
}

// languageCookie remembers a choice. It is the portal's own affair.
const languageCookie = "riverside_language"

// switchLanguage serves links that end in ?lang=th: it remembers the choice
// and shows the same page in it.
func switchLanguage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		lang := query.Get("lang")
		if _, known := texts[lang]; r.Method != http.MethodGet || !known {
			next.ServeHTTP(w, r)
			return
		}
		http.SetCookie(w, &http.Cookie{
			Name: languageCookie, Value: lang, Path: "/", MaxAge: 365 * 24 * 3600,
			HttpOnly: true, SameSite: http.SameSiteLaxMode,
		})
		query.Del("lang")
		here := url.URL{Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: query.Encode()}
		w.Header().Set("Cache-Control", "no-store")
		http.Redirect(w, r, localPath(here), http.StatusSeeOther)
	})
}

// localPath keeps a redirect on this site: browsers take "//host" for another.
func localPath(u url.URL) string {
	if len(u.Path) > 1 && (u.Path[1] == '/' || u.Path[1] == '\\') {
		return "/"
	}
	return u.RequestURI()
}

// chosenLanguage is asked for the pages that oidcrp shows, and sent to the
// provider. "" leaves it to the browser's settings.
func chosenLanguage(r *http.Request) string {
	c, err := r.Cookie(languageCookie)
	if err != nil {
		return ""
	}
	if _, known := texts[c.Value]; !known {
		return ""
	}
	return c.Value
}
