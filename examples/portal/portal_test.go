package main

import (
	"bytes"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

func TestSignInAndOutThroughEachProvider(t *testing.T) {
	for i, provider := range developmentProviders {
		t.Run(provider.mode, func(t *testing.T) {
			p := start(t, options{})
			b := oidcrptest.NewBrowser(t)
			page := b.Get(p.url() + "/")
			at(t, page, http.StatusOK, "/")
			contains(t, page, "The members’ portal", "Sign in")

			page = signIn(b, p, "/profile", "Continue with "+provider.display, "alice")
			at(t, page, http.StatusOK, "/profile")
			contains(t, page, "Alice Archer", "alice@example.com", provider.display, "admin")

			at(t, b.Tab().Get(p.url()+"/profile"), http.StatusOK, "/profile")

			page = b.SubmitForm("Sign out here and at "+provider.display, nil)
			at(t, page, http.StatusOK, "/auth/logout")
			contains(t, page, "signed out")
			if p.dev[i].Calls(oidcrptest.EndSessionEndpoint) == 0 {
				t.Error("the provider was not asked to sign out")
			}
			if page := b.Back(); strings.Contains(page.Text(), "Alice") {
				t.Errorf("Back shows %v", page)
			}
			// The provider asks again whom it has to do with.
			b.Get(p.url() + "/profile")
			page = b.Follow("Continue with " + provider.display)
			if page.Status != http.StatusOK || page.URL.Port() == b.Get(p.url()+"/").URL.Port() {
				t.Errorf("the provider still knows alice: %v", page)
			}
		})
	}
}

// Who signs out at the provider, in whatever browser, is signed out here.
func TestSignedOutAtTheProvider(t *testing.T) {
	for i, provider := range developmentProviders {
		p := start(t, options{})
		here, there := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)
		for _, b := range []*oidcrptest.Browser{here, there} {
			at(t, signIn(b, p, "/profile", "Continue with "+provider.display, "alice"), http.StatusOK, "/profile")
		}
		there.Get(p.dev[i].URL(oidcrptest.EndSessionEndpoint))
		there.SubmitForm("confirm", nil)
		contains(t, there.Get(p.url()+"/"), "Sign in")
		contains(t, here.Get(p.url()+"/profile"), "Alice Archer") // the provider's other session
		for _, told := range p.dev[i].SignOut("alice") {
			if told.Status != http.StatusOK {
				t.Errorf("%s: %+v", provider.name, told)
			}
		}
		if page := here.Get(p.url() + "/profile"); page.URL.Path == "/profile" {
			t.Errorf("%s: still %v", provider.name, page)
		}
	}
}

func TestAdminPageIsForAdmins(t *testing.T) {
	p := start(t, options{})
	alice, bob := oidcrptest.NewBrowser(t), oidcrptest.NewBrowser(t)

	page := signIn(alice, p, "/admin", "Continue with Aster", "alice")
	at(t, page, http.StatusOK, "/admin")
	contains(t, page, "Providers", "Aster", "ready", "Banyan", "not asked yet", p.url()+"/auth/callback/banyan")

	page = signIn(bob, p, "/admin", "Continue with Banyan", "bob")
	at(t, page, http.StatusForbidden, "/admin")
	page = bob.Get(p.url() + "/profile")
	contains(t, page, "Bob Baker")
	for _, link := range page.Links() {
		if link.URL.Path == "/admin" {
			t.Error("bob is shown a link to the admin page")
		}
	}
}

func TestTwoLanguages(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	b.SetLanguage("en")

	b.Get(p.url() + "/signin?return_to=%2Fprofile")
	page := b.Follow("ไทย")
	at(t, page, http.StatusOK, "/signin")
	contains(t, page, "ลงชื่อเข้าใช้ Riverside", "ดำเนินการต่อด้วย Aster")
	if got := page.Header.Get("Content-Language"); got != "th" {
		t.Errorf("Content-Language is %q", got)
	}

	// The provider's page, the way back, and our own pages are Thai too.
	page = b.Follow("ดำเนินการต่อด้วย Banyan")
	contains(t, page, "เลือกผู้ใช้ตัวอย่าง")
	page = b.SubmitForm("carol", nil)
	at(t, page, http.StatusOK, "/register")
	contains(t, page, "สร้างบัญชีของคุณ", "เมือง", "โทรศัพท์", "หน้าแรก")
	page = b.SubmitForm("ดำเนินการต่อ", url.Values{"city": {"เชียงใหม่"}})
	at(t, page, http.StatusOK, "/terms")
	page = b.SubmitForm("ยอมรับและดำเนินการต่อ", url.Values{"accept": {"yes"}})
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "โปรไฟล์ของคุณ", "แครอล ใจดี", "2569")
	contains(t, b.Get(p.url()+"/admin"), "ไม่มีสิทธิ์")
	b.Get(p.url() + "/")
	contains(t, b.SubmitForm("ออกจากระบบ", nil), "ออกจากระบบแล้ว")

	contains(t, b.Get(p.url()+"/?lang=en"), "The members’ portal")

	thai := oidcrptest.NewBrowser(t)
	thai.SetLanguage("th-TH,th;q=0.9,en;q=0.5")
	contains(t, thai.Get(p.url()+"/"), "พอร์ทัลสมาชิก")
}

