package oidcrp_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// within calls f in a handler behind Load, for a user who may be nil.
func within(t *testing.T, rp *oidcrp.RelyingParty, user *oidcrptest.User, f func(r *http.Request)) {
	t.Helper()
	called := false
	ask(rp, rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { called = true; f(r) })), user, "GET", "/x")
	if !called {
		t.Fatal("the handler was not entered")
	}
}

func TestClaims(t *testing.T) {
	type profile struct {
		Name    string                   `json:"name"`
		Admin   bool                     `json:"admin"`
		Age     *int                     `json:"age"`
		One     oidcrp.Strings           `json:"one"`
		Many    oidcrp.Strings           `json:"many"`
		None    oidcrp.Strings           `json:"none"`
		Missing oidcrp.Strings           `json:"missing"`
		Hidden  string                   `json:"hidden"`
		Realm   struct{ Roles []string } `json:"realm_access"`
		Odd     map[string]string        `json:"a/b"`
	}
	rp := offline(t, func(c *oidcrp.Config) {
		c.Claims = []string{"name", "admin", "age", "one", "many", "none", "missing", "/realm_access/Roles", "/a~1b/c~0d"}
	})
	user := &oidcrptest.User{Subject: "alice", Name: "Alice", Claims: map[string]any{
		"admin": true, "age": 40, "one": "x", "many": []string{"x", "y"}, "none": nil, "hidden": "secret",
		"realm_access": map[string]any{"Roles": []string{"editor"}, "other": "not kept"},
		"a/b":          map[string]any{"c~d": "odd", "e": "not kept"},
	}}
	within(t, rp, user, func(r *http.Request) {
		got, err := oidcrp.Claims[profile](r.Context())
		if err != nil {
			t.Fatal(err)
		}
		age := 40
		want := profile{Name: "Alice", Admin: true, Age: &age, One: oidcrp.Strings{"x"}, Many: oidcrp.Strings{"x", "y"}, Odd: map[string]string{"c~d": "odd"}}
		want.Realm.Roles = []string{"editor"}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("got %+v, want %+v", got, want)
		}
		all, err := oidcrp.Claims[map[string]any](r.Context())
		if err != nil || all["hidden"] != nil || all["realm_access"].(map[string]any)["other"] != nil {
			t.Errorf("%v %v: more than was to be kept", all, err)
		}
		var mismatch *json.UnmarshalTypeError
		if _, err := oidcrp.Claims[struct{ Name int }](r.Context()); !errors.As(err, &mismatch) {
			t.Errorf("a claim of another type: %v", err)
		}
	})
	within(t, rp, nil, func(r *http.Request) {
		if _, err := oidcrp.Claims[profile](r.Context()); !errors.Is(err, oidcrp.ErrAnonymous) {
			t.Errorf("nobody: %v", err)
		}
	})
	if _, err := oidcrp.Claims[profile](context.Background()); !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("not loaded: %v", err)
	}
}

func TestStrings(t *testing.T) {
	for in, want := range map[string]oidcrp.Strings{`"a"`: {"a"}, `["a","b"]`: {"a", "b"}, `[]`: {}, `null`: nil, `""`: {""}, `"a b"`: {"a b"}} {
		got := oidcrp.Strings{"before"}
		if err := json.Unmarshal([]byte(in), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %#v %v", in, got, err)
		}
	}
	for _, in := range []string{`1`, `true`, `{"a":"b"}`, `["a",1]`, `[["a"]]`} {
		var got oidcrp.Strings
		if err := json.Unmarshal([]byte(in), &got); err == nil {
			t.Errorf("%s: %v", in, got)
		}
	}
}

