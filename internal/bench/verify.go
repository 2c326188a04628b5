package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math/big"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-oidc/v3/oidc"
	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	capoidc "github.com/hashicorp/cap/oidc"
	"github.com/zitadel/oidc/v3/pkg/client/rp"
	zitadel "github.com/zitadel/oidc/v3/pkg/oidc"
)

// verification is B: an ID token is verified, keys known. Ours has no public
// name: it is measured beside go-oidc's by the benchmark of its own room, which
// runs here, and the others beside go-oidc's.
func verification(r *run) {
	ratios := oursToGoOIDC(r.rounds)
	for _, kind := range []struct {
		alg  jose.SignatureAlgorithm
		key  crypto.Signer
		most float64
	}{
		{jose.RS256, must(rsa.GenerateKey(rand.Reader, 2048)), 2.2},
		{jose.ES256, must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader)), 1.5},
		{jose.EdDSA, ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)), 1.8},
	} {
		token, keys := signed(kind.alg, kind.key)
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.Write(keys) }))
		ctx := context.Background()
		verifier := oidc.NewVerifier("https://op.example", oidc.NewRemoteKeySet(ctx, server.URL), &oidc.Config{ClientID: "app", SupportedSigningAlgs: []string{string(kind.alg)}})
		zv := rp.NewIDTokenVerifier("https://op.example", "app", rp.NewRemoteKeySet(server.Client(), server.URL), rp.WithSupportedSigningAlgorithms(string(kind.alg)), rp.WithNonce(func(context.Context) string { return "a-nonce" }))
		rs := r.measure([]contender{
			{"bare signature", bare(token, kind.key.Public()), ""},
			{"go-oidc Verify", func() { must(verifier.Verify(ctx, token)) }, ""},
			{"go-jose by hand", withGoJose(token, keys, kind.alg), ""},
			{"hashicorp/cap", withCapVerify(token, server.URL, kind.alg), ""},
			{"zitadel VerifyIDToken", func() { must(rp.VerifyIDToken[*zitadel.IDTokenClaims](ctx, token, zv)) }, ""},
		})
		server.Close()
		rs.print("B: an ID token is verified, "+string(kind.alg), "go-oidc Verify")
		ours := ratios[string(kind.alg)]
		fmt.Printf("oidcrp, with nonce and claims: %.2f x go-oidc Verify\n", ours)
		r.atMost("B "+string(kind.alg)+", x go-oidc's Verify", ours, 1.12)
		r.atMost("B "+string(kind.alg)+", x bare signature", ours*rs.ratio("go-oidc Verify", "bare signature"), kind.most)
		for _, peer := range []string{"go-jose by hand", "hashicorp/cap", "zitadel VerifyIDToken"} {
			r.atLeast(peer+" "+string(kind.alg)+", x B", rs.ratio(peer, "go-oidc Verify")/ours, 1)
		}
	}
}

func withGoJose(token string, keys []byte, alg jose.SignatureAlgorithm) func() {
	var set jose.JSONWebKeySet
	check(json.Unmarshal(keys, &set))
	return func() {
		t := must(jwt.ParseSigned(token, []jose.SignatureAlgorithm{alg}))
		var registered jwt.Claims
		var more struct {
			Nonce string `json:"nonce"`
			Name  string `json:"name"`
			Email string `json:"email"`
		}
		check(t.Claims(set.Key(t.Headers[0].KeyID)[0], &registered, &more))
		check(registered.Validate(jwt.Expected{Issuer: "https://op.example", AnyAudience: jwt.Audience{"app"}, Time: time.Now()}))
		if more.Nonce != "a-nonce" {
			panic("nonce")
		}
	}
}

