package oidcrptest

import (
	"html"
	"net/url"
	"regexp"
	"strings"
)

// Form is a form of a [Page].
type Form struct {
	ID      string
	Action  *url.URL
	Method  string // "GET" or "POST"
	Enctype string
	Fields  []Field
	Buttons []Button
}

// Field is a control of a [Form] with a value.
type Field struct {
	Name, Value string
	Type        string // "text", "hidden", "checkbox", "select", "textarea", …
	Off         bool   // a checkbox or radio button not chosen: not sent
}

// Button submits a [Form].
type Button struct {
	Name, Value string
	Text        string   // what it says
	Action      *url.URL // instead of the form's; nil: the form's
	Method      string   // instead of the form's; "": the form's
}

// Link is a link of a [Page].
type Link struct {
	URL  *url.URL
	Text string
}

// document is what a browser of no great talent sees in a page.
type document struct {
	title   string
	text    string
	forms   []*Form
	links   []Link
	scripts []script
	refresh string // URL of a meta refresh
	frames  []*url.URL
}

type script struct {
	content string
	nonce   string
	handler bool // an event handler, not an element
}

type element struct {
	name string
	end  bool
	attr map[string]string
}

var (
	tagPattern       = regexp.MustCompile(`^<(/?)([a-zA-Z][a-zA-Z0-9-]*)`)
	attributePattern = regexp.MustCompile(`^[\s/]*([^\s=>/"']+)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+)))?`)
	spaces           = regexp.MustCompile(`\s+`)
)

// readElement reads the tag at the start of s; n is 0 where there is none.
func readElement(s string) (e element, n int) {
	m := tagPattern.FindStringSubmatch(s)
	if m == nil {
		return e, 0
	}
	e = element{name: strings.ToLower(m[2]), end: m[1] != "", attr: map[string]string{}}
	n = len(m[0])
	for n < len(s) {
		a := attributePattern.FindStringSubmatch(s[n:])
		if a == nil {
			break
		}
		name := strings.ToLower(a[1])
		if _, ok := e.attr[name]; !ok { // the first of two wins
			e.attr[name] = html.UnescapeString(a[2] + a[3] + a[4])
		}
		n += len(a[0])
	}
	if i := strings.IndexByte(s[n:], '>'); i >= 0 {
		return e, n + i + 1
	}
	return e, len(s)
}

// parseHTML reads as much of a page as forms, links and text need. It
// tolerates anything. Where scripts run, noscript is no part of the page.
func parseHTML(base *url.URL, body string, scripts bool) *document {
	b := builder{base: base}
	for body != "" {
		i := strings.IndexByte(body, '<')
		if i != 0 {
			if i < 0 {
				i = len(body)
			}
			b.addText(html.UnescapeString(body[:i]))
			body = body[i:]
			continue
		}
		if rest, ok := strings.CutPrefix(body, "<!--"); ok {
			_, body, _ = strings.Cut(rest, "-->")
			continue
		}
		e, n := readElement(body)
		if n == 0 {
			if strings.HasPrefix(body, "<!") || strings.HasPrefix(body, "<?") {
				_, body, _ = strings.Cut(body, ">")
				continue
			}
			b.addText("<")
			body = body[1:]
			continue
		}
		body = body[n:]
		switch {
		case e.end:
			b.endElement(e.name)
		case e.name == "script" || e.name == "style" || e.name == "title" || e.name == "textarea" || e.name == "iframe" || e.name == "noscript" && scripts:
			var raw string
			raw, body = untilEnd(body, e.name)
			b.rawElement(e, raw)
		default:
			b.startElement(e)
		}
	}
	b.endElement("button")
	b.doc.text = strings.TrimSpace(spaces.ReplaceAllString(b.text.String(), " "))
	return &b.doc
}

// untilEnd splits s at the end tag of this name.
func untilEnd(s, name string) (content, rest string) {
	for i := 0; ; i += 2 {
		next := strings.Index(s[i:], "</")
		if next < 0 {
			return s, ""
		}
		i += next
		if tag := s[i+2:]; len(tag) >= len(name) && strings.EqualFold(tag[:len(name)], name) {
			_, rest, _ = strings.Cut(tag, ">")
			return s[:i], rest
		}
	}
}

type builder struct {
	base   *url.URL
	doc    document
	text   strings.Builder
	form   *Form
	button *Button // whose text is being read
	owner  *Form   // of that button
	link   *Link
	option *strings.Builder // text of the option being read
	choice *Field           // of the select being read
	chosen bool
	valued bool // the option has a value attribute
}

func (b *builder) addText(s string) {
	b.text.WriteString(s)
	if b.button != nil {
		b.button.Text += s
	}
	if b.link != nil {
		b.link.Text += s
	}
	if b.option != nil {
		b.option.WriteString(s)
	}
}

// formOf returns the form a control belongs to.
func (b *builder) formOf(e element) *Form {
	id, ok := e.attr["form"]
	if !ok {
		return b.form
	}
	for _, f := range b.doc.forms {
		if f.ID == id {
			return f
		}
	}
	return nil
}

func (b *builder) resolve(ref string) *url.URL {
	u, err := b.base.Parse(strings.TrimSpace(ref))
	if err != nil {
		return nil
	}
	return u
}

