package main

import (
	"bytes"
	"embed"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

//go:embed pages/*.html
var pageFiles embed.FS

// pages has each page with the layout around it.
var pages = func() map[string]*template.Template {
	out := make(map[string]*template.Template)
	for _, name := range []string{"home", "signin", "profile", "admin", "notfound"} {
		out[name] = template.Must(template.ParseFS(pageFiles, "pages/layout.html", "pages/"+name+".html"))
	}
	return out
}()

// view is what the templates are given.
type view struct {
	Page string
	Auth oidcrp.View
	Data any
	here *url.URL
	show func(provider string) string
}

// page serves one of the pages; data may be nil.
func (p *portal) page(name string, data func(*http.Request) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		v := view{Page: name, Auth: p.rp.View(r), here: r.URL, show: p.displayName}
		if data != nil {
			var err error
			if v.Data, err = data(r); err != nil {
				p.fail(w, name, err)
				return
			}
		}
		var page bytes.Buffer // whole, or not at all
		if err := pages[name].ExecuteTemplate(&page, "layout", v); err != nil {
			p.fail(w, name, err)
			return
		}
		h := w.Header()
		h.Set("Content-Type", "text/html; charset=utf-8")
		h.Set("Content-Language", v.Lang())
		// The sign-out button leads on to the provider.
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+
			strings.Join(v.Auth.FormAction(), " "))
		h.Set("Cache-Control", "no-store") // it shows who is signed in
		if name == "notfound" {
			w.WriteHeader(http.StatusNotFound)
		}
		w.Write(page.Bytes())
	}
}

func (p *portal) fail(w http.ResponseWriter, name string, err error) {
	log.Printf("%s page: %v", name, err)
	http.Error(w, "This page cannot be shown just now.", http.StatusInternalServerError)
}

// Lang is the language of the page.
func (v view) Lang() string {
	if _, known := texts[v.Auth.Language()]; known {
		return v.Auth.Language()
	}
	return "en"
}

// T is a text in the page's language.
func (v view) T(key string) string {
	if text, ok := texts[v.Lang()][key]; ok {
		return text
	}
	return texts["en"][key]
}

// Tf is a text with values in it.
func (v view) Tf(key string, args ...any) string { return fmt.Sprintf(v.T(key), args...) }

// Languages are the links of the language switch.
func (v view) Languages() []languageLink {
	var out []languageLink
	for _, lang := range []string{"en", "th"} {
		query := v.here.Query()
		query.Set("lang", lang)
		out = append(out, languageLink{
			Lang: lang, Name: texts[lang]["language.name"], Current: lang == v.Lang(),
			URL: v.here.EscapedPath() + "?" + query.Encode(),
		})
	}
	return out
}

type languageLink struct {
	Lang, Name, URL string
	Current         bool
}

// Signed in: when, until when, and by which provider.
func (v view) Provider() string { return v.show(v.Auth.User().Provider()) }

// Time shows a moment, in years as they are counted where the page is read.
func (v view) Time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	t = t.Local()
	if v.Lang() == "th" {
		return fmt.Sprintf("%d %s %d %s น.", t.Day(), thaiMonths[t.Month()-1], t.Year()+543, t.Format("15:04"))
	}
	return t.Format("2 January 2006, 15:04")
}

// Claims are a session's claims in a fixed order, as text.
func (v view) Claims() []claim {
	kept, _ := v.Data.(map[string]any)
	var out []claim
	for name, value := range kept {
		out = append(out, claim{name, v.T("claim." + name), v.value(value)})
	}
	slices.SortFunc(out, func(a, b claim) int { return strings.Compare(a.Name, b.Name) })
	return out
}

type claim struct{ Name, Label, Value string }

func (v view) value(value any) string {
	switch value := value.(type) {
	case bool:
		if value {
			return v.T("yes")
		}
		return v.T("no")
	case nil:
		return "–"
	}
	return fmt.Sprint(value)
}

// Initial stands in for a picture. Thai writes some vowels before the
// consonant a name begins with.
func (v view) Initial() string {
	name := strings.TrimLeft(v.Auth.User().Name(), "เแโใไ")
	for _, r := range name {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// RoleNames lists the roles of the visitor.
func (v view) RoleNames() string {
	if roles := v.Auth.User().Roles(); len(roles) > 0 {
		return strings.Join(roles, ", ")
	}
	return "–"
}

// IsAdmin decides about links only; the guard decides about the page.
func (v view) IsAdmin() bool { return v.Auth.User().HasRole(adminRole) }