// Whoever prints a session or a login shows no claims by it.
func TestPrintedSessionsTellNoClaims(t *testing.T) {
	var login string
	var logs bytes.Buffer
	text, structured := slog.New(slog.NewTextHandler(&logs, nil)), slog.New(slog.NewJSONHandler(&logs, nil))
	a := newApp(t, oidcrptest.NewProvider(t), func(c *oidcrp.Config) {
		c.OnLogin = func(_ context.Context, l *oidcrp.Login) error {
			l.Set("plan", "canary")
			login = fmt.Sprintf("%v %+v %#v %s %q %v", l, l, l, l, *l, struct{ L *oidcrp.Login }{l})
			text.Info("login", "by", l, "again", *l)
			structured.Info("login", "by", l, "again", *l)
			return nil
		}
	})
	b := a.signIn()
	for _, secret := range []string{"alice", "Alice", "canary", "admin"} {
		if strings.Contains(login+logs.String(), secret) {
			t.Errorf("%q is in %s\n%s", secret, login, logs.String())
		}
	}
	if !strings.HasPrefix(login, "login at test ") {
		t.Error(login)
	}
	logs.Reset()
	r := httptest.NewRequest("GET", "/", nil)
	r.AddCookie(a.sessionCookie(b))
	a.rp.Load(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		s := oidcrp.FromContext(r.Context())
		printed := fmt.Sprintf("%v %+v %#v %s", s, s, s, s)
		for _, v := range []any{*s, []oidcrp.Session{*s}, struct{ S oidcrp.Session }{*s}, a.rp.View(r), r.Context(),
			context.WithValue(r.Context(), http.NoBody, 1), struct{ context.Context }{r.Context()}} {
			printed += fmt.Sprintf(" %v %+v %#v %s %q", v, v, v, v, v)
			text.Info("session", "of", v)
			structured.Info("session", "of", v)
		}
		printed += fmt.Sprintf(" %v %+v %#v", r, r, r)
		text.Info("session", "of", s)
		structured.Info("session", "of", s)
		want := "session " + s.Handle() + " at test"
		if !strings.HasPrefix(printed, want+" "+want) || !strings.Contains(logs.String(), s.Handle()) {
			t.Errorf("%s\n%s", printed, logs.String())
		}
		for _, secret := range []string{"alice", "Alice", "canary", "admin"} {
			if strings.Contains(printed+logs.String(), secret) {
				t.Errorf("%q is in %s\n%s", secret, printed, logs.String())
			}
		}
		text.Info("nobody", "of", (*oidcrp.Session)(nil))
		if nobody := fmt.Sprint((*oidcrp.Session)(nil)); nobody != "<nil>" {
			t.Error(nobody)
		}
		if !strings.Contains(logs.String(), "of=anonymous") {
			t.Error(logs.String())
		}
	})).ServeHTTP(httptest.NewRecorder(), r)
}

func TestNilSession(t *testing.T) {
	var s *oidcrp.Session
	v := reflect.ValueOf(s)
	for i := range v.NumMethod() {
		m := v.Type().Method(i)
		if m.Name == "Format" || m.Name == "LogValue" {
			continue // they print something
		}
		args := []reflect.Value{}
		for j := 1; j < m.Type.NumIn(); j++ {
			args = append(args, reflect.Zero(m.Type.In(j)))
		}
		for _, out := range v.Method(i).Call(args) {
			if !out.IsZero() {
				t.Errorf("%s of nobody is %v", m.Name, out)
			}
		}
	}
	if v.NumMethod() < 15 {
		t.Errorf("only %d methods", v.NumMethod())
	}
	if oidcrp.FromContext(context.Background()) != nil {
		t.Error("a session without Load")
	}
}

func TestSessionsForHandlerTests(t *testing.T) {
	user := oidcrptest.User{Subject: "u1", Provider: "acme", Values: map[string]string{"uid": "17"},
		Claims: map[string]any{"acr": "gold", "amr": []string{"otp"}, "auth_time": 1700000000}}
	s := oidcrp.FromContext(oidcrptest.SignedIn(httptest.NewRequest("GET", "/", nil), user).Context())
	if s.Value("uid") != "17" || s.Provider() != "acme" || s.ACR() != "gold" || len(s.AMR()) != 1 || s.AuthTime().Unix() != 1700000000 {
		t.Errorf("%q %q %q %q %v", s.Value("uid"), s.Provider(), s.ACR(), s.AMR(), s.AuthTime())
	}
}

