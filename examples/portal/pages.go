package main

import (
	"bytes"
	"embed"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

//go:embed pages/*.html
var pageFiles embed.FS

// frames puts the pages that oidcrp and accounts show into the portal's
// layout: see Config.Pages.
var frames = template.Must(template.New("layout").Funcs(template.FuncMap{"bare": bare}).ParseFS(pageFiles, "pages/layout.html", "pages/theirs.html"))

// layout is around all pages, theirs and the portal's own.
var layout = template.Must(template.ParseFS(pageFiles, "pages/layout.html"))

// contents are the portal's own pages, by name.
var contents = func() map[string]*template.Template {
	out := make(map[string]*template.Template)
	for _, name := range []string{"home", "signin", "terms", "profile", "providers", "connections", "connection", "contacts", "contact", "sessions", "invitations", "problem"} {
		out[name] = template.Must(template.ParseFS(pageFiles, "pages/parts.html", "pages/"+name+".html"))
	}
	return out
}()

// page answers a request, or says why it does not.
type page func(http.ResponseWriter, *http.Request) error

// handle makes a handler of a page. What goes wrong is shown in one place.
func (p *portal) handle(page page) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
		if err := page(w, r); err != nil {
			p.fail(w, r, err)
		}
	})
}

// show writes one of the portal's pages.
func (p *portal) show(w http.ResponseWriter, r *http.Request, name string, data any) error {
	return p.showStatus(w, r, http.StatusOK, name, data)
}

// showStatus writes a page that is no success.
func (p *portal) showStatus(w http.ResponseWriter, r *http.Request, status int, name string, data any) error {
	v := view{ctx: r.Context(), Site: p.here(r.Context()).name, Page: name, Sought: r.URL.Query().Get("identifier"), Auth: p.rp.View(r), Data: data, Done: r.URL.Query().Get("done"), portal: p}
	if v.Lang = v.Auth.Language(); !isLanguage(v.Lang) {
		v.Lang = "en"
	}
	v.Languages = languageLinks(v.Lang, address(r))
	body, err := v.render()
	if err != nil {
		return err
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+
		strings.Join(formAction(name, v.Auth), " "))
	h.Set("Cache-Control", "no-store") // it shows who is signed in
	w.WriteHeader(status)
	w.Write(body)
	return nil
}

// address is that of the page, or of the one whose form was sent.
func address(r *http.Request) *url.URL {
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		return r.URL
	}
	from, err := url.Parse(r.Referer())
	if err != nil || from.Host != r.Host {
		return &url.URL{Path: "/"}
	}
	return from
}

// formAction is where the forms of a page lead on to, besides this site. The
// sign-out button leads to the providers, and the forms that begin a login, or
// let one go on, to whatever their sign-in pages are.
func formAction(page string, auth oidcrp.View) []string {
	known := auth.FormAction()
	if page != "signin" && page != "profile" && page != "terms" {
		return known
	}
	if slices.ContainsFunc(known, func(origin string) bool { return strings.HasPrefix(origin, "http:") }) {
		return []string{"https:", "http:"} // providers for development
	}
	return []string{"https:"}
}

// render makes the whole page, or none.
func (v view) render() ([]byte, error) {
	content := contents[v.Page]
	var title, body, page bytes.Buffer
	if err := content.ExecuteTemplate(&title, "title", v); err != nil {
		return nil, err
	}
	if err := content.ExecuteTemplate(&body, "content", v); err != nil {
		return nil, err
	}
	v.Title = template.HTML(title.String()) // escaped by their template
	v.Content = template.HTML(body.String())
	err := layout.ExecuteTemplate(&page, "frame", v)
	return page.Bytes(), err
}

// done leads on after a form was sent, to a page that says what was done.
func done(w http.ResponseWriter, r *http.Request, to, what string) error {
	http.Redirect(w, r, to+"?done="+what, http.StatusSeeOther)
	return nil
}

func (p *portal) home(w http.ResponseWriter, r *http.Request) error { return p.show(w, r, "home", nil) }
func (p *portal) signIn(w http.ResponseWriter, r *http.Request) error {
	return p.show(w, r, "signin", nil)
}
