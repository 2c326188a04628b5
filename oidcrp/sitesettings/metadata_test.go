package sitesettings_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	jose "github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/sitesettings"
)

// metadata answers requests for metadata: the issuer, by address.
type metadata map[string]string

func (documents metadata) RoundTrip(r *http.Request) (*http.Response, error) {
	rec := httptest.NewRecorder()
	rec.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/keys") {
		key, _ := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		json.NewEncoder(rec).Encode(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{{Key: key.Public(), Use: "sig", Algorithm: "ES256"}}})
		return rec.Result(), nil
	}
	issuer, ok := documents[r.URL.String()]
	if !ok {
		rec.WriteHeader(http.StatusNotFound)
		return rec.Result(), nil
	}
	json.NewEncoder(rec).Encode(map[string]any{
		"issuer": issuer, "authorization_endpoint": "https://op.example/authorize", "token_endpoint": "https://op.example/token", "jwks_uri": "https://op.example/keys",
		"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"ES256"},
	})
	return rec.Result(), nil
}

// ready says whether the metadata is found and accepted.
func ready(t *testing.T, s sitesettings.Settings, documents metadata) error {
	t.Helper()
	cfg := s.Config
	cfg.Logger = slog.New(slog.DiscardHandler)
	cfg.CookieKeys = [][]byte{[]byte("0123456789abcdefghijklmnopqrstuv")}
	cfg.HTTPClient = &http.Client{Transport: documents}
	rp, err := oidcrp.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return rp.Ready(context.Background())
}

const (
	tenant  = "aaaabbbb-0000-cccc-1111-dddd2222eeee"
	entraV1 = "https://login.microsoftonline.com/" + tenant + "/"
	entraV2 = "https://login.microsoftonline.com/" + tenant + "/v2.0"
	config  = ".well-known/openid-configuration"
)
