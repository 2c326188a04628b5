package presets

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"regexp"
	"time"

	"github.com/seed-78edd7da/go-oidcrp/oidcrp"
)

const (
	appleIssuer = "https://appleid.apple.com"
	// appleSecretLifetime is far below the six months Apple allows: each is
	// sent at once.
	appleSecretLifetime = 5 * time.Minute
)

// Apple is Sign in with Apple for the Services ID clientID. Its client secret is
// a JWT that is signed anew for each request, by the key Apple gave to the team:
// one of [oidcrp.ClientKey.Key], Func or File (the .p8 file as downloaded), with
// the key's id as ID.
//
// The answer comes by form_post, which Apple demands for the scope "email", to an
// https address that is not of this machine. The user's name is in no token: Apple
// posts it beside the answer at the first login only, unsigned, so that it proves
// nothing. It is not asked for here; ask the user, who may hide the address too,
// behind one of privaterelay.appleid.com. email_verified may be the text "true",
// which counts as unverified; see accounts.ProviderRules.TrustTextEmailVerified. Apple has
// neither UserInfo nor a sign-out, so that a sign-out is of the application alone.
func Apple(clientID, teamID string, key oidcrp.ClientKey) oidcrp.Provider {
	issuer := appleIssuer
	if what := appleMistake(teamID, key); what != "" {
		issuer = mistake("Apple: %s", what)
	}
	p := preset("apple", "Apple", issuer, clientID, "")
	p.ClientSecretFunc = func(ctx context.Context) (oidcrp.Secret, error) {
		return appleSecret(ctx, clientID, teamID, key, time.Now())
	}
	p.Scopes = []string{"openid", "email"}
	p.ResponseMode = "form_post"
	p.LocalLogoutOnly = true
	return p
}

var appleID = regexp.MustCompile(`^[A-Z0-9]{10}$`)

// appleMistake says what is wrong with the arguments; "" for nothing.
func appleMistake(teamID string, key oidcrp.ClientKey) string {
	given := 0
	for _, set := range []bool{key.Key != nil, key.Func != nil, key.File != ""} {
		if set {
			given++
		}
	}
	switch {
	case !appleID.MatchString(teamID):
		return fmt.Sprintf("team '%s': give the team's id, ten letters and digits", teamID)
	case !appleID.MatchString(key.ID):
		return fmt.Sprintf("key id '%s': set ClientKey.ID to the key's id, ten letters and digits", key.ID)
	case given != 1:
		return "key: set one of ClientKey.Key, Func and File"
	case key.Algorithm != "" && key.Algorithm != "ES256":
		return fmt.Sprintf("key: Apple takes ES256 alone, not '%s': leave ClientKey.Algorithm out", key.Algorithm)
	case key.Key != nil && !isP256(key.Key):
		return "key: it must be an EC key on P-256"
	}
	return ""
}

func isP256(key crypto.Signer) bool {
	public, ok := key.Public().(*ecdsa.PublicKey)
	return ok && public.Curve == elliptic.P256()
}

// appleSecret signs a client secret.
func appleSecret(ctx context.Context, clientID, teamID string, key oidcrp.ClientKey, now time.Time) (oidcrp.Secret, error) {
	signer, err := appleSigner(ctx, key)
	if err != nil {
		return "", err
	}
	if !isP256(signer) {
		return "", fmt.Errorf("%w: Apple's key must be an EC key on P-256", oidcrp.ErrMisconfigured)
	}
	header, err := json.Marshal(map[string]string{"alg": "ES256", "kid": key.ID})
	if err != nil {
		return "", err
	}
	claims, err := json.Marshal(map[string]any{
		"iss": teamID, "sub": clientID, "aud": appleIssuer,
		"iat": now.Unix(), "exp": now.Add(appleSecretLifetime).Unix(),
	})
	if err != nil {
		return "", err
	}
	signed := base64.RawURLEncoding.EncodeToString(header) + "." + base64.RawURLEncoding.EncodeToString(claims)
	signature, err := signES256(signer, signed)
	if err != nil {
		return "", err
	}
	return oidcrp.Secret(signed + "." + base64.RawURLEncoding.EncodeToString(signature)), nil
}

// signES256 is the signature of RFC 7518 3.4: two numbers of 32 bytes, where a
// crypto.Signer gives ASN.1.
func signES256(signer crypto.Signer, text string) ([]byte, error) {
	digest := sha256.Sum256([]byte(text))
	der, err := signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	var numbers struct{ R, S *big.Int }
	if rest, err := asn1.Unmarshal(der, &numbers); err != nil || len(rest) > 0 ||
		numbers.R.Sign() < 0 || numbers.S.Sign() < 0 || numbers.R.BitLen() > 256 || numbers.S.BitLen() > 256 {
		return nil, errors.New("the signer made no ECDSA signature")
	}
	signature := make([]byte, 64)
	numbers.R.FillBytes(signature[:32])
	numbers.S.FillBytes(signature[32:])
	return signature, nil
}

// appleSigner is the key, wherever it is.
func appleSigner(ctx context.Context, key oidcrp.ClientKey) (crypto.Signer, error) {
	switch {
	case key.Key != nil:
		return key.Key, nil
	case key.Func != nil:
		signer, err := key.Func(ctx)
		if err == nil && signer == nil {
			err = fmt.Errorf("%w: ClientKey.Func gave no key", oidcrp.ErrMisconfigured)
		}
		return signer, err
	}
	b, err := os.ReadFile(key.File)
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(b)
	if block == nil {
		return nil, fmt.Errorf("%w: %s has no key in PEM", oidcrp.ErrMisconfigured, key.File)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	signer, ok := parsed.(crypto.Signer)
	if err != nil || !ok {
		return nil, fmt.Errorf("%w: %s has no private key in PKCS #8", oidcrp.ErrMisconfigured, key.File)
	}
	return signer, nil
}