func TestSessionAfterLogin(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	op.AddUser(oidcrptest.User{Subject: "erin", Name: "Erin", Email: "erin@example.com", EmailVerified: true, Claims: map[string]any{
		"roles": []string{"auditor", "writer"}, "level": 7, "tags": []any{"a", 1, true, nil}, "object": map[string]any{}, "secret": "not kept",
	}})
	var s *oidcrp.Session
	a := serving(t, op, "", func(c *oidcrp.Config) {
		c.Providers[0].MaxAge = time.Hour
		c.Providers[0].ACRValues = []string{"gold"}
		c.Claims = []string{"name", "email", "email_verified", "level", "tags", "object"}
	}, func(a *app) http.Handler {
		return a.pages(map[string]http.HandlerFunc{"/reports": a.rp.RequireLogin(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			s = oidcrp.FromContext(r.Context())
			fmt.Fprint(w, "reports for ", name(r))
		})).ServeHTTP})
	})
	began := time.Now().Add(-time.Second)
	a.signInAs("erin")
	if s.Provider() != "test" || s.Issuer() != op.Issuer() || s.Subject() != "erin" || s.Name() != "Erin" || s.Email() != "erin@example.com" || !s.EmailVerified() {
		t.Errorf("%q %q %q %q %q %v", s.Provider(), s.Issuer(), s.Subject(), s.Name(), s.Email(), s.EmailVerified())
	}
	if s.ACR() != "gold" || !reflect.DeepEqual(s.AMR(), []string{"demo"}) || s.AuthTime().Before(began.Truncate(time.Second)) || s.AuthTime().After(time.Now()) {
		t.Errorf("acr %q, amr %q, auth_time %v", s.ACR(), s.AMR(), s.AuthTime())
	}
	if !reflect.DeepEqual(s.Roles(), []string{"auditor", "writer"}) || !s.HasRole("writer") || s.HasRole("admin") {
		t.Errorf("roles %q", s.Roles())
	}
	if s.Started().Before(began) || s.Expires().Sub(s.Started()) != 12*time.Hour || s.Handle() == "" || s.Value("none") != "" {
		t.Errorf("started %v, expires %v, handle %q", s.Started(), s.Expires(), s.Handle())
	}
	for claim, want := range map[string]string{"name": "Erin", "level": "7", "tags": "a, 1, true", "email_verified": "true", "object": "", "secret": "", "sub": ""} {
		if got := s.Text(claim); got != want {
			t.Errorf("Text(%s) is %q, want %q", claim, got, want)
		}
	}
	if raw, ok := s.Claim("level"); !ok || string(raw) != "7" {
		t.Errorf("level is %s", raw)
	}
	if raw, ok := s.Claim("secret"); ok {
		t.Errorf("kept without being asked to: %s", raw)
	}
}

func TestNameForShowing(t *testing.T) {
	rp := offline(t, nil)
	for want, user := range map[string]oidcrptest.User{
		"Alice":     {Subject: "1", Name: "Alice", Email: "a@x", Claims: map[string]any{"preferred_username": "al"}},
		"al":        {Subject: "1", Email: "a@x", Claims: map[string]any{"preferred_username": "al", "name": 7}},
		"a@x":       {Subject: "1", Email: "a@x"},
		"subject-1": {Subject: "subject-1"},
	} {
		within(t, rp, &user, func(r *http.Request) {
			if got := oidcrp.FromContext(r.Context()).Name(); got != want {
				t.Errorf("got %q, want %q", got, want)
			}
		})
	}
}

// stores are the two ways of keeping sessions.
var stores = map[string]func(*oidcrp.Config){
	"cookie": func(*oidcrp.Config) {},
	"store":  func(c *oidcrp.Config) { c.Store = oidcrp.NewMemoryStore() },
}

