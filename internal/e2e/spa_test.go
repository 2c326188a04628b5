package e2e_test

import (
	"strings"
	"testing"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/chromedp"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// spaTexts is what the page says where a test looks, by language.
var spaTexts = map[string]map[string]string{
	"en": {"signin": "Sign in", "signout": "Sign out", "lead": "Books in two languages", "ended": "Your session has ended", "saved": "Saved.", "dropped": "Deleted.", "denied": "You may not do that.", "missing": "There is no such book"},
	"th": {"signin": "ลงชื่อเข้าใช้", "signout": "ออกจากระบบ", "lead": "หนังสือสองภาษา", "ended": "เซสชันของคุณสิ้นสุดแล้ว", "saved": "บันทึกแล้ว", "dropped": "ลบแล้ว", "denied": "คุณไม่มีสิทธิ์ทำรายการนี้", "missing": "ไม่พบหนังสือเล่มนี้"},
}

// shows waits for an element to be there to see, or not.
func (b *tab) shows(selector string, want bool) {
	b.t.Helper()
	condition := "document.querySelector(" + quote(selector) + ")?.getClientRects().length > 0"
	if !want {
		condition = "!(" + condition + ")"
	}
	b.until(selector, condition)
}

// untilPage waits for exactly this address, whatever its query.
func untilPage(b *tab, url string) {
	b.t.Helper()
	b.until(url, "location.origin + location.pathname === "+quote(url))
}

// inLanguage opens the page and chooses a language on it.
func inLanguage(b *tab, url, lang string) {
	b.t.Helper()
	b.open(url)
	b.shows("#books li", true)
	b.click("[data-lang=" + lang + "]")
	b.until(lang, "document.documentElement.lang === "+quote(lang))
	b.untilSees(spaTexts[lang]["lead"])
}

// typeNote types into the empty field for a note.
func typeNote(b *tab, text string) {
	b.t.Helper()
	b.until("an empty note", "document.querySelector('#note').value === ''")
	b.do("type a note", chromedp.SendKeys(chromedp.CSS("#note"), text))
}

// lookAround has the page do what it does when it is looked at again.
func lookAround(b *tab) {
	b.t.Helper()
	b.do("look at the page again", chromedp.Evaluate[chromedp.Void]("document.dispatchEvent(new Event('visibilitychange'))"))
}

// watchComplaints keeps what the browser has to say of the page's scripts and
// policy from now on.
func watchComplaints(b *tab) {
	b.t.Helper()
	b.do("watch", chromedp.Evaluate[chromedp.Void](`window.complaints = [];
		addEventListener("securitypolicyviolation", (e) => complaints.push(e.violatedDirective + " " + e.blockedURI));
		addEventListener("error", (e) => complaints.push(e.message));
		addEventListener("unhandledrejection", (e) => complaints.push(String(e.reason)));`))
}

func noComplaints(b *tab) {
	b.t.Helper()
	got, err := value[[]string](b, "window.complaints")
	if err != nil || len(got) > 0 {
		b.t.Errorf("the browser complains: %q, %v", got, err)
	}
}

func TestSPA(t *testing.T) {
	url, _ := startExample(t, "spa")
	for _, lang := range []string{"en", "th"} {
		t.Run(lang, func(t *testing.T) {
			says, b := spaTexts[lang], newProfile(t)
			inLanguage(b, url, lang)
			watchComplaints(b)
			b.shows("#signin", true)
			b.shows("#signout", false)
			b.shows("#elsewhere", false)
			b.untilSees(says["signin"])
			b.look("spa-" + lang + "-signed-out")
			b.click("#books a[href='/books/2']")
			b.shows("#author", true)
			b.shows("#write", false)
			b.look("spa-" + lang + "-book-signed-out")
			noComplaints(b)

			// Signing in comes back to the same book.
			b.click("#signin")
			b.until("the provider's sign-in page", "document.querySelector('button[name=user]') && document.documentElement.lang === "+quote(lang))
			signInEmbedded(b, "bob")
			b.untilAt(url + "/books/2")
			b.shows("#signout", true)
			b.shows("#signin", false)
			b.untilSees("Bob Baker")
			watchComplaints(b)

			typeNote(b, "อ่านสองครั้ง <b>twice</b>")
			b.click("#write button")
			b.untilSees(says["saved"])
			b.look("spa-" + lang + "-book")
			b.click("#elsewhere")
			b.until("the API's answer", `document.querySelector("#answer").textContent.includes('"sub": "bob"')`)
			b.shows("#count", false) // not his
			b.look("spa-" + lang + "-api")
			b.click("#book a[href='/']")
			b.untilSees("อ่านสองครั้ง <b>twice</b>")
			b.look("spa-" + lang + "-signed-in")
			noComplaints(b)

			b.click("#books a[href='/books/2']")
			b.click("#drop")
			b.untilSees(says["dropped"])
			b.hides("twice")
			b.shows("#drop", false)

			// The page's part for staff is a courtesy; the program decides.
			b.do("show it all the same", chromedp.Evaluate[chromedp.Void]("document.querySelector('[data-role]').hidden = false"))
			b.click("#count")
			b.untilSees(says["denied"])

			b.open(url + "/books/none")
			b.untilSees(says["missing"])
			b.look("spa-" + lang + "-missing")

			b.click("#signout")
			untilPage(b, url+"/")
			b.shows("#signin", true)
			b.shows("#signout", false)
			b.hides("Bob Baker")
			b.hides("twice")
			b.back() // shows nothing of his, however it was kept
			b.shows("#signout", false)
			b.hides("Bob Baker")
			b.open(url + "/books/2") // and is not signed in by that
			b.shows("#signin", true)
			b.hides("Bob Baker")
		})
	}
}

// dropSession is what a browser does with the cookie of a session that is over.
func dropSession(b *tab, url string) {
	b.t.Helper()
	for _, c := range b.cookies(url + "/") {
		if !strings.Contains(c.Name, "oidcrp_s_") {
			continue
		}
		if _, err := chromedp.Call(b.ctx, network.DeleteCookies, network.DeleteCookiesParams{Name: c.Name, URL: url}); err != nil {
			b.t.Fatal(err)
		}
		return
	}
	b.fail("there is no session to end")
}

// A session that ends while somebody types: the page says so at the next thing
// it does, by itself or for the visitor, keeps what was typed, and is back at
// the same place after signing in.
func TestSPASessionEnds(t *testing.T) {
	url, provider := startExample(t, "spa")
	drop := func(b *tab) { b.t.Helper(); dropSession(b, url) }
	for _, test := range []struct {
		name, lang string
		book       string // another for each
		end        func(b *tab)
		noticed    func(b *tab)
	}{
		{"noticed in the background", "en", "/books/1", drop, lookAround},
		{"noticed at a POST", "th", "/books/3", drop, func(b *tab) { b.t.Helper(); b.click("#write button") }},
		{"ended at the provider", "th", "/books/4", func(b *tab) {
			b.t.Helper()
			other := b.newTab()
			other.open(provider + "/end-session")
			other.until("the provider's question", "document.querySelector('button[name=confirm], input[name=confirm]')")
			other.click("form button.main")
			other.until("the end of it", "!document.querySelector('form')")
		}, lookAround},
	} {
		t.Run(test.name, func(t *testing.T) {
			says, b := spaTexts[test.lang], newProfile(t)
			inLanguage(b, url, test.lang)
			b.click("#signin")
			signInEmbedded(b, "carol")
			b.shows("#signout", true)
			b.click("#books a[href='" + test.book + "']")
			typeNote(b, "Not saved yet")

			test.end(b)
			test.noticed(b)
			b.shows("#ended", true)
			b.untilSees(says["ended"])
			b.shows("#signin", true)
			b.shows("#write", false)
			b.hides("แครอล")
			b.look("spa-" + test.lang + "-ended-" + strings.ReplaceAll(test.name, " ", "-"))

			b.click("#again")
			b.until("the way back", "document.querySelector('button[name=user], #write')")
			if b.holds("document.querySelector('button[name=user]')") {
				signInEmbedded(b, "carol")
			}
			untilPage(b, url+test.book)
			b.shows("#write", true)
			b.until("what was typed", "document.querySelector('#note').value === 'Not saved yet'")
			b.shows("#ended", false)
			b.click("#write button")
			b.untilSees(says["saved"])
		})
	}
}

// The page finds out by its clock when a session is over, in time that runs a
// thousand times as fast for what takes longer than a minute, and without
// looking now and then.
func TestSPASessionIsOver(t *testing.T) {
	url, _ := startExample(t, "spa")
	b := newProfile(t)
	if _, err := chromedp.Call(b.ctx, page.AddScriptToEvaluateOnNewDocument, page.AddScriptToEvaluateOnNewDocumentParams{
		Source: "const wait = setTimeout; window.setTimeout = (f, ms) => wait(f, ms > 60_000 ? ms / 1000 : ms); window.setInterval = () => 0;",
	}); err != nil {
		t.Fatal(err)
	}
	inLanguage(b, url, "en")
	b.click("#signin")
	signInEmbedded(b, "bob")
	b.shows("#signout", true)
	dropSession(b, url)
	b.shows("#ended", true)
	b.hides("Bob Baker")
}

// A provider of other people's, told by the six settings that guides for
// single-page applications have: a public client, with the API that it has
// itself.
func TestSPAWithAProviderOfOthers(t *testing.T) {
	addr := freeAddr(t)
	here := "http://" + addr
	provider := interop.StartNode(t, interop.NodeConfig{
		Pages:    true,
		Accounts: map[string]map[string]any{"alice": {"name": "Alice of Node"}},
		Clients: []interop.Client{{
			ID: "bookstore", AuthMethod: "none",
			RedirectURIs: []string{here + "/callback"}, PostLogoutRedirectURIs: []string{here + "/"},
			ResponseTypes: []string{"code"}, GrantTypes: []string{"authorization_code", "refresh_token"},
		}},
	})
	url, _ := startExample(t, "spa", "-addr", addr,
		"-authority", provider.Issuer, "-client-id", "bookstore",
		"-redirect-uri", here+"/callback", "-post-logout-redirect-uri", here+"/",
		"-response-type", "code", "-scope", "openid profile", "-api", provider.Issuer+"/me")
	b := newProfile(t)
	b.open(url + "/books/3")
	b.click("#signin")
	signInNode(b, "alice")
	untilPage(b, url+"/books/3")
	b.shows("#signout", true)
	b.click("#elsewhere")
	b.until("the API's answer", `document.querySelector("#answer").textContent.includes('"sub": "alice"')`)
	b.shoot("spa-provider-of-others")
	b.click("#signout")
	signOutNode(b)
	untilPage(b, url+"/")
	b.shows("#signin", true)
}

// Signing out in one tab shows in the other.
func TestSPATwoTabs(t *testing.T) {
	url, _ := startExample(t, "spa")
	b := newProfile(t)
	inLanguage(b, url, "en")
	b.click("#signin")
	signInEmbedded(b, "alice")
	b.shows("#count", true) // she is on the staff
	b.click("#count")
	b.until("the stock", "document.querySelectorAll('#stock li').length === 4")
	b.look("spa-staff")

	other := b.newTab()
	other.open(url + "/books/1")
	other.untilSees("Alice Archer")
	other.click("#signout")
	untilPage(other, url+"/")
	other.shows("#signin", true)

	lookAround(b)
	b.shows("#ended", true)
	b.hides("Alice Archer")
	b.shows("#stock li", false)
}

// Without scripts the page says so, and signing in and out works.
func TestSPAWithoutScripts(t *testing.T) {
	url, _ := startExample(t, "spa")
	b := newProfile(t)
	if _, err := chromedp.Call(b.ctx, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}); err != nil {
		t.Fatal(err)
	}
	b.open(url + "/")
	b.untilSees("This page needs JavaScript")
	b.untilSees("หน้านี้ต้องใช้ JavaScript")
	b.shows("#signin", false)
	b.look("spa-without-scripts")
	b.click("noscript a[href^='/auth/login']")
	signInEmbedded(b, "bob")
	untilPage(b, url+"/")
	b.untilSees("This page needs JavaScript")
	if len(sessionCookies(b, url)) == 0 {
		b.fail("nobody is signed in")
	}
	b.click("noscript a[href^='/auth/logout']")
	b.untilSees("Bob Baker")
	b.click("main form button")
	untilPage(b, url+"/")
	if names := sessionCookies(b, url); len(names) > 0 {
		b.fail("still signed in: %v", names)
	}
}
