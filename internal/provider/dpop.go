package provider

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/go-jose/go-jose/v4"

	"github.com/seed-78edd7da/go-oidcrp/internal/validate"
)

const (
	dpopAlgorithm = "ES256"
	dpopType      = "DPoP" // of access tokens, and the scheme they are sent with
	nonceError    = "use_dpop_nonce"
	maxNonce      = 512
)

// dpop proves that access tokens are used by who got them (RFC 9449), with one
// key.
type dpop struct {
	key    []byte // the private key itself, which goes where its tokens go
	signer jose.Signer
	now    func() time.Time
}

// nonces are those to use next: authorization and resource servers keep their
// own (RFC 9449 9).
type nonces struct {
	server    nonce
	resources sync.Map // of *nonce, by origin. Origins come from settings and metadata: they are few
}

// at is the nonce of the resource server at an address.
func (n *nonces) at(address *url.URL) *nonce {
	of, _ := n.resources.LoadOrStore(address.Scheme+"://"+address.Host, &nonce{})
	return of.(*nonce)
}

// A nonce is the latest one that a server gave; "" if none.
type nonce struct{ latest atomic.Pointer[string] }

func (n *nonce) load() string {
	if s := n.latest.Load(); s != nil {
		return *s
	}
	return ""
}

// learn takes the nonce of an answer. Any answer may bring one (RFC 9449 8.2).
func (n *nonce) learn(h http.Header) {
	if v := h.Get("DPoP-Nonce"); v != "" && len(v) <= maxNonce && !strings.ContainsFunc(v, notNonce) {
		n.latest.Store(&v)
	}
}

// notNonce: what RFC 9449 8.1 leaves out.
func notNonce(r rune) bool { return r <= ' ' || r > '~' || r == '"' || r == '\\' }

// newDPoP draws the key for the tokens this process gets.
func newDPoP(now func() time.Time) (*dpop, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("DPoP: %w", err)
	}
	raw, err := key.Bytes()
	if err != nil {
		return nil, fmt.Errorf("DPoP: %w", err)
	}
	return dpopOf(raw, now)
}

// dpopOf proves with the key that tokens were kept with: another process may
// have drawn it.
func dpopOf(raw []byte, now func() time.Time) (*dpop, error) {
	key, err := ecdsa.ParseRawPrivateKey(elliptic.P256(), raw)
	if err != nil {
		return nil, fmt.Errorf("DPoP: %w", err)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: dpopAlgorithm, Key: key},
		(&jose.SignerOptions{EmbedJWK: true}).WithType("dpop+jwt"))
	if err != nil {
		return nil, fmt.Errorf("DPoP: %w", err)
	}
	return &dpop{key: raw, signer: signer, now: now}, nil
}

// proofClaims are those of RFC 9449 4.2.
type proofClaims struct {
	ID       string `json:"jti"`
	Method   string `json:"htm"`
	Address  string `json:"htu"`
	IssuedAt int64  `json:"iat"`
	Nonce    string `json:"nonce,omitempty"`
	Token    string `json:"ath,omitempty"`
}

// prove adds a proof for this one request, and for the access token it carries
// unless that is "".
func (d *dpop) prove(r *http.Request, nonce, accessToken string) error {
	address := *r.URL
	address.RawQuery, address.ForceQuery, address.Fragment = "", false, ""
	claims := proofClaims{
		ID: rand.Text(), Method: r.Method, Address: address.String(),
		IssuedAt: d.now().Unix(), Nonce: nonce,
	}
	if accessToken != "" {
		sum := sha256.Sum256([]byte(accessToken))
		claims.Token = base64.RawURLEncoding.EncodeToString(sum[:])
	}
	payload, err := json.Marshal(claims)
	if err != nil {
		return err
	}
	proof, err := d.signer.Sign(payload)
	if err != nil {
		return err
	}
	compact, err := proof.CompactSerialize()
	if err != nil {
		return err
	}
	r.Header.Set("DPoP", compact)
	return nil
}

// A prover adds what a request needs to prove.
type prover func(*http.Request) error

func proveNothing(*http.Request) error { return nil }

// send makes a request that carries a proof, and makes it once more, with
// another proof, if all that was wrong with it was the nonce. A nil dpop
// proves nothing and makes it once.
func (d *dpop) send(n *nonce, accessToken string, request func(prover) (*answer, error)) (*answer, error) {
	if d == nil {
		return request(proveNothing)
	}
	for first := true; ; first = false {
		sent := n.load()
		a, err := request(func(r *http.Request) error { return d.prove(r, sent, accessToken) })
		if err != nil {
			return nil, err
		}
		n.learn(a.header)
		if !first || !a.wantsNonce(sent, n) {
			return a, nil
		}
	}
}

// wantsNonce reports whether the answer refuses the request for its nonce
// alone, and says which to use: it may then be repeated, once, since nothing
// else of it was looked at (RFC 9449 8, 9).
func (a *answer) wantsNonce(sent string, n *nonce) bool {
	if a.status != http.StatusBadRequest {
		return n.wanted(sent, a.status, a.header)
	}
	if next := n.load(); next == "" || next == sent || !a.isJSON() {
		return false
	}
	doc, err := validate.Object(a.body)
	if err != nil {
		return false
	}
	code, _, err := doc.String("error")
	return err == nil && code == nonceError
}

// wanted is wantsNonce for the answer of a resource server, which says so in
// its header (RFC 9449 9).
func (n *nonce) wanted(sent string, status int, h http.Header) bool {
	next := n.load()
	return status == http.StatusUnauthorized && next != "" && next != sent &&
		slices.ContainsFunc(h.Values("WWW-Authenticate"), func(challenge string) bool {
			return strings.Contains(challenge, nonceError)
		})
}

// checkTokenType refuses an access token of a type we do not know how to use
// (RFC 6749 7.1). Where it is to be bound to our key, one that is not would be
// anybody's who gets hold of it (RFC 9449 5).
func (d *dpop) checkTokenType(t *tokens) error {
	want := "Bearer"
	if d != nil {
		want = dpopType
	}
	// Without a type it can only be the type every client has.
	if !strings.EqualFold(t.TokenType, want) && !(t.TokenType == "" && d == nil) && t.AccessToken != "" {
		return refused(tokenResponse, "token_type", "is not "+want)
	}
	t.TokenType = want
	return nil
}