// whoHas is who somebody with this session cookie is taken for.
func (a *app) whoHas(c *http.Cookie) string {
	a.t.Helper()
	res := a.with(nil, "GET", "/", "Cookie", cookieHeader(c))
	body, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		a.t.Fatalf("%d %v", res.StatusCode, err)
	}
	return strings.TrimPrefix(string(body), "home of ")
}

func keyRotation(t *testing.T) {
	for mode, keep := range stores {
		t.Run(mode, func(t *testing.T) {
			var cfg oidcrp.Config
			var handler atomic.Pointer[http.Handler]
			op := oidcrptest.NewProvider(t)
			a := serving(t, op, "", func(c *oidcrp.Config) { keep(c); cfg = *c }, func(a *app) http.Handler {
				return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { (*handler.Load()).ServeHTTP(w, r) })
			})
			deploy := func(keys ...[]byte) {
				t.Helper()
				cfg.CookieKeys = keys
				rp, err := oidcrp.NewAt(cfg, a.clock.now)
				if err != nil {
					t.Fatal(err)
				}
				a.rp = rp
				h := rp.Load(a.handler())
				handler.Store(&h)
			}
			stays := func(when string, browsers ...*oidcrptest.Browser) {
				t.Helper()
				a.op.ResetCalls()
				for _, b := range browsers {
					a.shows(b.Get(a.URL+"/reports"), "reports for alice")
				}
				if n := a.op.Calls(oidcrptest.AuthorizeEndpoint); n != 0 {
					t.Errorf("%s: %d signed in again", when, n)
				}
			}
			deploy(key(1))
			first := a.signIn()
			half := a.browse()
			halfway := a.stopAtCallback(half, "/reports")
			deploy(key(1), key(2))
			stays("key appended", first)
			second := a.signIn()
			a.shows(half.Get(halfway), "reports for alice")
			if n := a.op.Calls(oidcrptest.AuthorizeEndpoint); n != 1 { // the second's
				t.Errorf("a login that began before the rotation began again: %d", n)
			}
			halfway = a.stopAtCallback(half, "/auth/login?return_to=/reports")
			deploy(key(2), key(1))
			a.shows(half.Get(halfway), "reports for alice")
			stays("key moved first", first, second, half)
			third := a.signIn()
			old := a.sessionCookie(first)
			deploy(key(2))
			stays("old key dropped", third)
			if who := a.whoHas(old); who != "nobody" {
				t.Errorf("a session under a dropped key is %s", who)
			}
			a.shows(first.Get(a.URL+"/reports"), "reports for alice") // signs in again
		})
	}
}

func cookieOfAnotherBaseURL(t *testing.T) {
	for mode := range stores {
		t.Run(mode, func(t *testing.T) {
			shared := oidcrp.NewMemoryStore()
			keep := func(c *oidcrp.Config) {
				if mode == "store" {
					c.Store = shared
				}
			}
			op := oidcrptest.NewProvider(t)
			one, two := newApp(t, op, keep), newApp(t, op, keep) // the same keys
			foreign, own := one.sessionCookie(one.signIn()), two.sessionCookie(two.signIn())
			if foreign.Name == own.Name {
				t.Error("the cookies have one name")
			}
			if who := two.whoHas(&http.Cookie{Name: own.Name, Value: foreign.Value}); who != "nobody" {
				t.Errorf("a cookie of another site makes one %s", who)
			}
			if who := two.whoHas(own); who != "alice" {
				t.Errorf("its own makes one %s", who)
			}
		})
	}
}

func TestTwoApplicationsOnLocalhost(t *testing.T) {
	op := oidcrptest.NewProvider(t)
	one, two := newApp(t, op, nil), newApp(t, op, nil)
	b := one.browse()
	one.shows(b.Get(one.URL+"/reports"), "reports for alice")
	op.SignInAs("bob")
	one.shows(b.Get(two.URL+"/reports"), "reports for bob")
	one.shows(b.Get(one.URL+"/reports"), "reports for alice")
	b.Get(two.URL + "/")
	b.PostForm(two.URL+"/auth/logout", nil)
	one.shows(b.Get(two.URL+"/"), "home of nobody")
	one.shows(b.Get(one.URL+"/reports"), "reports for alice")
}

