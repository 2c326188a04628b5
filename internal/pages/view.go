package pages

import (
	"cmp"
	"fmt"
	"html/template"
	"net/http"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// view is what a template sees: the Page, and the texts made for it.
type view struct {
	Page
	Dir       string
	Title     string
	Label     string
	Cancel    string
	Providers []button // instead of Page's
	Style     template.HTML
	Script    template.HTML
	Content   template.HTML

	texts *Renderer
	names map[string]string // by placeholder
}

// button is a Link with its text.
type button struct {
	Link
	Label string
}

func (p *Renderer) view(page Page) *view {
	page.Lang = p.Language(page.Lang)
	if page.Status == 0 {
		page.Status = http.StatusOK
	}
	page.SiteName, page.User = clean(page.SiteName), clean(page.User)
	page.Inputs = slices.Clone(page.Inputs)
	for i := range page.Inputs {
		page.Inputs[i].Autocomplete = cmp.Or(page.Inputs[i].Autocomplete, "off")
	}
	v := &view{Page: page, Dir: direction(page.Lang), texts: p, Style: template.HTML("<style>" + style + "</style>")}
	if s := page.script(); s != "" {
		v.Script = template.HTML("<script>" + s + "</script>")
	}
	for _, l := range page.Providers {
		if l.DisplayName = clean(l.DisplayName); l.DisplayName == "" {
			l.DisplayName = l.Name
		}
		label := insert(p.Text(page.Lang, "signin.with"), map[string]string{"{provider}": isolate(l.DisplayName, v.Dir)})
		v.Providers = append(v.Providers, button{l, label})
	}
	provider := ""
	if len(v.Providers) > 0 {
		provider = v.Providers[0].DisplayName
	}
	v.names = map[string]string{
		"{site}":     v.name(page.SiteName, "site.generic"),
		"{provider}": v.name(provider, "provider.generic"),
		"{user}":     v.name(page.User, "user.generic"),
	}
	v.fill()
	return v
}

// name returns the name of something, or the words used when it has none.
func (v *view) name(name, generic string) string {
	if name == "" {
		return v.texts.Text(v.Lang, generic)
	}
	return isolate(name, v.Dir)
}

// fill chooses title, message and labels.
func (v *view) fill() {
	key := v.MessageKey
	if v.texts.Text("", key) == "" {
		key = v.usual()
	}
	v.Title = v.first(key+".title", v.Page.Name+".title")
	v.Label = v.first(key+".retry", v.Page.Name+".retry", v.Page.Name+".button", "error.retry")
	v.Cancel = v.first(v.Page.Name+".cancel", "page.home")
	v.Message = cmp.Or(v.Page.Message, v.first(key))
}

// usual returns the key of the main sentence when the caller named none.
func (v *view) usual() string {
	switch {
	case v.Page.Name == "error":
		return "error.generic"
	case v.Page.Name == "signin" && len(v.Providers) == 0 && v.Action != "":
		return "signin.identify"
	case v.Page.Name == "signin" && len(v.Providers) == 0:
		return "signin.none"
	case v.Page.Name == "signin" && len(v.Providers) == 1 && v.Action == "":
		return "signin.single"
	}
	return v.Page.Name + ".message"
}

// first returns the text of the first key that has one.
func (v *view) first(keys ...string) string {
	for _, key := range keys {
		if s := v.texts.Text(v.Lang, key); s != "" {
			return insert(s, v.names)
		}
	}
	return ""
}

// Text returns the message of key. A key that does not exist is an error, so
// that New finds it.
func (v *view) Text(key string) (string, error) {
	s := v.first(key)
	if s == "" {
		return "", fmt.Errorf("there is no message %q; the keys are those of the default messages", key)
	}
	return s, nil
}

// insert puts names where a text has their placeholders. Thai writes no
// spaces between words, but sets other scripts off: a Thai text therefore has
// no space around a placeholder, and gets one where the name needs it.
func insert(text string, names map[string]string) string {
	var b strings.Builder
	end := 0
	for _, at := range placeholder.FindAllStringIndex(text, -1) {
		name, ok := names[text[at[0]:at[1]]]
		if !ok {
			continue
		}
		b.WriteString(text[end:at[0]])
		end = at[1]
		before, _ := utf8.DecodeLastRuneInString(text[:at[0]])
		after, _ := utf8.DecodeRuneInString(text[end:])
		first, _ := utf8.DecodeRuneInString(name)
		last, _ := utf8.DecodeLastRuneInString(name)
		if thai(before) && !thai(first) {
			b.WriteByte(' ')
		}
		b.WriteString(name)
		if thai(after) && !thai(last) {
			b.WriteByte(' ')
		}
	}
	return b.String() + text[end:]
}

func thai(r rune) bool { return unicode.Is(unicode.Thai, r) }

// clean removes from a name what could disturb the text around it: control
// characters, line breaks and bidirectional controls.
func clean(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Bidi_Control, r) || r == '\u2028' || r == '\u2029' {
			return -1
		}
		return r
	}, name)
}

// isolate puts a name that may run against the text around it between FSI and
// PDI (Unicode UAX #9, 2.4).
func isolate(name, dir string) string {
	if dir == "ltr" && !strings.ContainsFunc(name, rightToLeft) {
		return name
	}
	return "\u2068" + name + "\u2069"
}

func rightToLeft(r rune) bool {
	return unicode.In(r, unicode.Arabic, unicode.Hebrew, unicode.Syriac, unicode.Thaana, unicode.Nko, unicode.Adlam)
}
