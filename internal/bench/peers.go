package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"net/http"
	"sync"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/gorilla/securecookie"
	"github.com/gorilla/sessions"
	capoidc "github.com/hashicorp/cap/oidc"
	"github.com/markbates/goth"
	"github.com/markbates/goth/gothic"
	"github.com/markbates/goth/providers/openidConnect"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadelhttp "github.com/zitadel/oidc/v3/pkg/http"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
	"golang.org/x/oauth2"
)

func encoded(s string) string { return base64.RawURLEncoding.EncodeToString([]byte(s)) }

func random() string {
	b := make([]byte, 16)
	rand.Read(b)
	return base64.RawURLEncoding.EncodeToString(b)
}

// keeper is the session of those who have none: securecookie and JSON.
type keeper struct{ *securecookie.SecureCookie }

func newKeeper() keeper {
	return keeper{securecookie.New(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32)).SetSerializer(securecookie.JSONEncoder{})}
}

func (k keeper) signIn(w http.ResponseWriter, r *http.Request, u user) {
	http.SetCookie(w, &http.Cookie{Name: "session", Value: must(k.Encode("session", u)), Path: "/", HttpOnly: true})
	http.Redirect(w, r, "/", http.StatusFound)
}

func (k keeper) home(w http.ResponseWriter, r *http.Request) {
	var u user
	if c, err := r.Cookie("session"); err != nil || k.Decode("session", c.Value, &u) != nil || u.Subject != "alice" {
		w.WriteHeader(http.StatusUnauthorized)
	}
}

// withGoOIDC is go-oidc's own example, with PKCE and a session.
func withGoOIDC(op *fakeProvider, baseURL string) http.Handler {
	ctx := context.Background()
	provider := must(oidc.NewProvider(ctx, op.URL))
	verifier := provider.Verifier(&oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{"ES256"}})
	config := oauth2.Config{ClientID: "app", ClientSecret: "secret", RedirectURL: baseURL + "/callback", Endpoint: provider.Endpoint(), Scopes: []string{"openid"}}
	config.Endpoint.AuthStyle = oauth2.AuthStyleInParams
	k := newKeeper()
	set := func(w http.ResponseWriter, name, value string) {
		http.SetCookie(w, &http.Cookie{Name: name, Value: value, MaxAge: 600, HttpOnly: true, Path: "/"})
	}
	read := func(r *http.Request, name string) string { return must(r.Cookie(name)).Value }
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		state, nonce, verifier := random(), random(), oauth2.GenerateVerifier()
		set(w, "state", state)
		set(w, "nonce", nonce)
		set(w, "verifier", verifier)
		http.Redirect(w, r, config.AuthCodeURL(state, oidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)), http.StatusFound)
	})
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("state") != read(r, "state") {
			panic("state")
		}
		t := must(config.Exchange(r.Context(), r.URL.Query().Get("code"), oauth2.VerifierOption(read(r, "verifier"))))
		id := must(verifier.Verify(r.Context(), t.Extra("id_token").(string)))
		if id.Nonce != read(r, "nonce") {
			panic("nonce")
		}
		var claims struct{ Name, Email string }
		check(id.Claims(&claims))
		k.signIn(w, r, user{Issuer: id.Issuer, Subject: id.Subject, Name: claims.Name, Email: claims.Email})
	})
	mux.HandleFunc("/", k.home)
	return mux
}

// withCap keeps requests in a map by their state, as its example does.
func withCap(op *fakeProvider, baseURL string) http.Handler {
	config := must(capoidc.NewConfig(op.URL, "app", "secret", []capoidc.Alg{capoidc.ES256}, []string{baseURL + "/callback"}))
	provider := must(capoidc.NewProvider(config))
	k := newKeeper()
	var begun sync.Map
	mux := http.NewServeMux()
	mux.HandleFunc("/login", func(w http.ResponseWriter, r *http.Request) {
		request := must(capoidc.NewRequest(time.Minute, baseURL+"/callback", capoidc.WithPKCE(must(capoidc.NewCodeVerifier()))))
		begun.Store(request.State(), request)
		http.Redirect(w, r, must(provider.AuthURL(r.Context(), request)), http.StatusFound)
	})
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		state := r.URL.Query().Get("state")
		request, ok := begun.LoadAndDelete(state)
		if !ok {
			panic("state")
		}
		t := must(provider.Exchange(r.Context(), request.(*capoidc.Req), state, r.URL.Query().Get("code")))
		var claims struct{ Iss, Sub, Name, Email string }
		check(t.IDToken().Claims(&claims))
		k.signIn(w, r, user{Issuer: claims.Iss, Subject: claims.Sub, Name: claims.Name, Email: claims.Email})
	})
	mux.HandleFunc("/", k.home)
	return mux
}

func withZitadel(op *fakeProvider, baseURL string) http.Handler {
	cookies := zitadelhttp.NewCookieHandler(securecookie.GenerateRandomKey(32), securecookie.GenerateRandomKey(32), zitadelhttp.WithUnsecure())
	party := must(rp.NewRelyingPartyOIDC(context.Background(), op.URL, "app", "secret", baseURL+"/callback", []string{"openid"},
		rp.WithCookieHandler(cookies), rp.WithPKCE(cookies), rp.WithSigningAlgsFromDiscovery(), rp.WithAuthStyle(oauth2.AuthStyleInParams)))
	k := newKeeper()
	mux := http.NewServeMux()
	mux.Handle("/login", rp.AuthURLHandler(random, party))
	mux.Handle("/callback", rp.CodeExchangeHandler(func(w http.ResponseWriter, r *http.Request, tokens *zitadel.Tokens[*zitadel.IDTokenClaims], _ string, _ rp.RelyingParty) {
		c := tokens.IDTokenClaims
		k.signIn(w, r, user{Issuer: c.Issuer, Subject: c.Subject, Name: c.Name, Email: c.Email})
	}, party))
	mux.HandleFunc("/", k.home)
	return mux
}

func withGoth(op *fakeProvider, baseURL string) http.Handler {
	gothic.Store = sessions.NewCookieStore(securecookie.GenerateRandomKey(32))
	goth.UseProviders(must(openidConnect.New("app", "secret", baseURL+"/callback?provider=openid-connect", op.URL+"/.well-known/openid-configuration", "openid")))
	k := newKeeper()
	mux := http.NewServeMux()
	mux.HandleFunc("/login", gothic.BeginAuthHandler)
	mux.HandleFunc("/callback", func(w http.ResponseWriter, r *http.Request) {
		u := must(gothic.CompleteUserAuth(w, r))
		k.signIn(w, r, user{Issuer: op.URL, Subject: u.UserID, Name: u.Name, Email: u.Email})
	})
	mux.HandleFunc("/", k.home)
	return mux
}
