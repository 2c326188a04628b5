package main

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"html/template"
	"log"
	"net/http"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

// app is the application, which shows its visitors their calendar.
type app struct {
	rp  *oidcrp.RelyingParty
	api string
}

func newApp(baseURL, api string, provider oidcrp.Provider) (*app, error) {
	provider.Scopes = []string{"openid", "profile", "email", readScope} // asked for at every sign-in
	provider.Prompt = "consent"                                         // no refresh token without, at some providers (Core 11)
	provider.KeepTokens = true
	provider.KeepOffline = true // beyond the session, for jobs, until forgotten
	provider.APIs = []oidcrp.API{{URL: api + "/events", Scopes: []string{readScope}}}
	rp, err := oidcrp.New(oidcrp.Config{
		BaseURL:   baseURL,
		Providers: []oidcrp.Provider{provider},
		Store:     oidcrp.NewMemoryStore(), // tokens are never in a cookie
		SiteName:  "Day planner",
	})
	return &app{rp, api}, err
}

func (a *app) handler() http.Handler {
	mayWrite := a.rp.Require(oidcrp.HasScope(writeScope))
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", a.home)
	mux.Handle("GET /calendar", a.rp.RequireLogin(http.HandlerFunc(a.calendar)))
	// Who comes here without the scope is asked for it, and comes back here.
	mux.Handle("GET /calendar/new", mayWrite(http.HandlerFunc(a.form)))
	mux.Handle("POST /calendar/new", mayWrite(http.HandlerFunc(a.add)))
	mux.Handle("POST /forget", a.rp.RequireLogin(http.HandlerFunc(a.forget)))
	mux.HandleFunc("GET /api.css", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/css; charset=utf-8")
		w.Write(css)
	})
	return a.rp.Load(mux)
}

// shutdown waits for tokens that are being refreshed or revoked.
func (a *app) shutdown() error {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	return a.rp.Shutdown(ctx)
}

func (a *app) home(w http.ResponseWriter, r *http.Request) { a.show(w, r, http.StatusOK, view{}) }

func (a *app) calendar(w http.ResponseWriter, r *http.Request) {
	res, err := a.call(r, http.MethodGet, nil)
	if err != nil {
		a.explain(w, r, err)
		return
	}
	defer res.Body.Close()
	v := view{Page: "calendar"}
	if err := json.NewDecoder(http.MaxBytesReader(nil, res.Body, 1<<20)).Decode(&v.Entries); err != nil {
		a.explain(w, r, err)
		return
	}
	a.show(w, r, http.StatusOK, v)
}

func (a *app) form(w http.ResponseWriter, r *http.Request) {
	a.show(w, r, http.StatusOK, view{Page: "new"})
}

func (a *app) add(w http.ResponseWriter, r *http.Request) {
	r.Body = http.MaxBytesReader(w, r.Body, 1024)
	entry, err := json.Marshal(r.PostFormValue("entry"))
	if err == nil {
		var res *http.Response
		if res, err = a.call(r, http.MethodPost, entry); err == nil {
			err = res.Body.Close()
		}
	}
	if err != nil {
		a.explain(w, r, err)
		return
	}
	http.Redirect(w, r, "/calendar", http.StatusSeeOther)
}

// forget removes the tokens here and revokes them at the provider. The visitor
// stays signed in.
func (a *app) forget(w http.ResponseWriter, r *http.Request) {
	if err := a.rp.Forget(r.Context(), oidcrp.FromContext(r.Context()).Identity()); err != nil {
		a.explain(w, r, err)
		return
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// call calls the API as the visitor. Its errors are those of rp.Client, or say
// what the API answered.
func (a *app) call(r *http.Request, method string, body []byte) (*http.Response, error) {
	req, err := http.NewRequestWithContext(r.Context(), method, a.api+"/events", bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.Header.Set("Content-Type", "application/json")
	client := a.rp.Client(r.Context())
	client.Timeout = 10 * time.Second
	res, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	switch {
	case res.StatusCode/100 == 2:
		return res, nil
	case res.StatusCode == http.StatusUnauthorized:
		// Revoked by somebody else: as good as none.
		err = oidcrp.ErrNoToken
	case res.StatusCode == http.StatusForbidden:
		err = oidcrp.ErrConsentNeeded
	default:
		err = fmt.Errorf("the API answered %s", res.Status)
	}
	return nil, errors.Join(err, res.Body.Close())
}

// explain says on a page why the API was not called. Where asking the visitor
// helps there is a link for it, and no redirect: an API that is never content
// must not send a browser round and round.
func (a *app) explain(w http.ResponseWriter, r *http.Request, err error) {
	v, status := view{Page: "problem"}, http.StatusBadGateway
	switch {
	case errors.Is(err, oidcrp.ErrNoToken):
		v.Problem, status = "This application has no access to your calendar.", http.StatusOK
		v.Ask = a.ask(readScope)
	case errors.Is(err, oidcrp.ErrConsentNeeded):
		v.Problem, status = "You have not allowed this application to do that with your calendar.", http.StatusForbidden
		v.Ask = a.ask(readScope, writeScope)
	case errors.Is(err, oidcrp.ErrProviderUnavailable):
		v.Problem, status = "Your provider does not answer, and so there is no fresh access to your calendar. Try again in a while.", http.StatusServiceUnavailable
	default:
		log.Printf("calendar: %v", err)
		v.Problem = "The calendar does not answer. Try again in a while."
	}
	a.show(w, r, status, v)
}

// ask is where the visitor is asked for scopes, and comes back with a token
// that has them.
func (a *app) ask(scopes ...string) string {
	return a.rp.LoginURL(oidcrp.LoginOptions{Scopes: scopes, ReturnTo: "/calendar"})
}

//go:embed api.css
var css []byte

//go:embed page.html
var pageFile string

var page = template.Must(template.New("page").Parse(pageFile))

// view is what the page is given.
type view struct {
	Page    string // "": home
	Auth    oidcrp.View
	Token   oidcrp.TokenStatus
	Entries []string
	Problem string
	Ask     string
}

// Seconds are what is left of the access token.
func (v view) Seconds() int { return int(time.Until(v.Token.Expiry).Seconds()) }

// Scopes are what the token is good for.
func (v view) Scopes() string { return strings.Join(v.Token.Scopes, ", ") }

func (a *app) show(w http.ResponseWriter, r *http.Request, status int, v view) {
	v.Auth = a.rp.View(r)
	if v.Auth.SignedIn() {
		var err error
		if v.Token, err = a.rp.TokenStatus(r.Context()); err != nil {
			log.Printf("token status: %v", err)
			v.Token.State = "not known just now"
		}
	}
	var out bytes.Buffer // whole, or not at all
	if err := page.Execute(&out, v); err != nil {
		log.Printf("page: %v", err)
		http.Error(w, "This page cannot be shown just now.", http.StatusInternalServerError)
		return
	}
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("X-Content-Type-Options", "nosniff")
	// The sign-out form leads on to the provider.
	h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'; form-action 'self' "+
		strings.Join(v.Auth.FormAction(), " "))
	w.WriteHeader(status)
	w.Write(out.Bytes())
}