func (b *builder) startElement(e element) {
	if content, ok := e.attr["onload"]; ok && e.name == "body" {
		b.doc.scripts = append(b.doc.scripts, script{content: content, handler: true})
	}
	switch e.name {
	case "form":
		if b.form != nil { // forms do not nest
			return
		}
		b.form = &Form{ID: e.attr["id"], Action: b.resolve(e.attr["action"]), Method: formMethod(e.attr["method"]), Enctype: e.attr["enctype"]}
		if e.attr["action"] == "" {
			b.form.Action = b.base
		}
		b.doc.forms = append(b.doc.forms, b.form)
	case "input":
		b.addInput(e)
	case "button":
		if kind := strings.ToLower(e.attr["type"]); kind == "" || kind == "submit" {
			b.startButton(e)
		}
	case "select":
		b.choice, b.chosen = &Field{Name: e.attr["name"], Type: "select", Off: true}, false
		b.owner = b.formOf(e)
	case "option":
		b.endElement("option")
		b.startOption(e)
	case "a", "area":
		if href, ok := e.attr["href"]; ok {
			b.link = &Link{URL: b.resolve(href)}
		}
	case "meta":
		if strings.EqualFold(e.attr["http-equiv"], "refresh") {
			_, target, _ := strings.Cut(e.attr["content"], "=")
			b.doc.refresh = strings.Trim(target, ` '"`)
		}
	case "br", "p", "div", "li", "h1", "h2", "h3", "tr", "td", "dt", "dd":
		b.text.WriteByte(' ')
	}
}

func formMethod(s string) string {
	if strings.EqualFold(s, "post") {
		return "POST"
	}
	return "GET"
}

func (b *builder) addInput(e element) {
	form := b.formOf(e)
	_, disabled := e.attr["disabled"]
	if form == nil || disabled {
		return
	}
	kind := strings.ToLower(e.attr["type"])
	switch kind {
	case "submit", "image":
		b.startButton(e)
		b.button.Text = e.attr["value"]
		b.endElement("button")
		return
	case "button", "reset", "file":
		return
	case "":
		kind = "text"
	}
	f := Field{Name: e.attr["name"], Value: e.attr["value"], Type: kind}
	if kind == "checkbox" || kind == "radio" {
		_, checked := e.attr["checked"]
		f.Off = !checked
		if _, ok := e.attr["value"]; !ok {
			f.Value = "on"
		}
	}
	form.Fields = append(form.Fields, f)
}

func (b *builder) startButton(e element) {
	b.button, b.owner = &Button{Name: e.attr["name"], Value: e.attr["value"]}, b.formOf(e)
	if action, ok := e.attr["formaction"]; ok {
		b.button.Action = b.resolve(action)
	}
	if method, ok := e.attr["formmethod"]; ok {
		b.button.Method = formMethod(method)
	}
	if _, disabled := e.attr["disabled"]; disabled {
		b.owner = nil
	}
}

func (b *builder) startOption(e element) {
	if b.choice == nil {
		return
	}
	_, selected := e.attr["selected"]
	value, valued := e.attr["value"]
	b.valued = true
	if selected && !b.chosen || b.choice.Off {
		b.choice.Value, b.choice.Off = value, false
		b.valued = valued
		b.chosen = b.chosen || selected
	}
	b.option = &strings.Builder{}
}

func (b *builder) endElement(name string) {
	switch name {
	case "form":
		b.form = nil
	case "button":
		if b.button != nil && b.owner != nil {
			b.button.Text = strings.TrimSpace(spaces.ReplaceAllString(b.button.Text, " "))
			b.owner.Buttons = append(b.owner.Buttons, *b.button)
		}
		b.button, b.owner = nil, nil
	case "option":
		if b.choice != nil && b.option != nil && !b.valued {
			b.choice.Value = strings.TrimSpace(spaces.ReplaceAllString(b.option.String(), " "))
		}
		b.option = nil
	case "select":
		b.endElement("option")
		if b.choice != nil && b.owner != nil {
			b.owner.Fields = append(b.owner.Fields, *b.choice)
		}
		b.choice, b.owner = nil, nil
	case "a", "area":
		if b.link != nil && b.link.URL != nil {
			b.link.Text = strings.TrimSpace(spaces.ReplaceAllString(b.link.Text, " "))
			b.doc.links = append(b.doc.links, *b.link)
		}
		b.link = nil
	case "p", "div", "li", "h1", "h2", "h3", "tr", "td", "span":
		b.text.WriteByte(' ')
		if b.button != nil {
			b.button.Text += " "
		}
	}
}

func (b *builder) rawElement(e element, raw string) {
	switch e.name {
	case "script":
		if _, external := e.attr["src"]; !external {
			b.doc.scripts = append(b.doc.scripts, script{content: raw, nonce: e.attr["nonce"]})
		}
	case "iframe":
		if src := strings.TrimSpace(e.attr["src"]); src != "" {
			if u := b.resolve(src); u != nil && (u.Scheme == "http" || u.Scheme == "https") {
				b.doc.frames = append(b.doc.frames, u)
			}
		}
	case "title":
		b.doc.title = strings.TrimSpace(html.UnescapeString(raw))
	case "textarea":
		if form := b.formOf(e); form != nil {
			form.Fields = append(form.Fields, Field{Name: e.attr["name"], Value: html.UnescapeString(raw), Type: "textarea"})
		}
	}
}