func withCapVerify(token, keysURL string, alg jose.SignatureAlgorithm) func() {
	const back = "http://localhost:3000/callback"
	config := must(capoidc.NewConfig("https://op.example", "app", "secret", []capoidc.Alg{capoidc.Alg(alg)}, []string{back},
		capoidc.WithProviderConfig(&capoidc.ProviderConfig{AuthURL: "https://op.example/authorize", TokenURL: "https://op.example/token", JWKSURL: keysURL, UserInfoURL: "https://op.example/userinfo"})))
	provider := must(capoidc.NewProvider(config))
	request := must(capoidc.NewRequest(time.Hour, back, capoidc.WithNonce("a-nonce")))
	return func() { must(provider.VerifyIDToken(context.Background(), capoidc.IDToken(token), request)) }
}

func signed(alg jose.SignatureAlgorithm, key crypto.Signer) (token string, keys []byte) {
	now := time.Now()
	claims := must(json.Marshal(map[string]any{
		"iss": "https://op.example", "sub": "alice", "aud": "app", "nonce": "a-nonce", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
		"sid": "0123456789abcdef", "auth_time": now.Unix(), "name": "Alice Example", "email": "alice@example.com",
		"email_verified": true, "preferred_username": "alice", "groups": []string{"staff", "admin", "reports"},
	}))
	jwk := jose.JSONWebKey{Key: key, KeyID: "k1", Algorithm: string(alg), Use: "sig"}
	signer := must(jose.NewSigner(jose.SigningKey{Algorithm: alg, Key: jwk}, nil))
	return must(must(signer.Sign(claims)).CompactSerialize()), must(json.Marshal(jose.JSONWebKeySet{Keys: []jose.JSONWebKey{jwk.Public()}}))
}

// bare checks the signature alone.
func bare(token string, key crypto.PublicKey) func() {
	end := strings.LastIndexByte(token, '.')
	message := []byte(token[:end])
	return func() {
		signature := must(base64.RawURLEncoding.DecodeString(token[end+1:]))
		good := false
		switch key := key.(type) {
		case *rsa.PublicKey:
			sum := sha256.Sum256(message)
			good = rsa.VerifyPKCS1v15(key, crypto.SHA256, sum[:], signature) == nil
		case *ecdsa.PublicKey:
			sum := sha256.Sum256(message)
			good = ecdsa.Verify(key, sum[:], new(big.Int).SetBytes(signature[:32]), new(big.Int).SetBytes(signature[32:]))
		case ed25519.PublicKey:
			good = ed25519.Verify(key, message, signature)
		}
		if !good {
			panic("signature is wrong")
		}
	}
}

// oursToGoOIDC runs the benchmark of the provider room, once for each round:
// with -count it would measure ours in all rounds before it turned to theirs.
func oursToGoOIDC(rounds int) map[string]float64 {
	dir := must(os.MkdirTemp("", "bench"))
	defer os.RemoveAll(dir)
	binary := filepath.Join(dir, "provider.test")
	build := exec.Command("go", "test", "-c", "-o", binary, "./internal/provider")
	build.Dir = "../.."
	check(build.Run())
	var out []byte
	for range rounds {
		out = append(out, must(exec.Command(binary, "-test.run=^$", "-test.bench=^BenchmarkIDToken$", "-test.benchtime=40ms").Output())...)
	}
	times := map[string]map[string][]float64{}
	for lines := bufio.NewScanner(bytes.NewReader(out)); lines.Scan(); {
		f := strings.Fields(lines.Text())
		if len(f) < 4 || !strings.HasPrefix(f[0], "BenchmarkIDToken/") {
			continue
		}
		name := strings.Split(strings.TrimPrefix(f[0], "BenchmarkIDToken/"), "/")
		who, _, _ := strings.Cut(name[1], "-"+strconv.Itoa(cpus()))
		if times[name[0]] == nil {
			times[name[0]] = map[string][]float64{}
		}
		times[name[0]][who] = append(times[name[0]][who], must(strconv.ParseFloat(f[2], 64)))
	}
	ratios := map[string]float64{}
	for alg, by := range times {
		var all []float64
		for i := range by["ours"] {
			all = append(all, by["ours"][i]/by["go-oidc"][i])
		}
		ratios[alg] = median(all)
	}
	return ratios
}
