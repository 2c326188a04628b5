package oidcrptest

import (
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const (
	maxPage         = 64 << 20
	userAgent       = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/156.0.0.0 Safari/537.36 oidcrptest"
	acceptDocuments = "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,image/apng,*/*;q=0.8,application/signed-exchange;v=b3;q=0.7"
	urlencoded      = "application/x-www-form-urlencoded"
)

// navigation is a request for a document in a tab or frame.
type navigation struct {
	method      string
	url         *url.URL
	body        string
	contentType string

	user      bool     // a press or a typed address, not a script
	initiator *url.URL // the page that caused it; nil: an address typed
	opaque    bool     // a form sent from no page at all
	referrer  string   // policy of the initiator
	form      *policies
	frame     *frame // nil: a tab
}

// Get opens an address as if typed or bookmarked: no page caused it, so every
// cookie is sent.
func (b *Browser) Get(rawURL string) *Page {
	b.t.Helper()
	return b.visit(&navigation{method: http.MethodGet, url: b.parse(rawURL), user: true})
}

// PostForm sends a form to an address, as a form on the current page would.
// On an empty tab the form comes from nowhere: cross-site, its Origin "null".
func (b *Browser) PostForm(rawURL string, values url.Values) *Page {
	b.t.Helper()
	n := b.from(b.Page())
	n.method, n.url, n.body, n.contentType = http.MethodPost, b.parse(rawURL), values.Encode(), urlencoded
	n.opaque = n.initiator == nil
	return b.visit(n)
}

// Follow follows the link on the current page whose whole text this is, or its
// address or path.
func (b *Browser) Follow(link string) *Page {
	b.t.Helper()
	page := b.mustPage()
	for _, l := range page.Links() {
		if link == l.Text || link == l.URL.String() || link == l.URL.Path || link == l.URL.RequestURI() {
			n := b.from(page)
			n.method, n.url = http.MethodGet, l.URL
			return b.visit(n)
		}
	}
	b.t.Fatalf("oidcrptest: no link %q on %v%s: %q", link, page.URL, page.notHTML(), page.Text())
	return nil
}

// SubmitForm submits a form of the current page by pressing its button. The
// form is found by what is on the button, the button's value or name, the
// action's path, or the form's id; "" is the first form and its first button.
// values, such as url.Values{"name": {"Alice"}}, replace those of the form's
// fields; nil leaves them as they are.
func (b *Browser) SubmitForm(match string, values url.Values) *Page {
	b.t.Helper()
	page := b.mustPage()
	form, button := page.findForm(match)
	if form == nil {
		b.t.Fatalf("oidcrptest: no form %q on %v%s: %q", match, page.URL, page.notHTML(), page.Text())
	}
	if button == nil && len(form.Buttons) > 0 {
		button = &form.Buttons[0]
	}
	return b.submit(page, form, button, values, true)
}

// Submit submits a form of the current page, one of [Page.Forms], as
// SubmitForm does, by its first button.
func (b *Browser) Submit(form *Form, values url.Values) *Page {
	b.t.Helper()
	var button *Button
	if len(form.Buttons) > 0 {
		button = &form.Buttons[0]
	}
	return b.submit(b.mustPage(), form, button, values, true)
}

// Back goes back in the tab's history. A page without Cache-Control: no-store
// is shown again from memory; any other is requested again, a form being sent
// again, as after confirming it.
func (b *Browser) Back() *Page {
	b.t.Helper()
	if b.at < 1 {
		b.t.Fatal("oidcrptest: Back: no page to go back to")
	}
	b.at--
	v := b.history[b.at]
	if v.page.Err == nil && !strings.Contains(strings.ToLower(v.page.Header.Get("Cache-Control")), "no-store") {
		restored := *v.page
		restored.Restored = true
		return &restored
	}
	return b.reload(v)
}

// Reload requests the current page again, sending a form again. A page that
// another site led to is still led to by it: its SameSite=Strict cookies stay
// away, here and in Back.
func (b *Browser) Reload() *Page {
	b.t.Helper()
	b.mustPage()
	return b.reload(b.history[b.at])
}

func (b *Browser) reload(v *visit) *Page {
	b.t.Helper()
	n := *v.request
	n.user = true
	b.history[b.at] = b.load(&n)
	return b.history[b.at].page
}

// Show makes the tab show HTML of the test's own as if it came from rawURL,
// without a request: a page of an attacker, to send forms from. Its scripts
// do not run, and its frames stay empty.
func (b *Browser) Show(rawURL, html string) *Page {
	b.t.Helper()
	u := b.parse(rawURL)
	_, scripts := b.settings()
	page := &Page{URL: u, Status: http.StatusOK, Header: http.Header{"Content-Type": {"text/html; charset=utf-8"}}, Body: html}
	page.doc = parseHTML(u, html, scripts)
	b.push(&visit{request: &navigation{method: http.MethodGet, url: u, user: true}, page: page})
	return page
}

func (b *Browser) mustPage() *Page {
	b.t.Helper()
	page := b.Page()
	if page == nil {
		b.t.Fatal("oidcrptest: the tab shows no page yet")
	}
	return page
}

// from begins a navigation that a page causes.
func (b *Browser) from(page *Page) *navigation {
	n := &navigation{user: true}
	if page != nil {
		n.initiator, n.referrer = page.URL, page.Header.Get("Referrer-Policy")
	}
	return n
}

func (b *Browser) submit(page *Page, form *Form, button *Button, values url.Values, user bool) *Page {
	b.t.Helper()
	n, err := b.submission(page, form, button, values)
	if err != nil {
		b.t.Fatalf("oidcrptest: form on %v: %v", page.URL, err)
	}
	n.user = user
	return b.visit(n)
}

// submission makes the request of a form (HTML 4.10.21.3).
func (b *Browser) submission(page *Page, form *Form, button *Button, values url.Values) (*navigation, error) {
	pairs, err := form.encode(button, values)
	if err != nil {
		return nil, err
	}
	n := b.from(page)
	policy := readPolicies(page.URL, page.Header)
	n.form = &policy
	action := form.Action
	n.method = form.Method
	if button != nil && button.Action != nil {
		action = button.Action
	}
	if button != nil && button.Method != "" {
		n.method = button.Method
	}
	if action == nil {
		return nil, fmt.Errorf("its action is no URL")
	}
	target := *action
	n.url = &target
	switch {
	case n.method == http.MethodGet:
		target.RawQuery = pairs
	case form.Enctype == "" || strings.EqualFold(form.Enctype, urlencoded):
		n.body, n.contentType = pairs, urlencoded
	case strings.EqualFold(form.Enctype, "text/plain"):
		decoded, _ := url.QueryUnescape(strings.ReplaceAll(pairs, "&", "\r\n"))
		n.body, n.contentType = decoded+"\r\n", "text/plain"
	default:
		return nil, fmt.Errorf("enctype %q is not supported", form.Enctype)
	}
	return n, nil
}

// encode lists the form's fields in order.
func (f *Form) encode(button *Button, values url.Values) (string, error) {
	var pairs []string
	add := func(name, value string) {
		if name != "" {
			pairs = append(pairs, url.QueryEscape(name)+"="+url.QueryEscape(value))
		}
	}
	filled := map[string]bool{}
	for _, field := range f.Fields {
		replacement, given := values[field.Name]
		switch {
		case !given && !field.Off:
			add(field.Name, field.Value)
		case given && !filled[field.Name]:
			for _, v := range replacement {
				add(field.Name, v)
			}
		}
		filled[field.Name] = filled[field.Name] || given
	}
	for name := range values {
		if !filled[name] {
			return "", fmt.Errorf("it has no field %q", name)
		}
	}
	if button != nil {
		add(button.Name, button.Value)
	}
	return strings.Join(pairs, "&"), nil
}

// visit loads a page in the tab.
func (b *Browser) visit(n *navigation) *Page {
	b.t.Helper()
	v := b.load(n)
	b.push(v)
	return v.page
}

func (b *Browser) push(v *visit) {
	b.history = append(b.history[:b.at+1], v)
	b.at++
}

// load makes a navigation with all that follows from it by itself.
func (b *Browser) load(n *navigation) *visit {
	b.t.Helper()
	var trail []Hop
	var frames []*Page
	for {
		v := b.follow(n, trail)
		trail = v.page.Trail
		if n.frame != nil && v.page.Blocked == "" && v.page.Err == nil && !n.frame.shows(v.page) {
			v.page.Blocked = "frame-ancestors"
		}
		frames = append(frames, b.loadFrames(v.page, n.frame)...)
		v.page.Frames = frames
		next := b.automatic(v.page)
		if next == nil {
			return v
		}
		next.frame = n.frame
		n = next
	}
}

// automatic returns what the page does by itself: submit its form, or
// refresh.
func (b *Browser) automatic(page *Page) *navigation {
	b.t.Helper()
	_, scripts := b.settings()
	if page.Err != nil || page.Blocked != "" {
		return nil
	}
	doc := page.document()
	policy := readPolicies(page.URL, page.Header)
	for _, s := range doc.scripts {
		submits := strings.Contains(s.content, ".submit(") || strings.Contains(s.content, ".submit.call(") || strings.Contains(s.content, ".requestSubmit(")
		if !scripts || !submits || len(doc.forms) == 0 || !policy.allowsScript(s) {
			continue
		}
		form := doc.forms[0]
		if strings.Contains(s.content, "location.hash") {
			form = form.withFragment(page.URL)
		}
		n, err := b.submission(page, form, nil, nil)
		if err != nil {
			b.t.Fatalf("oidcrptest: form on %v that submits itself: %v", page.URL, err)
		}
		n.user = false
		return n
	}
	if doc.refresh == "" {
		return nil
	}
	target, err := page.URL.Parse(doc.refresh)
	if err != nil {
		return nil
	}
	n := b.from(page)
	n.user, n.method, n.url = false, http.MethodGet, target
	return n
}

// withFragment is the form after a script gave it the fragment of the page's
// address: whole, in the first field that is empty, or each of its parameters
// in a field of its own where there is no such field.
func (f *Form) withFragment(page *url.URL) *Form {
	filled := *f
	filled.Fields = slices.Clone(f.Fields)
	for i := range filled.Fields {
		if filled.Fields[i].Value == "" && filled.Fields[i].Name != "" {
			filled.Fields[i].Value = page.EscapedFragment()
			return &filled
		}
	}
	params, err := url.ParseQuery(page.EscapedFragment())
	if err != nil {
		return &filled // the script would find nothing it can read
	}
	for _, name := range slices.Sorted(maps.Keys(params)) {
		for _, value := range params[name] {
			filled.Fields = append(filled.Fields, Field{Name: name, Value: value})
		}
	}
	return &filled
}
