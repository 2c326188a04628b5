// Package pages writes the HTML pages visitors meet: sign-in, errors, access
// denied, sign-out. It knows languages and layout, and nothing of sessions or
// providers.
//
// Every page is one response: no script (but for the forms that submit
// themselves), no image, no font, nothing from elsewhere (RFC 9700 4.2). What the
// Content-Security-Policy admits is named by hash.
//
// # Templates
//
// A custom template named like a [Page] replaces that page's content inside
// the layout; one named "layout" replaces the frame around all pages. Both
// see the fields of Page and, besides or instead:
//
//	.Lang .Dir        language tag of the page, "ltr" or "rtl"
//	.Title .Message   heading and main sentence
//	.Label            text of the button: to retry, or to submit the form
//	.Cancel           text of the link away from the page
//	.Inputs           each with .Name .Label .Value .Autocomplete .Required .Error
//	.Providers        each with .Name .DisplayName .URL .Label
//	.Text "key"       any message of [Defaults], in the page's language
//	.Style .Script    the elements the CSP admits; .Script is empty unless
//	                  the page submits itself
//	.Content          in "layout": the page
//
// The page "fragment" cannot be replaced: it is gone before it can be read,
// and nothing works without its script.
package pages

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/base64"
	"errors"
	"fmt"
	"html/template"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
)

// Link is one way to sign in.
type Link struct {
	Name        string
	DisplayName string // "" for Name
	URL         string
}

// Field is a hidden field of a page's form.
type Field struct{ Name, Value string }

// Input is a field of a page's form that the visitor fills in.
type Input struct {
	Name, Label, Value string
	Autocomplete       string // (HTML 4.10.18.7), "" for "off"
	Required           bool
	Error              string // what was wrong with Value
}

// Page is what a page says. Every string is escaped; a URL with a scheme that
// runs scripts becomes harmless.
type Page struct {
	Name   string // one of [Names], or "fragment"; anything else is "error"
	Status int    // 0 for 200
	Lang   string // a tag, or all of an Accept-Language header

	SiteName string // "" for no name
	Home     string // address of the site's start page, "" for no link

	// MessageKey names the main sentence; MessageKey+".title" and ".retry",
	// where they exist, heading and button. An unknown key gives the page's
	// usual texts.
	MessageKey string
	Message    string // a text for the visitor instead of MessageKey's

	ID       string // correlation id
	RetryURL string // where to try again, "" if that is no use

	Providers []Link // the first is the one that messages name
	User      string // who is signed in

	// Action and Fields are the form of "signout", "confirm", "register",
	// "formpost" and "fragment", sent by POST, and that of "signin", sent by GET,
	// which asks for an "identifier" and need not be there. "confirm" without
	// Action links to RetryURL instead; "fragment" puts what follows "#" in its
	// own address into the first field.
	Action string
	Fields []Field
	Inputs []Input // of "register"

	// SingleSignOn: the identifier that "signin" asks for is an e-mail address.
	SingleSignOn bool

	// FormAction lists origins, besides our own and Action's, to which the
	// form may lead: browsers apply form-action to redirects too (CSP3 6.4.1).
	// What is no origin is left out, and so are hosts not in ASCII.
	FormAction []string

	AutoSubmit bool // "formpost" submits itself
}

// fragment is the page that brings the server what browsers do not send.
const fragment = "fragment"

// Names returns the names of the pages, which are those of their templates.
func Names() []string {
	return []string{"signin", "signedout", "signout", "error", "denied", "confirm", "register", "formpost"}
}

//go:embed templates/*.html
var builtin embed.FS

//go:embed templates/style.css
var style string

// Called on the prototype, as a field named "submit" would hide the method.
const submitScript = `HTMLFormElement.prototype.submit.call(document.forms[0])`

// The tokens are taken out of the address, and so out of the history, before
// they are sent (RFC 9700 4.3.2).
const fragmentScript = `document.forms[0].elements[0].value=location.hash.slice(1);` +
	`history.replaceState(null,"",location.pathname+location.search);` + submitScript

// Renderer writes pages. It is safe for concurrent use.
type Renderer struct {
	pages, own map[string]*template.Template // by name; own: the caller's
	texts      map[string]map[string]string  // by tag and key
	tags       map[string]string             // lower-case tag to tag
	order      []string                      // lower-case tags, sorted

	styleHash string
}

// builtinTemplates are parsed once: they are the same for every Renderer, which
// only executes them.
var builtinTemplates = sync.OnceValue(func() *template.Template {
	return template.Must(template.ParseFS(builtin, "templates/*.html"))
})

