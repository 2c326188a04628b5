package provider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/rsa"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"slices"

	"github.com/go-jose/go-jose/v4"
)

// signingKey is a key with the algorithm it is going to sign with.
type signingKey struct {
	signer    crypto.Signer
	id        string
	algorithm string
}

// newSigningKey chooses the algorithm: the setting's, else the first one of
// the key that the provider supports. A nil list supports all of them; ok is
// false where none fits.
func newSigningKey(signer crypto.Signer, id, algorithm string, supported []string) (key *signingKey, ok bool, err error) {
	algorithms, err := signingAlgorithms(signer.Public())
	if err != nil {
		return nil, false, err
	}
	if id == "" {
		if id, err = thumbprint(signer.Public()); err != nil {
			return nil, false, err
		}
	}
	if algorithm != "" {
		return &signingKey{signer, id, algorithm}, true, nil
	}
	for _, algorithm := range algorithms {
		if supported == nil || slices.Contains(supported, algorithm) {
			return &signingKey{signer, id, algorithm}, true, nil
		}
	}
	return nil, false, nil
}

// thumbprint is the id of a key that was given none (RFC 7638).
func thumbprint(public crypto.PublicKey) (string, error) {
	sum, err := (&jose.JSONWebKey{Key: public}).Thumbprint(crypto.SHA256)
	return base64.RawURLEncoding.EncodeToString(sum), err
}

// sign makes a JWT of claims.
func (k *signingKey) sign(typ string, claims any) (string, error) {
	return signJWT(jose.SigningKey{Algorithm: jose.SignatureAlgorithm(k.algorithm), Key: k}, typ, claims)
}

func signJWT(key jose.SigningKey, typ string, claims any) (string, error) {
	payload, err := json.Marshal(claims)
	if err != nil {
		return "", err
	}
	signer, err := jose.NewSigner(key, (&jose.SignerOptions{}).WithType(jose.ContentType(typ)))
	if err != nil {
		return "", err
	}
	jws, err := signer.Sign(payload)
	if err != nil {
		return "", err
	}
	return jws.CompactSerialize()
}

// Public implements [jose.OpaqueSigner].
func (k *signingKey) Public() *jose.JSONWebKey {
	return &jose.JSONWebKey{Key: k.signer.Public(), KeyID: k.id}
}

// Algs implements [jose.OpaqueSigner].
func (k *signingKey) Algs() []jose.SignatureAlgorithm {
	return []jose.SignatureAlgorithm{jose.SignatureAlgorithm(k.algorithm)}
}

// SignPayload implements [jose.OpaqueSigner], so that a key in hardware, or at
// a key service, signs as one in memory does.
func (k *signingKey) SignPayload(payload []byte, _ jose.SignatureAlgorithm) ([]byte, error) {
	hash, ok := digestOf(k.algorithm)
	if !ok { // EdDSA
		return k.signer.Sign(rand.Reader, payload, crypto.Hash(0))
	}
	digest := digest(hash, payload)
	switch k.algorithm[:2] {
	case "PS":
		return k.signer.Sign(rand.Reader, digest, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash, Hash: hash})
	case "ES":
		signature, err := k.signer.Sign(rand.Reader, digest, hash)
		if err != nil {
			return nil, err
		}
		return fixedSize(signature, k.signer.Public())
	}
	return k.signer.Sign(rand.Reader, digest, hash)
}

// fixedSize turns an ECDSA signature in ASN.1 into R and S side by side
// (RFC 7518 3.4).
func fixedSize(signature []byte, public crypto.PublicKey) ([]byte, error) {
	key, ok := public.(*ecdsa.PublicKey)
	var n struct{ R, S *big.Int }
	rest, err := asn1.Unmarshal(signature, &n)
	if !ok || err != nil || len(rest) != 0 || n.R.Sign() <= 0 || n.S.Sign() <= 0 {
		return nil, errors.New("the key made no ECDSA signature")
	}
	size := numberSize(key)
	if n.R.BitLen() > size*8 || n.S.BitLen() > size*8 {
		return nil, errors.New("the key made no ECDSA signature of its curve")
	}
	out := make([]byte, 2*size)
	n.R.FillBytes(out[:size])
	n.S.FillBytes(out[size:])
	return out, nil
}
