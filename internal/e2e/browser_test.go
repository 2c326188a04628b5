package e2e_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// patience is how long a page may take to become what a test waits for.
const patience = 20 * time.Second

// browser is the one Chromium of this test binary; every test has a profile of
// its own in it.
var browser struct {
	once   sync.Once
	ctx    context.Context
	cancel []context.CancelFunc
	err    error
}

// findChromium returns Chromium's path, or "".
func findChromium() string {
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if path, err := exec.LookPath(name); err == nil {
			return path
		}
	}
	return ""
}

func startBrowser(path string) {
	options := append(chromedp.DefaultExecAllocatorOptions[:],
		chromedp.ExecPath(path),
		chromedp.NoSandbox, // it needs a kernel feature that root in a container lacks
		chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true),
		chromedp.Flag("disable-component-update", true),
		// Nothing but this machine: a web font of somebody's page must not
		// hold up its load event.
		chromedp.Flag("host-resolver-rules", "MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE *.localhost, EXCLUDE 127.0.0.1"),
		chromedp.Flag("ignore-certificate-errors-spki-list", testCertificate().spki),
		chromedp.WindowSize(1000, 760),
	)
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, cancel := chromedp.NewContext(allocator)
	browser.cancel = []context.CancelFunc{cancel, stop}
	browser.ctx = ctx
	browser.err = chromedp.Do(ctx)
}

func TestMain(m *testing.M) {
	code := m.Run()
	if browser.ctx != nil {
		chromedp.Cancel(browser.ctx)
	}
	for _, cancel := range browser.cancel {
		cancel()
	}
	removeBuilt()
	removeExamples()
	os.Exit(code)
}

// tab is one tab of a browser profile.
type tab struct {
	t   testing.TB
	ctx context.Context
}

// newProfile opens a tab in a fresh profile, with no cookies.
func newProfile(t testing.TB) *tab {
	t.Helper()
	path := findChromium()
	if path == "" {
		interop.Missing(t, "Chromium", "apt-get install chromium")
	}
	browser.once.Do(func() { startBrowser(path) })
	if browser.err != nil {
		t.Fatalf("start Chromium: %v", browser.err)
	}
	return openTab(t, browser.ctx, chromedp.WithNewBrowserContext())
}

// newTab opens another tab in the profile of b.
func (b *tab) newTab() *tab {
	b.t.Helper()
	return openTab(b.t, b.ctx)
}

func openTab(t testing.TB, parent context.Context, options ...chromedp.ContextOption) *tab {
	t.Helper()
	ctx, cancel := chromedp.NewContext(parent, options...)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("open a tab: %v", err)
	}
	t.Cleanup(cancel)
	return &tab{t, ctx}
}

// do runs steps with a limit.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	if err := chromedp.Do(ctx, steps...); err != nil {
		b.fail("%s: %v", what, err)
	}
}

// fail ends the test with what the tab shows.
func (b *tab) fail(format string, args ...any) {
	b.t.Helper()
	b.shoot("failed-" + strings.ReplaceAll(b.t.Name(), "/", "-"))
	b.t.Fatalf("%s\nthe tab is at %s and shows:\n%s", fmt.Sprintf(format, args...), b.location(), b.text())
}

// open goes to an address as if it were typed.
func (b *tab) open(url string) {
	b.t.Helper()
	b.do("open "+url, chromedp.Navigate(url))
}

// click presses what a selector finds.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// fill types into a field.
func (b *tab) fill(selector, text string) {
	b.t.Helper()
	b.do("fill "+selector, chromedp.Clear(chromedp.CSS(selector)), chromedp.SendKeys(chromedp.CSS(selector), text))
}

// back goes back as the Back button does, and waits until the tab stays where
// it is. No load event is waited for: a page that is taken from the
// back/forward cache has none.
func (b *tab) back() {
	b.t.Helper()
	b.do("go back", chromedp.Evaluate[chromedp.Void]("window.left = true; setTimeout(() => history.back())"))
	b.until("a page to go back to", "!window.left || location.href === 'about:blank'")
	for at, since := b.location(), time.Now(); time.Since(since) < 300*time.Millisecond; time.Sleep(50 * time.Millisecond) {
		if now := b.location(); now != at {
			at, since = now, time.Now()
		}
	}
}

// value evaluates a script; while the page is being replaced there is none.
func value[T any](b *tab, script string) (T, error) {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	return chromedp.Run(ctx, chromedp.Evaluate[T](script))
}

func (b *tab) location() string {
	s, _ := value[string](b, "location.href")
	return s
}

func (b *tab) text() string {
	s, _ := value[string](b, "document.body ? document.body.innerText : ''")
	return s
}

// holds reports whether a complete page satisfies a condition.
func (b *tab) holds(condition string) bool {
	ok, err := value[bool](b, "document.readyState === 'complete' && !!("+condition+")")
	return err == nil && ok
}

// until waits for the tab to satisfy a condition, through any number of
// redirects and pages that submit themselves.
func (b *tab) until(what, condition string) {
	b.t.Helper()
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if b.holds(condition) {
			return
		}
		if err := b.ctx.Err(); err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
	}
	b.fail("waited for %s", what)
}

// untilAt waits for an address that begins with prefix.
func (b *tab) untilAt(prefix string) {
	b.t.Helper()
	b.until(prefix, "location.href.startsWith("+quote(prefix)+")")
}

// untilSees waits for a text on the page.
func (b *tab) untilSees(text string) {
	b.t.Helper()
	b.until(text, "document.body.innerText.includes("+quote(text)+")")
}

// hides asserts that a text is not on the page.
func (b *tab) hides(text string) {
	b.t.Helper()
	if strings.Contains(b.text(), text) {
		b.fail("the page shows %q", text)
	}
}

