package presets_test

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
	"github.com/seed-78edd7da/go-oidcrp/oidcrp/presets"
)

// The client secret is the JWT Apple describes, wherever the key is.
func TestAppleSecret(t *testing.T) {
	key := p256()
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "AuthKey.p8")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, where := range map[string]oidcrp.ClientKey{
		"in memory": {Key: key},
		"by a func": {Func: func(context.Context) (crypto.Signer, error) { return key, nil }},
		"in a file": {File: file},
	} {
		t.Run(name, func(t *testing.T) {
			where.ID = "KEY1234567"
			p := presets.Apple("com.example.web", "TEAM123456", where)
			secret, err := p.ClientSecretFunc(context.Background())
			if err != nil {
				t.Fatal(err)
			}
			checkAppleSecret(t, string(secret), &key.PublicKey)
		})
	}
}

func checkAppleSecret(t *testing.T, secret string, key *ecdsa.PublicKey) {
	t.Helper()
	jws, err := jose.ParseSignedCompact(secret, []jose.SignatureAlgorithm{jose.ES256})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := jws.Verify(key)
	if err != nil {
		t.Fatal(err)
	}
	if id := jws.Signatures[0].Header.KeyID; id != "KEY1234567" {
		t.Errorf("kid %q", id)
	}
	var claims struct {
		Iss, Sub, Aud string
		Iat, Exp      int64
	}
	if err := json.Unmarshal(payload, &claims); err != nil {
		t.Fatal(err)
	}
	if claims.Iss != "TEAM123456" || claims.Sub != "com.example.web" || claims.Aud != "https://appleid.apple.com" {
		t.Errorf("claims %s", payload)
	}
	if life := time.Duration(claims.Exp-claims.Iat) * time.Second; life <= 0 || life > 15777000*time.Second {
		t.Errorf("lives for %v", life)
	}
}

// A key that cannot sign is the operator's to mend, and no visitor's.
func TestAppleKeyMistakes(t *testing.T) {
	file := func(text string) string {
		name := filepath.Join(t.TempDir(), "key")
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return name
	}
	rsaDER, err := x509.MarshalPKCS8PrivateKey(rsaKey)
	if err != nil {
		t.Fatal(err)
	}
	far := errors.New("key service: no route")
	for name, tt := range map[string]struct {
		key  oidcrp.ClientKey
		want error
	}{
		"no file":           {oidcrp.ClientKey{File: "nowhere"}, os.ErrNotExist},
		"no PEM":            {oidcrp.ClientKey{File: file("hello")}, oidcrp.ErrMisconfigured},
		"no key in it":      {oidcrp.ClientKey{File: file("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n")}, oidcrp.ErrMisconfigured},
		"RSA":               {oidcrp.ClientKey{File: file(string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: rsaDER})))}, oidcrp.ErrMisconfigured},
		"nil from a func":   {oidcrp.ClientKey{Func: func(context.Context) (crypto.Signer, error) { return nil, nil }}, oidcrp.ErrMisconfigured},
		"error from a func": {oidcrp.ClientKey{Func: func(context.Context) (crypto.Signer, error) { return nil, far }}, far},
	} {
		t.Run(name, func(t *testing.T) {
			tt.key.ID = "KEY1234567"
			p := presets.Apple("com.example.web", "TEAM123456", tt.key)
			if secret, err := p.ClientSecretFunc(context.Background()); !errors.Is(err, tt.want) || secret != "" {
				t.Errorf("got %v", err)
			}
		})
	}
}
