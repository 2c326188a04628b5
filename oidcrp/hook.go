package oidcrp

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/internal/cookie"
	"github.com/seed-78edd7da/go-oidcrp/internal/provider"
	"github.com/seed-78edd7da/go-oidcrp/internal/session"
	"github.com/seed-78edd7da/go-oidcrp/internal/testhook"
	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

func init() {
	testhook.WithSession = withTestSession
	testhook.Cookie = func(ctx context.Context, rp any, u testhook.User) (*http.Cookie, error) {
		return rp.(*RelyingParty).testCookie(ctx, u)
	}
}

// headers takes the cookies of a response that nobody will see.
type headers http.Header

func (h headers) Header() http.Header         { return http.Header(h) }
func (h headers) Write(b []byte) (int, error) { return len(b), nil }
func (h headers) WriteHeader(int)             {}

// withTestSession puts a session into a context, as Load would. Roles are those
// of the claim "roles".
func withTestSession(ctx context.Context, u testhook.User) (context.Context, error) {
	p := &providerEntry{name: orDefault(u.Provider, "default"), rolesClaim: "roles"}
	login, err := testLogin(p, "https://issuer.example", u)
	if err != nil {
		return nil, err
	}
	rp := &RelyingParty{common: &common{claims: slices.Sorted(maps.Keys(login.claims))}}
	for _, name := range rp.claims {
		rp.claims = appendPointers(rp.claims, "", name, login.claims[name])
	}
	key := make([]byte, cookie.MinKeySize)
	if err := cookie.Random(key); err != nil {
		return nil, err
	}
	keys, err := cookie.NewKeys([][]byte{key})
	if err != nil {
		return nil, err
	}
	keeper := session.New(session.Config{
		Keys: keys, Site: cookie.NewSite(&url.URL{Scheme: "https", Host: "app.example"}),
		Store: session.NewMemoryStore(1), Lifetime: time.Hour,
	})
	rec, err := keeper.Start(ctx, headers{}, &http.Request{}, rp.keep(login))
	if err != nil {
		return nil, err
	}
	return &loaded{Context: ctx, session: Session{rec: rec, at: &providerEntry{}}, signedIn: true}, nil
}

// appendPointers names a claim, and what is in it, by JSON Pointers: a test
// does not say which of them the application keeps.
func appendPointers(names []string, above, name string, value json.RawMessage) []string {
	at := above + "/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(name)
	names = append(names, at)
	var members map[string]json.RawMessage
	if json.Unmarshal(value, &members) != nil {
		return names
	}
	for _, member := range slices.Sorted(maps.Keys(members)) {
		names = appendPointers(names, at, member, members[member])
	}
	return names
}

// testCookie starts a session that keeps what a login would keep.
func (rp *RelyingParty) testCookie(ctx context.Context, u testhook.User) (*http.Cookie, error) {
	rp, ctx, err := rp.at(ctx)
	if err != nil {
		return nil, err
	}
	if static := rp.static(); u.Provider == "" && len(static) > 0 {
		u.Provider = static[0].name
	}
	p, err := rp.find(ctx, u.Provider)
	if err != nil {
		return nil, err
	}
	login, err := testLogin(p, p.issuer, u)
	if err != nil {
		return nil, err
	}
	h := headers{}
	if _, err := rp.sessions.Start(ctx, h, &http.Request{}, rp.keep(login)); err != nil {
		return nil, tooLarge(err)
	}
	return http.ParseSetCookie(h.Header().Get("Set-Cookie"))
}

func testLogin(p *providerEntry, issuer string, u testhook.User) (*Login, error) {
	b, err := json.Marshal(u.Claims)
	if err != nil {
		return nil, err
	}
	claims, err := validate.Object(b)
	if err != nil {
		return nil, err
	}
	subject, _ := u.Claims["sub"].(string)
	if subject == "" {
		return nil, errors.New("a user needs a subject")
	}
	v := &provider.Login{Issuer: issuer, Subject: subject, Claims: claims, IssuedAt: time.Now()}
	v.ACR, _, _ = claims.String("acr")
	v.AMR, _, _ = claims.Strings("amr")
	v.AuthTime, _, _ = claims.Time("auth_time")
	login := newLogin(p, v, "/", "en", nil)
	for key, value := range u.Values {
		login.Set(key, value)
	}
	return login, nil
}