// No group has a role here, which is not the same as every group being one.
func TestEmptyRolesLetNoGroupThrough(t *testing.T) {
	for name, roles := range map[string]map[string]string{"[]": {}, "[admin]": nil} {
		rp := offline(t, func(c *oidcrp.Config) { c.Providers[0].Roles = roles })
		h := rp.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, oidcrp.FromContext(r.Context()).Roles()) }))
		user := oidcrptest.User{Subject: "alice", Claims: map[string]any{"roles": []string{"admin"}}}
		if w := ask(rp, h, &user, "GET", "/"); w.Body.String() != name {
			t.Errorf("Roles %v: %s", roles, w.Body)
		}
	}
}

// updating is an application with a page that changes the session's values.
func updating(t *testing.T, change func(*oidcrp.Config)) *app {
	return serving(t, oidcrptest.NewProvider(t), "", change, func(a *app) http.Handler {
		update := func(w http.ResponseWriter, r *http.Request) {
			times := 1
			if r.FormValue("twice") != "" {
				times = 2
			}
			for i := range times {
				value := r.FormValue("value")
				if i > 0 {
					value += " again"
				}
				if err := a.rp.Update(w, r, map[string]string{"note": value}); err != nil {
					http.Error(w, fmt.Sprint("anonymous ", errors.Is(err, oidcrp.ErrAnonymous), " misconfigured ", errors.Is(err, oidcrp.ErrMisconfigured),
						" store ", errors.Is(err, oidcrp.ErrStoreUnavailable), ": ", err), http.StatusTeapot)
					return
				}
			}
			fmt.Fprint(w, "until now: ", oidcrp.FromContext(r.Context()).Value("note"))
		}
		note := func(w http.ResponseWriter, r *http.Request) {
			s := oidcrp.FromContext(r.Context())
			fmt.Fprintf(w, "%s notes %q of %v", s.Subject(), s.Value("note"), s.Started().UnixMilli())
		}
		leave := func(w http.ResponseWriter, r *http.Request) {
			if err := a.rp.Update(w, r, map[string]string{"note": "bye"}); err != nil {
				t.Error(err)
			}
			a.rp.Logout(w, r, oidcrp.LogoutOptions{LocalOnly: true})
		}
		return a.pages(map[string]http.HandlerFunc{"/update": update, "/note": note, "/goodbye": leave})
	})
}

// A sign-out whose cookie an Update replaces at the same moment ends the session
// all the same, and so does an administrator who knows its earlier handle.
func TestSignOutMeetsUpdate(t *testing.T) {
	for mode, store := range stores {
		for name, end := range map[string]func(a *app, old *http.Cookie, handle string){
			"by form": func(a *app, old *http.Cookie, _ string) {
				res := a.with(nil, "POST", "/auth/logout", "Cookie", cookieHeader(old), "Sec-Fetch-Site", "same-origin", "Sec-Fetch-Mode", "navigate")
				if res.StatusCode != http.StatusSeeOther {
					a.t.Errorf("signing out: %d", res.StatusCode)
				}
			},
			"by handle": func(a *app, _ *http.Cookie, handle string) {
				if err := a.rp.EndSession(a.t.Context(), handle); err != nil {
					a.t.Error(err)
				}
			},
		} {
			t.Run(mode+" "+name, func(t *testing.T) {
				a := updating(t, store)
				b := a.signIn()
				old, handle := a.sessionCookie(b), a.events.of(oidcrp.LoginSucceeded)[0].Session
				a.shows(b.Get(a.URL+"/update?value=1"), "until now: ")
				renewed := a.sessionCookie(b)
				if who := a.whoNotes(renewed); who != "alice" {
					t.Fatalf("the session is %s's", who)
				}
				end(a, old, handle)
				if who := a.whoNotes(renewed); who != "nobody" {
					t.Errorf("the session is still %s's", who)
				}
				if ended := a.events.of(oidcrp.SessionEnded); len(ended) != 1 {
					t.Errorf("events %+v", ended)
				}
			})
		}
	}
}

