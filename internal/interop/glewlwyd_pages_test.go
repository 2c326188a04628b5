package interop_test

import (
	"encoding/json"
	"html"
	"net/http"
	"net/url"
	"testing"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// glewlwydPages is what the pages of Glewlwyd, a program for browsers, say to
// its server when the user signs in or out.
type glewlwydPages struct{ api, username, password string }

// signIn goes on from the sign-in page: password, consent, continue.
func (g glewlwydPages) signIn(t *testing.T, b *oidcrptest.Browser) {
	t.Helper()
	page := b.Page()
	asked := page.URL.Query()
	if page.URL.Path != "/login.html" || !asked.Has("callback_url") {
		t.Fatalf("not at Glewlwyd's sign-in page: %v", page)
	}
	g.say(t, b, http.MethodPost, "/auth/", map[string]any{"username": g.username, "password": g.password})
	g.say(t, b, http.MethodPut, "/auth/grant/"+url.PathEscape(asked.Get("client_id")), map[string]any{"scope": asked.Get("scope")})
	g.leave(b, asked.Get("callback_url")+"&g_continue")
}

// signOut goes on from the page at the end of a session: frames of those who
// want them (Front-Channel Logout 1.0), and the end.
func (g glewlwydPages) signOut(t *testing.T, b *oidcrptest.Browser) {
	t.Helper()
	page := b.Page()
	asked := page.URL.Query()
	if page.URL.Path != "/login.html" || asked.Get("prompt") != "end_session" {
		t.Fatalf("not at Glewlwyd's sign-out page: %v", page)
	}
	session := "/oidc/session/" + url.PathEscape(asked.Get("sid"))
	var known struct {
		Iss, SID string
		Client   []struct {
			URI     string `json:"frontchannel_logout_uri"`
			Session bool   `json:"frontchannel_logout_session_required"`
		}
	}
	if err := g.say(t, b, http.MethodGet, session+"/"+url.PathEscape(asked.Get("client_id")), nil).JSON(&known); err != nil {
		t.Fatal(err)
	}
	for _, client := range known.Client {
		frame := client.URI + "?iss=" + known.Iss // as it stands
		if client.Session {
			frame += "&sid=" + known.SID
		}
		b.Frame(frame)
	}
	g.say(t, b, http.MethodDelete, session, nil)
	g.say(t, b, http.MethodDelete, "/auth/", nil)
	g.leave(b, asked.Get("callback_url"))
}

// say is a call to the server.
func (g glewlwydPages) say(t *testing.T, b *oidcrptest.Browser, method, path string, body any) *oidcrptest.Page {
	t.Helper()
	page := b.Fetch(method, g.api+path, &oidcrptest.FetchOptions{
		Header: http.Header{"Content-Type": {"application/json"}}, Body: string(must(json.Marshal(body))),
	})
	if page.Status != http.StatusOK {
		t.Fatalf("Glewlwyd: %v", page)
	}
	return page
}

// leave is a script that goes to another address.
func (g glewlwydPages) leave(b *oidcrptest.Browser, to string) {
	b.Show(b.Page().URL.String(), `<a href="`+html.EscapeString(to)+`">Continue</a>`)
	b.Follow("Continue")
}
