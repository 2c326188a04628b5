package oidcrptest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
)

// Page is where a navigation ended, or what a script or frame received. Body
// is there for the test even where Blocked says that the browser would hide
// it.
type Page struct {
	URL    *url.URL
	Status int // 0: no response
	Header http.Header
	Body   string

	// Trail has every request that led here, the last one included: redirects,
	// and forms that submitted themselves.
	Trail []Hop

	// Frames are what the frames of this page show, in order, after those of
	// the pages that led here by themselves. A frame may be Blocked.
	Frames []*Page

	// Blocked says which rule kept the browser from going on to URL or from
	// showing it: "form-action", "frame-src", "frame-ancestors", "cors" or
	// "scheme". Empty: none.
	Blocked string

	// Err is why there is no response, such as a refused connection.
	Err error

	// Restored is set on a page that Back showed from memory, without a
	// request.
	Restored bool

	doc *document
}

// Hop is one request of a navigation and its answer.
type Hop struct {
	Method   string
	URL      *url.URL
	Request  http.Header // with Cookie, Origin, Sec-Fetch-*
	Status   int
	Response http.Header
}

// String summarizes the page for messages of tests.
func (p *Page) String() string {
	var s strings.Builder
	for _, h := range p.Trail {
		fmt.Fprintf(&s, "%s %s %d → ", h.Method, shorten(h.URL.String()), h.Status)
	}
	switch {
	case p.Blocked != "":
		fmt.Fprintf(&s, "%s blocked by %s", shorten(p.URL.String()), p.Blocked)
	case p.Err != nil:
		fmt.Fprintf(&s, "%v", p.Err)
	default:
		fmt.Fprintf(&s, "%q", shorten(p.Text()))
	}
	return s.String()
}

func shorten(s string) string {
	if r := []rune(s); len(r) > 200 {
		return string(r[:200]) + "…"
	}
	return s
}

// Text returns what the page says, without tags and superfluous spaces; Body if
// it is not HTML.
func (p *Page) Text() string {
	if !p.isHTML() {
		return p.Body
	}
	return p.document().text
}

// Title returns the title.
func (p *Page) Title() string { return p.document().title }

// Forms returns the forms, in order.
func (p *Page) Forms() []*Form { return p.document().forms }

// Links returns the links, in order.
func (p *Page) Links() []Link { return p.document().links }

// JSON decodes the body into v.
func (p *Page) JSON(v any) error { return json.Unmarshal([]byte(p.Body), v) }

// Form returns the form that SubmitForm finds by match; nil if there is none.
func (p *Page) Form(match string) *Form {
	f, _ := p.findForm(match)
	return f
}

func (p *Page) document() *document {
	if p.doc == nil {
		p.doc = &document{}
	}
	return p.doc
}

// notHTML explains why a page has neither links nor forms; "" if it may have.
func (p *Page) notHTML() string {
	if p.Body == "" || p.isHTML() {
		return ""
	}
	mediaType, _, _ := strings.Cut(p.Header.Get("Content-Type"), ";")
	return " (" + mediaType + ": only HTML has links and forms)"
}

// isHTML goes by Content-Type, and where there is none by what the body looks
// like, as browsers do.
func (p *Page) isHTML() bool {
	contentType := p.Header.Get("Content-Type")
	if contentType == "" && !strings.EqualFold(p.Header.Get("X-Content-Type-Options"), "nosniff") {
		contentType = http.DetectContentType([]byte(p.Body))
	}
	mediaType, _, _ := strings.Cut(contentType, ";")
	mediaType = strings.ToLower(strings.TrimSpace(mediaType))
	return mediaType == "text/html" || mediaType == "application/xhtml+xml"
}

// findForm finds a form by what is on its buttons, their names or values, the
// path of its action, its id; "" is the first form.
func (p *Page) findForm(match string) (*Form, *Button) {
	forms := p.Forms()
	if match == "" && len(forms) > 0 {
		return forms[0], nil
	}
	for _, f := range forms {
		for i := range f.Buttons {
			if b := &f.Buttons[i]; match == b.Text || match == b.Value {
				return f, b
			}
		}
	}
	for _, f := range forms {
		for i := range f.Buttons {
			if b := &f.Buttons[i]; match == b.Name {
				return f, b
			}
		}
	}
	for _, f := range forms {
		if match == f.ID || f.Action != nil && (match == f.Action.Path || match == f.Action.String()) {
			return f, nil
		}
	}
	return nil, nil
}
