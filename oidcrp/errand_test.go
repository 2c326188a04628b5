package oidcrp_test

import (
	"context"
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// errand is a visitor of an application at https://app.example or a path below,
// all in one process, so that thousands of logins take no time.
type errand struct {
	t    *testing.T
	path string // of the base URL
	rp   *oidcrp.RelyingParty
	h    http.Handler
	op   *front
	jar  map[string]*http.Cookie
	wish string // where OnLogin and the application's own pages lead
}

const errandOrigin = "https://app.example"

func newErrand(t *testing.T, path string) *errand {
	t.Helper()
	e := &errand{t: t, path: path, op: newFront(t)}
	e.rp = offline(t, func(c *oidcrp.Config) {
		c.BaseURL = errandOrigin + path
		c.Providers = []oidcrp.Provider{{Name: "main", Issuer: e.op.URL, ClientID: "app", ResponseType: "id_token"}}
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			if e.wish != "" {
				l.ReturnTo = e.wish
			}
			return nil
		}
	})
	mux := http.NewServeMux()
	mux.HandleFunc(path+"/enter", func(w http.ResponseWriter, r *http.Request) {
		e.rp.Login(w, r, oidcrp.LoginOptions{ReturnTo: e.wish})
	})
	mux.HandleFunc(path+"/leave", func(w http.ResponseWriter, r *http.Request) {
		e.rp.Logout(w, r, oidcrp.LogoutOptions{ReturnTo: e.wish})
	})
	guarded := e.rp.RequireLogin(http.NotFoundHandler())
	e.h = e.rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if h, pattern := mux.Handler(r); pattern != "" {
			h.ServeHTTP(w, r)
			return
		}
		guarded.ServeHTTP(w, r)
	}))
	return e
}

// send makes a request as a page of ours or a typed address would.
func (e *errand) send(method, path string, form url.Values, change func(*http.Request)) *httptest.ResponseRecorder {
	e.t.Helper()
	r := httptest.NewRequest(method, errandOrigin+e.path+path, strings.NewReader(form.Encode()))
	r.RequestURI = e.path + path
	r.Header.Set("Accept", "text/html")
	r.Header.Set("Sec-Fetch-Mode", "navigate")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	if form != nil {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	for _, c := range e.jar {
		r.AddCookie(c)
	}
	if change != nil {
		change(r)
	}
	w := httptest.NewRecorder()
	e.h.ServeHTTP(w, r)
	if e.jar == nil {
		e.jar = map[string]*http.Cookie{}
	}
	for _, c := range w.Result().Cookies() {
		if e.jar[c.Name] = c; c.MaxAge < 0 {
			delete(e.jar, c.Name)
		}
	}
	return w
}

func (e *errand) get(path string) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.send("GET", path, nil, nil)
}

// atOP is what the provider was asked.
func (e *errand) atOP(w *httptest.ResponseRecorder) url.Values {
	e.t.Helper()
	to := mustParse(e.t, w.Header().Get("Location"))
	if !strings.HasPrefix(to.String(), e.op.URL+"/authorize?") || len(w.Header()["Location"]) != 1 {
		e.t.Fatalf("not sent to the provider: %d %v", w.Code, w.Header())
	}
	return to.Query()
}

// bring is what our own page does with a provider's answer in the fragment.
func (e *errand) bring(answer url.Values) *httptest.ResponseRecorder {
	e.t.Helper()
	return e.send("POST", "/auth/callback/main", url.Values{"response_fragment": {answer.Encode()}}, nil)
}

