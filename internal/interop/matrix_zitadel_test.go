package interop_test

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/zitadel/oidc/v3/example/server/storage"
	"github.com/zitadel/oidc/v3/pkg/oidc"
	zitadel "github.com/zitadel/oidc/v3/pkg/op"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/oidcrptest"
)

// zitadelColumn is github.com/zitadel/oidc with the storage of its example, in
// this process. Its issuer ends with a slash.
var zitadelColumn = column{
	name:  "zitadel oidc",
	start: startZitadel,
	notOffered: map[string]string{
		"front-channel logout":              "it shows no frames of applications",
		"back-channel logout":               "it sends no logout tokens",
		"code id_token":                     "response types are code, id_token and id_token token",
		"code id_token token":               "response types are code, id_token and id_token token",
		"code token":                        "response types are code, id_token and id_token token",
		"code id_token, form_post":          "response types are code, id_token and id_token token",
		"code id_token token, form_post":    "response types are code, id_token and id_token token",
		"code token, form_post":             "response types are code, id_token and id_token token",
		"client_secret_jwt":                 "it verifies assertions by public keys only",
		"tls_client_auth":                   "it knows no client certificates",
		"self_signed_tls_client_auth":       "it knows no client certificates",
		"PAR":                               "it has no pushed authorization request endpoint",
		"request object by reference":       "it reads the request parameter only",
		"signed response (JARM), query":     "response modes are query, fragment and form_post",
		"signed response (JARM), fragment":  "response modes are query, fragment and form_post",
		"signed response (JARM), form_post": "response modes are query, fragment and form_post",
		"DPoP":                              "access tokens are bearer tokens",
		"ID token signed with ES256":        "it has one signing key for all clients, here of RS256",
		"ID token signed with PS256":        "it has one signing key for all clients, here of RS256",
		"ID token signed with EdDSA":        "it has one signing key for all clients, here of RS256",
		"ID token signed with HS256":        "it has one signing key for all clients, here of RS256",
		"encrypted ID token":                "it encrypts nothing for clients",
		"signed UserInfo":                   "its UserInfo is plain JSON",
		"encrypted UserInfo":                "its UserInfo is plain JSON",
	},
}

func startZitadel(t *testing.T) *running {
	handler := http.NewServeMux()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	issuer := server.URL + "/"
	users := zitadelStorage{Storage: storage.NewStorage(storage.NewUserStore(issuer)), clients: &sync.Map{}}
	op, err := zitadel.NewProvider(&zitadel.Config{
		CryptoKey:                sha256.Sum256([]byte(issuer)),
		DefaultLogoutRedirectURI: "/signed-out",
		CodeMethodS256:           true,
		AuthMethodPost:           true,
		AuthMethodPrivateKeyJWT:  true,
		GrantTypeRefreshToken:    true,
		RequestObjectSupported:   true,
	}, users, zitadel.StaticIssuer(issuer), zitadel.WithAllowInsecure())
	if err != nil {
		t.Fatal(err)
	}
	handler.Handle("/", op)
	handler.HandleFunc("GET /login", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		fmt.Fprintf(w, `<form method="post"><input name="user"><input name="password" type="password"><input type="hidden" name="id" value="%s"><button>Sign in</button></form>`, r.FormValue("id"))
	})
	returnTo := zitadel.NewIssuerInterceptor(op.IssuerFromRequest).HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if err := users.CheckUsernamePassword(r.FormValue("user"), r.FormValue("password"), r.FormValue("id")); err != nil {
			http.Error(w, err.Error(), http.StatusForbidden)
			return
		}
		http.Redirect(w, r, zitadel.AuthCallbackURL(op)(r.Context(), r.FormValue("id")), http.StatusFound)
	})
	handler.HandleFunc("POST /login", returnTo)
	return &running{
		issuer: issuer, subject: "id2", register: users.register,
		signIn: func(t *testing.T, b *oidcrptest.Browser) {
			b.SubmitForm("Sign in", map[string][]string{"user": {"test-user2"}, "password": {"verysecure"}})
		},
	}
}

// zitadelStorage is that of its example with clients of ours.
type zitadelStorage struct {
	*storage.Storage
	clients *sync.Map // zitadelClient by ID
}

func (s zitadelStorage) register(_ *testing.T, c interop.Client) interop.Client {
	s.clients.Store(c.ID, zitadelClient{storage.WebClient(c.ID, c.Secret, c.RedirectURIs...), c})
	return c
}

func (s zitadelStorage) GetClientByClientID(_ context.Context, id string) (zitadel.Client, error) {
	if c, ok := s.clients.Load(id); ok {
		return c.(zitadelClient), nil
	}
	return nil, errors.New("client not found")
}

func (s zitadelStorage) AuthorizeClientIDSecret(_ context.Context, id, secret string) error {
	if c, ok := s.clients.Load(id); !ok || c.(zitadelClient).metadata.Secret != secret {
		return errors.New("invalid secret")
	}
	return nil
}

// GetKeyByIDAndClientID finds what verifies assertions and request objects.
func (s zitadelStorage) GetKeyByIDAndClientID(ctx context.Context, keyID, clientID string) (*jose.JSONWebKey, error) {
	c, ok := s.clients.Load(clientID)
	if !ok {
		return nil, errors.New("client not found")
	}
	res, err := http.Get(c.(zitadelClient).metadata.JWKSURI)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	var set jose.JSONWebKeySet
	if err := json.NewDecoder(res.Body).Decode(&set); err != nil {
		return nil, err
	}
	for _, key := range set.Key(keyID) {
		return &key, nil
	}
	return nil, errors.New("key not found")
}

// zitadelClient is a web client of its example, as registered.
type zitadelClient struct {
	*storage.Client
	metadata interop.Client
}

func (c zitadelClient) AuthMethod() oidc.AuthMethod      { return oidc.AuthMethod(c.metadata.AuthMethod) }
func (c zitadelClient) LoginURL(id string) string        { return "/login?id=" + id }
func (c zitadelClient) PostLogoutRedirectURIs() []string { return c.metadata.PostLogoutRedirectURIs }
func (c zitadelClient) IsScopeAllowed(scope string) bool { return scope == "groups" }

func (c zitadelClient) ResponseTypes() []oidc.ResponseType {
	return named[oidc.ResponseType](c.metadata.ResponseTypes)
}

func (c zitadelClient) GrantTypes() []oidc.GrantType {
	return named[oidc.GrantType](c.metadata.GrantTypes)
}

func named[T ~string](values []string) []T {
	out := make([]T, len(values))
	for i, v := range values {
		out[i] = T(v)
	}
	return out
}
