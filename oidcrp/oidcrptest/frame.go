package oidcrptest

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// maxFrameDepth is how deep frames in frames are loaded.
const maxFrameDepth = 4

// frame is where a navigation happens that is not one of the tab.
type frame struct {
	around []*url.URL // the pages around it, the tab's first
	policy policies   // of the page it stands in
}

// inside is the place of a frame on a page, which may be framed itself.
func inside(page *Page, outer *frame) *frame {
	f := &frame{policy: readPolicies(page.URL, page.Header)}
	if outer != nil {
		f.around = slices.Clone(outer.around)
	}
	f.around = append(f.around, page.URL)
	return f
}

// crosses reports whether u is of another site than any page around it: then
// its cookies are third-party cookies.
func (f *frame) crosses(u *url.URL) bool {
	return slices.ContainsFunc(f.around, func(around *url.URL) bool { return site(around) != site(u) })
}

// shows reports whether a page lets itself be framed here (CSP 3, 6.4.2).
func (f *frame) shows(page *Page) bool {
	p, stated := readPolicies(page.URL, page.Header), false
	for _, directives := range p.list {
		_, ok := directives["frame-ancestors"]
		stated = stated || ok
	}
	if stated { // then X-Frame-Options does not count
		return !slices.ContainsFunc(f.around, func(around *url.URL) bool { return !p.allows("frame-ancestors", around, false) })
	}
	switch strings.ToUpper(strings.TrimSpace(page.Header.Get("X-Frame-Options"))) {
	case "DENY":
		return false
	case "SAMEORIGIN":
		return !slices.ContainsFunc(f.around, func(around *url.URL) bool { return origin(around) != origin(page.URL) })
	}
	return true
}

// Frame loads an address in a frame of the current page, as an iframe element
// there would. Between sites no cookie at all is sent or kept, SameSite=None
// or not. Blocked is "frame-ancestors" where the answer forbids being framed
// here, "frame-src" where the page forbids to frame it. The tab stays on its
// page.
func (b *Browser) Frame(rawURL string) *Page {
	b.t.Helper()
	return b.loadFrame(b.mustPage(), b.parse(rawURL), nil)
}

func (b *Browser) loadFrame(page *Page, u *url.URL, outer *frame) *Page {
	b.t.Helper()
	n := b.from(page)
	n.user = false
	n.method, n.url, n.frame = http.MethodGet, u, inside(page, outer)
	return b.load(n).page
}

// loadFrames loads the frames of a page that has just been loaded.
func (b *Browser) loadFrames(page *Page, outer *frame) []*Page {
	b.t.Helper()
	if page.Err != nil || page.Blocked != "" || outer != nil && len(outer.around) >= maxFrameDepth {
		return nil
	}
	var loaded []*Page
	for _, u := range page.document().frames {
		loaded = append(loaded, b.loadFrame(page, u, outer))
	}
	return loaded
}
