package oidcrp

import (
	"fmt"
	"html"
	"html/template"
	"net/http"

	"github.com/seed-78edd7da/go-oidcrp/internal/pages"
)

// View is what a page of the application shows about signing in, for
// html/template: pass it as a field of the template's data. Its methods may be
// called on the zero View, which is that of an anonymous visitor without ways
// to sign in.
//
//	{{if .Auth.SignedIn}}Hello {{.Auth.User.Name}} {{.Auth.SignOutButton}}
//	{{else}}{{.Auth.SignInButton}}{{end}}
//	{{if .Auth.User.HasRole "admin"}}<a href="/admin">Admin</a>{{end}}
type View struct {
	rp   *RelyingParty
	r    *http.Request
	user *Session
}

// View returns the view of a request, with the session that was loaded.
func (rp *RelyingParty) View(r *http.Request) View {
	at, r, err := rp.locate(r)
	if err != nil {
		at = nil // no site, no ways to sign in
	}
	return View{rp: at, r: r, user: FromContext(r.Context())}
}

// Format prints whose view it is as a [Session] is printed, whatever the verb.
func (v View) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "view of %v", v.user) }

// SignedIn reports whether there is a session.
func (v View) SignedIn() bool { return v.user != nil }

// User returns the session; nil, and yet safe to call methods on, for an
// anonymous visitor.
func (v View) User() *Session { return v.user }

// Allowed reports whether the visitor passes all policies.
func (v View) Allowed(policies ...Policy) bool {
	return v.user != nil && passes(v.r.Context(), v.user, policies) == nil
}

// Language returns the language tag our pages would use for this request.
func (v View) Language() string {
	if v.rp == nil {
		return "en"
	}
	return v.rp.pages.Language(v.rp.lang(v.r))
}

// returnTo is where signing in leads: back here, or on from a sign-in page.
func (v View) returnTo() string {
	if raw := v.r.URL.Query().Get(paramReturnTo); raw != "" {
		return v.rp.target(raw)
	}
	return v.rp.here(v.r)
}

// Providers returns a link for each provider that is not hidden; signing in
// comes back to this page, or to the page named by return_to on a sign-in
// page.
func (v View) Providers() []ProviderLink {
	if v.rp == nil {
		return nil
	}
	var links []ProviderLink
	found, err := v.rp.links(v.r.Context(), LoginOptions{ReturnTo: v.returnTo()})
	if err != nil && len(found) == 0 {
		v.rp.log.ErrorContext(v.r.Context(), "providers not listed", "err", err)
	}
	for _, l := range found {
		links = append(links, ProviderLink(l))
	}
	return links
}

// ProviderLink is one way to sign in.
type ProviderLink struct {
	Name        string
	DisplayName string
	URL         string
}

// FormAction returns the origins that the form of SignOutButton leads to. A
// page with a Content-Security-Policy of its own must list them in
// form-action, beside 'self': browsers apply it to redirects too. If the
// provider sends browsers on to further origins, such as one with its sign-in
// pages, list these as well, or link to the log-off address instead.
func (v View) FormAction() []string {
	if v.rp == nil {
		return nil
	}
	return v.rp.formActions(v.user.Provider())
}

// SignInURL returns the address that signs in and comes back to this page.
func (v View) SignInURL() string {
	if v.rp == nil {
		return ""
	}
	return v.rp.LoginURL(LoginOptions{ReturnTo: v.returnTo()})
}

// SignInButton returns a link to SignInURL with class "oidcrp-signin". Its
// text is in the page's language unless given.
func (v View) SignInButton(text ...string) template.HTML {
	if v.rp == nil {
		return ""
	}
	return template.HTML(`<a class="oidcrp-signin" href="` + html.EscapeString(v.SignInURL()) + `">` +
		v.label("signin.button", text) + `</a>`)
}

// SignOutButton returns a form with a button of class "oidcrp-signout" that
// signs out. Its text is in the page's language unless given.
func (v View) SignOutButton(text ...string) template.HTML {
	if v.rp == nil {
		return ""
	}
	return template.HTML(`<form method="post" action="` + html.EscapeString(v.rp.path("/logout")) + `">` +
		`<button class="oidcrp-signout">` + v.label("signout.button", text) + `</button></form>`)
}

func (v View) label(key string, text []string) string {
	if len(text) > 0 {
		return html.EscapeString(text[0])
	}
	return html.EscapeString(v.rp.pages.Text(v.Language(), key))
}

// DefaultMessages returns a copy of the built-in texts of our pages by
// language tag and key.
func DefaultMessages() map[string]map[string]string { return pages.Defaults() }