// To sign out everywhere with a cookie that was just replaced ends all of the
// user's sessions too, and nobody else's.
func TestSignOutEverywhereMeetsUpdate(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			b := a.signIn()
			old, other, bob := a.sessionCookie(b), a.sessionCookie(a.signIn()), a.sessionCookie(a.signInAs("bob"))
			a.shows(b.Get(a.URL+"/update?value=1"), "until now: ")
			a.clock.advance(time.Second)
			r, err := http.NewRequest("POST", a.URL+"/auth/logout", strings.NewReader("everywhere=1"))
			if err != nil {
				t.Fatal(err)
			}
			r.Header = http.Header{"Cookie": {cookieHeader(old)}, "Content-Type": {"application/x-www-form-urlencoded"},
				"Sec-Fetch-Site": {"same-origin"}, "Sec-Fetch-Mode": {"navigate"}}
			res, err := http.DefaultTransport.RoundTrip(r)
			if err != nil {
				t.Fatal(err)
			}
			res.Body.Close()
			if res.StatusCode != http.StatusSeeOther {
				t.Errorf("signing out: %d", res.StatusCode)
			}
			for c, want := range map[*http.Cookie]string{a.sessionCookie(b): "nobody", other: "nobody", bob: "bob"} {
				if who := a.whoNotes(c); who != want {
					t.Errorf("a session is %s's, want %s", who, want)
				}
			}
			if ended := a.events.of(oidcrp.SessionEnded); len(ended) != 1 || ended[0].Reason != "everywhere" {
				t.Errorf("events %+v", ended)
			}
		})
	}
}

func TestUpdate(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			b := a.signIn()
			old := a.sessionCookie(b)
			first := b.Get(a.URL + "/note")
			a.shows(first, `alice notes ""`)
			a.clock.advance(time.Hour)
			a.shows(b.Get(a.URL+"/update?value=hello"), "until now: ")
			renewed := a.sessionCookie(b)
			if renewed.Value == old.Value {
				t.Error("the id was not renewed")
			}
			page := b.Get(a.URL + "/note")
			a.shows(page, `alice notes "hello"`)
			if _, started, _ := strings.Cut(first.Body, " of "); !strings.HasSuffix(page.Body, started) {
				t.Errorf("it started anew: %s, %s", first.Body, page.Body)
			}
			if who := a.whoNotes(old); who != "nobody" {
				t.Errorf("the id before is still %s", who)
			}
			a.shows(b.Get(a.URL+"/update?value=more"), "until now: hello")
			a.shows(b.Get(a.URL+"/update?value="), "until now: more")
			a.shows(b.Get(a.URL+"/note"), `alice notes ""`)

			a.clock.advance(11*time.Hour + time.Second) // the lifetime was not extended
			a.shows(b.Get(a.URL+"/note"), ` notes ""`)
			if strings.Contains(b.Page().Body, "alice") {
				t.Error("still signed in")
			}
			a.answers(b.Get(a.URL+"/update?value=x"), http.StatusTeapot, "anonymous true")
		})
	}
}

// whoNotes is whoHas by the page with notes.
func (a *app) whoNotes(c *http.Cookie) string {
	a.t.Helper()
	res := a.with(nil, "GET", "/note", "Cookie", cookieHeader(c))
	body, _ := io.ReadAll(res.Body)
	who, _, _ := strings.Cut(string(body), " notes ")
	if who == "" {
		return "nobody"
	}
	return who
}

func TestUpdateThatDoesNotFit(t *testing.T) {
	a := updating(t, nil)
	b := a.signIn()
	before := a.sessionCookie(b).Value
	b.Get(a.URL + "/")
	page := b.PostForm(a.URL+"/update", map[string][]string{"value": {strings.Repeat("x", 5000)}})
	a.answers(page, http.StatusTeapot, "misconfigured true")
	if !strings.Contains(page.Body, "value note") || !strings.Contains(page.Body, "Config.Store") {
		t.Errorf("not said why: %s", page.Body)
	}
	if a.sessionCookie(b).Value != before {
		t.Error("the session changed")
	}
	a.shows(b.Get(a.URL+"/note"), `alice notes ""`)
}