// The language switch shows the same page, or where that cannot be asked for
// again, one that goes on from there.
func TestLanguageSwitchKeepsThePage(t *testing.T) {
	p := start(t, options{})
	b := visitor(t, p, "bob")
	c := only(t, p)
	b.Get(p.url() + "/profile?done=saved")
	page := b.Follow("ไทย")
	at(t, page, http.StatusOK, "/profile")
	contains(t, page, "บันทึกข้อมูลของคุณแล้ว")

	page = b.PostForm(p.url()+"/profile/unlink", url.Values{"issuer": {c.Identities[0].Issuer}, "subject": {"bob"}})
	at(t, page, http.StatusConflict, "/profile/unlink")
	at(t, b.Follow("English"), http.StatusOK, "/profile")
	at(t, b.SubmitForm("Save", url.Values{"city": {""}}), http.StatusUnprocessableEntity, "/profile")
	at(t, b.Follow("ไทย"), http.StatusOK, "/profile")

	at(t, b.Get(p.url()+"/admin/contacts?q=x"), http.StatusForbidden, "/admin/contacts")
	page = b.Follow("English")
	at(t, page, http.StatusForbidden, "/admin/contacts")
	contains(t, page, "You do not have access")

	b.Get(p.url() + "/auth/logout")
	page = b.Follow("ไทย")
	at(t, page, http.StatusOK, "/auth/logout")
	contains(t, page, "ต้องการออกจากระบบหรือไม่")
	b.SubmitForm("/auth/logout", nil)
	page = b.Follow("English")
	at(t, page, http.StatusOK, "/auth/logout")
	contains(t, page, "You are signed out")

	b.Get(p.url() + "/profile")
	b.Follow("Continue with Aster")
	page = b.SubmitForm("cancel", nil)
	at(t, page, http.StatusBadRequest, "/auth/callback/aster")
	at(t, b.Follow("ไทย"), http.StatusOK, "/")
}

func TestLanguageLinksStayOnThisSite(t *testing.T) {
	p := start(t, options{})
	b := oidcrptest.NewBrowser(t)
	for _, path := range []string{"//evil.example/?lang=th", "/%5Cevil.example/?lang=th", "/%2Fevil.example?lang=th", "/?lang=%0d%0aSet-Cookie:x=1"} {
		page := b.Get(p.url() + path)
		if page.Err != nil || page.URL.Host != strings.TrimPrefix(p.url(), "http://") {
			t.Errorf("%s led to %v", path, page)
		}
	}
}

func TestProvidersFromAFile(t *testing.T) {
	provider := oidcrptest.NewProvider(t)
	file := filepath.Join(t.TempDir(), "providers.json")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	t.Setenv("ACME_SECRET", "a-secret")
	write(`[{"name": "acme", "display_name": "Acme", "issuer": "` + provider.Issuer() + `",
		"client_id": "portal", "client_secret_env": "ACME_SECRET", "roles": {"member": "admin"}, "backchannel_logout": true}]`)
	p := start(t, options{providers: file})
	provider.AddClient(oidcrptest.Client{ID: "portal", Secret: "a-secret",
		RedirectURLs:           []string{p.url() + "/auth/callback/acme"},
		PostLogoutRedirectURLs: []string{p.url() + "/auth/logout"}})

	var said bytes.Buffer
	p.announce(&said)
	if !strings.Contains(said.String(), p.url()+"/auth/callback/acme") || !strings.Contains(said.String(), p.url()+"/auth/backchannel-logout/acme") || strings.Contains(said.String(), "a-secret") {
		t.Errorf("announced:\n%s", &said)
	}
	provider.SignInAs("bob")
	b := oidcrptest.NewBrowser(t)
	at(t, enter(b, p.url()+"/admin"), http.StatusOK, "/admin")
	contains(t, b.Get(p.url()+"/profile"), "Acme", "State none is kept")

	for _, wrong := range []string{`[]`, `{`, `[{"name": "acme", "isuer": "x"}]`, `[{"name": "acme", "client_secret_env": "NOT_THERE"}]`} {
		write(wrong)
		if _, err := open(options{addr: "localhost:0", providers: file}); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v", wrong, err)
		}
	}
}

func TestUnknownPage(t *testing.T) {
	p := start(t, options{})
	page := oidcrptest.NewBrowser(t).Get(p.url() + "/nothing")
	at(t, page, http.StatusNotFound, "/nothing")
	contains(t, page, "This page does not exist")
}