// cookies are those a browser would send to an address.
func (b *tab) cookies(url string) []*network.Cookie {
	b.t.Helper()
	res, err := chromedp.Call(b.ctx, network.GetCookies, network.GetCookiesParams{URLs: []string{url}})
	if err != nil {
		b.t.Fatal(err)
	}
	return res.Cookies
}

// emulate switches the tab between light and dark and between widths.
func (b *tab) emulate(width int64, scheme string) {
	b.t.Helper()
	_, err := chromedp.Call(b.ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
		Features: []*emulation.MediaFeature{
			{Name: "prefers-color-scheme", Value: scheme},
			{Name: "prefers-reduced-motion", Value: "reduce"}, // no colours half-way
		},
	})
	if err == nil {
		err = chromedp.Do(b.ctx, chromedp.EmulateViewport(width, 760))
	}
	if err != nil {
		b.t.Fatal(err)
	}
}

// shoot keeps a picture of the tab.
func (b *tab) shoot(name string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err != nil {
		b.t.Logf("screenshot %s: %v", name, err)
		return
	}
	path := filepath.Join("screenshots", name+".png")
	if err := errors.Join(os.MkdirAll("screenshots", 0o755), os.WriteFile(path, png, 0o644)); err != nil {
		b.t.Log(err)
	}
}

// phone is how wide one is, in pixels of CSS.
const phone = 390

// look keeps pictures of a page of ours, wide and as on a phone, light and dark,
// and asserts what can be asserted of its accessibility.
func (b *tab) look(name string) {
	b.t.Helper()
	b.shoot(name)
	b.emulate(1000, "dark")
	b.shoot(name + "-dark")
	b.checkPage(name + ", dark")
	b.emulate(320, "light")
	b.checkPage(name + ", narrow")
	b.emulate(phone, "light")
	b.shoot(name + "-phone")
	b.checkPage(name + ", phone")
	b.emulate(1000, "light")
	b.checkPage(name)
}

// checkPage asserts what a machine can see: language, title, landmarks,
// headings, labels, contrast (WCAG 2.2 1.4.3, AA), and no sideways scrolling at
// 320 pixels (1.4.10).
func (b *tab) checkPage(name string) {
	b.t.Helper()
	problems, err := value[[]string](b, pageProblems)
	if err != nil {
		b.fail("%s: %v", name, err)
	}
	for _, p := range problems {
		b.t.Errorf("%s: %s (%s)", name, p, b.location())
	}
}

const pageProblems = `(() => {
	const problems = [];
	const say = (bad, text) => { if (bad) problems.push(text); };
	const visible = e => e.getClientRects().length > 0 && e.checkVisibility({visibilityProperty: true});
	say(!document.documentElement.lang, 'html has no lang');
	say(!document.title.trim(), 'no title');
	say(document.querySelectorAll('h1').length !== 1, document.querySelectorAll('h1').length + ' h1 headings');
	say(document.querySelectorAll('main, [role=main]').length !== 1, 'not one main landmark');
	for (const e of document.querySelectorAll('input:not([type=hidden]):not([type=submit]), select, textarea'))
		say(visible(e) && !e.labels?.length && !e.getAttribute('aria-label') && !e.getAttribute('aria-labelledby'), 'field without a label: ' + (e.name || e.id));
	for (const e of document.querySelectorAll('a[href], button'))
		say(visible(e) && !(e.innerText.trim() || e.getAttribute('aria-label') || e.querySelector('img[alt]:not([alt=""])')), 'link or button without a name');
	for (const e of document.querySelectorAll('img')) say(!e.hasAttribute('alt'), 'picture without alt');
	say(document.documentElement.scrollWidth > innerWidth + 1, 'scrolls sideways at ' + innerWidth + ' pixels');
	const colour = s => { const m = s.match(/[\d.]+/g).map(Number); return s.startsWith('color(') ? [m[0]*255, m[1]*255, m[2]*255, m[3] ?? 1] : [m[0], m[1], m[2], m[3] ?? 1]; };
	const over = (top, under) => top.slice(0, 3).map((c, i) => c*top[3] + under[i]*(1-top[3])).concat(1);
	const systemColour = name => { const e = document.body.appendChild(document.createElement('i')); e.style.color = name; const c = colour(getComputedStyle(e).color); e.remove(); return c; };
	const background = e => {
		const layers = [];
		for (; e; e = e.parentElement) { const c = colour(getComputedStyle(e).backgroundColor); if (c[3] > 0) layers.push(c); if (c[3] === 1) break; }
		const canvas = systemColour('Canvas');
		return layers.reduceRight((under, top) => over(top, under), canvas);
	};
	const light = c => { const [r, g, b] = c.map(v => (v /= 255) <= .04045 ? v/12.92 : ((v+.055)/1.055)**2.4); return .2126*r + .7152*g + .0722*b; };
	const seen = new Set();
	for (const e of document.querySelectorAll('body *')) {
		if (!visible(e) || e.disabled || ![...e.childNodes].some(n => n.nodeType === 3 && n.data.trim())) continue;
		const style = getComputedStyle(e), back = background(e), size = parseFloat(style.fontSize);
		const [a, b] = [light(over(colour(style.color), back)), light(back)].sort((x, y) => y - x);
		const ratio = (a + .05)/(b + .05), large = size >= 24 || (size >= 18.66 && style.fontWeight >= 700);
		const text = e.innerText.trim().slice(0, 30);
		if (ratio < (large ? 3 : 4.5) && !seen.has(text)) { seen.add(text); problems.push('contrast ' + ratio.toFixed(2) + ' of "' + text + '"'); }
	}
	return problems;
})()`

func quote(s string) string {
	b, err := json.Marshal(s)
	if err != nil {
		panic(err)
	}
	return string(b)
}
