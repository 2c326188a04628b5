package main

import (
	"net/http"
	"net/url"
)

// languages are those of the portal, and of the pages that oidcrp shows.
var languages = []string{"en", "th"}

// languageCookie remembers a choice. It is the portal's own affair.
const languageCookie = "riverside_language"

// switchLanguage serves links that end in ?lang=th: it remembers the choice
// and shows the same page in it.
func switchLanguage(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		query := r.URL.Query()
		lang := query.Get("lang")
		if r.Method != http.MethodGet || !isLanguage(lang) {
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
	if err != nil || !isLanguage(c.Value) {
		return ""
	}
	return c.Value
}

// languageLink is one of the language switch.
type languageLink struct {
	Lang, Name, URL string
	Current         bool
}

// languageLinks lead to the page at u in each language.
func languageLinks(current string, u *url.URL) []languageLink {
	var links []languageLink
	for _, lang := range languages {
		query := u.Query()
		query.Set("lang", lang)
		name, _ := text(lang, "language.name")
		links = append(links, languageLink{lang, name, u.EscapedPath() + "?" + query.Encode(), lang == current})
	}
	return links
}