// signedIn ends a login that was started, and says where it led.
func (e *errand) signedIn(w *httptest.ResponseRecorder) string {
	e.t.Helper()
	q := e.atOP(w)
	now := time.Now()
	w = e.bring(url.Values{"state": q["state"], "id_token": {e.op.sign("front", map[string]any{
		"iss": e.op.URL, "sub": "alice", "aud": "app", "nonce": q.Get("nonce"), "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	})}})
	return e.ends(w)
}

// ends is the one Location of an answer.
func (e *errand) ends(w *httptest.ResponseRecorder) string {
	e.t.Helper()
	if w.Code != http.StatusSeeOther && w.Code != http.StatusFound || len(w.Header()["Location"]) != 1 {
		e.t.Fatalf("no redirect: %d %v %s", w.Code, w.Header(), w.Body)
	}
	return w.Header().Get("Location")
}

// below is a path or an address of ours as one below the base URL.
func (e *errand) below(address string) string {
	return strings.TrimPrefix(strings.TrimPrefix(address, errandOrigin), e.path)
}

// A door takes a return URL and says where the visitor ended.
type door func(e *errand, raw string) string

func byLogin(e *errand, raw string) string {
	return e.signedIn(e.get("/auth/login?return_to=" + url.QueryEscape(raw)))
}

func byGuard(e *errand, raw string) string {
	if strings.ContainsAny(raw, " \r\n") {
		return errandOrigin + e.path + "/" // no request line has this
	}
	return e.signedIn(e.send("GET", "/reports", nil, func(r *http.Request) { r.RequestURI = raw }))
}

func byReferer(e *errand, raw string) string {
	return e.signedIn(e.send("POST", "/reports", url.Values{}, func(r *http.Request) { r.Header.Set("Referer", raw) }))
}

func byCode(e *errand, raw string) string {
	e.wish = raw
	defer func() { e.wish = "" }()
	w := e.get("/enter")
	e.wish = ""
	return e.signedIn(w)
}

func byOnLogin(e *errand, raw string) string {
	w := e.get("/auth/login?return_to=" + e.path + "/first")
	e.wish = raw
	defer func() { e.wish = "" }()
	return e.signedIn(w)
}

var retryLink = regexp.MustCompile(`href="([^"]*/auth/login[^"]*)"`)

func byRetry(e *errand, raw string) string {
	q := e.atOP(e.get("/auth/login?return_to=" + url.QueryEscape(raw)))
	w := e.bring(url.Values{"state": q["state"], "error": {"login_required"}})
	m := retryLink.FindStringSubmatch(w.Body.String())
	if m == nil || w.Code != http.StatusBadRequest {
		e.t.Fatalf("no way to try again: %d %s", w.Code, w.Body)
	}
	return e.signedIn(e.get(e.below(html.UnescapeString(m[1]))))
}

func byLogout(e *errand, raw string) string {
	return e.ends(e.send("POST", "/auth/logout", url.Values{"return_to": {raw}}, nil))
}

var returnField = regexp.MustCompile(`name="return_to" value="([^"]*)"`)

// byLogoutPage signs in, and out by the page that asks first.
func byLogoutPage(e *errand, raw string) string {
	e.signedIn(e.get("/auth/login"))
	page := e.get("/auth/logout?return_to=" + url.QueryEscape(raw))
	m := returnField.FindStringSubmatch(page.Body.String())
	if m == nil {
		e.t.Fatalf("no field: %d %s", page.Code, page.Body)
	}
	atOP := mustParse(e.t, byLogout(e, html.UnescapeString(m[1])))
	if !strings.HasPrefix(atOP.String(), e.op.URL+"/end?") || atOP.Query().Get("post_logout_redirect_uri") != errandOrigin+e.path+"/auth/logout" {
		e.t.Fatalf("not sent to the provider: %s", atOP)
	}
	return e.ends(e.get("/auth/logout?state=" + url.QueryEscape(atOP.Query().Get("state"))))
}

func byLogoutFromCode(e *errand, raw string) string {
	e.wish = raw
	defer func() { e.wish = "" }()
	return e.ends(e.get(e.below(e.ends(e.send("POST", "/leave", nil, nil)))))
}

func byInitiation(e *errand, raw string) string {
	w := e.get("/auth/initiate?iss=" + url.QueryEscape(e.op.URL) + "&target_link_uri=" + url.QueryEscape(raw))
	return e.signedIn(e.get(e.below(e.ends(w))))
}
