package interop_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"testing"

	"github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// byHand is a relying party as go-oidc's documentation teaches it: state,
// nonce and PKCE verifier in cookies, the code redeemed by oauth2, the ID token
// verified, UserInfo asked.
type byHand struct {
	provider *oidc.Provider
	verifier *oidc.IDTokenVerifier
	oauth    oauth2.Config
}

func (h *byHand) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch r.URL.Path {
	case "/":
		h.start(w, r)
	case "/callback":
		said, err := h.finish(r)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		json.NewEncoder(w).Encode(said)
	default:
		http.NotFound(w, r)
	}
}

func (h *byHand) start(w http.ResponseWriter, r *http.Request) {
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	for name, value := range map[string]string{"state": state, "nonce": nonce, "verifier": verifier} {
		http.SetCookie(w, &http.Cookie{Name: name, Value: value, HttpOnly: true, SameSite: http.SameSiteLaxMode})
	}
	options := []oauth2.AuthCodeOption{oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)}
	http.Redirect(w, r, h.oauth.AuthCodeURL(state, options...), http.StatusFound)
}

// handMade is what it shows at the end.
type handMade struct {
	ID      struct{ Subject, Email, Name string }
	User    struct{ Subject, Email string }
	Refresh string // the subject of the refreshed ID token
	Type    string // of the access token
}

func (h *byHand) finish(r *http.Request) (said handMade, err error) {
	kept := map[string]string{}
	for _, name := range []string{"state", "nonce", "verifier"} {
		c, err := r.Cookie(name)
		if err != nil {
			return said, err
		}
		kept[name] = c.Value
	}
	if r.FormValue("state") != kept["state"] {
		return said, fmt.Errorf("state did not match")
	}
	token, err := h.oauth.Exchange(r.Context(), r.FormValue("code"), oauth2.VerifierOption(kept["verifier"]))
	if err != nil {
		return said, err
	}
	said.Type = token.Type()
	idToken, err := h.idToken(r, token)
	if err != nil {
		return said, err
	}
	if idToken.Nonce != kept["nonce"] {
		return said, fmt.Errorf("nonce did not match")
	}
	if err := idToken.VerifyAccessToken(token.AccessToken); err != nil {
		return said, err
	}
	if err := idToken.Claims(&said.ID); err != nil {
		return said, err
	}
	said.ID.Subject = idToken.Subject

	info, err := h.provider.UserInfo(r.Context(), oauth2.StaticTokenSource(token))
	if err != nil {
		return said, err
	}
	said.User.Subject, said.User.Email = info.Subject, info.Email

	// An expired one is refreshed by itself.
	again, err := h.oauth.TokenSource(r.Context(), &oauth2.Token{RefreshToken: token.RefreshToken}).Token()
	if err != nil {
		return said, err
	}
	if idToken, err = h.idToken(r, again); err != nil {
		return said, err
	}
	said.Refresh = idToken.Subject
	return said, nil
}

func (h *byHand) idToken(r *http.Request, token *oauth2.Token) (*oidc.IDToken, error) {
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return nil, fmt.Errorf("no ID token")
	}
	return h.verifier.Verify(r.Context(), raw)
}

func TestGoOIDC(t *testing.T) {
	for _, test := range []struct {
		name   string
		client oidcrptest.Client
		style  oauth2.AuthStyle
	}{
		{name: "as its example"}, // oauth2 finds out how it may authenticate
		{name: "client_secret_post, found out", client: oidcrptest.Client{AuthMethod: "client_secret_post"}},
		{name: "client_secret_basic", client: oidcrptest.Client{AuthMethod: "client_secret_basic"}, style: oauth2.AuthStyleInHeader},
		{name: "client_secret_post", client: oidcrptest.Client{AuthMethod: "client_secret_post"}, style: oauth2.AuthStyleInParams},
		{name: "a public client", client: oidcrptest.Client{AuthMethod: "none"}, style: oauth2.AuthStyleInParams},
		{name: "ID tokens by ES256", client: oidcrptest.Client{Algorithm: "ES256"}},
		{name: "ID tokens by PS256", client: oidcrptest.Client{Algorithm: "PS256"}},
		{name: "ID tokens by EdDSA", client: oidcrptest.Client{Algorithm: "EdDSA"}},
		{name: "signed UserInfo", client: oidcrptest.Client{UserInfoAlgorithm: "RS256"}},
		{name: "claims by UserInfo alone", client: oidcrptest.Client{UserInfoOnly: true}},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t)
			app := byHandApp(t, p, test.client, test.style)
			b := oidcrptest.NewBrowser(t)
			b.Get(app)
			page := b.SubmitForm("alice", nil)
			var said handMade
			if err := page.JSON(&said); err != nil {
				t.Fatalf("%v: %v", err, page)
			}
			if said.ID.Subject != "alice" || said.User.Subject != "alice" || said.Refresh != "alice" ||
				said.User.Email != "alice@example.com" || said.Type != "Bearer" {
				t.Errorf("signed in as %+v", said)
			}
			if want := !test.client.UserInfoOnly; (said.ID.Email == "alice@example.com" && said.ID.Name == "Alice Archer") != want {
				t.Errorf("the ID token says %+v", said.ID)
			}
		})
	}
}

// What it refuses shows that the faults are what they are named.
func TestGoOIDCRefuses(t *testing.T) {
	for _, fault := range []oidcrptest.Fault{
		oidcrptest.WrongNonce, oidcrptest.WrongIssuer, oidcrptest.WrongAudience, oidcrptest.WrongSignature, oidcrptest.ExpiredToken,
		oidcrptest.WrongATHash, oidcrptest.WrongState, oidcrptest.NoIDToken, oidcrptest.AlgNone, oidcrptest.TokenError("invalid_grant"),
	} {
		t.Run(fault.Name, func(t *testing.T) {
			p := oidcrptest.NewProvider(t, fault)
			app := byHandApp(t, p, oidcrptest.Client{}, oauth2.AuthStyleInHeader)
			b := oidcrptest.NewBrowser(t)
			b.Get(app)
			if page := b.SubmitForm("alice", nil); page.Status != http.StatusBadRequest || page.URL.Path != "/callback" {
				t.Errorf("ended with %v", page)
			}
		})
	}
}

func byHandApp(t *testing.T, p *oidcrptest.Provider, c oidcrptest.Client, style oauth2.AuthStyle) (app string) {
	t.Helper()
	discovered, err := oidc.NewProvider(t.Context(), p.Issuer())
	if err != nil {
		t.Fatal(err)
	}
	return oidcrptest.Serve(t, func(baseURL string) http.Handler {
		c.RedirectURLs = []string{baseURL + "/callback"}
		c = p.AddClient(c)
		endpoint := discovered.Endpoint()
		endpoint.AuthStyle = style
		return &byHand{
			provider: discovered,
			verifier: discovered.Verifier(&oidc.Config{ClientID: c.ID}),
			oauth: oauth2.Config{
				ClientID: c.ID, ClientSecret: c.Secret, Endpoint: endpoint, RedirectURL: baseURL + "/callback",
				Scopes: []string{oidc.ScopeOpenID, "profile", "email", oidc.ScopeOfflineAccess},
			},
		}
	})
}
