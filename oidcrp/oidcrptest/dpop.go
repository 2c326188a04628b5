package oidcrptest

import (
	"crypto"
	"crypto/sha256"
	"encoding/json"
	"net/http"
	"slices"
	"time"

	"github.com/go-jose/go-jose/v4"
)

const proofLifetime = 5 * time.Minute

// proofNonces are the DPoP nonces in force (RFC 9449 8, 9). Authorization
// server and resource server have different ones.
type proofNonces struct{ server, resource string }

// newProofNonce has every kind of character that a nonce may have.
func newProofNonce() string { return random() + "!#$%&'()*+,-./:;<=>?@[]^_`{|}~" }

// rotateProofNonce makes the nonce of the authorization server another one.
func (p *Provider) rotateProofNonce() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.nonces.server = newProofNonce()
}

// proof reads the DPoP proof of a request and returns the thumbprint of its
// key; "" without one. token is the access token it must go with, "" at the
// authorization server.
func (p *Provider) proof(w http.ResponseWriter, r *http.Request, token string) (string, *oauthError) {
	headers := r.Header.Values("DPoP")
	if len(headers) == 0 {
		return "", nil
	}
	invalid := func(description string) (string, *oauthError) {
		return "", &oauthError{"invalid_dpop_proof", description, http.StatusBadRequest}
	}
	if len(headers) > 1 {
		return invalid("two proofs")
	}
	algs := make([]jose.SignatureAlgorithm, len(clientAlgorithms))
	for i, alg := range clientAlgorithms {
		algs[i] = jose.SignatureAlgorithm(alg)
	}
	jws, err := jose.ParseSignedCompact(headers[0], algs)
	if err != nil {
		return invalid(err.Error())
	}
	header := jws.Signatures[0].Protected
	if typ, _ := header.ExtraHeaders["typ"].(string); typ != "dpop+jwt" {
		return invalid("typ must be dpop+jwt")
	}
	if header.JSONWebKey == nil || !header.JSONWebKey.IsPublic() {
		return invalid("jwk must be a public key")
	}
	payload, err := jws.Verify(header.JSONWebKey.Key)
	if err != nil {
		return invalid(err.Error())
	}
	var claims map[string]any
	if err := json.Unmarshal(payload, &claims); err != nil {
		return invalid(err.Error())
	}
	if problem := p.judgeProof(r, claims, token); problem != "" {
		return invalid(problem)
	}
	if e := p.judgeProofNonce(w, claims["nonce"], token != ""); e != nil {
		return "", e
	}
	sum, err := header.JSONWebKey.Thumbprint(crypto.SHA256)
	if err != nil {
		return invalid(err.Error())
	}
	return b64(sum), nil
}

// judgeProof says what is wrong with a proof (RFC 9449 4.3).
func (p *Provider) judgeProof(r *http.Request, claims map[string]any, token string) string {
	if claims["htm"] != r.Method {
		return "htm is not the method"
	}
	htu, _ := claims["htu"].(string)
	if !slices.Contains(p.calledAs(r), htu) {
		return "htu is not the address called"
	}
	now := p.time()
	iat, ok := timeClaim(claims, "iat")
	if !ok || iat.After(now.Add(clockSkew)) || now.Sub(iat) > proofLifetime {
		return "iat is not of now"
	}
	sum := sha256.Sum256([]byte(token))
	if ath, given := claims["ath"]; token != "" && ath != b64(sum[:]) {
		return "ath is not the hash of the access token"
	} else if token == "" && given {
		return "ath without an access token"
	}
	jti, _ := claims["jti"].(string)
	if jti == "" {
		return "jti is missing"
	}
	if !p.once("proof "+jti, now.Add(2*proofLifetime)) {
		return "jti was used before"
	}
	return ""
}

// judgeProofNonce asks for a nonce, where a fault makes nonces wanted.
func (p *Provider) judgeProofNonce(w http.ResponseWriter, got any, resource bool) *oauthError {
	faults := p.activeFaults()
	wanted := slices.ContainsFunc(faults, func(f Fault) bool { return f.proofNonces })
	never := slices.ContainsFunc(faults, func(f Fault) bool { return f.noNonceWillDo })
	p.mu.Lock()
	defer p.mu.Unlock()
	right := p.nonces.server
	if resource {
		right = p.nonces.resource
	}
	if !never && (!wanted || got == right) {
		return nil
	}
	if never {
		right = newProofNonce()
	}
	w.Header().Set("DPoP-Nonce", right)
	return &oauthError{"use_dpop_nonce", "this nonce, please", http.StatusBadRequest}
}
