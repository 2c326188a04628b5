package interop_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/luikyv/go-oidc/pkg/goidc"
	luikyv "github.com/luikyv/go-oidc/pkg/provider"

	"github.com/seed-78edd7da/go-oidcrp/internal/interop"
)

// luikyvColumn is github.com/luikyv/go-oidc, a certified provider, in this
// process.
var luikyvColumn = column{
	name:  "luikyv go-oidc",
	start: startLuikyv,
	notOffered: map[string]string{
		"front-channel logout":       "it shows no frames of applications",
		"back-channel logout":        "it sends no logout tokens",
		"ID token signed with HS256": "it signs with keys of its own, never with the client's secret",
	},
}

const luikyvSession = "session" // the cookie of who is signed in

func startLuikyv(t *testing.T) *running {
	handler := http.NewServeMux()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	door := httptest.NewUnstartedServer(handler)
	door.TLS = &tls.Config{Certificates: []tls.Certificate{clientCA().issue("luikyv")}, ClientAuth: tls.RequestClientCert}
	door.StartTLS()
	t.Cleanup(door.Close)

	jwks := goidc.JSONWebKeySet{}
	for _, alg := range []string{"RS256", "PS256", "ES256", "EdDSA"} {
		jwks.Keys = append(jwks.Keys, jose.JSONWebKey{Key: keyFor(alg), KeyID: "luikyv-" + alg, Algorithm: alg, Use: "sig"})
	}
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: clientCA().pool()}}}
	t.Cleanup(client.CloseIdleConnections)
	httpClient := func(context.Context) *http.Client { return client }
	log := &interop.Log{}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("luikyv/go-oidc said:\n%s", log)
		}
	})
	op, err := luikyv.New(server.URL, nil,
		func(context.Context) (goidc.JSONWebKeySet, error) { return jwks, nil },
		luikyv.WithScopes(goidc.ScopeOpenID, goidc.ScopeOfflineAccess, goidc.ScopeProfile, goidc.ScopeEmail, goidc.NewScope("groups")),
		luikyv.WithAuthCodeGrant(nil, goidc.ResponseTypeCode, goidc.ResponseTypeIDToken, goidc.ResponseTypeCodeAndIDToken,
			goidc.ResponseTypeCodeAndToken, goidc.ResponseTypeIDTokenAndToken, goidc.ResponseTypeCodeAndIDTokenAndToken),
		luikyv.WithRefreshTokenGrant(nil), luikyv.WithRefreshTokenRotation(),
		luikyv.WithFormPostResponseMode(), luikyv.WithIssuerResponseParameter(), luikyv.WithClaimsParameter(),
		luikyv.WithPKCE(goidc.CodeChallengeMethodSHA256),
		luikyv.WithPAR(nil), luikyv.WithJAR(goidc.RS256), luikyv.WithJARByReference(), luikyv.WithJARByReferenceUnregisteredURIs(),
		luikyv.WithJARM(goidc.RS256), luikyv.WithDPoP(goidc.ES256),
		luikyv.WithNoneAuthn(), luikyv.WithSecretBasicAuthn(), luikyv.WithSecretPostAuthn(),
		luikyv.WithSecretJWTAuthn(goidc.HS256), luikyv.WithPrivateKeyJWTAuthn(goidc.RS256),
		luikyv.WithMTLS(door.URL, certificateOfRequest), luikyv.WithTLSAuthn(), luikyv.WithSelfSignedTLSAuthn(),
		luikyv.WithIDTokenSignatureAlgs(goidc.RS256, goidc.PS256, goidc.ES256, jose.EdDSA),
		luikyv.WithIDTokenEncryption(jose.ECDH_ES),
		luikyv.WithUserInfoSignatureAlgs(goidc.RS256), luikyv.WithUserInfoEncryption(jose.ECDH_ES),
		luikyv.WithUserInfoClaims(func(_ context.Context, g *goidc.Grant) map[string]any { return maps.Clone(accounts[g.Subject]) }),
		luikyv.WithDCR(nil),
		luikyv.WithHTTPClientFunc(httpClient), luikyv.WithJARHTTPClientFunc(httpClient),
		luikyv.WithPolicies(goidc.NewPolicy("at once", func(*http.Request, *goidc.AuthnSession, *goidc.Client) bool { return true }, luikyvSignIn)),
		luikyv.WithLogout(nil, func(w http.ResponseWriter, _ *http.Request, _ *goidc.LogoutSession) error { return nil }),
		luikyv.WithLogoutPolicies(goidc.NewLogoutPolicy("at once", func(*http.Request, *goidc.LogoutSession) bool { return true }, luikyvSignOut)),
		luikyv.WithErrorHandler(func(_ context.Context, err error) { fmt.Fprintln(log, err) }),
	)
	if err != nil {
		t.Fatal(err)
	}
	handler.Handle("/", withCertificate(op.Handler()))
	return &running{
		issuer: server.URL, subject: "alice",
		register: registerAt(server.URL + "/register"),
		https:    true, roots: clientCA().pool(),
	}
}

// luikyvSignIn is the user: it signs in and consents without a page.
func luikyvSignIn(w http.ResponseWriter, r *http.Request, as *goidc.AuthnSession, _ *goidc.Client) (goidc.Status, error) {
	if _, err := r.Cookie(luikyvSession); err != nil && as.Prompt == goidc.PromptTypeNone {
		return goidc.StatusFailure, goidc.NewError(goidc.ErrorCodeLoginRequired, "nobody is signed in")
	}
	http.SetCookie(w, &http.Cookie{Name: luikyvSession, Value: "alice", Path: "/", HttpOnly: true})
	as.Subject, as.GrantedScopes, as.GrantedResources = "alice", as.Scopes, as.Resources
	return goidc.StatusSuccess, nil
}

func luikyvSignOut(w http.ResponseWriter, _ *http.Request, _ *goidc.LogoutSession) (goidc.Status, error) {
	http.SetCookie(w, &http.Cookie{Name: luikyvSession, Path: "/", MaxAge: -1})
	return goidc.StatusSuccess, nil
}

type certificateKey struct{}

// withCertificate finds out for the provider which certificate a client has
// shown. Only those of our authority count, and those that certify themselves.
func withCertificate(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.TLS != nil && len(r.TLS.PeerCertificates) > 0 {
			shown := r.TLS.PeerCertificates[0]
			_, err := shown.Verify(x509.VerifyOptions{Roots: clientCA().pool(), KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
			if err == nil || shown.CheckSignatureFrom(shown) == nil {
				r = r.WithContext(context.WithValue(r.Context(), certificateKey{}, shown))
			}
		}
		next.ServeHTTP(w, r)
	})
}

func certificateOfRequest(ctx context.Context) (*x509.Certificate, error) {
	if shown, ok := ctx.Value(certificateKey{}).(*x509.Certificate); ok {
		return shown, nil
	}
	return nil, errors.New("no certificate was shown")
}