// New returns a Renderer with the built-in pages and texts, of which custom
// replaces templates by name, and messages replaces texts or adds languages.
// A language that lacks texts shows English ones. Every mistake is reported,
// each with what to change; custom templates are tried out to find theirs.
func New(custom *template.Template, messages map[string]map[string]string) (*Renderer, error) {
	p := &Renderer{
		pages:     make(map[string]*template.Template),
		own:       make(map[string]*template.Template),
		styleHash: hash(style),
	}
	for _, name := range append(Names(), fragment, "layout") {
		p.pages[name] = builtinTemplates().Lookup(name + ".html")
	}
	errs := append(p.addMessages(messages), p.addTemplates(custom)...)
	return p, errors.Join(errs...)
}

// hash returns the CSP source that admits an inline element with this text
// (CSP3 6.7.2.4).
func hash(text string) string {
	sum := sha256.Sum256([]byte(text))
	return "'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
}

// Write sends page. Should a custom template fail, the built-in one is sent
// in its place and the error returned, for the log.
func (p *Renderer) Write(w http.ResponseWriter, page Page) error {
	if page.Name != fragment && !slices.Contains(Names(), page.Name) {
		page.Name = "error"
	}
	v := p.view(page)
	body, custom, err := p.render(v)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Language", v.Lang)
	h.Set("Cache-Control", "no-store")
	h.Set("Content-Security-Policy", p.policy(page, custom))
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("X-Frame-Options", "DENY")
	h.Set("Referrer-Policy", referrerPolicy(page))
	w.WriteHeader(v.Status)
	w.Write(body) // the visitor went away: nothing to do
	return err
}

// referrerPolicy is "no-referrer", except where a form is for ourselves: it
// would then come with "Origin: null" (Fetch 3.2), and be taken for another
// site's by browsers that do not send Sec-Fetch-Site. "same-origin" tells
// other sites as little.
func referrerPolicy(page Page) string {
	if page.Name == "signout" || page.Name == "confirm" || page.Name == "register" {
		return "same-origin"
	}
	return "no-referrer"
}

// render returns the page, and whether a custom template had a part in it.
func (p *Renderer) render(v *view) (body []byte, custom bool, err error) {
	content, layout := p.own[v.Name], p.own["layout"]
	if v.Name == fragment {
		layout = nil // it could leave the script out
	}
	if content != nil || layout != nil {
		body, err = execute(v, cmp.Or(content, p.pages[v.Name]), cmp.Or(layout, p.pages["layout"]))
		if err == nil {
			return body, true, nil
		}
	}
	body, e := execute(v, p.pages[v.Name], p.pages["layout"])
	return body, false, errors.Join(err, e)
}

func execute(v *view, content, layout *template.Template) ([]byte, error) {
	var b bytes.Buffer
	v.Content = ""
	if err := content.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("page template: %w", err)
	}
	v.Content = template.HTML(strings.TrimSpace(b.String())) // escaped by its own template
	b = bytes.Buffer{}
	if err := layout.Execute(&b, v); err != nil {
		return nil, fmt.Errorf("page template: %w", err)
	}
	return bytes.ToValidUTF8(b.Bytes(), []byte("\uFFFD")), nil
}

// policy returns the Content-Security-Policy. Custom templates may also use
// style sheets, images and fonts of our own origin; scripts never.
func (p *Renderer) policy(page Page, custom bool) string {
	var b strings.Builder
	b.WriteString("default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src " + p.styleHash)
	if custom {
		b.WriteString(" 'self'; img-src 'self' data:; font-src 'self'")
	}
	if s := page.script(); s != "" {
		b.WriteString("; script-src " + hash(s))
	}
	b.WriteString("; form-action 'self'")
	var origins []string
	for _, s := range append([]string{page.Action}, page.FormAction...) {
		if o := origin(s); o != "" && !slices.Contains(origins, o) {
			origins = append(origins, o)
			b.WriteString(" " + o)
		}
	}
	return b.String()
}

// LeadingOn returns the FormAction of a page whose form may end at a provider,
// or start a login there. A provider of these origins may send the browser on to
// others that nothing announces: where its pages are, or another provider behind
// it. So any origin is admitted, by https unless one of these is reached by http,
// and where none is known; the page holds no form but ours.
func LeadingOn(origins []string) []string {
	schemes := []string{"https:"}
	if slices.ContainsFunc(origins, func(o string) bool { return strings.HasPrefix(o, "http:") }) {
		schemes = append(schemes, "http:")
	}
	return schemes
}

// script is that of the page, "" for none.
func (page Page) script() string {
	switch {
	case page.Name == "formpost" && page.AutoSubmit:
		return submitScript
	case page.Name == fragment:
		return fragmentScript
	}
	return ""
}

// origin returns the CSP source for s: the origin of an absolute http or
// https URL, or one of the schemes "https:" and "http:" alone. It returns ""
// for all else, so that nothing can add a directive: Go's URLs admit ";" and
// "," in hosts.
func origin(s string) string {
	if s == "https:" || s == "http:" {
		return s
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		return ""
	}
	for _, c := range []byte(u.Host) {
		if !alphanumeric(c) && !strings.ContainsRune(".-:[]_", rune(c)) {
			return ""
		}
	}
	return u.Scheme + "://" + u.Host
}