func TestUpdateTwiceInOneRequest(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			b := a.signIn()
			a.shows(b.Get(a.URL+"/update?value=one&twice=1"), "until now: ")
			a.shows(b.Get(a.URL+"/note"), `alice notes "one again"`)
		})
	}
}

func TestLogoutAfterUpdate(t *testing.T) {
	for mode, store := range stores {
		t.Run(mode, func(t *testing.T) {
			a := updating(t, store)
			b := a.signIn()
			page := b.Get(a.URL + "/goodbye")
			a.shows(page, "signed out")
			for _, line := range page.Trail[0].Response.Values("Set-Cookie") { // a copy of the new one
				if c, err := http.ParseSetCookie(line); err == nil && c.Value != "" && strings.Contains(c.Name, "oidcrp_s_") {
					if who := a.whoNotes(c); who != "nobody" {
						t.Errorf("the renewed session is still %s", who)
					}
				}
			}
			a.shows(b.Get(a.URL+"/note"), ` notes ""`)
			if strings.Contains(b.Page().Body, "alice") {
				t.Error("still signed in")
			}
		})
	}
}

func TestUpdateOfAnEndedSession(t *testing.T) {
	a := updating(t, nil)
	b := a.signIn()
	c := a.sessionCookie(b)
	results := map[string]int{}
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			res := a.with(nil, "GET", "/update?value=x", "Cookie", cookieHeader(c))
			body, _ := io.ReadAll(res.Body)
			mu.Lock()
			defer mu.Unlock()
			if strings.Contains(string(body), "anonymous true") {
				body = []byte("anonymous")
			}
			results[string(body)]++
		})
	}
	wg.Wait()
	if results["until now: "] != 1 || results["anonymous"] != 7 {
		t.Errorf("%v", results)
	}
}

func TestUpdateWithoutASession(t *testing.T) {
	rp := offline(t, nil)
	w := httptest.NewRecorder()
	if err := rp.Update(w, httptest.NewRequest("GET", "/", nil), nil); !errors.Is(err, oidcrp.ErrNotLoaded) {
		t.Errorf("not loaded: %v", err)
	}
	within(t, rp, nil, func(r *http.Request) {
		if err := rp.Update(w, r, nil); !errors.Is(err, oidcrp.ErrAnonymous) {
			t.Errorf("anonymous: %v", err)
		}
	})
	if len(w.Header()) != 0 {
		t.Errorf("headers %v", w.Header())
	}
}

// A session of a provider that is not configured any more ends.
func TestProviderRemoved(t *testing.T) {
	two := func(c *oidcrp.Config) {
		c.Providers = append(c.Providers, oidcrp.Provider{Name: "old", Issuer: "https://old.example", ClientID: "app"})
	}
	before, after := offline(t, two), offline(t, nil)
	cookie := oidcrptest.Cookie(before, "old", oidcrptest.User{Subject: "alice"})
	h := after.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name(r)) }))
	w := ask(after, h, nil, "GET", "/", "Cookie", cookieHeader(cookie))
	if w.Body.String() != "nobody" || !strings.Contains(w.Header().Get("Set-Cookie"), "Max-Age=0") {
		t.Errorf("%s %v", w.Body, w.Header())
	}
}

// A name is not who it was once the issuer behind it is another.
func TestProviderNameReused(t *testing.T) {
	before := offline(t, nil)
	after := offline(t, func(c *oidcrp.Config) { c.Providers[0].Issuer = "https://new.example" })
	h := after.Load(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, name(r)) }))
	if w := ask(before, h, &oidcrptest.User{Subject: "alice"}, "GET", "/"); w.Body.String() != "nobody" {
		t.Errorf("%s has the session of another issuer", w.Body)
	}
}
