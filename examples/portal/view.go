package main

import (
	"context"
	"fmt"
	"html/template"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/accounts"
)

// view is what the templates are given. The layout uses the fields, which a
// page of oidcrp has too; the pages use everything.
type view struct {
	Site           string // what the portal is called here; "" at a host that is nobody's
	Page           string // name
	Lang           string
	Title, Content template.HTML
	Languages      []languageLink
	Who            string // signed in, where Auth does not know

	Auth   oidcrp.View
	Data   any
	Done   string // what a form has just done
	Sought string // e-mail address that led to no provider, on the sign-in page
	portal *portal
	ctx    context.Context
}

// bare is the view of a page of oidcrp's. Nothing is known there of where it
// is or who asks, but what oidcrp tells its templates.
func bare(siteName, lang, title, who string, content template.HTML, status int, invitation string) view {
	v := view{
		Site: siteName, Lang: lang, Title: template.HTML(template.HTMLEscapeString(title)), Who: who,
		Content: `<section class="theirs">` + content + `</section>`,
	}
	if !isLanguage(lang) {
		v.Lang = "en"
	}
	here := &url.URL{}
	if invitation != "" {
		here.RawQuery = url.Values{"invitation": {invitation}}.Encode()
	}
	if status >= 400 && who == "" {
		here.Path = "/" // what a provider has answered cannot be asked for again
	}
	v.Languages = languageLinks(v.Lang, here)
	return v
}

// With is the view with other data, for a part of a page.
func (v view) With(data any) view {
	v.Data = data
	return v
}

// T is a text in the page's language.
func (v view) T(key string) (string, error) { return text(v.Lang, key) }

// Tf is a text with values in it.
func (v view) Tf(key string, args ...any) (string, error) {
	s, err := text(v.Lang, key)
	return fmt.Sprintf(s, args...), err
}

// Notice is what a form has just done, in words; "" for nothing.
func (v view) Notice() string {
	s, _ := text(v.Lang, "done."+v.Done) // nobody can make it say anything else
	return s
}

// Provider is the name of a provider for people.
func (v view) Provider(name string) string { return v.portal.displayName(v.ctx, name) }

// SingleSignOn is the address that an e-mail address is sent to, and what goes
// with it.
func (v view) SingleSignOn() *url.URL {
	u, _ := url.Parse(v.Auth.SignInURL())
	return u
}

// Gate says who may register, in the words of -registration.
func (v view) Gate() string {
	switch v.portal.rules.Default.Gate {
	case accounts.InviteOnly:
		return "invited"
	case accounts.Closed:
		return "closed"
	}
	return "open"
}

// Time shows a moment, in years as they are counted where the page is read.
func (v view) Time(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	t = t.Local()
	if v.Lang == "th" {
		return fmt.Sprintf("%d %s %d %s น.", t.Day(), thaiMonths[t.Month()-1], t.Year()+543, t.Format("15:04"))
	}
	return t.Format("2 January 2006, 15:04")
}

// Day is the date of a moment, or of one that is written as "2006-01-02".
func (v view) Day(when any) string {
	t, ok := when.(time.Time)
	if !ok {
		t, _ = time.Parse(time.DateOnly, fmt.Sprint(when))
	}
	if v.Lang == "th" {
		return fmt.Sprintf("%d %s %d", t.Day(), thaiMonths[t.Month()-1], t.Year()+543)
	}
	return t.Format("2 January 2006")
}

// Claims are a session's claims in a fixed order, as text.
func (v view) Claims(kept map[string]any) ([]claim, error) {
	var out []claim
	for name, value := range kept {
		label, err := v.T("claim." + name)
		if err != nil {
			return nil, err
		}
		shown, err := v.value(value)
		if err != nil {
			return nil, err
		}
		out = append(out, claim{name, label, shown})
	}
	slices.SortFunc(out, func(a, b claim) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}

type claim struct{ Name, Label, Value string }

func (v view) value(value any) (string, error) {
	switch value := value.(type) {
	case bool:
		if value {
			return v.T("yes")
		}
		return v.T("no")
	case nil:
		return "–", nil
	}
	return fmt.Sprint(value), nil
}

// Initial stands in for a picture. Thai writes some vowels before the
// consonant a name begins with.
func (v view) Initial(name string) string {
	for _, r := range strings.TrimLeft(name, "เแโใไ") {
		return strings.ToUpper(string(r))
	}
	return "?"
}

// ContactName is what to call a contact.
func (v view) ContactName(c *accounts.Contact) (string, error) {
	switch {
	case c.Fields["name"] != "":
		return c.Fields["name"], nil
	case c.Email != "":
		return c.Email, nil
	}
	return v.T("contact.nameless")
}

// State is that of a contact: "active", "disabled" or "deleted".
func (v view) State(c *accounts.Contact) string {
	switch {
	case deleted(c):
		return "deleted"
	case c.Disabled:
		return "disabled"
	}
	return "active"
}

// FieldLabel is what a contact's field is called; its name, if it is one of
// somebody's mapping.
func (v view) FieldLabel(name string) string {
	if label, err := v.T("field." + name); err == nil {
		return label
	}
	return name
}

// List writes words one after the other.
func (v view) List(words []string) string {
	if len(words) == 0 {
		return "–"
	}
	return strings.Join(words, ", ")
}

// Has reports whether a word is one of them.
func (v view) Has(words []string, word string) bool { return slices.Contains(words, word) }

// LogoutPath is where one is asked whether to sign out.
func (v view) LogoutPath() string { return prefix + "/logout" }

// Others are the portal's other sites.
func (v view) Others() []otherSite {
	var all []otherSite
	for _, s := range v.portal.sites {
		if s != v.portal.here(v.ctx) {
			all = append(all, otherSite{s.name, s.baseURL})
		}
	}
	return all
}

type otherSite struct{ Name, URL string }

// SiteOf is what the site of a visit is called, "" where there is one only.
func (v view) SiteOf(host string) string {
	if len(v.portal.sites) == 1 {
		return ""
	}
	return v.portal.siteNamed(host).name
}

// IsAdmin decides about links only; the guard decides about the page.
func (v view) IsAdmin() bool { return v.Auth.User().HasRole(adminRole) }

// AdminMenu is the menu of the administration; nil outside of it.
func (v view) AdminMenu() []menuItem {
	section := v.Page
	if section == "contact" || section == "connection" {
		section += "s"
	}
	var menu []menuItem
	inside := false
	for _, item := range adminPages {
		menu = append(menu, menuItem{item[0], item[1], item[0] == section})
		inside = inside || item[0] == section
	}
	if !inside {
		return nil
	}
	return menu
}

type menuItem struct {
	Name, URL string
	Current   bool
}
